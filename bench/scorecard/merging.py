"""How rows that were measured again go into an earlier run."""

# What two runs must have in common to be one.
SAME = ["processor", "cores", "memory_gib", "system", "compiler", "flags", "libraries", "pages"]


def differences(run_, machine_, scale):
    """Why nothing measured now may go into that run."""
    found = [f"its {name} is {run_['machine'][name]}, and here it is {machine_[name]}" for name in SAME
             if run_["machine"][name] != machine_[name]]
    if run_["scale"] != scale:
        found.append(f"its scale is {run_['scale']}, and this one's {scale}")
    return found


def updated(run_, again):
    """The run with what was measured again in the place of what it had of that, and a note about it. ValueError: they are not
    of one machine, compiler, page policy and scale."""
    different = differences(run_, again["machine"], again["scale"])
    if different:
        raise ValueError(f"not one run: {'; '.join(different)}")
    new = {m["compared"] for m in again["measurements"] if m["ns"] or m["numbers"]}
    if not new:
        raise ValueError("nothing was measured")
    run_["measurements"] = [m for m in run_["measurements"] if m["compared"] not in new] + [
        m for m in again["measurements"] if m["compared"] in new]
    run_["rows"] += [name for name in again["rows"] if name not in run_["rows"]]
    for name in again["rows"]:
        run_["left_out"].pop(name, None)
    run_["left_out"].update(again["left_out"])
    machine_ = again["machine"]
    load = lambda name: " ".join(map(str, machine_[name]))
    run_["machine"]["notes"] += [note for note in machine_["notes"] if note not in run_["machine"]["notes"]]
    run_["machine"]["notes"].append(f"measured again: {', '.join(again['rows'])}; idem {machine_['commit']}, {machine_['date']}, "
                                    f"load {load('load')} before, {load('load_after')} after")
    return run_
