"""Data sets as their users meet them: `callgate import`, and a gate on `source:`."""

from __future__ import annotations

import json
import re
from typing import Any

from harness.run_log import read_log

TOOLS = """\
tools:
  - {name: find, parameters: {query: {type: string}}}
  - {name: book, parameters: {room: {type: integer}}}
"""
TABLE = """\
id;prompt;tool;query;room
plan;Where is the plan?;find;plan;
room;Book room 3;book;;3
joke;Tell me a joke;no_call;;
lost;Book it;bok;;3
"""
CALLGATE = ("-m", "harness")


def test_import_and_gate(project: Any) -> None:
    """A spreadsheet becomes a spec file that gates as `source:` does, with the same verdicts."""
    project.write("cases.csv", TABLE)
    project.write("tools.yaml", TOOLS)
    made = project.python(
        *CALLGATE, "import", "csv", "cases.csv", "--tools", "tools.yaml", "-o", "specs/a.spec.yaml"
    )
    assert (made.code, made.err) == (0, "")
    assert made.out == (
        "3 of 4 rows of cases.csv are cases; dropped: 1 not a sound case\n"
        "  dropped 1: not a sound case; the first at cases.csv:5: case lost, expect.bok: unknown "
        "tool 'bok' (did you mean 'book'?)\n"
        "specs/a.spec.yaml: 3 cases (3 test), read back: the same cases\n"
    )
    project.write("specs/b.spec.yaml", f"{TOOLS}source: {{format: csv, path: ../cases.csv}}\n")
    replies = {
        "plan": "<start_function_call>call:find{query:<escape>plan<escape>}<end_function_call>",
        "room": "<start_function_call>call:book{room:4}<end_function_call>",
        "joke": "No.",
    }
    lines = [
        json.dumps({"case": f"{spec}::{name}", "reply": reply})
        for spec in "ab"
        for name, reply in replies.items()
    ]
    project.write("replies.jsonl", "\n".join(lines))
    ran = project.pytest("specs", "-v")
    assert ran.code == 1
    ids = re.findall(r"^(specs/\S+::\S+) [A-Z]+", ran.out, re.MULTILINE)
    assert ids == [f"specs/{f}.spec.yaml::{n}" for f in "ab" for n in [*replies, "gate"]]
    assert ran.counts == "2 failed, 4 passed, 2 xfailed"
    assert (
        "b: 3 of 4 rows of cases.csv are cases; dropped: 1 not a sound case" in ran.out.splitlines()
    )
    log = read_log(str(project.root / ".callgate" / "last-run.jsonl"))
    assert log.run is not None
    assert "drops" not in log.run["policies"]["a"]
    assert log.run["policies"]["b"]["drops"] == {"not a sound case": 1}
    by_spec: dict[str, list[object]] = {"a": [], "b": []}
    for one in log.verdicts:
        by_spec[one["spec"]].append((one["case"][3:], one["request"], one["outcome"]))
    assert by_spec["a"] == by_spec["b"]
    places = [v["location"] for v in log.verdicts if v["spec"] == "b"]
    assert places == ["cases.csv:2", "cases.csv:3", "cases.csv:4"]


def test_nothing_usable_is_never_green(project: Any) -> None:
    """A spec whose data set gives no case: 3 by `callgate run`, an error under pytest."""
    project.write("rows.jsonl", "{broken\n")
    project.write("specs/a.spec.yaml", "source: {format: openai, path: ../rows.jsonl}\n")
    project.write("replies.jsonl", "")
    why = "0 of 1 row of rows.jsonl are cases; dropped: 1 broken JSON"
    ran = project.python(*CALLGATE, "run")
    assert ran.code == 3
    assert "a: gate not met: nothing was judged" in ran.out.splitlines()
    assert f"a: {why}" in ran.out.splitlines()
    gated = project.pytest("specs")
    assert gated.code == 1
    assert gated.counts == "1 error"
    assert f"a: nothing was judged: {why}" in gated.failures


def test_a_split_that_was_asked_for_is_never_green_without_a_row(project: Any) -> None:
    """Test rows that are all dropped: 3 by `callgate run`, an error under pytest, not a skip."""
    call = {"function": {"name": "find", "arguments": '{"query": "plan"}'}}
    turns = [{"role": "user", "content": "Plan?"}, {"role": "assistant", "tool_calls": [call]}]
    row = json.dumps({"id": "plan", "messages": turns})
    project.write("rows.jsonl", f"{row}\n{{broken\n{{broken\n")
    source = "format: openai, path: ../rows.jsonl"
    asked = f"{TOOLS}source: {{{source}, take: {{train: 1, test: 2}}}}\n"
    project.write("specs/a.spec.yaml", asked)
    project.write("replies.jsonl", "")
    why = "1 of 3 rows of rows.jsonl are cases; dropped: 2 broken JSON"
    ran = project.python(*CALLGATE, "run")
    assert ran.code == 3
    assert "a: gate not met: nothing was judged" in ran.out.splitlines()
    assert f"a: {why}" in ran.out.splitlines()
    gated = project.pytest("specs")
    assert (gated.code, gated.counts) == (1, "1 deselected, 1 error")
    assert f"a: nothing was judged: no case is test; {why}" in gated.failures
    assert "a: gate not met: nothing was judged" in gated.summary.splitlines()


def test_a_split_that_nobody_asked_for_is_skipped(project: Any) -> None:
    """A data set to train on, beside a spec that is judged, has nothing to answer for."""
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
    project.write("rows.jsonl", json.dumps({"messages": turns}) + "\n{broken\n")
    source = "format: openai, path: ../rows.jsonl, take: {train: 2, test: 0}"
    project.write("specs/a.spec.yaml", f"{TOOLS}source: {{{source}}}\n")
    project.write("specs/b.spec.yaml", f"{TOOLS}cases: [{{id: x, prompt: Hi, expect: no_call}}]\n")
    project.write("replies.jsonl", json.dumps({"case": "b::x", "reply": "No."}))
    ran = project.python(*CALLGATE, "run")
    assert ran.code == 0
    assert any(line.startswith("a ") and "no case is test" in line for line in ran.out.splitlines())
    gated = project.pytest("specs")
    assert (gated.code, gated.counts) == (0, "2 passed, 1 skipped, 1 deselected")


def test_bad_usage(project: Any) -> None:
    """Unknown formats and counts that are none end with 2 and a line that says what is expected."""
    project.write("rows.jsonl", "{}\n")
    out = ("rows.jsonl", "-o", "a.spec.yaml")
    ran = project.python(*CALLGATE, "import", "opnai", *out)
    assert ran.code == 2
    assert "argument FORMAT: invalid choice: 'opnai'" in ran.err
    ran = project.python(*CALLGATE, "import", "openai", *out, "--take", "tset=3")
    assert ran.err.splitlines()[-1].endswith(
        "argument --take: 'tset=3': expected SPLIT=N, where SPLIT is train, dev, test"
    )
    ran = project.python(*CALLGATE, "import", "openai", *out)
    assert (ran.code, ran.out.splitlines()[-1]) == (3, "a.spec.yaml is not written: it has no case")
