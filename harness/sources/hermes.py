"""Rows of interstellarninja/hermes_reasoning_tool_use, cleaned as the DataCamp tutorial does.

A row has `conversations` (turns with `from` and `value`), `tools` (a JSON text), `task` and
`scenario_category`. Its case is the task alone, without system or earlier turns, and the first
call in answer to it. The code of the tutorial is followed where its words say something else;
`docs/datasets.md` tells where this differs from either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from harness.call_grammar import is_name
from harness.cases import Call, Json
from harness.json_values import shown
from harness.sources.informal_types import Schema, clean_schema, schema_of_type
from harness.sources.rows import (
    Drop,
    Format,
    Node,
    NotJson,
    Raw,
    expected_calls,
    open_rows,
    parse_json,
    row_id,
    unread,
)
from harness.spec_files.keys import IDENTIFIER_SCHEMA
from harness.spec_files.nodes import fits

NO_ROW: Final = "no mapping"
NO_GOLD: Final = "no gold call"
NO_TOOLS: Final = "no tools"
UNDECLARED: Final = "gold tool not declared"
UNNAMEABLE: Final = "gold tool cannot be called"
NO_TASK: Final = "no task"

_USER: Final = ("human", "user")
_MODEL: Final = ("gpt", "assistant", "model")
_OPENED: Final = re.compile(r"<tool_call>\s*+(?=\{)")
_CLOSED: Final = re.compile(r"\}\s*+</tool_call>")
_ROOT_WORDS: Final = frozenset({"type", "description", "required", "additionalProperties"})

Tools = dict[str, tuple[dict[str, Json], bool]]
"""Name → declaration, and whether it requires any argument."""


def convert(raw: Raw) -> Node | Drop:
    """The case of a row, or why it has none: as the tutorial asks, in its order."""
    row = raw.value
    if not isinstance(row, Mapping):
        return Drop(NO_ROW, shown(row, 60))
    conversation = row.get("conversations")
    turns = conversation if isinstance(conversation, list) else []
    task = _text(row.get("task"))
    asked = _asked_at(turns, task.strip())
    gold = None if asked is None else _gold_call(turns, asked)
    if asked is None or gold is None:
        return Drop(NO_GOLD, "no user turn" if asked is None else "none answers the user's turn")
    tools = _tools(row.get("tools"))
    if tools is None:
        return Drop(NO_TOOLS)
    name = gold["name"]
    if not isinstance(name, str) or name not in tools:
        return Drop(UNDECLARED, shown(name, 60))
    if not is_name(name):
        return Drop(UNNAMEABLE, shown(name, 60))
    prompt = task if task.strip() else _value(turns[asked])
    if not prompt.strip():
        return Drop(NO_TASK)
    arguments = gold["arguments"]
    if not isinstance(arguments, dict) or not tools[name][1]:
        arguments = {}
    tag = row.get("scenario_category")
    return {
        "id": row_id(None, prompt, row),
        "prompt": prompt,
        "tools": [tool for called, (tool, _) in tools.items() if is_name(called)],
        "expect": expected_calls([Call(name, arguments)]),
        **({"tags": [tag]} if fits(tag, IDENTIFIER_SCHEMA) else {}),
    }


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _role(turn: Json) -> str:
    return _text(turn.get("from")).strip().lower() if isinstance(turn, Mapping) else ""


def _value(turn: Json) -> str:
    return _text(turn.get("value")) if isinstance(turn, Mapping) else ""


def _asked_at(turns: Sequence[Json], task: str) -> int | None:
    """The user's turn that asks the task: the first that holds it or lies in it, else the last."""
    users = [place for place, turn in enumerate(turns) if _role(turn) in _USER]
    if task:
        for place in users:
            said = _value(turns[place]).strip()
            if task in said or said in task:
                return place
    return users[-1] if users else None


def _gold_call(turns: Sequence[Json], asked: int) -> dict[str, Any] | None:
    """The first call that a model's turn opens with, before the user speaks again."""
    for turn in turns[asked + 1 :]:
        role = _role(turn)
        if role in _MODEL and (call := first_call(_value(turn))):
            return call
        if role in _USER:
            return None
    return None


def first_call(text: str) -> dict[str, Any] | None:
    """The first `<tool_call>` object of a text; None where it has no `name` and `arguments`.

    A call after one that cannot be read is not looked for. Takes linear time.
    """
    opened = _OPENED.search(text)
    closed = _CLOSED.search(text, opened.end() + 1) if opened else None
    if opened is None or closed is None:
        return None
    try:
        call = parse_json(text[opened.end() : closed.start() + 1])
    except NotJson:
        return None
    return call if isinstance(call, dict) and {"name", "arguments"} <= call.keys() else None


def _tools(written: Json) -> Tools | None:
    """The tools of a row by name, of two with one name the last; None where there is none.

    They are a list, or the JSON text of one; what is no mapping among them is passed over.
    """
    if isinstance(written, str):
        try:
            written = parse_json(written)
        except NotJson:
            return None
    every = written if isinstance(written, list) else []
    every = [tool for tool in every if isinstance(tool, Mapping)]
    if not every:
        return None
    named = [tool for tool in every if isinstance(tool.get("name"), str) and tool["name"]]
    return {tool["name"]: _declared(tool) for tool in named}


def _declared(tool: Mapping[str, Json]) -> tuple[dict[str, Json], bool]:
    parameters, requires = _parameters(tool.get("parameters"))
    description = _text(tool.get("description"))
    return {"name": tool["name"], "description": description, "parameters": parameters}, requires


def _parameters(written: Json) -> tuple[Schema, bool]:
    """The schema of a tool's arguments, and whether it requires any.

    JSON Schema (with `type` and `properties`) requires what `required` lists, if anything; a
    mapping of arguments to their types requires them all.
    """
    written = written if isinstance(written, Mapping) else {}
    if _is_schema(written):
        schema = clean_schema({**written, "type": "object"})
        schema.setdefault("properties", {})
        schema.setdefault("required", [])
        return schema, bool(written.get("required"))
    properties = {name: _argument(spec) for name, spec in written.items()}
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return schema, bool(properties)


def _is_schema(written: Mapping[str, Json]) -> bool:
    if "type" in written and "properties" in written:
        return True
    return written.get("type") in ("object", "dict") and written.keys() <= _ROOT_WORDS


def _argument(spec: Json) -> Schema:
    """The schema of an argument: of what its author says of it, the type and the description."""
    if not isinstance(spec, Mapping):
        return {"type": "string"}
    schema = schema_of_type(spec.get("type", "str"))
    described = _text(spec.get("description"))
    return {**schema, "description": described} if described else schema


def _lost(raw: Raw) -> list[str]:
    """What a row that made a case says beyond it."""
    row = raw.value
    turns = row["conversations"]
    asked = _asked_at(turns, _text(row.get("task")).strip()) or 0
    roles = [_role(turn) for turn in turns]
    tools = _tools(row.get("tools")) or {}
    call = _gold_call(turns, asked) or {}
    found = ["the system turn"] if "system" in roles[:asked] else []
    found += ["earlier turns"] if set(roles[:asked]) - {"system"} else []
    found += ["the model's reasoning, and all that follows its first call"]
    if call.get("arguments") and not tools[call["name"]][1]:
        found.append("the arguments of a call to a tool that requires none")
    if not all(map(is_name, tools)):
        found.append("a tool whose name cannot be called")
    return found + unread(row, _READ, "the row")


_READ: Final = frozenset({"conversations", "tools", "task", "scenario_category"})

FORMAT: Final = Format(
    name="hermes",
    open=open_rows,
    convert=convert,
    defaults={"target": "args_json", "compare": "tool"},
    lost=_lost,
    help="interstellarninja/hermes_reasoning_tool_use, cleaned as the DataCamp tutorial does",
)
