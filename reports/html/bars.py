"""Where things stand in the drawings of rates: positions in per cent of the width.

An SVG of 100 % width whose places are percentages keeps its letters readable on any screen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from reports.html import figures
from reports.summary import Comparison, Group, Rate, Side

_LANE: Final = 18
_BAR: Final = 46
"""Pixels of a lane of letters; of a bar with its line of letters."""

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark at `x` per cent of the width, its words beside it, on the side that has room."""

    x: float
    y: int
    words: str
    anchor: Anchor
    shift: int


@dataclass(frozen=True, slots=True)
class Bar:
    """A rate from 0, with its interval; all in per cent of the width, `y` in pixels."""

    when: Literal["before", "after"]
    y: int
    value: float | None
    low: float
    high: float
    rate: Rate


@dataclass(frozen=True, slots=True)
class RateChart:
    """Bars below one another, the gate's mark through them, the floors below, an axis."""

    bars: tuple[Bar, ...]
    gate: Mark | None
    floors: tuple[Mark, ...]
    bottom: int
    height: int
    words: str


@dataclass(frozen=True, slots=True)
class DifferenceChart:
    """A difference and its interval from -100 to 100 points, in per cent of the width."""

    zero: float
    value: Mark
    low: float
    high: float
    words: str


def place(rate: float) -> float:
    """A rate as per cent of the width."""
    return round(100 * min(1.0, max(0.0, rate)), 2)


def _mark(rate: float, y: int, words: str) -> Mark:
    x = place(rate)
    return Mark(x, y, words, "end", -9) if x > 50 else Mark(x, y, words, "start", 9)


def rate_chart(group: Group) -> RateChart:
    """The drawing of a group's rate, before and after."""
    sides: list[tuple[Literal["before", "after"], Side]] = [("after", group.after)]
    if group.before is not None:
        sides.insert(0, ("before", group.before))
    gate = gate_of(group.after)
    top = _LANE if gate else 0
    bars = tuple(_bar(when, side.rate, top + _BAR * i) for i, (when, side) in enumerate(sides))
    bottom = top + _BAR * len(bars)
    floors = tuple(
        _mark(
            floor.rate.value,
            bottom + 4 + _LANE * i,
            f"{floor.rule} {figures.percent(floor.rate)}",
        )
        for i, floor in enumerate(group.floors)
        if floor.rate.value is not None
    )
    words = [f"{bar.when if group.before else 'passed'} {_rate_words(bar.rate)}" for bar in bars]
    words += [mark.words for mark in (gate, *floors) if mark]
    height = bottom + _LANE * len(floors) + (30 if floors else 26)
    return RateChart(bars, gate, floors, bottom, height, "; ".join(words))


def _bar(when: Literal["before", "after"], rate: Rate, y: int) -> Bar:
    value = None if rate.value is None else place(rate.value)
    return Bar(when, y, value, place(rate.low), place(rate.high), rate)


def _rate_words(rate: Rate) -> str:
    if not rate.n:
        return "nothing judged"
    return f"{figures.percent(rate)}, {figures.of(rate)}, interval {figures.interval(rate)}"


def gate_of(side: Side) -> Mark | None:
    """The gate's mark: at the rate that the fewest passes reach which meet it."""
    if side.pass_rate is None:
        return None
    asked = f"gate {100 * side.pass_rate:g}\N{NO-BREAK SPACE}%"
    if side.needed is None or not side.rate.n:
        return _mark(side.pass_rate, 0, f"{asked}, out of reach" if side.rate.n else asked)
    return _mark(side.needed / side.rate.n, 0, f"{asked}: {side.needed:,} needed")


def difference_chart(found: Comparison) -> DifferenceChart:
    """The drawing of a difference between two rates."""
    value = _mark((found.difference + 1) / 2, 0, f"{figures.points(found.difference)} points")
    low, high = place((found.low + 1) / 2), place((found.high + 1) / 2)
    words = (
        f"difference {figures.points(found.difference)} points, 95 % interval "
        f"{figures.points(found.low)} to {figures.points(found.high)}"
    )
    return DifferenceChart(50.0, value, low, high, words)
