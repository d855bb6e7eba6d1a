#!/usr/bin/env python3
"""Checks a Spin model: no error in it, and an error for each bug that can be planted.

    check.py MODEL.pml [--build DIR]

The plants are the lines "PLANT_NAME   what it does" in the model's first comment. Exit status 77: spin or a C compiler
is not there (Debian: spin, gcc).
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time


def run(command, folder):
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def check(model, define, folder):
    """(errors, states, first error); every state is visited, in depth-first order."""
    folder.mkdir(parents=True)
    made = run(["spin", "-a", *([f"-D{define}"] if define else []), str(model)], folder)
    if made.returncode:
        raise SystemExit(f"{model.name}: {made.stdout}")
    # At the default depth a search that does not fit would be cut short; it says so, and that is an error here.
    built = run(["cc", "-O1", "-w", "-DSAFETY", "-DMEMLIM=1024", "-o", "pan", "pan.c"], folder)
    if built.returncode:
        raise SystemExit(f"{model.name}: {built.stdout}")
    result = run(["./pan", "-m100000"], folder).stdout
    errors = re.search(r"errors: (\d+)", result)
    states = re.search(r"(\d+) states, stored", result)
    if not errors or not states or "max search depth too small" in result or "Search not completed" in result and errors[1] == "0":
        raise SystemExit(f"{model.name}: the search did not end\n{result}")
    first = re.search(r"pan:\d+: (.*)", result)
    return int(errors[1]), int(states[1]), first[1] if first else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--build", type=pathlib.Path)
    arguments = parser.parse_args()
    if not shutil.which("spin") or not shutil.which("cc"):
        print("skipped: spin or cc is not there (Debian: spin, gcc)")
        return 77
    model = arguments.model.resolve()
    head = model.read_text(encoding="utf-8").split("*/")[0]
    plants = sorted(set(re.findall(r"\bPLANT_\w+", head)))

    faults = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.build or pathlib.Path(scratch)
        shutil.rmtree(folder, ignore_errors=True)
        for define in ["", *plants]:
            began = time.monotonic()
            errors, states, first = check(model, define, folder / (define or "as_it_is"))
            as_wanted = (errors != 0) == bool(define)
            faults += not as_wanted
            print(f"{model.name}{' with ' + define if define else ''}: {states} states, "
                  f"{first if errors else 'no error'}, {time.monotonic() - began:.1f} s"
                  f"{'' if as_wanted else '  <- NOT AS IT MUST BE'}")
    if not plants:
        print(f"{model.name} names no bug that can be planted")
        return 1
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
