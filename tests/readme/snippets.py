#!/usr/bin/env python3
"""Compiles and runs the C++ of README.md and docs/**/*.md, and compares what it prints with what is written there.

    snippets.py --root CHECKOUT --build DIR [--compiler CXX] [--launcher ccache] [--abseil] [--list]
    snippets.py --root CHECKOUT --build DIR [...] --self-test

A comment on the line before a block says how to read it, as <!-- snippet: KIND -->:

    file            a whole program. A block with "int main(" is one without being told.
    body [GROUP]    statements; they become the inside of main(), with COMMON before it. #include lines, and using
                    lines at the top, move up. Any other block is one without being told. Bodies of one document
                    with the same GROUP are one program, in order.
    declarations [GROUP]
                    types and functions at namespace scope, with COMMON before them. With a GROUP they stand before
                    the bodies of that group.
    fragment NAME   part of something larger: replaces the line "// <snippet>" of tests/readme/NAME.cpp
    skip REASON     is not compiled; the reason is for the reader of the source.

Every program must compile without a warning and end with exit status 0. A ```text block that follows a program, with
nothing but blank lines between, is its whole output.

A ```cmake block must stand, line by line, in order and but for comments, in the CMakeLists.txt of one project in tests/consumers,
where it is run. Other languages are not read; a block without a language is a mistake.
"""

import argparse
import difflib
import os
import pathlib
import re
import shutil
import subprocess
import sys

COMMON = """#include <idem/idem.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;
"""

FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>```+)(?P<language>\S*)")
MARK = re.compile(r"^\s*<!--\s*snippet:\s*(?P<kind>\S+)\s*(?P<rest>.*?)\s*-->\s*$")
HOISTED = re.compile(r"^\s*#\s*include\b|^using namespace ")
KINDS = {"file", "body", "declarations", "fragment", "skip"}


class Block:
    def __init__(self, document, line, language, mark):
        self.document, self.line, self.language, self.mark = document, line, language, mark
        self.lines, self.output = [], None

    @property
    def place(self):
        return f"{self.document}:{self.line}"

    @property
    def text(self):
        return "\n".join(self.lines) + "\n"


class Program:
    """What is compiled: one block, or a group of them."""

    def __init__(self, place, source, output):
        self.place, self.source, self.output = place, source, output


def read_blocks(root, path):
    document = path.relative_to(root).as_posix()
    blocks, block, mark, indent, ticks, adjacent = [], None, None, 0, "", None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if block is not None:
            if line.strip() == ticks:
                blocks.append(block)
                if block.language == "text" and adjacent is not None:
                    adjacent.output = block.text
                    adjacent = None
                else:
                    adjacent = block if block.language == "cpp" else None
                block = None
            else:
                block.lines.append(line[indent:] if not line[:indent].strip() else line)
            continue
        fence = FENCE.match(line)
        if fence:
            indent, ticks = len(fence["indent"]), fence["ticks"]
            block = Block(document, number, fence["language"], mark)
            mark = None
        elif MARK.match(line):
            mark = MARK.match(line)
            adjacent = None
        elif line.strip():
            mark, adjacent = None, None
    if block is not None:
        raise SystemExit(f"{block.place}: this block never ends")
    return blocks


def at_line(block, first, lines):
    return [f'#line {block.line + 1 + first} "{block.document}"', *lines]


def split_hoisted(block):
    """The #include and using lines of a block, and the block with empty lines in their place."""
    top = [line for line in block.lines if HOISTED.match(line)]
    return top, ["" if HOISTED.match(line) else line for line in block.lines]


def assemble(blocks):
    top, declarations, body = [], [], []
    for kind, block in blocks:
        hoisted, rest = split_hoisted(block)
        top += hoisted
        (declarations if kind == "declarations" else body).extend(at_line(block, 0, rest))
    return "\n".join([COMMON, *top, *declarations, "int main() {", *body, "}", ""])


def programs_of(root, blocks):
    """(programs, faults, skipped)"""
    programs, faults, skipped, groups = [], [], [], {}
    for block in blocks:
        if block.language == "":
            faults.append(f"{block.place}: this block does not say which language it is in")
        if block.language != "cpp":
            continue
        kind, rest = (block.mark["kind"], block.mark["rest"]) if block.mark else (None, "")
        if kind is None:
            kind = "file" if re.search(r"\bint main\(", block.text) else "body"
        if kind not in KINDS:
            faults.append(f"{block.place}: no kind of snippet is called {kind}")
        elif kind == "skip":
            if not rest:
                faults.append(f"{block.place}: skipped without a reason")
            skipped.append(f"{block.place}: {rest}")
        elif kind == "file":
            programs.append(Program(block.place, "\n".join(at_line(block, 0, block.lines)) + "\n", block.output))
        elif kind == "fragment":
            frame = root / "tests" / "readme" / f"{rest}.cpp"
            text = frame.read_text(encoding="utf-8") if frame.is_file() else ""
            if "// <snippet>\n" not in text:
                faults.append(f"{block.place}: no line '// <snippet>' in tests/readme/{rest}.cpp")
                continue
            hoisted, lines = split_hoisted(block)
            before, after = text.split("// <snippet>\n")
            source = "\n".join([*hoisted, before, *at_line(block, 0, lines), f'#line {before.count(chr(10)) + 2} "{frame}"', after])
            programs.append(Program(block.place, source, block.output))
        elif rest:
            groups.setdefault((block.document, rest), []).append((kind, block))
        else:
            programs.append(Program(block.place, assemble([(kind, block)]), block.output))
    for group in groups.values():
        outputs = [block.output for _, block in group if block.output is not None]
        place = f"{group[0][1].document}:" + "+".join(str(block.line) for _, block in group)
        programs.append(Program(place, assemble(group), "".join(outputs) if outputs else None))
    return programs, faults, skipped


def significant(text):
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())
    return [line for line in lines if line]


def stands_in(lines, project):
    rest = iter(project)
    return all(line in rest for line in lines)


def cmake_faults(root, blocks):
    projects = [significant(path.read_text(encoding="utf-8"))
                for path in sorted((root / "tests" / "consumers").glob("*/CMakeLists.txt"))]
    faults = []
    for block in blocks:
        if block.language != "cmake" or (block.mark and block.mark["kind"] == "skip" and block.mark["rest"]):
            continue
        if not any(stands_in(significant(block.text), project) for project in projects):
            faults.append(f"{block.place}: no project in tests/consumers has these lines, so nothing runs them")
    return faults


def write_project(root, folder, programs, abseil):
    """One CMake project that builds every program as snippet_N."""
    lines = ["cmake_minimum_required(VERSION 3.25)", "project(snippets LANGUAGES CXX)",
             f"set(IDEM_WITH_ABSEIL {'ON' if abseil else 'OFF'})", f'add_subdirectory("{root}" idem)',
             "add_compile_options(-Wall -Wextra -Werror)", "find_package(Threads REQUIRED)"]
    for number, program in enumerate(programs):
        (folder / f"snippet_{number}.cpp").write_text(program.source, encoding="utf-8")
        libraries = "idem::abseil" if abseil and "exact_set.hpp" in program.source else "idem::idem"
        if "idem/testing/" in program.source:
            libraries += " idem::testing"
        lines += [f"add_executable(snippet_{number} snippet_{number}.cpp)",
                  f"target_link_libraries(snippet_{number} PRIVATE {libraries} Threads::Threads)"]
    (folder / "CMakeLists.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def run(command, **more):
    return subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **more)


def program_fault(program, executable):
    if not executable.exists():
        return f"{program.place}: does not compile"
    try:
        result = subprocess.run([executable], capture_output=True, text=True, check=False, timeout=120,
                                stdin=subprocess.DEVNULL, cwd=executable.parent)
    except subprocess.TimeoutExpired:
        return f"{program.place}: still runs after two minutes"
    if result.returncode != 0:
        return f"{program.place}: exit status {result.returncode}\n{result.stdout}{result.stderr}"
    if program.output is not None:
        wanted = [line.rstrip() for line in program.output.rstrip().splitlines()]
        got = [line.rstrip() for line in result.stdout.rstrip().splitlines()]
        if wanted != got:
            return "\n".join([f"{program.place}: prints something else than the text below it",
                              *difflib.unified_diff(wanted, got, "written", "printed", lineterm="")])
    return None


def check(root, documents, arguments):
    """All faults of the documents."""
    blocks = [block for path in documents for block in read_blocks(root, path)]
    programs, faults, skipped = programs_of(root, blocks)
    faults += cmake_faults(root, blocks)
    for sentence in skipped:
        print(f"skipped: {sentence}")
    if not arguments.abseil:
        for program in [program for program in programs if "exact_set.hpp" in program.source]:
            print(f"skipped: {program.place}: this build is without abseil")
            programs.remove(program)

    folder = arguments.build
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_project(arguments.root, folder, programs, arguments.abseil)
    configure = ["cmake", "-G", "Ninja", "-S", folder, "-B", folder / "build", "-DCMAKE_BUILD_TYPE=Debug"]
    if arguments.compiler:
        configure.append(f"-DCMAKE_CXX_COMPILER={arguments.compiler}")
    if arguments.launcher:
        configure.append(f"-DCMAKE_CXX_COMPILER_LAUNCHER={arguments.launcher}")
    configured = run(configure)
    if configured.returncode:
        return [configured.stdout]
    built = run(["cmake", "--build", folder / "build", "--", "-k", "0"], env=dict(os.environ, LC_ALL="C"))
    if built.returncode and not arguments.self_test:
        print(built.stdout)
    for number, program in enumerate(programs):
        fault = program_fault(program, folder / "build" / f"snippet_{number}")
        if fault:
            faults.append(fault)
    print(f"{len(documents)} documents, {len(programs)} programs, {len(skipped)} skipped, {len(faults)} faults")
    return faults


# A document whose faults are known, each under the heading that says what the fault must be called.
SELF_TEST = '''
```cpp
#include <cstdio>
int main() { std::puts("one\\ntwo"); }
```

```text
one
two
```

```cpp
std::puts("as a body");
```

```text
as a body
```

<!-- snippet: declarations grouped -->
```cpp
int twice(int x) { return 2 * x; }
```

<!-- snippet: body grouped -->
```cpp
int x = twice(4);
```

<!-- snippet: body grouped -->
```cpp
std::printf("%d\\n", x);
```
```text
8
```

<!-- snippet: skip needs a broker -->
```cpp
this is not C++
```

```cmake
find_package(idem REQUIRED)
```

MUST FAIL: prints something else
```cpp
std::puts("one");
```
```text
two
```

MUST FAIL: does not compile
```cpp
this is not C++ either
```

MUST FAIL: does not compile
```cpp
int unused = 7;
```

MUST FAIL: exit status 3
```cpp
return 3;
```

MUST FAIL: skipped without a reason
<!-- snippet: skip -->
```cpp
int x = 1;
```

MUST FAIL: no kind of snippet is called bdoy
<!-- snippet: bdoy -->
```cpp
int x = 1;
```

MUST FAIL: does not say which language
```
int x = 1;
```

MUST FAIL: no line '// <snippet>'
<!-- snippet: fragment nowhere -->
```cpp
int x = 1;
```

MUST FAIL: no project in tests/consumers
```cmake
find_package(idem REQUIRED COMPONENTS gadgets)
```
'''


def self_test(arguments):
    home = arguments.build.parent / "self_test"
    shutil.rmtree(home, ignore_errors=True)
    consumer = home / "tests" / "consumers" / "one"
    consumer.mkdir(parents=True)
    (consumer / "CMakeLists.txt").write_text("project(x)\nfind_package(idem REQUIRED)\n", encoding="utf-8")
    path = home / "README.md"
    path.write_text(SELF_TEST, encoding="utf-8")

    expected = {}
    for number, line in enumerate(SELF_TEST.splitlines(), 1):
        if line.startswith("MUST FAIL: "):
            fence = next(n for n in range(number, number + 3) if SELF_TEST.splitlines()[n].startswith("```")) + 1
            expected[f"README.md:{fence}:"] = line[len("MUST FAIL: "):]

    faults = check(home, [path], arguments)
    unnoticed = 0
    for place, sentence in expected.items():
        if not any(fault.startswith(place) and sentence in fault for fault in faults):
            print(f"not noticed: {place} {sentence}")
            unnoticed += 1
    for fault in faults:
        if not any(fault.startswith(place) for place in expected):
            print(f"found without cause: {fault}")
            unnoticed += 1
    print(f"{len(expected)} planted faults, {unnoticed} told wrong")
    return unnoticed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True, type=pathlib.Path)
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--compiler")
    parser.add_argument("--launcher")
    parser.add_argument("--abseil", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    arguments.root, arguments.build = arguments.root.resolve(), arguments.build.resolve()

    if arguments.self_test:
        return 1 if self_test(arguments) else 0
    documents = [path for path in [arguments.root / "README.md", *sorted((arguments.root / "docs").rglob("*.md"))]
                 if path.is_file()]
    faults = check(arguments.root, documents, arguments)
    for fault in faults:
        print(f"FAULT {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
