"""Rows of google/mobile-actions: spoken wishes of a phone's user, and the calls that meet them.

A row has `metadata` (`train` or `eval`), `tools` (functions whose types are in upper case) and
`messages`: a developer turn with date and time, the user's, the assistant's with its `tool_calls`.
The guide's score asks for the same names in the same order with the same arguments.

Neither the data set's card nor its file has nulls in tools or calls. A row with one went through a
loader of tables, which gives each tool the parameters of all and each call their names; it is
dropped, since nobody can tell such a null from one that was meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from harness.call_grammar import is_name
from harness.cases import Call, Json
from harness.json_values import shown
from harness.sources.informal_types import clean_schema
from harness.sources.rows import (
    Format,
    Node,
    NotJson,
    Raw,
    Unusable,
    converting,
    expected_calls,
    open_rows,
    parse_json,
    row_id,
    unread,
)

NO_ROW: Final = "no mapping"
NO_TOOLS: Final = "no tools"
BROKEN_TOOL: Final = "a tool that cannot be declared"
OTHER_TURNS: Final = "other turns than developer, user, assistant"
NO_PROMPT: Final = "an empty user turn"
NO_ANSWER: Final = "neither calls nor text to expect"
BROKEN_CALL: Final = "a call that cannot be read"
NULLS: Final = "nulls filled in"

_SPLITS: Final = {"train": "train", "eval": "test"}
_REREAD: Final = "read the data set's own dataset.jsonl: a loader of tables fills in nulls"


def _node(raw: Raw) -> Node:
    row = raw.value
    if not isinstance(row, Mapping):
        raise Unusable(NO_ROW, shown(row, 60))
    turns = _turns(row.get("messages"))
    prompt = _text(turns[-2])
    if not prompt.strip():
        raise Unusable(NO_PROMPT)
    developer = _text(turns[0]) if len(turns) == 3 else ""
    split = _SPLITS.get(row["metadata"]) if isinstance(row.get("metadata"), str) else None
    return {
        "id": row_id(None, prompt, row),
        **({"developer": developer} if developer.strip() else {}),
        "prompt": prompt,
        "tools": _tools(row.get("tools")),
        **_expected(turns[-1]),
        **({"split": split} if split else {}),
    }


def _turns(written: Json) -> list[Mapping[str, Json]]:
    """The developer's turn if there is one, the user's, the assistant's."""
    turns = written if isinstance(written, list) else []
    roles = [turn.get("role") if isinstance(turn, Mapping) else None for turn in turns]
    if roles not in (["developer", "user", "assistant"], ["user", "assistant"]):
        raise Unusable(OTHER_TURNS, shown(roles, 60))
    return turns


def _text(turn: Mapping[str, Json]) -> str:
    content = turn.get("content")
    return content if isinstance(content, str) else ""


def _tools(written: Json) -> list[Json]:
    if not isinstance(written, list) or not written:
        raise Unusable(NO_TOOLS)
    return [_tool(tool) for tool in written]


def _tool(written: Json) -> dict[str, Json]:
    function = written.get("function") if isinstance(written, Mapping) else None
    if not isinstance(function, Mapping) or not is_name(str(function.get("name") or "")):
        raise Unusable(BROKEN_TOOL, shown(written, 60))
    description = function.get("description")
    return {
        "name": str(function["name"]),
        "description": description if isinstance(description, str) else "",
        "parameters": _parameters(function.get("parameters")),
    }


def _parameters(written: Json) -> dict[str, Json]:
    """JSON Schema with its types in lower case; the chat template puts them back to upper."""
    if not isinstance(written, Mapping) or not written:
        return {}
    if _has_null(written):
        raise Unusable(NULLS, _REREAD)
    return clean_schema({**written, "type": "object"})


def _has_null(value: Json) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_null, value.values()))
    return value is None or (isinstance(value, list) and any(map(_has_null, value)))


def _expected(turn: Mapping[str, Json]) -> dict[str, Json]:
    """`expect`, and the `reply` to train on where the assistant answers in words."""
    written = turn.get("tool_calls") or []
    if not isinstance(written, list):
        raise Unusable(BROKEN_CALL, shown(written, 60))
    if written:
        return {"expect": expected_calls([_call(call) for call in written], ordered=True)}
    reply = _text(turn)
    if not reply.strip():
        raise Unusable(NO_ANSWER)
    return {"expect": expected_calls([]), "reply": reply}


def _call(written: Json) -> Call:
    """A call; its arguments are a mapping in the file, a JSON text by its card."""
    function = written.get("function") if isinstance(written, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(name, str) or not is_name(name):
        raise Unusable(BROKEN_CALL, shown(written, 60))
    arguments = _arguments(function.get("arguments", {}))
    if not isinstance(arguments, dict):
        raise Unusable(BROKEN_CALL, shown(written, 60))
    if _has_null(arguments):
        raise Unusable(NULLS, _REREAD)
    return Call(name, arguments)


def _arguments(written: Any) -> Json:
    if not isinstance(written, str):
        return written
    try:
        return parse_json(written)
    except NotJson:
        return written


def _lost(raw: Raw) -> list[str]:
    """What a row that made a case says beyond it."""
    row = raw.value
    answer = row["messages"][-1]
    both = answer.get("tool_calls") and _text(answer).strip()
    found = ["the text beside the expected calls"] if both else []
    return found + unread(row, _READ, "the row")


_READ: Final = frozenset({"metadata", "tools", "messages"})

FORMAT: Final = Format(
    name="mobile_actions",
    open=open_rows,
    convert=converting(_node),
    lost=_lost,
    help="google/mobile-actions, one JSON object a line; its eval rows are test cases",
)
