"""What including a header costs: processor time of the compiler for a file that holds nothing else, less that for an
empty one, and the lines it reads."""

import pathlib
import resource
import statistics
import subprocess
import tempfile


def public_headers(include):
    root = pathlib.Path(include)
    return sorted(str(path.relative_to(root)) for path in root.glob("idem/**/*.hpp") if "detail" not in path.parts)


def seconds(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if "error" in line]
        raise RuntimeError(errors[0] if errors else f"{command[0]} ended with {done.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def measure(compiler, include, headers, rounds):
    """[(header, its seconds in each round less the median of an empty file, lines, why there are none)]"""
    flags = ["-std=c++20", "-fsyntax-only", "-I", str(include)]
    with tempfile.TemporaryDirectory() as scratch:
        empty = pathlib.Path(scratch, "empty.cpp")
        empty.write_text("", encoding="utf-8")
        idle = statistics.median(seconds([compiler, *flags, str(empty)]) for _ in range(max(rounds, 3)))
        found = []
        for header in headers:
            source = pathlib.Path(scratch, header.replace("/", "_") + ".cpp")
            source.write_text(f"#include <{header}>\n", encoding="utf-8")
            try:
                times = [seconds([compiler, *flags, str(source)]) - idle for _ in range(rounds)]
                lines = subprocess.run([compiler, *flags[:1], "-E", "-P", "-I", str(include), str(source)],
                                       capture_output=True, text=True, check=True).stdout.count("\n")
                found.append((header, times, lines, ""))
            except RuntimeError as error:
                found.append((header, [], 0, "does not compile: " + str(error).splitlines()[0]))
        return found
