"""Scores that a published data set has of its own, for the end of a run's summary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.cases import Spec
from harness.wording import one_line


def published_scores(
    specs: Sequence[Spec], records: Sequence[Mapping[str, Any]]
) -> list[list[str]]:
    """A block of lines for each spec with rows of BFCL's, or of the guide's, that were judged."""
    found = []
    for spec in specs:
        if spec.source is not None:
            mine = [record for record in records if record["spec"] == spec.name]
            found += [list(map(one_line, block)) for block in _blocks(spec, mine)]
    return found


def _blocks(spec: Spec, records: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    from harness.sources.bfcl_scores import BFCL, leaderboard, leaderboard_lines
    from harness.sources.guide_score import GUIDE, guide_lines, guide_score

    source = spec.source.format if spec.source else None
    if source == BFCL and (rows := leaderboard(records)):
        yield leaderboard_lines(spec.name, rows)
    if source == GUIDE:
        tools = dict.fromkeys(tool.name for case in spec.cases for tool in case.tools)
        score = guide_score(records, list(tools))
        if score is not None:
            yield guide_lines(spec.name, score)
