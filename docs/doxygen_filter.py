#!/usr/bin/env python3
"""What Doxygen is given in place of a header: its plain comments as documentation. Called by docs/Doxyfile.

    doxygen_filter.py HEADER

A run of // lines that stands directly on a declaration documents it, as does one behind a member or an enumerator. The labels of
a docstring (Guarantee, Memory, ...) become paragraphs with that title. The inline namespace that carries the instruction set is
left out: nobody writes it.
"""

import re
import sys

LABEL = re.compile(r"^([A-Z][a-z]+)\s{2,}(.*)$")
COMMENT = re.compile(r"^(\s*)//(?: (.*)|)$")
TRAILING = re.compile(r"^(\s*[^/\s].*[;,])\s+// (.*)$")
MARKUP = re.compile(r"([@\\<>#&%]|::)")


def escaped(text):
    """Text in which Doxygen finds no command, but `code` stays code."""
    parts = text.split("`")
    return "`".join(part if number % 2 and len(parts) % 2 else MARKUP.sub(r"\\\1", part) for number, part in enumerate(parts))


def documented(indent, block):
    lines = []
    for text in block:
        label = LABEL.match(text or "")
        if label:
            lines.append(f"@par {label[1]}")
        # A second column goes on with the paragraph; indented text would be taken for code.
        lines.append((label[2] if label else text or "").strip())
    # A piece of code may go on in the next line: escaped as one text.
    for line in escaped("\n".join(lines)).splitlines():
        yield f"{indent}/// {line}".replace("/// \\@par", "/// @par")


def filtered(lines):
    number = 0
    while number < len(lines):
        match = COMMENT.match(lines[number])
        if match:
            end = number
            while end < len(lines) and COMMENT.match(lines[end]):
                end += 1
            block = [COMMENT.match(line)[2] for line in lines[number:end]]
            following = lines[end].strip() if end < len(lines) else ""
            if following and not following.startswith(("}", "#", "case ", "return", "public:", "private:")):
                yield from documented(match[1], block)
            else:
                yield from lines[number:end]
            number = end
            continue
        line = re.sub(r"\bnamespace idem::inline IDEM_ABI\b", "namespace idem", lines[number])
        trailing = TRAILING.match(line)
        yield f"{trailing[1]}  ///< {escaped(trailing[2])}" if trailing else line
        number += 1


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        print("\n".join(filtered(file.read().splitlines())))


if __name__ == "__main__":
    main()
