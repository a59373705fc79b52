"""`openai`: what a conversation of a fine-tuning file becomes, and what becomes no case."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cases import Location, Outcome, Spec
from harness.functiongemma import render_prompt
from harness.judging import judge
from harness.sources.openai import FORMAT
from harness.sources.rows import Drop, Raw

SpecOf = Callable[..., Spec]

WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "City"},
                "days": {"type": "integer", "description": "Days ahead"},
            },
            "required": ["city"],
        },
    },
}
TIME: dict[str, Any] = {"type": "function", "function": {"name": "get_time"}}


def called(name: str, arguments: Any, ident: str = "c1") -> dict[str, Any]:
    """A call as a fine-tuning file has it."""
    return {"id": ident, "type": "function", "function": {"name": name, "arguments": arguments}}


def user(content: Any) -> dict[str, Any]:
    """A user's turn."""
    return {"role": "user", "content": content}


def calling(*calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An assistant's turn with calls."""
    return {"role": "assistant", "content": None, "tool_calls": list(calls), **more}


PARIS = calling(called("get_weather", '{"city": "Paris", "days": 2}'))


def row(*turns: Any, **more: Any) -> dict[str, Any]:
    """A conversation in which the weather and the time can be asked for."""
    return {"messages": list(turns), "tools": [WEATHER, TIME], **more}


def converted(value: Any) -> Any:
    """The node of a row, or the words of its drop."""
    found = FORMAT.convert(Raw(Location("a.jsonl", 1), value))
    return str(found) if isinstance(found, Drop) else found


def test_a_call() -> None:
    """One question, one call: a prompt, the tools as a spec declares them, the arguments read."""
    node = converted(row({"role": "system", "content": "Be brief."}, user("Paris?"), PARIS))
    assert node == {
        "id": node["id"],
        "developer": "Be brief.",
        "prompt": "Paris?",
        "tools": [WEATHER["function"], {"name": "get_time"}],
        "expect": {"get_weather": {"city": "Paris", "days": 2}},
    }
    assert node["id"].startswith("paris-")


def test_parallel_calls() -> None:
    """Several calls of one turn are expected in any order."""
    calls = calling(called("get_weather", '{"city":"Rome"}'), called("get_time", "", "c2"))
    assert converted(row(user("Rome?"), calls))["expect"] == [
        {"get_weather": {"city": "Rome"}},
        {"get_time": {}},
    ]


def test_an_answer_in_words() -> None:
    """A text is `no_call` with the text to train on; so is a refusal."""
    node = converted(row(user("Hi"), {"role": "assistant", "content": "Hello!"}))
    assert (node["expect"], node["reply"]) == ("no_call", "Hello!")
    refusing = {"role": "assistant", "content": None, "refusal": "I cannot."}
    node = converted(row(user("Hi"), refusing))
    assert (node["expect"], node["reply"]) == ("no_call", "I cannot.")


def test_a_conversation_with_results() -> None:
    """Earlier calls and their results are turns; a result gets its tool's name from its call."""
    result = {"role": "tool", "tool_call_id": "c1", "content": '{"sky": "clear"}'}
    answer = {"role": "assistant", "content": "Clear."}
    assert converted(row(user("Paris?"), PARIS, result, answer))["messages"] == [
        user("Paris?"),
        {
            "role": "assistant",
            "tool_calls": [{"name": "get_weather", "arguments": {"city": "Paris", "days": 2}}],
        },
        {"role": "tool", "name": "get_weather", "content": '{"sky": "clear"}'},
    ]


def result(ident: str, content: str) -> dict[str, Any]:
    """A tool's turn as a fine-tuning file has it."""
    return {"role": "tool", "tool_call_id": ident, "content": content}


def names_of_results(*turns: Any) -> list[str]:
    """The tools that the results of a conversation are said to be of."""
    return [turn["name"] for turn in converted(row(*turns))["messages"] if turn["role"] == "tool"]


ANSWER = {"role": "assistant", "content": "Done."}
BOTH = calling(called("get_weather", "{}", "a"), called("get_time", "{}", "b"))


def test_results_in_another_order_than_their_calls() -> None:
    """The id alone says whose result it is; a name that is there anyway comes before it."""
    turns = (user("Both?"), BOTH, result("b", "nine"), result("a", "clear"), ANSWER)
    assert names_of_results(*turns) == ["get_time", "get_weather"]
    named = {**result("zzz", "nine"), "name": "get_time"}
    assert names_of_results(user("Time?"), BOTH, named, ANSWER) == ["get_time"]


def test_an_id_that_comes_again_is_that_of_the_latest_call() -> None:
    """Files number the calls of each turn anew: a result never takes the name of a later call."""
    first, then = calling(called("get_weather", "{}")), calling(called("get_time", "{}"))
    turns = (user("Both?"), first, result("c1", "clear"), then)
    assert names_of_results(*turns) == ["get_weather"]
    assert names_of_results(*turns, result("c1", "nine"), ANSWER) == ["get_weather", "get_time"]


def test_a_result_before_its_call_is_of_no_call() -> None:
    """The row is dropped, with the place of the turn in the row, its developer's turn counted."""
    brief = {"role": "system", "content": "Be brief."}
    turns = (brief, user("Both?"), result("a", "clear"), BOTH, result("b", "nine"), ANSWER)
    assert converted(row(*turns)) == "a result of no call: messages[2]"


def test_results_are_shown_under_the_names_of_their_tools(spec_of: SpecOf) -> None:
    """From ids in a file to the bytes that FunctionGemma is shown."""
    turns = (user("Both?"), BOTH, result("b", "nine"), result("a", '{"sky": "clear"}'), ANSWER)
    (case,) = spec_of("openai", [row(*turns)]).cases
    assert render_prompt(case.request.messages, case.tools).endswith(
        "<start_of_turn>model\n<start_function_call>call:get_weather{}<end_function_call>"
        "<start_function_call>call:get_time{}<end_function_call>"
        "<start_function_response>response:get_time{value:<escape>nine<escape>}"
        "<end_function_response><start_function_response>response:get_weather{value:<escape>"
        '{"sky": "clear"}<escape>}<end_function_response>'
    )


def test_the_last_turn_of_the_assistant_is_the_gold_one() -> None:
    """What follows it is left out; a turn of weight 0 is not trained on, and not judged."""
    assert converted(row(user("Paris?"), PARIS, user("Thanks")))["prompt"] == "Paris?"
    silent = {"role": "assistant", "content": "…", "weight": 0}
    assert converted(row(user("Paris?"), PARIS, user("Thanks"), silent))["prompt"] == "Paris?"


def test_content_in_parts() -> None:
    """The text parts of a turn are one text."""
    parts = [{"type": "text", "text": "Par"}, {"type": "text", "text": "is?"}]
    assert converted(row(user(parts), PARIS))["prompt"] == "Paris?"


def test_small_differences_of_files() -> None:
    """Calls and tools without a wrapper, arguments as a mapping, parameters without `type`."""
    bare = {"name": "f", "parameters": {"properties": {"a": {"type": "string"}}}}
    call = {"role": "assistant", "tool_calls": [{"name": "f", "arguments": {"a": "b"}}]}
    node = converted({"messages": [user("Go"), call], "tools": [bare], "id": "row 7"})
    assert node["id"] == "row-7"
    assert node["expect"] == {"f": {"a": "b"}}
    assert node["tools"][0]["parameters"]["type"] == "object"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "no conversation: expected a mapping with a list of `messages`"),
        ({"messages": "Hi"}, "no conversation: expected a mapping with a list of `messages`"),
        (row(), "no turn of the assistant: there is nothing to expect"),
        (row(user("Hi")), "no turn of the assistant: there is nothing to expect"),
        (row("Hi"), "a turn that is no mapping: messages[0]"),
        (row({"role": "boss"}), "an unknown role: messages[0]: 'boss'"),
        (
            {"messages": [], "functions": [{}]},
            "functions in place of tools: `functions` is the old form: write `tools` and "
            "`tool_calls`",
        ),
        (
            row(user("Hi"), {"role": "assistant", "function_call": {"name": "f"}}),
            "functions in place of tools: messages[1]: write `tool_calls`, and the results as "
            "`tool` turns",
        ),
        (
            row(user([{"type": "image_url"}]), PARIS),
            "content that is no text: messages[0]: a part 'image_url'",
        ),
        (row(user(7), PARIS), "content that is no text: messages[0]"),
        (row(user("Hi"), {"role": "assistant"}), "an empty answer: messages[1]"),
        (
            row(user("Hi"), calling({"function": {}})),
            "a broken call: messages[1]: a call without a name",
        ),
        (
            row(user("Hi"), calling(called("get_time", "{broken"))),
            "broken arguments: messages[1], get_time: broken JSON: expecting property name "
            "enclosed in double quotes at character 2",
        ),
        (
            row(user("Hi"), calling(called("get_time", "[1]"))),
            "broken arguments: messages[1], get_time: no mapping",
        ),
        (
            row(user("Hi"), {"role": "tool", "tool_call_id": "x", "content": ""}, PARIS),
            "a result of no call: messages[1]",
        ),
        ({**row(user("Hi"), PARIS), "tools": "f"}, "broken tools: `tools` is no list"),
        (
            {**row(user("Hi"), PARIS), "tools": [{"type": "web_search"}]},
            "a tool that is no function",
        ),
    ],
)  # fmt: skip
def test_rows_that_become_no_case(value: Any, said: str) -> None:
    """Each is a drop whose reason is counted, with the place in the row."""
    assert converted(value) == said


def test_what_is_lost_is_said() -> None:
    """Fields and texts that a case does not hold are named, each once a row."""
    value = row(
        {**user("Paris?"), "name": "ann", "mood": "good"},
        calling(called("get_time", "{}"), content="Let me see.", weight=1),
        user("Thanks"),
        parallel_tool_calls=False,
    )
    value["tools"] = [{"type": "function", "function": {"name": "get_time", "strict": True}}]
    assert FORMAT.lost(Raw(Location("a.jsonl", 1), value)) == [
        "`parallel_tool_calls` of the row",
        "`mood` of a turn",
        "`weight`: only the last turn of the assistant that has one is trained on",
        "`name` of a speaker",
        "the text beside the expected calls",
        "the turns after the assistant's last",
        "`strict` of a tool",
    ]
    assert FORMAT.lost(Raw(Location("a.jsonl", 1), row(user("Paris?"), PARIS))) == []


@pytest.mark.parametrize("content", [[{"type": "output_text", "text": "calling"}], 5, {"a": 1}])
def test_content_beside_calls_that_is_no_text_is_lost_too(content: Any) -> None:
    """It is never read, so it takes neither its own row nor the others along."""
    odd = row(user("Rome?"), {**PARIS, "content": content})
    assert "the text beside the expected calls" in FORMAT.lost(Raw(Location("a.jsonl", 1), odd))


ROWS = [
    row(user("Paris?"), PARIS),
    row(user("Rome, and the time?"), calling(called("get_weather", '{"city":"Rome"}'),
                                             called("get_time", "{}", "c2"))),
    row(user("Hi"), {"role": "assistant", "content": "Hello!"}),
    row(user("Paris?"), PARIS, {"role": "tool", "tool_call_id": "c1", "content": "clear"},
        user("And in Oslo?"), calling(called("get_weather", {"city": "Oslo", "days": 1}))),
]  # fmt: skip


def test_gold_replies_pass_and_damage_gives_the_right_miss(
    spec_of: SpecOf, damage: ModuleType
) -> None:
    """Gold answers written as calls pass; each of more than ten kinds of damage is caught."""
    kinds = set()
    for case in spec_of("openai", ROWS).cases:
        assert judge(case, damage.gold_reply(case)).outcome is Outcome.PASS
        for broken in damage.damages(case):
            kinds.add(broken.kind)
            verdict = judge(case, broken.reply)
            assert verdict.miss == broken.miss, (case.id, broken.kind, verdict.reason)
    assert len(kinds) >= 10


def _anything() -> st.SearchStrategy[Any]:
    words = st.sampled_from(
        ["messages", "role", "user", "assistant", "system", "tool", "content", "tool_calls", "id",
         "function", "name", "arguments", "{}", "tools", "type", "text", "parameters", "weight"]
    )  # fmt: skip
    leaf = st.none() | st.booleans() | st.integers(-2, 2) | st.text(max_size=6) | words
    return st.recursive(
        leaf, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=5),
        max_leaves=25,
    )  # fmt: skip


@given(_anything(), st.lists(_anything(), max_size=4))
@settings(max_examples=200, deadline=None)
def test_any_row_is_a_node_or_a_drop(value: Any, turns: list[Any]) -> None:
    """No row raises, and what it loses can be said of every node."""
    for one in (value, {"messages": turns, "tools": value}):
        raw = Raw(Location("a.jsonl", 1), one)
        found = FORMAT.convert(raw)
        assert isinstance(found, Drop | dict)
        if isinstance(found, dict):
            json.dumps(found)
            FORMAT.lost(raw)
