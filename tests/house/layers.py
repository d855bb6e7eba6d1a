#!/usr/bin/env python3
"""Fails when a header of idem includes what its layer may not.

    layers.py INCLUDE_DIR [--abseil HEADER]...     HEADER as in memory/exact_set.hpp
    layers.py INCLUDE_DIR [--abseil HEADER]... --self-test

The self test plants one violation of each kind in a copy of the tree and wants it found.
"""

import argparse
import pathlib
import re
import shutil
import sys
import tempfile

# ---- the table -------------------------------------------------------------------------------------------------

# A folder may include itself, its own detail/<folder>, and the folders named here. detail/<folder> follows the same line.
FOLDERS = {
    "core": [],
    "memory": ["core"],
    "sequence": ["core"],
    "dedup": ["core", "memory", "sequence"],
    "snapshot": ["core", "memory", "sequence", "dedup"],
    "testing": ["core", "memory", "sequence", "dedup", "snapshot"],  # for the tests of users; nothing includes it
}

# detail/<folder> belongs to its folder alone, but for these, which are tools for all who may include the folder.
SHARED_DETAIL = ["core"]

# Files outside the folders: the idem/ headers they may include. A header directly in detail/ may be included by all.
ROOT_FILES = {
    "idem.hpp": ["core", "memory", "sequence", "dedup", "snapshot", "fwd.hpp", "version.hpp"],
    "fwd.hpp": [],
    "version.hpp": [],
}

# Third parties, and the only files that may include them.
THIRD_PARTY = {
    "xxhash.h": r"core/hash\.hpp|detail/core/.*",
}

# Standard headers that cost every user compile time, or bring in what idem does not do (clocks, streams), and the
# files that may include them all the same. Headers of idem::abseil may: abseil costs more than all of these together.
HEAVY = {
    "algorithm": r"",
    "chrono": r"",
    "ctime": r"",
    "filesystem": r"",
    "fstream": r"",
    "functional": r"",
    "future": r"",
    "iomanip": r"",
    "iostream": r"",
    "istream": r"",
    "ostream": r"",
    "random": r"detail/core/random\.hpp",
    "ranges": r"",
    "regex": r"",
    "sstream": r"",
    "thread": r"",
}

# The operating system and the processor are the business of detail/.
SYSTEM_FILES = r"detail/.*"

# ----------------------------------------------------------------------------------------------------------------

INCLUDE = re.compile(r"^\s*#\s*include\s*(<[^>]*>|\"[^\"]*\"|\S+)", re.MULTILINE)
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def includes_of(path):
    return INCLUDE.findall(COMMENT.sub("", path.read_text(encoding="utf-8")))


def folder_of(header):
    """(folder, is it detail); folder is None for a file outside the folders."""
    parts = header.split("/")
    detail = parts[0] == "detail"
    if detail:
        parts = parts[1:]
    return (parts[0] if len(parts) > 1 else None), detail


def idem_include_fault(header, included, abseil):
    folder, _ = folder_of(header)
    target, target_detail = folder_of(included)

    if included in abseil and header not in abseil:
        return f"only headers of idem::abseil may include idem/{included}"
    if target is None and target_detail:
        return None
    if header in ROOT_FILES:
        if target_detail or (target or included) not in ROOT_FILES[header]:
            return f"{header} may not include idem/{included}"
        return None
    if folder is None:
        return f"{header} is below every folder and may not include idem/{included}"
    if target is None:
        return None if included == "version.hpp" else f"idem/{included} is above {folder}/"
    if target not in FOLDERS:
        return f"unknown folder {target}/"
    if target == folder:
        return None
    if target not in FOLDERS[folder]:
        return f"{folder}/ may not include {target}/"
    if target_detail and target not in SHARED_DETAIL:
        return f"detail/{target}/ belongs to {target}/ alone"
    return None


def include_fault(root, header, spelling, abseil):
    if not spelling.startswith("<"):
        return f"{spelling}: write #include <...>"
    name = spelling[1:-1]
    if name.startswith("idem/"):
        included = name[len("idem/"):]
        if not (root / included).is_file():
            return f"{spelling}: no such header"
        fault = idem_include_fault(header, included, abseil)
        return f"{spelling}: {fault}" if fault else None
    if name.startswith("absl/"):
        return None if header in abseil else f"{spelling}: only headers of idem::abseil may include abseil"
    if name in THIRD_PARTY:
        return None if re.fullmatch(THIRD_PARTY[name], header) else f"{spelling}: not from here"
    if name in HEAVY:
        return None if header in abseil or re.fullmatch(HEAVY[name], header) else f"{spelling}: too heavy, or not idem's business"
    if "/" in name or name.endswith(".h"):
        return None if re.fullmatch(SYSTEM_FILES, header) else f"{spelling}: system headers belong in detail/"
    return None


def find_cycle(graph):
    done, path = set(), []

    def visit(node):
        if node in path:
            return path[path.index(node):] + [node]
        if node in done:
            return None
        path.append(node)
        for successor in graph.get(node, ()):
            cycle = visit(successor)
            if cycle:
                return cycle
        path.pop()
        done.add(node)
        return None

    for node in sorted(graph):
        cycle = visit(node)
        if cycle:
            return cycle
    return None


def check(include_dir, abseil):
    root = include_dir / "idem"
    faults, graph = [], {}
    for path in sorted(root.rglob("*")):
        if path.is_dir():
            continue
        header = path.relative_to(root).as_posix()
        folder, detail = folder_of(header)
        if path.suffix != ".hpp":
            faults.append(f"idem/{header}: only .hpp files live here")
            continue
        if folder is None and not detail and header not in ROOT_FILES:
            faults.append(f"idem/{header}: a new file outside the folders")
        if folder is not None and folder not in FOLDERS:
            faults.append(f"idem/{header}: unknown folder {folder}/")
            continue
        if not path.read_text(encoding="utf-8").startswith("#pragma once\n"):
            faults.append(f"idem/{header}: the first line is not #pragma once")
        spellings = includes_of(path)
        graph[header] = [s[len("<idem/"):-1] for s in spellings if s.startswith("<idem/")]
        for spelling in spellings:
            fault = include_fault(root, header, spelling, abseil)
            if fault:
                faults.append(f"idem/{header}: {fault}")
    for header in abseil:
        if header not in graph:
            faults.append(f"idem/{header}: listed for idem::abseil, and is not there")
    cycle = find_cycle(graph)
    if cycle:
        faults.append("a circle: " + " -> ".join(cycle))
    if not graph:
        faults.append(f"{root} holds no headers")
    return faults


# What is planted where, and a piece of the sentence that must come back.
PLANTS = [
    ("core/planted.hpp", "#include <idem/memory/planted_target.hpp>", "core/ may not include memory/"),
    ("memory/planted.hpp", "#include <idem/sequence/planted_target.hpp>", "memory/ may not include sequence/"),
    ("sequence/planted.hpp", "#include <idem/memory/planted_target.hpp>", "sequence/ may not include memory/"),
    ("memory/planted.hpp", "#  include <idem/dedup/planted_target.hpp>", "memory/ may not include dedup/"),
    ("detail/core/planted.hpp", "#include <idem/dedup/planted_target.hpp>", "core/ may not include dedup/"),
    ("dedup/planted.hpp", "#include <idem/detail/memory/planted_target.hpp>", "belongs to memory/ alone"),
    ("snapshot/planted.hpp", "#include <idem/testing/planted_target.hpp>", "snapshot/ may not include testing/"),
    ("idem.hpp", "#include <idem/testing/planted_target.hpp>", "idem.hpp may not include idem/testing/"),
    ("core/planted.hpp", "#include <idem/idem.hpp>", "is above core/"),
    ("detail/planted.hpp", "#include <idem/core/planted_target.hpp>", "is below every folder"),
    ("memory/planted.hpp", "#include <absl/container/flat_hash_set.h>", "may include abseil"),
    ("dedup/planted.hpp", "#include <idem/memory/planted_abseil.hpp>", "only headers of idem::abseil"),
    ("memory/planted.hpp", "#include <xxhash.h>", "not from here"),
    ("core/planted.hpp", "#include <chrono>", "too heavy"),
    ("dedup/planted.hpp", "#include <iostream>", "too heavy"),
    ("detail/memory/planted.hpp", "#include <algorithm>", "too heavy"),
    ("memory/planted.hpp", "#include <sys/mman.h>", "belong in detail/"),
    ("memory/planted.hpp", "#include \"idem/core/planted_target.hpp\"", "write #include <...>"),
    ("memory/planted.hpp", "#include <idem/core/absent.hpp>", "no such header"),
    ("core/planted_target.hpp", "#include <idem/core/planted_target.hpp>", "a circle"),
    ("planted.hpp", "", "a new file outside the folders"),
    ("gadgets/planted.hpp", "", "unknown folder gadgets/"),
]


def self_test(include_dir, abseil):
    abseil = abseil + ["memory/planted_abseil.hpp"]
    failures = 0
    with tempfile.TemporaryDirectory() as temporary:
        copy = pathlib.Path(temporary) / "include"
        shutil.copytree(include_dir, copy)
        root = copy / "idem"

        def write(header, line):
            path = root / header
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"#pragma once\n{line}\n", encoding="utf-8")

        for folder in [*FOLDERS, *(f"detail/{folder}" for folder in FOLDERS)]:
            write(f"{folder}/planted_target.hpp", "")
        write("memory/planted_abseil.hpp", "#include <absl/container/flat_hash_set.h>")
        if not (root / "idem.hpp").exists():
            write("idem.hpp", "")

        before = check(copy, abseil)
        for header, line, expected in PLANTS:
            path = root / header
            old = path.read_text(encoding="utf-8") if path.exists() else None
            write(header, line)
            found = [fault for fault in check(copy, abseil) if fault not in before]
            if not any(expected in fault for fault in found):
                failures += 1
                print(f"not noticed: '{line}' in idem/{header}; found only {found}")
            if old is None:
                path.unlink()
            else:
                path.write_text(old, encoding="utf-8")
    print(f"{len(PLANTS) - failures} of {len(PLANTS)} planted violations noticed")
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("include_dir", type=pathlib.Path)
    parser.add_argument("--abseil", action="append", default=[])
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()

    if arguments.self_test:
        return 1 if self_test(arguments.include_dir, arguments.abseil) else 0

    faults = check(arguments.include_dir, arguments.abseil)
    for fault in faults:
        print(fault)
    print("layers: " + (f"{len(faults)} faults" if faults else "as they should be"))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
