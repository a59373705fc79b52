"""The table of cases: each row with its words, its place among the filters, and its texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from markupsafe import Markup

from harness.wording import count
from reports.html.marking import Difference, difference
from reports.html.shown import cut, room, shown
from reports.summary import Answer, CaseRow, Summary

_K = TypeVar("_K", str, tuple[str, str])

_ROW: Final = 140
"""Characters of a prompt that stand in a closed row."""
_REASON: Final = 600
"""Characters of a reason or a note that are always shown."""


@dataclass(frozen=True, slots=True)
class Status:
    """What became of a case, for people: a key for its colour and sign, words, and the filter's."""

    key: str
    words: str
    label: str


_STATUSES: Final = {
    one.key: one
    for one in (
        Status("broken", "broken", "Broken"),
        Status("missing", "still missing", "Still missing"),
        Status("changed", "still missing", "… in another way"),
        Status("error", "error", "Errors"),
        Status("unpaired", "on one side only", "On one side only"),
        Status("fixed", "fixed", "Fixed"),
        Status("passed", "passed both times", "Passed both times"),
        Status("skip", "skipped", "Skipped"),
    )
}
"""In the order of the rows: what is wrong comes first."""
_ALONE: Final = {
    "missing": Status("missing", "missing", "Missing"),
    "passed": Status("passed", "passed", "Passed"),
}
_FROM_OUTCOME: Final = {"pass": "passed", "fail": "missing", "error": "error", "skip": "skip"}


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """One run's answer, ready: `reply` is None where there is none, `same` where both are one.

    `difference` is None for a case that passed: its reply says what was called.
    """

    when: str
    answer: Answer
    difference: Difference | None
    reason: Markup
    note: Markup
    found: Markup
    answered: Markup
    reply: Markup | None
    same: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One case of the table. `miss`, `tags`, `clause` and `spec` are places in the filters.

    `prompt` is None where `brief`, which stands in the closed row, is the whole of it.
    """

    number: int
    case: CaseRow
    status: Status
    show: str
    miss: str
    tags: str
    clause: int | None
    spec: int
    brief: Markup
    prompt: Markup | None
    expected: Markup
    answers: tuple[ShownAnswer, ...]


@dataclass(frozen=True, slots=True)
class Button:
    """A filter that is pressed: its key, its words and how many cases it shows."""

    key: str
    words: str
    count: int


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is still wrong in one way: the rows that miss so now."""

    miss: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """All rows, the worst first, and the filters over them."""

    rows: tuple[Row, ...]
    buttons: tuple[Button, ...]
    misses: tuple[str, ...]
    clauses: tuple[tuple[str, str], ...]
    tags: tuple[str, ...]
    specs: tuple[str, ...]
    wrong: tuple[Wrong, ...]
    width: int


def table(summary: Summary) -> Table:
    """The cases of a report, ready to be written."""
    cases, compared = summary.cases, summary.before is not None
    misses = _places(m for case in cases for m in _misses(case))
    clauses = _places((case.spec, case.clause) for case in cases if case.clause is not None)
    tags = _places(tag for case in cases for tag in case.tags)
    specs = _places(case.spec for case in cases)
    width = room(len(cases))
    order = list(_STATUSES)
    statuses = [(_status(case, compared), case) for case in cases]
    statuses.sort(key=lambda pair: order.index(pair[0].key))
    rows = tuple(
        Row(
            number=number,
            case=case,
            status=status,
            show="missing changed" if status.key == "changed" else status.key,
            miss=_joined(misses[m] for m in dict.fromkeys(_misses(case))),
            tags=_joined(tags[tag] for tag in case.tags),
            clause=None if case.clause is None else clauses[case.spec, case.clause],
            spec=specs[case.spec],
            brief=shown(brief := " ".join(case.prompt[: 4 * _ROW].split())[:_ROW]),
            prompt=None if brief == case.prompt else cut(case.prompt, width),
            expected=cut(case.expected, width),
            answers=_answers(case, width),
        )
        for number, (status, case) in enumerate(statuses)
    )
    return Table(
        rows,
        _buttons(rows, compared),
        tuple(misses),
        tuple(clauses),
        tuple(tags),
        tuple(specs),
        _wrong(rows, summary.overall.after.misses),
        width,
    )


def _places(keys: Iterable[_K]) -> dict[_K, int]:
    return {key: place for place, key in enumerate(sorted(set(keys)))}


def _joined(places: Iterable[int]) -> str:
    return " ".join(map(str, places))


def _misses(case: CaseRow) -> list[str]:
    return [side.miss for side in (case.before, case.after) if side and side.miss]


def _status(case: CaseRow, compared: bool) -> Status:
    """The change, or without one the outcome; errors and skipped cases are no change."""
    outcome = _FROM_OUTCOME.get(case.after.outcome if case.after else "", "unpaired")
    if not compared:
        return _ALONE.get(outcome) or _STATUSES[outcome]
    if outcome in ("error", "skip"):
        return _STATUSES[outcome]
    return _STATUSES[case.change or outcome]


def _answers(case: CaseRow, width: int) -> tuple[ShownAnswer, ...]:
    sides = [("before", case.before), ("after", case.after)]
    return tuple(
        _answer(case, when, side, case.before if when == "after" else None, width)
        for when, side in sides
        if side is not None
    )


def _answer(
    case: CaseRow, when: str, side: Answer, other: Answer | None, width: int
) -> ShownAnswer:
    return ShownAnswer(
        when,
        side,
        None if side.outcome == "pass" else difference(case, side, width),
        cut(side.reason, max(width, _REASON)),
        cut(side.note, max(width, _REASON)),
        cut(side.found, max(width, _REASON)),
        cut(side.answered, width),
        None if side.reply is None else cut(side.reply, width),
        other is not None and other.reply is not None and other == side,
    )


def _buttons(rows: Sequence[Row], compared: bool) -> tuple[Button, ...]:
    """All; the changes that everybody looks for, also where there is none; others where met."""
    counts: Counter[str] = Counter(key for row in rows for key in row.show.split())
    asked = ("fixed", "broken", "missing") if compared else ("missing",)
    order = (*asked, *(key for key in _STATUSES if key not in asked))
    words: Mapping[str, Status] = _STATUSES if compared else {**_STATUSES, **_ALONE}
    kept = [key for key in order if counts[key] or key in asked]
    return (
        Button("all", "All", len(rows)),
        *(Button(key, words[key].label, counts[key]) for key in kept),
    )


def _wrong(rows: Sequence[Row], kinds: Mapping[str, int]) -> tuple[Wrong, ...]:
    """The rows that miss now, by miss, the commonest first."""
    found: dict[str, list[Row]] = {kind: [] for kind in kinds}
    for row in rows:
        if row.case.after and row.case.after.miss:
            found.setdefault(row.case.after.miss, []).append(row)
    return tuple(Wrong(miss, tuple(some)) for miss, some in found.items() if some)


def shortened(table: Table) -> str:
    """What a reader has to know of texts that were cut, or nothing."""
    return f"With {count(len(table.rows), 'case')}, texts are cut at {table.width:,} characters."
