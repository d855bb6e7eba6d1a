#!/usr/bin/env python3
"""Links two objects that use the same headers, and runs the program.

    link.py --compiler CXX [--launcher ccache] [--flags FILE] symbols|baseline|lto|self-test...

symbols    Both objects with equal flags link and run. Objects of different instruction sets, or with and without
           exceptions, share no symbol of idem, so the linker cannot keep one body for both; and both answer alike.
baseline   The same mixed programs, run on an emulated processor without AVX: the plain object must survive it.
           Exits with 77, which ctest counts as skipped, where there is no qemu-x86_64.
lto        g++ only: links with -flto, with -Wodr as an error.
self-test  Takes the instruction set out of the inline namespace, in a copy, and wants `symbols` and `baseline` red.

Several are done one after the other with the objects of the first. Exits with 77 where one of them could not run.
"""

import argparse
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = HERE / "link"
PLAIN = ["-O3"]
# Vectorised as far as the compiler will go, so that a mix-up does not hide behind scalar code.
INSTRUCTION_SETS = {
    "avx2": ["-mavx2"],
    "avx2-fma-bmi": ["-mavx2", "-mfma", "-mbmi", "-mbmi2"],
    "avx512": ["-mavx512f", "-mavx512vl", "-mavx512bw", "-mavx512dq", "-mprefer-vector-width=512"],
}
SKIPPED = 77


class Failure(Exception):
    pass


class Workshop:
    def __init__(self, compiler, launcher, flags, folder):
        self.compiler, self.launcher, self.flags, self.folder = compiler, launcher, flags, folder
        self.made = {}
        self.sets = INSTRUCTION_SETS if platform.machine() == "x86_64" else {}

    def run(self, *command, may_fail=False):
        result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False,
                                env=dict(os.environ, LC_ALL="C"))
        if result.returncode and not may_fail:
            raise Failure(f"{' '.join(str(part) for part in command)}\nexit {result.returncode}\n"
                          f"{result.stdout}{result.stderr}")
        return result

    def compile(self, source, extra):
        key = (source, *extra)
        if key not in self.made:
            target = self.folder / f"{len(self.made)}-{source}.o"
            self.run(*self.launcher, self.compiler, "-c", SOURCES / f"{source}.cpp", "-o", target, *self.flags, *extra)
            self.made[key] = target
        return self.made[key]

    def link(self, *objects, extra=()):
        target = self.folder / f"program-{len(list(self.folder.iterdir()))}"
        self.run(self.compiler, *objects, "-o", target, *extra)
        return target

    def idem_symbols(self, path):
        """Symbols of idem that the linker may take from any one object (weak, unique or in a common group)."""
        lines = self.run("nm", "--demangle", "--defined-only", path).stdout.splitlines()
        found = set()
        for line in lines:
            match = re.match(r"[0-9a-f]+ ([A-Za-z]) (.*)", line)
            if match and match.group(1) in "WwVvuC" and "idem::" in match.group(2):
                found.add(match.group(2))
        return found

    def pair(self, fast_flags):
        """The object with special flags first: that is the one whose bodies the linker would keep."""
        fast = self.compile("fast", [*PLAIN, *fast_flags])
        plain = self.compile("plain", PLAIN)
        return fast, plain, self.link(fast, plain, self.compile("main", PLAIN))


def processor_has(name):
    needed = {"avx2": {"avx2"}, "avx2-fma-bmi": {"avx2", "fma", "bmi1", "bmi2"},
              "avx512": {"avx512f", "avx512vl", "avx512bw", "avx512dq"}}[name]
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    flags = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return bool(flags) and needed <= set(flags.group(1).split())


def check_unmixed(workshop, name, fast, plain):
    shared = workshop.idem_symbols(fast) & workshop.idem_symbols(plain)
    if shared:
        raise Failure(f"{name}: {len(shared)} symbols of idem are in both objects, so one body serves both:\n  "
                      + "\n  ".join(sorted(shared)[:10]))
    if not workshop.idem_symbols(plain):
        raise Failure("the plain object has no symbol of idem at all: the test sees nothing")


def symbols(workshop):
    _, _, program = workshop.pair([])
    answer = workshop.run(program, "both").stdout
    print(f"equal flags: {answer.strip()}")

    for name, flags in workshop.sets.items():
        fast, plain, program = workshop.pair(flags)
        check_unmixed(workshop, name, fast, plain)
        here = processor_has(name)
        if workshop.run(program, *(["both"] if here else [])).stdout != answer:
            raise Failure(f"{name}: other answers than without it")
        print(f"{name}: nothing shared, " + ("both objects agree" if here else "not run: this processor lacks it"))

    fast, plain, program = workshop.pair(["-fno-exceptions"])
    check_unmixed(workshop, "-fno-exceptions", fast, plain)
    if workshop.run(program, "both").stdout != answer:
        raise Failure("-fno-exceptions: other answers than with exceptions")
    print("-fno-exceptions: nothing shared, both objects agree")


def baseline(workshop):
    emulator = shutil.which("qemu-x86_64")
    if not workshop.sets or not emulator:
        print("SKIPPED: needs an x86-64 machine and qemu-x86_64 (Debian, Ubuntu: qemu-user)")
        return SKIPPED
    for name, flags in workshop.sets.items():
        _, _, program = workshop.pair(flags)
        # That the emulated processor really has no AVX: the other object must die on it.
        died = workshop.run(emulator, "-cpu", "qemu64", program, "both", may_fail=True)
        if died.returncode == 0:
            raise Failure(f"{name}: the object with {flags[0]} runs on a processor without it: the test sees nothing")
        result = workshop.run(emulator, "-cpu", "qemu64", program, may_fail=True)
        if result.returncode:
            raise Failure(f"{name}: linked behind an object with {flags[0]}, the plain object dies on a processor "
                          f"without it (exit {result.returncode})")
        print(f"{name}: the plain object runs without it")
    return 0


def lto(workshop):
    # One other instruction set tells as much as all of them, and the optimiser takes its time.
    others = dict(list(workshop.sets.items())[-1:])
    for name, extra in {"equal flags": [], **others}.items():
        flags = [*PLAIN, "-flto", "-Wodr", "-Werror"]
        objects = [workshop.compile("fast", [*flags, *extra]), workshop.compile("plain", flags),
                   workshop.compile("main", flags)]
        program = workshop.link(*objects, extra=flags)
        print(f"{name}: {workshop.run(program).stdout.strip()}")


def self_test(workshop, include_dir):
    copy = workshop.folder / "include"
    shutil.copytree(include_dir, copy)
    abi = copy / "idem" / "detail" / "abi.hpp"
    text, count = re.subn(r"^(#define IDEM_ABI_ISA)\b.*$", r"\1", abi.read_text(encoding="utf-8"), flags=re.MULTILINE)
    if count < 2:
        raise Failure("the self test no longer finds the instruction set in abi.hpp")
    abi.write_text(text, encoding="utf-8")
    workshop.flags = ["-I", str(copy), *workshop.flags]
    workshop.made = {}

    unnoticed = 0
    for name, check in {"symbols": symbols, "baseline": baseline}.items():
        try:
            outcome = check(workshop)
        except Failure as failure:
            print(f"{name} notices: {str(failure).splitlines()[0]}")
            continue
        if outcome != SKIPPED:
            print(f"{name} notices nothing")
            unnoticed += 1
    return unnoticed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--launcher", nargs=1, default=[])
    parser.add_argument("--flags", type=pathlib.Path)
    parser.add_argument("--include-dir", type=pathlib.Path, help="for the self test")
    parser.add_argument("modes", nargs="+", choices=["symbols", "baseline", "lto", "self-test"])
    arguments = parser.parse_args()
    flags = [f"@{arguments.flags}"] if arguments.flags else []

    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(arguments.compiler, arguments.launcher, flags, pathlib.Path(folder))
        try:
            outcomes = []
            for mode in arguments.modes:
                if mode == "self-test":
                    outcomes.append(1 if self_test(workshop, arguments.include_dir) else 0)
                else:
                    outcomes.append({"symbols": symbols, "baseline": baseline, "lto": lto}[mode](workshop) or 0)
            return 1 if 1 in outcomes else max(outcomes)
        except Failure as failure:
            print(failure)
            return 1


if __name__ == "__main__":
    sys.exit(main())
