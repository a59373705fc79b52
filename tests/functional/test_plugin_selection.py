"""Selecting cases as in any suite: never changes a whole gate's verdict, never feigns one."""

# ruff: noqa: E501 - what a user sees stands here as it is seen

from __future__ import annotations

import json
from typing import Any

import pytest

QUIET = ("-p", "no:cacheprovider")


@pytest.mark.parametrize(
    ("arguments", "letters", "selected"),
    [
        (["-k", "finding or gate"], ".Fs", "2 of 4 selected"),
        (["--deselect", "specs/desk.spec.yaml::a"], ".FFs", "3 of 4 selected"),
        (["-m", "finding", "--strict-markers"], ".F", None),
        (["specs/desk.spec.yaml::c", "specs/desk.spec.yaml::gate"], "Fs", "1 of 4 selected"),
        (["specs/desk.spec.yaml::c"], "F", None),
    ],
    ids=["keyword", "deselect", "tag", "node ids", "node id"],
)
def test_part_of_a_spec_is_judged_without_its_gate(
    desk: Any, arguments: list[str], letters: str, selected: str | None
) -> None:
    """Misses fail by themselves; a gate whose cases are not all there says how many are."""
    ran = desk.pytest(*QUIET, "-rs", *arguments)
    assert (ran.code, ran.letters()) == (1, letters)
    assert (f": {selected}" in ran.out) == (selected is not None)
    assert "not asked: " in ran.summary


def test_a_case_that_is_run_alone_passes_or_fails_by_itself(desk: Any) -> None:
    """A passing case by its node id: exit 0, and the summary says that no gate was asked."""
    ran = desk.pytest(*QUIET, "specs/desk.spec.yaml::a")
    assert (ran.code, ran.counts) == (0, "1 passed")
    assert "not asked: 1 of 4" in ran.summary


def test_a_spec_whose_gate_alone_is_deselected_fails_miss_by_miss(desk: Any) -> None:
    """Without the gate nobody weighs the misses, so each is a failure."""
    ran = desk.pytest(*QUIET, "-k", "not gate")
    assert (ran.code, ran.letters()) == (1, "..FF")


BY_MARK = """
def pytest_collection_modifyitems(items):
    for item in items:
        if item.name == "c":
            item.add_marker(pytest.mark.{mark})
"""
BY_HOOK = """
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    if item.name == "c":
        pytest.skip("not today")
"""


@pytest.mark.parametrize(
    "conftest",
    [
        BY_MARK.format(mark='skip(reason="not today")'),
        BY_MARK.format(mark='skipif(True, reason="not today")'),
        BY_HOOK,
    ],
    ids=["skip", "skipif", "hook"],
)
def test_a_case_that_pytest_skips_is_not_judged(project: Any, conftest: str) -> None:
    """As one that is deselected: its gate is not asked, and the log of the others is whole."""
    cases = ("id: a, expect: find", "id: b, expect: book", "id: c, expect: find")
    project.desk(*cases, "id: d, expect: book", head="gate: {pass_rate: 0.8}")
    project.answers(a="find", b="book", c="book", d="Which room?")
    project.write("conftest.py", f"import pytest\n{conftest}")
    ran = project.pytest(*QUIET, "-rs")
    assert ran.letters() == "..sFs"
    assert "desk: 3 of 4 selected" in ran.out
    assert "not today" in ran.out
    assert "did not finish" not in ran.out
    kinds = [line["kind"] for line in project.log()]
    assert kinds == ["run", "verdict", "verdict", "verdict", "end"]


def test_the_order_of_items_changes_nothing(project: Any) -> None:
    """With the items reversed the gate comes first, and is as red, over as many records."""
    project.desk("id: a, expect: find", "id: b, expect: book", "id: c, expect: book", head="")
    project.answers(a="find", b="find", c="book")
    project.write("conftest.py", "def pytest_collection_modifyitems(items):\n    items.reverse()\n")
    ran = project.pytest()
    assert (ran.code, ran.letters()) == (1, "F.x.")
    assert "desk: 2 of 3 passed;" in ran.failures
    assert [line["kind"] for line in project.log()] == ["run", *["verdict"] * 3, "end"]


@pytest.mark.slow
def test_last_failed_reruns_the_misses_of_a_red_gate(project: Any) -> None:
    """After a red gate `--lf` runs its misses, which fail by themselves; the gate says why not.

    A miss that is mended drops out of the next `--lf`; `--ff` runs what is left first, gated.
    """
    project.desk(*(f"id: {name}, expect: find" for name in "abcd"), head="")
    project.answers(a="find", b="book", c="find", d="book")
    assert project.pytest().letters() == ".x.xF"
    again = project.pytest("--lf", "-rs")
    assert (again.code, again.letters()) == (1, "FFs")
    assert ": 2 of 4 selected" in again.out
    project.answers(a="find", b="find", c="find", d="book")
    assert project.pytest("--lf").letters() == ".F"
    assert project.pytest("--lf").letters() == "F"
    first = project.pytest("--ff")
    assert (first.code, first.letters()) == (1, "x...F")


def test_the_misses_of_a_gate_that_is_met_are_not_rerun(project: Any) -> None:
    """A green gate leaves `--lf` nothing to rerun: the whole spec runs."""
    project.desk("id: a, expect: find", "id: b, expect: find")
    project.answers(a="find", b="book")
    assert project.pytest().code == 0
    ran = project.pytest("--lf")
    assert (ran.code, ran.letters()) == (0, ".x.")


@pytest.mark.slow
def test_stepwise_goes_on_with_the_first_miss_of_the_gate_it_stopped_at(project: Any) -> None:
    """`--sw` stops at the red gate; its next runs stop at the misses, one after the other."""
    project.desk(*(f"id: {name}, expect: find" for name in "abc"), head="")
    project.answers(a="find", b="book", c="book")
    assert project.pytest("--sw").letters() == ".xxF"
    assert project.pytest("--sw").letters() == "F"
    project.answers(a="find", b="find", c="book")
    assert project.pytest("--sw").letters() == ".F"
    project.answers(a="find", b="find", c="find")
    ran = project.pytest("--sw")
    assert (ran.code, ran.letters()) == (0, ".s")


@pytest.mark.parametrize("option", ["-x", "--maxfail=1"])
def test_stopping_at_the_first_failure(project: Any, option: str) -> None:
    """Forgiven misses do not stop a run, a critical one does; what was left out is said.

    The log has no footer.
    """
    project.desk(
        "id: a, expect: find", "id: b, expect: find, critical: true", "id: c, expect: find"
    )
    project.answers(a="book", b="book", c="find")
    ran = project.pytest(option)
    assert (ran.code, ran.letters()) == (1, "xF")
    assert "the run did not finish: 2 of 3 cases were judged" in ran.summary.splitlines()
    assert "not asked: 2 of 3" in ran.summary
    assert [line["kind"] for line in project.log()] == ["run", "verdict", "verdict"]


def test_stopping_at_a_gate_that_is_the_last_item(project: Any) -> None:
    """With `-x` a red gate at the end stops nothing: every case was judged, the log is whole."""
    project.desk("id: a, expect: find", head="")
    project.answers(a="book")
    ran = project.pytest("-x")
    assert (ran.code, ran.letters()) == (1, "xF")
    assert project.log()[-1]["kind"] == "end"


def test_collecting_lists_the_cases_and_needs_no_model(project: Any) -> None:
    """`--collect-only -q` names every item of the split, and leaves no log behind."""
    project.desk("id: a, expect: find", "id: b, expect: book, split: dev")
    project.settings()
    ran = project.pytest(*QUIET, "--collect-only", "-q")
    assert ran.code == 0
    assert ran.out.splitlines()[:3] == ["specs/desk.spec.yaml::a", "specs/desk.spec.yaml::gate", ""]
    assert not (project.root / ".callgate").exists()


@pytest.mark.parametrize(
    ("split", "letters"), [("test", ".."), ("dev", "xF"), ("all", "xx.F"), ("train", "xF")]
)
def test_a_split_is_judged_and_gated_by_itself(project: Any, split: str, letters: str) -> None:
    """`--gate-split` chooses the cases; the gate weighs those of the split and no others."""
    project.desk(
        "id: t, expect: {find: {query: plan}}, split: train",
        "id: d, expect: find, split: dev",
        "id: e, expect: find",
        head="",
    )
    project.answers(t="book", d="book", e="find")
    ran = project.pytest(*QUIET, "--gate-split", split)
    assert ran.letters() == letters
    assert json.dumps(project.log()[0]["options"]["split"]) == json.dumps(
        {"value": split, "from": "--gate-split"}
    )


def test_the_command_that_runs_a_case_again_repeats_what_it_needs(project: Any) -> None:
    """The command shown with a miss, typed in the same folder, runs that case with those options.

    Here a dev case, in a run from the folder of the spec.
    """
    project.desk("id: d, expect: find, split: dev")
    project.answers(d="book")
    arguments = ("--gate-split", "dev", "--gate-max-new-tokens", "9", "-k", "not gate")
    ran = project.pytest(*QUIET, *arguments, cwd="specs")
    again = "pytest desk.spec.yaml::d --gate-split dev --gate-max-new-tokens 9"
    assert ran.failures.splitlines()[-1] == f"  again     {again}"
    assert project.pytest(*again.split()[1:], cwd="specs").counts == "1 failed"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["specs/desk.spec.yaml::t"], "1 case of split train is deselected; --gate-split=train judges it"),
        ([f"specs/desk.spec.yaml::{name}" for name in "tud"], "2 cases of split train and 1 case of split dev are deselected; --gate-split=all judges them"),
        (["specs/desk.spec.yaml::t", "specs/desk.spec.yaml::a"], None),
        (["-k", "nothing-at-all"], None),
        ([], None),
    ],
    ids=["one", "several", "one is left", "none is asked for", "all"],
)  # fmt: skip
def test_cases_that_the_split_leaves_out_are_named(
    project: Any, arguments: list[str], line: str | None
) -> None:
    """Where no case is left because all that were asked for are of other splits, it is said."""
    project.desk(
        "id: a, expect: find",
        "id: t, expect: {find: {query: plan}}, split: train",
        "id: u, expect: {find: {query: plan}}, split: train",
        "id: d, expect: find, split: dev",
    )
    project.answers(a="find")
    ran = project.pytest(*QUIET, *arguments)
    said = [text for text in ran.out.splitlines() if text.startswith("callgate: ")]
    assert said == ([f"callgate: {line}"] if line else [])
    assert ran.code == (0 if "specs/desk.spec.yaml::a" in arguments or not arguments else 5)
