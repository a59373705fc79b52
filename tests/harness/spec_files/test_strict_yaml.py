"""YAML as its authors read it: types, bounds, places, and problems in plain words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cases import Json
from harness.errors import SpecError
from harness.spec_files import strict_yaml, yaml_reading
from harness.spec_files.strict_yaml import Document, read_yaml, read_yaml_file


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


def test_keys_are_texts_as_written() -> None:
    """A key is the text as written, whatever it would be as a value; `<<` merges nothing."""
    text = 'on: 1\n1: 2\n~: 3\ntrue: 4\n"": 5\n<<: {a: 6}\n1.0: 7\n'
    assert list(read(text)) == ["on", "1", "~", "true", "", "<<", "1.0"]


# JSON leaves DEL and the C1 controls bare, which YAML refuses.
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t\0\x85"))
# A key on one line ends within 1,024 characters, and an escaped character takes up to twelve.
keys = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=80)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(keys, inside, max_size=4),
    max_leaves=20,
)


@given(json_values, st.booleans(), st.sampled_from([None, 2, "\t"]))
@settings(max_examples=150, deadline=None)
def test_json_is_yaml(value: Json, ascii_only: bool, indent: int | str | None) -> None:
    """Whatever json.dumps writes reads back equal, types kept."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    got = read_yaml(text, "f.json").value
    assert got == value
    assert json.dumps(got) == json.dumps(value)


pieces = (
    *"\n-:?,[]{}#&*!|>'\"%@` \t\\~.0ab",
    *("\n  ", "b: ", "- ", " #", "&a ", "*a", "!!str ", "---\n", "\r\n", "\u2028", "\\u", "é"),
    *("cases:", "\n- prompt: ", "\n  prompts:\n  - "),
)
yaml_like = st.lists(st.sampled_from(pieces) | st.characters(), max_size=40).map("".join)


def outcome(text: str) -> Document | SpecError:
    """The document of a text, or why there is none; anything else is raised."""
    try:
        return read_yaml(text, "f.yaml")
    except SpecError as error:
        return error


@given(yaml_like)
@settings(max_examples=400, deadline=None)
def test_any_text_gives_a_document_or_a_spec_error(text: str) -> None:
    """Nothing but SpecError is raised, and every place, of values and problems, is in the file."""
    lines = len(re.split("\r\n|\r|\n", text))
    result = outcome(text)
    if isinstance(result, SpecError):
        places = [problem.location for problem in result.problems]
    else:
        every = paths(result.value)
        places = [result.locate(path, key=key) for path in every for key in (False, True)]
    assert places
    assert all(1 <= place.line <= lines and place.column >= 1 for place in places)


@given(yaml_like)
@settings(max_examples=100, deadline=None)
def test_any_text_without_libyaml(text: str) -> None:
    """PyYAML's own parser, which stands in for libyaml, raises nothing else either."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml_reading, "_LOADER", yaml.SafeLoader)
        result = outcome(text)
    assert isinstance(result, Document) or result.problems


def paths(value: Json) -> list[tuple[str | int, ...]]:
    """The paths of a value and all inside it."""
    entries = value.items() if isinstance(value, dict) else ()
    entries = enumerate(value) if isinstance(value, list) else entries
    return [(), *((step, *rest) for step, child in entries for rest in paths(child))]


TEXT = """\
# a comment
spec: s
cases:
  - id: a
    prompt: Hé, where?
    expect: {tool: {x: [1, 22, 333]}}
  - &b
    id: b
    prompt: >-
      folded
      text
    tags: []
    skip:
  - *b
"""


@pytest.mark.parametrize(
    ("path", "key", "line", "column"),
    [
        ((), False, 2, 1),
        (("spec",), False, 2, 7),
        (("spec",), True, 2, 1),
        (("cases",), True, 3, 1),
        (("cases",), False, 4, 3),
        (("cases", 0), False, 4, 5),
        (("cases", 0, "prompt"), False, 5, 13),
        (("cases", 0, "expect", "tool", "x"), True, 6, 21),
        (("cases", 0, "expect", "tool", "x", 2), False, 6, 32),
        (("cases", 1, "id"), False, 8, 9),
        (("cases", 1, "prompt"), False, 9, 13),
        (("cases", 1, "skip"), True, 13, 5),
        (("cases", 2, "id"), False, 8, 9),
        (("cases", 0, "nothing"), False, 4, 5),
        (("cases", 0, "prompt", "deeper", 3), False, 5, 13),
        (("cases", 9), True, 3, 1),
        (("nothing", "at", "all"), True, 2, 1),
    ],
)
def test_locate(path: tuple[str | int, ...], key: bool, line: int, column: int) -> None:
    """Every value and key has its place; a path that is not there has its nearest ancestor's."""
    place = read_yaml(TEXT, "f.yaml").locate(path, key=key)
    assert (place.path, place.line, place.column) == ("f.yaml", line, column)


def test_a_document_makes_problems_with_the_line() -> None:
    """A problem carries the place and the text of the line; no line has no text."""
    document = read_yaml(TEXT, "f.yaml")
    problem = document.problem(("spec",), "key 'spec'", "is short", "use more", code="short")
    assert str(problem) == ("f.yaml:2:7: key 'spec': is short (use more)\n    spec: s\n          ^")
    assert problem.code == "short"
    assert (document.source(0), document.source(99)) == ("", "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "f.yaml:1:1: the file is empty"),
        ("# only this\n", "f.yaml:1:1: the file is empty\n    # only this\n    ^"),
        (
            "a: 1\n---\nb: 2\n",
            "f.yaml:2:1: a second document starts here (one file holds one)\n    ---\n    ^",
        ),
        (
            "%YAML 1.1\n---\na: 1\n",
            "f.yaml:1:1: only the directive %YAML 1.2 is taken "
            "(remove the line that starts with %)\n    %YAML 1.1\n    ^",
        ),
        (
            "b: 0\na: 1\n'a': 2\n",
            "f.yaml:3:1: key 'a': is written twice, first on line 2 (keep one of them)\n"
            "    'a': 2\n    ^",
        ),
        (
            "? [a]\n: 1\n",
            "f.yaml:1:3: a list or a mapping cannot be a key "
            "(if it is a text, put it in double quotes)\n    ? [a]\n      ^",
        ),
        (
            "a: !!int 3\n",
            "f.yaml:1:4: the tag '!!int' is not taken, only !!str "
            '(remove it, or write: a: "!!int 3")\n    a: !!int 3\n       ^',
        ),
        (
            "a: !!set {b}\n",
            "f.yaml:1:4: the tag '!!set' is not taken, only !!str (remove it)\n"
            "    a: !!set {b}\n       ^",
        ),
        (
            "a: &a [*a]\n",
            "f.yaml:1:8: the alias '*a' is inside what it stands for\n    a: &a [*a]\n           ^",
        ),
        (
            "a: 1e400\n",
            "f.yaml:1:4: the number 1e400 is too large (put it in quotes if it is a text)\n"
            "    a: 1e400\n       ^",
        ),
        (
            "a:\n\tb: 1\n",
            "f.yaml:2:1: a tab cannot indent a line in YAML (indent with spaces)\n"
            "    \\tb: 1\n    ^",
        ),
        (
            'a: {$regex: "\\d \\"x\\" it\'s"}\n',
            "f.yaml:1:14: a backslash in double quotes starts an escape, and YAML knows none like "
            "this (write: a: {$regex: '\\d \"x\" it''s'})\n"
            '    a: {$regex: "\\d \\"x\\" it\'s"}\n                 ^',
        ),
        (
            "a: {b: 1\nc: 2\n",
            "f.yaml:2:2: expected ',' or the end for the bracket of line 1 "
            "(close the bracket, or put the text in quotes)\n    c: 2\n     ^",
        ),
        (
            "a: b\nc\nd: e\n",
            "f.yaml:2:1: expected 'key: value', found no colon "
            "(a text that goes on over lines is indented deeper than its key)\n    c\n    ^",
        ),
        (
            "a: 1\n  b: 2\n",
            "f.yaml:2:4: a colon here makes no sense to YAML "
            "(quote a text that holds ': ', or check the indentation)\n      b: 2\n       ^",
        ),
        (
            "a: x\x00y\n",
            "f.yaml:1:5: the character U+0000 cannot be in a YAML file "
            '(remove it, or write "\\U00000000", with the quotes)\n    a: x\\x00y\n        ^',
        ),
        (
            'a: "\\ud83d"\n',
            "f.yaml:1:7: no character has this number (write the character itself)\n"
            '    a: "\\ud83d"\n          ^',
        ),
    ],
)
def test_refusals_in_plain_words(text: str, expected: str) -> None:
    """What cannot be read is answered with the place, what was found, and what to do."""
    assert message(text) == expected


def test_all_problems_at_once() -> None:
    """Syntax errors do not hide each other, nor the problems around them."""
    text = case("@home") + "    prompt: Note: x\n    id: c\n    reply: 42\n  - prompt: *a* b\n"
    assert codes(text) == [
        (3, "syntax"),
        (6, "syntax"),
        (7, "duplicate-key"),
        (8, "misread"),
        (9, "syntax"),
    ]


def test_a_number_with_more_digits_than_python_reads() -> None:
    """Five thousand digits are a problem of the file, not a traceback."""
    assert message("a: " + "9" * 5000).startswith(
        "f.yaml:1:4: a number of 5000 digits is too long (put it in quotes if it is a text)\n"
    )


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "{a: " * 100_000, "- " * 100_000, "? " * 100_000, "a: {" + "[" * 9999]
)
def test_deep_nesting_is_refused(text: str) -> None:
    """A hundred thousand brackets get an answer; the interpreter goes on."""
    assert "lists and mappings are more than 64 deep here" in message(text)


def test_64_levels_are_read() -> None:
    """The bound itself is allowed."""
    value = read("[" * 64 + "]" * 64)
    for _ in range(63):
        (value,) = value
    assert value == []


def test_billion_laughs() -> None:
    """Aliases that stand for billions of values are refused before anything is written out."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    assert message("\n".join(lines)).startswith(
        "f.yaml:7:10: the aliases of this file stand for more than 1,000,000 values\n"
    )


def test_aliases_count_towards_the_depth() -> None:
    """A chain of aliases cannot build what nesting may not."""
    lines = ["a0: &a0 [x]", *(f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 2000))]
    assert message("\n".join(lines)).startswith(
        "f.yaml:64:12: with this alias, lists are more than 64 deep\n"
    )


def test_aliased_values_are_equal() -> None:
    """An alias reads as what its anchor stands for, the last one of the name."""
    text = "a: &x [1]\nb: *x\nc: &x two\nd: *x\ne: [*x, {k: *x}]\n"
    assert read(text) == {"a": [1], "b": [1], "c": "two", "d": "two", "e": ["two", {"k": "two"}]}


def test_problems_are_bounded() -> None:
    """A file with a thousand problems is answered with the first hundred."""
    assert len(codes("a: 1\n" * 1000)) == 100
    assert len(codes("\x00\n" * 1000)) == 100


def test_line_breaks() -> None:
    """Windows' breaks count as one, and Unicode's are characters like any other."""
    document = read_yaml('a: 1\r\nb: "x\u2028y\x85z"\r\nc: 3\r\n', "f.yaml")
    assert document.value == {"a": 1, "b": "x\u2028y\x85z", "c": 3}
    assert document.locate(("c",)).line == 3
    assert document.source(1) == "a: 1"


def test_pairs_of_surrogates() -> None:
    """JSON's two escapes for one character are read as that character; elsewhere text is kept."""
    assert read('["\\ud83d\\ude00", "\\\\ud83d\\\\ude00"]') == ["\U0001f600", "\\ud83d\\ude00"]


def file_message(file: Path) -> str:
    """The message that a file is refused with."""
    with pytest.raises(SpecError) as caught:
        read_yaml_file(file, "specs/f.yaml")
    return str(caught.value)


def test_files(tmp_path: Path) -> None:
    """A file is read as UTF-8, with or without a byte order mark."""
    file = tmp_path / "f.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: h\xc3\xa9\n")
    document = read_yaml_file(file, "specs/f.yaml", is_prose=lambda path: path == ("b",))
    assert isinstance(document, Document)
    assert (document.value, document.path) == ({"a": "hé"}, "specs/f.yaml")
    assert document.locate(("a",), key=True).column == 1


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing, a folder, not UTF-8, too large: a sentence each, with the byte's place."""
    file = tmp_path / "f.yaml"
    assert file_message(file) == "specs/f.yaml:1:1: cannot be read: No such file or directory"
    assert file_message(tmp_path) == "specs/f.yaml:1:1: is a folder, expected a YAML file"
    assert file_message(Path("a\0b")) == "specs/f.yaml:1:1: cannot be read: embedded null byte"
    file.write_bytes("a: é\nb: é".encode() + b"\xe9\n")
    assert file_message(file) == (
        "specs/f.yaml:2:5: the byte 0xe9 is not UTF-8 (save the file as UTF-8)"
    )
    file.write_bytes("a: 1".encode("utf-16"))
    assert file_message(file) == "specs/f.yaml:1:1: is UTF-16 (save it as UTF-8)"
    monkeypatch.setattr(strict_yaml, "MAX_BYTES", 10)
    file.write_bytes(b"a: 12345678")
    assert file_message(file) == "specs/f.yaml:1:1: is larger than 10 bytes (split it)"
