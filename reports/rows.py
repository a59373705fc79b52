"""The cases, one by one, as people read them."""

from __future__ import annotations

from harness.cases import Call
from harness.run_log import Record
from harness.wording import calls_text, expectation_text, finds_text, found_text
from reports.pairing import change_of
from reports.records import UNSAID, judged, text, tools
from reports.splits import Pair
from reports.summary import Answer, CaseRow


def rows(pair: Pair) -> tuple[CaseRow, ...]:
    """The cases in the order of the run reported on, then those of the other run alone."""
    after, before = pair.after.records, pair.by_case
    if pair.before is None:
        return tuple(_row(record, record, None, compared=False) for record in after)
    mine = {record["case"] for record in after}
    paired = [_row(record, record, before.get(record["case"])) for record in after]
    alone = [_row(r, None, r) for r in pair.before.records if r["case"] not in mine]
    return (*paired, *alone)


def _row(
    shown: Record, after: Record | None, before: Record | None, *, compared: bool = True
) -> CaseRow:
    return CaseRow(
        case=shown["case"],
        spec=shown["spec"],
        id=shown["id"],
        location=shown["location"],
        clause=shown["clause"],
        tags=tuple(shown["tags"]),
        critical=shown["critical"],
        prompt=shown["prompt"],
        expected=_expected(shown),
        expected_tools=tools(shown),
        gold=shown["gold"],
        after=None if after is None else _answer(after),
        before=None if before is None else _answer(before),
        change=change_of(before, after) if compared else None,
    )


def _expected(record: Record) -> str:
    """The expectation as it was written, and what follows; its tools where the log has neither."""
    finds, then = record["finds"], record["then"]
    try:
        wanted = tools(record)
        if record["written"] is not None:
            wanted = expectation_text(record["written"])
        if finds is not None:
            wanted += f", finds {finds_text(finds)}"
        if then is not None:
            wanted += f", then says {expectation_text(then)}"
        return text(wanted)
    except (RecursionError, TypeError, ValueError):
        return tools(record)


def _answer(record: Record) -> Answer:
    return Answer(
        outcome=record["outcome"],
        miss=record["miss"],
        reason=record["reason"],
        called=_called(record),
        reply=record["reply"],
        note=record["note"],
        found=found_text(record["found"]),
        answered=record["answered"],
    )


def _called(record: Record) -> str:
    """The calls; empty for a case that was not judged."""
    if not judged(record):
        return ""
    calls = record["calls"]
    if any(call["name"] == UNSAID for call in calls):
        return UNSAID
    if not calls and record["miss"] in ("malformed_call", "truncated"):
        return "no call that can be read"
    try:
        return text(calls_text(Call(call["name"], call["arguments"]) for call in calls))
    except (RecursionError, ValueError):
        return " + ".join(call["name"] for call in calls)
