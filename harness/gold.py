"""The gold of an expectation: the calls to train on and to write in the gold block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.cases import (
    NO_GOLD,
    AnyCall,
    Call,
    Calls,
    Case,
    Expectation,
    ExpectedCall,
    Json,
    NoCall,
    Tool,
)
from harness.functiongemma import (
    CALL_STOP,
    TEXT_STOP,
    CodecError,
    wrap_args_json,
    write_call,
)
from harness.values.safe_regex import RegexTimeout
from harness.values.schemas import UnusableSchema, tool_schema
from harness.wording import cut

_MOST: Final = 1000
"""Problems of one gold call that are looked at."""


ANY_CALL: Final = "(any call)"
"""What `any_call` expects, in the place of a tool's name; no tool can be called so."""


def expected_tools(expect: Expectation) -> list[str]:
    """The tools that the first alternative expects calls of, as written; [] for no call."""
    if isinstance(expect, Calls):
        return [call.tool for call in expect.calls]
    if isinstance(expect, AnyCall):
        return [ANY_CALL]
    return [] if isinstance(expect, NoCall) else expected_tools(expect.options[0])


def gold_calls(expect: Expectation, tools: Sequence[Tool]) -> tuple[Call, ...] | None:
    """The first alternative's calls, in the listed order; () where no call is expected.

    None where it is incomplete: `any_call`, a bare tool that has required arguments, an argument
    whose matcher has no gold. A bare tool without required arguments is called with none. An
    argument that may or must be absent is left out where no gold is given.
    """
    if isinstance(expect, NoCall):
        return ()
    if isinstance(expect, AnyCall):
        return None
    if isinstance(expect, Calls):
        calls = [_gold_call(call, tools) for call in expect.calls]
        whole = tuple(call for call in calls if call is not None)
        return whole if len(whole) == len(calls) else None
    return gold_calls(expect.options[0], tools)


def gold_faults(expect: Expectation, tools: Sequence[Tool]) -> dict[str, list[str]]:
    """Tool → what is wrong with its gold calls by its own JSON Schema; {} where all is well.

    A written spec has none, or it would have been refused; rows of data sets are kept.
    """
    declared = {tool.name: tool for tool in tools}
    faults: dict[str, list[str]] = {}
    for call in gold_calls(expect, tools) or ():
        if call.name in declared and (found := _faults(declared[call.name], call)):
            faults[call.name] = faults.get(call.name, []) + found
    return faults


def _faults(tool: Tool, call: Call) -> list[str]:
    try:
        return tool_schema(tool).problems(call.arguments, _MOST)
    except (RegexTimeout, UnusableSchema) as error:
        return [str(error)]


def broken_gold(case: Case) -> str | None:
    """Where the gold calls of a row break their tools' schemas: a sentence, else None.

    `invalid_arguments` is then what else is wrong with a reply. Under `rules: bfcl` no call is
    held against JSON Schema.
    """
    if case.rules == "bfcl":
        return None
    faults = gold_faults(case.expect, case.tools)
    said = "; ".join(f"{tool}: {problem}" for tool, found in faults.items() for problem in found)
    return cut(f"the expected call itself breaks its tool's schema: {said}", 400) if said else None


def _gold_call(expected: ExpectedCall, tools: Sequence[Tool]) -> Call | None:
    if expected.arguments is None:
        tool = next((tool for tool in tools if tool.name == expected.tool), None)
        return None if tool is None or tool.parameters.get("required") else Call(expected.tool)
    arguments: dict[str, Json] = {}
    for name, matcher in expected.arguments.items():
        if matcher.absent:
            continue
        if matcher.gold is not NO_GOLD:
            arguments[name] = matcher.gold
        elif not matcher.optional:
            return None
    return Call(expected.tool, arguments)


def gold_reply(case: Case) -> str | None:
    """The whole reply to hope for, as FunctionGemma writes it, its stop token included.

    None where the gold is incomplete, where a `no_call` case names no `reply`, and for calls that
    cannot be written.
    """
    blocks = gold_blocks(case, case.expect)
    if blocks is None:
        return None
    if not blocks:
        return None if case.reply is None else case.reply + TEXT_STOP
    return "".join(blocks) + CALL_STOP


def gold_block(case: Case) -> str | None:
    """The call block that TC-CER compares with: the first gold call, written; None without one."""
    blocks = gold_blocks(case, case.expect)
    return blocks[0] if blocks else None


def gold_blocks(case: Case, expect: Expectation) -> list[str] | None:
    """The gold calls as blocks; None where there is no complete gold, or no way to write it."""
    gold = gold_calls(expect, case.tools)
    if gold is None:
        return None
    wrap = case.target == "args_json"
    try:
        return [write_call(wrap_args_json(call) if wrap else call) for call in gold]
    except CodecError:
        return None
