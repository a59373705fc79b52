"""Accuracy as BFCL's leaderboard lists it: its columns, its order, its means.

Columns and means are those of `column_headers.py` and `eval_runner_helper.py` (BFCL v4), as far
as one turn and Python go: non-live is the mean of its categories, live that of its cases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.sources.bfcl import FORMAT
from harness.sources.bfcl_rows import CALLED, CATEGORIES, LIVE_CALLED, REFUSED, RELEVANT

BFCL: Final = FORMAT.name
_NONE: Final = "–"

_COLUMNS: Final[Sequence[tuple[str, tuple[str, ...], bool]]] = (
    ("Non-Live AST Acc", CALLED, False),
    ("Non-Live Simple AST (Python)", CALLED[:1], False),
    ("Non-Live Multiple AST", CALLED[1:2], False),
    ("Non-Live Parallel AST", CALLED[2:3], False),
    ("Non-Live Parallel Multiple AST", CALLED[3:], False),
    ("Live Acc", LIVE_CALLED, True),
    ("Live Simple AST", LIVE_CALLED[:1], False),
    ("Live Multiple AST", LIVE_CALLED[1:2], False),
    ("Live Parallel AST", LIVE_CALLED[2:3], False),
    ("Live Parallel Multiple AST", LIVE_CALLED[3:], False),
    ("Relevance Detection", RELEVANT, False),
    ("Irrelevance Detection", REFUSED, False),
    ("Non-Live Irrelevance Detection", REFUSED[:1], False),
    ("Live Irrelevance Detection", REFUSED[1:], False),
)
"""Column, its categories, and whether their mean is weighted by their cases."""

PUBLISHED: Final[Mapping[str, float]] = {
    "Non-Live Simple AST (Python)": 0.616,
    "Non-Live Multiple AST": 0.635,
    "Non-Live Parallel AST": 0.39,
    "Non-Live Parallel Multiple AST": 0.295,
    "Live Simple AST": 0.362,
    "Live Multiple AST": 0.257,
    "Live Parallel AST": 0.229,
    "Live Parallel Multiple AST": 0.208,
    "Relevance Detection": 0.611,
    "Irrelevance Detection": 0.737,
}
"""The rates that FunctionGemma's model card reports of google/functiongemma-270m-it.

How they were had is not public; the card says neither which version of BFCL it is, nor whether
"simple" is Python alone.
"""
CARD: Final = (
    "The model card is that of google/functiongemma-270m-it, which does not say which version of "
    "BFCL it means, nor how its figures were had."
)


@dataclass(frozen=True, slots=True)
class Row:
    """A column of the leaderboard for one run.

    `rate` runs from 0 to 1; None where any of its categories has no judged case, which the
    leaderboard would count as 0. `n` counts the judged cases, `passed` those that passed;
    `published` is the model card's rate.
    """

    name: str
    rate: float | None
    passed: int
    n: int
    published: float | None


def leaderboard(records: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The rows of a run log's verdicts, in the leaderboard's order; [] where none is of BFCL's.

    A verdict belongs to the category that is one of its case's tags. Errors and skips are not
    judged, and count nowhere.
    """
    passed: Counter[str] = Counter()
    judged: Counter[str] = Counter()
    for record in records:
        category = next((tag for tag in record.get("tags") or () if tag in CATEGORIES), None)
        if category is not None and record.get("outcome") in ("pass", "fail"):
            judged[category] += 1
            passed[category] += record["outcome"] == "pass"
    if not judged:
        return []
    return [
        _row(name, categories, passed, judged, weighted=weighted)
        for name, categories, weighted in _COLUMNS
    ]


def _row(
    name: str,
    categories: Sequence[str],
    passed: Mapping[str, int],
    judged: Mapping[str, int],
    *,
    weighted: bool,
) -> Row:
    hits, n = sum(passed[one] for one in categories), sum(judged[one] for one in categories)
    rate = None
    if all(judged[one] for one in categories):
        rates = [passed[one] / judged[one] for one in categories]
        rate = hits / n if weighted else sum(rates) / len(rates)
    return Row(name, rate, hits, n, PUBLISHED.get(name))


def leaderboard_lines(spec: str, rows: Sequence[Row]) -> list[str]:
    """The rows of a spec as a table of text, the model card's figures beside them."""
    from tabulate import tabulate

    cells = [
        (
            row.name,
            accuracy_text(row.rate),
            passed_text(row.passed, row.n),
            card_text(row.published),
        )
        for row in rows
    ]
    heads = ("", "accuracy", "passed", "model card")
    align = ("left", "right", "right", "right")
    table = tabulate(cells, heads, tablefmt="simple", colalign=align, disable_numparse=True)
    head = f"{spec}: accuracy as BFCL's leaderboard lists it"
    return [head, *(line.rstrip() for line in table.split("\n"))]


def accuracy_text(rate: float | None) -> str:
    """`33.33 %`, as exact as the leaderboard; a dash where there is none."""
    return _percent(rate, 2)


def card_text(rate: float | None) -> str:
    """`61.6 %`, as exact as the model card; a dash where it has none."""
    return _percent(rate, 1)


def passed_text(passed: int, n: int) -> str:
    """`1 of 3`; a dash where nothing was judged."""
    return f"{passed} of {n}" if n else _NONE


def _percent(rate: float | None, digits: int) -> str:
    return _NONE if rate is None else f"{100 * rate:.{digits}f} %"
