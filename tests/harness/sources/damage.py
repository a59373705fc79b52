"""Gold replies, and what damage does to them: for the tests of every format of data sets.

`damages(case)` breaks the gold reply of a case in each way that it can be broken, one at a time,
and says which miss that is. Names of the ways are the same for all cases, so that a test can ask
whether the cases of a format cover enough of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.call_grammar import END
from harness.cases import Call, Calls, Case, Miss, Reply
from harness.functiongemma import CALL_STOP, TEXT_STOP, wrap_args_json, write_calls
from harness.gold import gold_calls

ARGUMENT: Final = "of_no_tool"
TOOL: Final = "tool_of_no_list"

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Damage:
    """A reply that is not the gold one; `miss` None: the case passes all the same."""

    kind: str
    reply: Reply
    miss: Miss | None


def gold_reply(case: Case) -> Reply:
    """What a model that knows the case's expectation would answer."""
    gold = gold_calls(case.expect, case.tools)
    assert gold is not None, f"{case.id} has no complete gold"
    return _calling(case, gold) if gold else Reply(f"{case.reply or 'There is none.'}{TEXT_STOP}")


def damages(case: Case) -> list[Damage]:
    """The gold reply damaged, once in each way that the case allows."""
    gold = gold_calls(case.expect, case.tools)
    assert gold is not None, f"{case.id} has no complete gold"
    if not gold:
        return list(_of_no_call(case))
    return [*_of_text(case, gold), *_of_calls(case, gold), *_of_arguments(case, gold)]


def _calling(case: Case, calls: Sequence[Call]) -> Reply:
    written = [wrap_args_json(call) for call in calls] if case.target == "args_json" else calls
    return Reply(f"{write_calls(written)}{CALL_STOP}")


def _of_no_call(case: Case) -> Iterator[Damage]:
    made = _calling(case, [Call(case.tools[0].name if case.tools else TOOL)])
    yield Damage("call made", made, Miss.UNEXPECTED_CALL)
    broken = Miss.MALFORMED_CALL if case.rules == "callgate" else None
    yield Damage("call broken", Reply(made.text.replace(END, "")), broken)


def _of_text(case: Case, gold: Sequence[Call]) -> Iterator[Damage]:
    """Replies that hold fewer calls than they seem to."""
    right = _calling(case, gold).text
    yield Damage("answered in words", Reply(f"I call {gold[0].name}.{TEXT_STOP}"), Miss.NO_CALL)
    whole, _, _ = right.rpartition(END)
    yield Damage("end token dropped", Reply(whole), Miss.MALFORMED_CALL)
    yield Damage("cut at the limit", Reply(whole, "length"), Miss.TRUNCATED)
    yield Damage("brace dropped", Reply(right.replace(f"}}{END}", END, 1)), Miss.MALFORMED_CALL)
    if case.target == "args_json":
        broken = right.replace("<escape>{", "<escape>", 1)
        yield Damage("args no JSON", Reply(broken), Miss.MALFORMED_CALL)


def _of_calls(case: Case, gold: Sequence[Call]) -> Iterator[Damage]:
    """Other calls, or more, or fewer, or in another order."""
    first, rest = gold[0], gold[1:]
    yield Damage("call repeated", _calling(case, [*gold, first]), Miss.EXTRA_CALL)
    renamed = [Call(TOOL, first.arguments), *rest]
    yield Damage("tool renamed", _calling(case, renamed), Miss.UNKNOWN_TOOL)
    others = [tool.name for tool in case.tools if tool.name != first.name]
    if others:
        yield Damage("call added", _calling(case, [*gold, Call(others[0])]), Miss.EXTRA_CALL)
        swapped = [Call(others[0], first.arguments), *rest]
        yield Damage("tool swapped", _calling(case, swapped), Miss.WRONG_TOOL)
    if rest:
        yield Damage("call dropped", _calling(case, rest), Miss.MISSING_CALL)
    backwards = list(reversed(gold))
    if [call.name for call in backwards] != [call.name for call in gold]:
        ordered = isinstance(case.expect, Calls) and case.expect.ordered
        miss = Miss.WRONG_ORDER if ordered else None
        yield Damage("calls reordered", _calling(case, backwards), miss)


def _of_arguments(case: Case, gold: Sequence[Call]) -> Iterator[Damage]:
    """Each way once, in the first call that allows it."""
    seen: set[str] = set()
    for place, call in enumerate(gold):
        for kind, arguments, miss in _argument_damages(case, call):
            if kind not in seen:
                seen.add(kind)
                calls = [*gold[:place], Call(call.name, arguments), *gold[place + 1 :]]
                yield Damage(kind, _calling(case, calls), miss)


def _argument_damages(case: Case, call: Call) -> Iterator[tuple[str, Arguments, Miss | None]]:
    parameters = next(tool.parameters for tool in case.tools if tool.name == call.name)
    invalid, wrong = Miss.INVALID_ARGUMENTS, Miss.WRONG_ARGUMENTS
    if "additionalProperties" not in parameters:
        yield "argument added", {**call.arguments, ARGUMENT: "x"}, invalid
    for name, value in call.arguments.items():
        schema = parameters.get("properties", {}).get(name, {})
        others = {key: held for key, held in call.arguments.items() if key != name}
        if name in parameters.get("required", ()):
            yield "argument dropped", others, invalid
            yield "argument renamed", {**others, ARGUMENT: value}, invalid
        if schema.get("type") in ("string", "integer", "number", "boolean"):
            yield "argument retyped", {**others, name: [value]}, invalid
        if schema.keys() <= {"type", "description"} and (other := _other(value)) is not None:
            miss = None if case.compare == "tool" else wrong
            yield "value changed", {**others, name: other}, miss


def _other(value: Any) -> Any:
    """Another value of the same type; None where there is none to make."""
    if isinstance(value, str):
        return f"{value} or else"
    return value + 1 if isinstance(value, int | float) and not isinstance(value, bool) else None
