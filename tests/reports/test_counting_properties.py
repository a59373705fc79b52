"""What holds of every Summary: counts add up, splits stay apart, sizes are bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from reports.counting import summarise
from reports.records import whole
from reports.runs import Log, Opened
from reports.summary import Group, Summary

TOOLS = st.lists(st.sampled_from(["a", "b"]), max_size=2)
VERDICTS = st.fixed_dictionaries(
    {
        "outcome": st.sampled_from(["pass", "fail", "error", "skip"]),
        "spec": st.sampled_from(["s", "t"]),
        "split": st.sampled_from(["test", "test", "dev"]),
        "clause": st.sampled_from(["one", "two", None]),
        "tags": st.lists(st.sampled_from(["x", "y"]), max_size=2),
        "miss": st.sampled_from(["no_call", "truncated", None]),
        "expected": TOOLS.map(lambda names: [{"name": name} for name in names]),
        "calls": TOOLS.map(lambda names: [{"name": name, "arguments": {}} for name in names]),
    }
)
RUNS = st.lists(VERDICTS, min_size=1, max_size=25)


def made(records: Sequence[dict[str, Any]], order: Sequence[int] | None = None) -> Log:
    """A log of verdicts, in an order of their own."""
    named = [{"case": f"{r['spec']}::{place}", **r} for place, r in enumerate(records)]
    kept = [named[place] for place in order or range(len(named))]
    return Log("x.jsonl", {"schema": 1}, whole(kept), {"kind": "end"}, len(kept))


def test_splits_are_never_mixed() -> None:
    """Test where there is one; the others apart, without a gate; what is not there is refused."""
    one = {"spec": "s", "outcome": "pass"}
    log = made([{**one, "split": "dev"}, {**one, "split": "test", "outcome": "fail"}])
    found = summarise(Opened(log))
    assert (found.split, found.overall.after.rate.passed, found.overall.after.cases) == (
        "test",
        0,
        1,
    )
    assert found.specs[0].other_splits["dev"].after.rate.passed == 1
    assert summarise(Opened(log), split="dev").overall.after.rate.passed == 1
    assert summarise(Opened(log), split="all").overall.after.cases == 2
    assert summarise(Opened(made([{**one, "split": "dev"}]))).split == "dev"
    with pytest.raises(UsageError, match=r"no case of split 'train'; it holds dev, test$"):
        summarise(Opened(log), split="train")


def test_a_confusion_of_many_tools_stays_small() -> None:
    """Of 1,000 tools the commonest have their own row and column; every case is still counted."""
    records = [
        {"spec": "s", "outcome": "fail", "expected": [{"name": f"t{n}"}], "calls": []}
        for n in [*range(1000), *range(30)]
    ]
    confusion = summarise(Opened(made(records))).overall.after.confusion
    assert len(confusion.rows) < len(confusion.columns) == 40
    assert confusion.columns[-2:] == ("(other tools)", "(no call)")
    assert {f"t{n}" for n in range(30)} < set(confusion.rows)
    assert sum(map(sum, confusion.counts)) == 1030


def test_endless_names_make_no_endless_sentence() -> None:
    """Names of a log from elsewhere are cut in the sentence on top and in the notices."""
    summary = summarise(Opened(made([{"spec": "s" * 10**6, "outcome": "pass"}])))
    assert max(map(len, [summary.verdict, *summary.notices, summary.title])) < 1000


def groups(summary: Summary) -> list[Group]:
    """Every group of a summary."""
    found = [summary.overall]
    for spec in summary.specs:
        found += [spec.whole, *spec.clauses, *spec.tags, *spec.tools, *spec.other_splits.values()]
    return found


@given(RUNS, RUNS)
@settings(max_examples=60, deadline=None)
def test_counts_add_up(then: list[dict[str, Any]], now: list[dict[str, Any]]) -> None:
    """In every group: outcomes to cases, misses to failed, confusion to judged, fates to gains."""
    summary = summarise(Opened(made(now), made(then)), split=None)
    for group in groups(summary):
        for side in (group.after, group.before):
            assert side is not None
            assert side.rate.n + side.errors + side.skipped == side.cases
            assert sum(side.misses.values()) == side.rate.n - side.rate.passed
            assert sum(map(sum, side.confusion.counts)) == side.rate.n
            assert 0 <= side.rate.low <= side.rate.high <= 1
        found = group.comparison
        assert found is not None
        gained = len(found.fixed) - len(found.broken)
        assert gained == found.passed_after - found.passed_before
    here = [record for record in made(now).records if record["split"] == summary.split]
    assert summary.overall.after.cases == len(here)
    assert sum(spec.whole.after.cases for spec in summary.specs) == len(here)
    changes = Counter(row.change for row in summary.cases if row.after is not None)
    assert changes["fixed"] == len(summary.overall.comparison.fixed)  # type: ignore[union-attr]


@given(RUNS, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_a_log_changes_no_number(records: list[dict[str, Any]], random: Any) -> None:
    """Xdist's workers report in any order: only the rows are in another order."""
    order = list(range(len(records)))
    random.shuffle(order)
    one, two = (summarise(Opened(made(records, places))) for places in (None, order))
    assert (one.verdict, one.notices) == (two.verdict, two.notices)

    assert groups(one) == groups(two)
    assert {row.case: row for row in one.cases} == {row.case: row for row in two.cases}
