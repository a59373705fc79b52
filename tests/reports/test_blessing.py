"""Baselines: what is kept of a run, what is refused, and that a gate then finds regressions."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.__main__ import main as callgate
from harness.errors import UsageError
from harness.run_log import read_log
from reports.blessing import bless

FIND = "<start_function_call>call:find{query:<escape>plan<escape>}<end_function_call>"
SPEC = """\
spec: desk
tools: [{name: find, parameters: {query: {type: string}}}]
gate: {pass_rate: 0.5}
cases:
  - {id: plan, prompt: Find the plan., expect: find}
  - {id: lamp, prompt: Find a lamp., expect: find}
  - {id: joke, prompt: Tell me a joke., expect: no_call}
"""
ALL_RIGHT = {"plan": FIND, "lamp": FIND, "joke": "Ha."}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project with the spec `desk`."""
    monkeypatch.chdir(tmp_path)
    for name in ("CALLGATE_MODEL", "CALLGATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    Path("desk.spec.yaml").write_text(SPEC, encoding="utf-8")


def run(replies: Mapping[str, str], *flags: str, log: str = "run.jsonl") -> int:
    """`callgate run` on these replies, logged."""
    lines = [json.dumps({"case": f"desk::{name}", "reply": text}) for name, text in replies.items()]
    Path("replies.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    asked = ["run", "desk.spec.yaml", "--model", "replay:replies.jsonl", "--run-log", log]
    return callgate([*asked, *flags])


def refused(**given: str) -> str:
    """Why a run is not blessed."""
    with pytest.raises(UsageError) as error:
        bless("run.jsonl", "baseline.jsonl", **given)
    return str(error.value)


def cut(lines: slice) -> None:
    """Keep some lines of the log."""
    kept = Path("run.jsonl").read_text("utf-8").splitlines(keepends=True)[lines]
    Path("run.jsonl").write_text("".join(kept), encoding="utf-8")


def test_the_file_that_is_reviewed() -> None:
    """A header, a line for each case by name, a footer: no time, no version, nothing else."""
    assert run({**ALL_RIGHT, "lamp": "No."}) == 0
    fingerprint = (read_log("run.jsonl").run or {})["fingerprint"]
    digest = (read_log("run.jsonl").run or {})["specs"]["desk"]
    asked = {verdict["case"]: verdict["request"] for verdict in read_log("run.jsonl").verdicts}
    assert bless("run.jsonl", "specs/baseline.jsonl") == [
        "specs/baseline.jsonl: 3 cases, of which 2 passed"
    ]
    assert Path("specs/baseline.jsonl").read_bytes().decode() == (
        '{"kind":"run","schema":1,"blessed":true,'
        '"label":"replay:replies.jsonl (replies from a file)",'
        f'"fingerprint":"{fingerprint}","specs":{{"desk":"{digest}"}}}}\n'
        '{"kind":"verdict","case":"desk::joke","split":"test","outcome":"pass",'
        f'"request":"{asked["desk::joke"]}"}}\n'
        '{"kind":"verdict","case":"desk::lamp","split":"test","outcome":"fail","miss":"no_call",'
        f'"request":"{asked["desk::lamp"]}"}}\n'
        '{"kind":"verdict","case":"desk::plan","split":"test","outcome":"pass",'
        f'"request":"{asked["desk::plan"]}"}}\n'
        '{"kind":"end","outcomes":{"pass":2,"fail":1,"error":0,"skip":0}}\n'
    )
    assert [file.name for file in Path("specs").iterdir()] == ["baseline.jsonl"]


def test_the_same_run_again_changes_no_byte() -> None:
    """Another run of the same replies, logged in another order, gives the same file."""
    run(ALL_RIGHT)
    bless("run.jsonl", "baseline.jsonl")
    first = Path("baseline.jsonl").read_bytes()
    head, *verdicts, end = Path("run.jsonl").read_text("utf-8").splitlines(keepends=True)
    Path("run.jsonl").write_text("".join([head, *reversed(verdicts), end]), encoding="utf-8")
    assert bless("run.jsonl", "baseline.jsonl") == [
        "baseline.jsonl: 3 cases, of which 3 passed",
        "every case is as it was in the baseline before",
    ]
    assert Path("baseline.jsonl").read_bytes() == first


def test_what_changes_is_said() -> None:
    """Against the baseline that was there: passing now, no longer, new, gone."""
    run({**ALL_RIGHT, "lamp": "No."})
    bless("run.jsonl", "baseline.jsonl")
    more = SPEC.replace("joke, prompt: Tell me a joke.", "pun, prompt: Tell me a pun.")
    Path("desk.spec.yaml").write_text(more, encoding="utf-8")
    run({"plan": "No.", "lamp": FIND, "pun": "Ha."})
    assert bless("run.jsonl", "baseline.jsonl") == [
        "baseline.jsonl: 3 cases, of which 2 passed",
        "passing now, 1: desk::lamp",
        "no longer passing, 1: desk::plan",
        "new, 1: desk::pun",
        "gone, 1: desk::joke",
    ]


def test_a_regression_is_found_by_the_gate(capsys: pytest.CaptureFixture[str]) -> None:
    """Bless, then break a case: `callgate run --baseline` and `--gate-baseline` are red for it.

    The rate alone would still be enough.
    """
    run(ALL_RIGHT)
    bless("run.jsonl", "baseline.jsonl")
    worse = {**ALL_RIGHT, "lamp": "No."}
    assert run(worse) == 0
    capsys.readouterr()
    assert run(worse, "--baseline", "baseline.jsonl") == 1
    out = capsys.readouterr().out
    reason = "1 case passed in the baseline and misses now"
    assert f"desk: gate not met: {reason}\n" in out
    assert "passed in the baseline, misses now: desk::lamp\n" in out
    assert "did not finish" not in out
    pytest_ = [sys.executable, "-m", "pytest", "desk.spec.yaml", "-p", "no:cacheprovider"]
    pytest_ += ["--gate-model", "replay:replies.jsonl"]
    assert subprocess.run(pytest_, capture_output=True, check=False).returncode == 0
    red = subprocess.run(
        [*pytest_, "--gate-baseline", "baseline.jsonl"], capture_output=True, text=True, check=False
    )
    assert red.returncode == 1
    assert f"desk: {reason}" in red.stdout


def test_a_training_folder_stands_for_its_last_log() -> None:
    """Of a folder, `after.jsonl` is blessed, its dev cases too."""
    Path("desk.spec.yaml").write_text(
        SPEC.replace("a lamp., expect: find", "a lamp., expect: find, split: dev"), encoding="utf-8"
    )
    run({**ALL_RIGHT, "plan": "No."}, "--split", "all", log="tuned/before.jsonl")
    run(ALL_RIGHT, "--split", "all", log="tuned/after.jsonl")
    assert bless("tuned", "baseline.jsonl") == ["baseline.jsonl: 3 cases, of which 3 passed"]
    splits = {v["case"]: v["split"] for v in read_log("baseline.jsonl").verdicts}
    assert splits == {"desk::joke": "test", "desk::lamp": "dev", "desk::plan": "test"}


def test_a_failing_run_is_refused() -> None:
    """A gate that is not met: exit 2, why, and what to do; nothing is written."""
    assert run({**ALL_RIGHT, "plan": "No.", "lamp": "No."}) == 1
    assert refused() == (
        "run.jsonl: not blessed:\n"
        "  desk: gate not met: 1 of 3 passed; the gate asks for a rate of 0.5: at least 2\n"
        "--force REASON blesses it all the same, and keeps the reason."
    )
    assert not Path("baseline.jsonl").exists()


def test_an_unfinished_run_is_refused() -> None:
    """A log without its footer, and so without a case."""
    run(ALL_RIGHT)
    cut(slice(0, 3))
    assert refused().splitlines()[1:-1] == [
        "  the run did not finish: its log has no footer",
        "  desk: 2 test cases are in the log, and the spec had 3",
    ]


def test_a_partial_run_is_refused() -> None:
    """What `pytest -k plan` logs is whole as a log, and not the spec."""
    run(ALL_RIGHT)
    pytest_ = [sys.executable, "-m", "pytest", "desk.spec.yaml", "-p", "no:cacheprovider"]
    pytest_ += ["-k", "plan", "--gate-model", "replay:replies.jsonl", "--gate-run-log", "run.jsonl"]
    subprocess.run(pytest_, capture_output=True, check=True)
    assert read_log("run.jsonl").end is not None
    assert refused().splitlines()[1:-1] == ["  desk: 1 test case is in the log, and the spec had 3"]


def test_a_spec_without_a_case_is_refused() -> None:
    """A data set that gave no case proved nothing."""
    assert run(ALL_RIGHT) == 0
    first, *rest = Path("run.jsonl").read_text("utf-8").splitlines(keepends=True)
    header = json.loads(first)
    none = {"train": 0, "dev": 0, "test": 0}
    header["policies"]["rows"] = {**header["policies"]["desk"], "cases": none}
    Path("run.jsonl").write_text("".join([json.dumps(header) + "\n", *rest]), encoding="utf-8")
    assert "  rows: its data set gave no case\n" in refused()


def test_a_run_with_errors_is_refused() -> None:
    """A case without a reply is nobody's pass and nobody's miss."""
    assert run({"plan": FIND, "joke": "Ha."}) == 3
    assert refused().splitlines()[1:-1] == ["  1 case is an error: desk::lamp"]


def test_a_log_that_does_not_say_how_many_cases_there_were() -> None:
    """Without the header's word nobody can tell whether the run was whole."""
    run(ALL_RIGHT)
    cut(slice(1, None))
    assert "  its header does not say how many cases its specs had" in refused().splitlines()


def test_a_baseline_that_is_gone() -> None:
    """A run against a baseline that cannot be read any more may have had regressions."""
    run(ALL_RIGHT, log="old.jsonl")
    run(ALL_RIGHT, "--baseline", "old.jsonl")
    Path("old.jsonl").unlink()
    assert refused().splitlines()[1:-1] == [
        "  desk: gate not decided: the run's baseline cannot be read"
    ]


def test_a_case_that_is_there_twice() -> None:
    """Two verdicts on one case: which one counts?"""
    run(ALL_RIGHT)
    lines = Path("run.jsonl").read_text("utf-8").splitlines(keepends=True)
    Path("run.jsonl").write_text("".join([*lines[:2], *lines[1:]]), encoding="utf-8")
    assert "  a case is in its log more than once" in refused().splitlines()


def test_force_keeps_the_reason() -> None:
    """The reason, and what it overrode, stand in the file's first line, letters as they are."""
    run({**ALL_RIGHT, "plan": "No.", "lamp": "No."})
    problem = "desk: gate not met: 1 of 3 passed; the gate asks for a rate of 0.5: at least 2"
    assert bless("run.jsonl", "baseline.jsonl", "Übergang,\nbis Mai ") == [
        "baseline.jsonl: 3 cases, of which 1 passed",
        "forced (Übergang,\\nbis Mai), although:",
        f"  {problem}",
    ]
    assert '"reason":"Übergang,\\nbis Mai"' in Path("baseline.jsonl").read_text("utf-8")
    header = read_log("baseline.jsonl").run or {}
    assert header["forced"] == {"reason": "Übergang,\nbis Mai", "problems": [problem]}


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_force_wants_a_reason(reason: str) -> None:
    """An empty reason is none."""
    run(ALL_RIGHT)
    assert refused(force=reason) == (
        f"--force: expected the reason to bless this run, found {reason!r}"
    )


def test_force_that_is_not_needed() -> None:
    """A run that nothing speaks against is blessed as it is."""
    run(ALL_RIGHT)
    assert bless("run.jsonl", "baseline.jsonl", "just in case") == [
        "baseline.jsonl: 3 cases, of which 3 passed",
        "nothing spoke against the run, so the reason of --force is not kept",
    ]
    assert "forced" not in (read_log("baseline.jsonl").run or {})


def test_what_is_no_baseline_stays() -> None:
    """Neither the run itself nor any other file is replaced."""
    run(ALL_RIGHT)
    before = Path("run.jsonl").read_bytes()
    with pytest.raises(UsageError) as error:
        bless("run.jsonl", "./run.jsonl")
    assert str(error.value) == (
        "./run.jsonl: this is the run itself, which holds more than a baseline does; name another "
        "file"
    )
    assert Path("run.jsonl").read_bytes() == before
    with pytest.raises(UsageError) as error:
        bless("run.jsonl", "desk.spec.yaml")
    assert str(error.value) == (
        "desk.spec.yaml: this file is there and is no baseline; name another, or remove it"
    )
    assert Path("desk.spec.yaml").read_text("utf-8") == SPEC


def test_where_nothing_can_be_written() -> None:
    """A folder in the place of the file: a message, and no part left behind."""
    run(ALL_RIGHT)
    Path("baseline.jsonl").mkdir()
    assert refused() == "baseline.jsonl: cannot be written: Is a directory"
    assert not [file for file in Path().iterdir() if file.name.endswith(".part")]


def test_a_hostile_log() -> None:
    """Names of any kind go through as one line of JSON each, and to the terminal as escapes."""
    name = 'desk::a\nb"\x1b[31m\u2028\ud800'
    lines = [
        {"kind": "run", "label": "\x1b[2J", "specs": {"desk\n": ["x"]}, "policies": 3},
        {"kind": "verdict", "case": name, "outcome": "fail", "miss": {"a": 1}, "split": []},
        {"kind": "end"},
    ]
    Path("run.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    told = bless("run.jsonl", "baseline.jsonl", "why not")
    assert all(line.isprintable() for line in told)
    text = Path("baseline.jsonl").read_text("utf-8")
    assert len(text.splitlines()) == 3
    assert all(line.isprintable() for line in text.split("\n"))


def test_a_run_over_all_splits_is_weighed_as_it_was() -> None:
    """Its gates weighed the splits together and were not met: test alone would hide that."""
    more = "".join(
        f"  - {{id: t{n}, prompt: Find {n}., expect: find, split: dev}}\n" for n in range(4)
    )
    Path("desk.spec.yaml").write_text(SPEC + more, encoding="utf-8")
    replies = {**ALL_RIGHT, **{f"t{n}": "No." for n in range(4)}}
    assert run(replies, "--split", "all") == 1
    assert "desk: gate not met: 3 of 7 passed" in refused()
    assert run(replies, "--split", "test") == 0
    assert bless("run.jsonl", "baseline.jsonl") == ["baseline.jsonl: 3 cases, of which 3 passed"]
