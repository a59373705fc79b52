"""Verdicts + gate + baseline → a decision in words. Nobody else decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.cases import Gate, Outcome, Tally
from harness.statistics import holds, least_cases, needed, wilson
from harness.wording import errors_text, named

Record = Mapping[str, Any]
"""A verdict as the run log holds it."""


@dataclass(frozen=True)
class Decision:
    """What a gate found: whether it is met, and every reason why it is not.

    `total` counts the spec's cases in the chosen split, `interval` is the rate's 95 % Wilson
    interval, `needed` the fewest passes that meet the gate (None: not even all would).
    """

    spec: str
    gate: Gate
    tally: Tally
    total: int
    interval: tuple[float, float]
    needed: int | None
    regressions: tuple[str, ...]
    reasons: tuple[str, ...]

    @property
    def met(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.reasons

    @property
    def broken(self) -> bool:
        """Whether it could not be decided: an error, or nothing judged."""
        return self.tally.errors > 0 or self.tally.judged == 0


def tally_of(records: Sequence[Record]) -> Tally:
    """Count the outcomes."""
    counts = Counter(record["outcome"] for record in records)
    return Tally(
        counts[Outcome.PASS], counts[Outcome.FAIL], counts[Outcome.ERROR], counts[Outcome.SKIP]
    )


def decide(
    spec: str,
    gate: Gate,
    records: Sequence[Record],
    *,
    min_pass_rate: float | None = None,
    baseline: Collection[str] = (),
    allow_regressions: int = 0,
) -> Decision:
    """Decide one spec's gate over the records of all its cases in the chosen split.

    `min_pass_rate` takes the place of the gate's own rate; at 1 every miss counts, and no
    interval is asked. `baseline` holds the cases (`SPEC::ID`) that passed before.
    """
    if min_pass_rate is not None:
        bound = "point" if min_pass_rate == 1 else gate.bound
        gate = replace(gate, pass_rate=min_pass_rate, bound=bound)
    tally = tally_of(records)
    failed = [record for record in records if record["outcome"] == Outcome.FAIL]
    regressions = tuple(record["case"] for record in failed if record["case"] in baseline)
    decision = Decision(
        spec,
        gate,
        tally,
        total=len(records),
        interval=wilson(tally.passed, tally.judged),
        needed=needed(gate, tally.judged),
        regressions=regressions,
        reasons=(),
    )
    critical = [record["case"] for record in failed if record.get("critical")]
    reasons = (
        *_nothing(tally),
        *_rate(decision),
        *_critical(critical),
        *_regressed(regressions, allow_regressions),
    )
    return replace(decision, reasons=reasons)


def _nothing(tally: Tally) -> list[str]:
    reasons = []
    if tally.errors:
        reasons.append(f"{errors_text(tally.errors)}, and no gate is met with one")
    elif not tally.judged:
        why = f" ({tally.skipped} skipped)" if tally.skipped else ""
        reasons.append(f"nothing was judged{why}")
    return reasons


def _rate(decision: Decision) -> list[str]:
    gate, tally = decision.gate, decision.tally
    if not tally.judged or holds(gate, tally.passed, tally.judged):
        return []
    found, rate = f"{tally.passed} of {tally.judged} passed", f"{gate.pass_rate:.10g}"
    what = "the interval's lower end to reach" if gate.bound == "lower" else "a rate of"
    asked = f"the gate asks for {what} {rate}"
    if decision.needed is None:
        cases = "1 case" if tally.judged == 1 else f"{tally.judged} cases"
        more = least_cases(gate.pass_rate)
        enough = f"it takes {more} that all pass" if more else "no number of cases can"
        return [f"{found}; {asked}, which {cases} cannot show ({enough})"]
    return [f"{found}; {asked}: at least {decision.needed}"]


def _critical(cases: Sequence[str]) -> list[str]:
    """One reason for all of them, by their ids; the list of misses has the rest."""
    if not cases:
        return []
    ids = [case.partition("::")[2] for case in cases]
    word = "case" if len(ids) == 1 else "cases"
    return [f"critical {word} missed: {named(ids)}"]


def _regressed(regressions: Sequence[str], allowed: int) -> list[str]:
    if len(regressions) <= allowed:
        return []
    forgiven = f" ({allowed} allowed)" if allowed else ""
    what = "1 case" if len(regressions) == 1 else f"{len(regressions)} cases"
    verb = "misses" if len(regressions) == 1 else "miss"
    return [f"{what} passed in the baseline and {verb} now{forgiven}"]
