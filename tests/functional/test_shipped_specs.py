"""The specs and recorded replies that are shipped hold what their headers say they hold."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from rapidfuzz import fuzz, utils

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
NEAR = 75
"""The token sort ratio, 0 to 100, from which two prompts count as the same question."""

Row = dict[str, Any]


def json_lines(path: Path) -> list[Row]:
    """The objects of a JSON lines file, in its order."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def cases(spec: str) -> list[Row]:
    """The cases of a shipped spec as plain YAML, nothing expanded."""
    text = (ROOT / "specs" / f"{spec}.spec.yaml").read_text(encoding="utf-8")
    found: list[Row] = yaml.safe_load(text)["cases"]
    return found


def likeness(one: str, other: str) -> float:
    """As written, and with case and punctuation ignored: the higher of the two."""
    plain = fuzz.token_sort_ratio(one, other)
    return max(plain, fuzz.token_sort_ratio(one, other, processor=utils.default_process))


def near_pairs(some: list[Row], others: list[Row]) -> list[tuple[str, str]]:
    """The pairs of prompts, one of either list, that are too much alike."""
    pairs = [(one["prompt"], other["prompt"]) for one in some for other in others]
    return [pair for pair in pairs if likeness(*pair) >= NEAR]


POLICY = cases("search_policy")
GUIDE_ROWS, OWN = POLICY[:40], POLICY[40:]
OWN_TRAIN = [case for case in OWN if case["split"] == "train"]
OWN_DEV = [case for case in OWN if case["split"] == "dev"]


def test_the_first_forty_policy_cases_are_the_rows_of_the_guide() -> None:
    """Questions, tools and gold arguments of rows 0-39 stand in the spec as the guide has them."""
    rows = json_lines(DATA / "simple_tool_calling.jsonl")
    expected = [
        (row["user_content"], {row["tool_name"]: json.loads(row["tool_arguments"])}) for row in rows
    ]
    assert [(case["prompt"], case["expect"]) for case in GUIDE_ROWS] == expected


def test_the_policy_is_split_as_the_guide_splits_it() -> None:
    """Rows 0-19 train, 20-39 test; of the project's own cases none is a test case."""
    assert [case["split"] for case in GUIDE_ROWS] == ["train"] * 20 + ["test"] * 20
    assert Counter(case["split"] for case in OWN) == {"train": 40, "dev": 30}


@pytest.mark.parametrize("split", [OWN_TRAIN, OWN_DEV], ids=["train", "dev"])
def test_the_projects_own_policy_cases_are_balanced(split: list[Row]) -> None:
    """Half of them expect either tool, so that always calling one tool cannot look good."""
    tools = Counter(next(iter(case["expect"])) for case in split)
    assert tools == dict.fromkeys(("search_knowledge_base", "search_google"), len(split) // 2)


def test_every_clause_of_the_policy_is_tested() -> None:
    """Each of the three clauses is named by a test case."""
    named = {case["clause"] for case in POLICY if case["split"] == "test"}
    assert named == {"internal-first", "public", "one-search"}


def test_no_own_prompt_is_near_a_test_prompt() -> None:
    """Nothing written for training or development repeats a question of the guide's test rows."""
    assert near_pairs(OWN, GUIDE_ROWS[20:]) == []


def test_no_dev_prompt_is_near_a_train_prompt() -> None:
    """The dev pass rate is measured on questions that training has not seen."""
    assert near_pairs(OWN_DEV, GUIDE_ROWS[:20] + OWN_TRAIN) == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_guide_replies_are_what_the_guide_prints(when: str) -> None:
    """The replay files hold the printed replies, character for character, each at its own case."""
    ids = {case["prompt"]: f"search-policy::{case['id']}" for case in GUIDE_ROWS}
    expected = [
        {"case": ids[row["prompt"]], "reply": row[f"reply_{when}"], "finish": "stop"}
        for row in json_lines(DATA / "google_guide_replies.jsonl")
    ]
    assert json_lines(ROOT / "docs" / "replies" / f"guide-{when}.jsonl") == expected


def runs(case: Row) -> list[str]:
    """The recorded ids that a case stands for; those of `each` without the digits they end in."""
    if "skip" in case:
        return []
    if "each" in case:
        return [case["id"]] * len(case["each"])
    return (
        [f"{case['id']}.{name}" for name in case["prompts"]] if "prompts" in case else [case["id"]]
    )


def test_every_case_of_the_traps_has_one_recorded_reply() -> None:
    """The replay file of the traps names each case that is run, once, in the file's order."""
    traps = cases("everyday_traps")
    varied = {case["id"] for case in traps if "each" in case}
    recorded = [row["case"] for row in json_lines(ROOT / "docs/replies/everyday-traps.jsonl")]
    bare = [ref.removeprefix("everyday-traps::") for ref in recorded]
    stems = [ref.split(".")[0] if ref.split(".")[0] in varied else ref for ref in bare]
    assert stems == [ref for case in traps for ref in runs(case)]
    assert len(set(recorded)) == len(recorded)
