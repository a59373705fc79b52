"""What the cases of a spec do not test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from harness.run_log import Record
from reports.gates import cases_of
from reports.policies import Policy
from reports.records import NO_TOOL, UNSAID, tools
from reports.summary import Coverage

NOTHING: Final = Coverage((), (), ())


def coverage(policy: Policy, records: Sequence[Record], split: str) -> Coverage:
    """Clauses that no case breaks or keeps by a call, and tools that none expects.

    A case of which the log does not say what it expects counts as none. A clause without any case
    stands in both lists. Of a run that judged a part of the cases nothing can be said.
    """
    if len(records) < cases_of(policy.cases, split, len(records)):
        return NOTHING
    known = [record for record in records if UNSAID not in tools(record)]
    called = {record["clause"] for record in known if tools(record) != NO_TOOL}
    refused = {record["clause"] for record in known if tools(record) == NO_TOOL}
    named = {record["clause"] for record in known if record["clause"]}
    clauses = dict.fromkeys([*policy.clauses, *sorted(named)])
    expected = {call["name"] for record in known for call in record["expected"]}
    expected |= {name for record in known for name in _alternatives(record["written"])}
    return Coverage(
        clauses_without_call=tuple(clause for clause in clauses if clause not in called),
        clauses_without_refusal=tuple(clause for clause in clauses if clause not in refused),
        tools_never_expected=tuple(tool for tool in policy.tools if tool not in expected),
    )


def _alternatives(written: Any) -> Iterator[str]:
    """The tools that the alternatives of `one_of` name, at any depth."""
    if isinstance(written, str):
        yield written
    elif isinstance(written, list):
        for one in written:
            yield from _alternatives(one)
    elif isinstance(written, Mapping):
        inner = [written[key] for key in ("one_of", "calls") if key in written]
        for one in inner:
            yield from _alternatives(one)
        if not inner:
            yield from map(str, written)
