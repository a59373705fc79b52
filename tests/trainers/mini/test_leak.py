"""Nothing the model is measured on by the policy suite was in its corpus."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from trainers.mini.mixture import FULL, STAGES, rows

SPEC = Path(__file__).parents[3] / "specs" / "search_policy.spec.yaml"
ROWS = 100_000
NEAR = 90.0


def _strings(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for member in node.values():
            yield from _strings(member)
    elif isinstance(node, list):
        for member in node:
            yield from _strings(member)


def spec_prompts(path: Path) -> list[str]:
    """The prompts of a spec's cases: `prompt`, and all texts below `prompts`."""
    yaml = pytest.importorskip("yaml")
    with path.open(encoding="utf-8") as stream:
        spec = yaml.safe_load(stream)
    found = list(_strings(spec.get("prompts", {})))
    for case in spec.get("cases", []):
        for key in ("prompt", "prompts"):
            found += _strings(case.get(key, []))
    return list(dict.fromkeys(found))


def near_duplicates(prompts: list[str], texts: list[str]) -> list[tuple[str, str]]:
    """(prompt, text) pairs whose token_sort_ratio reaches NEAR, after folding case and marks."""
    process = pytest.importorskip("rapidfuzz.process")
    fuzz = pytest.importorskip("rapidfuzz.fuzz")

    def folded(text: str) -> str:
        return " ".join(sorted(re.findall(r"\w+", text.lower())))

    # Word order does not count in token_sort_ratio: sorting once makes it a plain ratio, and
    # texts of the same words are compared only once.
    unique = {folded(text): text for text in texts}
    keys = list(unique)
    wanted = [folded(prompt) for prompt in prompts]
    scores = process.cdist(wanted, keys, scorer=fuzz.ratio, score_cutoff=NEAR, workers=-1)
    return [(prompts[i], unique[keys[j]]) for i, j in zip(*scores.nonzero(), strict=True)]


def test_near_duplicates_are_found() -> None:
    """Claim: the check sees other word order, case, marks and small spelling changes."""
    texts = ["Where is the red house?", "book a table", "house red the is where"]
    assert len(near_duplicates(["where is THE red houses"], texts)) == 1
    assert not near_duplicates(["play some jazz"], texts)


@pytest.mark.slow
def test_the_corpus_holds_no_prompt_of_the_policy_suite() -> None:
    """Claim: 100,000 rows of the stages with most of the words hold no prompt of the suite."""
    if not SPEC.exists():
        pytest.skip("the policy suite is not there")
    prompts = spec_prompts(SPEC)
    assert prompts
    parts = ((FULL, ROWS // 2), *((stage, ROWS // 4) for stage in STAGES[-2:]))
    texts = [row.user for stage, count in parts for row in islice(rows(stage), count)]
    assert near_duplicates(prompts, texts) == []
