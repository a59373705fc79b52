"""Types in people's words → JSON Schema."""

# ruff: noqa: E501 - tables of cases read best with one case to a line

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.sources.informal_types import clean_schema, schema_of_type
from harness.values.schemas import schema_errors, value_schema_errors

TEXT, WHOLE, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
FLAG, OBJECT, LIST = {"type": "boolean"}, {"type": "object"}, {"type": "array"}


def array(items: dict[str, Any]) -> dict[str, Any]:
    """A list of these."""
    return {"type": "array", "items": items}


def mapping(values: dict[str, Any]) -> dict[str, Any]:
    """An object of these."""
    return {"type": "object", "additionalProperties": values}


@pytest.mark.parametrize(
    ("written", "schema"),
    [
        ("str", TEXT), ("int", WHOLE), ("float", NUMBER), ("bool", FLAG), ("dict", OBJECT), ("list", LIST),
        ("STRING", TEXT), (" Integer ", WHOLE), ("double", NUMBER), ("tuple", LIST),
        ("List[str]", array(TEXT)), ("list[int]", array(WHOLE)), ("Set[float]", array(NUMBER)),
        ("List[List[int]]", array(array(WHOLE))), ("typing.List[bool]", array(FLAG)),
        ("Dict[str, int]", mapping(WHOLE)), ("Dict[str, List[float]]", mapping(array(NUMBER))),
        ("Dict[str, Dict[str, int]]", mapping(mapping(WHOLE))), ("List[Dict[str, str]]", array(mapping(TEXT))),
        ("Dict[str, Any]", OBJECT), ("Dict[str]", OBJECT), ("List[Any]", LIST),
        ("Optional[int]", WHOLE), ("Optional[List[str]]", array(TEXT)), ("int | None", WHOLE),
        ("Union[int, float]", NUMBER), ("Union[int, None]", WHOLE), ("Union[str, str]", TEXT),
        ("Union[int, str]", {"anyOf": [WHOLE, TEXT]}), ("List[str] | str", {"anyOf": [array(TEXT), TEXT]}),
        ("Tuple[int, int]", array(WHOLE)), ("Tuple[float, ...]", array(NUMBER)), ("Tuple[int, str]", LIST),
        ("Literal['a', 'b', 'a']", {"type": "string", "enum": ["a", "b"]}),
        ("int, optional", WHOLE), ("List[str], default []", array(TEXT)), ("str, required", TEXT),
        ("Any", TEXT), ("datetime", TEXT), ("Callable[[int], str]", TEXT), ("int, str", TEXT),
        ("", TEXT), ("List[", TEXT), ("List[]", LIST), ("Union[]", TEXT), ("]", TEXT), ("x" * 600, TEXT),
        ("List[" * 40 + "int" + "]" * 40, None),
        (None, TEXT), (5, TEXT), ([], LIST), (["str"], LIST), ({}, OBJECT),
        ({"type": "int"}, WHOLE), ({"kind": "int"}, OBJECT),
    ],
)  # fmt: skip
def test_a_type_in_words(written: Any, schema: dict[str, Any] | None) -> None:
    """Names of Python's, JSON Schema's and docstrings' types; what is none of them is a text."""
    found = schema_of_type(written)
    assert found == schema if schema is not None else not value_schema_errors(found)


@pytest.mark.parametrize(
    ("written", "schema"),
    [
        ({"type": "dict", "properties": {"a": {"type": "STRING"}}, "required": ["a"]}, {"type": "object", "properties": {"a": TEXT}, "required": ["a"]}),
        ({"properties": {"a": "int", "b": None, "c": {"type": "List[int]", "description": "C"}}}, {"properties": {"a": WHOLE, "b": TEXT, "c": {**array(WHOLE), "description": "C"}}}),
        ({"type": "array", "items": "str"}, array(TEXT)),
        ({"type": "List[int]", "items": {"type": "float"}}, array(NUMBER)),
        ({"type": "array", "items": [{"type": "int"}]}, LIST),
        ({"type": ["string", "null"]}, TEXT),
        ({"type": ["str", "int", "int"]}, {"type": ["string", "integer"]}),
        ({"type": [5]}, TEXT),
        ({"type": "object", "required": ["a", "b", 5, "a"], "properties": {"a": TEXT}}, {"type": "object", "required": ["a"], "properties": {"a": TEXT}}),
        ({"type": "object", "required": True, "properties": {"a": {"type": "str", "required": True}}}, {"type": "object", "properties": {"a": TEXT}}),
        ({"type": "string", "enum": "a or b"}, TEXT),
        ({"type": "string", "enum": ["a"], "default": "b"}, {"type": "string", "enum": ["a"]}),
        ({"type": "int", "default": 5}, {"type": "integer", "default": 5}),
        ({"type": "int", "default": ""}, WHOLE),
        ({"type": "int", "default": True}, WHOLE),
        ({"type": "int", "minimum": "1", "maximum": 5, "default": 9}, {"type": "integer", "maximum": 5}),
        ({"type": "str", "pattern": "(", "minLength": 2, "maxLength": -1}, {"type": "string", "minLength": 2}),
        ({"$ref": "#/$defs/x", "nullable": True, "description": 5}, {}),
        ({"anyOf": [{"type": "int"}, {"type": "str"}], "oneOf": []}, {"anyOf": [WHOLE, TEXT]}),
        ({"type": "object", "additionalProperties": {"type": "float"}}, mapping(NUMBER)),
        ({"type": "object", "additionalProperties": False}, {"type": "object", "additionalProperties": False}),
    ],
)  # fmt: skip
def test_a_schema_that_holds_such_types(written: Any, schema: dict[str, Any]) -> None:
    """Types become JSON Schema's at any depth; keywords that cannot be what they are, are left out."""
    assert clean_schema(written) == schema


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["str", "int", "List[str]", "Dict[str, List[int]]", "dict", "[", "Union[", "a"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["type", "properties", "required", "items", "enum", "default", "anyOf", "pattern",
                         "minimum", "maxItems", "additionalProperties", "$ref", "description", "a", "b"]),
        inner, max_size=6),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(JSON)
def test_whatever_comes_in_json_schema_comes_out(written: Any) -> None:
    """Of any JSON value: a schema without faults, and as `properties` one that a tool may have."""
    assert value_schema_errors(schema_of_type(written)) == []
    members = written if isinstance(written, dict) else {"a": written}
    schema = clean_schema({"type": "object", "properties": members, "required": list(members)})
    assert schema_errors(schema) == []


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="List[]Dct,| UnioptaelrsTy.'\n", max_size=60))
def test_no_text_breaks_the_reader_of_types(written: str) -> None:
    """Brackets that do not match, empty parts, commas anywhere."""
    assert value_schema_errors(schema_of_type(written)) == []
