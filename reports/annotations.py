"""A report as GitHub annotations: a miss at its line of YAML.

Workflow commands: `::error file=F,line=N,title=T::MESSAGE`, with %, line ends, and in a property
`:` and `,` as percent codes. A step shows ten errors, ten warnings and ten notices.
https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from typing import Final

from harness.wording import one_line
from reports.summary import CaseRow, SpecSummary, Summary
from reports.wording import disarmed, gate_word, miss_of

_SHOWN: Final = 10
"""Errors, and warnings, that GitHub shows of one step."""
_RANK: Final = {"broken": 0, "error": 1, "critical": 2, "miss": 3}


def render(summary: Summary) -> str:
    """Commands for standard output: the worst misses, and last the verdict as a notice.

    A miss is an error where its spec's gate is not met, or where the case passed before; a
    warning otherwise. A reply that is missing is an error always.
    """
    unmet = {spec.whole.name for spec in summary.specs if spec.whole.after.met is False}
    missed = [row for row in summary.cases if row.after and row.after.outcome in ("fail", "error")]
    errors = [row for row in missed if row.spec in unmet or _rank(row) in ("broken", "error")]
    chosen = {id(row) for row in errors}
    warnings = [row for row in missed if id(row) not in chosen]
    errors.sort(key=lambda row: _RANK[_rank(row)])
    warnings.sort(key=lambda row: _RANK[_rank(row)])
    silent = [s for s in summary.specs if s.whole.name in unmet - {row.spec for row in missed}]
    gates = [_gate(spec) for spec in silent[:_SHOWN]]
    room = _SHOWN - len(gates)
    shown = [*(_miss("error", row) for row in errors[:room])]
    shown += [_miss("warning", row) for row in warnings[:_SHOWN]]
    more = len(missed) - len(shown)
    lines = [*gates, *shown, _command("notice", {"title": summary.title}, _last(summary, more))]
    return "".join(f"{line}\n" for line in lines)


def _rank(row: CaseRow) -> str:
    if row.change == "broken":
        return "broken"
    if row.after is not None and row.after.outcome == "error":
        return "error"
    return "critical" if row.critical else "miss"


def _miss(level: str, row: CaseRow) -> str:
    answer = row.after
    assert answer is not None
    kind = miss_of(answer)
    what = {"broken": f"{kind}, passed before", "critical": f"{kind}, critical"}
    title = f"{row.case}: {what.get(_rank(row), kind)}"
    reason = answer.reason or f"expected {row.expected}, called {answer.called}"
    message = f"{one_line(reason, 600)} (prompt: {one_line(row.prompt, 300)})"
    return _command(level, {**_place(row.location), "title": title}, message)


def _gate(spec: SpecSummary) -> str:
    """A gate that is not met although no case missed: nothing was judged, say."""
    side = spec.whole.after
    why = "; ".join(side.reasons) or gate_word(side)
    place = {"file": spec.file} if spec.file else {}
    return _command("error", {**place, "title": f"{spec.whole.name}: gate not met"}, why)


def _last(summary: Summary, more: int) -> str:
    """The verdict, and how many misses have no annotation of their own."""
    if more <= 0:
        return summary.verdict
    found = "1 more miss is" if more == 1 else f"{more} more misses are"
    return f"{summary.verdict} {found} in the report and not here: GitHub shows ten of a kind."


def _place(location: str) -> dict[str, str]:
    """`FILE:LINE` as properties."""
    file, _, line = location.rpartition(":")
    if file and line.isascii() and line.isdigit():
        return {"file": file, "line": line}
    return {"file": location} if location else {}


def _command(level: str, properties: dict[str, str], message: str) -> str:
    named = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{level} {named}::{_data(one_line(message, 1200))}"


def _data(text: str) -> str:
    return _codes(disarmed(text), {"%": "%25", "\r": "%0D", "\n": "%0A"})


def _property(text: str) -> str:
    shown = disarmed(one_line(text, 300))
    return _codes(shown, {"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def _codes(text: str, codes: dict[str, str]) -> str:
    return "".join(codes.get(c, c) for c in text)
