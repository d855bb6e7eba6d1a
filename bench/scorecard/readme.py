"""Figures in a document that name the line of the card they come from.

    UuidSet takes 23.6 <!-- scorecard: sets/bytes at 64000000 --> bytes an id

The comment stands right behind a number, and says which figure of which row it is, and at which size. The number must
lie within the spread of the last run, give or take half of its last digit.
"""

import dataclasses
import re

MARK = re.compile(r"(\d[\d,]*(?:\.\d+)?)[^\d\n|]{0,24}?<!-- scorecard: ([\w-]+)/([\w.-]+)(?: at (\d+))? -->")
ANY = re.compile(r"<!-- scorecard: (.*?)-->")


@dataclasses.dataclass
class Mark:
    number: float
    half_digit: float
    row: str
    name: str
    size: int
    line: int


def marks(text):
    """The marked figures of a document. A mark that is not understood is a ValueError."""
    found = []
    for line_number, line in enumerate(text.splitlines(), 1):
        here = list(MARK.finditer(line))
        if len(here) != len(ANY.findall(line)):
            raise ValueError(f"line {line_number}: a scorecard mark without a number before it, or misspelt: {line.strip()}")
        for match in here:
            digits = match[1].replace(",", "")
            decimals = len(digits.partition(".")[2])
            found.append(Mark(float(digits), 0.5 * 10 ** -decimals, match[2], match[3], int(match[4] or 0), line_number))
    return found


def check(text, figures):
    """(contradictions, what could not be compared), as sentences."""
    wrong, open_ = [], []
    for mark in marks(text):
        name = f"{mark.row}/{mark.name}"
        where = f"line {mark.line}: {mark.number:g} ({name})"
        same = [f for f in figures if f.row == mark.row and f.name == mark.name]
        if not same:
            open_.append(f"{where}: that row was not run")
            continue
        figure = same[0]
        if figure.value is None:
            open_.append(f"{where}: {figure.verdict}")
        elif mark.size and figure.size and mark.size != figure.size:
            open_.append(f"{where}: of size {mark.size:,}, this run is of {figure.size:,}")
        elif not figure.low - mark.half_digit <= mark.number <= figure.high + mark.half_digit:
            wrong.append(f"{where}: the last run has {figure.value:.4g} ({figure.low:.4g} to {figure.high:.4g})")
    return wrong, open_
