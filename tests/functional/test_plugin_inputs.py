"""Files that a run reads, folders that it is started from, names that lead to one spec."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("xdist")

QUIET = ("-p", "no:cacheprovider")
WORKERS = pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])
OWN = ".callgate/last-run.jsonl"


@pytest.fixture
def worse(project: Any) -> Any:
    """A project whose case c passed in `base.jsonl` and misses now, at a gate of 0.5."""
    project.desk(*(f"id: {name}, expect: find" for name in "abc"))
    project.answers(a="find", b="find", c="find")
    project.python("-m", "harness", "run", "--run-log", "base.jsonl")
    project.answers(a="find", b="find", c="book")
    return project


@WORKERS
def test_a_baseline_is_held_against_every_run(worse: Any, workers: tuple[str, ...]) -> None:
    """Red, and red again; the log of all runs, which the first red run replaces, is refused."""
    for _ in range(2):
        ran = worse.pytest(*QUIET, *workers, "--gate-baseline=base.jsonl")
        assert (ran.code, ran.counts) == (1, "1 failed, 2 passed, 1 xfailed")
    ran = worse.pytest(*QUIET, *workers, f"--gate-baseline={OWN}")
    assert ran.code == 4
    assert (
        f"ERROR: baseline {OWN}: this is the log of the last run, which every run replaces; name "
        "a copy of it, or the --run-log of an earlier run\n"
    ) in ran.out + ran.err
    command = worse.python("-m", "harness", "run", "--baseline", OWN)
    assert (command.code, command.out) == (2, "")


@WORKERS
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--gate-run-log=specs/desk.spec.yaml"],
            "run log specs/desk.spec.yaml: is a spec of this run; name another file",
        ),
        (
            ["--gate-run-log=replies.jsonl"],
            "run log replies.jsonl: is the replay file of this run; name another file",
        ),
        (
            ["--gate-run-log=base.jsonl", "--gate-baseline=base.jsonl"],
            "run log base.jsonl: is the baseline of this run; name another file",
        ),
        (
            ["--gate-run-log=pyproject.toml"],
            "run log pyproject.toml: this file is there and is no run log; name another, or "
            "remove it",
        ),
    ],
    ids=["spec", "replies", "baseline", "other"],
)
def test_no_log_is_written_over_what_the_run_needs(
    worse: Any, workers: tuple[str, ...], arguments: list[str], said: str
) -> None:
    """A usage error, and every file is as it was."""
    before = {file: file.read_bytes() for file in worse.root.rglob("*.*") if file.is_file()}
    ran = worse.pytest(*QUIET, *workers, *arguments)
    assert ran.code == 4
    assert f"ERROR: {said}\n" in ran.out + ran.err
    command = [argument.replace("--gate-", "--") for argument in arguments]
    again = worse.python("-m", "harness", "run", *command)
    assert (again.code, again.err) == (2, f"{said}\n")
    assert {file: file.read_bytes() for file in before} == before


@WORKERS
def test_the_last_run_can_be_replayed(worse: Any, workers: tuple[str, ...]) -> None:
    """Also in part: its log stays as it is, and the summary says so."""
    log = worse.log()
    for arguments, counts in (([], "4 passed"), (["specs/desk.spec.yaml::a"], "1 passed")):
        ran = worse.pytest(*QUIET, *workers, f"--gate-model=replay:{OWN}", *arguments)
        assert (ran.code, ran.counts) == (0, counts)
        note = f"run log {OWN}: left as it is: this run's replies come from it"
        assert note in ran.summary.splitlines()
        assert worse.log() == log


@WORKERS
def test_a_secret_spelt_like_the_spec(worse: Any, workers: tuple[str, ...]) -> None:
    """Verdict, regression and `--lf` are those of a run without such a variable."""
    named = {"KEYCLOAK_REALM": "desk::c--", "SPEC_KEY": "internals"}
    text = (worse.root / "specs/desk.spec.yaml").read_text()
    text = text.replace("spec: desk", "spec: internals").replace("id: c,", "id: internals.c,")
    worse.write("specs/desk.spec.yaml", text)
    replies = {"a": "find", "b": "find", "internals.c": "find"}
    worse.answers("internals", **replies)
    good = worse.python("-m", "harness", "run", "--run-log", "base.jsonl", env=named)
    assert (good.code, good.err) == (0, "")
    worse.answers("internals", **{**replies, "internals.c": "book"})
    ran = worse.pytest(*workers, "--gate-baseline=base.jsonl", env=named)
    assert (ran.code, ran.counts) == (1, "1 failed, 2 passed, 1 xfailed")
    assert "passed in the baseline, misses now: internals::internals.c" in ran.summary
    assert worse.pytest("--lf", env=named).letters() == "Fs"
    command = worse.python("-m", "harness", "run", "--baseline", "base.jsonl", env=named)
    assert (command.code, command.err) == (1, "")


@WORKERS
def test_settings_are_those_of_the_project_that_is_tested(
    worse: Any, workers: tuple[str, ...]
) -> None:
    """Started elsewhere with an absolute path, a run reads the file that pytest names."""
    worse.write("elsewhere/.keep", "")
    ran = worse.pytest(*QUIET, *workers, str(worse.root / "specs"), cwd="elsewhere")
    assert (ran.code, ran.counts) == (0, "3 passed, 1 xfailed")
    assert "configfile: pyproject.toml" in ran.out


def test_settings_below_those_of_pytest(worse: Any) -> None:
    """Where a project's own table is below the folder that configures pytest, it still counts."""
    worse.write("member/pyproject.toml", (worse.root / "pyproject.toml").read_text())
    worse.write("pyproject.toml", "[tool.pytest.ini_options]\n")
    for name in ("specs", "replies.jsonl"):
        (worse.root / name).rename(worse.root / "member" / name)
    ran = worse.pytest(*QUIET, "specs", cwd="member")
    assert (ran.code, ran.counts) == (0, "3 passed, 1 xfailed")


@WORKERS
def test_one_spec_under_two_names_is_judged_once(worse: Any, workers: tuple[str, ...]) -> None:
    """By a link to the file, by one to its folder, by one in a circle."""
    (worse.root / "link").symlink_to("specs")
    (worse.root / "specs/other.spec.yaml").symlink_to("desk.spec.yaml")
    (worse.root / "specs/again").symlink_to(".")
    ran = worse.pytest(*QUIET, *workers, "specs", "link")
    assert (ran.code, ran.counts) == (0, "3 passed, 1 xfailed")
    command = worse.python("-m", "harness", "run", "specs", "link")
    assert (command.code, command.err) == (0, "")
    assert len(worse.log()) == 5


def test_why_a_gate_was_skipped(worse: Any) -> None:
    """`-rs` names the spec and its file; a skipped case has its own line."""
    text = (worse.root / "specs/desk.spec.yaml").read_text()
    worse.write("specs/desk.spec.yaml", text.replace("id: b,", "id: b, skip: later,"))
    ran = worse.pytest(*QUIET, "-rs", "--deselect", "specs/desk.spec.yaml::c")
    assert "SKIPPED [1] specs/desk.spec.yaml:1: desk: 2 of 3 selected\n" in ran.out
    assert "SKIPPED [1] specs/desk.spec.yaml:9: later\n" in ran.out
    assert "plugin.py" not in ran.out


def test_a_name_that_is_nearly_that_of_a_spec_is_told(worse: Any) -> None:
    """On stderr; nothing else changes."""
    worse.write("specs/n.spec.yml", "")
    ran = worse.python("-m", "harness", "run")
    assert (ran.code, ran.err) == (
        0,
        "warning: specs/n.spec.yml is not read: spec files end in '.spec.yaml'\n",
    )
