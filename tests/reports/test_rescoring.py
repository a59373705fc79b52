"""Rescoring: stored replies under changed specs; what changed, what cannot be judged, the log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import harness
from harness.__main__ import main as callgate
from harness.errors import SpecError, UsageError
from harness.run_log import read_log
from reports.blessing import bless
from reports.rescoring import rescore

FIND = "<start_function_call>call:find{query:<escape>plan<escape>}<end_function_call>"
SPEC = """\
spec: desk
tools: [{name: find, parameters: {query: {type: string}}}]
gate: {pass_rate: 0.6}
cases:
  - {id: plan, prompt: Find the plan., expect: {find: {query: the plan}}}
  - {id: lamp, prompt: Find a lamp., expect: find}
  - {id: joke, prompt: Tell me a joke., expect: no_call}
"""
REPLIES = {"plan": FIND, "lamp": FIND, "joke": "Ha."}
TABLE = """\
model: replay:replies.jsonl (replies from a file); split: test

spec      cases    passed    rate    95 % interval    needed  gate
------  -------  --------  ------  ---------------  --------  ------
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project with the spec `desk`; `plan` misses, for its query is another."""
    monkeypatch.chdir(tmp_path)
    for name in ("CALLGATE_MODEL", "CALLGATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    spec(SPEC)


def spec(text: str, path: str = "desk.spec.yaml") -> None:
    """Write a spec file."""
    Path(path).write_text(text, encoding="utf-8")


def run(replies: Mapping[str, str], *flags: str, log: str = "run.jsonl") -> int:
    """`callgate run` on these replies, logged."""
    lines = [json.dumps({"case": f"desk::{name}", "reply": text}) for name, text in replies.items()]
    Path("replies.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    asked = ["run", "desk.spec.yaml", "--model", "replay:replies.jsonl", "--run-log", log]
    return callgate([*asked, *flags])


def told(*paths: str, run_log: str | None = None) -> list[str]:
    """What is said before the summary of the gates."""
    lines = rescore("run.jsonl", paths or ("desk.spec.yaml",), run_log)
    return lines[: lines.index("")]


def log_lines(change: dict[str, Any], case: str = "desk::plan") -> None:
    """Change one verdict of the log by hand."""
    lines = [json.loads(line) for line in Path("run.jsonl").read_text("utf-8").splitlines()]
    lines = [line | change if line.get("case") == case else line for line in lines]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    Path("run.jsonl").write_text(text, encoding="utf-8")


def test_specs_that_did_not_change() -> None:
    """Every verdict is as it was, and the gates stand as the run had them; all of it is told."""
    run(REPLIES)
    assert "\n".join(rescore("run.jsonl", ["desk.spec.yaml"])) == (
        "run.jsonl, judged again by 1 spec\n"
        "3 replies judged again: 0 verdicts changed\n\n"
        f"{TABLE}"
        "desk          3         2    67 %          21–94 %         2  met\n\n"
        "tool accuracy 100 % (n 3), valid calls 100 % (n 2), TC-CER 0.049 (n 1)"
    )


def test_an_expectation_that_changed() -> None:
    """A miss that passes now and a pass that misses now, each with its reason, and the gate."""
    run(REPLIES)
    changed = SPEC.replace("{query: the plan}", "{query: {$contains: plan}}")
    changed = changed.replace("Find a lamp., expect: find", "Find a lamp., expect: no_call")
    spec(changed.replace("0.6", "0.9"))
    lines = rescore("run.jsonl", ["desk.spec.yaml"])
    assert lines[:4] == [
        "run.jsonl, judged again by 1 spec",
        "3 replies judged again: 2 verdicts changed",
        "  desk.spec.yaml:5 desk::plan: wrong_arguments → pass: it was: find: argument 'query': "
        "expected 'the plan', got 'plan'",
        "  desk.spec.yaml:6 desk::lamp: pass → unexpected_call: expected no call, got "
        'find(query="plan")',
    ]
    assert "desk: gate not met: 2 of 3 passed; the gate asks for a rate of 0.9: at least 3" in lines


def test_the_baseline_of_the_run_still_counts() -> None:
    """A case that passed in it and misses is a regression after rescoring too."""
    assert run(REPLIES, log="good.jsonl") == 0
    assert run({**REPLIES, "joke": FIND}, "--baseline", "good.jsonl") == 1
    lines = rescore("run.jsonl", ["desk.spec.yaml"])
    assert "desk: gate not met: 1 case passed in the baseline and misses now" in lines


def test_another_kind_of_miss_is_a_change() -> None:
    """A case that missed and misses now in another way."""
    run(REPLIES)
    spec(SPEC.replace("expect: {find: {query: the plan}}", "expect: no_call"))
    assert told()[1:] == [
        "3 replies judged again: 1 verdict changed",
        "  desk.spec.yaml:5 desk::plan: wrong_arguments → unexpected_call: expected no call, got "
        'find(query="plan")',
    ]


def test_a_reply_to_another_prompt_is_not_judged() -> None:
    """The prompt changed, so the reply is no answer to it; the gate is not met on such a case."""
    run(REPLIES)
    spec(SPEC.replace("Find the plan.", "Where is the plan?"))
    assert told()[1:] == [
        "2 replies judged again: 0 verdicts changed",
        "not judged, 1 case: its reply answered another prompt, or other tools: desk::plan",
    ]
    assert "desk: gate not met: 1 case is an error, and no gate is met with one" in rescore(
        "run.jsonl", ["desk.spec.yaml"]
    )


def test_cases_that_come_and_go() -> None:
    """New ones have no reply; gone ones are left out, and so are those that changed their split."""
    run(REPLIES)
    changed = SPEC.replace("id: plan", "id: plans")
    spec(changed.replace("Tell me a joke., expect", "Tell me a joke., split: train, expect"))
    assert told()[1:] == [
        "1 reply judged again: 0 verdicts changed",
        "not judged, 1 case: the log holds no reply to it: desk::plans",
        "left out, 1 case: gone from the spec: desk::plan",
        "left out, 1 case: a train case now: desk::joke",
    ]


def test_a_case_that_is_skipped_now() -> None:
    """It is no longer judged, and its reason says why."""
    run(REPLIES)
    spec(SPEC.replace("expect: no_call", "expect: no_call, skip: not funny"))
    assert told()[1:] == [
        "2 replies judged again: 1 verdict changed",
        "  desk.spec.yaml:7 desk::joke: pass → skip: not funny",
    ]


def test_replies_that_are_not_there() -> None:
    """An error has no reply, and a redacted one is not whole: both are said."""
    run({"plan": FIND, "lamp": FIND})
    log_lines({"reply": "[redacted: MY_KEY]", "redacted": True})
    assert told()[1:] == [
        "1 reply judged again: 0 verdicts changed",
        "not judged, 1 case: its reply is not whole: a secret of the environment was taken out of "
        "it: desk::plan",
        "not judged, 1 case: the log holds no reply, for the run had an error here: desk::joke",
    ]


def test_a_cut_reply_is_still_cut() -> None:
    """The log's `finish` counts: an unfinished call at the token limit is truncated."""
    run(REPLIES)
    log_lines({"reply": FIND[:40], "finish": "length"})
    assert told()[2].startswith("  desk.spec.yaml:5 desk::plan: wrong_arguments → truncated: ")


def test_specs_of_which_the_log_has_nothing() -> None:
    """A folder of specs is fine: those that the run did not judge are left out, and named."""
    run(REPLIES)
    Path("specs").mkdir()
    spec(SPEC, "specs/desk.spec.yaml")
    spec(SPEC.replace("spec: desk", "spec: other"), "specs/other.spec.yaml")
    assert told("specs") == [
        "run.jsonl, judged again by 1 spec",
        "left out, for the log has no verdict of it: other",
        "3 replies judged again: 0 verdicts changed",
    ]
    with pytest.raises(UsageError) as refused:
        rescore("run.jsonl", ["specs/other.spec.yaml"])
    assert str(refused.value) == "run.jsonl: holds no verdict of other; it has those of desk"


def test_a_run_that_did_not_finish() -> None:
    """What it has is judged; that it is not all is said."""
    run(REPLIES)
    kept = Path("run.jsonl").read_text("utf-8").splitlines(keepends=True)[:3]
    Path("run.jsonl").write_text("".join(kept), encoding="utf-8")
    assert told() == [
        "run.jsonl, judged again by 1 spec",
        "that run did not finish: its log has no footer",
        "2 replies judged again: 0 verdicts changed",
        "not judged, 1 case: the log holds no reply to it: desk::joke",
    ]


def test_other_splits_are_counted() -> None:
    """Of a training's log the gates are those of test, and dev is a line below.

    Where all splits were asked for together, the gates weigh them so, as the run's own did.
    """
    spec(SPEC.replace("Find a lamp., expect: find", "Find a lamp., split: dev, expect: find"))
    run(REPLIES, "--split", "all")
    together = rescore("run.jsonl", ["desk.spec.yaml"])
    assert "no gate is asked" not in "\n".join(together)
    log = Path("run.jsonl")
    log.write_text(log.read_text("utf-8").replace('"from":"--split"', '"from":"callgate-tune"'))
    lines = rescore("run.jsonl", ["desk.spec.yaml"])
    assert lines[-1] == "dev: 1 of 1 passed; no gate is asked of them here"
    row = next(line.split() for line in lines if line.startswith("desk "))
    assert row == ["desk", "2", "1", "50", "%", "9–91", "%", "2", "NOT", "MET"]


def test_train_cases_that_decided_when_to_stop() -> None:
    """Those that `callgate-tune` made dev cases are dev here too; it judged no other train case."""
    spec(SPEC.replace("Find a lamp., expect: find", "Find a lamp., split: dev, expect: find"))
    run(REPLIES, "--split", "all")
    first = json.loads(Path("run.jsonl").read_text("utf-8").splitlines()[0])
    options = first["options"] | {"split": {"value": "all", "from": "callgate-tune"}}
    text = Path("run.jsonl").read_text("utf-8").partition("\n")[2]
    Path("run.jsonl").write_text(
        json.dumps(first | {"options": options}) + "\n" + text, encoding="utf-8"
    )
    more = "  - {id: more, prompt: Find more., expect: {find: {query: more}}, split: train}\n"
    spec(SPEC.replace("Find a lamp.,", "Find a lamp., split: train,").replace(
        "Find a lamp., split: train, expect: find",
        "Find a lamp., split: train, expect: {find: {query: plan}}",
    ) + more)  # fmt: skip
    assert told(run_log="new.jsonl")[1:] == ["3 replies judged again: 0 verdicts changed"]
    new = read_log("new.jsonl")
    assert {v["case"]: v["split"] for v in new.verdicts}["desk::lamp"] == "dev"
    assert (new.run or {})["policies"]["desk"]["cases"] == {"train": 0, "dev": 1, "test": 2}


def test_the_new_run_log() -> None:
    """A whole log, valid by its schema, with today's verdicts; the header says where it is from."""
    run(REPLIES, "--min-pass-rate", "0.5")
    spec(SPEC.replace("{query: the plan}", "{query: plan}"))
    assert rescore("run.jsonl", ["desk.spec.yaml"], "new/run.jsonl")[-1] == "run log: new/run.jsonl"
    old, new = read_log("run.jsonl"), read_log("new/run.jsonl")
    assert old.run is not None
    assert new.run is not None
    assert new.run["rescored"] == {"log": "run.jsonl", "start": old.run["start"]}
    for key in ("model", "label", "fingerprint", "generation", "options"):
        assert new.run[key] == old.run[key]
    assert new.run["specs"] != old.run["specs"]
    assert [v["outcome"] for v in new.verdicts] == ["pass"] * 3
    assert [v["reply"] for v in new.verdicts] == [v["reply"] for v in old.verdicts]
    assert new.end is not None
    assert new.end["outcomes"] == {"pass": 3, "fail": 0, "error": 0, "skip": 0}
    schema = json.loads((Path(harness.__file__).parent / "run_log.schema.json").read_text("utf-8"))
    for line in Path("new/run.jsonl").read_text("utf-8").splitlines():
        jsonschema.validate(json.loads(line), schema)
    assert bless("new/run.jsonl", "baseline.jsonl") == [
        "baseline.jsonl: 3 cases, of which 3 passed"
    ]


def test_the_rate_that_the_run_asked_for_counts() -> None:
    """`--min-pass-rate` of the run is still asked of the gates."""
    run(REPLIES, "--min-pass-rate", "1")
    lines = rescore("run.jsonl", ["desk.spec.yaml"])
    assert "desk: gate not met: 2 of 3 passed; the gate asks for a rate of 1: at least 3" in lines


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("run.jsonl", "run log run.jsonl: is the replay file of this run; name another file"),
        ("desk.spec.yaml", "run log desk.spec.yaml: is a spec of this run; name another file"),
        (
            "notes.txt",
            "run log notes.txt: this file is there and is no run log; name another, or remove it",
        ),
    ],
)
def test_no_other_file_is_replaced(target: str, message: str) -> None:
    """Neither the log that is rescored, nor a spec, nor what is no log."""
    run(REPLIES)
    Path("notes.txt").write_text("keep me", encoding="utf-8")
    before = Path(target).read_bytes()
    with pytest.raises(UsageError) as refused:
        rescore("run.jsonl", ["desk.spec.yaml"], target)
    assert str(refused.value) == message
    assert Path(target).read_bytes() == before


def test_a_spec_that_cannot_be_read() -> None:
    """All its problems, as the gate says them."""
    run(REPLIES)
    spec(SPEC.replace("no_call", "no_cal"))
    with pytest.raises(SpecError):
        rescore("run.jsonl", ["desk.spec.yaml"])


def test_a_missing_log_and_an_empty_one() -> None:
    """What is not there, and what holds nothing to judge."""
    with pytest.raises(UsageError) as refused:
        rescore("run.jsonl", ["desk.spec.yaml"])
    assert str(refused.value) == "run log run.jsonl: cannot be read: No such file or directory"
    Path("run.jsonl").write_text('{"kind":"run"}\n', encoding="utf-8")
    with pytest.raises(UsageError) as refused:
        rescore("run.jsonl", ["desk.spec.yaml"])
    assert str(refused.value) == "run.jsonl: holds no verdict, so there is no reply to judge"


@pytest.mark.parametrize(
    "change",
    [
        {"reply": "\x1b[31m<script>\ud800" + "x" * 1_000_000},
        {"reply": "<start_function_call>call:find{query:" + "{a:" * 5000},
        {"reply": "<start_function_call>call:find{query:1e999}<end_function_call>"},
        {"reply": 7, "request": [], "finish": {}, "split": "test", "reason": 3, "miss": [1]},
    ],
)
def test_hostile_logs(change: dict[str, Any]) -> None:
    """Escapes, a megabyte, deep nesting, infinities, other types: told on lines that can print."""
    run(REPLIES)
    log_lines(change)
    lines = rescore("run.jsonl", ["desk.spec.yaml"], "new.jsonl")
    assert all(line.isprintable() and len(line) < 2000 for line in lines)
    assert len(read_log("new.jsonl").verdicts) == 3
    assert read_log("new.jsonl").end is not None


def test_a_hostile_header() -> None:
    """What a header holds elsewhere goes no further than is known of it."""
    run(REPLIES)
    text = Path("run.jsonl").read_text("utf-8").partition("\n")[2]
    deep: Any = 1
    for _ in range(300):
        deep = {"a": deep}
    head = {"kind": "run", "label": "\x1b[2J", "options": {"split": deep, "x": [deep]}}
    head |= {"generation": [1], "model": deep}
    Path("run.jsonl").write_text(json.dumps(head) + "\n" + text, encoding="utf-8")
    lines = rescore("run.jsonl", ["desk.spec.yaml"], "new.jsonl")
    assert all(line.isprintable() for line in lines)
    assert (read_log("new.jsonl").run or {})["options"] == {"split": {}}
