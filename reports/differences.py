"""Why two runs may differ for another reason than their models, and what is not compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.json_values import shown
from harness.run_log import Record
from harness.wording import cut
from reports.records import judged, mapping, text
from reports.splits import Pair, Run


def differences(pair: Pair) -> Iterator[str]:
    """What differs between the runs of a comparison besides the answers."""
    if pair.before is None:
        return
    yield from _same(pair.before, pair.after)
    yield from _specs(pair.before, pair.after)
    yield from _cases(pair.before, pair.after)
    yield from _asked(pair)
    yield from _settings(pair.before, pair.after)


def _same(before: Run, after: Run) -> Iterator[str]:
    if before.log.path == after.log.path:
        yield f"{after.log.name} is compared with itself"


def _specs(before: Run, after: Run) -> Iterator[str]:
    """Specs that changed, or that one run alone has judged."""
    for name in (name for name in after.policies if name in before.policies):
        then, now = before.policies[name].digest, after.policies[name].digest
        if then and now and then != now:
            yield f"the spec {name} changed between the runs (digest {then}, then {now})"
    for run, other in ((before, after), (after, before)):
        names = sorted(run.policies.keys() - other.policies.keys())
        if names:
            word = "the spec" if len(names) == 1 else "the specs"
            yield f"{word} {', '.join(names)}: only in {run.log.name}, so not compared"


def _cases(before: Run, after: Run) -> Iterator[str]:
    then, now = ({record["case"] for record in run.records} for run in (before, after))
    if then != now:
        yield (
            f"the runs judged different cases: {len(then - now)} only in {before.log.name}, "
            f"{len(now - then)} only in {after.log.name}; the {len(then & now)} that both have "
            "are compared"
        )


def _asked(pair: Pair) -> Iterator[str]:
    """Cases of both runs that are not the same, or not judged twice."""
    requests = expectations = unjudged = 0
    both = [(r, pair.by_case[r["case"]]) for r in pair.after.records if r["case"] in pair.by_case]
    stayed = [(record, other) for record, other in both if record["split"] == other["split"]]
    moved = len(both) - len(stayed)
    for record, other in stayed:
        asked = {other["request"], record["request"]} - {None}
        if len(asked) > 1:
            requests += 1
        elif judged(other) != judged(record):
            unjudged += 1
        elif judged(record):
            expectations += any(_differs(other, record, key) for key in ("written", "compare"))
    if requests:
        have = "case has" if requests == 1 else "cases have"
        yield f"{requests} {have} another prompt or other tools than before: not compared"
    if moved:
        has = "case was in another split" if moved == 1 else "cases were in other splits"
        yield f"{moved} {has} before: not compared"
    if unjudged:
        was = "case was" if unjudged == 1 else "cases were"
        yield f"{unjudged} {was} judged in one run alone: not compared"
    if expectations:
        have = "case expects" if expectations == 1 else "cases expect"
        yield (
            f"{expectations} {have} something else than before: their verdicts are compared as "
            "they were given (`callgate-report rescore` judges the old replies by today's specs)"
        )


def _differs(other: Record, record: Record, key: str) -> bool:
    """Whether both records say something, and not the same."""
    return None not in (other[key], record[key]) and other[key] != record[key]


def _settings(before: Run, after: Run) -> Iterator[str]:
    """Other settings of generation."""
    then, now = (mapping(run.log.header.get("generation")) for run in (before, after))
    keys = dict.fromkeys([*then, *now]) if then and now else {}
    changed = [
        f"{text(key)} {_value(then, key)}, then {_value(now, key)}"
        for key in keys
        if then.get(key) != now.get(key)
    ]
    if changed:
        yield f"the settings differ between the runs: {'; '.join(changed)}"


def models(before: Run, after: Run) -> Iterator[str]:
    """That two models answered; a training's base and its outcome need no word."""
    then, now = (text(run.log.header.get("label")) for run in (before, after))
    if then and now and then != now:
        yield f"two models answered: {cut(then)}, then {cut(now)}"


def _value(held: Mapping[str, object], key: str) -> str:
    return shown(held[key], 40) if key in held else "not said"
