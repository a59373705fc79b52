"""What the template drops or garbles is said, and what it shows is not complained about."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cases import DEVELOPER, Tool
from harness.functiongemma import CONTROL_TOKENS, render_prompt
from harness.spec_warnings.template_losses import (
    RESERVED,
    Loss,
    developer_losses,
    prompt_losses,
    template_losses,
)

PROPERTIES = ("parameters", "properties")


def _tool(**properties: Any) -> Tool:
    return Tool("f", "F", {"type": "object", "properties": properties})


def _shown(tool: Tool) -> str:
    return render_prompt([{"role": "user", "content": "hi"}], [tool])


def test_a_plain_tool_loses_nothing() -> None:
    """Claim: what the template shows in full, and titles, bounds and defaults, are no losses."""
    text = {"type": "string", "description": "T", "enum": ["x"], "title": "t", "default": "x"}
    number = {"type": "NUMBER", "minimum": 1, "multipleOf": 2, "description": "<b>n</b>"}
    point = {"type": "object", "properties": {"x": number}, "required": ["x"]}
    items = {"type": "object", "properties": {"x": text}, "enum": [1], "additionalProperties": {}}
    tool = _tool(t=text, p=point, l={"type": "array", "items": items}, o={"type": "object"})
    assert template_losses(tool) == []
    assert template_losses(Tool("f", "F")) == []


@pytest.mark.parametrize("name", RESERVED)
def test_a_reserved_parameter_is_lost_at_every_depth(name: str) -> None:
    """Claim: the five names are skipped at the top, inside objects, and inside items."""
    schema = {"type": "string", "description": "SEEN"}
    inner = {"type": "object", "properties": {name: schema}}
    tool = _tool(**{name: schema}, o=inner, l={"type": "array", "items": inner})
    what = f"The template skips every parameter named {name!r}: the model never sees it."
    assert template_losses(tool) == [
        Loss((*PROPERTIES, name), what, "rename it"),
        Loss((*PROPERTIES, "o", "properties", name), what, "rename it"),
        Loss((*PROPERTIES, "l", "items", "properties", name), what, "rename it"),
    ]
    assert "SEEN" not in _shown(tool)


@pytest.mark.parametrize(
    ("schema", "where", "what", "hint", "absent", "present"),
    [
        (
            {"type": "integer", "enum": [7001, 7002]},
            ("enum",),
            "The template shows an enum of type string alone: these values are not shown.",
            "name them in the description",
            "7001",
            "",
        ),
        (
            {"description": "D", "anyOf": [{"type": "string"}, {"type": "integer"}]},
            ("anyOf",),
            "The template does not show 'anyOf'.",
            "write one `type`, and the alternatives in the description",
            "INTEGER",
            "type:<escape><escape>",
        ),
        (
            {"type": ["string", "null"]},
            ("type",),
            "A list of types is shown as a Python list, brackets and quotes included.",
            "write one type",
            "",
            "<escape>['STRING', 'NULL']<escape>",
        ),
        (
            {"description": "D"},
            (),
            "A parameter without a type is shown with an empty one.",
            "add its `type`",
            "",
            "type:<escape><escape>",
        ),
        (
            {"enum": ["only-this"]},
            (),
            "A parameter without a type is shown with an empty one, and without its enum.",
            "add its `type`",
            "only-this",
            "type:<escape><escape>",
        ),
        (
            None,
            (),
            "A parameter without a type is shown with an empty one.",
            "add its `type`",
            "",
            "a:{description:<escape><escape>,type:<escape><escape>}",
        ),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            ("additionalProperties",),
            "An object without properties shows 'additionalProperties' as if it were a parameter.",
            "add `properties`, or leave 'additionalProperties' out",
            "",
            "properties:{additionalProperties:{description:<escape><escape>",
        ),
        (
            {"type": "dict", "properties": {"inner": {"type": "string"}}},
            ("properties",),
            "The template shows properties of type object alone, not of 'dict'.",
            "write `type: object`",
            "inner",
            "<escape>DICT<escape>",
        ),
        (
            {"type": "array", "items": [{"type": "boolean"}]},
            ("items",),
            "The template shows items only of type array, and only as one schema.",
            "write `type: array` and one schema for all items",
            "BOOLEAN",
            "",
        ),
        (
            {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
            ("items", "items"),
            "'items' of an array's items is shown in a spelling that is used nowhere else.",
            "make the schema flatter, and say it in the description",
            "INTEGER",
            "items:{<escape>type<escape>:<escape>integer<escape>}",
        ),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) and value else "",
)
def test_a_loss_is_said_where_the_template_has_it(
    schema: Any, where: tuple[str, ...], what: str, hint: str, absent: str, present: str
) -> None:
    """Claim: each rule's loss has its place, its sentence and its advice, and really occurs."""
    tool = _tool(a=schema)
    assert template_losses(tool) == [Loss((*PROPERTIES, "a", *where), what, hint)]
    prompt = _shown(tool)
    assert not absent or absent not in prompt
    assert present in prompt


def test_a_declaration_without_a_type_stays_open() -> None:
    """Claim: `parameters` without a type is a loss, and the brace really is missing."""
    tool = Tool("f", "F", {"properties": {"a": {"type": "string"}}, "required": ["a"]})
    assert template_losses(tool) == [
        Loss(
            ("parameters",),
            "Without a type the template leaves the declaration's brace open.",
            "add `type: object`",
        )
    ]
    assert "required:[<escape>a<escape>],}<end_function_declaration>" in _shown(tool)


def test_names_that_no_call_can_carry_are_losses() -> None:
    """Claim: a tool or a parameter that the call grammar cannot name is said to be one."""
    tool = Tool("f x", "F", {"type": "object", "properties": {"a b": {"type": "string"}}})
    hint = "use letters, digits and any of _ . $ @ / -"
    assert template_losses(tool) == [
        Loss(("name",), "No call can carry 'f x' as the name of a tool.", hint),
        Loss((*PROPERTIES, "a b"), "No call can carry 'a b' as the name of a parameter.", hint),
    ]


def test_control_tokens_in_descriptions_are_losses() -> None:
    """Claim: a description of the tool or of a parameter that holds a control token is found."""
    schema = {"type": "string", "description": "ends in <eos>"}
    tool = Tool("f", "<escape>", {"type": "object", "properties": {"a": schema}})
    hint = "write it in other words"
    assert template_losses(tool) == [
        Loss(("description",), prompt_losses("<escape>")[0], hint),
        Loss((*PROPERTIES, "a", "description"), prompt_losses("<eos>")[0], hint),
    ]


def test_a_schema_nested_too_deep_is_said_to_be_so() -> None:
    """Claim: very deep schemas end in a loss, not in a traceback."""
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(5_000):
        schema = {"type": "object", "properties": {"a": schema}}
    (loss,) = template_losses(_tool(a=schema))
    assert loss.what == "The schema is nested too deep to be checked."
    assert loss.hint == "make it flatter"


schemas = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("object"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", *RESERVED, "items", "enum", "anyOf", "$ref"]), inner, max_size=4
        )
    ),
    max_leaves=15,
)


@given(st.dictionaries(st.sampled_from(["type", "properties", "required", "oneOf"]), schemas))
def test_any_schema_is_looked_at(parameters: dict[str, Any]) -> None:
    """Claim: whatever stands in a schema, losses come as whole sentences from inside the tool."""
    for loss in template_losses(Tool("f", "F", parameters)):
        assert loss.path[0] == "parameters"
        assert loss.what.endswith(".")
        assert loss.hint


def test_control_tokens_in_a_prompt_are_named_in_their_order() -> None:
    """Claim: each token is named once, in the order of the text; look-alikes are not."""
    assert prompt_losses("a <end_of_turn> b <bos> c <bos> <start_of_call> <b>") == [
        "The text holds '<end_of_turn>', which the tokenizer reads as that control token.",
        "The text holds '<bos>', which the tokenizer reads as that control token.",
    ]
    assert len(prompt_losses("".join(CONTROL_TOKENS))) == len(CONTROL_TOKENS)


def test_a_developer_turn_needs_the_trigger_sentence() -> None:
    """Claim: the sentence may stand among others; without it there is one loss."""
    assert developer_losses(f"Today is Monday.\n{DEVELOPER}\n") == []
    assert developer_losses("You can call functions.") == [
        "The developer turn lacks the sentence 'You are a model that can do function calling with "
        "the following functions': without it FunctionGemma seldom calls a tool, and the template "
        "does not add it."
    ]
