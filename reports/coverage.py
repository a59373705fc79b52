"""What the cases of a spec do not test."""

from __future__ import annotations

from collections.abc import Sequence

from harness.run_log import Record
from reports.policies import Policy
from reports.records import NO_TOOL, UNSAID, tools
from reports.summary import Coverage


def coverage(policy: Policy, records: Sequence[Record]) -> Coverage:
    """Clauses that no case breaks or keeps by a call, and tools that none expects.

    A case of which the log does not say what it expects counts as none. A clause without any case
    stands in both lists.
    """
    known = [record for record in records if UNSAID not in tools(record)]
    called = {record["clause"] for record in known if tools(record) != NO_TOOL}
    refused = {record["clause"] for record in known if tools(record) == NO_TOOL}
    named = {record["clause"] for record in known if record["clause"]}
    clauses = dict.fromkeys([*policy.clauses, *sorted(named)])
    expected = {call["name"] for record in known for call in record["expected"]}
    return Coverage(
        clauses_without_call=tuple(clause for clause in clauses if clause not in called),
        clauses_without_refusal=tuple(clause for clause in clauses if clause not in refused),
        tools_never_expected=tuple(tool for tool in policy.tools if tool not in expected),
    )
