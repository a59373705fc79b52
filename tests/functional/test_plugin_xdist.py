"""Under pytest-xdist a run says, logs and decides what it does without."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("xdist")

QUIET = ("-p", "no:cacheprovider")


def facts(log: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """What of a log must not depend on who judged and when, sorted."""
    left_out = ("start", "seconds", "options")
    kept = [{k: v for k, v in line.items() if k not in left_out} for line in log]
    return sorted((line["kind"], json.dumps(line, sort_keys=True)) for line in kept)


@pytest.fixture(scope="module")
def alone(desk: Any) -> Any:
    """The run without pytest-xdist, and its log."""
    return desk.pytest(*QUIET, "--gate-run-log", "alone.jsonl"), desk.log("alone.jsonl")


@pytest.mark.parametrize("distribution", ["load", "loadfile"])
def test_workers_change_neither_verdict_nor_log(desk: Any, alone: Any, distribution: str) -> None:
    """Same exit code, counts, gate text, summary and records with two workers as with none."""
    name = f"{distribution}.jsonl"
    ran = desk.pytest(*QUIET, "-n", "2", "--dist", distribution, "--gate-run-log", name)
    assert (ran.code, ran.counts) == (alone[0].code, alone[0].counts)
    assert "desk: 2 of 4 passed; the gate asks for a rate of 0.8: at least 4" in ran.failures
    assert sorted(ran.summary.splitlines()) == sorted(
        line.replace("alone.jsonl", name) for line in alone[0].summary.splitlines()
    )
    assert facts(desk.log(name)) == facts(alone[1])


def test_part_of_a_spec_under_workers(desk: Any) -> None:
    """The gate says `2 of 4 selected` whichever worker it runs in, and the miss fails."""
    ran = desk.pytest(*QUIET, "-n", "2", "-rs", "-k", "finding or gate")
    assert (ran.code, ran.counts) == (1, "1 failed, 1 passed, 1 skipped")
    assert ": 2 of 4 selected" in ran.out
    assert "not asked: 2 of 4" in ran.summary


@pytest.mark.slow
def test_misses_are_remembered_under_workers(project: Any) -> None:
    """`--lf` after a red run with workers reruns its misses, with workers or without."""
    project.desk(*(f"id: {name}, expect: find" for name in "abc"), head="")
    project.answers(a="find", b="book", c="find")
    assert project.pytest("-n", "2").code == 1
    assert project.pytest("--lf", "-n", "2").counts == "1 failed, 1 skipped"
    assert project.pytest("--lf").letters() == "F"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--gate-model", "replay:gone.jsonl"], "ERROR: replay file gone.jsonl: cannot be read: "),
        (["--gate-split", "x"], "ERROR: --gate-split: expected test, dev, train or all, found 'x'"),
    ],
)
def test_a_usage_error_ends_the_run(desk: Any, arguments: list[str], sentence: str) -> None:
    """One sentence and exit code 4: no hang, and no traceback of a worker."""
    ran = desk.pytest(*QUIET, "-n", "2", *arguments)
    assert ran.code == 4
    assert sentence in ran.out + ran.err
    assert "Traceback" not in ran.out + ran.err
    assert "crashed" not in ran.out + ran.err


def test_replies_that_no_pipe_carries_as_they_are(project: Any) -> None:
    """Lone surrogates, control characters and huge numbers travel from worker to log."""
    odd = "\ud800\x00\x1b[31m"
    project.desk("id: a, expect: find", "id: b, expect: book", head="")
    huge = "<start_function_call>call:book{room:1" + "0" * 400 + "}<end_function_call>"
    project.answers(a=odd, b=huge)
    ran = project.pytest(*QUIET, "-n", "2")
    assert (ran.code, ran.counts) == (1, "1 failed, 1 passed, 1 xfailed")
    replies = {line["case"]: line["reply"] for line in project.log() if line["kind"] == "verdict"}
    assert replies == {"desk::a": odd, "desk::b": huge}


def test_spec_problems_are_said_once(project: Any) -> None:
    """A broken spec is one error, however many workers met it, and nothing is green."""
    project.write("specs/odd.spec.yaml", "cases: []\n")
    ran = project.pytest(*QUIET, "-n", "2")
    assert ran.code == 1
    assert ran.out.count("ERROR collecting specs/odd.spec.yaml") == 1
    assert "Traceback" not in ran.out


def test_specs_outside_the_root_directory(project: Any) -> None:
    """With a root directory elsewhere, workers or none, node ids name files that are there."""
    project.desk("id: a, expect: find")
    project.answers(a="find")
    project.write("elsewhere/.keep", "")
    for workers in ([], ["-n", "2"]):
        ran = project.pytest(*QUIET, *workers, "-v", "--rootdir=elsewhere", "specs")
        assert (ran.code, ran.counts) == (0, "2 passed")
        assert "elsewhere/../specs/desk.spec.yaml::a" in ran.out
        assert "run log: .callgate/last-run.jsonl" in ran.summary
