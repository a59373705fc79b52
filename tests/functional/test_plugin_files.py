"""Spec files that cannot be used, and files that cannot be written."""

from __future__ import annotations

import json
import os
import signal
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

QUIET = ("-p", "no:cacheprovider")
FULL = Path("/dev/full")


@pytest.fixture
def pair(project: Any) -> Any:
    """A project with one case that passes and one that misses, at a gate of 0.5."""
    project.desk("id: a, expect: find", "id: b, expect: find")
    project.answers(a="find", b="book")
    return project


def test_a_broken_spec_is_a_collection_error(pair: Any) -> None:
    """Every problem with path, line, column and caret; no traceback; exit code 2.

    A sound spec beside it is not run, no model is asked for, and no log is written.
    """
    pair.settings()
    pair.write(
        "specs/odd.spec.yaml",
        "tools:\n"
        "  - {name: find, parameters: {query: {type: string}}}\n"
        "cases:\n"
        "  - {id: a, prompt: One, expect: fnid}\n"
        "  - {id: a, promt: Two, expect: find}\n",
    )
    ran = pair.pytest(*QUIET)
    assert ran.code == 2
    assert ran.failures.splitlines()[1:] == [
        "specs/odd.spec.yaml:4:34: case a, expect: unknown tool 'fnid' (did you mean 'find'?)",
        "      - {id: a, prompt: One, expect: fnid}",
        "                                     ^",
        "specs/odd.spec.yaml:5:13: case a, promt: unknown key 'promt' (did you mean 'prompt'?)",
        "      - {id: a, promt: Two, expect: find}",
        "                ^",
    ]
    assert "Traceback" not in ran.out
    assert not (pair.root / ".callgate").exists()


def test_two_specs_of_one_name_are_refused(pair: Any) -> None:
    """The second file is a collection error that names the first."""
    spec = (pair.root / "specs/desk.spec.yaml").read_text()
    pair.write("specs/other.spec.yaml", spec)
    ran = pair.pytest(*QUIET)
    assert ran.code == 2
    assert ran.failures.splitlines()[1:] == [
        "specs/other.spec.yaml:1:1: spec: specs/desk.spec.yaml is called 'desk' too (names are "
        "unique among the files of a run: give one of them another `spec`)"
    ]


def test_the_log_is_written_where_it_was_asked_for_and_at_home(pair: Any) -> None:
    """`--gate-run-log` in a new folder and `.callgate/last-run.jsonl` hold the same lines.

    Each line is as the schema of run logs has it; git is told to ignore `.callgate`.
    """
    ran = pair.pytest(*QUIET, "--gate-run-log", "out/run.jsonl")
    assert ran.summary.splitlines()[-2:] == [
        "run log: out/run.jsonl",
        "run log: .callgate/last-run.jsonl",
    ]
    lines = pair.log("out/run.jsonl")
    assert lines == pair.log()
    assert [line["kind"] for line in lines] == ["run", "verdict", "verdict", "end"]
    assert (pair.root / ".callgate/.gitignore").read_text() == "*\n"
    schema = json.loads(resources.files("harness").joinpath("run_log.schema.json").read_text())
    for line in lines:
        jsonschema.validate(line, schema)


@pytest.mark.parametrize("folder", ["replies.jsonl/below", "sealed"])
def test_a_folder_that_cannot_be_written_costs_the_log_only(pair: Any, folder: str) -> None:
    """`CALLGATE_DIR` below a file, or read-only: the summary says why, the verdict is the same."""
    if folder == "sealed":
        if os.geteuid() == 0:
            pytest.skip("root writes everywhere")
        (pair.root / folder).mkdir(mode=0o500)
    ran = pair.pytest(*QUIET, env={"CALLGATE_DIR": folder})
    assert (ran.code, ran.letters()) == (0, ".x.")
    assert f"{folder}/last-run.jsonl: cannot be written: " in ran.summary
    assert "run log: " not in ran.summary


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_a_full_disk_costs_the_log_only(pair: Any) -> None:
    """A log that cannot grow is given up, its own copy kept, and the verdict is the same."""
    ran = pair.pytest(*QUIET, f"--gate-run-log={FULL}")
    assert (ran.code, ran.letters()) == (0, ".x.")
    assert "run log /dev/full: incomplete: No space left on device" in ran.summary.splitlines()
    assert pair.log()[-1]["kind"] == "end"


def test_a_killed_run_leaves_a_log_without_a_footer(pair: Any) -> None:
    """Killed after the first case: header and verdict are on disk.

    As a baseline that log is read, with the remark that its run did not finish.
    """
    pair.write(
        "conftest.py",
        "import os, signal\n"
        "def pytest_runtest_logstart(nodeid):\n"
        "    if nodeid.endswith('::b'):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n",
    )
    assert pair.pytest(*QUIET).code == -signal.SIGKILL
    assert [line["kind"] for line in pair.log()] == ["run", "verdict"]
    (pair.root / "conftest.py").unlink()
    (pair.root / ".callgate/last-run.jsonl").rename(pair.root / "cut.jsonl")
    ran = pair.pytest(*QUIET, "--gate-baseline", "cut.jsonl")
    assert (ran.code, ran.letters()) == (0, ".x.")
    assert "baseline cut.jsonl: that run did not finish" in ran.summary.splitlines()


def test_an_interrupted_run_is_no_whole_run(pair: Any) -> None:
    """Ctrl-C between two cases: exit code 2, a summary of what there is, a log without footer."""
    pair.write(
        "conftest.py",
        "def pytest_runtest_logstart(nodeid):\n"
        "    if nodeid.endswith('::b'):\n"
        "        raise KeyboardInterrupt\n",
    )
    ran = pair.pytest(*QUIET)
    assert ran.code == 2
    assert "the run did not finish: 1 of 2 cases were judged" in ran.summary.splitlines()
    assert [line["kind"] for line in pair.log()] == ["run", "verdict"]
