"""Rows whose expected calls break their own tools' schemas: kept, and told at every turn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.backends.replay import Replay
from harness.bulk import judge_specs
from harness.cases import Call
from harness.footnotes import rows_notes
from harness.functiongemma import write_call
from harness.loading import LoadedSpec, load_spec
from harness.options import Settings

PARAMETERS = {
    "type": "object",
    "properties": {"q": {"type": "string"}, "n": {"type": "integer"}},
    "required": ["q"],
}
GOLDS: list[dict[str, Any]] = [{"q": "a"}, {}, {"q": "c", "n": "3"}]


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedSpec:
    """A spec of three rows: the second and third expect what their tool's schema refuses."""
    rows = [
        {
            "id": f"row-{number}",
            "messages": [
                {"role": "user", "content": f"Find number {number}."},
                {"role": "assistant", "tool_calls": [called(gold)]},
            ],
            "tools": [{"type": "function", "function": {"name": "find", "parameters": PARAMETERS}}],
        }
        for number, gold in enumerate(GOLDS)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    file = tmp_path / "s.spec.yaml"
    file.write_text("source: {format: openai, path: rows.jsonl}")
    return load_spec(file, "s.spec.yaml")


def called(gold: dict[str, Any]) -> dict[str, Any]:
    """A call as chat APIs write it."""
    return {"function": {"name": "find", "arguments": json.dumps(gold)}}


def test_they_are_counted(loaded: LoadedSpec) -> None:
    """Beside the dropped rows in a run's notes."""
    spec = loaded.spec
    assert spec is not None
    assert spec.source is not None
    assert (spec.source.cases, spec.source.broken, spec.source.drops) == (3, 2, {})
    place = spec.source.place
    assert rows_notes([spec]) == [
        f"s: 3 of 3 rows of {place} are cases; "
        "with an expected call that breaks its own tool's schema: 2"
    ]


def test_lint_shows_the_first(loaded: LoadedSpec) -> None:
    """One warning for all of them, at the first one's place, with what is wrong there."""
    (found,) = [one for one in loaded.warnings if one.code == "broken-gold"]
    assert found.location.line == 2
    assert found.what == (
        "2 rows are kept, this one first, though the expected call itself breaks its tool's "
        "schema: find: argument 'q' is missing"
    )
    assert found.hint == "no reply is blamed for that; another violation is `invalid_arguments`"


def test_a_run_logs_them(loaded: LoadedSpec, tmp_path: Path) -> None:
    """The header counts them, each verdict has the note; golds pass, and are no valid calls."""
    assert loaded.spec is not None
    lines = [
        {"case": f"s::row-{number}", "reply": write_call(Call("find", gold))}
        for number, gold in enumerate(GOLDS)
    ]
    replies = tmp_path / "replies.jsonl"
    replies.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    log = tmp_path / "log.jsonl"
    settings = Settings(home=tmp_path / ".callgate", run_log=str(log))
    judged = judge_specs([loaded.spec], Replay.read(str(replies)), settings)
    assert [record["outcome"] for record in judged.records] == ["pass"] * 3
    assert [record.get("note") for record in judged.records] == [
        None,
        "the expected call itself breaks its tool's schema: find: argument 'q' is missing",
        "the expected call itself breaks its tool's schema: "
        "find: argument 'n': expected an integer, got '3'",
    ]
    assert [record["schema_valid"] for record in judged.records] == [True, False, False]
    header = json.loads(log.read_text().splitlines()[0])
    assert header["policies"]["s"]["source"]["broken"] == 2
