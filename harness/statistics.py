"""Rates, intervals and error rates: the numbers beside the verdicts."""

from __future__ import annotations

from math import ceil, sqrt
from typing import Final

from harness.cases import Gate

Z95: Final = 1.959963984540054
"""The 97.5 % quantile of the normal distribution: half of a 95 % interval."""
Z80: Final = 0.8416212335729143
"""The 80 % quantile: a test's power of 80 %."""
_MANY: Final = 200
"""Changed cases from which on McNemar's exact and approximate tests agree."""


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


def mcnemar(lost: int, won: int) -> float:
    """The exact two-sided p of McNemar's test: the cases that changed sides against a fair coin.

    1 where none did. Q. McNemar, Note on the sampling error of the difference between correlated
    proportions or percentages, 1947; exact as the binomial test on the discordant pairs.
    """
    changed, few = lost + won, min(lost, won)
    if lost == won:
        return 1.0
    ways = term = 1
    for k in range(few):
        term = term * (changed - k) // (k + 1)
        ways += term
    return min(1.0, float(ways / 2 ** (changed - 1)))


def difference_interval(both: int, lost: int, won: int, neither: int) -> tuple[float, float]:
    """The 95 % interval of a paired difference of rates, after less before, within -1 to 1.

    The arguments count pairs: passed both times, only before, only after, neither time. (-1, 1)
    for no pairs. R. G. Newcombe, Improved confidence intervals for the difference between binomial
    proportions based on paired data, 1998: method 10, Wilson's intervals squared and added, with
    a correction of the correlation for continuity.
    """
    n = both + lost + won + neither
    if n == 0:
        return -1.0, 1.0
    before, after = both + lost, both + won
    (low1, high1), (low2, high2) = wilson(after, n), wilson(before, n)
    rate1, rate2, phi = after / n, before / n, _correlation(both, lost, won, neither)
    below = _spread(rate1 - low1, high2 - rate2, phi)
    above = _spread(high1 - rate1, rate2 - low2, phi)
    return max(-1.0, rate1 - rate2 - below), min(1.0, rate1 - rate2 + above)


def _spread(one: float, other: float, phi: float) -> float:
    return sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))


def _correlation(both: int, lost: int, won: int, neither: int) -> float:
    """Newcombe's corrected phi coefficient; 0 where a margin is empty."""
    n = both + lost + won + neither
    margins = (both + lost) * (won + neither) * (both + won) * (lost + neither)
    product = both * neither - lost * won
    corrected = product if product < 0 else max(product - n / 2, 0.0)
    return corrected / sqrt(margins) if margins else 0.0


def cases_for(n: int, lost: int, won: int) -> int | None:
    """About how many cases would show a difference of this size: in 80 % of runs, at the 5 % level.

    The shares of `n` cases lost and won are taken for the true ones; None where they are equal. R.
    J. Connor, Sample size for testing differences in proportions for the paired-sample design,
    1987: (z1 √ψ + z2 √(ψ - δ²))² / δ², ψ the share that changes sides and δ the difference. It
    serves McNemar's approximate test; where few cases change, no fewer than so many that the
    exact one, too, shows what is expected of them.
    """
    if lost == won:
        return None
    changes, difference = (lost + won) / n, (won - lost) / n
    root = Z95 * sqrt(changes) + Z80 * sqrt(max(0.0, changes - difference * difference))
    cases = ceil(root * root / (difference * difference))
    while cases * changes < _MANY and not _shown(cases, lost / n, won / n):
        cases += 1
    return cases


def _shown(cases: int, lost: float, won: float) -> bool:
    """Whether the exact test shows the changes that so many cases have at these shares."""
    return mcnemar(round(cases * lost), round(cases * won)) < 0.05
