"""Verdicts + gate + baseline → a decision, and its words."""

from __future__ import annotations

from typing import Any

import pytest

from harness.cases import Gate
from harness.gating import Decision, decide
from harness.statistics import wilson


def records(
    passed: int = 0, failed: int = 0, errors: int = 0, skipped: int = 0
) -> list[dict[str, Any]]:
    """So many records of each outcome, named `s::pass0`, `s::fail0`."""
    counts = {"pass": passed, "fail": failed, "error": errors, "skip": skipped}
    return [
        {"case": f"s::{outcome}{n}", "outcome": outcome, "critical": False}
        for outcome, count in counts.items()
        for n in range(count)
    ]


def of(gate: Gate, some: list[dict[str, Any]], **more: Any) -> Decision:
    """The decision about the spec `s`."""
    return decide("s", gate, some, **more)


def test_a_rate_that_is_reached() -> None:
    """The gate is met at its very rate; skips count for nothing."""
    found = of(Gate(0.8), records(16, 4, skipped=3))
    assert (found.met, found.broken, found.reasons) == (True, False, ())
    assert (found.total, found.tally.judged, found.needed) == (23, 20, 16)
    assert found.interval == wilson(16, 20)


@pytest.mark.parametrize(
    ("gate", "some", "reason"),
    [
        (
            Gate(0.8),
            records(15, 5),
            "15 of 20 passed; the gate asks for a rate of 0.8: at least 16",
        ),
        (Gate(), records(2, 1), "2 of 3 passed; the gate asks for a rate of 1: at least 3"),
        (
            Gate(0.99999),
            records(9999, 1),
            "9999 of 10000 passed; the gate asks for a rate of 0.99999: at least 10000",
        ),
        (
            Gate(0.8, "lower"),
            records(18, 2),
            "18 of 20 passed; the gate asks for the interval's lower end to reach 0.8: at least 20",
        ),
        (
            Gate(0.8, "lower"),
            records(10),
            "10 of 10 passed; the gate asks for the interval's lower end to reach 0.8, which "
            "10 cases cannot show (it takes 16 that all pass)",
        ),
        (
            Gate(1, "lower"),
            records(1),
            "1 of 1 passed; the gate asks for the interval's lower end to reach 1, which 1 case "
            "cannot show (no number of cases can)",
        ),
    ],
)
def test_a_rate_that_is_not_reached(gate: Gate, some: list[dict[str, Any]], reason: str) -> None:
    """The reason says how many passed, what the gate asks for, and how many that takes."""
    found = of(gate, some)
    assert (found.met, found.broken, found.reasons) == (False, False, (reason,))


@pytest.mark.parametrize(
    ("some", "reasons"),
    [
        (records(), ("nothing was judged",)),
        (records(skipped=2), ("nothing was judged (2 skipped)",)),
        (records(errors=2), ("2 cases are errors, and no gate is met with one",)),
        (records(9, errors=1), ("1 case is an error, and no gate is met with one",)),
    ],
)
def test_what_cannot_be_decided(some: list[dict[str, Any]], reasons: tuple[str, ...]) -> None:
    """Nothing judged, or any error: neither met nor the model's fault, even at a rate of 0."""
    found = of(Gate(0.0), some)
    assert (found.met, found.broken, found.reasons) == (False, True, reasons)


def test_a_critical_miss_fails_whatever_the_rate() -> None:
    """A critical miss is a reason, by its id; a critical pass is none."""
    some = records(9, 1)
    some[0]["critical"] = some[9]["critical"] = True
    found = of(Gate(0.5), some)
    assert found.reasons == ("critical case missed: fail0",)
    assert not found.met


def test_critical_misses_share_a_line() -> None:
    """Several are one reason, which names the first dozen."""
    some = [{**record, "critical": True} for record in records(9, 14)]
    named = ", ".join(f"fail{n}" for n in range(12))
    assert of(Gate(0.0), some[:12]).reasons == ("critical cases missed: fail0, fail1, fail2",)
    assert of(Gate(0.0), some).reasons == (f"critical cases missed: {named} and 2 more",)


@pytest.mark.parametrize(
    ("allowed", "reasons"),
    [
        (0, ("2 cases passed in the baseline and miss now",)),
        (1, ("2 cases passed in the baseline and miss now (1 allowed)",)),
        (2, ()),
    ],
)
def test_regressions(allowed: int, reasons: tuple[str, ...]) -> None:
    """Cases that passed before and miss now are named; more than are allowed fail the gate."""
    baseline = {"s::fail0", "s::fail1", "s::pass0", "s::gone"}
    found = of(Gate(0.5), records(7, 3), baseline=baseline, allow_regressions=allowed)
    assert found.regressions == ("s::fail0", "s::fail1")
    assert found.reasons == reasons


def test_one_regression_is_singular() -> None:
    """The sentence agrees in number."""
    found = of(Gate(0.5), records(9, 1), baseline={"s::fail0"})
    assert found.reasons == ("1 case passed in the baseline and misses now",)


def test_min_pass_rate_takes_the_gates_place() -> None:
    """Stricter or laxer than the spec; at 1 every miss counts, and passing all is enough."""
    assert of(Gate(0.9), records(8, 2), min_pass_rate=0.8).met
    assert not of(Gate(0.5), records(8, 2), min_pass_rate=0.9).met
    assert of(Gate(0.5), records(8, 2), min_pass_rate=0.9).gate == Gate(0.9)
    assert of(Gate(0.5, "lower"), records(3), min_pass_rate=1.0).met
    assert not of(Gate(0.5, "lower"), records(99, 1), min_pass_rate=1.0).met
    assert not of(Gate(0.5, "lower"), records(3), min_pass_rate=0.9).met
    assert of(Gate(), records(0, 3), min_pass_rate=0.0).met
