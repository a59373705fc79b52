"""The same cases before and after: which changed sides, and whether chance explains it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from harness.run_log import Record
from harness.statistics import cases_for, difference_interval, mcnemar
from harness.wording import count
from reports.records import judged
from reports.summary import Change, Comparison, Trend

LEVEL: Final = 0.05


def comparable(before: Record, after: Record) -> bool:
    """Whether both were judged, on the same request as far as the logs say."""
    asked = before["request"], after["request"]
    same = before["split"] == after["split"] and (None in asked or asked[0] == asked[1])
    return same and judged(before) and judged(after)


def change_of(before: Record | None, after: Record | None) -> Change:
    """What became of a case."""
    if before is None or after is None or not comparable(before, after):
        return "unpaired"
    if after["outcome"] == "pass":
        return "passed" if before["outcome"] == "pass" else "fixed"
    if before["outcome"] == "pass":
        return "broken"
    return "missing" if before["miss"] == after["miss"] else "changed"


def compare(before: Mapping[str, Record], after: Sequence[Record]) -> Comparison:
    """The comparison over the cases of `after` that `before`, by case, can be compared with."""
    by: dict[Change, list[str]] = {}
    for record in after:
        by.setdefault(change_of(before.get(record["case"]), record), []).append(record["case"])
    fixed, broken = by.get("fixed", []), by.get("broken", [])
    changed, kept = by.get("changed", []), by.get("passed", [])
    won, lost, both = len(fixed), len(broken), len(kept)
    neither = len(changed) + len(by.get("missing", []))
    n = won + lost + both + neither
    low, high = difference_interval(both, lost, won, neither)
    p = mcnemar(lost, won)
    trend = _trend(n, lost, won, p)
    enough = _enough(n, lost, won) if trend == "not distinguishable" else None
    words = _words(n, both + lost, both + won, trend, (lost, won), p, (low, high), enough)
    return Comparison(
        n=n,
        fixed=tuple(fixed),
        broken=tuple(broken),
        changed=tuple(changed),
        difference=(won - lost) / n if n else 0.0,
        low=low,
        high=high,
        p=p,
        trend=trend,
        enough=enough,
        words=words,
        passed_before=both + lost,
        passed_after=both + won,
    )


def _trend(n: int, lost: int, won: int, p: float) -> Trend:
    if p < LEVEL:
        return "better" if won > lost else "worse"
    return "the same" if n and not lost + won else "not distinguishable"


def _enough(n: int, lost: int, won: int) -> int | None:
    """More than there are: with few cases the exact test asks for more than the formula knows."""
    about = cases_for(n, lost, won) if n else None
    return None if about is None else max(about, n + 1)


def _words(
    n: int,
    before: int,
    after: int,
    trend: Trend,
    sides: tuple[int, int],
    p: float,
    interval: tuple[float, float],
    enough: int | None,
) -> str:
    """All of it in a sentence without its full stop."""
    if not n:
        return "no case was judged both times"
    if trend == "the same":
        return f"the same: {after} of {n} both times"
    lost, won = sides
    found = f"{before} → {after} of {n} ({won} fixed, {lost} broken, {p_text(p)})"
    if trend != "not distinguishable":
        ends = " to ".join(f"{100 * end:+.0f}" for end in interval)
        return f"{trend}: {found}; the difference is {ends} percentage points (95 % interval)"
    return f"{distinguishable(n, enough)}: {found}"


def distinguishable(n: int, enough: int | None) -> str:
    """That chance explains what was found, and how many cases would tell."""
    words = f"not distinguishable with {count(n, 'case')}"
    if enough is None:
        return words
    return f"{words}; about {enough} would show a difference of this size"


def p_text(p: float) -> str:
    """`exact McNemar p = 0.00012`: two digits, more where they would hide on which side of 5 %."""
    if p < 0.0001:
        return "exact McNemar p < 0.0001"
    digits = next((d for d in range(2, 17) if (float(f"{p:.{d}g}") < LEVEL) == (p < LEVEL)), 17)
    return f"exact McNemar p = {p:.{digits}g}"
