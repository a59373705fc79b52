"""Raw rows: what is read of a file, and why the rest is dropped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cases import Call
from harness.sources.raw_rows import MAX_ROW
from harness.sources.rows import (
    Drop,
    Raw,
    Rows,
    content_id,
    expected_calls,
    literal,
    open_csv,
    open_json_lines,
    open_rows,
    parse_json,
    row_id,
)
from harness.spec_files.strict_yaml import FileRefused

FOLLOWS = "broken JSON: something follows the array; it is lost"


def written(tmp_path: Path, content: str | bytes, name: str = "a.jsonl") -> Path:
    """A file with this content."""
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def read(rows: Rows) -> list[object]:
    """The rows, each as `(line, value)`, or as the words of its drop."""
    found: list[object] = []
    for index in range(len(rows)):
        row = rows[index]
        if isinstance(row, Raw):
            assert row.location == rows.locate(index)
            found.append((row.location.line, row.value))
        else:
            found.append((rows.locate(index).line, str(row)))
    return found


def test_json_lines(tmp_path: Path) -> None:
    """A row a line, with its line; blank lines, a mark, CRLF and a missing last break are fine."""
    file = written(tmp_path, b'\xef\xbb\xbf{"a": 1}\r\n\r\n  \n[2]\n"three"')
    assert read(open_json_lines(file)) == [(1, {"a": 1}), (4, [2]), (5, "three")]


def test_bad_lines_are_drops_at_their_lines(tmp_path: Path) -> None:
    """Each kind of bad line is a drop that says why, and the rows around it are read."""
    deep = "[" * 100 + "]" * 100
    lines = [b'{"a": 1', b'"caf\xe9"', b'{"a": NaN}', b'{"a": 1, "a": 2}', b'"\\ud800"', b"1e999"]
    lines += [deep.encode(), b"[" * 50_000, b"9" * 5_000, b'{"ok": true}', b'"' + b"x" * MAX_ROW]
    file = written(tmp_path, b"\n".join(lines))
    assert read(open_json_lines(file)) == [
        (1, "broken JSON: expecting ',' delimiter at character 8"),
        (2, "not UTF-8: the byte 0xe9 at 5"),
        (3, "broken JSON: NaN is no JSON"),
        (4, "a member written twice: 'a'"),
        (5, "half a surrogate pair"),
        (6, "broken JSON: 1e999 is too large a number"),
        (7, "nested too deeply: more than 64 levels"),
        (8, "nested too deeply: more than 64 levels"),
        (9, "broken JSON: a number of too many digits"),
        (10, {"ok": True}),
        (11, "huge row: 1,000,001 bytes, at most 1,000,000 are read"),
    ]


def test_many_members_written_twice_are_no_hang(tmp_path: Path) -> None:
    """Finding which member is there twice takes one look at each of 60,000."""
    short = ",".join(f'"{n}":0' for n in range(60_000))
    file = written(tmp_path, f'{{{short},"59999":1}}')
    assert read(open_json_lines(file)) == [(1, "a member written twice: '59999'")]


def test_surrogate_pairs_are_characters(tmp_path: Path) -> None:
    """JSON's two escapes of one character are no half pair."""
    assert parse_json('"\\ud83d\\ude00"') == "\U0001f600"


def test_utf_16(tmp_path: Path) -> None:
    """A file in UTF-16, as some editors save it, is read."""
    file = written(tmp_path, '{"a": "é"}\n{"b": 2}\n'.encode("utf-16"))
    assert read(open_json_lines(file)) == [(1, {"a": "é"}), (2, {"b": 2})]


def test_one_array(tmp_path: Path) -> None:
    """A file with one JSON array has its items as rows, each at its line."""
    file = written(tmp_path, '[\n  {"a": 1},\n  {"a": [2,\n 3]}, 4\n]\n')
    assert read(open_json_lines(file)) == [(2, {"a": 1}), (3, {"a": [2, 3]}), (4, 4)]
    assert read(open_json_lines(written(tmp_path, " [ ] "))) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('[{"a": 1}]\n[{"b": 2}] junk', [(1, {"a": 1}), (2, FOLLOWS)]),
        ("[\n1\n]\n\n]", [(2, 1), (5, FOLLOWS)]),
        ("[ ] {}", [(1, FOLLOWS)]),
        ("[1] \r\n\n", [(1, 1)]),
    ],
)
def test_what_follows_an_array_is_a_drop(tmp_path: Path, text: str, found: object) -> None:
    """Rows after the closing bracket are not lost without a word; blanks are nothing."""
    assert read(open_json_lines(written(tmp_path, text))) == found


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[1, {]", "broken JSON: expecting property name enclosed in double quotes at character 6"),
        ("[1, 2 3]", "broken JSON: the array does not end"),
        ("[1,", "broken JSON: expecting value at character 4"),
    ],
)
def test_the_rest_of_a_broken_array_is_a_drop(tmp_path: Path, text: str, what: str) -> None:
    """What comes before the break is read; the rest is one drop that says so."""
    *_, (_, last) = read(open_json_lines(written(tmp_path, text)))  # type: ignore[misc]
    assert str(last).startswith(what)
    assert "rest" in str(last)


def test_files_that_are_none(tmp_path: Path) -> None:
    """A missing file and a folder are refused in words."""
    with pytest.raises(FileRefused, match="cannot be read: No such file or directory"):
        open_json_lines(tmp_path / "none.jsonl")
    with pytest.raises(FileRefused, match="is a folder, expected a file"):
        open_rows(tmp_path)


@given(st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
@settings(max_examples=150, deadline=None)
def test_whatever_a_file_holds(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Every row of any file is a Raw or a Drop; only a file as a whole is refused."""
    for name in ("a.jsonl", "a.csv"):
        file = written(tmp_path_factory.mktemp("any"), content, name)
        try:
            rows = open_rows(file)
        except FileRefused:
            assert name == "a.csv"
            continue
        for index in range(len(rows)):
            assert isinstance(rows[index], Raw | Drop)


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
))  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_sound_json_is_read_as_it_is(value: object) -> None:
    """No null is filled in, and nothing is left out."""
    assert json.dumps(parse_json(json.dumps(value))) == json.dumps(value)


# Tables


def test_a_table(tmp_path: Path) -> None:
    """Rows are mappings of columns to texts; quotes, line breaks in cells, short and blank rows."""
    text = 'a,b\r\n1,"x, ""y""\nz"\r\n\r\n2\r\n3,4,\r\n'
    assert read(open_csv(written(tmp_path, text, "a.csv"))) == [
        (2, {"a": "1", "b": 'x, "y"\nz'}),
        (5, {"a": "2"}),
        (6, {"a": "3", "b": "4"}),
    ]


@pytest.mark.parametrize(
    "content",
    [
        "a;b\r\né;1,5\r\n".encode("utf-8-sig"),
        "a;b\r\né;1,5\r\n".encode("cp1252"),
        "a\tb\r\né\t1,5\r\n".encode("utf-16"),
        "sep=;\r\na;b\r\né;1,5\r\n".encode(),
        '"a";"b"\r\né;"1,5"\r\n'.encode(),
    ],
)
def test_tables_as_spreadsheets_save_them(tmp_path: Path, content: bytes) -> None:
    """UTF-8 with a mark, Windows-1252, UTF-16; semicolons and tabs; Excel's `sep=`."""
    ((_, row),) = read(open_csv(written(tmp_path, content, "a.csv")))  # type: ignore[misc]
    assert row == {"a": "é", "b": "1,5"}


def test_bad_rows_of_a_table(tmp_path: Path) -> None:
    """More cells than columns, text after a quote, a quote that never ends: drops that say so."""
    text = 'a,b\n1,2,3\n"x"y,1\n4,5\n"open,6\n7,8\n'
    assert read(open_csv(written(tmp_path, text, "a.csv"))) == [
        (2, "more cells than columns: 3 cells, 2 columns"),
        (3, "broken CSV: ',' expected after '\"'"),
        (4, {"a": "4", "b": "5"}),
        (5, "broken CSV: a quote that does not end; the rest of the file is lost"),
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is empty, expected a first line with the names of the columns"),
        ("a,b,a\n1,2,3\n", "has two columns called 'a'"),
        ('"a\n', "has no readable first line: broken CSV: a quote that does not end"),
    ],
)
def test_tables_that_are_refused(tmp_path: Path, text: str, what: str) -> None:
    """A table without names for its columns is none."""
    with pytest.raises(FileRefused) as raised:
        open_csv(written(tmp_path, text, "a.csv"))
    assert raised.value.what.startswith(what)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"a,b\n1,caf\xe9\n2,\x81\n3,ok\n"),
        ("a.csv", "a,b\n1,café\n".encode("utf-16") + b"2\x00,\x00\x00\xd8\n\x003\x00,\x00"),
        ("a.json", '["café",\n"'.encode() + b'\xff"]'),
        ("a.jsonl", '"café"\n'.encode("utf-16") + b'"\x00\x00\xd8"\x00'),
    ],
)
def test_bytes_that_are_no_characters(tmp_path: Path, name: str, content: bytes) -> None:
    """A row with bytes that no encoding explains is dropped, never read with something else."""
    found = [said for _, said in read(open_rows(written(tmp_path, content, name)))]  # type: ignore[misc]
    assert "café" in str(found[0])
    assert "bytes that are no characters" in found


# What formats build of rows


def test_ids() -> None:
    """The data set's own id, in the letters of an id; else words and digits of the whole row."""
    assert row_id("live_simple_0-0-0", "Hi", {}) == "live_simple_0-0-0"
    assert row_id(" a/b c! ", "Hi", {}) == "a-b-c"
    assert row_id(17, "Hi", {}) == "17"
    assert row_id(None, "What's new?", {"a": 1}) == f"whats-new-{content_id({'a': 1})}"
    assert row_id("", "", {"a": 1}) == row_id(True, "東京", {"a": 1}) == "row-015abd"
    assert row_id(None, "x" * 500, {}) != row_id(None, "x" * 500, {"a": 1})


def test_expectations_of_calls() -> None:
    """No call, one, several, in order; a tool with a reserved name; what looks like a match."""
    one, two = Call("f", {"a": 1}), Call("g")
    assert expected_calls([]) == "no_call"
    assert expected_calls([one]) == expected_calls([one], ordered=True) == {"f": {"a": 1}}
    assert expected_calls([one, two]) == [{"f": {"a": 1}}, {"g": {}}]
    ordered = {"calls": [{"f": {"a": 1}}, {"g": {}}], "order": "strict"}
    assert expected_calls([one, two], ordered=True) == ordered
    assert expected_calls([Call("no_call")]) == {"calls": [{"no_call": {}}]}
    assert literal({"a": [{"$b": 1}]}) == {"a": [{"$equals": {"$b": 1}}]}
