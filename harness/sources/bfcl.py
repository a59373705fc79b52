"""Rows of the Berkeley Function Calling Leaderboard, v3 and v4: one turn, Python's rules.

A row has `id`, `question` (turns, each a list of messages) and `function`; its answer lists for
each argument the values that BFCL accepts, "" among them where it may be left out. A name keeps
its dots, as on the leaderboard, whose entry for FunctionGemma has `underscore_to_dot=False`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from harness.call_grammar import is_name
from harness.cases import DEVELOPER, Json
from harness.json_values import shown
from harness.sources.bfcl_rows import (
    ANSWER,
    CALLED,
    CATEGORIES,
    LIVE_CALLED,
    REFUSED,
    category_of,
    data_files,
    open_questions,
)
from harness.sources.informal_types import Schema, clean_schema
from harness.sources.rows import Format, Node, Raw, Unusable, converting, row_id, unread
from harness.spec_files.keys import RESERVED

NO_ROW: Final = "no mapping"
OTHER: Final = "a category of other rules"
NO_QUESTION: Final = "no question of one turn"
NO_TOOLS: Final = "no tools"
BROKEN_TOOL: Final = "a tool that cannot be declared"
NO_ANSWER: Final = "no possible answer"
NO_VALUE: Final = "an argument without an accepted value"
UNDECLARED: Final = "gold tool not declared"
UNNAMEABLE: Final = "gold tool cannot be called"

_ROLES: Final = ("system", "user", "assistant")


def _node(raw: Raw) -> Node:
    row = raw.value
    if not isinstance(row, Mapping):
        raise Unusable(NO_ROW, shown(row, 60))
    category = _category(raw)
    if category not in CATEGORIES:
        what = "judged are calls in answer to one turn, by the rules for Python"
        raise Unusable(OTHER, f"{category[:60]!r}: {what}")
    turns = _turns(row.get("question"))
    tools = _tools(row.get("function"))
    return {
        "id": row_id(row.get("id"), turns[-1]["content"], row),
        **_conversation(turns),
        "tools": [tool for tool in tools.values() if is_name(tool["name"])],
        "expect": _expected(category, row, tools),
        "tags": [category, "live" if category.startswith("live_") else "non_live"],
    }


def _category(raw: Raw) -> str:
    """What the row's id tells, else the name of its file."""
    name = raw.value.get("id")
    told = category_of(name) if isinstance(name, str) else ""
    return told or category_of(raw.location.path.replace("\\", "/").rpartition("/")[2])


def _turns(question: Json) -> list[dict[str, str]]:
    """The messages of the one turn of a question, as roles and texts; the last is the user's."""
    turn = question[0] if isinstance(question, list) and len(question) == 1 else None
    messages = turn if isinstance(turn, list) else []
    turns = [_message(message) for message in messages]
    if not turns or turns[-1]["role"] != "user":
        several = isinstance(question, list) and len(question) > 1
        raise Unusable(NO_QUESTION, f"{len(question)} turns" if several else shown(question, 60))
    return turns


def _message(message: Json) -> dict[str, str]:
    role, text = (
        (message.get("role"), message.get("content"))
        if isinstance(message, Mapping)
        else (None, None)
    )
    if role not in _ROLES or not isinstance(text, str) or not text.strip():
        raise Unusable(NO_QUESTION, shown(message, 60))
    return {"role": role, "content": text}


def _conversation(turns: list[dict[str, str]]) -> Node:
    """A system text stands behind the sentence that FunctionGemma needs, not in its place."""
    node: Node = {}
    if turns[0]["role"] == "system":
        node["developer"] = f"{DEVELOPER}\n\n{turns[0]['content']}"
        turns = turns[1:]
    if len(turns) == 1:
        return {**node, "prompt": turns[0]["content"]}
    return {**node, "messages": list(turns)}


def _tools(written: Json) -> dict[str, dict[str, Json]]:
    """The functions by name, of two with one name the first: the one that BFCL looks at."""
    if not isinstance(written, list):
        raise Unusable(NO_TOOLS, shown(written, 60))
    tools: dict[str, dict[str, Json]] = {}
    for one in written:
        name = one.get("name") if isinstance(one, Mapping) else None
        if not isinstance(one, Mapping) or not isinstance(name, str) or not name:
            raise Unusable(BROKEN_TOOL, shown(one, 60))
        description, parameters = one.get("description"), one.get("parameters")
        tools.setdefault(
            name,
            {
                "name": name,
                "description": description if isinstance(description, str) else "",
                "parameters": as_json_schema(parameters) if isinstance(parameters, Mapping) else {},
            },
        )
    return tools


def as_json_schema(parameters: Mapping[str, Json]) -> Schema:
    """BFCL's parameters with JSON Schema's types, as FunctionGemma's template shows them whole.

    `any` becomes `string`, which it is to BFCL's checker and in its own conversion for models;
    an object that names no properties has none, or its other keys would be shown as properties.
    """
    schema = clean_schema({**parameters, "type": "object"})
    required = parameters.get("required")
    if isinstance(required, list):  # BFCL asks for undeclared ones too
        schema["required"] = [name for name in required if isinstance(name, str)]
    schema.setdefault("properties", {})
    schema["properties"] = {name: _whole(one) for name, one in schema["properties"].items()}
    return schema


def _whole(schema: Json) -> Json:
    if not isinstance(schema, Mapping):
        return schema
    whole = dict(schema)
    if whole.get("type") == "object":
        whole.setdefault("properties", {})
    if isinstance(whole.get("properties"), Mapping):
        whole["properties"] = {name: _whole(one) for name, one in whole["properties"].items()}
    items = whole.get("items")
    if isinstance(items, Mapping) and "properties" in items:
        whole["items"] = _whole(items)
    return whole


def _expected(category: str, row: Mapping[str, Json], tools: Mapping[str, Json]) -> Json:
    if category in REFUSED:
        return "no_call"
    if category not in (*CALLED, *LIVE_CALLED):
        return "any_call"
    answer = row.get(ANSWER)
    if not isinstance(answer, list) or not answer:
        raise Unusable(NO_ANSWER, "" if answer is None else shown(answer, 60))
    calls = [_call(one, tools) for one in answer]
    if any(name in RESERVED for call in calls for name in call):
        return {"calls": calls}
    return calls[0] if len(calls) == 1 else calls


def _call(written: Json, tools: Mapping[str, Json]) -> dict[str, Json]:
    if not isinstance(written, Mapping) or len(written) != 1:
        raise Unusable(NO_ANSWER, shown(written, 60))
    name, arguments = next(iter(written.items()))
    if not isinstance(arguments, Mapping):
        raise Unusable(NO_ANSWER, shown(written, 60))
    if name not in tools:
        raise Unusable(UNDECLARED, shown(name, 60))
    if not is_name(name):
        raise Unusable(UNNAMEABLE, shown(name, 60))
    return {name: {key: accepted(values) for key, values in arguments.items()}}


def accepted(values: Json, *, inside: bool = False) -> Json:
    """BFCL's accepted values as an expectation under `rules: bfcl` writes them.

    `inside` a dict there is one more level of accepted values, and no further one.
    """
    values = values if isinstance(values, list) else [values]
    if not values:
        raise Unusable(NO_VALUE)
    options = [value if inside else _written(value) for value in values if value != ""]
    if not options:
        return {"$one_of": [""]}
    if len(options) < len(values):
        return {"$one_of": options, "$optional": True}
    return {"$one_of": options} if len(options) > 1 else options[0]


def _written(value: Json) -> Json:
    """One accepted value; each key of a dict, and of the dicts of a list, accepts several."""
    if isinstance(value, Mapping):
        return {key: accepted(held, inside=True) for key, held in value.items()}
    if isinstance(value, list):
        return [_written(item) if isinstance(item, Mapping) else item for item in value]
    return value


def _lost(raw: Raw) -> list[str]:
    """What a row that made a case says beyond it."""
    row = raw.value
    functions: Sequence[Mapping[str, Json]] = row["function"]
    found = unread(row, _READ, "the row")
    found += [lost for one in functions for lost in unread(one, _TOOL, "a tool")]
    if not all(is_name(one["name"]) for one in functions):
        found.append("a tool whose name cannot be called")
    if len({one["name"] for one in functions}) < len(functions):
        found.append("the second tool of a name")
    return list(dict.fromkeys(found))


_READ: Final = frozenset({"id", "question", "function", ANSWER})
_TOOL: Final = frozenset({"name", "description", "parameters"})

FORMAT: Final = Format(
    name="bfcl",
    open=open_questions,
    convert=converting(_node),
    defaults={"rules": "bfcl"},
    files=data_files,
    lost=_lost,
    help="BFCL v3 and v4: a file or their folder, with the answers in possible_answer/ beside it",
)
