"""Warnings about the rows of a data set: one of a kind, for nobody reads thousands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Final

from harness.cases import RowsRead, Spec
from harness.errors import Problem, printable
from harness.gold import broken_gold
from harness.wording import count, cut

_NAMED: Final = 12
"""Losses that are named; the most frequent come first."""


def one_a_kind(found: Iterable[Problem]) -> list[Problem]:
    """The first warning of each kind, with the number of the others."""
    kinds: dict[str, list[Problem]] = defaultdict(list)
    for problem in found:
        kinds[problem.code].append(problem)
    return [_with_number(first, len(others)) for first, *others in kinds.values()]


def _with_number(first: Problem, others: int) -> Problem:
    if not others:
        return first
    more = "1 more warning" if others == 1 else f"{others} more warnings"
    return replace(first, what=f"{first.what}; {more} of this kind about the rows")


def dropped_rows(read: RowsRead) -> Iterator[Problem]:
    """The rows that became no case, by reason, at the place of the first."""
    for one in read.dropped:
        what = f"1 row is dropped: {one.reason}"
        if one.count > 1:
            what = f"{one.count} rows are dropped, this one first: {one.reason}"
        said = printable(cut(f"{what}: {one.detail}" if one.detail else what, 600))
        yield Problem(one.first, "source", said, code="dropped")


def broken_golds(spec: Spec) -> Iterator[Problem]:
    """The rows whose expected calls break their own tools' schemas, at the place of the first."""
    if spec.source is None or not spec.source.broken:
        return
    first, said = next((case, said) for case in spec.cases if (said := broken_gold(case)))
    what = f"1 row is kept though {said}"
    if spec.source.broken > 1:
        what = f"{spec.source.broken} rows are kept, this one first, though {said}"
    hint = "no reply is blamed for that; another violation is `invalid_arguments`"
    yield Problem(first.location, "source", printable(cut(what, 600)), hint, code="broken-gold")


def lost_text(read: RowsRead) -> str:
    """What the rows have and their cases have not; empty where nothing is lost."""
    said = [f"{what} ({count(n, 'row')})" for what, n in islice(read.lost.items(), _NAMED)]
    more = len(read.lost) - len(said)
    return "; ".join([*said, f"and {more} more"] if more else said)
