"""`csv`: what a row of a spreadsheet becomes, in the types of the spec's tools."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cases import Location, Outcome, Spec, Tool
from harness.judging import judge
from harness.loading import load_spec, load_specs
from harness.sources.csv_rows import FORMAT
from harness.sources.rows import Drop, Node, Raw
from harness.spec_files.strict_yaml import FileRefused

BOOK = {
    "name": "book",
    "parameters": {
        "type": "object",
        "properties": {
            "room": {"type": "string"},
            "seats": {"type": "integer"},
            "hours": {"type": "number"},
            "video": {"type": "boolean"},
            "guests": {"type": "array", "items": {"type": "string"}},
            "id": {"type": "string"},
        },
    },
}
TOOLS = {
    "book": Tool("book", "", BOOK["parameters"]),  # type: ignore[arg-type]
    "no_call": Tool("no_call"),
}


def converted(**cells: str) -> Any:
    """The node of a row with these cells, or the words of its drop; `__` is a dot."""
    row = {name.replace("__", "."): text for name, text in cells.items()}
    found: Node | Drop = FORMAT.convert(Raw(Location("a.csv", 2), row))
    if isinstance(found, dict) and FORMAT.settle:
        found = FORMAT.settle(found, TOOLS)
    return str(found) if isinstance(found, Drop) else found


def test_cells_take_the_types_of_the_tool() -> None:
    """A text stays one, whatever it looks like; the rest is read as YAML reads it."""
    node = converted(
        prompt="Book it", tool="book", room="007", seats=" 4 ", hours="1.5", video="TRUE",
        guests="[Ann, Bob]", arg__id="2024-01-31",
    )  # fmt: skip
    assert node == {
        "prompt": "Book it",
        "expect": {
            "book": {
                "room": "007", "seats": 4, "hours": 1.5, "video": True, "guests": ["Ann", "Bob"],
                "id": "2024-01-31",
            }
        },
    }  # fmt: skip


def test_cells_that_say_more() -> None:
    """A match, an empty text, an expectation as a spec has it; a tool alone leaves values open."""
    node = converted(prompt="Book it", tool="book", room="{$contains: [big]}", id="x", arg__id='""')
    assert node == {
        "id": "x",
        "prompt": "Book it",
        "expect": {"book": {"room": {"$contains": ["big"]}, "id": ""}},
    }
    assert converted(prompt="a", tool="book")["expect"] == "book"
    assert converted(prompt="a", tool="no_call")["expect"] == "no_call"
    assert converted(prompt="a", expect="any_call")["expect"] == "any_call"
    assert converted(prompt="a", expect="[{book: {seats: 1}}, book]")["expect"] == [
        {"book": {"seats": 1}},
        "book",
    ]


def test_the_other_columns() -> None:
    """Everything that a case may say, whatever the case of a column's name; notes are not read."""
    node = converted(
        ID="a", Prompt="Hi\nthere ", Tool="no_call", Reply="No.", Split=" Train", Clause="c",
        Tags="a, b;b c", Critical="Yes", group="g", note="why", **{"#1": "x", "": "y"},
    )  # fmt: skip
    assert node == {
        "id": "a", "clause": "c", "split": "train", "group": "g", "prompt": "Hi\nthere ",
        "reply": "No.", "expect": "no_call", "tags": ["a", "b", "c"], "critical": True,
    }  # fmt: skip
    lost = FORMAT.lost(Raw(Location("a.csv", 2), {"prompt": "a", "Note": "why", "comment": ""}))
    assert lost == ["the column 'Note'"]


@pytest.mark.parametrize("word", ["no", "FALSE", "0", " No "])
def test_no_is_no_reason_to_skip(word: str) -> None:
    """A column of yes and no, as for `critical`: `no` leaves the case in."""
    assert converted(prompt="a", tool="no_call", skip=word) == {"prompt": "a", "expect": "no_call"}
    node = converted(prompt="a", tool="no_call", skip="until May")
    assert node["skip"] == "until May"


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"tool": "book"}, "no prompt"),
        ({"prompt": "a"}, "nothing is expected: fill in `tool`: a tool's name, or no_call"),
        (
            {"prompt": "a", "expect": "no_call", "tool": "book"},
            "`expect` and a call besides: the column 'tool' is filled",
        ),
        (
            {"prompt": "a", "tool": "no_call", "room": "1"},
            "no_call with arguments: the column 'room'",
        ),
        (
            {"prompt": "a", "tool": "book", "critical": "perhaps"},
            "an unknown word under `critical`: found 'perhaps', expected yes",
        ),
        (
            {"prompt": "a", "tool": "book", "skip": "Yes"},
            "`skip` without a reason: found 'yes', expected the reason in words",
        ),
        (
            {"prompt": "a", "tool": "book", "seats": "1e999"},
            "a number that cannot be read: column 'seats': the number 1e999 is too large",
        ),
    ],
)
def test_rows_that_become_no_case(cells: dict[str, str], said: str) -> None:
    """Each is a drop with its reason."""
    assert converted(**cells) == said


@pytest.mark.parametrize(
    ("header", "what", "hint"),
    [
        ("id,tool", "has no column `prompt`", "its columns: id, tool"),
        ("prompt,query", "has neither a column `tool` nor `expect`", "its columns: prompt, query"),
        ("prompt,tool,Tool", "has two columns 'tool'", "rename one of them"),
    ],
)
def test_tables_that_are_refused(tmp_path: Path, header: str, what: str, hint: str) -> None:
    """A table that can hold no case is a problem of the spec, not of its rows."""
    (tmp_path / "a.csv").write_text(f"{header}\n1,2,3\n")
    with pytest.raises(FileRefused) as raised:
        FORMAT.open(tmp_path / "a.csv")
    assert (raised.value.what, raised.value.hint) == (what, hint)


def spec_with(tmp_path: Path, text: str | bytes, encoding: str = "utf-8") -> Spec:
    """The spec whose cases stand in this table."""
    (tmp_path / "cases.csv").write_bytes(text.encode(encoding) if isinstance(text, str) else text)
    source = {"format": "csv", "path": "cases.csv"}
    clauses = {"public": "Rooms are for all."}
    file = tmp_path / "rooms.spec.yaml"
    file.write_text(json.dumps({"tools": [BOOK], "clauses": clauses, "source": source}))
    assert load_spec(file).problems == ()
    return load_specs([file])[0]


TABLE = """\
id;prompt;tool;room;seats;clause
a;Café for 4;book;Café;4;public
b;Tell me a joke;no_call;;;
"""


def test_a_spec_with_its_cases_in_a_spreadsheet(tmp_path: Path, damage: ModuleType) -> None:
    """Excel's semicolons and Windows-1252; cases stand at their lines; gold passes, damage not."""
    spec = spec_with(tmp_path, TABLE, "cp1252")
    assert [case.id for case in spec.cases] == ["a", "b"]
    assert spec.cases[0].prompt == "Café for 4"
    assert spec.cases[1].location == Location(str(tmp_path / "cases.csv"), 3)
    kinds = set()
    for case in spec.cases:
        assert judge(case, damage.gold_reply(case)).outcome is Outcome.PASS
        for broken in damage.damages(case):
            kinds.add(broken.kind)
            assert judge(case, broken.reply).miss == broken.miss, broken.kind
    assert len(kinds) >= 10


def test_what_the_spec_does_not_know_is_dropped(tmp_path: Path) -> None:
    """An unknown tool, argument, clause and split: dropped in the words of the case reader."""
    text = "prompt,tool,room,sets,clause,split\n"
    text += "a,boook,,,,\nb,book,,3,,\nc,book,x,,privat,\nd,book,x,,,prod\ne,book,x,,,\n"
    spec = spec_with(tmp_path, text)
    assert [case.id for case in spec.cases] == ["e"]
    assert spec.source is not None
    assert spec.source.drops == {"not a sound case": 4}
    assert spec.source.dropped[0].detail == (
        "case no. 1, expect: unknown tool 'boook' (did you mean 'book'?)"
    )


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@given(st.dictionaries(st.sampled_from(["id", "prompt", "expect", "tool", "seats", "room", "tags",
       "critical", "split", "note", "x"]), CELL | st.sampled_from(["{$", "{a: [", "no_call", "book",
       "1", "{$regex: '('}"]), min_size=3))  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_any_row_is_a_node_or_a_drop(cells: dict[str, str]) -> None:
    """No row raises, before its cells are typed or after."""
    found = converted(**cells)
    assert isinstance(found, str) or {"prompt", "expect"} <= found.keys()


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_texts_come_out_as_they_went_in(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    """A prompt and a text argument that a spreadsheet writes are those of the case, to the byte."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
    writer.writerow(["id", "prompt", "tool", "room"])
    written = [(f"p {prompt}", f"r {room}") for prompt, room in rows]
    writer.writerows([f"c{n}", *texts[:1], "book", *texts[1:]] for n, texts in enumerate(written))
    spec = spec_with(tmp_path_factory.mktemp("texts"), stream.getvalue().encode())
    cases = {case.id: (case.prompt, case.written["book"]["room"]) for case in spec.cases}
    assert cases == {f"c{n}": texts for n, texts in enumerate(written)}
