"""Regular expressions that cannot hang."""

import re
import sys
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.values import safe_regex, search_process
from harness.values.safe_regex import PatternError, RegexTimeout, compile_pattern, found

PIECES = [
    *"ab.*+?|()[]^$-:,2",
    r"\d",
    r"\b",
    r"\[",
    "{",
    "}",
    "{2}",
    "{,2}",
    "{1,}",
    "{e<=1}",
    "{i}",
]
PIECES += [
    "[[:alpha:]]",
    "[^]a]",
    "(?i)",
    "(?:",
    "(?=",
    "(?<!",
    r"\N{DIGIT TWO}",
    "[a&&b]",
    "[a--b]",
    "(?#[)",
    "(?x)",
    r"\w",
    r"\s",
    r"\1",
    "+",
    "?",
]
PATTERNS = st.lists(st.sampled_from(PIECES), max_size=7).map("".join)


@given(PATTERNS, st.text(alphabet="aAb2-&{}[:\né\u0301²", max_size=8))
@settings(max_examples=500, deadline=None)
def test_answers_as_re_search_does(pattern, text):
    """Whatever pattern `re` takes is found exactly where `re.search` finds it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = re.search(pattern, text) is not None
        except re.error:
            with pytest.raises(PatternError):
                compile_pattern(pattern)
            return
    assert found(compile_pattern(pattern), text) is expected


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "a.*a.*a.*a.*c"])
def test_a_pattern_that_runs_away_is_an_error(pattern):
    """A search that does not end raises RegexTimeout with the pattern, also on a megabyte."""
    with pytest.raises(RegexTimeout) as caught:
        found(compile_pattern(pattern), "a" * 1_000_000 + "b", seconds=0.05)
    assert str(caught.value) == (
        f"the pattern '{pattern}' runs away: no answer within 0.05 s on a text of "
        "1000001 characters; rewrite it without nested repetitions"
    )


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "missing ), unterminated subpattern at position 0"),
        (r"\p{L}", r"bad escape \p at position 0"),
        ("(" * 5000 + ")" * 5000, "it is too large"),
        ("a{99999999999999999999}", "it is too large"),
        ("a" * 200_000, "it is too large"),
    ],
)
def test_what_is_no_pattern_says_why(pattern, reason):
    """A pattern that `re` refuses, or one too large to be written, is refused with the reason."""
    with pytest.raises(PatternError) as caught:
        compile_pattern(pattern)
    assert caught.value.reason == reason
    assert str(caught.value).endswith(f" is not a usable regular expression: {reason}")


@pytest.mark.parametrize(
    "pattern", [r"\d{10}|\d{11}|\d{12}|\d{13}", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"]
)
def test_counts_side_by_side_do_not_multiply(pattern):
    """Everyday patterns with many counts are taken."""
    assert found(compile_pattern(pattern), "12345678-1234-1234-1234-123456789012 1234567890")


@pytest.mark.parametrize(
    ("pattern", "texts"),
    [
        (r"^\w+$", ["m²", "e\u0301", "\u200d", "ª", "१"]),
        (r"^(\w+)+$", ["m²", "e\u0301", "\u200d", "ª", "१"]),
        (r"^\s+$", ["\x1c", "\x85", "\u180e", "\u2028"]),
        ("(?i)^k$", ["K", "\u212a"]),
        ("(?i)^(ß)+$", ["SS", "ẞ"]),
        ("(?#[)ba{e<=1}]", ["ba", "bx]", "ba{e<=1}]"]),
        ("a$", ["a\n", "a\r", "a\u2028"]),
        ("[[:alpha:]]", ["a]", "b", ":]"]),
        (r"(a)|b\1", ["b", "ba"]),
        ("(a{3000}){3000}", ["a"]),
    ],
)
def test_odd_letters_are_what_re_takes_them_for(pattern, texts):
    """Characters beyond ASCII, comments and classes are read as `re` reads them, here and there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = [re.search(pattern, text) is not None for text in texts]
    assert [found(compile_pattern(pattern), text) for text in texts] == expected


@pytest.mark.parametrize(
    ("pattern", "length", "quick"),
    [
        (r"^\d{4}-\d{2}$", 100_000, True),
        (r"^\w+ words$", 100, True),
        ("(Rome|Paris)", 50, True),
        ("a.*b", 20_000, False),
        ("a.*a.*a.*c", 300, False),
        ("(a|a)*", 1, False),
        ("(a+)+", 1, False),
        ("(?:a?){40}", 1, False),
        (r"(.)\1", 1, False),
        ("a?" * 40, 40, False),
        ("(a|b)" * 40, 40, False),
    ],
)
def test_only_what_is_bounded_is_searched_here(pattern, length, quick):
    """A pattern goes without a time limit where the ways to match are few, and nowhere else."""
    assert safe_regex._is_quick(pattern, length) is quick


def test_where_no_process_starts_nothing_runs_away(monkeypatch):
    """Without a process to search in, a pattern that may run away is an error that says so."""
    search_process._end(search_process._held)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(RegexTimeout) as caught:
        found(compile_pattern("(a+)+$"), "b")
    assert str(caught.value) == (
        "the pattern '(a+)+$' may run away, and the process to search it in cannot be started: "
        "No such file or directory"
    )
    assert found(compile_pattern("a+$"), "a")
