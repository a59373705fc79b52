"""`openai`: chat fine-tuning files, one conversation a line, with the tools it may use.

The last turn of the assistant is what the model must do; the turns before it are the
conversation. Fields: https://platform.openai.com/docs/guides/supervised-fine-tuning and
https://platform.openai.com/docs/api-reference/chat/create.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from harness.cases import Call, Json
from harness.sources.rows import (
    Format,
    Node,
    NotJson,
    Raw,
    Unusable,
    converting,
    expected_calls,
    open_json_lines,
    parse_json,
    row_id,
    unread,
)

_FIRST: Final = ("developer", "system")
_ROLES: Final = (*_FIRST, "user", "assistant", "tool")
_ROW_KEYS: Final = frozenset({"id", "messages", "tools"})
_TURN_KEYS: Final = frozenset(
    {"role", "content", "tool_calls", "tool_call_id", "name", "weight", "refusal"}
)


def _node(raw: Raw) -> Node:
    row = raw.value
    if not isinstance(row, dict) or not isinstance(row.get("messages"), list):
        raise Unusable("no conversation", "expected a mapping with a list of `messages`")
    if row.get("functions"):
        hint = "`functions` is the old form: write `tools` and `tool_calls`"
        raise Unusable("functions in place of tools", hint)
    turns = [_turn(turn, place) for place, turn in enumerate(row["messages"])]
    last = _gold_turn(turns)
    node: Node = {}
    before = turns[:last]
    if before and before[0]["role"] in _FIRST:
        node["developer"] = _text(before[0], 0)
    spoken = list(_messages(before, 1 if "developer" in node else 0))
    if len(spoken) == 1 and spoken[0]["role"] == "user":
        node["prompt"] = spoken[0]["content"]
    else:
        node["messages"] = spoken
    if row.get("tools") is not None:
        node["tools"] = list(_tools(row["tools"]))
    node |= _expected(turns[last], last)
    said = [turn["content"] for turn in spoken if turn["role"] == "user"]
    return {"id": row_id(row.get("id"), said[-1] if said else "", row), **node}


def _turn(turn: Json, place: int) -> dict[str, Any]:
    if not isinstance(turn, dict):
        raise Unusable("a turn that is no mapping", f"messages[{place}]")
    role = turn.get("role")
    if role == "function" or "function_call" in turn:
        hint = f"messages[{place}]: write `tool_calls`, and the results as `tool` turns"
        raise Unusable("functions in place of tools", hint)
    if role not in _ROLES:
        raise Unusable("an unknown role", f"messages[{place}]: {str(role)[:60]!r}")
    return turn


def _gold_turn(turns: list[dict[str, Any]]) -> int:
    """The place of the last assistant's turn that is trained on."""
    for place in range(len(turns) - 1, -1, -1):
        if turns[place]["role"] == "assistant" and turns[place].get("weight") != 0:
            return place
    raise Unusable("no turn of the assistant", "there is nothing to expect")


def _messages(turns: list[dict[str, Any]], first: int) -> Iterator[Node]:
    """The turns from `first` as a spec writes them.

    Results name calls by id, not tools; an id is that of the latest call that has it.
    """
    names: dict[str, str] = {}
    for place in range(first, len(turns)):
        yield _message(turns[place], place, names)
        names |= _names_of_calls(turns[place])


def _names_of_calls(turn: Mapping[str, Json]) -> dict[str, str]:
    """Id of a call → the name of its tool."""
    return {
        call["id"]: name
        for call in _listed(turn.get("tool_calls"))
        if isinstance(call, dict) and isinstance(call.get("id"), str)
        if isinstance(name := _function(call).get("name"), str)
    }


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _function(call: Mapping[str, Json]) -> Mapping[str, Json]:
    inside = call.get("function")
    return inside if isinstance(inside, dict) else call


def _text(turn: Mapping[str, Json], place: int) -> str:
    """The text of a turn: its content, or the text parts of it."""
    content = turn.get("content")
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(_part(part, place) for part in content)
    raise Unusable("content that is no text", f"messages[{place}]")


def _part(part: Json, place: int) -> str:
    if isinstance(part, str):
        return part
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in ("text", "refusal") and isinstance(part.get(kind), str):
        return str(part[kind])
    raise Unusable("content that is no text", f"messages[{place}]: a part {str(kind)[:60]!r}")


def _message(turn: Mapping[str, Json], place: int, names: Mapping[str, str]) -> Node:
    """A turn of the conversation as a spec writes it."""
    role, text = turn["role"], _text(turn, place)
    if role == "tool":
        name = turn.get("name") or names.get(str(turn.get("tool_call_id")))
        if not isinstance(name, str):
            raise Unusable("a result of no call", f"messages[{place}]")
        return {"role": "tool", "name": name, "content": text}
    if role == "assistant" and turn.get("tool_calls"):
        calls = [
            {"name": call.name, "arguments": dict(call.arguments)} for call in _calls(turn, place)
        ]
        return {"role": role, **({"content": text} if text else {}), "tool_calls": calls}
    return {"role": role, "content": text}


def _expected(turn: Mapping[str, Json], place: int) -> Node:
    """What the gold turn makes of a case: calls in any order, or none and the text."""
    if turn.get("tool_calls"):
        return {"expect": expected_calls(list(_calls(turn, place)))}
    refusal = turn.get("refusal")
    reply = _text(turn, place) or (refusal if isinstance(refusal, str) else "")
    if not reply.strip():
        raise Unusable("an empty answer", f"messages[{place}]")
    return {"expect": "no_call", "reply": reply}


def _calls(turn: Mapping[str, Json], place: int) -> Iterator[Call]:
    calls = turn["tool_calls"]
    if not isinstance(calls, list):
        raise Unusable("a broken call", f"messages[{place}].tool_calls is no list")
    for call in calls:
        function = _function(call) if isinstance(call, dict) else {}
        name = function.get("name")
        if not isinstance(name, str):
            raise Unusable("a broken call", f"messages[{place}]: a call without a name")
        yield Call(name, _arguments(function.get("arguments"), name, place))


def _arguments(written: Json, name: str, place: int) -> dict[str, Json]:
    """The arguments of a call, which are written as a JSON text."""
    try:
        value = parse_json(written) if isinstance(written, str) and written.strip() else written
    except NotJson as error:
        raise Unusable("broken arguments", f"messages[{place}], {name}: {error}") from None
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise Unusable("broken arguments", f"messages[{place}], {name}: no mapping")
    return value


def _tools(tools: Json) -> Iterator[Node]:
    """The tools as a spec declares them."""
    if not isinstance(tools, list):
        raise Unusable("broken tools", "`tools` is no list")
    for tool in tools:
        if not isinstance(tool, dict) or tool.get("type", "function") != "function":
            raise Unusable("a tool that is no function")
        function = _function(tool)
        node = {name: function[name] for name in ("name", "description") if name in function}
        parameters = function.get("parameters")
        if parameters:
            open_ = isinstance(parameters, dict) and isinstance(parameters.get("properties"), dict)
            typed = open_ and "type" not in parameters
            node["parameters"] = {"type": "object", **parameters} if typed else parameters
        yield {name: value for name, value in node.items() if value is not None}


def _lost(raw: Raw) -> list[str]:
    """What a conversation says that its case does not."""
    row = raw.value
    turns = [turn for turn in row["messages"] if isinstance(turn, dict)]
    last = _gold_turn(turns)
    found = unread(row, _ROW_KEYS, "the row")
    found += [lost for t in turns for lost in unread(t, _TURN_KEYS, "a turn")]
    if any("weight" in turn for turn in turns):
        found.append("`weight`: only the last turn of the assistant that has one is trained on")
    if any("name" in turn and turn["role"] != "tool" for turn in turns):
        found.append("`name` of a speaker")
    content = turns[last].get("content")
    if turns[last].get("tool_calls") and (content.strip() if isinstance(content, str) else content):
        found.append("the text beside the expected calls")
    if len(turns) > last + 1:
        found.append("the turns after the assistant's last")
    functions = [_function(tool) for tool in _listed(row.get("tools"))]
    found += [lost for f in functions for lost in unread(f, _TOOL_KEYS, "a tool")]
    return list(dict.fromkeys(found))


_TOOL_KEYS: Final = frozenset({"type", "name", "description", "parameters"})

FORMAT: Final = Format(
    name="openai",
    open=open_json_lines,
    convert=converting(_node),
    lost=_lost,
    help="chat fine-tuning files: `messages` and `tools`, one conversation a line",
)
