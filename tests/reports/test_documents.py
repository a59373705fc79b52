"""The documents of a training run's folder: written whole, again, or not at all and told."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.__main__ import main as callgate
from harness.errors import UsageError
from harness.writing import write_whole
from reports.documents import documents_told, write_documents
from reports.runs import open_run

FIND = "<start_function_call>call:find{query:<escape>plan<escape>}<end_function_call>"
SPEC = """\
spec: desk
description: One tool, for everything.
tools: [{name: find, parameters: {query: {type: string}}}]
compare: tool
cases:
  - {id: plan, prompt: Find the plan., expect: {find: {query: plan}}}
  - {id: lamp, prompt: Find a lamp., expect: {find: {query: lamp}}}
"""
HISTORY: tuple[Mapping[str, Any], ...] = (
    {"kind": "start", "rows": 4, "dropped": [], "given_up": {}, "seed": 40, "until": None},
    {"kind": "step", "step": 1, "epoch": 1.0, "loss": 2.5},
    {"kind": "round", "round": 1, "step": 1, "epoch": 1.0, "validation_loss": 2.0,
     "dev_passed": 1, "dev_judged": 2, "dev_pass_rate": 0.5, "best": True},
    {"kind": "end", "ended": "all 1 epochs are trained", "best_round": 1},
)  # fmt: skip
NAMES = ["curves.svg", "report.html", "report.md"]
LOGS = ["after.jsonl", "before.jsonl", "history.jsonl"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a training run: 0 of 2 before, 2 of 2 after."""
    monkeypatch.chdir(tmp_path)
    for name in ("CALLGATE_MODEL", "CALLGATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    Path("desk.spec.yaml").write_text(SPEC, encoding="utf-8")
    for when, reply in (("before", "No."), ("after", FIND)):
        lines = [
            json.dumps({"case": f"desk::{ident}", "reply": reply}) for ident in ("plan", "lamp")
        ]
        Path("replies.jsonl").write_text("\n".join(lines), encoding="utf-8")
        asked = ["desk.spec.yaml", "--model", "replay:replies.jsonl"]
        callgate(["run", *asked, "--run-log", f"run/{when}.jsonl"])
    history = "".join(json.dumps(line) + "\n" for line in HISTORY)
    Path("run/history.jsonl").write_text(history, encoding="utf-8")
    return Path("run")


def names(folder: Path) -> list[str]:
    """What is in a folder."""
    return sorted(entry.name for entry in folder.iterdir())


def test_a_folder_gets_its_documents(run: Path) -> None:
    """Three files, linked by relative names, and nothing else is touched."""
    before = {name: (run / name).read_bytes() for name in LOGS}
    assert [path.name for path in write_documents(run)] == [
        *("curves.svg", "report.md", "report.html")
    ]
    assert names(run) == sorted([*LOGS, *NAMES])
    assert {name: (run / name).read_bytes() for name in LOGS} == before
    markdown = (run / "report.md").read_text("utf-8")
    assert "](curves.svg)" in markdown
    assert str(run.absolute()) not in markdown
    assert (run / "curves.svg").read_text("utf-8").startswith("<?xml")
    assert "<!doctype html>" in (run / "report.html").read_text("utf-8").lower()[:100]


def test_again_they_are_replaced(run: Path) -> None:
    """A second time the same bytes; after a change, the new ones, and no part lies about."""
    write_documents(run)
    first = {name: (run / name).read_bytes() for name in NAMES}
    write_documents(run)
    assert {name: (run / name).read_bytes() for name in NAMES} == first
    history = (run / "history.jsonl").read_text("utf-8")
    (run / "history.jsonl").write_text(history.replace("2.0", "1.25"), encoding="utf-8")
    write_documents(run)
    assert (run / "curves.svg").read_bytes() != first["curves.svg"]
    assert names(run) == sorted([*LOGS, *NAMES])


def test_further_seeds_are_shown(run: Path) -> None:
    """After the runs of the other seeds, the first folder's report has them all."""
    shutil.copytree(run, run / "seeds" / "41")
    write_documents(run)
    assert "| 41 |" in (run / "report.md").read_text("utf-8")


def test_without_matplotlib(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report without curves says why, has no broken link, and no old drawing stays."""
    write_documents(run)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert [path.name for path in write_documents(run)] == ["report.md", "report.html"]
    assert names(run) == sorted([*LOGS, "report.html", "report.md"])
    markdown = (run / "report.md").read_text("utf-8")
    assert "curves.svg" not in markdown
    assert "The curves are not drawn: charts need matplotlib" in markdown


def test_a_training_without_a_step_has_no_curves(run: Path) -> None:
    """Gates that held already: nothing was trained, so there is nothing to draw, nor to say."""
    (run / "history.jsonl").write_text(json.dumps(HISTORY[0]) + "\n", encoding="utf-8")
    assert [path.name for path in write_documents(run)] == ["report.md", "report.html"]
    assert "not drawn" not in (run / "report.md").read_text("utf-8")


def test_what_is_told(run: Path) -> None:
    """Where they are."""
    assert documents_told(run) == ["reports: run/curves.svg, run/report.md, run/report.html"]


def test_a_log_that_cannot_be_read_is_told(run: Path) -> None:
    """A broken log costs the reports, in a sentence, and no exception."""
    (run / "after.jsonl").write_text("no log\n", encoding="utf-8")
    assert documents_told(run) == [
        "the reports are not written: run/after.jsonl:1: not a line of a run log: 'no log'"
    ]
    assert names(run) == LOGS


def test_a_document_that_cannot_be_written_is_told(run: Path) -> None:
    """A folder in its place: the others are whole, and no part is left."""
    (run / "report.md").mkdir()
    assert documents_told(run) == [
        "the reports are not written: run/report.md: cannot be written: Is a directory"
    ]
    assert not [name for name in names(run) if name.startswith(".")]


def test_a_bug_of_ours_is_told(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever breaks is a line, without control characters: the training before it stands."""

    def broken(_: str) -> None:
        raise RuntimeError("\x1b[31moh no")

    monkeypatch.setattr("reports.runs.open_run", broken)
    assert documents_told(run) == [
        "the reports are not written, for callgate itself broke: RuntimeError: \\x1b[31moh no"
    ]


def test_the_folder_can_still_be_reported_on(run: Path) -> None:
    """The documents do not stand in the way of reading the folder again."""
    write_documents(run)
    assert len(open_run("run").after.records) == 2


def test_a_file_is_replaced_whole_or_stays(tmp_path: Path) -> None:
    """Lone surrogates are escaped; a link stays a link; where it fails, what was there remains."""
    real, link = tmp_path / "real.md", tmp_path / "link.md"
    real.write_text("old", encoding="utf-8")
    link.symlink_to(real)
    write_whole(link, "new \ud800\n")
    assert link.is_symlink()
    assert real.read_bytes() == b"new \\ud800\n"
    with pytest.raises(UsageError) as refused:
        write_whole(real / "below.md", "x")
    assert str(refused.value) == f"{real}/below.md: cannot be written: Not a directory"
    with pytest.raises(UsageError) as refused:
        write_whole(tmp_path / "a\0b", "x")
    assert str(refused.value).endswith("a\\x00b': cannot be written: a null byte is in its name")
