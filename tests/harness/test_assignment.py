"""The optimal assignment, against every possible one."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.assignment import cheapest

COSTS = st.integers(1, 5).flatmap(
    lambda n: st.lists(
        st.lists(st.integers(0, 9).map(float), min_size=n, max_size=n), min_size=n, max_size=n
    )
)


@given(COSTS)
@settings(max_examples=150, deadline=None)
def test_no_permutation_is_cheaper(costs: list[list[float]]) -> None:
    """Each column is used once, and the total is the least of all permutations."""
    n = len(costs)
    found = cheapest(costs)
    assert sorted(found) == list(range(n))
    totals = [sum(costs[row][order[row]] for row in range(n)) for order in permutations(range(n))]
    assert sum(costs[row][found[row]] for row in range(n)) == min(totals)


def test_greed_would_fail() -> None:
    """The first row gives up its cheapest column where another needs it more."""
    assert cheapest([[0, 1], [0, 9]]) == [1, 0]


def test_the_smallest_matrices() -> None:
    """Nothing to assign is nothing; a single row gets the single column."""
    assert cheapest([]) == []
    assert cheapest([[7]]) == [0]


def test_a_large_matrix() -> None:
    """Of a hundred rows, each finds its one free column."""
    n = 100
    costs = [
        [0.0 if column == (7 * row + 3) % n else 1.0 for column in range(n)] for row in range(n)
    ]
    assert cheapest(costs) == [(7 * row + 3) % n for row in range(n)]
