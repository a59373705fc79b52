"""One run's numbers for a group of cases: harness.metrics counts, this gives them their form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from harness.cases import Miss
from harness.metrics import Metrics
from harness.run_log import Record
from harness.statistics import wilson
from reports.summary import Confusion, Rate, Side

_KINDS: Final = {miss.value: place for place, miss in enumerate(Miss)}
MOST: Final = 40
"""Names that a confusion shows at most."""
OTHERS: Final = "(other tools)"
_LAST: Final = {OTHERS: 1, "(no call)": 2, "(malformed)": 3, "(not said)": 4}


def side(records: Sequence[Record]) -> Side:
    """The numbers of the records, without a gate's; errors and skips are counted apart."""
    metrics = Metrics()
    for record in records:
        metrics.add(record)
    counts = metrics.outcomes
    cer = metrics.tc_cer()
    return Side(
        cases=len(records),
        errors=counts["error"],
        skipped=counts["skip"],
        rate=rate(counts["pass"], counts["pass"] + counts["fail"]),
        misses=_misses(metrics.misses),
        tool_accuracy=rate(*metrics.rates["tool"]),
        schema_valid=rate(*metrics.rates["schema"]),
        tc_cer=cer["value"],
        tc_cer_n=cer["n"],
        confusion=_confusion(metrics.confusion),
    )


def rate(passed: int, n: int) -> Rate:
    """`passed` of `n` with its 95 % Wilson interval."""
    low, high = wilson(passed, n)
    return Rate(passed, n, passed / n if n else None, low, high)


def _misses(misses: Mapping[str, int]) -> dict[str, int]:
    """The commonest first, those as common in the order in which they are judged."""
    order = sorted(misses, key=lambda kind: (-misses[kind], _KINDS.get(kind, len(_KINDS)), kind))
    return {kind: misses[kind] for kind in order}


def _confusion(found: Mapping[str, Counter[str]]) -> Confusion:
    """Tools by name, what is no tool behind them; expected tools lead the columns."""
    cells = _folded(found)
    names = {row for row, _ in cells}
    rows = sorted(names, key=_place)
    got = names | {column for _, column in cells}
    columns = sorted(got, key=lambda name: (_LAST.get(name, 0), name not in names, name))
    counts = tuple(tuple(cells[row, column] for column in columns) for row in rows)
    return Confusion(tuple(rows), tuple(columns), counts)


def _folded(found: Mapping[str, Counter[str]]) -> Counter[tuple[str, str]]:
    """The cells; of too many names the rarest as one, for a table grows with their square."""
    cells = Counter(
        {(row, column): n for row, counts in found.items() for column, n in counts.items()}
    )
    seen: Counter[str] = Counter()
    for (row, column), n in cells.items():
        seen[row] += n
        seen[column] += n
    if len(seen) <= MOST:
        return cells
    kept = set(sorted(seen, key=lambda name: (name not in _LAST, -seen[name], name))[: MOST - 1])
    folded: Counter[tuple[str, str]] = Counter()
    for (row, column), n in cells.items():
        folded[row if row in kept else OTHERS, column if column in kept else OTHERS] += n
    return folded


def _place(name: str) -> tuple[int, str]:
    return _LAST.get(name, 0), name
