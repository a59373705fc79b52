"""Accuracy as the leaderboard lists it, beside the model card's figures."""

from __future__ import annotations

from typing import Any

import pytest

from harness.sources.bfcl_rows import CATEGORIES
from harness.sources.bfcl_scores import Row, leaderboard, leaderboard_lines


def records(**counts: tuple[int, int]) -> list[dict[str, Any]]:
    """Verdicts by category: so many passed, of so many."""
    return [
        {"tags": [category, "half"], "outcome": "pass" if number < passed else "fail"}
        for category, (passed, n) in counts.items()
        for number in range(n)
    ]


def by_name(rows: list[Row]) -> dict[str, Row]:
    """The rows by their names."""
    return {row.name: row for row in rows}


def test_the_means_are_the_leaderboards() -> None:
    """Non-live is the mean of its categories, live that of its cases, irrelevance of its two."""
    rows = by_name(
        leaderboard(
            records(
                simple_python=(3, 4), multiple=(1, 2), parallel=(0, 10), parallel_multiple=(1, 1),
                live_simple=(2, 2), live_multiple=(0, 6), live_parallel=(1, 1),
                live_parallel_multiple=(0, 1), live_relevance=(1, 3),
                irrelevance=(1, 1), live_irrelevance=(0, 9),
            )
        )
    )  # fmt: skip
    assert rows["Non-Live AST Acc"].rate == pytest.approx((0.75 + 0.5 + 0 + 1) / 4)
    assert rows["Live Acc"].rate == pytest.approx(3 / 10)
    assert rows["Relevance Detection"].rate == pytest.approx(1 / 3)
    assert rows["Irrelevance Detection"].rate == pytest.approx(0.5)
    assert (rows["Non-Live AST Acc"].passed, rows["Non-Live AST Acc"].n) == (5, 17)
    assert rows["Live Simple AST"] == Row("Live Simple AST", 1.0, 2, 2, 0.362)


def test_the_order_is_the_leaderboards() -> None:
    """Non-live with its parts, live with its parts, relevance, irrelevance with its parts."""
    rows = leaderboard(records(**dict.fromkeys(CATEGORIES, (1, 2))))
    assert [row.name for row in rows] == [
        "Non-Live AST Acc",
        "Non-Live Simple AST (Python)",
        "Non-Live Multiple AST",
        "Non-Live Parallel AST",
        "Non-Live Parallel Multiple AST",
        "Live Acc",
        "Live Simple AST",
        "Live Multiple AST",
        "Live Parallel AST",
        "Live Parallel Multiple AST",
        "Relevance Detection",
        "Irrelevance Detection",
        "Non-Live Irrelevance Detection",
        "Live Irrelevance Detection",
    ]
    assert {row.rate for row in rows} == {0.5}


def test_a_category_without_verdicts_has_no_rate() -> None:
    """Nor has a mean with it; other specs' verdicts, errors and skips count nowhere."""
    others: list[dict[str, Any]] = [
        {"tags": ["refunds"], "outcome": "pass"},
        {"outcome": "pass"},
        {"tags": ["multiple"], "outcome": "error"},
        {"tags": ["multiple"], "outcome": "skip"},
    ]
    assert leaderboard(others) == []
    rows = by_name(leaderboard([*others, *records(simple_python=(1, 4))]))
    assert rows["Non-Live AST Acc"] == Row("Non-Live AST Acc", None, 1, 4, None)
    assert rows["Non-Live Simple AST (Python)"].rate == pytest.approx(0.25)
    assert rows["Non-Live Multiple AST"].rate is None
    assert rows["Non-Live Multiple AST"].n == 0


def test_the_table() -> None:
    """A line a row: accuracy, the cases that passed, the model card's figure; 80 columns."""
    lines = leaderboard_lines("b", leaderboard(records(simple_python=(1, 3))))
    assert lines[:6] == [
        "b: accuracy as BFCL's leaderboard lists it",
        "                                  accuracy    passed    model card",
        "------------------------------  ----------  --------  ------------",
        "Non-Live AST Acc                         –    1 of 3             –",
        "Non-Live Simple AST (Python)       33.33 %    1 of 3        61.6 %",
        "Non-Live Multiple AST                    –         –        63.5 %",
    ]
    assert max(map(len, lines)) <= 80
