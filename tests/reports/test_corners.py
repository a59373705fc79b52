"""Reports in corners: specs that were not reached, rows that were dropped, cases that moved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.__main__ import main as callgate
from reports.__main__ import main as report
from reports.blessing import bless

FIND = "<start_function_call>call:find{query:<escape>plan<escape>}<end_function_call>"
TOOLS = "tools: [{name: find, parameters: {query: {type: string}}}, {name: book}]\n"
PLAN = "{id: plan, prompt: Find the plan., expect: find}"
LAMP = "{id: lamp, prompt: Find a lamp., expect: find}"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty project."""
    monkeypatch.chdir(tmp_path)
    for name in ("CALLGATE_MODEL", "CALLGATE_DIR"):
        monkeypatch.delenv(name, raising=False)


def spec(name: str, *cases: str, head: str = TOOLS, more: str = "") -> None:
    """Write a spec."""
    listed = "cases:\n" + "".join(f"  - {case}\n" for case in cases) if cases else ""
    Path(f"{name}.spec.yaml").write_text(f"{head}gate: {{pass_rate: 0}}\n{more}{listed}", "utf-8")


def run(log: str, replies: Mapping[str, str], *specs: str, flags: tuple[str, ...] = ()) -> int:
    """`callgate run` on these replies, by `SPEC::ID`."""
    lines = [json.dumps({"case": name, "reply": text}) for name, text in replies.items()]
    Path("replies.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    paths = [f"{name}.spec.yaml" for name in specs]
    return callgate(["run", *paths, "--model", "replay:replies.jsonl", "--run-log", log, *flags])


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """`callgate-report`: its exit code and what it printed."""
    capsys.readouterr()
    code = report(list(words))
    out, err = capsys.readouterr()
    return code, " ".join(out.split()), err


def rows(*cells: str) -> None:
    """The spec `table` over a csv."""
    Path("table.csv").write_text(
        "id,prompt,tool,query\n" + "".join(f"{c}\n" for c in cells), "utf-8"
    )
    spec("table", more="compare: tool\nsource: {format: csv, path: table.csv}\n")


def test_a_spec_that_lost_all_its_cases_is_a_regression(capsys: pytest.CaptureFixture[str]) -> None:
    """Its cases passed before and were not reached, though the run has its footer."""
    spec("desk", PLAN)
    rows("a,Find it.,find,it", "b,Find that.,find,that")
    replies = {"desk::plan": FIND, "table::a": FIND, "table::b": FIND}
    assert run("before.jsonl", replies, "desk", "table") == 0
    rows("a,Find it.,gone,it", "b,Find that.,gone,that")
    run("after.jsonl", replies, "desk", "table")
    compared = ("after.jsonl", "--against", "before.jsonl", "--fail-on", "regression")
    code, _, err = told(capsys, *compared)
    assert code == 1
    assert "2 cases passed before and were not reached now: table::a, table::b" in err


def test_rows_that_were_dropped_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Before a number is believed: how many rows of the data set it leaves out, and why."""
    rows("a,Find it.,find,it", "b,Find that.,gone,that")
    run("run.jsonl", {"table::a": FIND}, "table")
    for form in ("terminal", "markdown"):
        _, out, _ = told(capsys, "run.jsonl", "--format", form)
        assert "table: 1 of 2 rows are cases; dropped: 1 not a sound case" in out.replace("\\", "")


def test_a_run_without_cases_did_not_break_off(capsys: pytest.CaptureFixture[str]) -> None:
    """It has its footer: running it again would change nothing."""
    rows("b,Find that.,gone,that")
    assert run("run.jsonl", {}, "table") == 3
    code, _, err = told(capsys, "run.jsonl")
    assert code == 2
    assert err == (
        "run.jsonl: holds no verdict: that run had no case to judge: callgate lint says why of its "
        "specs\n"
    )


def test_verdicts_with_a_note_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """BFCL's own defects stay in the verdicts, and the report says how many they decided."""
    spec("desk", "{id: a, prompt: Say hello., expect: no_call}", more="rules: bfcl\n")
    run("run.jsonl", {"desk::a": "<start_function_call>junk"}, "desk")
    _, out, _ = told(capsys, "run.jsonl")
    assert "run.jsonl: 1 verdict has a note on the rule that decided: see `note` of the case" in out


def test_a_changed_prompt_is_another_case_also_for_a_baseline(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A blessed file keeps what was asked, by its digest."""
    spec("desk", PLAN, LAMP)
    run("before.jsonl", {"desk::plan": FIND, "desk::lamp": FIND}, "desk")
    bless("before.jsonl", "baseline.jsonl")
    spec("desk", PLAN.replace("the plan", "my plan"), LAMP)
    run("after.jsonl", {"desk::plan": "No.", "desk::lamp": FIND}, "desk")
    for before in ("before.jsonl", "baseline.jsonl"):
        code, out, _ = told(capsys, "after.jsonl", "--against", before, "--fail-on", "regression")
        assert code == 0
        assert "1 case has another prompt or other tools than before: not compared" in out


def test_a_case_that_moved_to_another_split_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """It is compared with nothing, so nothing may be silent about it."""
    spec("desk", PLAN.replace("}", ", split: dev}"), LAMP)
    replies = {"desk::plan": FIND, "desk::lamp": FIND}
    run("before.jsonl", replies, "desk", flags=("--split", "all"))
    spec("desk", PLAN, LAMP)
    run("after.jsonl", {**replies, "desk::plan": "No."}, "desk", flags=("--split", "all"))
    _, out, _ = told(capsys, "after.jsonl", "--against", "before.jsonl")
    assert "1 case was in another split before: not compared" in out


def test_coverage_is_that_of_the_spec(capsys: pytest.CaptureFixture[str]) -> None:
    """A part of the cases says nothing of what the spec tests; alternatives count as expected."""
    spec("desk", "{id: a, prompt: Go., expect: {one_of: [find, {book: {}}]}}")
    run("run.jsonl", {"desk::a": FIND}, "desk")
    _, out, _ = told(capsys, "run.jsonl")
    assert "tools that no case expects" not in out
    spec("desk", PLAN, LAMP, "{id: a, prompt: Go., expect: book}")
    run("run.jsonl", {"desk::plan": FIND, "desk::lamp": FIND, "desk::a": "No."}, "desk")
    whole = Path("run.jsonl").read_text("utf-8").splitlines(keepends=True)
    Path("run.jsonl").write_text("".join(whole[:3]), encoding="utf-8")
    _, out, _ = told(capsys, "run.jsonl")
    assert "did not finish" in out
    assert "tools that no case expects" not in out
