"""The rows of Google's tuning guide → cases, and the guide's own score of replies."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cases import Case, Location, Miss, Outcome, Reply
from harness.functiongemma import render_prompt
from harness.judging import judge
from harness.loading import load_specs
from harness.sources import simple_tool_calling
from harness.sources.guide_score import disagreements, guide_score
from harness.sources.rows import Drop, Node, Raw

FOLDER = Path(__file__).parents[2] / "data"
DATA = FOLDER / "simple_tool_calling.jsonl"
ROWS = [json.loads(line) for line in DATA.read_text("utf-8").splitlines()]
REPLIES = [
    json.loads(line)
    for line in (FOLDER / "google_guide_replies.jsonl").read_text("utf-8").splitlines()
]
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


@pytest.fixture
def guide_cases(spec_of: Any) -> list[Case]:
    """The rows that the guide tests on."""
    return list(spec_of("simple_tool_calling", ROWS[20:]).cases)


@pytest.mark.parametrize(("when", "passed"), [("before", 2), ("after", 16)])
def test_the_guides_score_of_its_printed_replies(
    guide_cases: list[Case], when: str, passed: int
) -> None:
    """2 of 20 before its tuning and 16 after, reply by reply as it marks them."""
    scores = [
        guide_score(case, Reply(row[f"reply_{when}"]))
        for case, row in zip(guide_cases, REPLIES, strict=True)
    ]
    assert scores == [row[f"guide_verdict_{when}"].startswith("✅") for row in REPLIES]
    assert sum(scores) == passed


def test_on_the_printed_replies_both_say_the_same(guide_cases: list[Case]) -> None:
    """None of the 40 real replies is one that the guide's score gets wrong."""
    for when in ("before", "after"):
        replies = [Reply(row[f"reply_{when}"]) for row in REPLIES]
        verdicts = [judge(*pair) for pair in zip(guide_cases, replies, strict=True)]
        assert disagreements(verdicts) == []


CALL = "<start_function_call>call:search_google{query:<escape>%s<escape>}<end_function_call>"
KNOWLEDGE = "search_knowledge_base"


@pytest.mark.parametrize(
    ("reply", "guide", "miss"),
    [
        ("I cannot use search_google for that.<end_of_turn>", True, Miss.NO_CALL),
        (CALL.replace("{", " ", 1) % "x", True, Miss.MALFORMED_CALL),
        (CALL.replace("query", "q") % "x", True, Miss.INVALID_ARGUMENTS),
        (CALL % "x" + CALL % "y", True, Miss.EXTRA_CALL),
        ("call:search_google{query:x}", True, Miss.NO_CALL),
        (CALL % "x" + f" Not {KNOWLEDGE}.", False, None),
        (CALL % f"what is {KNOWLEDGE}", False, None),
    ],
)
def test_where_the_guides_score_is_wrong(
    guide_cases: list[Case], reply: str, guide: bool, miss: Miss | None
) -> None:
    """It passes what only names the tool, and fails a right call beside the other name."""
    case = guide_cases[1]
    verdict = judge(case, Reply(reply))
    assert guide_score(case, verdict.reply) is guide
    assert verdict.miss is miss
    (found,) = disagreements([verdict])
    said = f"passes it, as it names search_google: {miss}"
    if miss is None:
        said = "fails it for the names in it, and it is right"
    assert str(found) == f"{case.id}: the guide's score {said}"


@pytest.mark.parametrize(
    ("expect", "reply", "score"),
    [
        ("no_call", "No.", True),
        ("no_call", "Ask a.", False),
        ("any_call", "b", True),
        ("any_call", "No.", False),
        ("[a, b]", "b and a", True),
        ("[a, b]", "a", False),
        ("{one_of: [a, no_call]}", "No.", True),
        ("{one_of: [a, b]}", "a b", False),
    ],
)
def test_cases_that_the_guide_does_not_have(
    tmp_path: Path, expect: str, reply: str, score: bool
) -> None:
    """Names of all expected tools and of no other, whatever the expectation."""
    file = tmp_path / "s.spec.yaml"
    head = "tools: [{name: a}, {name: b}]\ncases:\n"
    file.write_text(f"{head}  - {{prompt: Hm?, expect: {expect}}}\n", encoding="utf-8")
    assert guide_score(load_specs([file])[0].cases[0], Reply(reply)) is score


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
