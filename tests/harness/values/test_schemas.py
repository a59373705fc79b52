"""JSON Schema of tools: what is wrong with one, and with the arguments of a call."""

# ruff: noqa: E501 - tables of cases read best with one case to a line

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from harness.cases import Tool
from harness.json_values import equal
from harness.values.safe_regex import RegexTimeout
from harness.values.schema_faults import _KEYWORDS
from harness.values.schemas import (
    ToolSchema,
    UnusableSchema,
    fill_defaults,
    schema_errors,
    tool_schema,
    value_schema,
    value_schema_errors,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


def of(properties, **more) -> ToolSchema:
    """The schema of a tool with these properties."""
    return tool_schema(Tool("f", "", {"type": "object", "properties": properties, **more}))


@pytest.mark.parametrize(
    ("schema", "value", "phrase"),
    [
        ({"type": "integer"}, "5", "expected an integer, got '5'"),
        ({"type": "integer"}, True, "expected an integer, got true"),
        ({"type": ["string", "null"]}, 5, "expected a text or null, got 5"),
        ({"type": "array", "items": {"type": "number"}}, [1, "2"], "at [1]: expected a number, got '2'"),
        ({"enum": ["a", 1, None]}, "b", "expected 'a' or 1 or null, got 'b'"),
        ({"const": {"a": True}}, 1, "expected {a: true}, got 1"),
        ({"minimum": 5}, 4, "expected a number of at least 5, got 4"),
        ({"maximum": 5}, 6, "expected a number of at most 5, got 6"),
        ({"exclusiveMinimum": 5}, 5, "expected a number above 5, got 5"),
        ({"exclusiveMaximum": 5}, 5, "expected a number below 5, got 5"),
        ({"multipleOf": 2}, 3, "expected a multiple of 2, got 3"),
        ({"multipleOf": 0.01}, 19.995, "expected a multiple of 0.01, got 19.995"),
        ({"minLength": 2}, "a", "expected a text of at least 2 characters, got 'a'"),
        ({"maxItems": 1}, [1, 2], "expected a list of at most 1 items, got [1, 2]"),
        ({"uniqueItems": True}, [1, 1], "expected a list of different items, got [1, 1]"),
        ({"pattern": "^a"}, "b", "expected a text in which the pattern '^a' is found, got 'b'"),
        ({"anyOf": [{"type": "string"}, False]}, 5, "expected a value that fits one of 2 alternatives, got 5"),
        ({"not": {"type": "null"}}, None, "expected anything but a value valid against {type: 'null'}, got null"),
        ({"format": "x", "dependentRequired": {"a": ["b"]}}, {"a": 1}, "expected a value that meets 'dependentRequired', got {a: 1}"),
        (False, 5, "expected nothing, got 5"),
        ({"properties": {"b c": {}}, "required": ["b c"]}, {}, "at ['b c']: expected a value, got nothing"),
        ({"additionalProperties": False}, {"x": 5}, "at .x: expected nothing, got 5"),
        ({"additionalProperties": {"type": "null"}}, {"x": 5}, "at .x: expected null, got 5"),
        ({"unevaluatedProperties": False}, {"x": 5}, "expected no other members than those declared, got {x: 5}"),
        ({"patternProperties": {"^n": {"type": "number"}}}, {"n1": "x"}, "at .n1: expected a number, got 'x'"),
    ],
)  # fmt: skip
def test_each_keyword_has_its_sentence(schema, value, phrase):
    """A value that a schema refuses is answered with expected and got, and where."""
    assert value_schema_errors(schema) == []
    assert value_schema(schema).problems(value) == [phrase]


def test_arguments_are_named():
    """A call's problems name the argument, the nearest declared name, and the place inside it."""
    schema = of(
        {
            "query": {"type": "string"},
            "count": {"type": "integer"},
            "where": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
        required=["query"],
    )
    assert schema.problems({"qeury": "x", "count": "5", "where": {"city": 1}}) == [
        "argument 'count': expected an integer, got '5'",
        "argument 'where': at .city: expected a text, got 1",
        "argument 'query' is missing",
        "argument 'qeury' is not declared (did you mean 'query'?)",
    ]
    assert schema.problems({"query": "x", "count": 5.0, "where": {"town": 1}}) == []


def test_a_tool_is_closed_unless_it_says_otherwise():
    """Undeclared arguments are invalid at the top level, and only there."""
    assert of({}).problems({"x": 1}) == ["argument 'x' is not declared"]
    assert tool_schema(Tool("f")).problems({"x": 1}) == ["argument 'x' is not declared"]
    assert tool_schema(Tool("f")).problems({}) == []
    assert of({}, additionalProperties=True).problems({"x": 1}) == []
    assert of({}, patternProperties={"^x": {}}).problems({"x": 1}) == []
    composed = of({"a": {}}, allOf=[{"properties": {"b": {}}}])
    assert composed.problems({"a": 1, "b": 2}) == []
    assert composed.problems({"c": 3}) == [
        "the arguments: expected no other members than those declared, got {c: 3}"
    ]


def test_only_the_first_five_problems_are_told():
    """A call with many problems is answered with five of them."""
    assert len(of({}).problems({str(n): n for n in range(9)})) == 5


def test_defaults_fill_what_is_left_out():
    """Top-level defaults, required and declared names are there; arguments win over defaults."""
    schema = of({"a": {"default": None}, "b": {"default": [1]}, "c": {}}, required=["c"])
    assert (schema.required, schema.declared) == (("c",), ("a", "b", "c"))
    assert fill_defaults(schema, {"c": 1, "a": 2}) == {"c": 1, "a": 2, "b": [1]}


def test_equal_parameters_share_one_schema():
    """The cache goes by content, and a later change of the tool's mapping is seen."""
    parameters = {"type": "object", "properties": {"a": {"type": "string"}}}
    first = tool_schema(Tool("f", "", parameters))
    assert tool_schema(Tool("g", "other", json.loads(json.dumps(parameters)))) is first
    parameters["properties"]["b"] = {}
    assert tool_schema(Tool("f", "", parameters)).declared == ("a", "b")
    assert first.declared == ("a",)


@pytest.mark.parametrize(
    ("parameters", "errors"),
    [
        ({}, []),
        ([], [((), "the parameters must be a mapping, got []", "")]),
        (True, [((), "the parameters must be a mapping, got true", "")]),
        ({"properties": {}}, [((), "'type' must be 'object' at the root of the parameters, got nothing", "write `type: object`")]),
        ({"type": "dict"}, [(("type",), "'type' must be 'object' at the root of the parameters, got 'dict'", "write `type: object`")]),
        ({"type": "object", "required": ["a"]}, [(("required", 0), "'required' names 'a', which 'properties' does not declare", "declare it, or leave it out")]),
        ({"type": "object", "$ref": "#"}, [((), "the schema refers to itself without end", "a schema may refer to itself only through `properties` or `items`")]),
    ],
)  # fmt: skip
def test_the_root_of_parameters_is_an_object(parameters, errors):
    """The root must be a schema of an object; what is not is answered whole."""
    assert [tuple(error) for error in schema_errors(parameters)] == errors


TYPES_HINT = "they are string, number, integer, boolean, object, array, null"


@pytest.mark.parametrize(
    ("schema", "path", "what", "hint"),
    [
        ({"type": "STRING"}, ("type",), "'type' must be one of JSON Schema's types, got 'STRING'", "write 'string'"),
        ({"type": "str"}, ("type",), "'type' must be one of JSON Schema's types, got 'str'", "write 'string'"),
        ({"type": "dict"}, ("type",), "'type' must be one of JSON Schema's types, got 'dict'", "write 'object'"),
        ({"type": ["float", "null"]}, ("type", 0), "'type' must be one of JSON Schema's types, got 'float'", "write 'number'"),
        ({"type": "List[int]"}, ("type",), "'type' must be one of JSON Schema's types, got 'List[int]'", "write 'array'"),
        ({"type": "any"}, ("type",), "'type' must be one of JSON Schema's types, got 'any'", "leave `type` out for any value"),
        ({"type": "strng"}, ("type",), "'type' must be one of JSON Schema's types, got 'strng'", "did you mean 'string'?"),
        ({"type": "q"}, ("type",), "'type' must be one of JSON Schema's types, got 'q'", TYPES_HINT),
        ({"type": None}, ("type",), "'type' must be a type or a list of types, got null", "write `type: 'null'`, in quotes"),
        ({"type": ["null", "null"]}, ("type", 1), "'type' names 'null' twice", ""),
        ({"pattern": "("}, ("pattern",), "'pattern' '(' is not a usable regular expression: missing ), unterminated subpattern at position 0", ""),
        ({"patternProperties": {"*": {}}}, ("patternProperties", "*"), "'patternProperties' '*' is not a usable regular expression: nothing to repeat at position 0", ""),
        ({"properties": {"a": "string"}}, ("properties", "a"), "a schema must be a mapping, got 'string'", "write `type: string` in it"),
        ({"properties": {"a": {"required": True}}}, ("properties", "a", "required"), "'required' must be a list of names, got true", "beside `properties`, list the names of those required"),
        ({"properties": {"query": {}}, "required": ["qeury"]}, ("required", 0), "'required' names 'qeury', which 'properties' does not declare", "did you mean 'query'?"),
        ({"items": [{}]}, ("items",), "a schema must be a mapping, got [{}]", ""),
        ({"anyOf": []}, ("anyOf",), "'anyOf' must be a list of schemas, got []", ""),
        ({"minLength": -1}, ("minLength",), "'minLength' must be a count of at least 0, got -1", ""),
        ({"items": {"$schema": "x"}}, ("items", "$schema"), "'$schema' belongs at the root of a schema", "leave it out"),
        ({"type": "integer", "default": "x"}, ("default",), "the default is not valid: expected an integer, got 'x'", "mend the default, or the schema"),
        ({"items": {"$ref": "#/$defs/x"}, "$defs": {"x": {"type": "null"}}, "default": [5]}, ("default",), "the default is not valid: at [0]: expected null, got 5", "mend the default, or the schema"),
        ({"$ref": "#/$defs/x"}, ("$ref",), "'$ref' leads to '#/$defs/x', which is no schema in this one", "define it under `$defs`; nothing is fetched"),
        ({"items": {"$ref": "https://example.com/x.json"}}, ("items", "$ref"), "'$ref' leads to 'https://example.com/x.json', which is no schema in this one", "define it under `$defs`; nothing is fetched"),
        ({"$ref": "http://[x"}, ("$ref",), "'$ref' leads to 'http://[x', which is no schema in this one", "define it under `$defs`; nothing is fetched"),
        ({"default": {"$ref": "#/default"}, "$ref": "#/default"}, ("$ref",), "'$ref' leads to '#/default', which is no schema in this one", "define it under `$defs`; nothing is fetched"),
    ],
)  # fmt: skip
def test_each_error_of_a_schema_is_told(schema, path, what, hint):
    """Wrong types, keywords, patterns, references and defaults: the place, what, what to do."""
    assert [tuple(error) for error in value_schema_errors(schema)] == [(path, what, hint)]


@pytest.mark.parametrize(
    ("schema", "loops"),
    [
        ({"$defs": {"a": {"properties": {"x": {"$ref": "#/$defs/a"}}}}, "$ref": "#/$defs/a"}, False),
        ({"items": {"$ref": "#"}}, False),
        ({"anyOf": [{"$ref": "#"}]}, True),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"not": {"$ref": "#/$defs/a"}}}}, True),
        ({"$defs": {"a": {"$id": "http://x/a", "$ref": "a"}}}, True),
        ({"dependentSchemas": {"k": {"$ref": "#"}}}, True),
    ],
)  # fmt: skip
def test_endless_references_are_told_from_recursive_schemas(schema, loops):
    """A schema of trees is fine; one that leads back to itself on the same value is not."""
    assert [error.what for error in value_schema_errors(schema)] == (
        ["the schema refers to itself without end"] if loops else []
    )


def nested(depth, key):
    """An object in an object, `depth` deep."""
    value = {}
    for _ in range(depth):
        value = {key: value}
    return value


@pytest.mark.parametrize("depth", [200, 100_000])
def test_no_depth_ends_in_a_traceback(depth):
    """Schemas and values of any depth are answered."""
    errors = value_schema_errors(nested(depth, "items"))
    assert all(error.what == "the schema nests too deeply" for error in errors)
    trees = value_schema({"properties": {"a": {"$ref": "#"}}})
    assert trees.problems(nested(depth, "a")) == (
        [] if depth == 200 else ["expected a value that nests less deeply"]
    )


def test_patterns_cannot_hang_a_call():
    """A pattern that runs away is RegexTimeout wherever a schema may hold one."""
    bomb, bait = "a.*a.*a.*a.*c", "a" * 20_000
    for schema, value in [
        ({"pattern": bomb}, bait),
        ({"patternProperties": {bomb: {}}, "additionalProperties": False}, {bait: 1}),
        ({"unevaluatedProperties": False, "allOf": [{"patternProperties": {bomb: {}}}]}, {bait: 1}),
    ]:
        with pytest.raises(RegexTimeout, match="runs away"):
            value_schema(schema).problems(value)


def test_a_schema_that_nobody_checked_is_no_fault_of_the_model():
    """Types of other languages are understood; what cannot be used at all raises."""
    schema = tool_schema(Tool("f", "", {"type": "dict", "properties": {"a": {"type": "float"}}}))
    assert schema.problems({"a": 1}) == []
    assert schema.problems({"a": "1"}) == ["argument 'a': expected a number, got '1'"]
    with pytest.raises(UnusableSchema, match="cannot be used"):
        value_schema({"$ref": "https://example.com/x.json"}).problems(1)


KEYWORDS = sorted(
    set(_KEYWORDS) - {"$ref", "$dynamicRef", "pattern", "patternProperties", "$schema"}
)
SCHEMAS = st.recursive(
    st.booleans() | st.dictionaries(st.sampled_from(KEYWORDS), JSON, max_size=2),
    lambda inner: (
        st.dictionaries(
            st.sampled_from(KEYWORDS), inner | st.lists(inner, max_size=2) | JSON, max_size=3
        )
        | st.fixed_dictionaries({"properties": st.dictionaries(st.text(max_size=2), inner)})
    ),
    max_leaves=6,
)
OURS = ("the default is not valid", "'required' names", "'$schema' belongs")


@given(SCHEMAS)
@settings(max_examples=250, deadline=None)
def test_the_keyword_table_is_the_meta_schema(schema):
    """What is refused, besides our own three rules, is what draft 2020-12's meta-schema refuses."""
    wrong = [e for e in value_schema_errors(schema) if not e.what.startswith(OURS)]
    assert bool(wrong) is not Draft202012Validator(Draft202012Validator.META_SCHEMA).is_valid(
        schema
    )


@given(SCHEMAS, JSON)
@settings(max_examples=300, deadline=None)
def test_a_value_is_valid_where_jsonschema_says_so(schema, value):
    """Our keywords decide as jsonschema's own do, and every problem is a phrase."""
    if any(not e.what.startswith(OURS[0]) for e in value_schema_errors(schema)):
        return
    problems = value_schema(schema).problems(value)
    assert (problems == []) is Draft202012Validator(schema).is_valid(value)
    assert all(phrase.startswith(("expected ", "at ")) for phrase in problems)


def test_importing_is_light():
    """Importing the module loads no jsonschema."""
    code = "import sys, harness.values.schemas; print({'jsonschema'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("step", "value"),
    [(0.1, 0.3), (0.01, 19.99), (0.01, 1e15), (1e-300, 1e300), (0.5, 10**400), (3, 9.0)],
)
def test_multiples_are_those_of_the_written_numbers(step, value):
    """In decimals, as people write them: 19.99 is a multiple of 0.01, though not in floats."""
    assert value_schema({"multipleOf": step}).problems(value) == []
    assert value_schema({"multipleOf": step}).problems("text") == []


@given(st.integers(-999, 999), st.integers(1, 99), st.integers(0, 4))
def test_a_multiple_is_one_of_the_digits_alone(many, step, places):
    """What holds of whole numbers holds of the same digits behind a point."""
    shifted = [float(f"{number}e-{places}") for number in (many, step)]
    assert bool(value_schema({"multipleOf": shifted[1]}).problems(shifted[0])) == bool(many % step)


SMALL = st.recursive(
    st.none() | st.booleans() | st.sampled_from([0, 1, 1.0, -0.0, "1", "", 2**70, 2.0**70, 0.5]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=4,
)


@given(st.lists(SMALL, max_size=4))
def test_items_are_unique_where_no_two_are_equal(items):
    """Numbers by value, booleans apart, members in any order: as `equal` has it, deeply."""
    twice = any(equal(a, b) for n, a in enumerate(items) for b in items[n + 1 :])
    assert bool(value_schema({"uniqueItems": True}).problems(items)) == twice


def test_many_items_are_compared_in_one_pass():
    """40,000 items of mixed kinds are told apart, and the one that comes twice is found."""
    items = [kind(n) for n in range(20_000) for kind in (str, lambda n: {"a": [n]})]
    schema = value_schema({"uniqueItems": True})
    assert schema.problems(items) == []
    assert len(schema.problems([*items, {"a": [7.0]}])) == 1


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf"])
def test_alternatives_that_multiply_are_given_up(keyword):
    """Alternatives inside one another end in a sentence, and the next value has all its steps."""
    node = {"$ref": "#/$defs/n"}
    options = [{"properties": {"x": node}, "required": [name]} for name in "vw"]
    schema = value_schema({"$ref": "#/$defs/n", "$defs": {"n": {keyword: options}}})
    deep = 1
    for _ in range(40):
        deep = {"x": deep}
    with pytest.raises(UnusableSchema) as caught:
        schema.problems(deep)
    assert str(caught.value).startswith(
        "the schema takes more than 100,000 steps, as its alternatives multiply with each level of "
        "the value: {x: {x: {"
    )
    held = schema.problems({"x": 1})
    assert held == ["expected a value that fits one of 2 alternatives, got {x: 1}"] or (
        keyword == "oneOf" and "exactly one of 2 alternatives" in held[0]
    )


def test_a_large_value_is_within_the_steps():
    """A list of 30,000 objects is checked to its end."""
    schema = {"items": {"type": "object", "properties": {"n": {"type": "integer"}}}}
    items = [{"n": n} for n in range(30_000)]
    assert value_schema(schema).problems(items) == []
    assert value_schema(schema).problems([*items, {"n": "x"}]) == [
        "at [30000].n: expected an integer, got 'x'"
    ]


def test_alternatives_know_where_they_stand():
    """References inside of alternatives are those of the alternative's own `$id`."""
    inner = {"$id": "http://x.example/in", "$ref": "#/$defs/a", "$defs": {"a": {"type": "integer"}}}
    for keyword in ("anyOf", "oneOf"):
        schema = value_schema({keyword: [inner], "$defs": {"a": {"type": "string"}}})
        assert schema.problems(5) == []
        assert len(schema.problems("5")) == 1
