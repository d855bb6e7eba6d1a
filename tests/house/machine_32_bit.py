#!/usr/bin/env python3
"""Compiles the test of the golden snapshots for i686 and runs it: the same bytes on a machine of 32 bits.

    machine_32_bit.py --folder FOLDER [--launcher ccache]      FOLDER is for what it makes

Exits with 77, which ctest counts as skipped, where there is no cross compiler, or where this machine cannot run what
it makes. scripts/soak runs all tests of snapshots there, and on a big-endian machine.
"""

import argparse
import concurrent.futures
import os
import pathlib
import platform
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TESTS = ROOT / "tests"
SOURCES = ["main.cpp", "support/out_of_memory.cpp", "snapshot/subjects.cpp", "snapshot/subjects_windows.cpp",
           "snapshot/vectors.cpp"]
COMPILERS = ["i686-linux-gnu-g++-12", "i686-linux-gnu-g++"]
# Headers only, so those of this machine will do; its other headers will not.
BORROWED = ["xxhash.h", "xxh3.h", "doctest"]
SKIPPED = 77


def run(*command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"{' '.join(str(part) for part in command)}\nexit {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--launcher", default=None)
    arguments = parser.parse_args()
    compiler = next((path for path in map(shutil.which, COMPILERS) if path), None)
    if compiler is None or platform.machine() != "x86_64":
        print("SKIPPED: needs an x86-64 machine and i686-linux-gnu-g++ (Debian: g++-12-i686-linux-gnu)")
        return SKIPPED
    launcher = [arguments.launcher] if arguments.launcher else []
    folder = arguments.folder.resolve()
    (folder / "include").mkdir(parents=True, exist_ok=True)
    for header in BORROWED:
        if pathlib.Path("/usr/include", header).exists() and not (folder / "include" / header).exists():
            os.symlink(f"/usr/include/{header}", folder / "include" / header)
    # What narrows is an error to clang, and to g++ a warning.
    flags = ["-std=c++20", "-O0", "-Werror=narrowing", "-isystem", folder / "include", "-I", ROOT / "include", "-I", TESTS,
             f'-DIDEM_VECTORS_DIR="{TESTS}/vectors"']

    def compiled(source):
        target = folder / (source.replace("/", "-") + ".o")
        run(*launcher, compiler, *flags, "-c", TESTS / source, "-o", target)
        return target

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as workers:
        objects = list(workers.map(compiled, SOURCES))
    run(compiler, *objects, "-static", "-pthread", "-o", folder / "test")
    print(run(folder / "test"), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
