"""The rows of Google's tuning guide → cases."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cases import Location, Outcome
from harness.functiongemma import render_prompt
from harness.judging import judge
from harness.loading import load_specs
from harness.sources import simple_tool_calling
from harness.sources.rows import Drop, Node, Raw

DATA = Path(__file__).parents[2] / "data" / "simple_tool_calling.jsonl"
ROWS = [json.loads(line) for line in DATA.read_text("utf-8").splitlines()]
SHIPPED = Path(__file__).parents[3] / "specs" / "search_policy.spec.yaml"


def converted(row: Any) -> Node | Drop:
    """What becomes of a row."""
    return simple_tool_calling.FORMAT.convert(Raw(Location("rows.jsonl", 1), row))


def test_the_rows_are_the_cases_of_the_shipped_spec(spec_of: Any) -> None:
    """The 40 rows ask what the hand-written spec's first 40 cases ask, and expect the same."""
    shipped = load_specs([SHIPPED])[0].cases[:40]
    cases = spec_of("simple_tool_calling", DATA).cases
    assert len(cases) == 40
    for ours, theirs in zip(cases, shipped, strict=True):
        assert ours.written == theirs.written
        assert ours.compare == theirs.compare == "tool"
        rendered = (render_prompt(case.request.messages, case.tools) for case in (ours, theirs))
        assert len(set(rendered)) == 1


def test_a_table_says_the_same(spec_of: Any, tmp_path: Path) -> None:
    """CSV and JSON lines come to the same cases, ids included."""
    with (tmp_path / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(ROWS[0]))
        writer.writeheader()
        writer.writerows(ROWS)
    table = spec_of("simple_tool_calling", tmp_path / "rows.csv").cases
    lines = spec_of("simple_tool_calling", DATA).cases
    assert [(case.id, case.written) for case in table] == [(c.id, c.written) for c in lines]


def test_the_tools_of_a_spec_come_first(spec_of: Any) -> None:
    """The guide's two are only for a spec that declares none."""
    tools = [{"name": "look_up", "parameters": {"query": {"type": "string"}}}]
    row = {
        "user_content": "Anything?",
        "tool_name": "look_up",
        "tool_arguments": '{"query": "anything"}',
    }
    (case,) = spec_of("simple_tool_calling", [row], tools=tools).cases
    assert [tool.name for tool in case.tools] == ["look_up"]
    without = spec_of("simple_tool_calling", [row]).source
    assert without.drops == {"not a sound case": 1}


@pytest.mark.parametrize(
    ("change", "drop"),
    [
        ({"user_content": " "}, Drop("no user_content", "' '")),
        ({"user_content": None}, Drop("no user_content", "null")),
        ({"tool_name": ""}, Drop("no tool_name", "''")),
        ({"tool_name": ["search_google"]}, Drop("no tool_name", "['search_google']")),
        ({"tool_arguments": "[1]"}, Drop("tool_arguments are no JSON object", "[1]")),
        ({"tool_arguments": None}, Drop("tool_arguments are no JSON object", "null")),
    ],
)
def test_rows_that_make_no_case(change: dict[str, Any], drop: Drop) -> None:
    """Each of the three columns is needed."""
    assert converted({**ROWS[0], **change}) == drop


def test_arguments_that_are_no_json() -> None:
    """What is wrong with the text is told; a mapping in place of it is taken."""
    found = converted({**ROWS[0], "tool_arguments": "{query: x}"})
    assert isinstance(found, Drop)
    assert found.reason == "tool_arguments are no JSON object"
    assert found.detail.startswith("broken JSON: expecting property name")
    plain = {**ROWS[0], "tool_arguments": json.loads(ROWS[0]["tool_arguments"])}
    assert converted(plain) == converted(ROWS[0])


def test_what_a_case_leaves_out() -> None:
    """Columns of one's own are told."""
    row = {**ROWS[0], "note": "checked"}
    lost = simple_tool_calling.FORMAT.lost(Raw(Location("rows.jsonl", 1), row))
    assert lost == ["`note` of the row"]


def test_gold_passes_and_damage_is_caught(spec_of: Any, damage: ModuleType) -> None:
    """Gold replies pass, each damaged one misses as it should, and every way is tried."""
    kinds = set()
    for compare in ("tool", "arguments"):
        for case in spec_of("simple_tool_calling", DATA, compare=compare).cases[:10]:
            assert judge(case, damage.gold_reply(case)).outcome is Outcome.PASS, case.id
            for one in damage.damages(case):
                found = (case.id, one.kind, judge(case, one.reply).miss)
                assert found == (case.id, one.kind, one.miss)
                kinds.add(one.kind)
    expected = {"answered in words", "end token dropped", "cut at the limit", "brace dropped"}
    expected |= {"call repeated", "call added", "tool renamed", "tool swapped", "argument added"}
    expected |= {"argument dropped", "argument renamed", "argument retyped", "value changed"}
    assert kinds == expected


PARTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(PARTS, st.dictionaries(st.sampled_from(list(ROWS[0])), PARTS, max_size=3))
def test_no_row_breaks_it(part: Any, changes: dict[str, Any]) -> None:
    """Whatever a row holds, alone or in the columns of a sound one: a node or a drop."""
    assert isinstance(converted(part), dict | Drop)
    assert isinstance(converted({**ROWS[0], **changes}), dict | Drop)
