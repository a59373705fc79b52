"""pytest's own ways of reporting show misses and gates, and nothing that drives a terminal."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

QUIET = ("-p", "no:cacheprovider")
DRIVES_A_TERMINAL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
GATE = [
    "desk: 2 of 4 passed; the gate asks for a rate of 0.8: at least 4",
    "specs/desk.spec.yaml:11 c: wrong_tool: expected find, got book",
    "specs/desk.spec.yaml:12 d: no_call: expected book, got text: 'Which room?'",
]


def test_verbose_output_names_each_case_and_its_miss(desk: Any) -> None:
    """`-v` gives a line for each item; an expected failure shows its kind; `-rx` lists them."""
    ran = desk.pytest(*QUIET, "-v", "-rx")
    lines = [re.sub(r" +\[ *\d+%\]$", "", line) for line in ran.out.splitlines()]
    assert [line for line in lines if re.match(r"specs/\S+ [A-Z]", line)] == [
        "specs/desk.spec.yaml::a PASSED",
        "specs/desk.spec.yaml::b PASSED",
        "specs/desk.spec.yaml::c XFAIL (wrong_tool: expected find, got book)",
        "specs/desk.spec.yaml::d XFAIL (no_call: expected book, got text: 'Wh...)",
        "specs/desk.spec.yaml::gate FAILED",
    ]
    assert "XFAIL specs/desk.spec.yaml::c - wrong_tool: expected find, got book" in lines


def test_quiet_output_keeps_the_summary(desk: Any) -> None:
    """`-q` still names the model and shows the gate."""
    ran = desk.pytest(*QUIET, "-q")
    assert ran.summary.splitlines()[0].startswith("model: replay:replies.jsonl ")
    assert ran.failures.splitlines()[1:] == GATE


@pytest.mark.parametrize("style", ["short", "long", "native"])
def test_traceback_styles_show_no_traceback(desk: Any, style: str) -> None:
    """Every style of `--tb` shows the gate's text and none of callgate's own lines."""
    ran = desk.pytest(*QUIET, f"--tb={style}")
    assert ran.failures.splitlines()[1:] == GATE


def test_one_line_tracebacks(desk: Any) -> None:
    """`--tb=line` shows how the gate's text begins, as far as pytest goes: 50 characters."""
    ran = desk.pytest(*QUIET, "--tb=line")
    assert ran.failures.splitlines()[-1] == GATE[0][:50]


def test_failures_can_be_left_out(desk: Any) -> None:
    """`--tb=no`: no failure blocks; callgate's summary lists the misses all the same."""
    ran = desk.pytest(*QUIET, "--tb=no")
    assert ran.code == 1
    assert "FAILURES" not in ran.out
    assert set(GATE[1:]) < set(ran.summary.splitlines())


def test_summaries_can_be_left_out(desk: Any) -> None:
    """`--no-summary` changes neither the exit code nor the log."""
    ran = desk.pytest(*QUIET, "--no-summary", "--gate-run-log=brief.jsonl")
    assert (ran.code, ran.letters()) == (1, "..xxF")
    assert "FAILURES" not in ran.out
    assert desk.log("brief.jsonl")[-1]["kind"] == "end"


@pytest.mark.parametrize("option", ["--runxfail", "-pno:skipping"])
def test_without_expected_failures_each_miss_fails(desk: Any, option: str) -> None:
    """Where pytest takes no expected failures, misses fail by themselves, beside the gate."""
    ran = desk.pytest(*QUIET, option, "-rs")
    assert (ran.code, ran.letters()) == (1, "..FFF")


def test_without_a_terminal_reporter(desk: Any) -> None:
    """`-p no:terminal`: silent, the same exit code, the same log."""
    ran = desk.pytest(*QUIET, "-p", "no:terminal", "--gate-run-log", "silent.jsonl")
    assert (ran.code, ran.out) == (1, "")
    assert [line["kind"] for line in desk.log("silent.jsonl")] == ["run", *["verdict"] * 4, "end"]


@pytest.fixture(scope="module")
def hostile(new_project: Callable[[], Any]) -> Any:
    """A project whose prompts, skip reason, replies and case names try to drive the terminal."""
    project = new_project()
    escape = "\\e]0;owned\\a\\e[2J"
    project.write(
        "specs/desk.spec.yaml",
        "tools: [{name: find, parameters: {query: {type: string}}}]\ncases:\n"
        f'  - {{id: a, prompt: "One {escape}", expect: find, critical: true}}\n'
        f'  - {{id: b, prompt: "Two {escape}", expect: {{find: {{query: "{escape}"}}}}}}\n'
        f'  - {{id: c, prompt: Three, expect: find, skip: "no {escape}"}}\n'
        f'  - {{id: d, prompt: "Four {escape}", expect: no_call}}\n',
    )
    escape = "\x1b]0;owned\x07\x1b[2J\r\x9b31m"
    call = f"<start_function_call>call:find{{query:<escape>{escape}<escape>}}<end_function_call>"
    project.answers(a=escape, b=call, d=call, **{escape: "find"})
    return project


@pytest.mark.parametrize(
    "arguments",
    [["-v", "-rA", "--tb=long"], ["--runxfail", "-vv"], ["-q", "-n", "2", "-rA"]],
    ids=["gated", "ungated", "workers"],
)
def test_nothing_that_drives_a_terminal_is_shown(hostile: Any, arguments: list[str]) -> None:
    """No control character of a prompt, reply, reason or case name reaches the terminal."""
    ran = hostile.pytest(*QUIET, *arguments)
    assert ran.code == 1
    assert "owned" in ran.out
    assert DRIVES_A_TERMINAL.findall(ran.out + ran.err) == []


@pytest.mark.parametrize(
    ("name", "text", "arguments"),
    [
        ("specs/bad.spec.yaml", 'cases: [{"\\e[31m": 1}]\n', []),
        ("bad", '{"case": "\\u001b[31m", "reply": 1}\n', ["--gate-model", "replay:bad"]),
        ("bad", '"\\u001b[31m\x9b"\n', ["--gate-baseline", "bad"]),
        ("other", "", ["--gate-split", "\x1b[31m"]),
        ("other", "", ["--gate-model", "replay:\x1b[31m"]),
        ("pyproject.toml", '[tool.callgate]\n"\\u001b[31m" = 1\n', []),
    ],
    ids=["spec", "replay file", "baseline", "option", "file name", "pyproject.toml"],
)
def test_messages_about_files_and_options_are_safe_too(
    project: Any, name: str, text: str, arguments: list[str]
) -> None:
    """What is wrong with a file or an option is said without its control characters."""
    project.desk("id: a, expect: find")
    project.answers(a="find")
    project.write(name, text)
    ran = project.pytest(*QUIET, *arguments)
    assert ran.code in (2, 4)
    assert "[31m" in ran.out + ran.err
    assert DRIVES_A_TERMINAL.findall(ran.out + ran.err) == []
