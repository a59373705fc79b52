"""What a spec asks for: from the log's header, else from its file where that has not changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.cases import Case, Gate, Spec
from harness.errors import CallgateError
from harness.loading import load_specs
from harness.run_log import Record
from reports.records import mapping, number, text, whole_number
from reports.runs import Log


@dataclass(frozen=True, slots=True)
class Policy:
    """A spec's gate, clauses and tools; what is not known is None or empty.

    `cases` says of each split how many cases the spec had when it was judged; `source` is the
    format of the data set that it reads.
    """

    name: str
    file: str | None = None
    digest: str | None = None
    description: str = ""
    clauses: Mapping[str, str] = field(default_factory=dict)
    gate: Gate | None = None
    tools: tuple[str, ...] = ()
    cases: Mapping[str, int] = field(default_factory=dict)
    source: str | None = None


def policies(log: Log, files: SpecFiles) -> dict[str, Policy]:
    """The policy of each spec that the log has cases of: in the header's order, then by name."""
    first: dict[str, Record] = {}
    for record in log.records:
        first.setdefault(record["spec"], record)
    headed = [name for name in mapping(log.header.get("specs")) if name in first]
    names = dict.fromkeys([*headed, *sorted(first)])
    return {name: _policy(log, name, first[name], files) for name in names}


def absent(log: Log, split: str) -> dict[str, int]:
    """The specs of the header that the log has no verdict of, and how many cases they have.

    Those are of the split; a spec that has cases in others only is not among them.
    """
    judged = {record["spec"] for record in log.records}
    found = {}
    for name, said in mapping(log.header.get("policies")).items():
        cases = {
            key: whole_number(n) or 0 for key, n in mapping(mapping(said).get("cases")).items()
        }
        total, mine = sum(cases.values()), cases.get(split, 0)
        if name not in judged and (mine or not total or split == "all"):
            found[text(name)] = total if split == "all" else mine
    return found


def _policy(log: Log, name: str, record: Record, files: SpecFiles) -> Policy:
    digest = text(mapping(log.header.get("specs")).get(name)) or None
    said = mapping(mapping(log.header.get("policies")).get(name))
    file = text(said.get("file")) or record["location"].rpartition(":")[0] or None
    policy = Policy(name, file, digest)
    if said:
        return _from_header(policy, said)
    spec = files.unchanged(policy)
    return policy if spec is None else _from_spec(policy, spec)


def _from_header(policy: Policy, said: Mapping[str, Any]) -> Policy:
    tools = said.get("tools")
    return replace(
        policy,
        description=text(said.get("description")),
        clauses={text(key): text(value) for key, value in mapping(said.get("clauses")).items()},
        gate=_gate(mapping(said.get("gate"))),
        tools=tuple(map(text, tools)) if isinstance(tools, list) else (),
        cases={text(k): whole_number(n) or 0 for k, n in mapping(said.get("cases")).items()},
        source=text(mapping(said.get("source")).get("format")) or None,
    )


def _gate(said: Mapping[str, Any]) -> Gate | None:
    asked, bound = number(said.get("pass_rate")), said.get("bound", "point")
    if asked is None or asked > 1 or bound not in ("point", "lower"):
        return None
    return Gate(asked, bound)


def _from_spec(policy: Policy, spec: Spec) -> Policy:
    return replace(
        policy,
        description=spec.description,
        clauses=spec.clauses,
        gate=spec.gate,
        tools=tuple({tool.name: None for case in spec.cases for tool in case.tools}),
        cases={split: len(spec.in_split(split)) for split in ("train", "dev", "test")},
        source=spec.source.format if spec.source is not None else None,
    )


@dataclass
class SpecFiles:
    """Spec files that were read once; None for one that does not load, or is not there."""

    read: dict[str, Spec | None] = field(default_factory=dict)

    def unchanged(self, policy: Policy) -> Spec | None:
        """The spec as it was judged; None where its file is not what it was."""
        spec = self.found(policy)
        same = spec is not None and spec.digest == policy.digest and spec.name == policy.name
        return spec if same else None

    def found(self, policy: Policy) -> Spec | None:
        """The spec as its file is today."""
        if policy.file is None:
            return None
        if policy.file not in self.read:
            self.read[policy.file] = _load(policy.file)
        return self.read[policy.file]


def _load(file: str) -> Spec | None:
    try:
        return load_specs([Path(file)])[0] if Path(file).is_file() else None
    except (CallgateError, OSError, ValueError):
        return None


def train_cases(spec: Spec, seen: Sequence[str], dropped: Sequence[str]) -> tuple[Case, ...]:
    """The cases that a model learns from: neither skipped, nor judged, nor dropped as leaks."""
    gone = {*seen, *dropped}
    train = spec.in_split("train")
    return tuple(case for case in train if case.skip is None and case.ref not in gone)
