"""Which rows of a data set become cases: `where`, `shuffle`, `limit`, `take`, in this order.

They act on raw rows by position, before any of them is converted, so that the tutorials' choice
of rows is had exactly; `head`, which counts usable rows, is the reader's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from harness.cases import SPLITS, Json, Split
from harness.json_values import equal, shown
from harness.sources.rows import Drop, Rows
from harness.spec_files.strict_yaml import FileRefused

_NAMED: Final = 6
"""Values of a field that a hint names."""
_ABSENT: Final = object()


@dataclass(frozen=True)
class Selection:
    """What a source asks for; `head` holds the most cases of each split."""

    where: Mapping[str, Json] = field(default_factory=dict)
    shuffle: int | None = None
    limit: int | None = None
    take: Mapping[Split, int] = field(default_factory=dict)
    head: Mapping[Split, int] = field(default_factory=dict)

    @property
    def asked(self) -> tuple[Split, ...]:
        """The splits that `take` or `head` asks for rows of."""
        return tuple(s for s in SPLITS if self.take.get(s, 0) > 0 or self.head.get(s, 0) > 0)


@dataclass(frozen=True)
class Chosen:
    """The positions of the chosen rows in the order of reading, each with the split it is given.

    `bad` are rows that `where` could not be asked of; `hint` says what the fields hold where no
    row met `where`.
    """

    rows: Sequence[tuple[int, Split | None]]
    bad: Sequence[tuple[int, Drop]] = ()
    hint: str = ""


def choose(rows: Rows, selection: Selection) -> Chosen:
    """The rows that a selection asks for; raises FileRefused where `shuffle` cannot be done."""
    order: Sequence[int] = range(len(rows))
    bad: list[tuple[int, Drop]] = []
    hint = ""
    if selection.where:
        order, bad, hint = _met(rows, selection.where)
    if selection.shuffle is not None:
        order = [order[place] for place in permutation(len(order), selection.shuffle)]
    if selection.limit is not None:
        order = order[: selection.limit]
    return Chosen(list(_taken(order, selection.take)), bad, hint)


def permutation(count: int, seed: int) -> list[int]:
    """The order in which `datasets.Dataset.shuffle(seed)` puts so many rows.

    It is numpy's `default_rng(seed).permutation(count)`. Raises FileRefused without numpy.
    """
    try:
        from numpy.random import default_rng
    except ImportError:
        hint = "pip install numpy, or leave `shuffle` out"
        raise FileRefused("is to be shuffled as `datasets` does, which takes numpy", hint) from None
    order: list[int] = default_rng(seed).permutation(count).tolist()
    return order


def _taken(order: Sequence[int], take: Mapping[Split, int]) -> Iterator[tuple[int, Split | None]]:
    """Each position with its split: as many for each as it takes, in the order written."""
    if not take:
        yield from ((index, None) for index in order)
    start = 0
    for split, count in take.items():
        yield from ((index, split) for index in order[start : start + count])
        start += count


def _met(rows: Rows, where: Mapping[str, Json]) -> tuple[list[int], list[tuple[int, Drop]], str]:
    met: list[int] = []
    bad: list[tuple[int, Drop]] = []
    seen: dict[str, Counter[str]] = {name: Counter() for name in where}
    for index in range(len(rows)):
        row = rows[index]
        if isinstance(row, Drop):
            bad.append((index, row))
            continue
        held = [_holds(row.value, name, wanted, seen[name]) for name, wanted in where.items()]
        if all(held):
            met.append(index)
    return met, bad, "" if met else "; ".join(_found(name, seen[name]) for name in where)


def _holds(row: Json, name: str, wanted: Json, seen: Counter[str]) -> bool:
    value = value_at(row, name)
    if len(seen) < 1000:
        seen["nothing" if value is _ABSENT else shown(value, 40)] += 1
    if value is _ABSENT:
        return False
    choices = wanted if isinstance(wanted, list) else [wanted]
    return any(equal(value, choice) for choice in choices)


def _found(name: str, seen: Counter[str]) -> str:
    values = ", ".join(text for text, _ in seen.most_common(_NAMED))
    more = ", …" if len(seen) > _NAMED else ""
    return f"its rows have {values or 'nothing'}{more} at {name!r}"


def value_at(row: Json, name: str) -> Json:
    """The value at a dotted path; a key that holds dots itself comes first. `_ABSENT` if none."""
    if isinstance(row, dict) and name in row:
        return row[name]
    head, dot, rest = name.partition(".")
    while dot:
        if isinstance(row, dict) and head in row:
            return value_at(row[head], rest)
        if isinstance(row, list) and head.isdecimal() and int(head) < len(row):
            return value_at(row[int(head)], rest)
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    if isinstance(row, list) and name.isdecimal() and len(name) < 9 and int(name) < len(row):
        return row[int(name)]
    return _ABSENT
