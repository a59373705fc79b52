"""Gates, decided again from a log by harness.gating: never met where something is not known."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.gating import decide
from harness.run_log import Record, read_log
from reports.policies import Policy
from reports.records import number, whole_number
from reports.runs import option
from reports.summary import Side


@dataclass(frozen=True, slots=True)
class Terms:
    """What a run's options add to its specs' gates; `baseline` None: named, and not to be read."""

    min_pass_rate: float | None = None
    baseline: Collection[str] | None = ()
    allowed: int = 0


def terms_of(header: Mapping[str, Any]) -> Terms:
    """The terms of a run, as the header of its log has them."""
    rate = number(option(header, "min_pass_rate"))
    allowed = whole_number(option(header, "allow_regressions")) or 0
    return Terms(rate if rate is None or rate <= 1 else None, _baseline(header), allowed)


def _baseline(header: Mapping[str, Any]) -> Collection[str] | None:
    named = option(header, "baseline")
    if not isinstance(named, str) or not named:
        return ()
    try:
        return read_log(named).passed if Path(named).is_file() else None
    except (UsageError, OSError, ValueError):
        return None


def decided(
    side: Side, policy: Policy | None, terms: Terms, records: Sequence[Record], split: str
) -> Side:
    """The side with its gate: `met` None where cases are missing, or the baseline is."""
    if policy is None or policy.gate is None or not records:
        return side
    found = decide(
        policy.name,
        policy.gate,
        records,
        min_pass_rate=terms.min_pass_rate,
        baseline=terms.baseline or (),
        allow_regressions=terms.allowed,
    )
    unsure = found.met and terms.baseline is None
    whole = len(records) >= cases_of(policy.cases, split, len(records))
    return replace(
        side,
        pass_rate=found.gate.pass_rate,
        needed=found.needed,
        met=found.met if whole and not unsure else None,
        reasons=found.reasons,
    )


def cases_of(cases: Mapping[str, int], split: str, otherwise: int) -> int:
    """How many cases the spec has in the split; `otherwise` where nothing says so."""
    return sum(cases.values()) if split == "all" and cases else cases.get(split, otherwise)
