"""Regular expressions that cannot hang."""

import re
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.safe_regex import PatternError, RegexTimeout, compile_pattern, found

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
]
PATTERNS = st.lists(st.sampled_from(PIECES), max_size=7).map("".join)


@given(PATTERNS, st.text(alphabet="aAb2-&{}[:\né", max_size=8))
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
        ("a{999999999}", "its repetitions are too many"),
        ("(a{3000}){3000}", "its repetitions are too many"),
        ("(?:[]a)]{60000}(b)){60000}", "its repetitions are too many"),
        ("a" * 200_000, "it is too large"),
    ],
)
def test_what_is_no_pattern_says_why(pattern, reason):
    """A pattern that `re` refuses, or that would fill the memory, is refused with the reason."""
    with pytest.raises(PatternError) as caught:
        compile_pattern(pattern)
    assert caught.value.reason == reason
    assert str(caught.value).endswith(f" is not a usable regular expression: {reason}")


@pytest.mark.parametrize(
    "pattern", [r"\d{10}|\d{11}|\d{12}|\d{13}", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"]
)
def test_counts_side_by_side_do_not_multiply(pattern):
    """Only nested repetitions multiply: everyday patterns with many counts are taken."""
    assert found(compile_pattern(pattern), "12345678-1234-1234-1234-123456789012 1234567890")
