"""Rows of google/mobile-actions → cases with the guide's strict score."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cases import Case, Location, Miss, Outcome, Reply
from harness.functiongemma import parse_reply, render_prompt
from harness.judging import judge
from harness.sources import mobile_actions
from harness.sources.rows import Drop, Node, Raw

DATA = Path(__file__).parents[2] / "data" / "mobile_actions.jsonl"
ROWS = [json.loads(line) for line in DATA.read_text("utf-8").splitlines()]
MAP = ROWS[3]


def converted(row: Any) -> Node | Drop:
    """What becomes of a row."""
    return mobile_actions.FORMAT.convert(Raw(Location("dataset.jsonl", 1), row))


def changed(*path: str | int, to: Any) -> Any:
    """The row about the map with another value at a path."""
    row = copy.deepcopy(MAP)
    inner = row
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = to
    return row


def test_a_row_as_a_case() -> None:
    """The developer turn with its date, the split, the tools in their order, the call."""
    node = converted(MAP)
    assert isinstance(node, dict)
    assert list(node) == ["id", "developer", "prompt", "tools", "expect", "split"]
    assert node["developer"] == MAP["messages"][0]["content"]
    assert node["prompt"] == "Where is the Ferry Inn in Whitby?"
    assert node["expect"] == {"show_map": {"query": "Ferry Inn, Whitby"}}
    assert node["split"] == "test"
    names = [tool["function"]["name"] for tool in MAP["tools"]]
    assert [tool["name"] for tool in node["tools"]] == names
    assert node["tools"][names.index("show_map")]["parameters"] == {
        "type": "object",
        "properties": {"query": {"type": "string", "description": "the place to look for"}},
        "required": ["query"],
    }


def test_the_prompt_is_the_one_of_the_guide(spec_of: Any) -> None:
    """Lower-case types render as the row's own upper-case ones do, for every row."""
    for case, row in zip(spec_of("mobile_actions", ROWS).cases, ROWS, strict=True):
        turns = [turn for turn in row["messages"] if turn["role"] != "assistant"]
        tools = [_Wrapped(tool) for tool in row["tools"]]
        assert render_prompt(case.request.messages, case.tools) == render_prompt(turns, tools)


class _Wrapped:
    """A tool as the row declares it."""

    def __init__(self, declared: Any) -> None:
        self.declared = declared

    def declaration(self) -> Any:
        """For the chat template."""
        return self.declared


def test_calls_text_and_arguments_in_a_text(spec_of: Any) -> None:
    """Several calls keep their order, an answer in words is no call, JSON texts are read."""
    nodes = [converted(row) for row in ROWS]
    assert [node["expect"] for node in nodes if isinstance(node, dict)][-4:] == [
        {
            "calls": [
                {
                    "create_contact": {
                        "first_name": "Grace",
                        "last_name": "Quayle",
                        "phone_number": "0161 4960000",
                    }
                },
                {
                    "send_email": {
                        "to": "grace@example.org",
                        "subject": "Berth",
                        "body": "Berth 14 is yours.",
                    }
                },
            ],
            "order": "strict",
        },
        {
            "calls": [{"turn_on_flashlight": {}}, {"show_map": {"query": "Port Ellen"}}],
            "order": "strict",
        },
        "no_call",
        {"show_map": {"query": "Oban"}},
    ]
    spec = spec_of("mobile_actions", ROWS)
    assert spec.source.drops == {}
    assert [case.split for case in spec.cases].count("train") == 3
    assert [case.reply for case in spec.cases if case.reply] == ["Which light do you mean?"]


@pytest.mark.parametrize(
    ("row", "drop"),
    [
        ("a text", Drop("no mapping", "'a text'")),
        ({}, Drop("other turns than developer, user, assistant", "[]")),
        (
            changed("messages", 1, "role", to="tool"),
            Drop(
                "other turns than developer, user, assistant", "['developer', 'tool', 'assistant']"
            ),
        ),
        (changed("messages", 1, "content", to=" "), Drop("an empty user turn")),
        (changed("tools", to=[]), Drop("no tools")),
        (changed("tools", 3, to="show_map"), Drop("a tool that cannot be declared", "'show_map'")),
        (changed("messages", 2, "tool_calls", to=None), Drop("neither calls nor text to expect")),
        (changed("messages", 2, "tool_calls", to="x"), Drop("a call that cannot be read", "'x'")),
        (changed("messages", 2, "tool_calls", to=[5]), Drop("a call that cannot be read", "5")),
    ],
)
def test_rows_that_make_no_case(row: Any, drop: Drop) -> None:
    """Each is dropped with the first reason there is."""
    assert converted(row) == drop


@pytest.mark.parametrize(
    "row",
    [
        changed(
            *("messages", 2, "tool_calls", 0, "function", "arguments"),
            to={"query": "Oban", "title": None},
        ),
        changed(
            *("tools", 3, "function", "parameters", "properties"),
            to={"query": {"type": "STRING"}, "title": None},
        ),
    ],
    ids=["in a call", "in a tool"],
)
def test_nulls_of_a_loader_are_told(row: Any) -> None:
    """A row that went through a loader of tables is no row of the data set any more."""
    advice = "read the data set's own dataset.jsonl: a loader of tables fills in nulls"
    assert converted(row) == Drop("nulls filled in", advice)


def test_what_a_case_leaves_out() -> None:
    """Nothing of the data set's own rows; words beside calls, and further columns, are told."""
    lost = mobile_actions.FORMAT.lost
    assert all(lost(Raw(Location("dataset.jsonl", 1), row)) == [] for row in ROWS)
    row = {**changed("messages", 2, "content", to="Here you are."), "note": 5}
    found = ["the text beside the expected calls", "`note` of the row"]
    assert lost(Raw(Location("dataset.jsonl", 1), row)) == found


def test_gold_passes_and_damage_is_caught(spec_of: Any, damage: ModuleType) -> None:
    """Gold replies pass, each damaged one misses as it should, and every way is tried."""
    kinds = set()
    for case in spec_of("mobile_actions", DATA).cases:
        assert judge(case, damage.gold_reply(case)).outcome is Outcome.PASS, case.id
        for one in damage.damages(case):
            assert (case.id, one.kind, judge(case, one.reply).miss) == (case.id, one.kind, one.miss)
            kinds.add(one.kind)
    expected = {"answered in words", "end token dropped", "cut at the limit", "brace dropped"}
    expected |= {"call repeated", "call added", "call dropped", "calls reordered", "tool renamed"}
    expected |= {"tool swapped", "argument added", "argument dropped", "argument renamed"}
    assert kinds == expected | {"argument retyped", "value changed", "call made", "call broken"}


def strict_score(row: Any, reply: str) -> bool:
    """The guide's: the same names in the same order, and the same arguments in it, as texts."""
    wanted = [call["function"] for call in row["messages"][2].get("tool_calls", [])]
    got = parse_reply(reply).calls
    names = [call.name for call in got] == [call["name"] for call in wanted]
    return names and [dict(call.arguments) for call in got] == [c["arguments"] for c in wanted]


def test_the_verdict_is_the_strict_score(spec_of: Any, damage: ModuleType) -> None:
    """On gold and on each damaged reply that parses: a pass here is a hit there."""
    rows = [row for row in ROWS if "id" not in row["messages"][2].get("tool_calls", [{}])[0]]
    cases: list[Case] = list(spec_of("mobile_actions", rows).cases)
    for case, row in zip(cases, rows, strict=True):
        replies: list[Reply] = [damage.gold_reply(case)]
        for one in damage.damages(case):
            if one.miss not in (Miss.MALFORMED_CALL, Miss.TRUNCATED):
                replies.append(one.reply)  # noqa: PERF401
        for reply in replies:
            passed = judge(case, reply).outcome is Outcome.PASS
            assert (passed, reply.text) == (strict_score(row, reply.text), reply.text)


PARTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=10)
    | st.sampled_from(["user", "assistant", "developer", "STRING", "OBJECT", "eval", "{}"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "tool_calls", "function", "name", "arguments", "type"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)
PLACES = [
    ("metadata",),
    ("tools",),
    ("messages",),
    ("tools", 3, "function"),
    ("tools", 3, "function", "name"),
    ("tools", 3, "function", "parameters"),
    ("tools", 3, "function", "parameters", "properties"),
    ("messages", 0, "content"),
    ("messages", 2),
    ("messages", 2, "tool_calls"),
    ("messages", 2, "tool_calls", 0, "function", "arguments"),
]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(PLACES), PARTS)
def test_no_row_breaks_it(place: tuple[str | int, ...], part: Any) -> None:
    """Whatever a row holds, alone or at any place of a sound one: a node or a drop."""
    assert isinstance(converted(part), dict | Drop)
    assert isinstance(converted(changed(*place, to=part)), dict | Drop)
