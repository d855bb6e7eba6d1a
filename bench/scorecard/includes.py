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
        raise RuntimeError(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def measure(compiler, include, headers, rounds):
    """[(header, its seconds in each round less the median of an empty file, lines)]"""
    flags = ["-std=c++20", "-fsyntax-only", "-I", str(include)]
    with tempfile.TemporaryDirectory() as scratch:
        empty = pathlib.Path(scratch, "empty.cpp")
        empty.write_text("", encoding="utf-8")
        sources = {}
        for header in headers:
            sources[header] = pathlib.Path(scratch, header.replace("/", "_") + ".cpp")
            sources[header].write_text(f"#include <{header}>\n", encoding="utf-8")
        idle, times = [], {header: [] for header in headers}
        for _ in range(rounds):
            idle.append(seconds([compiler, *flags, str(empty)]))
            for header in headers:
                times[header].append(seconds([compiler, *flags, str(sources[header])]))
        found = []
        for header in headers:
            lines = subprocess.run([compiler, *flags[:1], "-E", "-P", "-I", str(include), str(sources[header])],
                                   capture_output=True, text=True, check=True).stdout.count("\n")
            found.append((header, [time - statistics.median(idle) for time in times[header]], lines))
    return found
