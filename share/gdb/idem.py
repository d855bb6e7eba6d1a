"""idem's types as gdb prints them: ids as text, spans of time and sizes with their units, results by what they hold.

    (gdb) source .../share/idem/gdb/idem.py        or in ~/.gdbinit

Reads memory and calls nothing, so it works on a core file. A seed is never shown: it decides what an attacker can do.
"""

import re

import gdb
import gdb.printing


def unsigned(value):
    return int(value.cast(gdb.lookup_type("unsigned long long")))


def hex_of(high, low):
    return f"{unsigned(high):016x}{unsigned(low):016x}"


def span_of(nanoseconds):
    for unit, size in (("s", 10**9), ("ms", 10**6), ("us", 10**3)):
        if nanoseconds != 0 and nanoseconds % size == 0:
            return f"{nanoseconds // size} {unit}"
    return f"{nanoseconds} ns"


class Printer:
    def __init__(self, value):
        self.value = value


class Uuid(Printer):
    def to_string(self):
        text = hex_of(self.value["hi_"], self.value["lo_"])
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


class Digest(Printer):
    def to_string(self):
        return hex_of(self.value["hi"], self.value["lo"])


class Seed(Printer):
    def to_string(self):
        return "(a seed is not shown)"


class Duration(Printer):
    def to_string(self):
        count = int(self.value["nanoseconds_"])
        return {2**63 - 1: "for ever", -(2**63): "minus for ever"}.get(count) or span_of(count)


class Instant(Printer):
    def to_string(self):
        count = int(self.value["nanoseconds_"])
        return {2**63 - 1: "never", -(2**63): "before all"}.get(count) or f"instant {span_of(count)}"


class ByteSize(Printer):
    def to_string(self):
        count = unsigned(self.value["count_"])
        if count == 2**64 - 1:
            return "unlimited"
        for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
            if count and count % size == 0:
                return f"{count // size} {unit}"
        return f"{count} bytes"


class Error(Printer):
    def to_string(self):
        what = self.value["what"]
        text = what["_M_str"].string(length=int(what["_M_len"])) if int(what["_M_len"]) else "nothing"
        return f"{text}: {str(self.value['code']).rsplit('::', 1)[-1]} at position {int(self.value['position'])}"


class Result(Printer):
    def to_string(self):
        payload = self.value["value_"]["_M_payload"]
        if not payload["_M_engaged"]:
            return f"no value: {self.value['error_']}"
        return f"value: {payload['_M_payload']['_M_value']}"


class Claim(Printer):
    def to_string(self):
        ticket = self.value["ticket_"]
        verdict = str(ticket["verdict"]).rsplit("::", 1)[-1]
        if int(self.value["owner_"]) == 0:
            return f"no claim: {verdict}"
        return f"claim, attempt {int(ticket['attempt'])}, token {int(ticket['token'])}"


class IdSet(Printer):
    def to_string(self):
        table = self.value["table_"]
        names = {field.name for field in table.type.strip_typedefs().fields()}
        if "blocks_" in names:
            blocks = table["blocks_"]
            count = int(table["array_"]["size_"]) + int(blocks["full_size_"]) - int(blocks["room_"])
        else:
            count = int(table["size_"])
        return f"{count} {'id' if count == 1 else 'ids'}"


PRINTERS = {"Uuid": Uuid, "Digest": Digest, "Seed": Seed, "Duration": Duration, "Instant": Instant, "ByteSize": ByteSize,
            "Error": Error, "Result": Result, "Claim": Claim, "IdSet": IdSet, "detail::GivenInstant": Instant}


def look_up(value):
    """The inline namespace between idem and a name says for which processor it was compiled: any will do."""
    tag = value.type.strip_typedefs().unqualified().tag or ""
    match = re.match(r"idem::(?:v\w+::)?((?:detail::)?\w+)(?:<|$)", tag)
    printer = PRINTERS.get(match[1]) if match else None
    return printer(value) if printer else None


look_up.name = "idem"
look_up.enabled = True
gdb.printing.register_pretty_printer(gdb.current_objfile(), look_up, replace=True)
