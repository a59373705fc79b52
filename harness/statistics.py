"""Rates, intervals and error rates: the numbers beside the verdicts."""

from __future__ import annotations

from math import ceil, sqrt
from typing import Final

from harness.cases import Gate

Z95: Final = 1.959963984540054
"""The 97.5 % quantile of the normal distribution: half of a 95 % interval."""


def wilson(passed: int, n: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a rate, both ends from 0 to 1; (0, 1) for n = 0.

    E. B. Wilson, Probable inference, the law of succession, and statistical inference, 1927.
    """
    if n == 0:
        return 0.0, 1.0
    rate, z2 = passed / n, Z95 * Z95
    middle = rate + z2 / (2 * n)
    spread = Z95 * sqrt(rate * (1 - rate) / n + z2 / (4 * n * n))
    scale = 1 + z2 / n
    low = 0.0 if passed == 0 else (middle - spread) / scale
    high = 1.0 if passed == n else (middle + spread) / scale
    return low, high


def holds(gate: Gate, passed: int, n: int) -> bool:
    """Whether `passed` of `n` judged cases meet the gate; never on nothing."""
    if n == 0:
        return False
    value = passed / n if gate.bound == "point" else wilson(passed, n)[0]
    return value >= gate.pass_rate


def needed(gate: Gate, n: int) -> int | None:
    """The fewest passes of `n` cases that meet the gate; None where not even `n` would."""
    return next((k for k in range(_least(gate, n), n + 1) if holds(gate, k, n)), None)


def _least(gate: Gate, n: int) -> int:
    """Where the search for `needed` may start: an interval's low end is never above its rate."""
    return max(0, ceil(gate.pass_rate * n) - 1)


def least_cases(rate: float) -> int | None:
    """The fewest cases, all passed, whose interval's low end reaches `rate`; None for rate 1."""
    if rate >= 1:
        return None
    n = max(1, ceil(rate * Z95 * Z95 / (1 - rate)) - 1)
    while wilson(n, n)[0] < rate:
        n += 1
    return n


def character_error_rate(expected: str, got: str) -> float:
    """Jiwer's character error rate of `got` against `expected`: edits by expected characters."""
    if expected == got:
        return 0.0
    import jiwer

    return float(jiwer.cer(expected, got))
