#!/usr/bin/env python3
"""Runs the program of values.cpp under gdb with idem's printers, and compares what is printed.

    printers.py --gdb GDB --printers share/gdb/idem.py --program FILE

Exits with 77, which ctest counts as skipped, where gdb cannot run the program (a container without ptrace, say).
"""

import argparse
import pathlib
import subprocess
import sys

WANTED = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "digest": "00000000000000010000000000000002",
    "seed": "(a seed is not shown)",
    "lease": "30 s",
    "short_one": "1500 us",
    "for_ever": "for ever",
    "at": "{now = instant 30 s, event = instant 30 s}",
    "budget": "64 MiB",
    "verdict": "probable_duplicate",
    "good": "value: 01890a5d-ac96-774b-bcce-b302099a8057",
    "bad": "no value: uuid: bad_length at position 34",
    "few": "3 ids",
    "many": "10000 ids",
    "numbers": "1 id",
    "claim": "claim, attempt 1, token 40",
    "second": "no claim: in_progress",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gdb", required=True)
    parser.add_argument("--printers", required=True, type=pathlib.Path)
    parser.add_argument("--program", required=True, type=pathlib.Path)
    arguments = parser.parse_args()

    commands = ["set confirm off", "set pagination off", f"source {arguments.printers}", "break stop", "run", "finish"]
    for name in WANTED:
        commands += [f"echo <{name}>", f"output {name}", "echo \\n"]
    command = [arguments.gdb, "--batch", "--nx", "-iex", "set auto-load off"]
    for line in commands:
        command += ["-ex", line]
    result = subprocess.run([*command, str(arguments.program)], capture_output=True, text=True, check=False, timeout=120)
    if "ptrace" in result.stderr or "Couldn't get registers" in result.stderr:
        print(f"SKIPPED: gdb cannot run a program here\n{result.stderr}")
        return 77

    shown = dict(line[1:].split(">", 1) for line in result.stdout.splitlines() if line.startswith("<"))
    wrong = 0
    for name, text in WANTED.items():
        got = shown.get(name, "nothing").rsplit("::", 1)[-1] if name == "verdict" else shown.get(name, "nothing")
        if got != text:
            print(f"{name}: printed {got!r}, and not {text!r}")
            wrong += 1
    print(f"{len(WANTED) - wrong} of {len(WANTED)} as wanted")
    if wrong:
        print(result.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
