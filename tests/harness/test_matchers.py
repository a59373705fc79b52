"""The operators: what a spec may say about a value."""

# ruff: noqa: E501 - tables of cases read best with one case to a line

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from harness.cases import NO_GOLD
from harness.json_values import cut, equal, shown
from harness.matchers import (
    _BUILD,
    MAX_DEPTH,
    OPERATORS,
    MatcherError,
    RegexTimeout,
    compile_arguments,
    compile_value,
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["Apple  Stock", "apple stock", "C++", "a\x1b[2J", 10**400, 1e308, 0.1])
)
KEYS = st.text(max_size=6).filter(lambda key: not key.startswith("$"))
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)
EXAMPLES = [(name, value) for name, operator in OPERATORS.items() for value in operator.matches]
COUNTEREXAMPLES = [
    (name, value) for name, operator in OPERATORS.items() for value in operator.misses
]


# Literals.


@given(JSON)
@settings(max_examples=300)
def test_a_literal_equals_itself(value):
    """Every JSON value without `$` keys is a matcher for itself, and its own gold."""
    for fold in (False, True):
        matcher = compile_value(value, fold=fold)
        assert matcher.problem(value) is None
        assert equal(matcher.gold, value)
        assert (matcher.optional, matcher.absent) == (False, False)


@given(JSON, JSON)
@settings(max_examples=300)
def test_a_literal_decides_as_equal_does_and_not_inverts_it(left, right):
    """A literal, `$equals`, `$one_of` and `$not` agree on whether two values are the same."""
    same = equal(left, right)
    assert (compile_value(left).problem(right) is None) is same
    assert (compile_value({"$equals": left}).problem(right) is None) is same
    assert (compile_value({"$one_of": [left]}).problem(right) is None) is same
    assert (compile_value({"$not": left}).problem(right) is None) is not same
    assert (compile_value({"$not": {"$not": left}}).problem(right) is None) is same


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (5, 5.0, True),
        (0, -0.0, True),
        (2**53 + 1, float(2**53), False),
        (10**400, float("inf"), False),
        (True, 1, False),
        (False, 0, False),
        (0.0, False, False),
        (True, True, True),
        (None, False, False),
        (None, "", False),
        ("5", 5, False),
        ("é", "e\u0301", False),
        ([], {}, False),
        ([], "", False),
        ([1, 2], [2, 1], False),
        ({"a": 1, "b": 2}, {"b": 2.0, "a": 1.0}, True),
        ({"a": None}, {}, False),
        ([[True]], [[1]], False),
    ],
)
def test_types_are_kept_apart_and_numbers_go_by_value(left, right, same):
    """`true` is not `1`, `5` is `5.0`, exactly, and an absent member is not null."""
    assert equal(left, right) is same
    assert (compile_value(left).problem(right) is None) is same
    assert (compile_value(right).problem(left) is None) is same


@given(st.booleans(), st.integers() | st.floats())
def test_a_boolean_is_never_a_number(flag, number):
    """No number equals a boolean, and no operator on numbers takes one."""
    assert not equal(flag, number)
    for match in ({"$min": -1}, {"$max": 2}, {"$approx": [0, 5]}):
        assert compile_value(match).problem(flag) is not None


def test_fold_ignores_case_and_runs_of_white_space_in_literal_texts():
    """Folding reaches literals everywhere, and neither keys nor other types."""
    match = {"$one_of": [{"City": ["New  York", 5]}]}
    folding, exact = compile_value(match, fold=True), compile_value(match)
    assert folding.problem({"City": [" new york\n", 5]}) is None
    assert folding.problem({"city": ["new york", 5]}) is not None
    assert folding.problem({"City": ["newyork", 5]}) is not None
    assert folding.problem({"City": ["new york", "5"]}) is not None
    assert exact.problem({"City": ["new york", 5]}) is not None
    assert compile_value("STRASSE", fold=True).problem("straße") is None
    assert (
        compile_value({"$not": "a"}, fold=True).problem("A") == "expected anything but 'a', got 'A'"
    )
    assert folding.gold == {"City": ["New  York", 5]}


@pytest.mark.parametrize(
    ("node", "value", "phrase"),
    [
        ("Paris", "Rome", "expected 'Paris', got 'Rome'"),
        (5, "5", "expected 5, got '5'"),
        (True, 1, "expected true, got 1"),
        (None, float("nan"), "expected null, got NaN"),
        ([], 5, "expected [], got 5"),
        ({}, [], "expected {}, got []"),
        ({}, {"a": 1}, "at .a: expected nothing, got 1"),
        ([1, 2], [1], "expected 2 items: [1, 2], got 1: [1]"),
        ([1], [], "expected 1 item: [1], got 0: []"),
        ([{"city": "Rome"}, {"city": "Paris"}], [{"city": "Rome"}, {"city": "Oslo"}], "at [1].city: expected 'Paris', got 'Oslo'"),
        ({"a b": {"c": 1}}, {"a b": {}}, "at ['a b'].c: expected 1, got nothing"),
        ({"a": {"$contains": "x"}}, "y", "expected {a: a text containing 'x'}, got 'y'"),
        ({"a": 1, "b": {"$optional": True}}, {"a": 1, "c": 2}, "at .c: expected nothing, got 2"),
        ({"$contains": ["apple", "stock", "price"]}, "AAPL", "expected a text containing 'apple', 'stock' and 'price', got 'AAPL'"),
        ({"$contains_any": ["a", "b"]}, 5, "expected a text containing 'a' or 'b', got 5"),
        ({"$one_of": [1, {"$regex": "^x"}]}, "y", "expected 1 or a text in which the pattern '^x' is found, got 'y'"),
        ({"$not": {"$one_of": [1, 2]}}, 2, "expected anything but 1 or 2, got 2"),
        ({"$min": 1, "$max": 3}, 0, "expected a number of at least 1, got 0"),
        ({"$min": 1, "$max": 3}, 4, "expected a number of at most 3, got 4"),
        ({"$not": {"$min": 1, "$max": 3}}, 2, "expected anything but a number of at least 1 and a number of at most 3, got 2"),
        ({"$approx": [3.14, 0.01]}, 3, "expected a number within 0.01 of 3.14, got 3"),
        ({"$length": 2}, "abc", "expected a list or text of length 2, got 'abc' of length 3"),
        ({"$length": {"$min": 2}}, [], "expected a list or text of length 2 or more, got [] of length 0"),
        ({"$length": {"$max": 2}}, {}, "expected a list or text of length 0 to 2, got {}"),
        ({"$schema": {"items": {"type": "integer"}}}, ["x"], "at [0]: expected an integer, got 'x'"),
        ({"$not": {"$schema": {"type": "null"}}}, None, "expected anything but a value valid against {type: 'null'}, got null"),
        ({"$cer": ["abcd", 0.25]}, "abxx", "expected a text within a character error rate of 0.25 of 'abcd', got 'abxx' (rate 0.500)"),
        ({"$optional": True, "$min": 1}, 0, "expected a number of at least 1, got 0"),
        ({"$absent": True}, None, "expected nothing, got null"),
        ("a", "x" * 300, f"expected 'a', got '{'x' * 97} … {'x' * 97}'"),
        ("a", "\x1b[2J\u202e", "expected 'a', got \"\\u001b[2J\\u202e\""),
    ],
)  # fmt: skip
def test_a_mismatch_is_one_phrase(node, value, phrase):
    """A problem says where, what was expected and what was found, whole."""
    assert compile_value(node).problem(value) == phrase


# Operators.


@pytest.mark.parametrize(("name", "value"), EXAMPLES)
def test_the_documented_matches_match(name, value):
    """Every value that the table of operators calls a match is one."""
    assert compile_value(OPERATORS[name].example).problem(value) is None


@pytest.mark.parametrize(("name", "value"), COUNTEREXAMPLES)
def test_the_documented_misses_miss(name, value):
    """Every value that the table of operators calls a miss is one."""
    phrase = compile_value(OPERATORS[name].example).problem(value)
    assert phrase is not None
    assert phrase.startswith(("expected ", "at "))


@pytest.mark.parametrize("name", OPERATORS)
def test_the_table_of_operators_is_whole(name):
    """Each operator has an example with it, values for it, and a JSON Schema that takes it."""
    operator = OPERATORS[name]
    assert name in operator.example
    assert operator.matches or operator.misses
    schema = {**operator.operand, "$defs": {"value": {}}}
    Draft202012Validator.check_schema(schema)
    assert Draft202012Validator(schema).is_valid(operator.example[name])
    assert (name in _BUILD) is (name != "$gold")


@given(JSON)
@settings(max_examples=300, deadline=None)
def test_every_operator_has_an_answer_for_every_value(value):
    """Whatever the model writes, each operator answers None or a phrase that fits a terminal."""
    for name, operator in OPERATORS.items():
        if name == "$cer" and not isinstance(value, str):
            continue
        phrase = compile_value(operator.example).problem(value)
        assert phrase is None or (phrase.isprintable() and len(phrase) < 700)


@pytest.mark.parametrize(
    ("phrase", "text", "held"),
    [
        ("apple", "Apples", False),
        ("apple", "an APPLE.", True),
        ("apple", "pineapple apple", True),
        ("stock price", "Stock\n  Price", True),
        ("stock price", "price stock", False),
        ("C++", "c++", True),
        ("C++", "a C++17 compiler", True),
        ("C++", "abc++", False),
        (".NET", "(.net)", True),
        ("%", "5%", True),
        ("C", "C++", True),
        ("straße", "STRASSE 5", True),
        ("é", "e\u0301", True),
        ("cafe", "cafe\u0301", False),
        ("北京", "我在北京工作", True),
        ("東京", "東京タワー", True),
        ("цена", "Цена акций", True),
        ("цена", "ценам", False),
        ("कि", "किताब", False),
        ("5", "15", False),
        ("my_id", "my_id_2", False),
        ("a", "", False),
        ("aa", "aaa aa", True),
    ],
)
def test_words_are_found_at_their_boundaries(phrase, text, held):
    """A phrase is found where it cuts no word, ignoring case, in any script."""
    assert (compile_value({"$contains": phrase}).problem(text) is None) is held
    assert (compile_value({"$contains_any": ["zzz", phrase]}).problem(text) is None) is held
    assert compile_value({"$contains": ["zzz", phrase]}).problem(text) is not None


@pytest.mark.parametrize(
    ("match", "value", "holds"),
    [
        ({"$approx": [1.0, 0.1]}, 1.1, True),
        ({"$approx": [0.3, 0.1]}, 0.2, True),
        ({"$approx": [5, 0]}, 5.0, True),
        ({"$approx": [10**400, 1]}, 10**400 + 1, True),
        ({"$approx": [0, 1e308]}, float("inf"), False),
        ({"$min": 2**53}, 2**53 + 1, True),
        ({"$max": float(2**53)}, 2**53 + 1, False),
        ({"$min": 0}, float("nan"), False),
        ({"$max": 0}, float("-inf"), True),
        ({"$length": 0}, "", True),
        ({"$length": 2}, "é漢", True),
        ({"$cer": ["", 0]}, "", True),
        ({"$cer": ["", 0]}, "a", False),
        ({"$cer": ["abc", 1]}, "", True),
        ({"$cer": ["abc", 0.5]}, "", False),
        ({"$cer": ["abc", 0.5]}, "x" * 1_000_000, False),
        ({"$regex": "^b$"}, "a\nb", False),
        ({"$regex": "(?m)^b$"}, "a\nb", True),
        ({"$not": {"$schema": {"type": "integer"}}}, 5.0, False),
        ({"$equals": {"$ref": [{"$min": 1}]}}, {"$ref": [{"$min": 1}]}, True),
        ({"$equals": {"$ref": [{"$min": 1}]}}, {"$ref": [2]}, False),
    ],
)
def test_the_edges_of_operators(match, value, holds):
    """Bounds are inclusive and exact, decimals are those people write, empty texts have a rate."""
    assert (compile_value(match).problem(value) is None) is holds


def test_a_pattern_that_runs_away_raises():
    """`$regex` on a hostile text is RegexTimeout, not a hang."""
    with pytest.raises(RegexTimeout, match="runs away"):
        compile_value({"$regex": "a.*a.*a.*a.*c"}).problem("a" * 20_000)


# Gold.


@pytest.mark.parametrize(
    ("node", "gold"),
    [
        ({"$contains": "stock", "$gold": "AAPL stock"}, "AAPL stock"),
        ({"$contains": "stock"}, NO_GOLD),
        ({"$contains": "apple", "$gold": "AAPL stock price"}, "AAPL stock price"),
        ({"$any": True, "$gold": None}, None),
        ({"$optional": True, "$gold": 5}, 5),
        ({"$equals": {"$a": 1}}, {"$a": 1}),
        ({"$one_of": ["b", "a"]}, "b"),
        ({"$one_of": [{"$min": 1}, 1]}, NO_GOLD),
        ({"$one_of": [{"$min": 1, "$gold": 2}, 1]}, 2),
        ({"$one_of": ["a", "b"], "$not": "a"}, NO_GOLD),
        ({"$one_of": ["a", "b"], "$gold": "b"}, "b"),
        ({"$not": "a"}, NO_GOLD),
        ([1, {"$any": True, "$gold": 2}], [1, 2]),
        ([1, {"$any": True}], NO_GOLD),
        ({"a": 1, "b": {"$min": 0}}, NO_GOLD),
        ({"a": 1, "b": {"$optional": True}, "c": {"$absent": True}}, {"a": 1}),
        ({"a": 1, "b": {"$optional": True, "$gold": 2}}, {"a": 1, "b": 2}),
    ],
)
def test_the_gold_is_the_first_complete_alternative(node, gold):
    """Literals and `$gold` make the gold; one part without makes it NO_GOLD."""
    matcher = compile_value(node)
    assert matcher.gold is gold if gold is NO_GOLD else matcher.gold == gold


def test_a_gold_that_nobody_wrote_meets_every_operator():
    """The first option is the gold only where the operators beside it let it pass."""
    matcher = compile_value({"$one_of": ["ab", "b"], "$regex": "^a"})
    assert (matcher.gold, matcher.problem(matcher.gold)) == ("ab", None)
    assert compile_value({"$one_of": ["b", "ab"], "$regex": "^a"}).gold is NO_GOLD


def test_optional_and_absent_are_told():
    """The flags of arguments are there for the judge; members of objects heed them."""
    arguments = compile_arguments(
        {"a": 1, "b": {"$optional": True, "$min": 1}, "c": {"$absent": True}}
    )
    assert {name: (m.optional, m.absent) for name, m in arguments.items()} == {
        "a": (False, False),
        "b": (True, False),
        "c": (False, True),
    }
    nested = compile_value({"a": 1, "b": {"$optional": True, "$min": 1}, "c": {"$absent": True}})
    assert nested.problem({"a": 1}) is None
    assert nested.problem({"a": 1, "b": 2}) is None
    assert nested.problem({"a": 1, "b": 0}) == "at .b: expected a number of at least 1, got 0"
    assert nested.problem({"a": 1, "c": None}) == "at .c: expected nothing, got null"


# Errors.

LITERAL = "a literal with such keys is written `$equals: {…}`"
MEMBERS = "they are for arguments and the members of objects"


@pytest.mark.parametrize(
    ("node", "path", "what", "hint"),
    [
        ({"$contians": "x"}, ("$contians",), "unknown operator '$contians'", f"did you mean '$contains'? A{LITERAL[1:]}"),
        ({"a": [{"$ref": "x"}]}, ("a", 0, "$ref"), "unknown operator '$ref'", LITERAL),
        ({"$min": 1, "a": 2}, ("a",), "the keys 'a' and '$min' cannot stand in one mapping", LITERAL),
        ({"a": {1: 2}}, ("a",), "a key must be a text, got 1", ""),
        ({"a": {1, 2}}, ("a",), "{1, 2} is not a JSON value", ""),
        ({"$gold": 5}, (), "$gold needs an operator beside it", "write the value itself, or add `$any: true`"),
        ({"$any": False}, ("$any",), "$any takes true alone, got false", "leave $any out"),
        ({"$optional": False}, ("$optional",), "$optional takes true alone, got false", "leave $optional out"),
        ({"$absent": False}, ("$absent",), "$absent takes true alone, got false", "leave $absent out"),
        ({"$optional": "yes"}, ("$optional",), "$optional takes true alone, got 'yes'", ""),
        ({"$absent": True, "$min": 1}, ("$min",), "$absent and $min contradict each other", "an absent value has no other properties"),
        ([{"$optional": True}], (0, "$optional"), "$optional has no meaning here", MEMBERS),
        ({"$one_of": [1, {"$absent": True}]}, ("$one_of", 1, "$absent"), "$absent has no meaning here", MEMBERS),
        ({"$not": {"$optional": True}}, ("$not", "$optional"), "$optional has no meaning here", MEMBERS),
        ({"$one_of": []}, ("$one_of",), "$one_of takes a list of values or matches, got []", ""),
        ({"$one_of": "a"}, ("$one_of",), "$one_of takes a list of values or matches, got 'a'", ""),
        ({"$not": {"$one_of": [{"$zzz": 1}]}}, ("$not", "$one_of", 0, "$zzz"), "unknown operator '$zzz'", LITERAL),
        ({"$contains": 5}, ("$contains",), "$contains takes a text or a list of texts, got 5", "put texts in quotes"),
        ({"$contains": []}, ("$contains",), "$contains takes a text or a list of texts, got []", ""),
        ({"$contains": ["a", 2024]}, ("$contains", 1), "$contains takes texts, got 2024", "put it in quotes"),
        ({"$contains": " "}, ("$contains",), "$contains takes words, got ' '", "leave it out"),
        ({"$contains_any": "a"}, ("$contains_any",), "$contains_any takes a list of texts, got 'a'", "for one text write $contains"),
        ({"$regex": 5}, ("$regex",), "$regex takes a text, got 5", "put it in single quotes"),
        ({"$regex": "("}, ("$regex",), "'(' is not a usable regular expression: missing ), unterminated subpattern at position 0", ""),
        ({"$min": "5"}, ("$min",), "$min takes a number, got '5'", "write it without quotes"),
        ({"$max": True}, ("$max",), "$max takes a number, got true", ""),
        ({"$min": float("nan")}, ("$min",), "$min takes a number, got NaN", ""),
        ({"$min": 5, "$max": 4}, (), "no number is at least 5 and at most 4", "swap $min and $max"),
        ({"$approx": 5}, ("$approx",), "$approx takes [number, tolerance], got 5", ""),
        ({"$approx": [5, -1]}, ("$approx", 1), "$approx takes a tolerance of at least 0, got -1", ""),
        ({"$length": -1}, ("$length",), "$length takes a count of at least 0, got -1", ""),
        ({"$length": {"$mn": 1}}, ("$length",), "$length takes $min and $max, got '$mn'", "did you mean '$min'?"),
        ({"$length": {}}, ("$length",), "$length takes $min or $max, got neither", ""),
        ({"$length": {"$min": True}}, ("$length", "$min"), "$length takes a count of at least 0, got true", ""),
        ({"$length": {"$min": 2, "$max": 1}}, ("$length",), "no length is at least 2 and at most 1", ""),
        ({"$schema": {"items": {"type": "str"}}}, ("$schema", "items", "type"), "'type' must be one of JSON Schema's types, got 'str'", "write 'string'"),
        ({"$cer": ["a"]}, ("$cer",), "$cer takes [text, rate], got ['a']", ""),
        ({"$cer": ["a", "b"]}, ("$cer", 1), "$cer takes a rate of at least 0, got 'b'", "write it without quotes"),
    ],
)  # fmt: skip
def test_each_mistake_is_named(node, path, what, hint):
    """What is no match is refused with the place, what was found, and what to do."""
    with pytest.raises(MatcherError) as caught:
        compile_value(node)
    error = caught.value
    assert (error.path, error.what, error.hint) == (path, what, hint)
    assert str(error) == (f"{what} ({hint})" if hint else what)


def test_arguments_are_named_in_the_path():
    """An error in an argument leads with its name; an operator is no argument's name."""
    with pytest.raises(MatcherError) as caught:
        compile_arguments({"q": 1, "when": {"$min": "x"}})
    assert caught.value.path == ("when", "$min")
    with pytest.raises(MatcherError) as caught:
        compile_arguments({"$contains": "x"})
    assert str(caught.value) == (
        "$contains stands where the name of an argument was expected "
        "(write {argument: {$contains: …}})"
    )
    assert compile_arguments({"$filter": "a"})["$filter"].gold == "a"


def nested(depth, wrap, value=None):
    """A value wrapped `depth` times."""
    for _ in range(depth):
        value = wrap(value)
    return value


@pytest.mark.parametrize(
    "wrap",
    [lambda v: [v], lambda v: {"a": v}, lambda v: {"$not": v}, lambda v: {"$one_of": [v]}],
    ids=["list", "object", "$not", "$one_of"],
)
def test_depth_is_bounded(wrap):
    """Values up to the bound are compared; deeper ones are refused, and found in replies."""
    with pytest.raises(MatcherError, match="nests"):
        compile_value(nested(100_000, wrap))
    node = nested(64, wrap)
    assert compile_value(node).problem(None if "$" in str(node) else node) is None
    for depth in (1000, 100_000):
        assert compile_value("a").problem(nested(depth, wrap)).startswith("expected 'a', got ")
        assert compile_value(nested(9, wrap, 5)).problem(nested(depth, lambda v: [v])) != ""


def test_literals_nest_to_the_bound():
    """A literal as deep as the bound is compared and has its gold."""
    for wrap in (lambda v: [v], lambda v: {"a": v}):
        deep, other = nested(MAX_DEPTH, wrap, 1), nested(MAX_DEPTH, wrap, 2)
        assert compile_value(deep).problem(deep) is None
        assert compile_value(deep).problem(other).endswith(": expected 1, got 2")
        assert compile_value(deep).gold == deep


def test_values_are_shown_short_and_safe():
    """Whatever its size, a value is shown in about 200 characters that a terminal can print."""
    assert shown({"a": [True, None, 1.5, "x\n"]}) == '{a: [true, null, 1.5, "x\\n"]}'
    assert shown([float("inf"), float("-inf"), float("nan")]) == "[Infinity, -Infinity, NaN]"
    assert shown(10**5000) == "an integer of 16610 bits"
    assert shown("\ud800\x9b\U000e0001") == '"\\ud800\\u009b\\U000e0001"'
    assert shown(r"^\d") == r"'^\d'"
    assert shown({"it's": 'a "b"'}) == """{"it's": 'a "b"'}"""
    assert len(shown("x" * 1_000_000)) == len(cut("y" * 1000)) <= 200
    assert shown(nested(100_000, lambda v: [v])) == "[" * 40 + "…" + "]" * 40


def test_importing_is_light():
    """Importing the module loads none of the libraries that single operators need."""
    code = "import sys, harness.matchers; print({'jiwer', 'jsonschema'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
