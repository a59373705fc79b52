"""The runs of a report, their records by split and spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from harness.cases import SPLITS
from harness.errors import UsageError
from harness.run_log import Record
from reports.gates import Terms, decided, terms_of
from reports.policies import Policy, SpecFiles, policies
from reports.records import mapping
from reports.runs import Log
from reports.summary import Side

ALL: Final = "all"


@dataclass(frozen=True)
class Run:
    """One log, the policies that it was judged by, and the split that is reported."""

    log: Log
    policies: Mapping[str, Policy]
    terms: Terms
    split: str

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """The records of the split, in the log's order."""
        return tuple(r for r in self.log.records if self.split in (ALL, r["split"]))

    @cached_property
    def _by_spec(self) -> Mapping[tuple[str, str], list[Record]]:
        found: dict[tuple[str, str], list[Record]] = {}
        for record in self.log.records:
            split = ALL if self.split == ALL else record["split"]
            found.setdefault((record["spec"], split), []).append(record)
        return found

    def of(self, spec: str, split: str | None = None) -> Sequence[Record]:
        """The records of a spec, in the reported split or another."""
        return self._by_spec.get((spec, split or self.split), ())

    def other_splits(self, spec: str) -> list[str]:
        """The splits of the spec that are not reported, train first."""
        mine = [split for name, split in self._by_spec if name == spec and split != self.split]
        return sorted(mine, key=_order)

    def gated(self, spec: str, side: Side, records: Sequence[Record]) -> Side:
        """The side of a spec with its gate's decision."""
        return decided(side, self.policies.get(spec), self.terms, records, self.split)


@dataclass(frozen=True)
class Pair:
    """The run that is reported on, and the one before, where there is one."""

    after: Run
    before: Run | None

    @cached_property
    def by_case(self) -> Mapping[str, Record]:
        """The records before, of every split, by case."""
        return {r["case"]: r for r in self.before.log.records} if self.before else {}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The specs of both, in the order of the logs."""
        before = self.before.policies if self.before else {}
        return tuple(dict.fromkeys([*self.after.policies, *before]))

    def policy(self, name: str) -> Policy:
        """The policy of a spec: as it was when the run reported on was judged, if it was."""
        before = self.before.policies if self.before else {}
        return self.after.policies.get(name) or before[name]


def run_of(log: Log, split: str, files: SpecFiles) -> Run:
    """A log as one side of a report."""
    return Run(log, policies(log, files), terms_of(log.header), split)


def weighed_together(header: Mapping[str, Any]) -> bool:
    """Whether the run's gates weighed all splits together, for that was asked for.

    Of a training's logs it was not: they hold dev and test cases, and its gates are test's.
    """
    option = mapping(mapping(header.get("options")).get("split"))
    return option.get("value") == ALL and option.get("from") != "callgate-tune"


def chosen_split(log: Log, split: str | None) -> str:
    """The split to report on: the one asked for, else what the run's own gates weighed.

    That is test where there is one, or all together, or else the first there is.

    Raises:
        UsageError: the log has no case of it.
    """
    there = sorted({record["split"] for record in log.records}, key=_order)
    if split is None and weighed_together(log.header):
        return ALL
    if split is None:
        return "test" if "test" in there else there[0]
    if split != ALL and split not in there:
        raise UsageError(f"{log.name}: no case of split {split!r}; it holds {', '.join(there)}")
    return split


def _order(split: str) -> tuple[int, str]:
    return (SPLITS.index(split) if split in SPLITS else len(SPLITS)), split
