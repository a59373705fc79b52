"""Charts as SVG, drawn by matplotlib without a screen: the course of a training, rates by spec.

The same content gives the same bytes: ids from a fixed salt, no date, text as text. Blue and
orange of Okabe and Ito (2008) are told apart by every kind of eye, and the marks differ in shape
as well. The background is white of its own, so that a chart is read on dark pages too.
"""

from __future__ import annotations

import io
import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from harness.errors import UsageError
from harness.summary import percent
from harness.wording import one_line
from reports.summary import Group, Rate, Summary, Training, TrainingRound

MISSING: Final = "charts need matplotlib: pip install 'callgate[train]'"

BLUE: Final = "#0072b2"
ORANGE: Final = "#d55e00"
GREEN: Final = "#009e73"
INK: Final = "#222222"
GREY: Final = "#6b6b6b"
LINE: Final = "#d9d9d9"

_LABELLED: Final = 12
"""Rounds up to which each has its number; of more, the first, the best and the last have."""
_SPECS: Final = 30
"""Specs that one chart shows."""
_LOG_FROM: Final = 50.0
"""The highest loss by the lowest, from which a logarithmic axis is the clearer one."""
_HIGHEST: Final = 1e30
"""A loss above this is drawn as none: axes overflow."""
_HALO: Final = {"facecolor": "white", "edgecolor": "none", "alpha": 0.9, "pad": 1.0}
"""Behind a number, so that no line crosses it."""

_STYLE: Final = {
    "svg.hashsalt": "callgate",
    "svg.fonttype": "none",
    "text.parse_math": False,
    "text.usetex": False,
    "font.family": "sans-serif",
    "font.size": 10.0,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "legend.frameon": False,
    "legend.fontsize": 9.0,
}


def curves_svg(training: Training) -> str:
    """Loss by step, validation loss and dev rate by round; the kept round and the stop rate marked.

    Raises:
        UsageError: matplotlib is not installed, or the training has neither steps nor rounds.
    """
    if not training.steps and not training.rounds:
        raise UsageError("this training has neither a step nor a round: there is nothing to draw")
    judged = [one for one in training.rounds if one.dev is not None and one.dev.n]
    with _drawing():
        figure, axes = _panels([3.0, 2.5] if judged else [3.0])
        _losses(axes[0], training)
        if judged:
            _dev(axes[1], training, judged)
        _kept(axes, training)
        axes[-1].set_xlabel("step")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
        axes[-1].xaxis.get_major_locator().set_params(integer=True)
        return _svg(figure, "The course of the training")


def rates_svg(summary: Summary) -> str:
    """Each spec's rate before and after with its interval, what needs no model, the gate's rate.

    Raises:
        UsageError: matplotlib is not installed.
    """
    groups = [spec.whole for spec in summary.specs][:_SPECS]
    blocks = [_bars(group) for group in groups]
    lines = sum(1.4 + len(bars) for bars in blocks)
    with _drawing():
        figure, (axis,) = _panels([0.7 + 0.27 * lines])
        top = 0.0
        ticks: list[tuple[float, str]] = []
        for group, bars in zip(groups, blocks, strict=True):
            _heading(axis, top, group, len(bars))
            for place, bar in enumerate(bars, start=1):
                _draw(axis, top + place, bar, group.after.pass_rate)
                ticks.append((top + place, bar.name))
            top += 1.4 + len(bars)
        axis.set_yticks([at for at, _ in ticks], [name for _, name in ticks])
        axis.tick_params(axis="y", length=0, pad=10)
        axis.set_ylim(top - 0.6, -0.6)
        axis.set_xlim(-0.012, 1.012)
        _percent_axis(axis.xaxis)
        axis.spines["left"].set_color(LINE)
        axis.grid(axis="x", color=LINE, linewidth=0.8)
        axis.set_axisbelow(True)
        more = len(summary.specs) - len(groups)
        hidden = f"; {more} more specs are not drawn" if more > 0 else ""
        axis.set_xlabel(f"{one_line(summary.split, 20)} cases that pass{hidden}")
        return _svg(figure, "The rate of each spec")


@dataclass(frozen=True, slots=True)
class Bar:
    """A rate with its interval on a line of its own: its name, its mark's shape and colour."""

    name: str
    rate: Rate
    marker: str
    colour: str
    filled: bool = True


def _bars(group: Group) -> list[Bar]:
    """The lines of a spec: before, after, the floors; those of nothing are left out."""
    bars = [Bar("before", group.before.rate, "s", ORANGE, filled=False)] if group.before else []
    bars.append(Bar("after" if group.before else "rate", group.after.rate, "o", BLUE))
    bars += [Bar(floor.rule, floor.rate, "D", GREY, filled=False) for floor in group.floors]
    return [bar for bar in bars if bar.rate.value is not None]


def _heading(axis: Any, top: float, group: Group, lines: int) -> None:
    """The spec's name over its lines, and the rate that its gate asks for through them."""
    name = f" {one_line(group.name, 50)}"
    where = {"transform": axis.get_yaxis_transform(), "va": "center"}
    axis.text(0.0, top, name, fontweight="bold", **where)
    gate = group.after.pass_rate
    if gate is None:
        return
    axis.plot([gate, gate], [top + 0.45, top + lines + 0.45], color=INK, linewidth=1.6)
    word = {True: ", met", False: ", not met", None: ""}[group.after.met]
    place = {"ha": "right" if gate > 0.5 else "left", "va": "center"}
    axis.text(gate, top, f"gate {100 * gate:.4g} %{word}", **place)


def _draw(axis: Any, at: float, bar: Bar, gate: float | None) -> None:
    """The interval, the mark, and the number beside them, where there is room and no gate."""
    rate = bar.rate
    value = rate.passed / rate.n
    axis.plot([rate.low, rate.high], [at, at], color=bar.colour, linewidth=2, alpha=0.5)
    inside = bar.colour if bar.filled else "white"
    axis.plot(
        [value], [at], marker=bar.marker, markersize=7.5, linestyle="none",
        markerfacecolor=inside, markeredgecolor=bar.colour, markeredgewidth=1.8, clip_on=False,
    )  # fmt: skip
    crossed = gate is not None and rate.high < gate < rate.high + 0.28 and rate.low > 0.28
    right = rate.high < 0.72 and not crossed
    axis.annotate(
        f"{percent(rate.passed, rate.n)} ({rate.passed} of {rate.n})",
        (max(rate.high, value) if right else min(rate.low, value), at),
        xytext=(9 if right else -9, 0), textcoords="offset points", va="center",
        ha="left" if right else "right", bbox=_HALO,
    )  # fmt: skip


def _losses(axis: Any, training: Training) -> None:
    """The training loss by step, and the validation loss by round."""
    losses = [math.nan if _is_none(one.loss) else float(one.loss or 0) for one in training.steps]
    rounds = [one for one in training.rounds if not _is_none(one.validation_loss)]
    held_out = [float(one.validation_loss or 0) for one in rounds]
    steps = [one.step for one in training.steps]
    axis.plot(steps, losses, color=BLUE, linewidth=1.2, alpha=0.75, label="training loss")
    if rounds:
        axis.plot(
            [one.step for one in rounds], held_out, color=ORANGE, linewidth=1.4, linestyle="--",
            marker="D", markersize=5, label="validation loss",
        )  # fmt: skip
    for one in _labelled(rounds):
        words = f"{one.validation_loss:.3g}"
        _number(axis, one.step, float(one.validation_loss or 0), words, above=True)
    _broken(axis, training)
    finite = [loss for loss in [*losses, *held_out] if not math.isnan(loss)]
    if finite and 0 < min(finite) < max(finite) / _LOG_FROM:
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.yaxis.set_minor_formatter(lambda *_: "")
    axis.set_ylabel("loss")
    axis.margins(y=0.16)
    axis.grid(axis="y", color=LINE, linewidth=0.8)
    _rounds_on_top(axis, training.rounds)


def _is_none(loss: float | None) -> bool:
    return loss is None or not -_HIGHEST < loss < _HIGHEST


def _broken(axis: Any, training: Training) -> None:
    """The steps whose loss is no number, on the lower edge."""
    broken = [one.step for one in training.steps if _is_none(one.loss)]
    if broken:
        axis.plot(
            broken, [0.03] * len(broken), transform=axis.get_xaxis_transform(), marker="x",
            color=INK, markersize=8, markeredgewidth=2, linestyle="none",
            label="loss is no number",
        )  # fmt: skip


def _dev(axis: Any, training: Training, rounds: Sequence[TrainingRound]) -> None:
    """The dev rate by round with its interval, and the rate that ends the training."""
    points = [(one, one.dev, one.dev.passed / one.dev.n) for one in rounds if one.dev]
    for one, rate, _ in points:
        axis.plot([one.step] * 2, [rate.low, rate.high], color=BLUE, linewidth=2, alpha=0.3)
    steps, values = [one.step for one, *_ in points], [value for *_, value in points]
    axis.plot(steps, values, color=BLUE, linewidth=1.4, marker="o", markersize=5.5)
    named = _labelled(rounds)
    for one, rate, value in points:
        if one in named:
            near = training.until is not None and 0 < training.until - value < 0.2
            _number(axis, one.step, value, percent(rate.passed, rate.n), above=not near)
    if training.until is not None:
        axis.axhline(training.until, color=INK, linewidth=1.3, linestyle="--")
        axis.annotate(
            f"enough: {100 * training.until:.4g} %", (0, training.until), xytext=(4, 3),
            xycoords=axis.get_yaxis_transform(), textcoords="offset points", fontsize=9,
            bbox=_HALO,
        )  # fmt: skip
    axis.set_ylim(0, 1.1)
    _percent_axis(axis.yaxis)
    axis.set_ylabel(f"dev cases that pass\n(n {max(rate.n for _, rate, _ in points)})")
    axis.grid(axis="y", color=LINE, linewidth=0.8)


def _kept(axes: Sequence[Any], training: Training) -> None:
    """A line through the round whose weights were kept, named on the lowest edge."""
    best = [one for one in training.rounds if one.best][-1:]
    for one in best:
        for axis in axes:
            axis.axvline(one.step, color=GREEN, linewidth=1.6, linestyle=":", zorder=1)
        left = one.step > sum(axes[-1].get_xlim()) / 2
        axes[-1].annotate(
            f"round {one.round} is kept", (one.step, 0.04), xytext=(-5 if left else 5, 0),
            xycoords=axes[-1].get_xaxis_transform(), textcoords="offset points", fontsize=9,
            ha="right" if left else "left", bbox=_HALO,
        )  # fmt: skip


def _labelled(rounds: Sequence[TrainingRound]) -> list[TrainingRound]:
    """The rounds whose numbers are printed."""
    if len(rounds) <= _LABELLED:
        return list(rounds)
    best = [one for one in rounds if one.best][-1:]
    return [rounds[0], *best, rounds[-1]]


def _number(axis: Any, x: float, y: float, words: str, *, above: bool) -> None:
    """A number over its mark, or under it."""
    axis.annotate(
        words, (x, y), xytext=(0, 7 if above else -8), textcoords="offset points", ha="center",
        va="bottom" if above else "top", fontsize=9, bbox=_HALO,
    )  # fmt: skip


def _rounds_on_top(axis: Any, rounds: Sequence[TrainingRound]) -> None:
    """The numbers of the rounds, over the steps where they end."""
    if not rounds:
        return
    every = math.ceil(len(rounds) / 20)
    shown = [one for one in rounds if one.round % every == 0 or len(rounds) == 1]
    top = axis.secondary_xaxis("top")
    top.set_xticks([one.step for one in shown], [str(one.round) for one in shown])
    top.set_xlabel("round")


def _percent_axis(axis: Any) -> None:
    axis.set_ticks([0, 0.2, 0.4, 0.6, 0.8, 1], ["0", "20", "40", "60", "80", "100 %"])


@contextmanager
def _drawing() -> Iterator[None]:
    """Matplotlib with our style, whatever its user's own; it says nothing of missing letters."""
    log = logging.getLogger("matplotlib")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            try:
                import matplotlib
            except ImportError:
                raise UsageError(MISSING) from None
            style: Any = {**matplotlib.rcParamsDefault, **_STYLE}
            del style["backend"]  # to name one would look for a screen
            with matplotlib.rc_context(style):
                yield
    finally:
        log.setLevel(level)


def _panels(heights: Sequence[float]) -> tuple[Any, list[Any]]:
    """A figure 8 inches wide, and its panels, one under the other; `heights` are in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, sum(heights)), layout="constrained")
    axes = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)
    return figure, list(axes[:, 0])


def _svg(figure: Any, title: str) -> str:
    """The figure as a text; a title for who cannot see it, and nothing of the day or the maker."""
    file = io.StringIO()
    metadata = {"Title": title, "Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(file, format="svg", metadata=metadata)
    return file.getvalue()
