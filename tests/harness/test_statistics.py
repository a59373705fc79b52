"""Rates, intervals and error rates, against scipy, jiwer and plain search."""

from __future__ import annotations

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from harness.cases import Gate
from harness.statistics import (
    Z95,
    character_error_rate,
    holds,
    least_cases,
    needed,
    wilson,
)

COUNTS = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
RATES = st.one_of(
    st.floats(0, 1), st.sampled_from([0.0, 0.5, 0.8, 0.9, 0.95, 0.29, 1.0]), st.just(1 / 3)
)


@given(COUNTS)
@settings(max_examples=150, deadline=None)
def test_wilson_is_scipys(counts: tuple[int, int]) -> None:
    """Both ends are those of scipy's Wilson interval without continuity correction."""
    passed, n = counts
    theirs = binomtest(passed, n).proportion_ci(method="wilson")
    assert wilson(passed, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_wilson_at_the_edges() -> None:
    """Nothing judged says nothing; none and all give exact ends."""
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 5)[0] == 0.0
    assert wilson(5, 5)[1] == 1.0
    assert norm.ppf(0.975) == pytest.approx(Z95, abs=1e-15)


@given(RATES, st.sampled_from(["point", "lower"]), st.integers(0, 120))
@settings(max_examples=200, deadline=None)
def test_needed_is_the_fewest_passes(rate: float, bound: str, n: int) -> None:
    """`needed` is the first count that holds; None where none does."""
    gate = Gate(rate, "lower" if bound == "lower" else "point")
    fits = [k for k in range(n + 1) if holds(gate, k, n)]
    assert needed(gate, n) == (fits[0] if fits else None)
    assert fits == (list(range(fits[0], n + 1)) if fits else [])


def test_holds() -> None:
    """A share that is the demanded rate in decimal notation reaches it; nothing never does."""
    assert holds(Gate(0.8), 16, 20)
    assert not holds(Gate(0.8), 15, 20)
    assert all(holds(Gate(k / 100), k, 100) for k in range(101))
    assert not holds(Gate(0.0), 0, 0)
    assert not holds(Gate(0.8, "lower"), 16, 20)
    assert holds(Gate(0.8, "lower"), 20, 20)


@given(st.floats(0, 0.995))
@settings(max_examples=100, deadline=None)
def test_least_cases_is_the_smallest_number(rate: float) -> None:
    """So many passes of as many cases reach the rate at the lower end, one fewer do not."""
    n = least_cases(rate)
    assert n is not None
    gate = Gate(rate, "lower")
    assert holds(gate, n, n)
    assert n == 1 or not holds(gate, n - 1, n - 1)


def test_no_number_of_cases_shows_a_rate_of_one() -> None:
    """The lower end of an interval stays below 1."""
    assert least_cases(1.0) is None
    assert least_cases(0.8) == 16


@given(st.text(min_size=1, max_size=12).filter(str.strip), st.text(max_size=12))
@settings(max_examples=100, deadline=None)
def test_the_error_rate_is_jiwers(expected: str, got: str) -> None:
    """`character_error_rate` gives what `jiwer.cer` gives, and 0 without it for equal texts."""
    assert character_error_rate(expected, got) == pytest.approx(jiwer.cer(expected, got))


def test_the_error_rate_may_exceed_one() -> None:
    """Edits are counted by the expected characters, so a long reply has a rate above 1."""
    assert character_error_rate("ab", "") == 1.0
    assert character_error_rate("ab", "xyzxyz") == 3.0
