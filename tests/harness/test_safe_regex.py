"""Regular expressions that cannot hang."""

import re
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.safe_regex import PatternError, RegexTimeout, compile_pattern, found

SIMPLE = st.text(alphabet="ab.*+?|()[]^$\\dw-{}2,", max_size=12)


@given(SIMPLE, st.text(alphabet="ab1-\n.é", max_size=12))
@settings(max_examples=300, deadline=None)
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


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(a|aa)+$", r"(a+a+)+y"])
@pytest.mark.parametrize("length", [60, 1_000_000])
def test_a_pattern_that_runs_away_is_an_error(pattern, length):
    """A search either ends or raises RegexTimeout, also on a megabyte."""
    try:
        assert found(compile_pattern(pattern), "a" * length + "b", seconds=0.05) is False
    except RegexTimeout as error:
        assert str(error) == (
            f"the pattern '{pattern}' runs away: no answer within 0.05 s on a text of "
            f"{length + 1} characters; rewrite it without nested repetitions"
        )
        return
    assert length == 60 or pattern == r"(a+a+)+y"


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "missing ), unterminated subpattern at position 0"),
        (r"\p{L}", r"bad escape \p at position 0"),
        ("(" * 5000 + ")" * 5000, "it is too large"),
        ("a{99999999999999999999}", "its repetitions are too many"),
        ("(a{3000}){3000}", "its repetitions are too many"),
        ("(?:[]a)]{60000}(b)){60000}", "its repetitions are too many"),
        ("a" * 200_000, "its repetitions are too many"),
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
