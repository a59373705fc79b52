"""Hermes' rows → cases, as the DataCamp tutorial cleans them."""

# ruff: noqa: E501 - rows and replies are long lines

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cases import Location, Outcome, Spec
from harness.judging import judge
from harness.loading import load_specs
from harness.sources import hermes
from harness.sources.rows import Drop, Node, Raw

DATA = Path(__file__).parents[2] / "data" / "hermes.jsonl"
ROWS = {row["category"]: row for row in map(json.loads, DATA.read_text("utf-8").splitlines())}


def converted(row: Any) -> Node | Drop:
    """What becomes of a row."""
    return hermes.FORMAT.convert(Raw(Location("rows.jsonl", 1), row))


def called(category: str) -> Any:
    """What the case of a row in the data expects."""
    node = converted(ROWS[category])
    assert isinstance(node, dict), node
    return node["expect"]


@pytest.mark.parametrize(
    ("category", "drop"),
    [
        ("no conversations", Drop("no gold call", "no user turn")),
        ("no user turn", Drop("no gold call", "no user turn")),
        ("no call", Drop("no gold call", "none answers the user's turn")),
        ("broken, then sound, in one turn", Drop("no gold call", "none answers the user's turn")),
        ("the user speaks first", Drop("no gold call", "none answers the user's turn")),
        ("tools: missing", Drop("no tools")),
        ("tools: empty text", Drop("no tools")),
        ("tools: broken JSON", Drop("no tools")),
        ("tools: no list", Drop("no tools")),
        ("tools: no mappings", Drop("no tools")),
        ("tools: wrapped", Drop("gold tool not declared", "'get_tide'")),
        ("undeclared", Drop("gold tool not declared", "'buy_boat'")),
        ("a name that is none", Drop("gold tool cannot be called", "'price of'")),
        ("no task, no words", Drop("no task")),
    ],
)
def test_rows_that_make_no_case(category: str, drop: Drop) -> None:
    """Each is dropped for the first reason that the tutorial has, or for one that it lacks."""
    assert converted(ROWS[category]) == drop


def test_what_is_no_row() -> None:
    """A value that is no mapping is dropped, and told."""
    assert converted([1]) == Drop("no mapping", "[1]")


@pytest.mark.parametrize(
    ("category", "expected"),
    [
        ("json schema", {"get_tide": {"harbour": "Whitby", "day": "2026-05-02"}}),
        ("task in the second user turn", {"get_tide": {"harbour": "Oban", "day": "2026-05-03"}}),
        ("task in no turn", {"get_tide": {"harbour": "Kirkwall"}}),
        ("call in a later turn", {"get_tide": {"harbour": "Barrow"}}),
        ("first call broken", {"get_tide": {"harbour": "Rye"}}),
        ("two calls", {"get_tide": {"harbour": "Rye"}}),
        ("other role names", {"get_tide": {"harbour": "Looe"}}),
        ("no task", {"get_tide": {"harbour": "Fowey"}}),
        ("tools: a list", {"get_tide": {"harbour": "Dover"}}),
        ("nothing required", {"list_ferries": {}}),
        ("arguments no mapping", {"open_lock": {}}),
        ("keys with $", {"price_of": {"article": {"$equals": {"$code": "M1"}}, "kind": "mooring"}}),
        ("two tools of one name", {"price_of": {"kind": "mooring"}}),
    ],
)
def test_the_gold_call(category: str, expected: Any) -> None:
    """The first call of a turn of the model behind the user's turn that asks the task."""
    assert called(category) == expected


def test_the_prompt_is_the_task_alone() -> None:
    """No system turn, no earlier turns; where a row has no task, what the user says."""
    for category, row in ROWS.items():
        node = converted(row)
        if isinstance(node, dict):
            assert node["prompt"] == (row["task"] or "High water in Fowey?"), category
            assert "messages" not in node
            assert "developer" not in node


def test_tools_become_json_schema() -> None:
    """Both styles of parameters, with their types; nothing is required that a schema does not list."""
    node = converted(ROWS["per argument"])
    assert isinstance(node, dict)
    tide, berth = (tool["parameters"] for tool in node["tools"])
    assert tide == {
        "type": "object",
        "properties": {
            "harbour": {"type": "string", "description": "name of the harbour"},
            "day": {"type": "string", "description": "day as YYYY-MM-DD"},
            "heights": {
                "description": "heights to report the hour of",
                "type": "array",
                "items": {"type": "number"},
            },
        },
        "required": ["harbour"],
    }
    assert (
        berth["required"]
        == list(berth["properties"])
        == ["harbour", "nights", "boat", "extras", "power", "price"]
    )
    assert berth["properties"]["boat"] == {
        "type": "object",
        "additionalProperties": {"type": "number"},
        "description": "length and width in metres",
    }
    ferries = converted(ROWS["nothing required"])
    assert isinstance(ferries, dict)
    assert ferries["tools"][0]["parameters"]["required"] == []


def test_of_two_tools_with_one_name_the_last_counts() -> None:
    """It is the one whose requirements the tutorial reads; a case cannot declare both."""
    node = converted(ROWS["two tools of one name"])
    assert isinstance(node, dict)
    assert [tool["name"] for tool in node["tools"]] == ["price_of", "open_lock"]
    assert node["tools"][0]["parameters"]["required"] == ["kind"]


def test_tools_that_nobody_can_call_are_left_out() -> None:
    """A name that the grammar of calls cannot write is not declared."""
    node = converted(ROWS["a neighbour whose name is none"])
    assert isinstance(node, dict)
    assert [tool["name"] for tool in node["tools"]] == ["open_lock"]


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ('<tool_call>{"name": "a", "arguments": {}}</tool_call>', {"name": "a", "arguments": {}}),
        ('<tool_call> \n {"name": "a", "arguments": {"b": {}} } \n </tool_call>', {"name": "a", "arguments": {"b": {}}}),
        ('<tool_call>no</tool_call><tool_call>{"name": "a", "arguments": 5}</tool_call>', {"name": "a", "arguments": 5}),
        ('<tool_call>{"name": "}</tool_call>", "arguments": {}}</tool_call>', None),
        ('<tool_call>{"name": "a"}</tool_call><tool_call>{"name": "b", "arguments": {}}</tool_call>', None),
        ('<tool_call>{"name": "a", "arguments": {}}', None),
        ('<tool_call>["name", "arguments"]</tool_call>', None),
        ('{"name": "a", "arguments": {}}</tool_call>', None),
        ("", None),
    ],
)  # fmt: skip
def test_the_first_call_of_a_text(text: str, call: Any) -> None:
    """Only the first is looked at, and it ends at the first brace before an end tag."""
    assert hermes.first_call(text) == call


def test_a_text_of_nothing_but_tags_takes_no_time() -> None:
    """A megabyte of opened tags is read once, not once a tag."""
    assert hermes.first_call('<tool_call>{"' * 80_000 + "}   " * 80_000) is None


@pytest.fixture(scope="module")
def hermes_spec(tmp_path_factory: pytest.TempPathFactory) -> Spec:
    """The rows of the data, as a spec reads them."""
    file = tmp_path_factory.mktemp("hermes") / "hermes.spec.yaml"
    file.write_text(json.dumps({"source": {"format": "hermes", "path": str(DATA)}}))
    return load_specs([file])[0]


def test_every_row_is_counted(hermes_spec: Spec) -> None:
    """Rows are cases or dropped, by reason; the settings are the tutorial's."""
    found = hermes_spec.source
    assert found is not None
    assert found.rows == len(ROWS) == found.cases + sum(found.drops.values())
    expected = {"no tools": 5, "no gold call": 5, "gold tool not declared": 2}
    expected |= {"gold tool cannot be called": 1, "no task": 1}
    assert expected.items() <= found.drops.items()
    assert {(case.target, case.compare) for case in hermes_spec.cases} == {("args_json", "tool")}


def test_gold_passes_and_damage_is_caught(hermes_spec: Spec, damage: ModuleType) -> None:
    """Gold replies pass, each damaged one misses as it should, and every way is tried."""
    kinds = set()
    for case in hermes_spec.cases:
        assert judge(case, damage.gold_reply(case)).outcome is Outcome.PASS, case.id
        for one in damage.damages(case):
            assert (case.id, one.kind, judge(case, one.reply).miss) == (case.id, one.kind, one.miss)
            kinds.add(one.kind)
    expected = {"answered in words", "end token dropped", "cut at the limit", "brace dropped"}
    expected |= {"args no JSON", "call repeated", "call added", "tool renamed", "tool swapped"}
    expected |= {"argument added", "argument dropped", "argument renamed", "argument retyped"}
    assert kinds == expected | {"value changed"}


def lost(row: Any) -> list[str]:
    """What the case of a row leaves out."""
    return list(hermes.FORMAT.lost(Raw(Location("rows.jsonl", 1), row)))


def test_what_a_case_leaves_out() -> None:
    """Turns, reasoning, arguments that nothing requires, tools, columns: each is told."""
    reasoning = "the model's reasoning, and all that follows its first call"
    columns = ["`category` of the row", "`source` of the row"]
    assert lost(ROWS["json schema"]) == ["the system turn", reasoning, *columns]
    found = lost(ROWS["task in the second user turn"])
    assert found == ["the system turn", "earlier turns", reasoning, *columns]
    arguments = "the arguments of a call to a tool that requires none"
    assert lost(ROWS["nothing required"]) == ["the system turn", reasoning, arguments, *columns]
    found = lost(ROWS["a neighbour whose name is none"])
    assert "a tool whose name cannot be called" in found
    for row in ROWS.values():
        if isinstance(converted(row), dict):
            assert reasoning in lost(row)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12)
    | st.sampled_from(["human", "gpt", "get_tide", "str", "List[int]", "High water?",
                       '<tool_call>{"name": "get_tide", "arguments": {}}</tool_call>',
                       '<tool_call>{"name": 5, "arguments": [NaN]}</tool_call>',
                       '[{"name": "get_tide", "parameters": {"a": {"type": "int"}}}]', "[{}, 5]"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["from", "value", "name", "parameters", "type", "properties", "required", "description", "a"]),
        inner, max_size=5),
    max_leaves=20,
)  # fmt: skip
HOSTILE = (
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(["conversations", "tools", "task", "scenario_category"], VALUES)
    )
    | VALUES
)


@settings(max_examples=150, deadline=None)
@given(
    HOSTILE,
    st.sampled_from([*ROWS.values()]),
    st.sets(st.sampled_from(["conversations", "tools", "task"])),
)
def test_no_row_breaks_it(hostile: Any, sound: dict[str, Any], mixed: set[str]) -> None:
    """Whatever a row holds, alone or in a sound one: a node or a drop, never an exception."""
    assert isinstance(converted(hostile), dict | Drop)
    if isinstance(hostile, dict):
        assert isinstance(
            converted({**sound, **{key: hostile.get(key) for key in mixed}}), dict | Drop
        )
