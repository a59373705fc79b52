"""`rules: bfcl` against the verdicts of BFCL's own checker, and its odd corners one by one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.bfcl.rules import Acceptable, Finding, answers_from_bfcl, find_miss, quirk
from harness.cases import Call, ExpectedCall, Tool

DATA = Path(__file__).parents[2] / "data" / "bfcl"

Judged = tuple[dict[str, Any], Finding | None]


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSON-lines file."""
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


@pytest.fixture(scope="module")
def judged() -> list[Judged]:
    """Each official verdict beside our own finding."""
    tools, answers = {}, {}
    for path in DATA.glob("possible_answer/BFCL_v4_*.json"):
        for row in rows(DATA / path.name):
            tools[row["id"]] = [
                Tool(one["name"], one["description"], one["parameters"]) for one in row["function"]
            ]
        for row in rows(path):
            answers[row["id"]] = [
                ExpectedCall(name, answers_from_bfcl(possible))
                for truth in row["ground_truth"]
                for name, possible in truth.items()
            ]
    return [
        (row, find_miss(answers[row["id"]], [Call(**c) for c in row["calls"]], tools[row["id"]]))
        for row in rows(DATA / "official_verdicts.jsonl")
    ]


def tool(name: str = "f", required: Sequence[str] = (), **types: Any) -> Tool:
    """A tool; a type is a name, or for an array a list of the elements' name."""
    properties = {
        key: {"type": "array", "items": {"type": one[0]}}
        if isinstance(one, list)
        else {"type": one}
        for key, one in types.items()
    }
    return Tool(name, "", {"type": "dict", "properties": properties, "required": list(required)})


def want(name: str = "f", /, **possible: list[Any]) -> ExpectedCall:
    """An expected call with BFCL's accepted values."""
    return ExpectedCall(name, answers_from_bfcl(possible))


def miss(declared: Any, accepted: list[Any], value: Any) -> Finding | None:
    """The finding for one call `f(a=value)`."""
    return find_miss([want(a=accepted)], [Call("f", {"a": value})], [tool(a=declared)])


# --- the official verdicts -----------------------------------------------------------------


def test_all_official_verdicts_are_reproduced(judged: list[Judged]) -> None:
    """Our verdict is BFCL's on every one of its 445 answers."""
    differ = [
        f"{row['id']} {row['mutation']}: BFCL {row['error'] or 'pass'}, we {found or 'pass'}"
        for row, found in judged
        if row["valid"] != (found is None)
    ]
    assert differ == []
    assert len(judged) == 445


KINDS = {
    "wrong_count": "tools",
    "wrong_func_name": "tools",
    "missing_required": "invalid_arguments",
    "unexpected_param": "invalid_arguments",
    "type_error": "invalid_arguments",
    "missing_optional": "wrong_arguments",
    "value_error": "wrong_arguments",
}
"""By a word of BFCL's error; the unexpected parameters of these answers are undeclared ones."""

GREEDY_KINDS = {
    "rename_tool": "tools",
    "extra_arg": "invalid_arguments",
    "stringify": "invalid_arguments",
    "int_float": "invalid_arguments",
    "drop_arg": "invalid_arguments",
    "wrong_value": "wrong_arguments",
}
"""By mutation, where BFCL says no more than that it found no match."""


def test_kinds_agree_with_the_official_errors(judged: list[Judged]) -> None:
    """The kind of a miss is the one that BFCL's error string, or the mutation, stands for."""
    for row, found in judged:
        if found is None:
            continue
        if "cannot_find_match" in row["error"]:
            kind = GREEDY_KINDS[row["mutation"]]
        else:
            kind = next(kind for word, kind in KINDS.items() if word in row["error"])
        assert found.kind == kind, row


# --- calls ---------------------------------------------------------------------------------


def test_arguments_left_out_and_added() -> None:
    """Required, undeclared, unexpected and not optional arguments each have their sentence."""
    declared = tool(required=["a"], a="integer", b="integer", c="integer")
    expected = [want(a=[1], b=[2, ""])]
    reasons = {
        '{"b": 2}': "f: argument 'a': required, the call leaves it out",
        '{"a": 1, "z": 3}': "f: argument 'z': not declared, got 3",
        '{"a": 1, "c": 3}': "f: argument 'c': not expected, got 3",
    }
    for arguments, reason in reasons.items():
        found = find_miss(expected, [Call("f", json.loads(arguments))], [declared])
        assert found is not None
        assert found.reason == reason
    assert find_miss(expected, [Call("f", {"a": 1})], [declared]) is None
    left_out = find_miss([want(a=[1], b=[2])], [Call("f", {"a": 1})], [declared])
    assert left_out == Finding(
        "wrong_arguments", "f: argument 'b': expected a value, the call leaves it out"
    )


def test_an_invalid_argument_is_reported_before_a_wrong_one() -> None:
    """The table of misses decides, not the order of the arguments or of the calls."""
    declared = [tool(a="integer", b="integer"), tool("g", a="integer")]
    two = find_miss([want(a=[1], b=[2])], [Call("f", {"a": 9, "b": "x"})], declared)
    assert two == Finding("invalid_arguments", "f: argument 'b': expected type integer, got 'x'")
    calls = [Call("f", {"a": 9}), Call("g", {"a": "x"})]
    later = find_miss([want(a=[1]), want("g", a=[1])], calls, declared)
    assert later == Finding("invalid_arguments", "g: argument 'a': expected type integer, got 'x'")


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ([], "expected f and g, got no call"),
        (["f"], "expected f and g, got f"),
        (["f", "f"], "expected f and g, got f and f"),
        (["f", "g", "g"], "expected f and g, got f and g and g"),
    ],
)
def test_other_tools(names: list[str], reason: str) -> None:
    """A difference of the tools called, as multisets, is of kind `tools`."""
    found = find_miss([want(), want("g")], [Call(name) for name in names], [tool(), tool("g")])
    assert found == Finding("tools", reason)


def test_calls_match_in_any_order() -> None:
    """Several calls pass whatever their order, each expected one with a call of its own."""
    expected = [want(a=[1]), want("g", a=[2]), want(a=[3])]
    declared = [tool(a="integer"), tool("g", a="integer")]
    calls = [Call("f", {"a": 3}), Call("f", {"a": 1}), Call("g", {"a": 2})]
    assert find_miss(expected, calls, declared) is None
    twice = [Call("f", {"a": 1}), Call("f", {"a": 1}), Call("g", {"a": 2})]
    assert find_miss(expected, twice, declared) == Finding(
        "wrong_arguments", "f: argument 'a': expected 3, got 1"
    )


def test_an_unmatched_call_says_why_of_each_candidate() -> None:
    """Of several candidates each one's reason is told, once; an invalid one decides the kind."""
    expected = [want(a=[1]), want(a=[2])]
    calls = [Call("f", {"a": 8}), Call("f", {"a": 9})]
    found = find_miss(expected, calls, [tool(a="integer")])
    reason = "f: none of 2 calls: argument 'a': expected 1, got 8; argument 'a': expected 1, got 9"
    assert found == Finding("wrong_arguments", reason)
    calls = [Call("f", {"a": 8}), Call("f", {"a": "x"})]
    found = find_miss(expected, calls, [tool(a="integer")])
    assert found is not None
    assert found.kind == "invalid_arguments"


def test_a_call_whose_values_are_not_judged() -> None:
    """A bare tool asks for its required arguments, its declared ones, and their types."""
    declared = tool(required=["a"], a=["float"], b="any")
    bare = [ExpectedCall("f")]
    assert find_miss(bare, [Call("f", {"a": [1, 2.5], "b": {}})], [declared]) is None
    reasons = {
        '{"b": 1}': "f: argument 'a': required, the call leaves it out",
        '{"a": [1, "x"]}': "f: argument 'a': expected type array of float, got [1, 'x']",
        '{"a": [], "z": 1}': "f: argument 'z': not declared, got 1",
    }
    for arguments, reason in reasons.items():
        found = find_miss(bare, [Call("f", json.loads(arguments))], [declared])
        assert found == Finding("invalid_arguments", reason)


# --- defects -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "accepted", "value", "sentence"),
    [
        ("string", ["10.5"], "105", "BFCL accepts '105' for '10.5' (argument 'a' of f)"),
        ("string", ["-5"], "5", "BFCL accepts '5' for '-5' (argument 'a' of f)"),
        ("string", ["x^2"], "x*2", "BFCL accepts 'x*2' for 'x^2' (argument 'a' of f)"),
        ("string", ["cm", ""], "", "BFCL accepts '' for 'cm' (argument 'a' of f)"),
        ("boolean", [1], True, "BFCL accepts true for 1 (argument 'a' of f)"),
        (["string"], [["1.2"]], ["12"], "BFCL accepts ['12'] for ['1.2'] (argument 'a' of f)"),
        (["integer"], ["", [1]], [], "BFCL accepts [] for [1] (argument 'a' of f)"),
        (
            "dict",
            [{"w": [{"x": 1}]}],
            {"w": {"x": True}},
            "BFCL accepts {w: {x: true}} for {w: [{x: 1}]} (argument 'a' of f)",
        ),
        ("string", ["April 1, 2024"], "april 1,2024", None),
        ("string", ["4x + 7"], "4X+7", None),
        ("string", ["2024-01-05"], "2024/01/05", None),
        ("float", [5.0], 5, None),
        (["dict"], [[{"n": ["A b"]}]], [{"n": "a B"}], None),
    ],
)
def test_a_pass_that_a_plain_comparison_denies(
    declared: Any, accepted: list[Any], value: Any, sentence: str | None
) -> None:
    """A pass by defect is told in a sentence; one by the loose strings alone is not."""
    assert miss(declared, accepted, value) is None
    call = Call("f", {"a": value})
    assert quirk([want(a=accepted)], [call], [tool(a=declared)]) == sentence


def test_greedy_matching_is_a_quirk_where_an_assignment_exists() -> None:
    """The first expected call takes the only call that fits the second, and BFCL fails both."""
    expected = [want(a=[1, 2]), want(a=[1])]
    calls = [Call("f", {"a": 1}), Call("f", {"a": 2})]
    assert find_miss(expected, calls, [tool(a="integer")]) == Finding(
        "wrong_arguments", "f: argument 'a': expected 1, got 2"
    )
    assert quirk(expected, calls, [tool(a="integer")]) == (
        "BFCL fails these calls as it matches them one after the other; all of them match"
    )


def test_a_pass_by_crossed_matching_is_no_quirk() -> None:
    """Where the calls fit plainly in another order than BFCL's, its verdict is right."""
    expected = [want(a=["10.5"]), want(a=["105"])]
    calls = [Call("f", {"a": "105"}), Call("f", {"a": "10.5"})]
    assert find_miss(expected, calls, [tool(a="string")]) is None
    assert quirk(expected, calls, [tool(a="string")]) is None


@pytest.mark.parametrize(
    ("declared", "accepted"),
    [
        ("string", [{"w": [20]}]),
        ("float", [2**53 + 1]),
        (["float"], [[1.5, 2]]),
        (["string"], [[{"w": [20]}]]),
        (["integer"], [[[{"w": [20]}], None]]),
    ],
)
def test_gold_that_does_not_pass(declared: Any, accepted: list[Any]) -> None:
    """BFCL's checker fails these answers' own gold, and so do we; the quirk says so."""
    expected = [want(a=accepted)]
    gold = Call("f", {"a": Acceptable(tuple(accepted)).gold})
    assert find_miss(expected, [gold], [tool(a=declared)]) is not None
    assert quirk(expected, [gold], [tool(a=declared)]) == "BFCL fails its own answer"


def test_an_honest_miss_is_no_quirk() -> None:
    """A wrong value, a number of another type, another tool, a lacking argument: no defects."""
    for value in (2, 1.0, "x"):
        assert quirk([want(a=[1])], [Call("f", {"a": value})], [tool(a="integer")]) is None
    assert quirk([want(a=[1])], [Call("g", {"a": 1})], [tool(a="integer")]) is None
    assert quirk([ExpectedCall("f")], [Call("f")], [tool(required=["a"], a="integer")]) is None


# --- properties ----------------------------------------------------------------------------

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)
TYPES = st.sampled_from(["string", "integer", "float", "boolean", "dict", "any", "odd", None])
DECLARED = TYPES | TYPES.map(lambda name: [name])


@settings(max_examples=150, deadline=None)
@given(DECLARED, st.lists(JSON | st.just(""), max_size=3), st.lists(JSON, max_size=2))
def test_any_arguments_get_a_verdict(declared: Any, accepted: list[Any], values: list[Any]) -> None:
    """No type, accepted values or arguments raise; `quirk` never contradicts the verdict."""
    calls = [Call("f", {"a": value}) for value in values]
    for wanted in (want(a=accepted), ExpectedCall("f")):
        expected = [wanted] * len(calls)
        found = find_miss(expected, calls, [tool(a=declared)])
        sentence = quirk(expected, calls, [tool(a=declared)]) or ""
        assert not sentence.startswith("BFCL fails" if found is None else "BFCL accepts")


def typed_values() -> st.SearchStrategy[tuple[Any, list[Any]]]:
    """A declared type and accepted values of that type, "" now and then among them."""
    filled = st.text(min_size=1, max_size=5)
    small = st.integers(-(2**40), 2**40)
    floats = st.floats(allow_nan=False, allow_infinity=False)
    fields = st.dictionaries(filled, st.lists(SCALARS, min_size=1, max_size=2), max_size=3)
    by_type: list[tuple[Any, st.SearchStrategy[Any]]] = [
        ("string", filled),
        ("integer", small),
        ("float", floats | small),
        ("boolean", st.booleans()),
        ("dict", fields),
        (["string"], st.lists(filled, max_size=3)),
        (["float"], st.lists(floats, max_size=3)),
        (["dict"], st.lists(fields, max_size=3)),
    ]
    pairs = [
        st.tuples(st.just(name), st.lists(values | st.just(""), min_size=1, max_size=3))
        for name, values in by_type
    ]
    return st.one_of(pairs).filter(lambda pair: any(value != "" for value in pair[1]))


@settings(max_examples=200, deadline=None)
@given(typed_values())
def test_gold_of_the_declared_type_passes(pair: tuple[Any, list[Any]]) -> None:
    """An answer of the declared types passes with its own gold, and that is no quirk."""
    declared, accepted = pair
    expected = [want(a=accepted)]
    calls = [Call("f", {"a": Acceptable(tuple(accepted)).gold})]
    assert find_miss(expected, calls, [tool(a=declared)]) is None
    assert quirk(expected, calls, [tool(a=declared)]) is None


def test_hostile_arguments_fail_quietly() -> None:
    """Deep, long and huge values are a miss with a short reason on one line."""
    deep: Any = "x"
    for _ in range(100):
        deep = [{"k": deep}]
    for value in (deep, "a\n\x1b[2J" * 200_000, 10**400, [0] * 100_000, {"\x00": deep}):
        for declared in ("string", "float", "dict", ["dict"], "odd"):
            found = miss(declared, ["Boston", ["a"], {"k": ["a"]}], value)
            assert found is not None
            assert len(found.reason) < 1000
            assert found.reason.isprintable()
    many = find_miss([want()], [Call("f\n")] * 5000, [tool()])
    assert many is not None
    assert len(many.reason) < 1000
    assert many.reason.isprintable()


def test_an_answer_as_deep_as_the_value_passes() -> None:
    """Equal values pass however deep, with no quirk."""
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    assert miss(["array"], [deep], deep) is None
    assert quirk([want(a=[deep])], [Call("f", {"a": deep})], [tool(a=["array"])]) is None
