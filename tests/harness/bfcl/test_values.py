"""What BFCL accepts for one argument, and how a spec writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from harness.bfcl.rules import Finding, find_miss
from harness.bfcl.values import Acceptable, answers_from_bfcl, compile_answers
from harness.cases import NO_GOLD, Call, ExpectedCall, Tool
from harness.matchers import MatcherError


def miss(declared: Any, accepted: list[Any], value: Any) -> Finding | None:
    """The finding for one call `f(a=value)`; a declared list is an array of its one type."""
    array = isinstance(declared, list)
    one = {"type": "array", "items": {"type": declared[0]}} if array else {"type": declared}
    tool = Tool("f", "", {"type": "dict", "properties": {"a": one}, "required": []})
    expected = ExpectedCall("f", answers_from_bfcl({"a": accepted}))
    return find_miss([expected], [Call("f", {"a": value})], [tool])


@pytest.mark.parametrize(
    ("declared", "accepted", "value"),
    [
        ("string", ["April 1, 2024"], "april 1,2024"),
        ("string", ["it's"], 'IT"S'),
        ("string", ["", "x"], "-"),
        ("float", [5.0], 5),
        ("float", [5], 5.0),
        ("number", [5.0], 5),
        ("boolean", [1], True),
        ("integer", ["today"], "today"),
        ("string", ["", None], None),
        ("any", [[1, 2]], [1, 2]),
        ("tuple", [["a"]], ["A"]),
        (["string"], [["New York", "LA"]], ["new york", "L.A."]),
        (["integer"], ["", [1]], []),
        (["float"], [[1, 2]], [1, 2]),
        ("dict", [{"w": [20, 21], "u": ["", "cm"]}], {"w": 21}),
        ("dict", [{"w": [{"x": 1}]}], {"w": {"x": True}}),
        (["dict"], [[{"n": ["A"]}, {"n": ["B"]}]], [{"n": "a"}, {"n": "b"}]),
        ("object", [{"w": [20]}], {"w": 20.0}),
        (None, [{"w": [20]}], {"w": 20}),
        ([None], [[{"w": [20]}]], [{"w": 20}]),
        ("odd", ["x"], "X"),
    ],
)
def test_accepted(declared: Any, accepted: list[Any], value: Any) -> None:
    """Each of these values passes, as it does under BFCL's checker where that knows the type."""
    assert miss(declared, accepted, value) is None


@pytest.mark.parametrize(
    ("declared", "accepted", "value", "kind", "reason"),
    [
        ("integer", [5], 5.0, "invalid_arguments", "expected type integer, got 5.0"),
        ("integer", [1], True, "invalid_arguments", "expected type integer, got true"),
        ("string", ["5"], 5, "invalid_arguments", "expected type string, got 5"),
        ("boolean", [True], 1, "invalid_arguments", "expected type boolean, got 1"),
        (
            ["float"],
            [[1.5, 2.5]],
            [1, 2.5],
            "invalid_arguments",
            "type array of float, got [1, 2.5]",
        ),
        ("any", [1.5], 1, "invalid_arguments", "expected type any, got 1"),
        (None, [5], "5", "invalid_arguments", "expected the type of 5, got '5'"),
        ("string", ["Boston"], "Berlin", "wrong_arguments", "expected 'Boston', got 'Berlin'"),
        ("string", ["a", "", "b"], "c", "wrong_arguments", "expected 'a' or 'b', got 'c'"),
        ("string", [None], "c", "wrong_arguments", "expected null, got 'c'"),
        (["string"], [["a", "b"]], ["b", "a"], "wrong_arguments", "['a', 'b'], got ['b', 'a']"),
        ("dict", [{"w": [1]}], {"w": 1, "h": 2}, "wrong_arguments", "got {w: 1, h: 2}"),
        ("dict", [{"w": [1], "h": [2]}], {"w": 1}, "wrong_arguments", "got {w: 1}"),
        ("dict", [""], {}, "wrong_arguments", "expected no value, got {}"),
        (["dict"], [[{"n": [1]}]], [], "wrong_arguments", "expected [{n: [1]}], got []"),
        ("integer", [1, 2, 3, 4, 5, 6, 7], 8, "wrong_arguments", "or 5 or 2 more, got 8"),
    ],
)
def test_refused(declared: Any, accepted: list[Any], value: Any, kind: str, reason: str) -> None:
    """Each of these values fails, with a reason that says expected and got."""
    found = miss(declared, accepted, value)
    assert found is not None
    assert found.kind == kind
    assert found.reason.startswith("f: argument 'a': expected ")
    assert found.reason.endswith(reason)


def test_acceptable_judges_by_the_type_of_its_values() -> None:
    """Without a schema at hand a matcher takes the type from the values it accepts."""
    assert Acceptable(("Boston", "")).problem("BOSTON.") is None
    assert Acceptable((5.0,)).problem(5) is None
    assert Acceptable(({"w": [20]},)).problem({"w": 20}) is None
    assert Acceptable(("Boston",)).problem("Rome") == "expected 'Boston', got 'Rome'"
    assert Acceptable((5,)).problem("5") == "expected the type of 5, got '5'"
    assert Acceptable(("",)).problem("x") == "expected no value, got 'x'"
    assert not Acceptable(("Boston",)).absent


def test_written_answers() -> None:
    """Literals, `$one_of`, `$optional`, objects and lists of objects become BFCL's own form."""
    written = {
        "city": "Boston",
        "unit": {"$one_of": ["C", "F"], "$optional": True},
        "size": {"w": 20, "u": {"$one_of": ["cm"], "$optional": True}, "in": {"x": 1}},
        "items": [{"n": {"$one_of": ["A", "B"]}}, {"n": "C"}],
        "grid": [[{"x": 1}]],
        "must": {"$one_of": [None], "$optional": False},
    }
    assert compile_answers(written) == answers_from_bfcl(
        {
            "city": ["Boston"],
            "unit": ["C", "F", ""],
            "size": [{"w": [20], "u": ["cm", ""], "in": [{"x": 1}]}],
            "items": [[{"n": ["A", "B"]}, {"n": ["C"]}]],
            "grid": [[[{"x": 1}]]],
            "must": [None],
        }
    )


@pytest.mark.parametrize(
    ("written", "path", "what", "hint"),
    [
        (
            {"a": {"$contains": "x"}},
            ("a", "$contains"),
            "'$contains' cannot be used under `rules: bfcl`",
            "BFCL knows literals, $one_of and $optional",
        ),
        (
            {"a": {"w": {"$one_of": [1], "$gold": 1}}},
            ("a", "w", "$gold"),
            "'$gold' cannot be used under `rules: bfcl`",
            "BFCL knows literals, $one_of and $optional",
        ),
        (
            {"a": {"$optional": True}},
            ("a",),
            "`$one_of` is missing",
            "write `{$one_of: [VALUE], $optional: true}`",
        ),
        (
            {"a": {"$one_of": []}},
            ("a", "$one_of"),
            "found [], expected a list of at least one value",
            "write `{$one_of: [VALUE]}`",
        ),
        (
            {"a": {"$one_of": [1], "$optional": "yes"}},
            ("a", "$optional"),
            "found 'yes', expected `true` or `false`",
            "",
        ),
        (
            {"a": [1, {"$any": True}]},
            ("a", 1),
            "an operator cannot be used here under `rules: bfcl`",
            "write a literal value",
        ),
        (
            {"a": {"w": {"x": {"$one_of": [1]}}}},
            ("a", "w", "x"),
            "an operator cannot be used here under `rules: bfcl`",
            "write a literal value",
        ),
    ],
)
def test_operators_that_bfcl_does_not_know(
    written: Mapping[str, Any], path: tuple[str | int, ...], what: str, hint: str
) -> None:
    """Anything but literals, `$one_of` and `$optional` is refused, with the place of it."""
    with pytest.raises(MatcherError) as refused:
        compile_answers(written)
    error = refused.value
    assert (tuple(error.path), error.what, error.hint) == (path, what, hint)


def test_gold() -> None:
    """The gold is the first value that is not "", of a dict the first of each key."""
    golds = {
        name: (matcher.gold, matcher.optional)
        for name, matcher in answers_from_bfcl(
            {
                "plain": ["a", "b"],
                "optional": ["", 5],
                "size": [{"w": [20, 21], "u": ["", "cm"], "none": [""]}],
                "items": [[{"n": ["A", "B"]}, "x"]],
                "only": [""],
                "empty": [],
            }
        ).items()
    }
    assert golds == {
        "plain": ("a", False),
        "optional": (5, True),
        "size": ({"w": 20, "u": "cm"}, False),
        "items": ([{"n": "A"}, "x"], False),
        "only": (NO_GOLD, True),
        "empty": (NO_GOLD, False),
    }
