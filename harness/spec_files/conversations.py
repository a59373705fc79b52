"""`messages:` → the conversation as chat templates take it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from harness.cases import Json
from harness.errors import nearest
from harness.json_values import shown
from harness.spec_files.keys import MADE_CALL_KEYS, MESSAGE_KEYS
from harness.spec_files.nodes import Report, fields, under
from harness.spec_files.tool_lists import Toolbox

_KEYS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "developer": ("role", "content"),
    "system": ("role", "content"),
    "user": ("role", "content"),
    "assistant": ("role", "content", "tool_calls"),
    "tool": ("role", "content", "name"),
}


def read_messages(nodes: list[Json], toolbox: Toolbox, report: Report) -> list[dict[str, Json]]:
    """The turns; empty where any of them is wrong, which is then reported.

    A developer or system turn comes first or not at all; a tool's follows the call that it
    answers; the last turn is the user's or a tool's, so that the model is next.
    """
    turns = [_turn(node, toolbox, under(report, place)) for place, node in enumerate(nodes)]
    good = [turn for turn in turns if turn is not None]
    if len(good) < len(turns) or not good:
        return []
    for place, turn in enumerate(good[1:], start=1):
        if turn["role"] in ("developer", "system"):
            report((place, "role"), f"a {turn['role']} turn comes first or not at all")
            return []
    for place, turn in enumerate(good):
        if turn["role"] == "tool" and not _answers(good[:place]):
            what = "a result of no call: the turn before it makes none"
            report((place, "role"), what, "put the assistant's turn with the call before it")
            return []
    if good[-1]["role"] not in ("user", "tool"):
        what = f"the last message is from {good[-1]['role']!r}, expected 'user' or 'tool'"
        report((len(good) - 1, "role"), what, "what the model answers goes to `expect`")
        return []
    return good


def _answers(before: list[dict[str, Json]]) -> bool:
    """Whether a result may follow these turns: else it would stand in nobody's turn."""
    return bool(before) and (before[-1]["role"] == "tool" or "tool_calls" in before[-1])


def _turn(node: Json, toolbox: Toolbox, report: Report) -> dict[str, Json] | None:
    good = fields(node, MESSAGE_KEYS, report, "a message: a mapping with `role` and `content`")
    if not isinstance(node, Mapping):
        return None
    if "role" not in node:
        report((), "has no `role`")
    if "role" not in good or len(good) < len(node):
        return None
    role = good["role"]
    for key in good:
        if key not in _KEYS_OF[role]:
            report((key,), f"`{key}` has no meaning in a message from {role!r}", key=True)
            return None
    if role == "assistant" and "tool_calls" in good:
        return _calling(good, toolbox, report)
    if "content" not in good:
        report((), "has no `content`")
        return None
    if role == "tool":
        return good if _result_fits(good, toolbox, report) else None
    if not isinstance(good["content"], str):
        report(("content",), f"found {shown(good['content'])}, expected a text")
        return None
    return good


def _result_fits(turn: Mapping[str, Any], toolbox: Toolbox, report: Report) -> bool:
    if "name" not in turn:
        report((), "has no `name`", "name the tool that gave the result")
        return False
    content = turn["content"]
    if isinstance(content, Mapping) and {"name", "response"} <= content.keys():
        named = isinstance(content["name"], str) and content["name"] == turn["name"]
        if not (named and isinstance(content["response"], Mapping)):
            what = "chat templates take `name` and `response` for a tool's name and its result"
            report(("content",), what, "put the result inside: `{value: {name: …, response: …}}`")
            return False
    return _declared(turn["name"], toolbox, under(report, "name"))


def _declared(name: str, toolbox: Toolbox, report: Report) -> bool:
    if name in toolbox.by_name:
        return True
    if toolbox.whole:
        known = ", ".join(list(toolbox.by_name)[:12]) or "none"
        hint = nearest(name[:80], toolbox.by_name, otherwise=f"declared: {known}")
        report((), f"unknown tool {shown(name)}", hint)
    return False


def _calling(good: Mapping[str, Any], toolbox: Toolbox, report: Report) -> dict[str, Json] | None:
    """An assistant's turn with calls, each wrapped as chat templates take it."""
    if not isinstance(good.get("content", ""), str):
        report(("content",), f"found {shown(good['content'])}, expected a text")
        return None
    calls = []
    for place, node in enumerate(good["tool_calls"]):
        inside = under(report, "tool_calls", place)
        if isinstance(node, Mapping) and isinstance(node.get("function"), Mapping):
            if odd := [key for key in node if key not in ("type", "id", "function")]:
                inside((odd[0],), f"unknown key {shown(odd[0])} beside `function`", key=True)
                return None
            node, inside = node["function"], under(inside, "function")
        call = fields(node, MADE_CALL_KEYS, inside, "a call: a mapping with `name`, `arguments`")
        if isinstance(node, Mapping) and "name" not in node:
            inside((), "has no `name`")
        if "name" not in call or len(call) < len(node):
            return None
        if not _declared(call["name"], toolbox, under(inside, "name")):
            return None
        calls.append({"type": "function", "function": {"arguments": {}, **call}})
    return {**good, "tool_calls": calls}
