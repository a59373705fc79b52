"""Two runs of the same cases: who changed sides, and in which words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.run_log import Record
from harness.statistics import difference_interval, mcnemar
from reports.pairing import change_of, compare, p_text
from reports.records import whole

OUTCOMES = st.sampled_from(["pass", "fail", "fail", "error", "skip", None])
RUNS = st.lists(st.tuples(OUTCOMES, OUTCOMES, st.sampled_from(["no_call", "wrong_tool"])))
"""For each case its outcome before and after (None: not there), and its miss before."""


def made(case: str, outcome: str, **more: Any) -> Record:
    """A record of a case."""
    return whole([{"case": f"s::{case}", "outcome": outcome, **more}])[0]


def pairs(**counts: int) -> tuple[dict[str, Record], list[Record]]:
    """So many cases of each fate, before and after."""
    fates = {"fixed": "fail pass", "broken": "pass fail", "kept": "pass pass", "lost": "fail fail"}
    before, after = {}, []
    for fate, count in counts.items():
        then, now = fates[fate].split()
        for number in range(count):
            record = made(f"{fate}-{number}", then)
            before[record["case"]] = record
            after.append(made(f"{fate}-{number}", now))
    return before, after


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (made("c", "fail"), made("c", "pass"), "fixed"),
        (made("c", "pass"), made("c", "fail"), "broken"),
        (made("c", "pass"), made("c", "pass"), "passed"),
        (made("c", "fail", miss="no_call"), made("c", "fail", miss="no_call"), "missing"),
        (made("c", "fail", miss="no_call"), made("c", "fail", miss="wrong_tool"), "changed"),
        (made("c", "pass"), made("c", "error"), "unpaired"),
        (made("c", "skip"), made("c", "pass"), "unpaired"),
        (None, made("c", "pass"), "unpaired"),
        (made("c", "fail"), None, "unpaired"),
        (made("c", "fail", request="a"), made("c", "pass", request="b"), "unpaired"),
        (made("c", "fail", request="a"), made("c", "pass"), "fixed"),
        (made("c", "fail", split="dev"), made("c", "pass", split="test"), "unpaired"),
    ],
)
def test_what_became_of_a_case(before: Record | None, after: Record | None, change: str) -> None:
    """Every fate; another request, another split and what was not judged twice pair nothing."""
    assert change_of(before, after) == change


@given(RUNS)
@settings(max_examples=150, deadline=None)
def test_fixed_less_broken_is_what_was_gained(runs: list[Any]) -> None:
    """Over the pairs, counted plainly: passes, fates, the difference, its interval and p."""
    before = {
        f"s::{place}": made(f"{place}", then, miss=miss)
        for place, (then, _, miss) in enumerate(runs)
        if then
    }
    after = [made(f"{place}", now, miss="no_call") for place, (_, now, _) in enumerate(runs) if now]
    both = [(then, now) for then, now, _ in runs if {then, now} <= {"pass", "fail"}]
    found = compare(before, after)
    fixed, broken = both.count(("fail", "pass")), both.count(("pass", "fail"))
    assert found.n == len(both)
    assert (len(found.fixed), len(found.broken)) == (fixed, broken)
    assert found.passed_before == sum(then == "pass" for then, _ in both)
    assert found.passed_after - found.passed_before == fixed - broken
    assert found.p == mcnemar(broken, fixed)
    kept, lost = both.count(("pass", "pass")), both.count(("fail", "fail"))
    assert (found.low, found.high) == difference_interval(kept, broken, fixed, lost)
    assert found.low <= found.difference <= found.high
    assert (found.trend in ("better", "worse")) == (found.p < 0.05)
    assert (found.enough is None) or found.enough > found.n


def test_the_words_of_a_better_run() -> None:
    """The guide's tuning: 14 fixed, none broken."""
    found = compare(*pairs(fixed=14, kept=2, lost=4))
    assert found.trend == "better"
    assert found.words == (
        "better: 2 → 16 of 20 (14 fixed, 0 broken, exact McNemar p = 0.00012); the difference is "
        "+40 to +84 percentage points (95 % interval)"
    )


def test_the_words_of_a_worse_run() -> None:
    """The same the other way round."""
    found = compare(*pairs(broken=7, kept=2, lost=4))
    assert found.trend == "worse"
    assert found.words == (
        "worse: 9 → 2 of 13 (0 fixed, 7 broken, exact McNemar p = 0.016); the difference is "
        "-75 to -17 percentage points (95 % interval)"
    )


def test_the_words_where_chance_would_do() -> None:
    """How many cases would tell; none are named where as many were fixed as broken."""
    found = compare(*pairs(fixed=4, broken=1, kept=10, lost=5))
    assert found.words == (
        "not distinguishable with 20 cases; about 85 would show a difference of this size: "
        "11 → 14 of 20 (4 fixed, 1 broken, exact McNemar p = 0.38)"
    )
    even = compare(*pairs(fixed=1, broken=1))
    assert even.words == (
        "not distinguishable with 2 cases: 1 → 1 of 2 (1 fixed, 1 broken, exact McNemar p = 1)"
    )


def test_the_words_where_nothing_changed_or_nothing_is_compared() -> None:
    """No case changed sides; no case was judged both times."""
    same = compare(*pairs(kept=3, lost=1))
    assert (same.trend, same.words) == ("the same", "the same: 3 of 4 both times")
    none = compare({}, [made("c", "pass")])
    assert (none.trend, none.n) == ("not distinguishable", 0)
    assert (none.low, none.high, none.p) == (-1.0, 1.0, 1.0)
    assert none.words == "no case was judged both times"


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.5, "= 0.5"), (1.0, "= 1"), (0.04987, "= 0.0499"), (0.0502, "= 0.05"), (1e-9, "< 0.0001")],
)
def test_p_never_hides_on_which_side_of_the_level_it_is(p: float, text: str) -> None:
    """Two digits, or as many more as it takes."""
    assert p_text(p) == f"exact McNemar p {text}"
