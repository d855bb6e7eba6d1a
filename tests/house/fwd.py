#!/usr/bin/env python3
"""Fails when fwd.hpp and the public headers differ in what can be declared ahead.

    fwd.py INCLUDE_DIR
    fwd.py INCLUDE_DIR --self-test

fwd.hpp is to hold every class, struct and enumeration of namespace idem, idem::testing aside, with its template parameters or
the type beneath it; but those with a default template argument, which no second declaration may have.

The self test plants one fault of each kind in a copy of the tree and wants it found.
"""

import argparse
import pathlib
import re
import shutil
import sys
import tempfile

FOLDERS = ["core", "memory", "sequence", "dedup", "snapshot"]

PREPROCESSOR = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
LITERAL = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|(?<![0-9a-fA-F])'(?:[^'\\\n]|\\.)+'")
NAMESPACE = "namespace idem::inline IDEM_ABI"
DECLARATION = re.compile(r"^(enum class|class|struct)(?: \[\[\w+\]\])? (\w+)\b(?! ?<)( : [\w:]+)?")


def statements_of(text):
    """What stands in namespace idem itself, up to its { or ;."""
    text = COMMENT.sub(" ", LITERAL.sub("0", PREPROCESSOR.sub(" ", text)))
    ours, statement = [], ""  # of each open brace: whether it is that of the namespace
    for part in re.split(r"([{};])", text):
        if part not in ("{", "}", ";"):
            statement += part
            continue
        words, statement = " ".join(statement.split()), ""
        if part != "}" and ours and all(ours):
            yield words
        if part == "{":
            ours.append(words == NAMESPACE)
        elif part == "}" and ours:
            ours.pop()


def head_and_rest(statement):
    """The template parameters, or None, and what follows them."""
    if not statement.startswith("template <"):
        return None, statement
    depth = 0
    for at, letter in enumerate(statement):
        depth += {"<": 1, ">": -1}.get(letter, 0)
        if letter == ">" and depth == 0:
            return statement[len("template <"):at].strip(), statement[at + 1:].strip()
    return None, statement


def declarations_of(path):
    """{name: how it is declared}, with None for one that cannot be declared ahead."""
    found = {}
    for statement in statements_of(path.read_text(encoding="utf-8")):
        head, rest = head_and_rest(statement)
        match = DECLARATION.match(rest)
        if not match or head == "":  # nothing of the kind, or a specialisation
            continue
        kind, name, below = match.groups()
        if head and "=" in head:
            found[name] = None
        elif name not in found:
            template = f"template <{head}> " if head else ""
            found[name] = f"{template}{kind} {name}{below if below and kind == 'enum class' else ''};"
    return found


def check(include_dir):
    root = include_dir / "idem"
    wanted = {}  # name: [(how it is declared, where)]
    for folder in FOLDERS:
        for path in sorted((root / folder).glob("*.hpp")):
            for name, declared in declarations_of(path).items():
                wanted.setdefault(name, []).append((declared, path.relative_to(include_dir).as_posix()))

    ahead = declarations_of(root / "fwd.hpp")
    for included in re.findall(r"#include <(idem/detail/\w+\.hpp)>", (root / "fwd.hpp").read_text(encoding="utf-8")):
        ahead.update(declarations_of(include_dir / included))

    faults = [f"fwd.hpp: {name} is in no public header" for name in ahead if name not in wanted]
    for name, places in wanted.items():
        default = next((header for declared, header in places if declared is None), None)
        if default:
            if name in ahead:
                faults.append(f"fwd.hpp: {name} has a default template argument in {default}")
            continue
        for declared, header in places:
            if name not in ahead:
                faults.append(f"fwd.hpp: not there, and in {header}: {declared}")
            elif ahead[name] != declared:
                faults.append(f"fwd.hpp: {ahead[name]} is in {header}: {declared}")
    if not wanted:
        faults.append(f"{root} holds nothing to declare")
    return faults


# What is written into namespace idem of which header, and a piece of the sentence that must come back.
PLANTS = [
    ("core/planted.hpp", "struct Planted {\n  int a;\n};", "not there, and in idem/core/planted.hpp: struct Planted;"),
    ("sequence/planted.hpp", "class [[nodiscard]] Planted final : Base<int> {};", "not there, and in idem/sequence/planted.hpp"),
    ("memory/planted.hpp", "enum class Planted : std::uint16_t { a, b };", "enum class Planted : std::uint16_t;"),
    ("dedup/planted.hpp", "template <class A,\n          auto... b>\nstruct Planted {};", "template <class A, auto... b> struct Planted;"),
    ("fwd.hpp", "struct Planted;", "Planted is in no public header"),
    ("fwd.hpp", "template <class K, class P>\nclass Deduplicator;", "has a default template argument"),
    ("core/planted.hpp", "enum class Action : std::uint32_t { none };", "enum class Action : std::uint8_t; is in"),
    ("core/planted.hpp", "struct ByteSize {};", "class ByteSize; is in"),
]
# And what must not be asked for.
NO_FAULTS = [
    "template <class T = int>\nclass Planted {};",
    "template <>\nstruct KeyTraits<Planted> {};",
    "namespace detail {\nstruct Planted {};\n}",
    "struct At {\n  struct Planted {};\n};\nvoid f() { struct Planted {}; }",
    "using Planted = At;",
]


def self_test(include_dir):
    failures = 0
    with tempfile.TemporaryDirectory() as temporary:
        copy = pathlib.Path(temporary) / "include"
        shutil.copytree(include_dir, copy)
        before = check(copy)

        def found_with(header, text):
            path = copy / "idem" / header
            old = path.read_text(encoding="utf-8") if path.exists() else None
            path.write_text(f"{old or ''}\nnamespace idem::inline IDEM_ABI {{\n{text}\n}}\n", encoding="utf-8")
            found = [fault for fault in check(copy) if fault not in before]
            if old is None:
                path.unlink()
            else:
                path.write_text(old, encoding="utf-8")
            return found

        for header, text, expected in PLANTS:
            found = found_with(header, text)
            if not any(expected in fault for fault in found):
                failures += 1
                print(f"not noticed: '{text}' in idem/{header}; found only {found}")
        for text in NO_FAULTS:
            found = found_with("core/planted.hpp", text)
            if found:
                failures += 1
                print(f"no fault: '{text}'; found {found}")
    total = len(PLANTS) + len(NO_FAULTS)
    print(f"{total - failures} of {total} plants told right")
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("include_dir", type=pathlib.Path)
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()

    if arguments.self_test:
        return 1 if self_test(arguments.include_dir) else 0

    faults = check(arguments.include_dir)
    for fault in faults:
        print(fault)
    print("fwd: " + (f"{len(faults)} faults" if faults else "as it should be"))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
