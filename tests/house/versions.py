#!/usr/bin/env python3
"""Every place that names idem's version names that of include/idem/version.hpp.

    versions.py CHECKOUT
    versions.py CHECKOUT --self-test

A place is a file and a pattern whose group is the version, or its first two numbers. A pattern that finds nothing is a fault
too: a place that has moved is a place that nobody looks at.
"""

import json
import pathlib
import re
import shutil
import sys
import tempfile

PLACES = {
    "README.md": [r"GIT_TAG v([\d.]+)", r"find_package\(idem ([\d.]+)"],
    "CITATION.cff": [r"^version: ([\d.]+)$"],
    "vcpkg.json": [r'"version-semver": "([\d.]+)"'],
    "ports/idem/vcpkg.json": [r'"version-semver": "([\d.]+)"'],
    "tests/consumers/fetchcontent/CMakeLists.txt": [r"GIT_TAG v([\d.]+)"],
    "tests/consumers/installed/CMakeLists.txt": [r"find_package\(idem ([\d.]+)"],
}


def faults_of(root):
    header = (root / "include/idem/version.hpp").read_text(encoding="utf-8")
    version = ".".join(re.search(rf"^#define IDEM_VERSION_{part} (\d+)$", header, re.MULTILINE)[1]
                       for part in ("MAJOR", "MINOR", "PATCH"))
    minor = version.rsplit(".", 1)[0]
    for name, patterns in PLACES.items():
        text = (root / name).read_text(encoding="utf-8")
        for pattern in patterns:
            found = re.findall(pattern, text, re.MULTILINE)
            if not found:
                yield f"{name}: nothing matches {pattern}"
            yield from (f"{name}: says {other}, and the header {version}" for other in found if other not in (version, minor))

    # The newest heading of the change log is this version's, or what comes after it.
    headings = re.findall(r"^## \[(.+?)\]", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    released = [heading for heading in headings if heading != "Unreleased"]
    if not headings or (released and released[0] != version):
        yield f"CHANGELOG.md: the newest version is {released[0] if released else 'missing'}, and the header's {version}"
    elif not released and "Unreleased" not in headings:
        yield "CHANGELOG.md: no heading"

    manifests = [json.loads((root / name).read_text(encoding="utf-8")) for name in ("vcpkg.json", "ports/idem/vcpkg.json")]
    for key in ("name", "description", "homepage", "license"):
        if manifests[0][key] != manifests[1][key]:
            yield f"ports/idem/vcpkg.json: another {key} than vcpkg.json"
    if manifests[0]["features"]["abseil"] != manifests[1]["features"]["abseil"]:
        yield "ports/idem/vcpkg.json: another feature abseil than vcpkg.json"
    consumer = json.loads((root / "tests/consumers/vcpkg/vcpkg.json").read_text(encoding="utf-8"))
    for dependency in consumer["dependencies"]:
        for feature in dependency.get("features", []):
            if feature not in manifests[1]["features"]:
                yield f"tests/consumers/vcpkg/vcpkg.json: asks for a feature {feature} that the port has not"
    overlay = json.loads((root / "tests/consumers/vcpkg/vcpkg-configuration.json").read_text(encoding="utf-8"))["overlay-ports"][0]
    if not (root / "tests/consumers/vcpkg" / overlay / "idem/portfile.cmake").is_file():
        yield f"tests/consumers/vcpkg/vcpkg-configuration.json: no port of idem in {overlay}"


def self_test(root):
    unnoticed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in [*PLACES, "CHANGELOG.md"]:
            copy = pathlib.Path(folder) / "copy"
            shutil.rmtree(copy, ignore_errors=True)
            for other in [*PLACES, "CHANGELOG.md", "include/idem/version.hpp", "ports/idem/portfile.cmake",
                          "tests/consumers/vcpkg/vcpkg.json", "tests/consumers/vcpkg/vcpkg-configuration.json"]:
                (copy / other).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(root / other, copy / other)
            text = (copy / name).read_text(encoding="utf-8")
            planted = re.sub(r"^## \[Unreleased\]", "## [99.0.0]", text, flags=re.MULTILINE) if name == "CHANGELOG.md" else \
                re.sub(PLACES[name][0], lambda match: match[0].replace(match[1], "99.0.0"), text, flags=re.MULTILINE)
            (copy / name).write_text(planted, encoding="utf-8")
            if planted == text or not any(fault.startswith(f"{name}:") for fault in faults_of(copy)):
                print(f"another version in {name} is not noticed")
                unnoticed += 1
    print(f"{len(PLACES) + 1 - unnoticed} of {len(PLACES) + 1} noticed")
    return unnoticed


def main():
    root = pathlib.Path(sys.argv[1])
    if sys.argv[2:] == ["--self-test"]:
        return 1 if self_test(root) else 0
    faults = list(faults_of(root))
    print("\n".join(faults) or "one version everywhere")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
