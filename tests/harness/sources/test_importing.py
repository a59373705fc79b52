"""`callgate import`: the file it writes holds the cases of the source, and reads well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cases import Case
from harness.errors import CallgateError, UsageError
from harness.loading import load_spec, load_specs
from harness.sources import importing
from harness.sources.importing import Imported, Order, import_rows
from harness.sources.yaml_writing import yaml_text
from harness.spec_files.strict_yaml import read_yaml

DATA = Path(__file__).parents[2] / "data"
FIND = {"name": "find", "parameters": {"type": "object", "properties": {"q": {"type": "string"}}}}
BOOK = {"name": "book", "description": "Book a room."}


def asking(prompt: str, call: dict[str, Any] | str, *tools: Any, **more: Any) -> dict[str, Any]:
    """A row: a question, and a call or an answer."""
    answer: dict[str, Any] = {"role": "assistant", "content": call}
    if isinstance(call, dict):
        answer = {"role": "assistant", "tool_calls": [{"function": call}]}
    return {"messages": [{"role": "user", "content": prompt}, answer], "tools": list(tools), **more}


ROWS = [
    asking("Where: the plan?\nHere?", {"name": "find", "arguments": '{"q": "007"}'}, FIND, id="a"),
    asking("yes", "No.", FIND, id="b"),
]  # fmt: skip


def imported(tmp_path: Path, rows: list[Any], form: str = "openai", **keys: Any) -> Imported:
    """What comes of importing these rows to `out.spec.yaml`."""
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    source = {"format": form, "path": str(tmp_path / "rows.jsonl"), **keys}
    return import_rows(Order(source, tmp_path / "out.spec.yaml"))


def content(case: Case) -> Any:
    """A case without its place."""
    held = {k: v for k, v in vars(case).items() if k not in ("location", "request")}
    return held, case.request.messages, case.tools


def test_a_file_that_reads_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shared tools once at the top, flow style where it fits, texts quoted where they must be."""
    monkeypatch.chdir(tmp_path)
    found = imported(tmp_path, [*ROWS, {}], limit=3)
    assert found.text == (tmp_path / "out.spec.yaml").read_text()
    assert (
        found.text
        == """\
description: Imported from rows.jsonl (openai).

tools:
  - name: find
    parameters: {type: object, properties: {q: {type: string}}}

cases:
  - id: a
    prompt: |-
      Where: the plan?
      Here?
    expect: {find: {q: "007"}}
  - id: b
    prompt: "yes"
    expect: no_call
    reply: No.
"""
    )
    assert found.lines == (
        "2 of 3 rows of rows.jsonl are cases; dropped: 1 no conversation",
        "  dropped 1: no conversation; the first at rows.jsonl:3: expected a mapping with a list "
        "of `messages`",
        f"{tmp_path / 'out.spec.yaml'}: 2 cases (2 test), read back: the same cases",
    )


def test_tools_of_their_own(tmp_path: Path) -> None:
    """Rows that declare some of the same tools name them; where two differ, each has its own."""
    rows = [
        asking("a", {"name": "find", "arguments": {"q": "x"}}, FIND),
        asking("b", {"name": "book", "arguments": {}}, FIND, BOOK),
        asking("c", "No.", BOOK),
    ]
    text = imported(tmp_path, rows).text
    document = read_yaml(text, "x").value
    assert document["tools"] == [FIND, BOOK]
    assert [case.get("tools") for case in document["cases"]] == [["find"], None, ["book"]]
    other = {**FIND, "description": "Another."}
    (tmp_path / "out.spec.yaml").unlink()
    document = read_yaml(imported(tmp_path, [*rows, asking("d", "No.", other)]).text, "x").value
    assert "tools" not in document
    assert [case["tools"] for case in document["cases"]] == [[FIND], [FIND, BOOK], [BOOK], [other]]


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("hermes", "hermes.jsonl"),
        ("mobile_actions", "mobile_actions.jsonl"),
        ("simple_tool_calling", "simple_tool_calling.jsonl"),
    ],
)
def test_every_data_set_is_the_same_both_ways(tmp_path: Path, form: str, name: str) -> None:
    """The imported file holds the cases that `source:` reads, but for those no file may hold."""
    source = {"format": form, "path": str(DATA / name)}
    found = import_rows(Order(source, tmp_path / "out.spec.yaml"))
    assert found.text
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "out.spec.yaml").write_text(yaml_text({"source": source}))
    (written,) = load_specs([tmp_path / "out.spec.yaml"])
    (read,) = load_specs([tmp_path / "source" / "out.spec.yaml"])
    assert load_spec(tmp_path / "out.spec.yaml").problems == ()
    there = {case.id: content(case) for case in written.cases}
    assert there == {case.id: content(case) for case in read.cases if case.id in there}
    assert len(there) >= 0.8 * len(read.cases)


def test_a_call_that_breaks_its_own_schema_is_dropped(tmp_path: Path) -> None:
    """`source:` keeps such a row, a written case may not be so: the report counts it."""
    broken = asking("c", {"name": "find", "arguments": {"q": 7}}, FIND, id="c")
    found = imported(tmp_path, [*ROWS, broken])
    place = tmp_path / "rows.jsonl"
    reason = "a call that breaks its tool's schema, which no written case may"
    assert found.lines[:2] == (
        f"2 of 3 rows of {place} are cases; dropped: 1 {reason}",
        f"  dropped 1: {reason}; the first at {place}:3: case c, expect.find.q: "
        "expected a text, got 7 (put it in quotes)",
    )


def test_a_spreadsheet_with_the_tools_of_a_spec(tmp_path: Path) -> None:
    """`--tools` names a list or a spec; clauses come from it, unknown ones are left to be said."""
    (tmp_path / "a.csv").write_text(
        "id,prompt,tool,q,clause,note\na,Where?,find,plan,inside,x\nb,Hi,no_call,,outside,\n"
    )
    like = {"tools": [FIND], "clauses": {"inside": "Plans are found."}, "cases": []}
    (tmp_path / "like.spec.yaml").write_text(json.dumps(like))
    source = {"format": "csv", "path": str(tmp_path / "a.csv")}
    out = tmp_path / "out.spec.yaml"
    found = import_rows(Order(source, out, tmp_path / "like.spec.yaml"))
    document = read_yaml(found.text, "x").value
    assert document["clauses"] == {
        "inside": "Plans are found.",
        "outside": "outside (say it in words)",
    }
    assert document["tools"] == [FIND]
    assert document["cases"] == [
        {"id": "a", "prompt": "Where?", "expect": {"find": {"q": "plan"}}, "clause": "inside"},
        {"id": "b", "prompt": "Hi", "expect": "no_call", "clause": "outside"},
    ]
    assert list(document["clauses"]) == ["inside", "outside"]
    assert found.lines[1] == "could not be carried over: the column 'note' (1 row)"
    with pytest.raises(UsageError, match="the rows of a csv declare no tools: name a file"):
        import_rows(Order(source, tmp_path / "other.spec.yaml"))


def test_refusals(tmp_path: Path) -> None:
    """A file that is there, a name that is no spec's, a source that cannot be read."""
    imported(tmp_path, ROWS)
    out = tmp_path / "out.spec.yaml"
    source = {"format": "openai", "path": str(tmp_path / "rows.jsonl")}
    with pytest.raises(UsageError) as raised:
        import_rows(Order(source, out))
    assert str(raised.value) == f"{out} is there already: --force overwrites it"
    assert import_rows(Order(source, out, force=True)).text == out.read_text()
    with pytest.raises(UsageError) as raised:
        import_rows(Order(source, tmp_path / "out.yaml"))
    assert str(raised.value) == (
        f"{tmp_path / 'out.yaml'}: the names of spec files end in '.spec.yaml'"
    )
    with pytest.raises(UsageError) as raised:
        import_rows(Order({"format": "openai", "path": "/none"}, tmp_path / "b.spec.yaml"))
    assert str(raised.value) == (
        "source.path: the file '/none' cannot be read: No such file or directory (a path relative "
        "to the spec file)"
    )


def test_nothing_usable_writes_nothing(tmp_path: Path) -> None:
    """No case, no file; the report says why."""
    found = imported(tmp_path, [{}, asking("a", "No.", kind="x")], where={"kind": "y"})
    out = tmp_path / "out.spec.yaml"
    assert found.text == ""
    assert not out.exists()
    assert found.lines[-2:] == (
        "its rows have nothing, 'x' at 'kind'",
        f"{out} is not written: it has no case",
    )


def test_a_file_that_is_not_the_same_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug of the writer ends in words and no file."""

    def wrong(document: Any, apart: Any = ()) -> str:
        return yaml_text(document, apart).replace("prompt: yes or no", "prompt: no")

    monkeypatch.setattr(importing, "yaml_text", wrong)
    with pytest.raises(CallgateError) as raised:
        imported(tmp_path, [asking("yes or no", "No.", FIND, id="b")])
    out = tmp_path / "out.spec.yaml"
    assert str(raised.value) == (
        f"{out} is not written: read back, it would hold other cases than openai; please report it "
        "(case b)"
    )
    assert not out.exists()


# The writer

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.from_regex(
    r"[ \-?:,\[\]{}#&*!|>'\"%@`=~a0.\n\t\\x]{0,12}", fullmatch=True
)
VALUE = st.recursive(
    TEXT
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)


@given(st.lists(VALUE, min_size=1, max_size=3), TEXT)
@settings(max_examples=250, deadline=None)
def test_what_is_written_is_what_is_read(values: list[Any], text: str) -> None:
    """Any value at any place, prompts with all their checks included, comes back as it was."""
    cases = [{"id": "a", "prompt": text, "expect": value} for value in values]
    document = {"description": text, "tools": [{"name": text}], "cases": cases}
    back = read_yaml(yaml_text(document, ("tools", "cases")), "x").value
    assert json.dumps(back) == json.dumps(document)


@pytest.mark.parametrize(
    "text",
    ["yes", "No", "on", "~", "null", "True", "1", "1.5", "1e5", "0x1F", "012", "1_000", "12:30:45",
     "2024-01-31", "2024-01-31 10:00", ".inf", ".5", "-", "- a", "? a", "<<", "=", "", " a", "a ",
     "a: b", "a #b", "a:", "#a", "@a", "`a", "%a", "&a", "*a", "!a", "|", ">", "'a'", '"a"',
     "\ta", "a\x85b", "a\u2028b", "\x00", "\ufeff", "\U0001f600\u200d"],
)  # fmt: skip
def test_what_other_readers_may_misread_is_quoted(text: str) -> None:
    """PyYAML, a reader of YAML 1.1, reads the text too."""
    import yaml

    written = yaml_text({"a": text, "b": [{"c": text}], "d": {text: 1}})
    assert yaml.safe_load(written) == {"a": text, "b": [{"c": text}], "d": {text: 1}}


def test_a_folder_that_tools_search_is_named_from_where_the_spec_is(tmp_path: Path) -> None:
    """`--tools` from another folder: the new spec searches the same pages, not its neighbours."""
    (tmp_path / "tools" / "pages").mkdir(parents=True)
    (tmp_path / "tools" / "pages" / "a.md").write_text("# A", encoding="utf-8")
    (tmp_path / "out").mkdir()
    tool = {**FIND, "run": {"search": "pages"}}
    (tmp_path / "tools" / "list.yaml").write_text(json.dumps([tool]), encoding="utf-8")
    (tmp_path / "tools" / "like.spec.yaml").write_text("tools: list.yaml\ncases: []\n", "utf-8")
    (tmp_path / "a.csv").write_text("id,prompt,tool,q\na,Where?,find,plan\n", encoding="utf-8")
    source = {"format": "csv", "path": str(tmp_path / "a.csv")}
    for name in ("list.yaml", "like.spec.yaml"):
        order = Order(source, tmp_path / "out" / "p.spec.yaml", tmp_path / "tools" / name)
        document = read_yaml(import_rows(order).text, "x").value
        assert document["tools"][0]["run"] == {"search": "../tools/pages"}
        order.out.unlink()


def test_a_clause_that_cannot_be_one_drops_its_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One cell of a table is counted as a drop; the other rows are written."""
    from harness.__main__ import main

    monkeypatch.chdir(tmp_path)
    Path("tools.yaml").write_text("- {name: find, parameters: {q: {type: string}}}\n", "utf-8")
    table = "id,prompt,tool,q,clause\na,Who won?,find,cup,open\nb,Who lost?,find,cup,not good\n"
    Path("t.csv").write_text(table, "utf-8")
    words = ["import", "csv", "t.csv", "-o", "t.spec.yaml", "--tools", "tools.yaml"]
    assert main(words) == 0
    assert "1 of 2 rows of t.csv are cases; dropped: 1 not a sound case" in capsys.readouterr().out
    assert "clause: open" in Path("t.spec.yaml").read_text("utf-8")
