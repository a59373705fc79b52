"""Scores that a published data set has of its own, in a run's summary and in reports."""

from __future__ import annotations

import json
from typing import Any

CALLGATE, REPORT = ("-m", "harness"), ("-m", "reports")
PARAMETERS = {"type": "dict", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
FUNCTIONS = [{"name": name, "description": "", "parameters": PARAMETERS} for name in ("f", "g")]
REFUSAL = "I cannot use search_google for that."
GUIDE = "the guide passes it, for it names search_google: no_call"


def call(name: str, argument: str) -> str:
    """A call as FunctionGemma writes it."""
    return f"<start_function_call>call:{name}{{{argument}}}<end_function_call>"


def lines_of(rows: list[dict[str, Any]]) -> str:
    """Rows as a file of JSON lines."""
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def compared(project: Any, spec: str, replies: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Run a spec on replies before and after; what each run printed."""
    ran = {}
    for when, answers in replies.items():
        answered = [{"case": f"{spec}::{case}", "reply": text} for case, text in answers.items()]
        project.write(f"{when}.replies.jsonl", lines_of(answered))
        arguments = ("--model", f"replay:{when}.replies.jsonl", "--run-log", f"{when}.jsonl")
        ran[when] = project.python(*CALLGATE, "run", f"{spec}.spec.yaml", *arguments)
    return ran


def test_bfcl(project: Any) -> None:
    """The leaderboard ends a run and stands in its report, with two columns for two runs."""
    for category, n in (("multiple", 2), ("irrelevance", 1)):
        rows = [
            {
                "id": f"{category}_{i}",
                "question": [[{"role": "user", "content": f"{category} {i}?"}]],
                "function": FUNCTIONS,
            }
            for i in range(n)
        ]
        project.write(f"bfcl/BFCL_v4_{category}.json", lines_of(rows))
    answers = [{"id": f"multiple_{i}", "ground_truth": [{"f": {"n": [i]}}]} for i in range(2)]
    project.write("bfcl/possible_answer/BFCL_v4_multiple.json", lines_of(answers))
    project.write("board.spec.yaml", "source: {format: bfcl, path: bfcl}\n")
    good = {"multiple_0": call("f", "n:0"), "irrelevance_0": "No."}
    ran = compared(
        project,
        "board",
        {
            "before": {**good, "multiple_1": call("g", "n:1")},
            "after": {**good, "multiple_1": call("f", "n:1")},
        },
    )
    assert (ran["before"].code, ran["after"].code) == (1, 0)
    board = ran["before"].out.split("\n\n")[-2].splitlines()
    assert board[:3] == [
        "board: accuracy as BFCL's leaderboard lists it",
        "                                  accuracy    passed    model card",
        "------------------------------  ----------  --------  ------------",
    ]
    assert board[5] == "Non-Live Multiple AST              50.00 %    1 of 2        63.5 %"
    assert len(board) == 17
    gated = project.pytest("board.spec.yaml", "--gate-model=replay:before.replies.jsonl")
    assert board == gated.summary.split("\n\n")[-2].splitlines()

    report = project.python(*REPORT, "after.jsonl", "--against", "before.jsonl").out
    shown = next(b for b in report.split("\n\n") if b.startswith("BFCL's leaderboard"))
    assert shown.splitlines()[4] == (
        "Non-Live Multiple AST            50.00 %  100.00 %  1 → 2 of 2      63.5 %"
    )
    assert max(map(len, shown.splitlines())) <= 80
    found = json.loads(project.python(*REPORT, "after.jsonl", "--format", "json").out)
    rows = {row["name"]: row for row in found["specs"][0]["leaderboard"]}
    assert rows["Non-Live Irrelevance Detection"] == {
        "name": "Non-Live Irrelevance Detection",
        "after": {"value": 1.0, "passed": 1, "n": 1},
        "before": None,
        "card": None,
    }
    for name in ("markdown", "html"):
        page = project.python(*REPORT, "after.jsonl", "--format", name).out
        assert "Non-Live Multiple AST" in page


def test_simple_tool_calling(project: Any) -> None:
    """The guide's own score ends a run and stands in its report, and so where it is wrong."""
    asked = ("Who won?", "What is rain?")
    arguments = json.dumps({"query": "x"})
    rows = [
        {"user_content": text, "tool_name": "search_google", "tool_arguments": arguments}
        for text in asked
    ]
    project.write("calls.jsonl", lines_of(rows))
    project.write("calls.spec.yaml", "source: {format: simple_tool_calling, path: calls.jsonl}\n")
    right = call("search_google", "query:<escape>x<escape>")
    ran = compared(
        project,
        "calls",
        {
            "before": {"who-won": REFUSAL, "what-is-rain": "No."},
            "after": {"who-won": REFUSAL, "what-is-rain": right},
        },
    )
    score = [
        "calls: the guide's own score: 2 of 2 (ours: 1); it disagrees in 1 case",
        f"  who-won: {GUIDE}",
    ]
    assert ran["after"].out.split("\n\n")[-2].splitlines() == score
    gated = project.pytest("calls.spec.yaml", "--gate-model=replay:after.replies.jsonl")
    assert gated.summary.split("\n\n")[-2].splitlines() == score

    made = project.python(
        *CALLGATE, "import", "simple_tool_calling", "calls.jsonl", "-o", "written/calls.spec.yaml"
    )
    assert made.code == 0
    written = ("--model", "replay:after.replies.jsonl", "--run-log", "written.jsonl")
    project.python(*CALLGATE, "run", "written/calls.spec.yaml", *written)
    for name in ("after.jsonl", "written.jsonl"):
        report = project.python(*REPORT, name, "--against", "before.jsonl").out
        assert (
            "the guide's own score before: 1 of 2 (ours: 0); it disagrees in 1 case\n"
            f"  who-won: {GUIDE}\n\n"
            "the guide's own score after: 2 of 2 (ours: 1); it disagrees in 1 case\n"
            f"  who-won: {GUIDE}\n\n"
        ) in report
