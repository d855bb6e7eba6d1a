"""What is made of measurements: ratios within a round, medians, spreads, and whether a bar is met.

The programs of bench/ write one JSON object a line (harness.hpp); a Measurement is one of them. Nothing here runs
anything: tests/house/scorecard.py tests it.
"""

import dataclasses
import json
import statistics


class NotRun(Exception):
    """A figure that cannot be had here, and why."""


@dataclasses.dataclass
class Measurement:
    compared: str
    size: int
    contender: str
    ns: list
    numbers: dict
    not_run: str = ""

    @property
    def median(self):
        return statistics.median(self.ns)

    def number(self, name):
        if name not in self.numbers:
            raise NotRun(f"{self.contender} has no {name}: the run is of another version")
        return self.numbers[name]


def parse(lines):
    """The measurements in a program's JSON lines."""
    found = []
    for line in lines:
        if not line.strip():
            continue
        row = json.loads(line)
        found.append(Measurement(row.pop("compared"), int(row.pop("size")), row.pop("contender"), row.pop("ns"),
                                 not_run=row.pop("not_run", ""), numbers=row))
    return found


class Measurements:
    """All of a run."""

    def __init__(self, all_of_them=()):
        self.all = list(all_of_them)

    def sizes(self, compared):
        return sorted({m.size for m in self.all if m.compared == compared})

    def largest(self, compared):
        sizes = self.sizes(compared)
        if not sizes:
            raise NotRun("not measured")
        return sizes[-1]

    def get(self, compared, size, contender):
        for m in self.all:
            if (m.compared, m.size, m.contender) == (compared, size, contender):
                if m.not_run:
                    raise NotRun(m.not_run)
                return m
        raise NotRun(f"{contender} was not measured")

    def best(self, compared, size, contenders):
        """The fastest of those that ran, and why others did not: without a faster one a bar is easier."""
        ran, reasons = [], []
        for contender in contenders:
            here = [m for m in self.all if (m.compared, m.size, m.contender) == (compared, size, contender)]
            ran += [m for m in here if not m.not_run]
            reasons += [f"{contender} {m.not_run}" for m in here if m.not_run]
        if not ran:
            raise NotRun("; ".join(reasons) or f"{' or '.join(contenders)} was not measured")
        return min(ran, key=lambda m: m.median), reasons


@dataclasses.dataclass
class Bar:
    """At least or at most a number."""
    least: bool
    number: float

    def is_met(self, value):
        return value >= self.number if self.least else value <= self.number

    def __str__(self):
        return f"{'>=' if self.least else '<='} {self.number:g}"


def at_least(number):
    return Bar(True, number)


def at_most(number):
    return Bar(False, number)


@dataclasses.dataclass
class Figure:
    """One line of the card. `value` is what the bars are about, a ratio mostly, with the least and the most of it."""
    row: str
    name: str
    what: str
    required: Bar = None
    aim: Bar = None
    value: float = None
    low: float = None
    high: float = None
    unit: str = ""
    ours: str = ""
    peer: str = ""
    size: int = 0
    not_run: str = ""
    notes: list = dataclasses.field(default_factory=list)

    @property
    def verdict(self):
        if self.not_run:
            return "not run: " + self.not_run
        if self.required is None:
            return ""
        return "met" if self.required.is_met(self.value) else "missed"

    @property
    def aim_verdict(self):
        if self.not_run or self.aim is None:
            return ""
        return "met" if self.aim.is_met(self.value) else "missed"

    def as_json(self):
        bar = lambda b: None if b is None else str(b)
        return {"row": self.row, "name": self.name, "what": self.what, "size": self.size, "figure": self.ours,
                "peer": self.peer, "value": self.value, "low": self.low, "high": self.high, "unit": self.unit,
                "required": bar(self.required), "aim": bar(self.aim), "verdict": self.verdict,
                "aim_verdict": self.aim_verdict, "notes": self.notes}


def ratios(above, below, off=None):
    """above / below round by round, with the median of `off`, a contender that does nothing, taken off both."""
    idle = off.median if off else 0.0
    pairs = list(zip(above.ns, below.ns))
    if not pairs:
        raise NotRun("no rounds")
    # In a single noisy round of nothing at all, nothing may take longer than something.
    return [max(a - idle, 1e-3) / max(b - idle, 1e-3) for a, b in pairs]


def spread(values):
    return {"value": statistics.median(values), "low": min(values), "high": max(values)}


def in_ns(measurement):
    ns = measurement.median
    return f"{ns:,.0f} ns" if ns >= 1000 else f"{ns:.3g} ns"


def notices(nothing, ours, plant, at_least_times=1.5):
    """Why a comparison is not to be trusted: nothing takes as long as something, or a plant that does the work twice
    goes unnoticed. Empty if all is well."""
    found = []
    if nothing and nothing.median > 0.7 * ours.median:
        found.append(f"doing nothing takes {nothing.median:.3g} ns of {ours.median:.3g}")
    if plant and plant.median < at_least_times * ours.median:
        found.append(f"the plant that works twice takes only {plant.median / ours.median:.2f} times as long")
    return found
