"""What follows a call: it is run, and what it found is judged and given back to the model."""

from __future__ import annotations

from collections.abc import Sequence

from harness.cases import Call, Case, Json, Reply, Request, Then
from harness.functiongemma import parse_reply, wrap_args_json
from harness.retrieval.found import MOST_PAGES, Finds, Found
from harness.values.schemas import tool_schema
from harness.wording import calls_text


def found_by(case: Case, calls: Sequence[Call]) -> tuple[Found, ...]:
    """What the calls of tools that run found, in their order; nothing is run for no reason.

    An argument that is left out is its schema's default, as in judging.
    """
    if case.finds is None and case.then is None:
        return ()
    tools = {tool.name: tool for tool in case.tools}
    called = [(tools[call.name], call) for call in calls if call.name in tools]
    return tuple(
        tool.run.run(call.name, {**tool_schema(tool).defaults, **call.arguments})
        for tool, call in called
        if tool.run is not None
    )


def not_found(finds: Finds, found: Sequence[Found]) -> str | None:
    """The first page that no call has among its first `within`, in words; None where all are."""
    for tool, pages in finds.pages.items():
        ranked = [one.pages for one in found if one.tool == tool]
        for page in pages:
            if not any(page in some[: finds.within] for some in ranked):
                return f"{tool}: {_missed(page, ranked, finds.within)}"
    return None


def _missed(page: str, ranked: Sequence[tuple[str, ...]], within: int) -> str:
    """Where the page came instead, if at all, and what came before it, in the best of the calls."""
    place = "first" if within == 1 else f"among the first {within}"
    pages = min(ranked, key=lambda one: one.index(page) if page in one else MOST_PAGES, default=())
    got = ", ".join(map(repr, pages[:within])) or "nothing"
    later = f"; it came as no. {pages.index(page) + 1}" if page in pages else ""
    return f"expected {page!r} {place}, got {got}{later}"


def wrong_answer(then: Then, answer: Reply) -> str | None:
    """What is wrong with an answer, in words; None where it is a text that says what it must."""
    parsed = parse_reply(answer.text)
    if parsed.calls:
        return f"answer: expected a text, got {calls_text(parsed.calls)}"
    if parsed.defects:
        why = parsed.defects[0].reason
        return f"answer: expected a text, got a call that cannot be read: {why}"
    problem = then.says.problem(parsed.text)
    if problem is None:
        return None
    cut_short = " (the token limit cut it off)" if answer.finish == "length" else ""
    return f"answer: {problem}{cut_short}"


def answer_request(case: Case, text: str, calls: Sequence[Call], found: Sequence[Found]) -> Request:
    """The conversation so far, the calls made and what they found; the model answers next.

    Every call found something: `then` is refused where a call would have nothing to give back.
    The template lets the model go on in its own turn, behind the results.
    """
    written = [wrap_args_json(call) for call in calls] if case.target == "args_json" else calls
    functions = [{"name": call.name, "arguments": dict(call.arguments)} for call in written]
    made: dict[str, Json] = {
        "role": "assistant",
        "tool_calls": [{"type": "function", "function": function} for function in functions],
    }
    results = [{"role": "tool", "name": one.tool, "content": dict(one.result)} for one in found]
    asked = case.request
    told = {**made, "content": text} if text else made
    return Request(asked.case, (*asked.messages, told, *results), asked.tools, turn="answer")
