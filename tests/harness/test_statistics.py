"""Rates, intervals and error rates, against scipy, statsmodels, jiwer and plain search."""

from __future__ import annotations

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, norm
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from harness.cases import Gate
from harness.statistics import (
    Z80,
    Z95,
    cases_for,
    character_error_rate,
    difference_interval,
    holds,
    least_cases,
    mcnemar,
    needed,
    wilson,
)

PAIRS = st.tuples(*[st.integers(0, 60)] * 4).filter(any)
"""Passed both times, only before, only after, neither time."""
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


def test_wilson_is_that_of_statsmodels() -> None:
    """A second source gives the same ends, for every count of 20."""
    for passed in range(21):
        theirs = proportion_confint(passed, 20, method="wilson")
        assert wilson(passed, 20) == pytest.approx(theirs, abs=1e-12)


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


@given(st.integers(0, 80), st.integers(0, 80))
@settings(max_examples=150, deadline=None)
def test_mcnemar_is_that_of_statsmodels_and_the_binomial_test(lost: int, won: int) -> None:
    """The exact two-sided p is statsmodels', and scipy's binomial test on the changed pairs."""
    theirs = their_mcnemar([[5, won], [lost, 7]], exact=True).pvalue
    assert mcnemar(lost, won) == pytest.approx(theirs, rel=1e-9)
    if lost + won:
        again = binomtest(lost, lost + won, 0.5).pvalue
        assert mcnemar(lost, won) == pytest.approx(again, rel=1e-9)


def test_mcnemar_on_what_is_known() -> None:
    """The guide's 14 fixed and none broken; nothing changed; 40,000 changed cases."""
    assert mcnemar(0, 14) == pytest.approx(0.0001220703125, rel=1e-12)
    assert mcnemar(0, 0) == mcnemar(3, 3) == 1.0
    theirs = binomtest(19_800, 40_000).pvalue
    assert mcnemar(19_800, 20_200) == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize(
    ("pairs", "interval"),
    [
        ((14, 0, 5, 22), (0.011, 0.226)),  # D. G. Altman et al., Statistics with Confidence, p. 52
        ((1, 7, 1, 12), (-0.507, -0.026)),  # M. W. Fagerland et al., Contingency Tables, chapter 8
    ],
)
def test_the_interval_of_published_examples(
    pairs: tuple[int, int, int, int], interval: tuple[float, float]
) -> None:
    """Newcombe's method 10 gives what two textbooks work out by it."""
    assert difference_interval(*pairs) == pytest.approx(interval, abs=0.0006)


@given(PAIRS)
@settings(max_examples=200, deadline=None)
def test_the_interval_without_correlation_is_that_of_statsmodels(
    pairs: tuple[int, int, int, int],
) -> None:
    """Where the corrected correlation is 0, it is Newcombe's interval of independent samples."""
    both, lost, won, neither = pairs
    n = sum(pairs)
    if not 0 <= both * neither - lost * won <= n / 2:
        return
    theirs = confint_proportions_2indep(both + won, n, both + lost, n, method="newcomb")
    assert difference_interval(*pairs) == pytest.approx(theirs, abs=1e-9)


@given(PAIRS)
@settings(max_examples=200, deadline=None)
def test_the_interval_holds_the_difference_and_turns_around(
    pairs: tuple[int, int, int, int],
) -> None:
    """The difference lies inside, both ends from -1 to 1; before and after exchanged mirror it."""
    both, lost, won, neither = pairs
    low, high = difference_interval(*pairs)
    assert -1 <= low <= (won - lost) / sum(pairs) <= high <= 1
    assert difference_interval(both, won, lost, neither) == pytest.approx((-high, -low), abs=1e-12)


def test_the_interval_of_nothing() -> None:
    """No pairs say nothing; pairs that never changed still leave room on both sides of 0."""
    assert difference_interval(0, 0, 0, 0) == (-1.0, 1.0)
    low, high = difference_interval(10, 0, 0, 0)
    assert low < 0 < high


@pytest.mark.parametrize(("shares", "cases"), [((45, 5), 23), ((30, 15), 155)])
def test_the_cases_of_published_examples(shares: tuple[int, int], cases: int) -> None:
    """Connor's formula for 80 % at the 5 % level, as two public calculators work it out."""
    assert cases_for(100, *shares) == cases == cases_for(100, *reversed(shares))
    assert norm.ppf(0.8) == pytest.approx(Z80, abs=1e-15)


def test_the_cases_are_enough() -> None:
    """With so many, McNemar's test finds such a difference in about 80 % of runs, counted out."""
    for n, lost, won in [(20, 2, 6), (100, 10, 25), (40, 3, 12)]:
        cases = cases_for(n, lost, won)
        assert cases is not None
        assert _power(cases, lost / n, won / n) == pytest.approx(0.8, abs=0.06)


def _power(cases: int, lost: float, won: float) -> float:
    """The chance that the exact test shows a difference, over all that may come."""
    found = 0.0
    for changed in range(cases + 1):
        shown = [
            k for k in range(changed + 1) if binom.cdf(min(k, changed - k), changed, 0.5) < 0.025
        ]
        within = binom.pmf(shown, changed, won / (lost + won)).sum() if shown else 0.0
        found += binom.pmf(changed, cases, lost + won) * within
    return found


def test_few_changes_take_as_many_cases_as_the_exact_test_needs() -> None:
    """One case of one that was won: six such changes are the fewest that are no chance."""
    assert cases_for(1, 0, 1) == 6
    assert mcnemar(0, 5) > 0.05 > mcnemar(0, 6)
    assert cases_for(20, 3, 3) is None
