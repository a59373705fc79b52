"""Scores that a published data set has of its own, before and after: BFCL's and the guide's."""

from __future__ import annotations

from collections.abc import Sequence

from harness.run_log import Record
from harness.sources.bfcl_scores import BFCL, Row, leaderboard
from harness.sources.guide_score import GuideScore, guide_score, of_the_guide
from reports.records import UNSAID, tools
from reports.splits import Pair, Run
from reports.summary import Accuracy, BoardRow


def board(name: str, pair: Pair) -> tuple[BoardRow, ...]:
    """BFCL's leaderboard for a spec whose cases are its rows; () for others."""
    if pair.policy(name).source != BFCL:
        return ()
    now = leaderboard(pair.after.of(name))
    then = leaderboard(pair.before.of(name)) if pair.before is not None else []
    after, before = _by_column(now), _by_column(then)
    return tuple(
        BoardRow(row.name, after.get(row.name), before.get(row.name), row.published)
        for row in now or then
    )


def _by_column(rows: Sequence[Row]) -> dict[str, Accuracy]:
    return {row.name: Accuracy(row.rate, row.passed, row.n) for row in rows}


def guide(name: str, run: Run | None) -> GuideScore | None:
    """The guide's own score of a spec in one run; None for cases that are not the guide's."""
    policy = run.policies.get(name) if run is not None else None
    if run is None or policy is None or not of_the_guide(policy.source, policy.tools):
        return None
    return guide_score([record for record in run.of(name) if _known(record)], policy.tools)


def _known(record: Record) -> bool:
    return UNSAID not in tools(record)
