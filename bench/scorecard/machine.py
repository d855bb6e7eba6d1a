"""What a run was made on: without it no figure means anything."""

import ctypes
import mmap
import os
import pathlib
import platform
import re
import subprocess


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.splitlines()[0].strip() if done.stdout else ""


def read(path):
    try:
        return pathlib.Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def processor():
    names = re.findall(r"^model name\s*:\s*(.*)$", read("/proc/cpuinfo"), re.MULTILINE)
    return names[0] if names else platform.processor() or platform.machine()


def caches():
    found = []
    for index in sorted(pathlib.Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        kind = read(index / "type")
        if kind in ("Data", "Unified"):
            found.append(f"L{read(index / 'level')} {read(index / 'size')}")
    return ", ".join(found)


def memory_available():
    match = re.search(r"^MemAvailable:\s*(\d+) kB", read("/proc/meminfo"), re.MULTILINE)
    return int(match[1]) * 1024 if match else 0


def huge_pages():
    """Whether a program that asks for huge pages may get them."""
    return re.search(r"\[(\w+)\]", read("/sys/kernel/mm/transparent_hugepage/enabled") + "[never]")[1] != "never"


def no_huge_pages():
    """For this process and what it becomes, whatever is asked for."""
    disable = 41  # PR_SET_THP_DISABLE
    ctypes.CDLL(None).prctl(disable, 1, 0, 0, 0)


def package(name):
    return first_line("dpkg-query", "-W", "-f", "${Version}", name)


def describe(compiler, flags, packages, pages, root):
    libraries = {name: package(name) for name in packages}
    return {
        "date": first_line("date", "-u", "+%Y-%m-%d %H:%M UTC"),
        "commit": first_line("git", "-C", str(root), "describe", "--always", "--dirty"),
        "processor": processor(),
        "cores": os.cpu_count(),
        "caches": caches(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load": [round(load, 2) for load in os.getloadavg()],
        "system": f"{platform.system()} {platform.release().partition('-')[0]} {platform.machine()}",
        "compiler": first_line(compiler, "--version"),
        "flags": flags,
        "libraries": {name: version for name, version in libraries.items() if version},
        "pages": pages,
    }


def use(amount):
    """Writes to so many bytes of new memory, and gives them back. A virtual machine gets memory from its host when it is used for
    the first time, which can take ten times as long as the page fault itself, and whoever is measured first would pay for all."""
    pages = max(1, amount // mmap.PAGESIZE)
    with mmap.mmap(-1, pages * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        try:
            memory.madvise(mmap.MADV_HUGEPAGE)
        except OSError:
            pass  # a system without huge pages
        memory[::mmap.PAGESIZE] = bytes([1]) * pages
