#!/usr/bin/env python3
"""Compiles what must not compile, and reads what the compiler says about it.

    compile_fail.py --compiler CXX [--flags FILE] [--precompiled HEADER] CASE_FILE...
    compile_fail.py --compiler CXX [--flags FILE] --precompile HEADER
    compile_fail.py --compiler CXX --self-test

A case file is a program in sections:

    #if CASE == 0
    ...                                        the control: the same use, spelled right. It must compile.
    #elif CASE == 1  // must-fail: REGEX
    ...                                        must not compile, with an error that matches REGEX
    #endif

Without the control a wrong include path would pass for success; without the pattern a slip of the pen would.
Warnings are errors, so that an ignored [[nodiscard]] counts. --flags names a response file for every compilation.
--precompile writes a header that includes idem, and beside it what the compiler makes of that; --precompiled begins every
case with it, which takes a fifth of the time.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

SECTION = re.compile(r"^#(?:if|elif) CASE == (\d+)\b[ \t]*(?://[ \t]*(.*))?$", re.MULTILINE)
ERROR = re.compile(r"\b(?:fatal )?error: .*")


def sections_of(path):
    """[(number, pattern or None)], or a sentence that says what is wrong with the file."""
    sections = []
    for number, comment in SECTION.findall(path.read_text(encoding="utf-8")):
        pattern = None
        if int(number) > 0:
            if not comment.startswith("must-fail: "):
                return f"case {number} does not say '// must-fail: REGEX'"
            pattern = comment[len("must-fail: "):].strip()
            if not pattern:
                return f"case {number} has an empty pattern"
        sections.append((int(number), pattern))
    if [number for number, _ in sections] != list(range(len(sections))) or len(sections) < 2:
        return "needs a control CASE == 0, then cases 1, 2, ... in order"
    return sections


WARNINGS = ["-Wall", "-Wextra", "-Werror"]


def run(command):
    return subprocess.run(command, capture_output=True, text=True, env=dict(os.environ, LC_ALL="C"), check=False)


def compile_case(compiler, flags, path, number):
    return run([compiler, "-fsyntax-only", *WARNINGS, f"-DCASE={number}", *flags, str(path)])


def precompile(compiler, flags, header):
    header.parent.mkdir(parents=True, exist_ok=True)
    header.write_text("#include <idem/idem.hpp>\n", encoding="utf-8")
    result = run([compiler, "-x", "c++-header", *WARNINGS, *flags, str(header), "-o", f"{header}.gch"])
    print(result.stdout + result.stderr, end="")
    return result.returncode


def judge(compiler, flags, path, number, pattern):
    """(passed, sentence)"""
    result = compile_case(compiler, flags, path, number)
    output = result.stdout + result.stderr
    name = f"{path.name} case {number}"
    if pattern is None:
        if result.returncode == 0:
            return True, f"{name}: compiles, as it must"
        return False, f"{name}: the control does not compile\n{output}"
    if result.returncode == 0:
        return False, f"{name}: compiles, and must not"
    if not re.search(pattern, output):
        return False, f"{name}: fails, but says nothing that matches /{pattern}/\n{output}"
    first = ERROR.search(output)
    return True, f"{name}: {first.group(0) if first else output.strip().splitlines()[0]}"


# Case files that the harness must refuse, but for the first.
GOOD = "#if CASE == 0\nint x = 1;\n#elif CASE == 1  // must-fail: initialize|conver\nint* x = 1;\n#endif\n"
SELF_TEST = {
    "good": GOOD,
    "a case that compiles": GOOD.replace("int*", "int"),
    "another error than announced": GOOD.replace("initialize|conver", "no member named y"),
    "a control that does not compile": GOOD.replace("int x = 1", "int x = y"),
    "no control": GOOD.replace("CASE == 0", "CASE == 2"),
    "no pattern": GOOD.replace("  // must-fail: initialize|conver", ""),
    "an empty pattern": GOOD.replace("initialize|conver", ""),
    "a gap in the numbers": GOOD.replace("CASE == 1", "CASE == 2"),
    "an ignored nodiscard let through": "#if CASE == 0\n#elif CASE == 1  // must-fail: nodiscard|discarded\n"
                                        "[[nodiscard]] int f();\nvoid g() { (void)f(); }\n#endif\n",
}


def self_test(compiler):
    unnoticed = 0
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "case.cpp"
        for name, text in SELF_TEST.items():
            path.write_text(text, encoding="utf-8")
            sections = sections_of(path)
            passed = not isinstance(sections, str) and all(
                judge(compiler, [], path, number, pattern)[0] for number, pattern in sections)
            if passed != (name == "good"):
                print(f"{name}: {'passed' if passed else 'refused'}")
                unnoticed += 1
    print(f"{len(SELF_TEST) - unnoticed} of {len(SELF_TEST)} told right")
    return unnoticed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--flags", type=pathlib.Path)
    parser.add_argument("--precompile", type=pathlib.Path, metavar="HEADER")
    parser.add_argument("--precompiled", type=pathlib.Path, metavar="HEADER")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.self_test:
        return 1 if self_test(arguments.compiler) else 0
    flags = [f"@{arguments.flags}"] if arguments.flags else []
    if arguments.precompile:
        return precompile(arguments.compiler, flags, arguments.precompile)
    if not arguments.files:
        parser.error("no case file")
    if arguments.precompiled:
        flags += ["-include", str(arguments.precompiled)]

    jobs, failures = [], 0
    for path in arguments.files:
        sections = sections_of(path)
        if isinstance(sections, str):
            print(f"{path.name}: {sections}")
            failures += 1
            continue
        jobs += [(path, number, pattern) for number, pattern in sections]

    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for passed, sentence in pool.map(lambda job: judge(arguments.compiler, flags, *job), jobs):
            print(("ok   " if passed else "FAIL ") + sentence)
            failures += not passed
    print(f"{len(jobs)} compilations, {failures} not as they must be")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
