"""Two logs → Summary: every number and sentence of a report, counted once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from harness.run_log import Record
from reports.coverage import coverage
from reports.facts import facts_of, seed_results, title
from reports.floors import NO_RULES, Rules, floors, rules_for, together
from reports.headline import verdict
from reports.notices import notices
from reports.pairing import compare
from reports.policies import SpecFiles, absent
from reports.published import board, guide
from reports.records import NO_TOOL, UNSAID
from reports.rows import rows
from reports.runs import Opened
from reports.sides import side
from reports.splits import Pair, chosen_split, run_of
from reports.summary import Group, GroupKind, SpecSummary, Summary


def summarise(opened: Opened, *, split: str | None = None) -> Summary:
    """Count everything of one split: `train`, `dev`, `test` or `all`; by default test where it is.

    Raises:
        UsageError: the run has no case of that split.
    """
    files = SpecFiles()
    chosen = chosen_split(opened.after, split)
    after = run_of(opened.after, chosen, files)
    before = run_of(opened.before, chosen, files) if opened.before is not None else None
    pair = Pair(after, before)
    rules = {name: rules_for(pair, name, opened.training, files) for name in pair.names}
    specs = tuple(_spec(name, pair, rules[name]) for name in pair.names)
    wholes = [spec.whole for spec in specs]
    overall = _overall(wholes, pair)
    seeds = seed_results(opened, chosen, files)
    return Summary(
        title=title(opened, pair.names),
        verdict=verdict(overall, wholes, chosen, tuple(absent(opened.after, chosen))),
        notices=notices(opened, pair, overall, specs, rules, seeds),
        split=chosen,
        after=facts_of(opened.after),
        before=facts_of(opened.before) if opened.before is not None else None,
        overall=overall,
        specs=specs,
        cases=rows(pair),
        training=opened.training,
        seeds=seeds,
    )


def _overall(wholes: Sequence[Group], pair: Pair) -> Group:
    """All specs as one, without a gate; the only spec where there is one."""
    if len(wholes) == 1:
        return wholes[0]
    after, before = pair.after.records, pair.before.records if pair.before else ()
    part = Part("", "all specs", "")
    group = _group("spec", part, pair=pair, rules=NO_RULES, after=after, before=before)
    counted = [whole.floors for whole in wholes if whole.after.rate.n]
    return replace(group, floors=together(counted))


def _spec(name: str, pair: Pair, rules: Rules) -> SpecSummary:
    policy = pair.policy(name)
    after, before = pair.after.of(name), pair.before.of(name) if pair.before else ()
    group = partial(_group, pair=pair, rules=rules)
    whole = group("spec", Part(name, name, policy.description), after=after, before=before)
    return SpecSummary(
        whole=_gated(whole, pair, after, before),
        clauses=_parts(group, "clause", _clauses, name, policy.clauses, after, before),
        tags=_parts(group, "tag", _tags, name, {}, after, before),
        tools=_parts(group, "tool", _tools, name, dict.fromkeys(policy.tools, ""), after, before),
        coverage=coverage(policy, after, pair.after.split),
        other_splits=_other_splits(name, policy.description, pair, rules),
        file=policy.file,
        leaderboard=board(name, pair),
        guide=guide(name, pair.after),
        guide_before=guide(name, pair.before),
    )


@dataclass(frozen=True, slots=True)
class Part:
    """What a group is called."""

    spec: str
    name: str
    text: str


def _group(
    kind: GroupKind,
    part: Part,
    *,
    pair: Pair,
    rules: Rules,
    after: Sequence[Record],
    before: Sequence[Record],
) -> Group:
    return Group(
        kind=kind,
        spec=part.spec,
        name=part.name,
        text=part.text,
        after=side(after),
        before=side(before) if pair.before else None,
        comparison=compare(pair.by_case, after) if pair.before else None,
        floors=floors(rules, after),
    )


def _gated(whole: Group, pair: Pair, after: Sequence[Record], before: Sequence[Record]) -> Group:
    """The group with the decisions of its gate, before and after."""
    gated = replace(whole, after=pair.after.gated(whole.spec, whole.after, after))
    if pair.before is None or whole.before is None:
        return gated
    return replace(gated, before=pair.before.gated(whole.spec, whole.before, before))


def _parts(
    group: Callable[..., Group],
    kind: GroupKind,
    keys: Callable[[Record], Iterable[str]],
    spec: str,
    texts: Mapping[str, str],
    after: Sequence[Record],
    before: Sequence[Record],
) -> tuple[Group, ...]:
    """The groups of one kind that have cases: in the policy's order, then by name."""
    now, then = _by(keys, after), _by(keys, before)
    found = now.keys() | then.keys()
    names = [*(name for name in texts if name in found), *sorted(found - texts.keys())]
    return tuple(
        group(
            kind,
            Part(spec, name, texts.get(name, "")),
            after=now.get(name, ()),
            before=then.get(name, ()),
        )
        for name in names
    )


def _by(
    keys: Callable[[Record], Iterable[str]], records: Iterable[Record]
) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        for key in dict.fromkeys(keys(record)):
            found.setdefault(key, []).append(record)
    return found


def _clauses(record: Record) -> list[str]:
    return [record["clause"]] if record["clause"] else []


def _tags(record: Record) -> list[str]:
    return list(record["tags"])


def _tools(record: Record) -> list[str]:
    """The tools that the case expects; none where the log does not say."""
    names = [call["name"] for call in record["expected"]] or [NO_TOOL]
    return [name for name in names if name != UNSAID]


def _other_splits(name: str, text: str, pair: Pair, rules: Rules) -> dict[str, Group]:
    """The spec's other splits, without a gate; none where the report is of all of them."""
    found = {}
    for split in pair.after.other_splits(name):
        after = pair.after.of(name, split)
        before = pair.before.of(name, split) if pair.before else ()
        mine = NO_RULES if split == "train" else rules
        part = Part(name, name, text)
        found[split] = _group("spec", part, pair=pair, rules=mine, after=after, before=before)
    return found
