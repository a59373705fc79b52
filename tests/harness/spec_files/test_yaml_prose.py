"""Help with prose: what YAML misreads is answered with the line as it should be written."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cases import Json
from harness.errors import SpecError
from harness.spec_files import yaml_reading
from harness.spec_files.strict_yaml import read_yaml
from harness.spec_files.yaml_prose import quote, spec_prose


def read(text: str) -> Json:
    """The value of a text."""
    return read_yaml(text, "f.yaml").value


def message(text: str) -> str:
    """The whole message that a text is refused with."""
    with pytest.raises(SpecError) as caught:
        read_yaml(text, "f.yaml")
    return str(caught.value)


def codes(text: str) -> list[tuple[int, str]]:
    """Line and kind of each problem of a text."""
    with pytest.raises(SpecError) as caught:
        read_yaml(text, "f.yaml")
    return [(problem.location.line, problem.code) for problem in caught.value.problems]


def case(prompt: str) -> str:
    """A spec whose one prompt is written as given, on line 3."""
    return f"cases:\n  - id: a\n    prompt: {prompt}\n    expect: no_call\n  - id: b\n"


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
@settings(max_examples=100, deadline=None)
def test_quoted_text_reads_back(text: str) -> None:
    """The quotes of a hint keep every printable text as it is."""
    assert read(case(quote(text)))["cases"][0]["prompt"] == text


PROSE = [
    ("What is issue #12 about?", 27, "the text ends at this '#', which starts a comment in YAML"),
    ("#hashtag, what?", 13, "the text ends at this '#', which starts a comment in YAML"),
    ('"Hello" is what he said', 13, "YAML cannot read this text without quotes around it"),
    ("'a' or 'b'?", 13, "YAML cannot read this text without quotes around it"),
    ("@home what?", 13, "YAML cannot read this text without quotes around it"),
    ("`ls` does what?", 13, "YAML cannot read this text without quotes around it"),
    ("%d is what?", 13, "YAML cannot read this text without quotes around it"),
    ("*emphasis* here", 13, "YAML cannot read this text without quotes around it"),
    ("*emphasis here", 13, "the alias '*emphasis' has no anchor '&emphasis' above it"),
    ("&co is what?", 13, "YAML reads the start of this text as the anchor '&co'"),
    ("| is a pipe", 13, "YAML cannot read this text without quotes around it"),
    ("> 5 or not?", 13, "YAML cannot read this text without quotes around it"),
    ("- or +?", 13, "YAML cannot read this text without quotes around it"),
    ("? is a key", 13, "YAML cannot read this text without quotes around it"),
    ("Note: this breaks", 13, "YAML cannot read this text without quotes around it"),
    ("Say this:", 13, "YAML cannot read this text without quotes around it"),
    ("{braces} are odd", 13, "expected a text, but YAML reads this as a mapping"),
    ("{braces}", 13, "expected a text, but YAML reads this as a mapping"),
    ("{{name}} is who?", 13, "expected a text, but YAML reads this as a mapping"),
    ("[draft]", 13, "expected a text, but YAML reads this as a list"),
    ("[draft] what?", 13, "expected a text, but YAML reads this as a list"),
    ("42", 13, "expected a text, but YAML reads this as the number 42"),
    ("1e3", 13, "expected a text, but YAML reads this as the number 1e3"),
    ("true", 13, "expected a text, but YAML reads this as the boolean true"),
    ("~", 13, "expected a text, but YAML reads this as null"),
]


@pytest.mark.parametrize(("prompt", "column", "what"), PROSE)
def test_misread_prose_is_answered_with_the_line_to_write(
    prompt: str, column: int, what: str
) -> None:
    """A prompt that YAML misreads is refused once, with its line as it should be quoted."""
    mended = quote(prompt)
    shown = f"        prompt: {prompt}\n{' ' * (column + 3)}^"
    assert message(case(prompt)) == (
        f"f.yaml:3:{column}: {what} (write: prompt: {mended})\n{shown}"
    )
    assert read(case(mended))["cases"][0]["prompt"] == prompt


@pytest.mark.parametrize(("prompt", "column", "what"), PROSE)
def test_prose_without_libyaml(
    prompt: str, column: int, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyYAML's own parser words its errors differently; the answers are the same."""
    monkeypatch.setattr(yaml_reading, "_LOADER", yaml.SafeLoader)
    assert message(case(prompt)).startswith(
        f"f.yaml:3:{column}: {what} (write: prompt: {quote(prompt)})\n"
    )


def test_a_tag_in_prose() -> None:
    """A leading `!` is a tag to YAML: refused with the quoted line."""
    assert message(case("!important or not?")) == (
        "f.yaml:3:13: the tag '!important' is not taken, only !!str "
        '(remove it, or write: prompt: "!important or not?")\n'
        "        prompt: !important or not?\n                ^"
    )


@pytest.mark.parametrize("prompt", ["'tis the season", '"Hello', "'t was: who?"])
def test_a_quote_that_never_closes(prompt: str) -> None:
    """An opening quote that swallows the lines below is reported where it opens."""
    assert message(case(prompt)) == (
        "f.yaml:3:13: the quote that opens here closes where it should not, or never "
        f"(close it, or write: prompt: {quote(prompt)})\n"
        f"        prompt: {prompt}\n                ^"
    )


def test_a_quote_that_closes_in_a_later_text() -> None:
    """The line to blame is the one whose quote was left open, not the one where it closed."""
    text = "- prompt: 'tis the season\n- prompt: don't know\n"
    assert message(text) == (
        "f.yaml:1:11: the quote that opens here closes where it should not, or never "
        '(close it, or write: - prompt: "\'tis the season")\n'
        "    - prompt: 'tis the season\n              ^"
    )


def test_a_comment_that_ends_a_text_of_several_lines() -> None:
    """The swallowed rest is found on any line of a text, and the mended line holds all of it."""
    text = case("Where is\n      the #12 bus\n      and the tram?")
    assert message(text) == (
        "f.yaml:4:11: the text ends at this '#', which starts a comment in YAML "
        '(write: prompt: "Where is the #12 bus and the tram?")\n'
        "          the #12 bus\n              ^"
    )
    assert codes(case("Where is\n      the #12 bus?")) == [(4, "swallowed")]


def test_prose_in_lists_conversations_and_braces() -> None:
    """Every place of prose is watched: prompts, messages, replies, in blocks and in braces."""
    text = """\
cases:
  - prompts:
      - Note: this
      - And this: too, is: wrong
      - fine
      - 'abc' def
  - prompts: {a: true, b: What is #12?, c: x}
  - messages:
      - {role: user, content: 7}
      - role: user
        content: [x] y
    reply: null
  - {id: b, prompt: @home, expect: no_call}
  - {id: c, prompt: {c}}
"""
    with pytest.raises(SpecError) as caught:
        read(text)
    assert [(p.location.line, p.location.column, p.hint) for p in caught.value.problems] == [
        (3, 9, 'write: - "Note: this"'),
        (4, 9, 'write: - "And this: too, is: wrong"'),
        (6, 9, "write: - \"'abc' def\""),
        (7, 18, 'write: - prompts: {a: "true", b: What is #12?, c: x}'),
        (7, 35, 'write: - prompts: {a: true, b: "What is #12?", c: x}'),
        (9, 31, 'write: - {role: user, content: "7"}'),
        (11, 18, 'write: content: "[x] y"'),
        (12, 12, 'write: reply: "null"'),
        (13, 21, 'write: - {id: b, prompt: "@home", expect: no_call}'),
        (14, 21, 'write: - {id: c, prompt: "{c}"}'),
    ]


def test_what_is_meant_is_left_alone() -> None:
    """Tool results, anchors that are used, comments after quotes, and other keys are no prose."""
    text = """\
cases:   # two
  - prompt: &p Where is it?
    expect: 42   # a number
    messages:
      - {content: {name: f, response: [1]}, role: tool}
  - prompt: *p
    reply: "a text"  # with a comment
  - prompt: C# or F#?
  - prompt: |
      # a heading: {x}
"""
    cases = read(text)["cases"]
    assert cases[0]["messages"][0]["content"] == {"name": "f", "response": [1]}
    assert [c["prompt"] for c in cases] == [
        "Where is it?",
        "Where is it?",
        "C# or F#?",
        "# a heading: {x}\n",
    ]


def test_a_mapping_in_place_of_a_prompt_over_lines() -> None:
    """A mapping that somebody wrote out gets no line to write, only the rule."""
    assert message("cases:\n  - prompt:\n      a: 1\n      b: 2\n") == (
        "f.yaml:3:7: expected a text, but YAML reads this as a mapping "
        "(if it is a text, put it in double quotes)\n          a: 1\n          ^"
    )


def test_spec_prose_is_exactly_the_places_of_prose() -> None:
    """Prompts, contents of messages and replies are prose; ids, expectations, tools are not."""
    assert spec_prose(("cases", 0, "prompt"))
    assert spec_prose(("cases", 3, "prompts", "floor-plan"))
    assert spec_prose(("cases", 3, "prompts", 2))
    assert spec_prose(("cases", 0, "messages", 1, "content"))
    assert spec_prose(("cases", 0, "reply"))
    assert not spec_prose(("cases", 0, "id"))
    assert not spec_prose(("cases", 0, "prompts"))
    assert not spec_prose(("cases", 0, "prompts", "a", "b"))
    assert not spec_prose(("prompt",))


def test_a_hint_that_would_not_help_is_not_given() -> None:
    """A quoted line that YAML still cannot read is not offered."""
    assert "write:" not in message("a: 1\n  b: c: d\n")


def test_a_custom_place_of_prose() -> None:
    """The caller says where prose is; elsewhere a comment is a comment."""
    text = "a: one # two\nb: one # two\n"
    assert read(text) == {"a": "one", "b": "one"}
    with pytest.raises(SpecError) as caught:
        read_yaml(text, "f.yaml", is_prose=lambda path: path == ("b",))
    assert [problem.hint for problem in caught.value.problems] == ['write: b: "one # two"']


MEGABYTE = 1_000_000


@pytest.mark.parametrize(
    "prompt",
    [
        '"' + "x" * MEGABYTE,
        '"' + "x" * MEGABYTE + '" y',
        "'" + "''" * MEGABYTE,
        "x #" + ",\t" * MEGABYTE,
        "{" * MEGABYTE + "}" * MEGABYTE,
        "{a: x #" + "{" * MEGABYTE + "}" * MEGABYTE,
        "x" + " " * MEGABYTE + "y: z",
        "- " * MEGABYTE,
        "@" + " #" * MEGABYTE,
        "x\n      y #\n" + "      z\n" * MEGABYTE,
    ],
    ids=lambda prompt: prompt[:8],
)
def test_megabytes_of_misread_prose(prompt: str) -> None:
    """A huge broken prompt is refused on its line without a hang, and without a huge message."""
    with pytest.raises(SpecError) as caught:
        read(case(prompt))
    problem = caught.value.problems[0]
    assert problem.location.line in (3, 4)
    assert len(str(problem)) < 20_000
    assert len(problem.hint) < 400
