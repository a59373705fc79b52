"""Specs that a training must not harm: judged before and after, and compared case by case."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import comb
from typing import Any, Final

from harness.cases import Spec
from harness.options import Settings
from trainers.judge import stand

Record = Mapping[str, Any]
LEVEL: Final = 0.05


def sign_test(lost: int, won: int) -> float:
    """The chance of at least `lost` losses among all changed cases if both were as likely.

    The exact one-sided form of McNemar's test (Q. McNemar, 1947): cases that passed both times, or
    missed both times, say nothing.
    """
    changed = lost + won
    ways = sum(comb(changed, k) for k in range(lost, changed + 1))
    return float(ways / 2**changed)


def harmed(
    specs: Sequence[Spec],
    before: Sequence[Record],
    after: Sequence[Record],
    settings: Settings,
    baseline: Collection[str] = (),
) -> list[str]:
    """Why the guarded specs are worse than before; empty where they are not.

    Worse: a gate that held on test holds no more, or more cases were lost than chance explains.
    """
    was = stand(specs, before, "test", settings, baseline)
    held = {decision.spec for decision in was.decisions if decision.met}
    reasons = [
        f"guard {decision.spec}: its gate held before, and no more: {'; '.join(decision.reasons)}"
        for decision in stand(specs, after, "test", settings, baseline).decisions
        if decision.spec in held and not decision.met
    ]
    for spec in specs:
        lost, won = changes(before, after, spec.name)
        p = sign_test(lost, won)
        if lost > won and p < LEVEL:
            reasons.append(
                f"guard {spec.name}: {lost} cases passed before and miss now, {won} the other way "
                f"round (paired test, p = {p:.3f})"
            )
    return reasons


def changes(before: Sequence[Record], after: Sequence[Record], spec: str) -> tuple[int, int]:
    """How many cases of a spec passed before and miss now, and how many the other way round."""
    was = {r["case"]: r["outcome"] for r in before if r["spec"] == spec}
    pairs = [(was.get(r["case"]), r["outcome"]) for r in after if r["spec"] == spec]
    return pairs.count(("pass", "fail")), pairs.count(("fail", "pass"))
