"""The one sentence on top: what the run came to, and the gates, of which nothing is guessed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.wording import count, cut
from reports.pairing import distinguishable, p_text
from reports.summary import Comparison, Group, Side

LONGEST: Final = 800
"""Characters of the sentence: a spec's name in a log from elsewhere may be endless."""


def verdict(overall: Group, specs: Sequence[Group], split: str, absent: Sequence[str] = ()) -> str:
    """What changed, where something is compared, and whether the gates are met, where known.

    `absent` names specs of which the run judged nothing.
    """
    return cut(_verdict(overall, specs, split, absent), LONGEST)


def _verdict(overall: Group, specs: Sequence[Group], split: str, absent: Sequence[str]) -> str:
    asked = [spec for spec in specs if spec.after.cases]
    if overall.comparison is not None:
        return f"{_change(overall.comparison, split)}; {_gates(asked, absent)}."
    rate = overall.after.rate
    found = f"{rate.passed} of {rate.n} pass on {split}" if rate.n else f"nothing judged on {split}"
    states = {spec.after.met for spec in asked} | ({None} if absent else set())
    word = "Gates" if len(asked) > 1 else "Gate"
    head = {True: f"{word} met: ", False: f"{word} not met: "}
    if len(states) == 1 and None not in states:
        return f"{head[states.pop() is True]}{found}; {_gates(asked, (), brief=True)}."
    return f"{found[0].upper()}{found[1:]}; {_gates(asked, absent)}."


def _change(found: Comparison, split: str) -> str:
    if not found.n:
        return f"Nothing to compare: no case of {split} was judged both times"
    before, after = found.passed_before, found.passed_after
    if found.trend == "the same":
        return f"The same: {after} of {found.n} on {split} both times, no case changed sides"
    sides = f"{len(found.fixed)} fixed, {len(found.broken)} broken"
    what = f"{before} → {after} of {found.n} on {split} ({sides}, {p_text(found.p)})"
    if found.trend == "not distinguishable":
        head = distinguishable(found.n, found.enough)
        return f"{head[0].upper()}{head[1:]}: {what}"
    return f"{found.trend.capitalize()}: {what}"


def _gates(specs: Sequence[Group], absent: Sequence[str], *, brief: bool = False) -> str:
    """How each gate stands; `brief` where the sentence has said already that it is met or not."""
    if len(specs) == 1 and not absent:
        name, side = specs[0].spec, specs[0].after
        return _needs(name, side) if brief else _gate(name, side)
    met = [spec.spec for spec in specs if spec.after.met]
    gates, verb = count(len(specs) + len(absent), "gate"), "is" if len(met) == 1 else "are"
    parts = [f"{len(met)} of {gates} {verb} met"]
    for state, word in ((False, "not met"), (None, "not decided")):
        names = [spec.spec for spec in specs if spec.after.met is state]
        names += absent if state is None else ()
        parts += [f"{word}: {cut(', '.join(names))}"] if names else []
    return "; ".join(parts)


def _gate(name: str, side: Side) -> str:
    """One gate, what it asks for in passes, and whether it is met."""
    if side.pass_rate is None:
        return f"the gate of {name} is not known"
    known = side.met is not None and side.needed and side.rate.n
    asked = f" (at least {side.needed} of {side.rate.n})" if known else ""
    state = {True: "is met", False: "is not met", None: "is not decided"}[side.met]
    return f"the gate of {name}{asked} {state}{_why(side)}"


def _needs(name: str, side: Side) -> str:
    """What a gate asks for."""
    asked = f" asks for at least {side.needed}" if side.needed and side.rate.n else ""
    return f"{name}{asked}{_why(side)}"


def _why(side: Side) -> str:
    """Why a gate is not met, where the passes that it asks for do not say so."""
    short = side.needed is not None and side.rate.passed < side.needed and not side.errors
    if side.met is not False or (short and len(side.reasons) < 2):
        return ""
    return f": {'; '.join(side.reasons)}"
