"""The confusion of expected against called tools as a table of shaded cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from harness.gold import ANY_CALL
from reports.summary import Confusion

_SHADES: Final = 5


@dataclass(frozen=True, slots=True)
class Cell:
    """A count and how its cell looks: `right` or `wrong` and a shade from 1, or `none` for 0."""

    count: int
    look: str


@dataclass(frozen=True, slots=True)
class Matrix:
    """A row for each expected tool, a column for each tool that was called."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...], int], ...]


def matrix(confusion: Confusion) -> Matrix:
    """The table; a cell is the darker the larger its share of its row."""
    rows = tuple(
        (name, tuple(_cell(name, column, n, sum(counts)) for column, n in pairs), sum(counts))
        for name, counts in zip(confusion.rows, confusion.counts, strict=True)
        for pairs in (tuple(zip(confusion.columns, counts, strict=True)),)
    )
    return Matrix(confusion.columns, rows)


def _cell(row: str, column: str, count: int, total: int) -> Cell:
    if not count:
        return Cell(0, "none")
    shade = max(1, round(_SHADES * count / total))
    right = row == column or (row == ANY_CALL and not column.startswith("("))
    return Cell(count, f"{'right' if right else 'wrong'} shade-{shade}")
