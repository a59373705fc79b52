"""`source:` in a spec: its keys, its cases, its drops, and what is said of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.cases import DroppedRows, Location, RowsRead, Spec
from harness.footnotes import rows_notes
from harness.loading import LoadedSpec, load_spec, load_specs
from harness.options import Settings
from harness.run_log import header
from harness.sources.parquet import open_parquet
from harness.sources.row_warnings import lost_text
from harness.sources.rows import Drop, Raw
from harness.sources.selection import permutation
from harness.spec_files.strict_yaml import FileRefused

SpecOf = Callable[..., Spec]
TOOL = {"name": "find", "parameters": {"query": {"type": "string"}}}


def asking(prompt: str, query: str = "x", **more: Any) -> dict[str, Any]:
    """A row whose user asks and whose assistant calls `find`."""
    call = {"name": "find", "arguments": json.dumps({"query": query})}
    turns = [
        {"role": "user", "content": prompt},
        {"role": "assistant", "tool_calls": [{"id": "c", "function": call}]},
    ]
    return {"messages": turns, **more}


def written(tmp_path: Path, rows: list[Any], **keys: Any) -> Path:
    """A spec that reads these rows; a text among them stands in the file as it is."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (tmp_path / "rows.jsonl").write_text("".join(f"{line}\n" for line in lines))
    source = {"format": "openai", "path": "rows.jsonl", **keys.pop("source", {})}
    file = tmp_path / "a.spec.yaml"
    file.write_text(json.dumps({"tools": [TOOL], "source": source, **keys}))
    return file


def loaded(tmp_path: Path, rows: list[Any], **keys: Any) -> LoadedSpec:
    """What becomes of a spec that reads these rows."""
    return load_spec(written(tmp_path, rows, **keys), "a.spec.yaml")


def problems(tmp_path: Path, source: str) -> str:
    """The problems of a spec with this `source:`, without the lines shown."""
    file = tmp_path / "a.spec.yaml"
    file.write_text(f"source: {source}\n")
    found = load_spec(file, "a.spec.yaml").problems
    return "\n".join(str(problem).split("\n")[0] for problem in found)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "rows.jsonl",
            "1:9: source: found 'rows.jsonl', expected a mapping with `format`, and `path` or "
            "`hub`",
        ),
        (
            "{path: x}",
            "1:9: source: has no `format` (one of simple_tool_calling, hermes, bfcl, "
            "mobile_actions, openai, csv)",
        ),
        (
            "{format: opnai, path: x}",
            "1:18: source.format: found 'opnai', expected one of `simple_tool_calling`, `hermes`, "
            "`bfcl`, `mobile_actions`, `openai`, `csv` (did you mean 'openai'?)",
        ),
        (
            "{format: csv}",
            "1:9: source: has neither `path` nor `hub` (name the file, or the data set on the Hub)",
        ),
        (
            "{format: csv, path: a, hub: a/b}",
            "1:32: source.hub: has both `path` and `hub` (keep one of them)",
        ),
        (
            "{format: csv, path: a, revision: v1}",
            "1:32: source.revision: `revision` is only for a data set of the Hub",
        ),
        (
            "{format: csv, pth: a}",
            "1:9: source: has neither `path` nor `hub` (name the file, or the data set on the Hub)"
            "\na.spec.yaml:1:23: source.pth: unknown key 'pth' (did you mean 'path'?)",
        ),
        (
            "{format: csv, path: a, limit: 0}",
            "1:39: source.limit: found 0, expected a whole number from 1",
        ),
        (
            "{format: csv, path: a, take: {tset: 3, train: -1}}",
            "1:39: source.take.tset: unknown split 'tset' (did you mean 'test'?)"
            "\na.spec.yaml:1:55: source.take.train: found -1, expected a whole number from 0",
        ),
        (
            "{format: csv, path: a, where: []}",
            "1:39: source.where: found [], expected a mapping of fields to values (for example "
            "`where: {metadata: eval}`)",
        ),
        (
            "{format: openai, path: none.jsonl}",
            "1:32: source.path: the file 'none.jsonl' cannot be read: No such file or directory "
            "(a path relative to the spec file)",
        ),
        (
            "{format: openai, path: .}",
            "1:32: source.path: the file '.' is a folder, expected a file (a path relative to the "
            "spec file)",
        ),
    ],
)
def test_problems_of_the_key(tmp_path: Path, source: str, said: str) -> None:
    """What is wrong with a source is said like all else in a spec, before a row is read."""
    assert problems(tmp_path, source) == f"a.spec.yaml:{said}"


def test_a_spec_needs_cases_or_a_source(tmp_path: Path) -> None:
    """A source alone is enough; neither is a problem."""
    assert loaded(tmp_path, [asking("a")]).problems == ()
    (tmp_path / "b.spec.yaml").write_text("spec: b\n")
    (problem,) = load_spec(tmp_path / "b.spec.yaml", "b.spec.yaml").problems
    assert str(problem).startswith("b.spec.yaml:1:1: there are no `cases` (add at least one)")


def test_rows_are_cases_like_any_other(tmp_path: Path) -> None:
    """Beside written cases, at their lines, under the settings and the tools of the file."""
    case = {"id": "mine", "prompt": "Hi", "expect": "no_call"}
    keys = {"cases": [case], "compare": "tool", "gate": {"pass_rate": 0.5}, "target": "args_json"}
    spec = loaded(tmp_path, ["", asking("First"), asking("Second", id="s")], **keys).spec
    assert spec is not None
    assert [case.id for case in spec.cases][::2] == ["mine", "s"]
    assert [case.location.line for case in spec.cases] == [1, 2, 3]
    assert spec.cases[1].location.path.endswith("rows.jsonl")
    assert {(case.compare, case.target) for case in spec.cases} == {("tool", "args_json")}
    assert spec.source == RowsRead("openai", str(tmp_path / "rows.jsonl"), rows=2, cases=2, lost={})


def test_a_format_implies_settings_that_the_spec_may_overrule(tmp_path: Path) -> None:
    """What a format sets for the file holds where the spec writes nothing."""
    rows = [{"user_content": "Hi", "tool_name": "search_google", "tool_arguments": "{}"}]
    source = {"format": "simple_tool_calling", "path": "rows.jsonl"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(rows[0]))
    file = tmp_path / "a.spec.yaml"
    file.write_text(json.dumps({"source": source}))
    assert load_specs([file])[0].source is not None
    from harness.sources.simple_tool_calling import FORMAT

    assert FORMAT.defaults["compare"] == "tool"
    file.write_text(json.dumps({"source": source, "compare": "arguments"}))
    assert {case.compare for case in load_specs([file])[0].cases} <= {"arguments"}


def test_bad_rows_are_counted_never_problems(tmp_path: Path) -> None:
    """Broken JSON, rows of no use, what the case reader refuses: by reason, with the place."""
    other = {"messages": asking("x")["messages"], "tools": [{"name": "other"}]}
    spec = loaded(tmp_path, ["{broken", asking("a"), {}, "{worse", other]).spec
    assert spec is not None
    assert spec.source is not None
    place = str(tmp_path / "rows.jsonl")
    found = "expecting property name enclosed in double quotes at character 2"
    assert spec.source.dropped == (
        DroppedRows("broken JSON", 2, Location(place, 1), found),
        DroppedRows(
            "no conversation", 1, Location(place, 3), "expected a mapping with a list of `messages`"
        ),
        DroppedRows(
            "not a sound case",
            1,
            Location(place, 5),
            "case x-f716e0, expect.find: unknown tool 'find' (declared: other)",
        ),
    )


def test_a_row_cannot_name_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tools are never read from a file, even if a format passed on a path that its row names."""
    from harness.sources import openai

    (tmp_path / "tools.yaml").write_text(json.dumps([TOOL]))
    node = {"prompt": "a", "expect": "find", "tools": "tools.yaml"}
    monkeypatch.setattr(openai, "FORMAT", replace(openai.FORMAT, convert=lambda _: node))
    found = loaded(tmp_path, [asking("a")]).spec
    assert found is not None
    assert found.source is not None
    assert found.source.dropped[0].detail == (
        "case no. 1, tools: a row cannot name a file of tools"
    )


def test_a_format_that_breaks_costs_the_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception in a format is a drop of that row, and says which it was."""
    from harness.sources import openai

    def broken(_: Any) -> Drop:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(openai, "FORMAT", replace(openai.FORMAT, convert=broken))
    found = loaded(tmp_path, [asking("a")])
    assert found.spec is not None
    assert found.spec.source is not None
    assert found.spec.source.dropped[0].reason == "the format broke on it"
    assert found.spec.source.dropped[0].detail == "ZeroDivisionError: by zero"


def test_rows_of_one_id(tmp_path: Path) -> None:
    """The same row again is dropped; other rows of one id, or of a written case's, get digits."""
    rows = [asking("a", id="x"), asking("a", id="x"), asking("b", id="x"), asking("c", id="mine"),
            asking("d", id="gate")]  # fmt: skip
    case = {"id": "mine", "prompt": "Hi", "expect": "no_call"}
    spec = loaded(tmp_path, rows, cases=[case]).spec
    assert spec is not None
    assert spec.source is not None
    names = [case.id for case in spec.cases]
    assert len(set(names)) == 5
    assert names[0] == "mine"
    assert [name[:-7] for name in names[1:]] == ["x", "x", "mine", "gate"]
    assert {case.request.case for case in spec.cases} == {f"a::{name}" for name in names}
    (drop,) = spec.source.dropped
    assert (drop.reason, drop.first.line) == ("duplicate row", 2)
    assert drop.detail == f"the same as {tmp_path / 'rows.jsonl'}:1"
    again = loaded(tmp_path, [rows[4], rows[2], rows[0], rows[3]], cases=[case]).spec
    assert again is not None
    assert {case.id for case in again.cases} == set(names)


def test_take_and_head(tmp_path: Path) -> None:
    """Splits by position on raw rows; then the first usable cases of a split."""
    rows = [asking(f"no {n}", id=f"r{n}") if n % 3 else "{broken" for n in range(30)]
    source = {"shuffle": 40, "limit": 20, "take": {"train": 12, "test": 8}, "head": {"test": 3}}
    spec = loaded(tmp_path, rows, source=source).spec
    assert spec is not None
    assert spec.source is not None
    order = permutation(30, 40)[:20]
    usable = [f"r{n}" for n in order if n % 3]
    train = [f"r{n}" for n in order[:12] if n % 3]
    assert [case.id for case in spec.in_split("train")] == train
    assert [case.id for case in spec.in_split("test")] == usable[len(train) :][:3]
    assert (spec.source.rows, spec.source.left) == (20, len(usable) - len(train) - 3)
    assert spec.source.drops == {"broken JSON": 20 - len(usable)}


def test_head_counts_the_splits_that_the_file_gives(tmp_path: Path) -> None:
    """Without `take`, a case's split is its own, or by the shares of the file."""
    rows = [asking(f"no {n}") for n in range(40)]
    keys = {"split": {"train": 0.5, "test": 0.5}, "source": {"head": {"test": 3, "train": 5}}}
    spec = loaded(tmp_path, rows, **keys).spec
    assert spec is not None
    assert [len(spec.in_split(name)) for name in ("train", "test")] == [5, 3]


def test_the_digest_covers_the_data(tmp_path: Path) -> None:
    """A changed row changes the spec's digest, and nothing else does."""
    first = load_specs([written(tmp_path, [asking("a")])])[0].digest
    assert load_specs([written(tmp_path, [asking("a")])])[0].digest == first
    assert load_specs([written(tmp_path, [asking("b")])])[0].digest != first


def test_rows_with_the_same_tools_share_them(tmp_path: Path) -> None:
    """Thousands of rows that declare the same tools hold them once."""
    rows = [asking(f"no {n}", tools=[{"name": "find", "parameters": {"type": "object",
            "properties": {"query": {"type": "string"}}}}]) for n in range(3)]  # fmt: skip
    spec = loaded(tmp_path, rows).spec
    assert spec is not None
    assert len({id(case.tools) for case in spec.cases}) == 1


# What is said


def test_lint_says_what_became_of_the_rows(tmp_path: Path) -> None:
    """Drops at their first places; warnings about rows one of a kind; what is lost."""
    rows = [asking("a"), asking("b"), "{broken", "{broken", asking("a", note="x"), asking("b"), {}]
    found = loaded(tmp_path, rows)
    place = str(tmp_path / "rows.jsonl")
    said = [str(problem).split("\n")[0].replace(place, "rows.jsonl") for problem in found.warnings]
    one = found.spec.cases[0].id if found.spec else ""
    two = found.spec.cases[2].id if found.spec else ""
    assert said == [
        "a.spec.yaml:1:76: source: no case expects `no_call`: a model that never holds back can "
        "pass them all (add prompts that no tool is for)",
        "a.spec.yaml:1:76: source: what the rows have and their cases have not: `note` of the row "
        "(1 row)",
        "rows.jsonl:3:1: source: 2 rows are dropped, this one first: broken JSON: expecting "
        "property name enclosed in double quotes at character 2",
        f"rows.jsonl:5:1: case {two}: asks the same as case {one} on line 1 (it counts twice; "
        "remove one)",
        "rows.jsonl:6:1: source: 1 row is dropped: duplicate row: the same as rows.jsonl:2",
        "rows.jsonl:7:1: source: 1 row is dropped: no conversation: expected a mapping with a list "
        "of `messages`",
    ]


def test_lint_says_one_of_a_kind(tmp_path: Path) -> None:
    """Of many warnings of one kind about rows the first is shown, with their number."""
    rows = [asking(f"no {n} $(x)") for n in range(5)] + [asking("Hi <escape>")] * 1
    rows += [asking(f"{n} <start_of_turn>") for n in range(3)]
    said = [str(w) for w in loaded(tmp_path, rows).warnings if w.code == "control-token"]
    assert len(said) == 1
    assert said[0].endswith(
        "; 3 more warnings of this kind about the rows (write it in other words)"
    )


def test_no_usable_row(tmp_path: Path) -> None:
    """The spec is sound and has no case; lint says so, with what the rows have."""
    found = loaded(tmp_path, [asking("a")], source={"where": {"kind": "b"}})
    assert found.spec is not None
    assert found.spec.cases == ()
    said = [str(w).split("\n")[0] for w in found.warnings if w.code == "no-row"]
    place = tmp_path / "rows.jsonl"
    assert said == [
        f"a.spec.yaml:1:76: source: no row of {place} became a case (0 rows chosen) "
        "(its rows have nothing at 'kind')"
    ]


def test_the_line_below_the_summary(tmp_path: Path) -> None:
    """How many rows are cases, how many were left or dropped and why; nothing where all are."""
    rows = [asking("a"), asking("b"), asking("c"), "{broken", "{broken", {}]
    spec = load_specs([written(tmp_path, rows, source={"head": {"test": 2}})])[0]
    assert rows_notes([spec]) == [
        f"a: 2 of 6 rows of {tmp_path / 'rows.jsonl'} are cases; not read, beyond `head`: 1; "
        "dropped: 2 broken JSON, 1 no conversation"
    ]
    assert rows_notes(load_specs([written(tmp_path, [asking("a")])])) == []


def test_the_run_log_has_the_drops(tmp_path: Path) -> None:
    """The header says where a spec's rows came from, and how many were dropped for what."""
    spec = load_specs([written(tmp_path, [asking("a"), {}])])[0]
    policy = header(Settings(model="mini"), "m", "f", [spec])["policies"]["a"]
    place = str(tmp_path / "rows.jsonl")
    assert policy["source"] == {
        "format": "openai", "place": place, "rows": 2, "cases": 1, "left": 0, "broken": 0,
    }  # fmt: skip
    assert policy["drops"] == {"no conversation": 1}


def test_reading_a_source_imports_nothing_heavy(tmp_path: Path) -> None:
    """Collection must not wait for torch, datasets, pyarrow or numpy."""
    file = written(tmp_path, [asking("a")])
    code = (
        "import sys; from pathlib import Path; from harness.loading import load_specs\n"
        "load_specs([Path(sys.argv[1])])\n"
        "print(sorted({'torch', 'transformers', 'datasets', 'pyarrow', 'numpy'} & {*sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_parquet(tmp_path: Path) -> None:
    """Rows of a Parquet file; a value that JSON has not is a drop."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    tables = {"good": [asking("a"), asking("b")], "bad": [{"messages": b"\xff"}]}
    for name, rows in tables.items():
        parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / f"{name}.parquet")
    file = tmp_path / "p.spec.yaml"
    file.write_text(
        json.dumps({"tools": [TOOL], "source": {"format": "openai", "path": "good.parquet"}})
    )
    assert [case.prompt for case in load_specs([file])[0].cases] == ["a", "b"]
    file.write_text(json.dumps({"source": {"format": "openai", "path": "bad.parquet"}}))
    read = load_specs([file])[0].source
    assert read is not None
    assert read.drops == {"a value that is no JSON": 1}
    (tmp_path / "x.parquet").write_text("no parquet")
    assert problems(tmp_path, "{format: openai, path: x.parquet}").startswith(
        "a.spec.yaml:1:32: source.path: the file 'x.parquet' cannot be read as Parquet: "
    )


def test_parquet_is_read_within_limits(tmp_path: Path) -> None:
    """A small file of a great deal is refused; a huge row is a drop; a pipe is no file."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    some = pyarrow.table({"messages": ["x" * 1_000_001, "y"]})
    parquet.write_table(some, tmp_path / "row.parquet")
    rows = open_parquet(tmp_path / "row.parquet")
    assert str(rows[0]) == "huge row: 1,000,017 bytes, at most 1,000,000 are read"
    assert isinstance(rows[1], Raw)
    bomb = tmp_path / "bomb.parquet"
    part = pyarrow.table({"messages": ["x" * 2**20] * 10})
    with parquet.ParquetWriter(bomb, part.schema, compression="gzip") as writer:
        for _ in range(30):
            writer.write_table(part)
    assert bomb.stat().st_size < 2**20
    with pytest.raises(FileRefused, match=r"^holds more than 268,435,456 bytes"):
        open_parquet(bomb)
    os.mkfifo(tmp_path / "pipe.parquet")
    with pytest.raises(FileRefused, match=r"^is not a regular file"):
        open_parquet(tmp_path / "pipe.parquet")


def test_keys_of_the_rows_own_are_told_in_short(tmp_path: Path) -> None:
    """Keys that are data grow no report: each is cut, the first 12 are named, the rest counted."""
    rows = [{**asking(str(n)), f"{n:02}" + "k" * 500: n} for n in range(15)]
    source = loaded(tmp_path, rows).spec
    assert source is not None
    assert source.source is not None
    said = lost_text(source.source).split("; ")
    assert len(said) == 13
    assert said[0] == f"`00{'k' * 18} … 462 more … {'k' * 20}` of the row (1 row)"
    assert said[-1] == "and 3 more"


def test_the_splits_that_are_asked_for(tmp_path: Path) -> None:
    """Those that `take` or `head` counts rows of, none by 0; without either nothing is asked."""
    for source, asked in (
        ({"take": {"test": 1, "train": 2}}, ("train", "test")),
        ({"head": {"dev": 1, "test": 0}}, ("dev",)),
        ({}, ()),
    ):
        spec = loaded(tmp_path, [asking("a")], source=source).spec
        assert spec is not None
        assert spec.source is not None
        assert spec.source.asked == asked
