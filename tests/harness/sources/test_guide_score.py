"""The score of Google's tuning guide, counted from a run log's verdicts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.cases import Case, Miss, Reply
from harness.judging import judge
from harness.loading import load_specs
from harness.run_log import Record, record_of
from harness.sources.guide_score import (
    Disagreement,
    GuideScore,
    guide_lines,
    guide_passes,
    guide_score,
    of_the_guide,
)

FOLDER = Path(__file__).parents[2] / "data"
ROWS, REPLIES = (
    [json.loads(line) for line in (FOLDER / name).read_text("utf-8").splitlines()]
    for name in ("simple_tool_calling.jsonl", "google_guide_replies.jsonl")
)
GOOGLE, KNOWLEDGE = "search_google", "search_knowledge_base"
BOTH = (KNOWLEDGE, GOOGLE)
CALL = f"<start_function_call>call:{GOOGLE}{{query:<escape>%s<escape>}}<end_function_call>"


@pytest.fixture
def guide_cases(spec_of: Any) -> list[Case]:
    """The rows that the guide tests on."""
    return list(spec_of("simple_tool_calling", ROWS[20:]).cases)


def judged(cases: Sequence[Case], replies: Sequence[str]) -> list[Record]:
    """The verdicts as a log has them."""
    pairs = zip(cases, map(Reply, replies), strict=True)
    return [json.loads(json.dumps(record_of(judge(*pair)))) for pair in pairs]


@pytest.mark.parametrize(("when", "passed"), [("before", 2), ("after", 16)])
def test_the_score_of_the_printed_replies(guide_cases: list[Case], when: str, passed: int) -> None:
    """2 of 20 before its tuning and 16 after, reply by reply as it marks them; ours says the same.

    None of the 40 real replies is one that the guide's score gets wrong.
    """
    records = judged(guide_cases, [row[f"reply_{when}"] for row in REPLIES])
    scores = [guide_passes([row["expected_tool"]], BOTH, row[f"reply_{when}"]) for row in REPLIES]
    assert scores == [row[f"guide_verdict_{when}"].startswith("✅") for row in REPLIES]
    words = f"{passed} of 20 (ours: {passed}); both say the same of each"
    assert guide_score(records, BOTH) == GuideScore(passed, passed, 20, (), words)


@pytest.mark.parametrize(
    ("reply", "passes", "words"),
    [
        (f"I cannot use {GOOGLE} for that.", True, Miss.NO_CALL),
        (CALL.replace("{", " ", 1) % "x", True, Miss.MALFORMED_CALL),
        (CALL.replace("query", "q") % "x", True, Miss.INVALID_ARGUMENTS),
        (CALL % "x" + CALL % "y", True, Miss.EXTRA_CALL),
        (f"call:{GOOGLE}{{query:x}}", True, Miss.NO_CALL),
        (CALL % "x" + f" Not {KNOWLEDGE}.", False, "pass"),
        (CALL % f"what is {KNOWLEDGE}", False, "pass"),
    ],
)
def test_where_the_score_is_wrong(
    guide_cases: list[Case], reply: str, passes: bool, words: str
) -> None:
    """It passes what only names the tool, and fails a right call beside the other name."""
    case = guide_cases[1]
    found = guide_score(judged([case], [reply]), BOTH)
    said = f"the guide fails it, for it names {KNOWLEDGE} too: {words}"
    if passes:
        said = f"the guide passes it, for it names {GOOGLE}: {words}"
    counted = f"{int(passes)} of 1 (ours: {int(not passes)}); it disagrees in 1 case"
    disagreement = Disagreement(case.ref, passes, said)
    assert found == GuideScore(int(passes), int(not passes), 1, (disagreement,), counted)
    assert guide_lines("rows", found) == [
        f"rows: the guide's own score: {counted}",
        f"  {case.id}: {said}",
    ]


@pytest.mark.parametrize(
    ("expected", "reply", "passes"),
    [
        ([], "No.", True),
        ([], "Ask a.", False),
        (["a", "b"], "b and a", True),
        (["a", "b"], "a", False),
        (["a"], "a b", False),
    ],
)
def test_names_of_all_expected_tools_and_of_no_other(
    expected: list[str], reply: str, passes: bool
) -> None:
    """Of one tool, of several, of none."""
    assert guide_passes(expected, ["a", "b"], reply) is passes


def test_cases_that_the_score_cannot_know(tmp_path: Path) -> None:
    """More than one answer, no verdict, no reply: none of them counts; with none left, no score."""
    file = tmp_path / "s.spec.yaml"
    expects = ("{one_of: [a, no_call]}", "any_call", "a")
    lines = [f"  - {{id: c{n}, prompt: Hm{n}?, expect: {e}}}" for n, e in enumerate(expects)]
    file.write_text("\n".join(["tools: [{name: a}, {name: b}]", "cases:", *lines, ""]), "utf-8")
    records = judged(load_specs([file])[0].cases, ["No.", "b", "No."])
    found = guide_score(records, ("a", "b"))
    assert found == GuideScore(0, 0, 1, (), "0 of 1 (ours: 0); both say the same of each")
    without = [{**records[2], "reply": None}, {**records[2], "outcome": "error"}]
    assert guide_score([*records[:2], *without], ("a", "b")) is None


def test_a_right_call_whose_name_is_not_in_the_text() -> None:
    """A log whose replies were changed, to hide a secret say: the score misses the name."""
    record = {
        "case": "s::a", "outcome": "pass", "miss": None, "reply": "[redacted: TOKEN]",
        "expected": [{"name": "find", "arguments": {}}],
    }  # fmt: skip
    found = guide_score([record], ("find", "book"))
    assert found is not None
    assert found.disagreements[0].words == "the guide fails it, for it does not name find: pass"


def test_whose_cases_it_is_for() -> None:
    """Rows of the guide's data set, with whatever tools, and specs written for its two."""
    assert of_the_guide("simple_tool_calling", ("look_up",))
    assert of_the_guide(None, BOTH)
    assert not of_the_guide(None, (*BOTH, "look_up"))
    assert not of_the_guide("hermes", (GOOGLE,))
