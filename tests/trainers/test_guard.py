"""The guard: when specs are worse than before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cases import Spec
from harness.options import Settings
from trainers.guard import harmed, sign_test

Desk = Callable[..., Spec]


def _records(outcomes: str) -> list[dict[str, Any]]:
    words = {"p": "pass", "f": "fail"}
    return [
        {"case": f"desk::c{n}", "spec": "desk", "split": "test", "outcome": words[letter]}
        for n, letter in enumerate(outcomes)
    ]


def _spec(desk: Desk, count: int) -> Spec:
    return desk(*(f"{{id: c{n}, prompt: p{n}, expect: no_call}}" for n in range(count)))


def test_a_gate_that_held_must_hold(desk: Desk) -> None:
    """A gate that was met and is no more is harm, however few cases changed."""
    spec = _spec(desk, 5)
    found = harmed([spec], _records("ppppf"), _records("pppff"), Settings())
    assert found == [
        "guard desk: its gate held before, and no more: 3 of 5 passed; the gate asks for a rate "
        "of 0.8: at least 4"
    ]


def test_a_gate_that_did_not_hold_may_stay_so(desk: Desk) -> None:
    """A gate that was not met before is not demanded after, and one lost case proves nothing."""
    spec = _spec(desk, 5)
    assert harmed([spec], _records("pppff"), _records("ppfff"), Settings()) == []


def test_more_losses_than_chance_explains(desk: Desk) -> None:
    """Five cases lost and none won is harm even where the gate never held."""
    spec = _spec(desk, 10)
    found = harmed([spec], _records("pppppfffff"), _records("ffffffffff"), Settings())
    assert found == [
        "guard desk: 5 cases passed before and miss now, 0 the other way round (paired test, "
        "p = 0.031)"
    ]


def test_improvement_is_no_harm(desk: Desk) -> None:
    """More wins than losses is never harm."""
    spec = _spec(desk, 6)
    assert harmed([spec], _records("ffffff"), _records("pppppp"), Settings()) == []


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60))
def test_the_sign_test_is_scipys(lost: int, won: int) -> None:
    """The one-sided exact binomial test, as SciPy computes it."""
    stats = pytest.importorskip("scipy.stats")
    if lost + won == 0:
        assert sign_test(0, 0) == 1.0
        return
    expected = stats.binomtest(lost, lost + won, 0.5, alternative="greater").pvalue
    assert sign_test(lost, won) == pytest.approx(expected, rel=1e-9)
