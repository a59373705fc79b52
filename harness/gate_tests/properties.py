"""What `--junitxml` and other readers of pytest's reports learn of an item: (name, value) pairs.

Values are plain text without control characters: XML holds none of them, and a lone surrogate
passes through no pipe between pytest-xdist's processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.errors import printable

if TYPE_CHECKING:
    from harness.cases import Case, Spec
    from harness.summary import Row

Properties = list[tuple[str, object]]
"""As pytest declares an item's `user_properties`; the values here are all text."""


def case_properties(case: Case) -> Properties:
    """Of a case, whatever became of it: its spec and split, its clause, its file and line."""
    place = case.location
    return _given(
        spec=case.spec, split=case.split, clause=case.clause, file=place.path, line=place.line
    )


def verdict_properties(record: Mapping[str, Any]) -> Properties:
    """Of a judged case: its outcome, and its miss where it has one."""
    return _given(outcome=record["outcome"], miss=record["miss"])


def gate_properties(spec: Spec, split: str) -> Properties:
    """Of a gate, decided or not: its spec and split, and its file."""
    return _given(spec=spec.name, split=split, file=spec.path)


def decision_properties(row: Row) -> Properties:
    """Of a decided gate: how many passed, were judged and are needed; the rate, from 0 to 1.

    `needed` is absent where not even all would be enough, `rate` where nothing was judged.
    """
    rate = round(row.passed / row.judged, 4) if row.judged else None
    return _given(passed=row.passed, judged=row.judged, needed=row.needed, rate=rate)


def _given(**values: object) -> Properties:
    return [(name, printable(str(value))) for name, value in values.items() if value is not None]
