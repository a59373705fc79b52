"""A training's curves as the page draws them: positions from 0 to 100, y downwards."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Literal

from reports.html import figures
from reports.html.bars import Anchor
from reports.summary import Training, TrainingRound, TrainingStep

_POINTS: Final = 600
"""Points of a line; more are not seen."""
_NAMED: Final = 7
"""Rounds whose every rate is printed; of more, the first, the best and the last."""

_HUGE: Final = 1e100
"""Losses beyond it, of either sign, are no numbers to draw."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Dot:
    """A mark with the number it stands for; `below` says on which side the number is printed."""

    x: float
    y: float
    kind: Literal["loss", "validation", "dev", "best", "broken"]
    words: str
    anchor: Anchor
    below: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis and its label."""

    at: float
    words: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line without a gap: `points` as SVG takes them."""

    kind: Literal["loss", "validation", "dev"]
    points: str


@dataclass(frozen=True, slots=True)
class Curves:
    """One drawing: lines, marks, axes, and a level to reach."""

    title: str
    words: str
    lines: tuple[Line, ...]
    dots: tuple[Dot, ...]
    rows: tuple[Tick, ...]
    columns: tuple[Tick, ...]
    level: Tick | None = None


def curves(training: Training) -> tuple[Curves, ...]:
    """The loss's drawing and the dev rate's; whichever has something to show."""
    epochs = [s.epoch for s in training.steps] + [r.epoch for r in training.rounds]
    last = max(epochs, default=0.0) or 1.0
    drawn = (_losses(training, last), _rates(training, last))
    return tuple(one for one in drawn if one is not None)


def _losses(training: Training, last: float) -> Curves | None:
    steps = thinned(training.steps)
    judged = [r for r in training.rounds if r.validation_loss is not None]
    losses = [*(s.loss for s in steps), *(r.validation_loss for r in judged)]
    values = [value for value in losses if value is not None and abs(value) < _HUGE]
    if not values:
        return None
    rows, axis = _scale(min(values), max(values))
    lost = [(100 * s.epoch / last, _up(s.loss, axis)) for s in steps]
    held = [(100 * r.epoch / last, _up(r.validation_loss, axis)) for r in judged]
    lines = [*_lines("loss", lost), *_lines("validation", held)]
    ends = _ends(steps, lost)
    dots = [
        *(_dot(x, y, "loss", figures.decimal(s.loss), False) for s, (x, y) in ends[-1:]),
        *(_dot(x, 96.0, "broken", "not a number", False) for x, y in lost if y is None),
        *_validation_dots(judged, held),
    ]
    first = f" from {figures.decimal(ends[0][0].loss)}" if ends else ""
    words = f"training{first}" + (", validation" if judged else "")
    return Curves("Loss", words, tuple(lines), tuple(dots), rows, _epochs(last))


def thinned(steps: Sequence[TrainingStep]) -> tuple[TrainingStep, ...]:
    """The steps, or where they are very many the mean of each of a few hundred stretches."""
    if len(steps) <= _POINTS:
        return tuple(steps)
    size = math.ceil(len(steps) / _POINTS)
    return tuple(_mean(steps[at : at + size]) for at in range(0, len(steps), size))


def _mean(steps: Sequence[TrainingStep]) -> TrainingStep:
    """One step in the place of several; one that is no number makes the whole none."""
    losses = [step.loss for step in steps if step.loss is not None]
    loss = sum(losses) / len(losses) if len(losses) == len(steps) else None
    return TrainingStep(steps[-1].step, steps[-1].epoch, loss)


def _validation_dots(
    rounds: Sequence[TrainingRound], places: Sequence[tuple[float, float | None]]
) -> Iterable[Dot]:
    """The first, the best and the last round; the others are marks without a number."""
    for index, (one, (x, y)) in enumerate(zip(rounds, places, strict=True)):
        if y is not None:
            named = _is_named(index, len(rounds), one.best)
            words = figures.decimal(one.validation_loss) if named else ""
            yield _dot(x, y, "best" if one.best else "validation", words, False)


def _is_named(index: int, count: int, best: bool) -> bool:
    return best or index in (0, count - 1)


def _rates(training: Training, last: float) -> Curves | None:
    judged = [r for r in training.rounds if r.dev is not None and r.dev.value is not None]
    if not judged:
        return None
    values = [one.dev.value for one in judged if one.dev and one.dev.value is not None]
    places = [
        (100 * one.epoch / last, 100 - 100 * value)
        for one, value in zip(judged, values, strict=True)
    ]
    level = None
    if training.until is not None:
        level = Tick(100 - 100 * training.until, f"stops at {100 * training.until:g} %")
    dots = []
    for index, (one, (x, y)) in enumerate(zip(judged, places, strict=True)):
        words = figures.percent(one.dev) if one.dev else ""
        if one.best:
            words = f"best {words}"
        elif len(judged) > _NAMED and not _is_named(index, len(judged), False):
            words = ""
        below = _close_under(level, y) if one.best else _in_a_dip(values, index)
        dots.append(_dot(x, y, "best" if one.best else "dev", words, below))
    rows = tuple(Tick(100 - rate, f"{rate} %") for rate in (0, 25, 50, 75, 100))
    words = "dev cases that pass, by round"
    lines = tuple(_lines("dev", places))
    return Curves("Dev rate", words, lines, tuple(dots), rows, _epochs(last), level)


def _close_under(level: Tick | None, y: float) -> bool:
    """Whether letters above that place would stand on the level's line."""
    return level is not None and 0 <= y - level.at < 16


def _in_a_dip(values: Sequence[float], index: int) -> bool:
    """Whether the line goes up from there to both sides, or to the only one."""
    beside = values[max(0, index - 1) : index + 2]
    return values[index] < max(beside)


def _ends(
    steps: Sequence[TrainingStep], places: Sequence[tuple[float, float | None]]
) -> list[tuple[TrainingStep, Point]]:
    """The first and the last step that have a loss."""
    known = [(s, (x, y)) for s, (x, y) in zip(steps, places, strict=True) if y is not None]
    return [known[0], known[-1]] if known else []


def _dot(
    x: float,
    y: float,
    kind: Literal["loss", "validation", "dev", "best", "broken"],
    words: str,
    below: bool,
) -> Dot:
    anchor: Anchor = "start" if x < 12 else "end" if x > 88 else "middle"
    if y < 12 or y > 88:
        below = y < 12
    return Dot(round(x, 2), round(y, 2), kind, words, anchor, below)


def _up(value: float | None, axis: tuple[float, float]) -> float | None:
    """The place of a value on an axis from its lower to its upper end; None for none."""
    if value is None or not abs(value) < _HUGE:
        return None
    return 100 - 100 * (value - axis[0]) / (axis[1] - axis[0])


def _lines(
    kind: Literal["loss", "validation", "dev"], places: Iterable[tuple[float, float | None]]
) -> Iterable[Line]:
    """The stretches between what is no number."""
    for known, stretch in groupby(places, key=lambda place: place[1] is not None):
        if known:
            yield Line(kind, " ".join(f"{x:.2f},{y:.2f}" for x, y in stretch))


def _scale(lowest: float, highest: float) -> tuple[tuple[Tick, ...], tuple[float, float]]:
    """Round numbers around 0 and all values, about five of them, and the two outermost."""
    lowest, highest = min(0.0, lowest), max(0.0, highest)
    rough = max((highest - lowest) / 4, 1e-9)
    size = 10.0 ** math.floor(math.log10(rough))
    step = next((size * factor for factor in (1, 2, 2.5, 5) if size * factor >= rough), 10 * size)
    first, last = math.floor(lowest / step), max(1, math.ceil(highest / step))
    ticks = tuple(
        Tick(100 - 100 * (i - first) / (last - first), f"{i * step:.4g}")
        for i in range(first, last + 1)
    )
    return ticks, (first * step, last * step)


def _epochs(last: float) -> tuple[Tick, ...]:
    """Whole epochs, at most about eight of them."""
    step = max(1, math.ceil(last / 8))
    return tuple(Tick(100 * n / last, str(n)) for n in range(0, math.floor(last) + 1, step))
