"""pytest on specs: what becomes of cases and their gates, and what the user reads."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
QUIET = ("-p", "no:cacheprovider")


@pytest.fixture(scope="module")
def guide(new_project: Callable[[], Any]) -> Any:
    """A project with this repository's policy and the replies that Google's guide prints."""
    project = new_project()
    project.write("specs/.keep", "")
    shutil.copy(ROOT / "specs/search_policy.spec.yaml", project.root / "specs")
    for when in ("before", "after"):
        shutil.copy(ROOT / f"docs/replies/guide-{when}.jsonl", project.root)
    return project


def test_the_guides_replies_before_tuning_leave_the_gate_red(guide: Any) -> None:
    """2 of 20, with 15 without a call, 2 with one too many, 1 to the wrong tool: exit 1."""
    ran = guide.pytest(*QUIET, "specs", "--gate-model", "replay:guide-before.jsonl")
    assert ran.code == 1
    assert ran.counts == "1 failed, 2 passed, 90 deselected, 18 xfailed"
    misses = Counter(line.get("miss") for line in guide.log() if line["kind"] == "verdict")
    assert misses == {None: 2, "no_call": 15, "extra_call": 2, "wrong_tool": 1}
    assert ran.summary.splitlines()[:10] == [
        "model: replay:guide-before.jsonl (replies from a file); split: test",
        "",
        "spec             cases    passed    rate    95 % interval    needed  gate",
        "-------------  -------  --------  ------  ---------------  --------  -------",
        "search-policy       20         2    10 %           3–30 %        16  NOT MET",
        "",
        "search-policy: gate not met: 2 of 20 passed; the gate asks for a rate of 0.8: at least 16",
        "",
        "search-policy: 15 no_call, 2 extra_call, 1 wrong_tool",
        "tool accuracy 20 % (n 20), valid calls 100 % (n 5), TC-CER 0.793 (n 20)",
    ]


def test_the_guides_replies_after_tuning_meet_the_gate(guide: Any) -> None:
    """16 of 20, the 4 others to the wrong tool: exit 0, and every miss is still listed."""
    ran = guide.pytest(*QUIET, "specs", "--gate-model", "replay:guide-after.jsonl")
    assert ran.code == 0
    assert ran.counts == "17 passed, 90 deselected, 4 xfailed"
    google, base = "search_google", "search_knowledge_base"
    wrong = f"wrong_tool: expected {google}, got {base}"
    assert ran.summary == "\n".join(
        [
            "model: replay:guide-after.jsonl (replies from a file); split: test",
            "",
            "spec             cases    passed    rate    95 % interval    needed  gate",
            "-------------  -------  --------  ------  ---------------  --------  ------",
            "search-policy       20        16    80 %          58–92 %        16  met",
            "",
            "search-policy: 4 wrong_tool",
            "tool accuracy 80 % (n 20), valid calls 100 % (n 20), TC-CER 0.165 (n 20)",
            "argument values are not judged, only whether they fit the tool's schema: "
            "search-policy",
            "",
            f"specs/search_policy.spec.yaml:157 use-effect: {wrong}",
            f"specs/search_policy.spec.yaml:187 dockerfile: {wrong}",
            f"specs/search_policy.spec.yaml:217 git-undo: {wrong}",
            f"specs/search_policy.spec.yaml:227 sql-windows: {wrong}",
            "",
            "run log: .callgate/last-run.jsonl",
        ]
    )


def test_a_red_gate_names_its_reason_and_every_miss(desk: Any) -> None:
    """Misses are `x`; the gate fails with the rate it asks for and a line for each miss."""
    ran = desk.pytest(*QUIET)
    assert (ran.code, ran.letters()) == (1, "..xxF")
    assert ran.failures == "\n".join(
        [
            "__________________________________ desk::gate __________________________________",
            "desk: 2 of 4 passed; the gate asks for a rate of 0.8: at least 4",
            "specs/desk.spec.yaml:11 c: wrong_tool: expected find, got book",
            "specs/desk.spec.yaml:12 d: no_call: expected book, got text: 'Which room?'",
        ]
    )
    assert "FAILED specs/desk.spec.yaml::gate" in ran.out


@pytest.mark.parametrize(("rate", "code"), [("0.5", 0), ("0.51", 1), ("1", 1)])
def test_the_pass_rate_of_every_gate_can_be_set(desk: Any, rate: str, code: int) -> None:
    """`--gate-min-pass-rate` takes the place of the spec's own 0.8; 2 of 4 pass."""
    ran = desk.pytest(*QUIET, "--gate-min-pass-rate", rate)
    assert (ran.code, ran.letters()) == (code, "..xxF" if code else "..xx.")


def test_a_critical_miss_fails_by_itself(project: Any) -> None:
    """A critical miss is `F` beside a forgiven `x`, and alone keeps a gate of rate 0 from green."""
    project.desk(
        "id: a, expect: find, critical: true",
        "id: b, expect: book",
        "id: c, expect: book",
        head="gate: {pass_rate: 0}",
    )
    project.answers(a="book", b="find", c="book")
    ran = project.pytest()
    assert (ran.code, ran.letters()) == (1, "Fx.F")
    assert ran.failures == "\n".join(
        [
            "___________________________________ desk::a ____________________________________",
            "wrong_tool: expected find, got book",
            "  case      a, specs/desk.spec.yaml:8",
            "  prompt    Question 0",
            "  expected  find  (written values are not judged: compare: tool)",
            "  reply     <start_function_call>call:book{room:3}<end_function_call>",
            "  again     pytest specs/desk.spec.yaml::a",
            "__________________________________ desk::gate __________________________________",
            "desk: critical case missed: a",
            "specs/desk.spec.yaml:8 a: wrong_tool (critical): expected find, got book",
            "specs/desk.spec.yaml:9 b: wrong_tool: expected book, got find",
        ]
    )


@pytest.fixture(scope="module")
def broken(new_project: Callable[[], Any]) -> Any:
    """What pytest says where b has no reply, c a stale one, and a line answers no case."""
    project = new_project()
    project.desk(*(f"id: {name}, expect: find" for name in "abc"), head="gate: {pass_rate: 0}")
    project.answers(a="find", c="find", gone="find")
    stale = project.root / "replies.jsonl"
    stale.write_text(stale.read_text().replace('desk::c", ', 'desk::c", "request": "00", '))
    return project.pytest()


def test_errors_are_errors_and_keep_the_gate_from_passing(broken: Any) -> None:
    """A case without a reply or with a stale one is `E`, and so is its gate, even at rate 0."""
    assert (broken.code, broken.letters()) == (1, ".EEE")
    assert broken.counts == "1 passed, 3 errors"
    assert "Traceback" not in broken.out
    assert "desk: 2 cases are errors, and no gate is met with one" in broken.out


def test_an_error_says_what_broke(broken: Any) -> None:
    """The block of a case without a reply names the file that lacks it, and no traceback."""
    assert broken.failures.splitlines()[:7] == [
        "__________________________ ERROR at setup of desk::b ___________________________",
        "error: replies.jsonl holds no reply for desk::b",
        "  case      b, specs/desk.spec.yaml:9",
        "  prompt    Question 1",
        "  expected  find  (written values are not judged: compare: tool)",
        "  reply     (none)",
        "  again     pytest specs/desk.spec.yaml::b",
    ]


def test_replies_that_answer_no_case_are_a_warning(broken: Any) -> None:
    """A line of the replay file without a case is counted and named under the summary."""
    assert (
        "warning: 1 reply in the file answers no case of these specs: desk::gone"
        in broken.summary.splitlines()
    )


def test_a_skipped_case_is_left_out_of_the_rate(project: Any) -> None:
    """`skip` shows its reason, needs no reply, and the gate is met by the cases left."""
    project.desk("id: a, expect: find", "id: b, expect: book, skip: under debate", head="")
    project.answers(a="find")
    ran = project.pytest("-rs")
    assert (ran.code, ran.letters()) == (0, ".s.")
    assert "SKIPPED [1] " in ran.out
    assert "under debate" in ran.out
    assert [line["outcome"] for line in project.log()[1:-1]] == ["pass", "skip"]


def test_a_spec_with_every_case_skipped_is_not_green(project: Any) -> None:
    """Nothing is judged, so the gate is an error, even at rate 0."""
    project.desk("id: a, expect: find, skip: later", head="gate: {pass_rate: 0}")
    project.answers()
    ran = project.pytest()
    assert (ran.code, ran.letters()) == (1, "sE")
    assert "desk: nothing was judged (1 skipped)" in ran.failures
    assert ran.summary.splitlines()[-1] == "nothing was judged"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["-k", "gate"], "0 of 4 selected"),
        (["specs/desk.spec.yaml::gate"], "0 of 4 selected"),
        (["--gate-split", "train"], "no case of split train"),
    ],
    ids=["by keyword", "by node id", "empty split"],
)
def test_a_gate_without_cases_is_never_green(desk: Any, arguments: list[str], reason: str) -> None:
    """The gate is skipped with the reason, the summary says so, and pytest exits with 5."""
    ran = desk.pytest(*QUIET, "-rs", *arguments)
    assert (ran.code, ran.letters()) == (5, "s")
    assert ran.summary.splitlines()[-1] == "nothing was judged"
    assert f": {reason}" in ran.out


def test_python_tests_beside_do_not_make_nothing_judged_green(project: Any) -> None:
    """A passing Python test selected along with a lone gate leaves exit code 5."""
    project.desk("id: a, expect: find")
    project.answers(a="find")
    project.write("test_gate.py", "def test_gate(): pass\n")
    ran = project.pytest(*QUIET, "-k", "gate")
    assert (ran.code, ran.counts) == (5, "1 passed, 1 skipped, 1 deselected")


def test_tags_cannot_overrule_the_verdict(project: Any) -> None:
    """Tags called `skip` or `xfail` are no markers: the miss counts, the gate is red."""
    project.desk("id: a, expect: find, tags: [xfail]", "id: b, expect: find, tags: [skip]", head="")
    project.answers(a="book", b="book")
    ran = project.pytest()
    assert (ran.code, ran.letters()) == (1, "xxF")


def test_regressions_against_a_baseline(project: Any) -> None:
    """A case that passed in the baseline and misses now fails a gate whose rate is met.

    With one regression allowed it is listed and forgiven.
    """
    project.desk("id: a, expect: find", "id: b, expect: book")
    project.answers(a="find", b="book")
    assert project.pytest("--gate-run-log", "before.jsonl").code == 0
    project.answers(a="find", b="find")
    red = project.pytest("--gate-baseline", "before.jsonl")
    assert (red.code, red.letters()) == (1, ".xF")
    assert "desk: 1 case passed in the baseline and misses now" in red.failures.splitlines()
    green = project.pytest("--gate-baseline", "before.jsonl", "--gate-allow-regressions", "1")
    assert (green.code, green.letters()) == (0, ".x.")
    assert "passed in the baseline, misses now: desk::b" in green.summary.splitlines()
