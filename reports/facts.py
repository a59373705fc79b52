"""Who answered, when and from which file; a training's seeds; the title."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.json_values import shown
from harness.wording import cut
from reports.policies import SpecFiles
from reports.records import mapping, number, text
from reports.runs import Log, Opened
from reports.sides import side
from reports.splits import run_of
from reports.summary import RunFacts, SeedResult


def facts_of(log: Log) -> RunFacts:
    """A run, for people; what its header does not say is empty, its model "an unknown model"."""
    head = log.header
    return RunFacts(
        path=log.name,
        label=text(head.get("label")) or text(head.get("model")) or "an unknown model",
        model=text(head.get("model")) or None,
        fingerprint=text(head.get("fingerprint")),
        start=text(head.get("start")),
        finished=log.end is not None,
        seconds=number(log.end.get("seconds")) if log.end is not None else None,
        versions={text(k): text(v) for k, v in mapping(head.get("versions")).items()},
        generation={text(k): _setting(v) for k, v in mapping(head.get("generation")).items()},
    )


def _setting(value: Any) -> Any:
    """A setting as JSON can hold it: a flag, a number or a text."""
    if isinstance(value, str):
        return text(value)
    if value is None or (isinstance(value, int | float) and abs(value) < 2**53):
        return value
    return text(shown(value, 80))


def title(opened: Opened, names: Sequence[str]) -> str:
    """What the report is on: the specs, and what was done."""
    what = "one run"
    if opened.before is not None:
        what = "before and after tuning" if opened.tuned else "two runs compared"
    return f"{cut(', '.join(filter(None, names)), 80) or 'callgate'}: {what}"


def seed_results(opened: Opened, split: str, files: SpecFiles) -> tuple[SeedResult, ...]:
    """Each seed of a training with several; () for one seed.

    One that has not come to its end is left out here, and named in the notices.
    """
    found = [
        _seed(one.seed, one.before, one.after, split, files)
        for one in opened.seeds
        if one.before is not None and one.after is not None and one.ended
    ]
    return tuple(found) if len(found) > 1 else ()


def _seed(seed: int, before: Log, after: Log, split: str, files: SpecFiles) -> SeedResult:
    then, now = run_of(before, split, files), run_of(after, split, files)
    sides = [now.gated(name, side(now.of(name)), now.of(name)) for name in now.policies]
    asked = [one for one in sides if one.cases]
    return SeedResult(
        seed=seed,
        before=side(then.records).rate,
        after=side(now.records).rate,
        met=bool(asked) and all(one.met is True for one in asked),
    )
