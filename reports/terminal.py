"""A report for a terminal of 80 columns: plain text, nothing in it that drives one."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from harness.sources.bfcl_scores import CARD
from harness.wording import one_line
from reports.summary import (
    CaseRow,
    Group,
    Rate,
    RunFacts,
    Side,
    SpecSummary,
    Summary,
    Training,
)
from reports.wording import (
    NONE,
    RULES,
    CaseList,
    board_cells,
    board_heads,
    case_lists,
    compared_text,
    coverage_texts,
    disarmed,
    floor_of,
    floors_text,
    gate_word,
    guide_scores,
    id_of,
    interval,
    metrics_text,
    misses_text,
    needed_text,
    rate_text,
    reason_of,
    rows_of,
    turn,
)

_WIDTH: Final = 80
_NAME: Final = 12
"""The fewest columns that a table leaves its names."""
_GLUED: Final = re.compile(r"(?<=\d) (?=[\w%])|(?<=\(n) (?=\d)")
"""Spaces at which no line ends: `15 no_call`, `(n 20)`."""
_LISTED: Final = 50
"""Cases that a list names."""
_ALL: Final = "--format json has all of them"
_GROUPS: Final = 40
"""Clauses, tags or tools that a table holds."""


def render(summary: Summary) -> str:
    """The report as text, its last line ended."""
    blocks = [_wrapped(summary.verdict), _notices(summary), _runs(summary), *_overview(summary)]
    for spec in summary.specs:
        blocks += _spec(summary, spec)
    blocks += _training(summary.training) if summary.training else []
    blocks += [_seeds(summary)] if summary.seeds else []
    lines = [line for block in blocks if block for line in (*block, "")]
    return "".join(f"{_harmless(line)}\n" for line in lines[:-1])


def _harmless(line: str) -> str:
    """The line without what GitHub's runner would take for a command in a build's log."""
    line = disarmed(line).rstrip()
    return f"\\{line}" if line.lstrip().startswith("::") else line


def _wrapped(text: str, indent: str = "", first: str = "", width: int = 1200) -> list[str]:
    """The text in lines of 80 columns; long words stay whole, and numbers by what they count."""
    glued = _GLUED.sub("\0", one_line(text, width))
    lines = textwrap.wrap(
        glued,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace("\0", " ") for line in lines]


def _notices(summary: Summary) -> list[str]:
    return [line for notice in summary.notices for line in _wrapped(f"- {notice}", "  ")]


def _runs(summary: Summary) -> list[str]:
    sides = [("before", summary.before), ("after", summary.after)]
    if summary.before is None:
        sides = [("run", summary.after)]
    lines = []
    for name, run in sides:
        if run is not None:
            lines += _wrapped(f"{name + ':':<8}{_run_text(run)}", " " * 8)
    return [*lines, f"{'split:':<8}{one_line(summary.split)}"]


def _run_text(run: RunFacts) -> str:
    parts = [run.label, run.start, run.path]
    parts += [] if run.finished else ["NOT FINISHED"]
    return ", ".join(part for part in parts if part)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], left: int = 0) -> list[str]:
    """A table of 80 columns, its names cut where the rest leaves them too little room.

    The first column and the last `left` are aligned to the left.
    """
    from tabulate import tabulate

    rows = [[one_line(row[0], 400), *row[1:]] for row in rows]
    widths = [max(len(row[place]) for row in (heads, *rows)) for place in range(len(heads))]
    room = max(_NAME, _WIDTH - sum(widths[1:]) - 2 * len(widths[1:]))
    widths[0] = min(widths[0], room)
    named = [[_short(row[0], room), *row[1:]] for row in rows]
    rules = ["-" * width for width in widths]
    align = ["left", *["right"] * (len(heads) - 1 - left), *["left"] * left]
    whole = [heads, rules, *named]  # as rows: tabulate makes columns wider than their heads
    text = tabulate(whole, tablefmt="plain", colalign=align, disable_numparse=True)
    return text.split("\n")


def _short(name: str, room: int) -> str:
    return name if len(name) <= room else f"{name[: room - 1]}…"


_GATE_HEADS: Final = ("cases", "passed", "rate", "95 % interval", "needed", "gate")


def _overview(summary: Summary) -> list[list[str]]:
    """All specs under one another, where there is more than one."""
    if len(summary.specs) < 2:
        return []
    rows = [_gate_row(spec.whole.name, spec.whole.after) for spec in summary.specs]
    rows.append(_gate_row(f"all {len(summary.specs)} specs", summary.overall.after))
    words = summary.overall.comparison
    compared = _wrapped(words.words) if words else []
    return [_table(("spec", *_GATE_HEADS), rows, left=1), compared]


def _gate_row(name: str, side: Side) -> list[str]:
    return [name, str(side.cases), *_rate_cells(side.rate), needed_text(side), gate_word(side)]


def _rate_cells(rate: Rate) -> list[str]:
    return [str(rate.passed), rate_text(rate), interval(rate)]


def _spec(summary: Summary, spec: SpecSummary) -> Iterator[list[str]]:
    whole = spec.whole
    yield _wrapped(f"{whole.name}: {whole.text}" if whole.text else whole.name)
    yield _whole(whole)
    yield _judgement(whole, alone=len(summary.specs) == 1)
    yield from _published(spec, compared=summary.before is not None)
    for kind, groups in (("clause", spec.clauses), ("tag", spec.tags), ("tool", spec.tools)):
        if groups:
            yield _groups(kind, groups)
    yield [line for text in coverage_texts(spec.coverage) for line in _wrapped(text, "  ")]
    yield _other_splits(spec)
    for some in case_lists(rows_of(summary, whole.name), summary.before is not None):
        yield _cases(some)


def _whole(group: Group) -> list[str]:
    """Before, after and the floors, a rate to a line."""
    rows = [_gate_row("before", group.before)] if group.before else []
    rows.append(_gate_row("after" if group.before else "passed", group.after))
    for rule in RULES:
        floor = floor_of(group, rule)
        if floor is not None:
            rows.append([f"floor: {rule}", str(floor.rate.n), *_rate_cells(floor.rate), "", ""])
    return _table(("", *_GATE_HEADS), rows, left=1)


def _judgement(group: Group, *, alone: bool) -> list[str]:
    found = group.comparison
    lines = _wrapped(compared_text(found, alone=alone)) if found else []
    for reason in group.after.reasons:
        lines += _wrapped(f"gate not met: {reason}", "  ")
    sides = [("misses before", group.before), ("misses after", group.after)]
    for name, side in sides if group.before else [("misses", group.after)]:
        if side is not None:
            lines += _wrapped(f"{name}: {misses_text(side)}", "  ")
    lines += _wrapped(", ".join(metrics_text(group.before, group.after)), "  ")
    return lines + (_wrapped(floors_text(group.floors), "  ") if group.floors else [])


def _published(spec: SpecSummary, *, compared: bool) -> Iterator[list[str]]:
    """The scores that a published data set has of its own."""
    if spec.leaderboard:
        rows = [board_cells(row, compared) for row in spec.leaderboard]
        yield [*_table(board_heads(compared), rows), *_wrapped(CARD, "  ")]
    for name, score in guide_scores(spec, compared):
        lines = _wrapped(f"{name}: {score.words}", "  ")
        for one in score.disagreements[:_LISTED]:
            lines += _wrapped(f"{id_of(one.case)}: {one.words}", "    ", "  ", 300)
        more = len(score.disagreements) - _LISTED
        yield lines if more <= 0 else [*lines, f"… and {more} more: {_ALL}"]


def _groups(kind: str, groups: Sequence[Group]) -> list[str]:
    """The parts of a spec: passes before and after, the rate with its interval, the floors."""
    compared = any(group.before for group in groups)
    floors = [rule for rule in RULES if any(floor_of(group, rule) for group in groups)]
    heads = [kind, *(["before"] if compared else []), "after" if compared else "passed"]
    heads += ["rate", "interval", *(["fixed", "broken"] if compared else [])]
    heads += [_FLOOR_HEADS[rule] for rule in floors]
    rows = [_group_row(group, compared, floors) for group in groups[:_GROUPS]]
    lines = _table(heads, rows)
    more = len(groups) - _GROUPS
    return lines if more <= 0 else [*lines, f"… and {more} more"]


_FLOOR_HEADS: Final = {"commonest tool": "common", "bag of words": "words"}


def _group_row(group: Group, compared: bool, floors: Sequence[str]) -> list[str]:
    before, after, comparison = group.before, group.after, group.comparison
    row = [group.name]
    if compared:
        row.append(_fraction(before.rate) if before else NONE)
    row += [_fraction(after.rate), rate_text(after.rate), interval(after.rate)]
    if compared:
        row += (
            [str(len(comparison.fixed)), str(len(comparison.broken))]
            if comparison
            else [
                NONE,
                NONE,
            ]
        )
    found = [floor_of(group, rule) for rule in floors]
    return row + [rate_text(floor.rate) if floor else NONE for floor in found]


def _fraction(rate: Rate) -> str:
    return f"{rate.passed}/{rate.n}" if rate.n else NONE


def _other_splits(spec: SpecSummary) -> list[str]:
    lines = []
    for split, group in spec.other_splits.items():
        before = f"{_rate(group.before.rate)} → " if group.before else ""
        lines += _wrapped(f"split {split}: {before}{_rate(group.after.rate)}", "  ")
    return lines


def _rate(rate: Rate) -> str:
    return f"{rate.passed} of {rate.n}, {rate_text(rate)} ({interval(rate)})" if rate.n else NONE


def _cases(some: CaseList) -> list[str]:
    lines = [f"{some.head}:"]
    for row in some.rows[:_LISTED]:
        lines += _case(row, some.open)
    more = len(some.rows) - _LISTED
    return lines if more <= 0 else [*lines, f"… and {more} more: {_ALL}"]


def _case(row: CaseRow, reasons: bool) -> list[str]:
    """Place, id and miss; below it what was expected and came, where it still misses."""
    critical = " (critical)" if row.critical else ""
    head = f"{one_line(row.location)} {one_line(row.id)}: {one_line(turn(row))}{critical}"
    return [head, *(_wrapped(reason_of(row), "    ", "    ", 300) if reasons else [])]


def _training(training: Training) -> Iterator[list[str]]:
    """The rounds of the training, and what was left out of it."""
    parts = [f"{training.rows} rows"]
    parts += [f"seed {training.seed}"] if training.seed is not None else []
    parts += [f"until a dev rate of {training.until:.10g}"] if training.until is not None else []
    parts += [f"{len(training.dropped)} left out as leaks"] if training.dropped else []
    given = ", ".join(f"{n} of {name}" for name, n in training.given_up.items() if n)
    parts += [f"train cases that became dev cases: {given}"] if given else []
    ended = f"; ended: {training.ended}" if training.ended else ""
    yield _wrapped(f"training: {'; '.join(parts)}{ended}", "  ")
    rows = [
        [
            f"{found.round}{' (kept)' if found.best else ''}",
            f"{found.epoch:.4g}",
            str(found.step),
            NONE if found.validation_loss is None else f"{found.validation_loss:.4f}",
            _rate(found.dev) if found.dev else NONE,
        ]
        for found in training.rounds
    ]
    if rows:
        yield _table(("round", "epoch", "step", "validation loss", "dev"), rows[-_GROUPS:])


def _seeds(summary: Summary) -> list[str]:
    rows = [
        [
            str(found.seed),
            _rate(found.before),
            _rate(found.after),
            "met" if found.met else "NOT MET",
        ]
        for found in summary.seeds
    ]
    return _table(("seed", "before", "after", "gates"), rows, left=1)
