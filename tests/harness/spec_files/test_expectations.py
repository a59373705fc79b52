"""Expectations: their forms, and what the tools say about them."""

from __future__ import annotations

from typing import Any

import pytest

from harness.cases import AnyCall, Calls, ExpectedCall, NoCall, OneOf, Tool
from harness.gold import gold_calls
from harness.matchers import compile_value
from harness.spec_files.expectations import Setting, read_expectation
from harness.spec_files.nodes import Path
from harness.spec_files.tool_lists import Toolbox

SEARCH = Tool(
    "search",
    parameters={
        "type": "object",
        "properties": {"query": {"type": "string"}, "limit": {"type": "integer", "default": 10}},
        "required": ["query"],
    },
)
CLOCK = Tool("clock")
OPEN = Tool("open", parameters={"type": "object", "additionalProperties": {"type": "integer"}})
NAMED = Tool("no_call", parameters={"type": "object", "patternProperties": {"^x": {}}})
BOX = Toolbox((SEARCH, CLOCK, OPEN, NAMED))


PLAIN = Setting(BOX)


def read(node: Any, setting: Setting = PLAIN) -> tuple[Any, list[tuple[Path, str, str]]]:
    """The expectation, and its problems as (path, what, hint)."""
    problems: list[tuple[Path, str, str]] = []

    def note(
        path: Path, what: str, hint: str = "", *, key: bool = False, unknown: bool = False
    ) -> None:
        problems.append((path, what, hint))

    return read_expectation(node, setting, note), problems


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("search", Calls((ExpectedCall("search"),))),
        ({"clock": {}}, Calls((ExpectedCall("clock", {}),))),
        (
            {"search": {"query": "a"}},
            Calls((ExpectedCall("search", {"query": compile_value("a")}),)),
        ),
        (["clock", "search"], Calls((ExpectedCall("clock"), ExpectedCall("search")))),
        ({"calls": ["clock"], "order": "strict"}, Calls((ExpectedCall("clock"),), ordered=True)),
        ({"calls": ["clock"], "order": "any"}, Calls((ExpectedCall("clock"),))),
        ({"calls": [{"no_call": {}}]}, Calls((ExpectedCall("no_call", {}),))),
        ("no_call", NoCall()),
        ({"no_call": True, "says": "hello"}, NoCall(compile_value("hello"))),
        ("any_call", AnyCall()),
        ({"one_of": ["clock", "no_call"]}, OneOf((Calls((ExpectedCall("clock"),)), NoCall()))),
    ],
)
def test_every_form_is_read(node: Any, expected: Any) -> None:
    """The forms of the table of expectations, reserved names under `calls:` among them."""
    assert read(node) == (expected, [])


def test_texts_fold_where_the_file_says_so() -> None:
    """`strings: fold` reaches the literals and `says`."""
    folding = Setting(BOX, fold=True)
    called, _ = read({"search": {"query": "Stock  Price"}}, folding)
    said, _ = read({"no_call": True, "says": "Hello There"}, folding)
    assert called.calls[0].arguments["query"].problem("stock price") is None
    assert said.says.problem("hello there") is None


def test_each_argument_has_its_own_problem() -> None:
    """All arguments are checked, each at its own place."""
    _, problems = read({"search": {"query": 5, "limit": "ten", "lmit": 1}})
    assert problems == [
        (("search", "lmit"), "search has no argument 'lmit'", "did you mean 'limit'?"),
        (("search", "query"), "expected a text, got 5", "put it in quotes"),
        (("search", "limit"), "expected an integer, got 'ten'", ""),
    ]


def test_undeclared_arguments_need_the_schemas_leave() -> None:
    """`additionalProperties` and `patternProperties` allow them, and say of which type."""
    assert read({"open": {"anything": 5}})[1] == []
    assert read({"open": {"anything": "five"}})[1] == [
        (("open",), "argument 'anything': expected an integer, got 'five'", "")
    ]
    assert read({"calls": [{"no_call": {"x1": 5}}]})[1] == []
    assert [what for _, what, _ in read({"calls": [{"no_call": {"y1": 5}}]})[1]] == [
        "no_call has no argument 'y1'"
    ]


def test_a_required_argument_is_expected() -> None:
    """An expectation that leaves it out, or wants it absent, could never pass."""
    assert read({"search": {}})[1] == [
        (
            ("search",),
            "the required argument 'query' is missing",
            "add it, or `query: {$any: true}` where its value does not matter",
        )
    ]
    assert [what for _, what, _ in read({"search": {"query": {"$absent": True}}})[1]] == [
        "'query' is required, so a call without it is never valid"
    ]
    assert read({"search": {"query": {"$any": True}}})[1] == []


def test_what_rows_of_data_sets_expect() -> None:
    """Unchecked, whole calls may break their schema; not ones with open values, or of no tool."""
    rows = Setting(BOX, checked=False)
    for node in ({"search": {}}, {"search": {"query": 5, "lmit": 1}}, {"clock": {"at": None}}):
        assert read(node, rows)[1] == []
        assert read(node)[1] != []
    for node in (
        {"search": {"limit": {"$any": True}}},
        {"serch": {}},
        {"search": {"query": {"$a": 1}}},
    ):
        assert read(node, rows)[1] == read(node)[1] != []


def test_bfcl_answers_are_not_held_against_the_schema() -> None:
    """Under `rules: bfcl` only the names of arguments are checked."""
    bfcl = Setting(BOX, rules="bfcl")
    assert read({"search": {"limit": "ten"}}, bfcl)[1] == []
    assert [what for _, what, _ in read({"open": {"anything": 5}}, bfcl)[1]] == [
        "open has no argument 'anything'"
    ]


@pytest.mark.parametrize(
    ("node", "gold"),
    [
        ("no_call", []),
        ("any_call", None),
        ("search", None),
        ("clock", [("clock", {})]),
        ("open", [("open", {})]),
        ({"search": {"query": "a"}}, [("search", {"query": "a"})]),
        ({"search": {"query": {"$contains": "a"}}}, None),
        ({"search": {"query": {"$contains": "a", "$gold": "a b"}}}, [("search", {"query": "a b"})]),
        ({"search": {"query": "a", "limit": {"$absent": True}}}, [("search", {"query": "a"})]),
        (
            {"search": {"query": "a", "limit": {"$optional": True, "$min": 1}}},
            [("search", {"query": "a"})],
        ),
        (["clock", {"search": {"query": "a"}}], [("clock", {}), ("search", {"query": "a"})]),
        (["clock", "search"], None),
        ({"one_of": [{"search": {"query": "a"}}, "no_call"]}, [("search", {"query": "a"})]),
        ({"one_of": ["no_call", "clock"]}, []),
    ],
)
def test_the_gold_is_the_first_alternative_written_out(node: Any, gold: Any) -> None:
    """Complete where every argument has a literal or a `$gold`; None where it is not."""
    expect, _ = read(node)
    calls = gold_calls(expect, BOX.tools)
    assert (None if calls is None else [(c.name, dict(c.arguments)) for c in calls]) == gold


def test_deep_alternatives_are_a_problem_not_a_crash() -> None:
    """`one_of` inside `one_of` has an end."""
    node: Any = "clock"
    for _ in range(1000):
        node = {"one_of": [node]}
    expect, problems = read(node)
    assert expect is None
    assert [what for _, what, _ in problems] == ["`one_of` inside one another more than 50 deep"]


def test_what_must_be_there_cannot_be_left_out() -> None:
    """`$optional` on a required argument is refused: a call without it would be invalid."""
    what = "'query' is required, so a call without it is never valid"
    for match in ({"$optional": True}, {"$optional": True, "$contains": "a"}):
        problem = (("search", "query", "$optional"), what, "leave $optional out")
        assert read({"search": {"query": match}}) == (None, [problem])
    assert read({"search": {"query": "a", "limit": {"$optional": True}}})[1] == []


@pytest.mark.parametrize("flag", ["$optional", "$absent"])
def test_a_reply_always_has_a_text(flag: str) -> None:
    """`says` takes neither `$optional` nor `$absent`."""
    expected = (
        ("says", flag),
        f"{flag} has no meaning here",
        "a reply always has a text, if an empty one",
    )
    assert read({"no_call": True, "says": {flag: True}}) == (None, [expected])
