"""The JSON Schema of spec files, for editors: made from the table of keys and of operators.

`python -m harness.spec_files.editor_schema > specs/spec.schema.json` writes it anew. It sees
shapes, not sense: that a tool is declared, or an id unique, only the loader knows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from harness.cases import SPLITS, Json
from harness.matchers import OPERATORS
from harness.retrieval.keys import FINDS_KEYS, FOUND_PAGES, RUN_KEYS, THEN_KEYS
from harness.spec_files.keys import (
    CASE_KEYS,
    EXPECT_KEYS,
    FILE_KEYS,
    GATE_KEYS,
    MADE_CALL_KEYS,
    MESSAGE_KEYS,
    RESERVED,
    ROW_COUNT,
    SOURCE_KEYS,
    SPLIT_KEYS,
    TOOL_KEYS,
    Key,
    Table,
)

Schema = dict[str, Any]

_ANY_OPERATOR: Final = "^\\$"
_VARIABLE: Final = {"type": "string", "pattern": "^\\$\\([A-Za-z_][A-Za-z0-9_-]*\\)$"}
_VALUE: Final = {"$ref": "#/$defs/value"}
_TOOL_LIST: Final = {"type": "array", "items": {"$ref": "#/$defs/tool"}}
_PATH: Final = {"type": "string", "pattern": "\\S"}


def spec_schema() -> Schema:
    """The schema, as plain data."""
    either = [{"required": ["cases"]}, {"required": ["source"]}]
    schema = {**_mapping(FILE_KEYS), "anyOf": either}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A callgate spec",
        "description": "Tools, the rule in words, and the cases that show what it means.",
        **schema,
        "$defs": {
            "tools": {"anyOf": [_PATH, _TOOL_LIST]},
            "case_tools": {"anyOf": [_PATH, {"type": "array", "items": _tool_or_name()}]},
            "tool": _tool(),
            "run": _mapping(RUN_KEYS, required=["search"]),
            "finds": _finds(),
            "then": _or_variable(_mapping(THEN_KEYS, required=["says"])),
            "gate": _mapping(GATE_KEYS),
            "split": _mapping(SPLIT_KEYS),
            "source": _source(),
            "row_counts": _row_counts(),
            "case": _case(),
            "message": _mapping(MESSAGE_KEYS, required=["role"]),
            "made_call": _wrapped(_mapping(MADE_CALL_KEYS, required=["name"])),
            **_expectations(),
            **_values(),
        },
    }


def _mapping(table: Table, required: list[str] | None = None) -> Schema:
    """A mapping with the keys of a table and no others."""
    schema: Schema = {
        "type": "object",
        "properties": {name: _property(key) for name, key in table.items()},
        "additionalProperties": False,
    }
    return {**schema, "required": required} if required else schema


def _property(key: Key) -> Schema:
    return {"description": key.doc, **key.schema}


def _tool() -> Schema:
    return _wrapped(_mapping(TOOL_KEYS, required=["name"]))


def _wrapped(schema: Schema) -> Schema:
    """The mapping itself, or as chat APIs wrap it: `{type: function, function: …}`."""
    wrapper: Schema = {
        "type": "object",
        "properties": {"type": {"const": "function"}, "id": {"type": "string"}, "function": schema},
        "required": ["function"],
        "additionalProperties": False,
    }
    return {"anyOf": [schema, wrapper]}


def _tool_or_name() -> Schema:
    return {"anyOf": [{"$ref": "#/$defs/tool"}, TOOL_KEYS["name"].schema]}


def _source() -> Schema:
    places = [{"required": [name]} for name in ("path", "hub")]
    only_hub = {name: ["hub"] for name in ("revision", "hub_split")}
    schema = _mapping(SOURCE_KEYS, required=["format"])
    return {**schema, "oneOf": places, "dependentRequired": only_hub}


def _finds() -> Schema:
    """Tools to pages, and `within`, which a variable may stand for."""
    within = FINDS_KEYS["within"]
    known = {"within": {"description": within.doc, "anyOf": [dict(within.schema), _VARIABLE]}}
    pages = _property(FOUND_PAGES)
    return _or_variable({"type": "object", "properties": known, "additionalProperties": pages})


def _or_variable(schema: Schema) -> Schema:
    return {"anyOf": [schema, _VARIABLE]}


def _row_counts() -> Schema:
    """Splits to numbers of rows."""
    counts = {"enum": list(SPLITS)}
    return {"type": "object", "propertyNames": counts, "additionalProperties": ROW_COUNT.schema}


def _case() -> Schema:
    prompts = [{"required": [name]} for name in ("prompt", "prompts", "messages")]
    return {**_mapping(CASE_KEYS, required=["expect"]), "oneOf": prompts}


def _expectations() -> dict[str, Schema]:
    word: Schema = {
        "type": "string",
        "minLength": 1,
        "not": {"enum": [name for name in RESERVED if name not in ("no_call", "any_call")]},
        "description": "A tool's name, `no_call` or `any_call`.",
    }
    forms = [_mapping(table, required=[name]) for name, table in EXPECT_KEYS.items()]
    names: Schema = {"propertyNames": {"not": {"enum": list(RESERVED)}}}
    call: Schema = {"anyOf": [{"type": "string", "minLength": 1}, _one_call()]}
    plain: Schema = {
        "anyOf": [
            {"type": "string", "minLength": 1, "not": {"enum": list(RESERVED)}},
            {**_one_call(), **names},
        ]
    }
    several: Schema = {"type": "array", "minItems": 1, "items": plain}
    return {
        "expectation": {"anyOf": [word, {**_one_call(), **names}, several, *forms]},
        "expected_call": call,
    }


def _one_call() -> Schema:
    """`{TOOL: {argument: value, …}}`."""
    return {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": {
            "anyOf": [_VARIABLE, {"type": "object", "additionalProperties": _VALUE}]
        },
    }


def _values() -> dict[str, Schema]:
    """Literals, and matches: mappings whose keys all start with `$`."""
    has_operator: Schema = {
        "type": "object",
        "not": {"propertyNames": {"not": {"pattern": _ANY_OPERATOR}}},
    }
    return {
        "value": {
            "if": has_operator,
            "then": {"$ref": "#/$defs/match"},
            "else": {"items": _VALUE, "additionalProperties": _VALUE},
        },
        "match": {
            "type": "object",
            "properties": {
                name: {"description": operator.summary, **_operand(operator.operand)}
                for name, operator in OPERATORS.items()
            },
            "additionalProperties": False,
        },
    }


def _operand(schema: Mapping[str, Json]) -> Schema:
    """The operand, or a variable of `each` in its place."""
    return {"anyOf": [dict(schema), _VARIABLE]} if schema else {}


def text() -> str:
    """The schema as the text of its file."""
    return json.dumps(spec_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(text(), end="")  # noqa: T201 - its output is the file
