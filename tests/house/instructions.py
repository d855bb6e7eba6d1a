#!/usr/bin/env python3
"""Counts the instructions of a call on a component, and of the same call on a Deduplicator over it.

    instructions.py --compiler CXX [--launcher ccache] [--flags FILE] [--update]

Under callgrind, in a portable build with -O2. Fails where the Deduplicator takes more than one instruction in a hundred
more; where the component itself takes more than instructions.golden says for this compiler, by more than one in a
hundred; and where not even a Deduplicator that counts is noticed by that rule. --update writes what was counted into the golden file. A compiler that the file does not have is judged by
the difference alone. Exits with 77, which ctest counts as skipped, where there is no valgrind.
"""

import argparse
import concurrent.futures
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE / "instructions" / "main.cpp"
GOLDEN = HERE / "instructions.golden"
SKIPPED = 77
# As the program says: how often a function is called, and with how many keys.
CALLS = 2 * 8192
TOLERANCE = 0.01
VARIANTS = ["bare", "dedup", "counting"]


def run(*command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False,
                            env=dict(os.environ, LC_ALL="C"))
    if result.returncode:
        sys.exit(f"{' '.join(str(part) for part in command)}\nexit {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


def compiler_name(compiler):
    """The family and its major version, on this processor: x86_64 g++-12."""
    version = run(compiler, "--version")
    family = "clang++" if "clang" in version else "g++"
    major = run(compiler, "-dumpversion").split(".")[0]
    return f"{platform.machine()} {family}-{major.strip()}"


def inclusive_counts(profile):
    """{subject: instructions of all its calls and what they called}"""
    names, counts, callee, at_call = {}, {}, None, False
    for line in profile.splitlines():
        match = re.match(r"(c?fn)=\((\d+)\)(?: (.*))?", line)
        if match:
            if match.group(3):
                names[match.group(2)] = match.group(3)
            if match.group(1) == "cfn":
                callee = names[match.group(2)]
        elif line.startswith("calls="):
            at_call = True
        elif at_call:
            at_call = False
            if callee.startswith("measure_"):
                subject = callee[len("measure_"):]
                counts[subject] = counts.get(subject, 0) + int(line.split()[1])
    return counts


def measure(compiler, launcher, flags, folder):
    """{variant: {subject: instructions a call}}"""
    def count(variant):
        program, profile = folder / variant, folder / f"{variant}.profile"
        run(*launcher, compiler, "-c", SOURCE, "-o", f"{program}.o", "-O2", "-DNDEBUG",
            f"-DVARIANT={VARIANTS.index(variant)}", *flags)
        run(compiler, f"{program}.o", "-o", program)
        answers = run("valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={profile}", program)
        counts = inclusive_counts(profile.read_text(encoding="utf-8"))
        return answers, {subject: instructions / CALLS for subject, instructions in counts.items()}

    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        results = list(pool.map(count, VARIANTS))
    if len({answers for answers, _ in results}) != 1:
        sys.exit("the variants do not give the same verdicts")
    return dict(zip(VARIANTS, (counts for _, counts in results)))


def read_golden():
    """{compiler: {subject: instructions a call}}"""
    golden = {}
    for line in GOLDEN.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            machine, compiler, subject, count = line.split()
            golden.setdefault(f"{machine} {compiler}", {})[subject] = float(count)
    return golden


def write_golden(golden):
    lines = ["# Instructions a call of each component alone, half of the calls fresh: portable build, -O2.",
             "# Written by tests/house/instructions.py --update."]
    for compiler in sorted(golden):
        lines += [f"{compiler} {subject} {golden[compiler][subject]:.2f}" for subject in sorted(golden[compiler])]
    GOLDEN.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--launcher", action="append", default=[])
    parser.add_argument("--flags", type=pathlib.Path)
    parser.add_argument("--update", action="store_true")
    arguments = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("no valgrind: nothing counts instructions")
        return SKIPPED
    flags = [f"@{arguments.flags}"] if arguments.flags else []
    with tempfile.TemporaryDirectory() as folder:
        variants = measure(arguments.compiler, arguments.launcher, flags, pathlib.Path(folder))
    bare = variants["bare"]
    name = compiler_name(arguments.compiler)
    golden = read_golden()
    if arguments.update:
        golden[name] = bare
        write_golden(golden)

    pinned = golden.get(name)
    faults, noticed = [], False
    if not bare or any(set(counts) != set(bare) for counts in variants.values()):
        sys.exit(f"not all was measured: {variants}")
    if pinned is None:
        print(f"{name} is not in {GOLDEN.name}")
    elif set(pinned) != set(bare):
        faults.append(f"{GOLDEN.name} has other subjects than the program")
    print(f"{'instructions a call':<19} {'bare':>10} {'pinned':>10} {'dedup':>10} {'counting':>10}")
    for subject in sorted(bare):
        alone, dedup, counting = (variants[variant][subject] for variant in VARIANTS)
        expected = (pinned or {}).get(subject)
        print(f"{subject:<19} {alone:10.2f} {'-' if expected is None else f'{expected:.2f}':>10} {dedup:10.2f} {counting:10.2f}")
        if dedup > alone * (1 + TOLERANCE):
            faults.append(f"{subject}: a Deduplicator takes {dedup - alone:.2f} instructions more than the {alone:.2f} of its memory")
        if expected is not None and alone > expected * (1 + TOLERANCE):
            faults.append(f"{subject}: {alone:.2f} instructions alone, pinned at {expected:.2f}; where that is meant, --update")
        elif expected is not None and alone < expected * (1 - TOLERANCE):
            print(f"{subject} takes fewer than pinned: --update")
        noticed = noticed or counting > alone * (1 + TOLERANCE)
    if not noticed:
        faults.append("Counters in the policy were not noticed, so nothing else would be")
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
