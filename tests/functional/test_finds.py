"""What calls find, as users see it: the gate's text, one case in full, reports."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.cases import Call
from harness.functiongemma import CALL_STOP, write_call

REPLAY = "--gate-model=replay:replies.jsonl"
SPEC = """\
spec: desk
tools:
  - {name: look_up, parameters: {query: {type: string}}, run: {search: pages}}
compare: tool
gate: {pass_rate: 0.5}
cases:
  - id: meals
    prompt: What is refunded for meals?
    expect: look_up
    finds: {look_up: travel.md, within: 1}
    then: {says: {$contains: "46"}}
  - id: leave
    prompt: How long is parental leave?
    expect: look_up
    finds: {look_up: leave.md, within: 1}
  - id: weeks
    prompt: How many weeks of leave do I get?
    expect: look_up
    finds: {look_up: leave.md}
    then: {says: {$contains: eighteen}}
  - id: joke
    prompt: Tell me a joke.
    expect: no_call
"""


def look_up(query: str) -> str:
    """A reply that looks something up."""
    return write_call(Call("look_up", {"query": query})) + CALL_STOP


@pytest.fixture
def project(project: Any) -> Any:
    """A project with two pages, a spec that searches them, and replies to its cases."""
    project.write("specs/pages/travel.md", "# Travel\n\n## Meals\n\nMeals: up to 46 euros.\n")
    project.write("specs/pages/leave.md", "# Leave\n\nParents have eighteen weeks of leave.\n")
    project.write("specs/desk.spec.yaml", SPEC)
    replies = [
        {"case": "desk::meals", "reply": look_up("meals"), "answer": "Up to 46 euros."},
        {"case": "desk::leave", "reply": look_up("meals for parents, up to euros")},
        {"case": "desk::weeks", "reply": look_up("weeks of leave"), "answer": "Eight."},
        {"case": "desk::joke", "reply": "No."},
    ]
    project.write("replies.jsonl", "".join(f"{json.dumps(line)}\n" for line in replies))
    return project


MISSES = """\
specs/desk.spec.yaml:12 leave: not_found: look_up: expected 'leave.md' first, got 'travel.md'; it came as no. 2
specs/desk.spec.yaml:16 weeks: wrong_answer: answer: expected a text containing 'eighteen', got 'Eight.'"""  # noqa: E501 - as it is printed


def test_the_gate_weighs_what_was_found_and_answered(project: Any) -> None:
    """Two of four hold; the others are misses with what was found and said in their place."""
    ran = project.pytest("specs", REPLAY)
    assert (ran.code, ran.counts) == (0, "3 passed, 2 xfailed")
    assert "desk: 1 not_found, 1 wrong_answer" in ran.summary
    assert MISSES in ran.summary
    assert [record.get("found") for record in project.log() if record["kind"] == "verdict"] == [
        [{"tool": "look_up", "pages": ["travel.md"]}],
        [{"tool": "look_up", "pages": ["travel.md", "leave.md"]}],
        [{"tool": "look_up", "pages": ["leave.md"]}],
        None,
    ]


def test_workers_judge_the_same(project: Any) -> None:
    """Under pytest-xdist answers are asked for and judged as in one process."""
    ran = project.pytest("specs", REPLAY, "-n", "2")
    assert (ran.code, ran.counts) == (0, "3 passed, 2 xfailed")
    assert MISSES in ran.summary


def test_one_case_is_shown_with_what_followed(project: Any) -> None:
    """`callgate show`: pages wanted and found, the answer, and the prompt of the answer."""
    ran = project.python("-m", "harness", "show", "desk::weeks", "--model", "replay:replies.jsonl")
    assert ran.code == 1
    assert ran.out.partition("rendered prompt (")[0].partition("\n\n")[2] == (
        "wrong_answer: answer: expected a text containing 'eighteen', got 'Eight.'\n"
        "  case      weeks, specs/desk.spec.yaml:16\n"
        "  prompt    How many weeks of leave do I get?\n"
        "  expected  look_up  (written values are not judged: compare: tool)\n"
        "  reply     <start_function_call>call:look_up{query:<escape>weeks of leave<escape>}"
        "<end_function_call><start_function_response>\n"
        "  finds     {look_up: [leave.md]} within 3\n"
        "  found     look_up: leave.md\n"
        "  then      {says: {$contains: eighteen}}\n"
        "  answer    Eight.\n"
        "  again     callgate show desk::weeks --model replay:replies.jsonl\n\n"
    )
    assert "rendered prompt of the answer (a line goes on behind +):" in ran.out
    assert "Parents have eighteen weeks of leave.<escape>}]}<end_function_response>" in ran.out


def test_a_report_shows_what_was_found_and_answered(project: Any) -> None:
    """In the page, in JSON and in the lists of the terminal and of Markdown."""
    ran = project.pytest("specs", REPLAY, "--gate-run-log=run.jsonl")
    assert ran.code == 0, ran.err
    shown = {
        form: project.python("-m", "reports", "run.jsonl", "--format", form).out
        for form in ("terminal", "markdown", "html", "json")
    }
    assert "not_found" in shown["terminal"]
    assert "expected 'leave.md' first, got 'travel.md'; it came as no. 2" in shown["markdown"]
    assert "<dt>found</dt><dd>look_up: travel.md, leave.md</dd>" in shown["html"]
    assert "<dt>answer</dt><dd><pre>Eight.</pre></dd>" in shown["html"]
    rows = {row["id"]: row for row in json.loads(shown["json"])["cases"]}
    assert rows["weeks"]["after"]["found"] == "look_up: leave.md"
    assert rows["weeks"]["after"]["answered"] == "Eight."
    assert rows["weeks"]["expected"] == (
        "look_up, finds {look_up: [leave.md]} within 3, then says {$contains: eighteen}"
    )


def test_rescoring_takes_the_answers_that_replays_take(project: Any) -> None:
    """A text, or an object without a digest, as somebody writes it by hand."""
    lines = [
        {"kind": "verdict", "case": "desk::meals", "outcome": "fail", "split": "test"},
        {"kind": "verdict", "case": "desk::weeks", "outcome": "fail", "split": "test"},
    ]
    lines[0] |= {"reply": look_up("meals"), "answer": "Up to 46 euros."}
    lines[1] |= {"reply": look_up("leave"), "answer": {"reply": "eighteen weeks"}}
    project.write("run.jsonl", "".join(f"{json.dumps(line)}\n" for line in lines))
    again = project.python("-m", "reports", "rescore", "run.jsonl", "--specs", "specs")
    assert "2 replies judged again: 2 verdicts changed" in again.out


def test_rescoring_follows_the_pages_of_today(project: Any) -> None:
    """A page that changed makes its recorded answer unusable; a rule that changed does not."""
    ran = project.pytest("specs", REPLAY, "--gate-run-log=run.jsonl")
    assert ran.code == 0, ran.err
    rescore = ("-m", "reports", "rescore", "run.jsonl", "--specs", "specs")
    project.write("specs/desk.spec.yaml", SPEC.replace("eighteen}}", "eight}}"))
    again = project.python(*rescore)
    assert "4 replies judged again: 1 verdict changed" in again.out
    assert "desk::weeks: wrong_answer → pass" in again.out
    project.write("specs/pages/travel.md", "# Travel\n\n## Meals\n\nMeals: up to 52 euros.\n")
    changed = project.python(*rescore)
    assert "3 replies judged again" in changed.out
    assert (
        "not judged, 1 case: its answer followed other results: what its calls find has changed: "
        "desk::meals" in changed.out
    )
