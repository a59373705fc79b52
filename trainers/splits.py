"""Who trains, who decides, who proves: the cases of the specs, divided.

A spec without dev cases gives up some of its train cases for the stop rule: stratified by tool,
near-duplicates and groups together, chosen by a stable hash, the same for every seed.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from harness.cases import Case, Spec
from harness.errors import UsageError
from harness.gold import gold_calls
from trainers.leak_guard import normalised, pairs, said

LEAST_DEV: Final = 8
SHARE: Final = 5
"""One in so many train cases is given up."""


@dataclass(frozen=True)
class Division:
    """`train` are the cases to learn from; `specs` hold only the dev and test cases.

    `given_up` says of each spec how many of its train cases became dev cases.
    """

    train: tuple[Case, ...]
    specs: tuple[Spec, ...]
    given_up: Mapping[str, int] = field(default_factory=dict)

    def held_out(self, split: str) -> tuple[Case, ...]:
        """The dev or the test cases of all specs."""
        return tuple(case for spec in self.specs for case in spec.in_split(split))


def divide(specs: Sequence[Spec], similarity: float, *, stop_rule: bool) -> Division:
    """Divide the cases; without a stop rule nothing is given up. Skipped cases train nothing.

    Raises:
        UsageError: there are no train cases, or too few to give some up.
    """
    train: list[Case] = []
    judged: list[Spec] = []
    given_up: dict[str, int] = {}
    for spec in specs:
        mine = [case for case in spec.in_split("train") if case.skip is None]
        held = [case for case in spec.cases if case.split != "train"]
        if stop_rule and mine and not spec.in_split("dev"):
            chosen = _chosen(spec, mine, similarity)
            mine = [case for case in mine if case.id not in chosen]
            dev = [replace(c, split="dev") for c in spec.cases if c.id in chosen]
            held, given_up[spec.name] = [*held, *dev], len(dev)
        train += mine
        judged.append(replace(spec, cases=tuple(held)))
    if not train:
        names = ", ".join(spec.path for spec in specs)
        raise UsageError(
            f"there is nothing to train on: no case of {names} is in the split train "
            "(write `split: train` into the cases to learn from)"
        )
    return Division(tuple(train), tuple(judged), given_up)


def guarded(specs: Sequence[Spec]) -> tuple[Spec, ...]:
    """The specs without their train cases: what is judged of those that are not tuned for."""
    return tuple(
        replace(spec, cases=tuple(case for case in spec.cases if case.split != "train"))
        for spec in specs
    )


def _chosen(spec: Spec, cases: Sequence[Case], similarity: float) -> set[str]:
    """The ids of the cases to give up."""
    wanted = max(LEAST_DEV, len(cases) // SHARE)
    if len(cases) < 2 * LEAST_DEV:
        raise UsageError(_too_few(spec, len(cases)))
    chosen = _by_tool(_clusters(cases, similarity), len(cases), wanted)
    if len(chosen) < LEAST_DEV:
        raise UsageError(_too_few(spec, len(cases), "most of them near-duplicates or one group, "))
    return {case.id for case in chosen}


def _too_few(spec: Spec, count: int, why: str = "") -> str:
    return (
        f"{spec.path}: no dev cases, and {count} train cases are {why}too few to give up "
        f"{LEAST_DEV} of them for the stop rule: add cases with `split: dev`, or train a fixed "
        "number of epochs with --epochs"
    )


def _clusters(cases: Sequence[Case], similarity: float) -> list[list[Case]]:
    """Cases that must share a split, together: groups and near-duplicates, in a stable order."""
    leader = list(range(len(cases)))

    def find(place: int) -> int:
        while leader[place] != place:
            leader[place] = leader[leader[place]]
            place = leader[place]
        return place

    for one, other in pairs([normalised(said(case)) for case in cases], similarity):
        leader[find(other)] = find(one)
    first: dict[str, int] = {}
    for place, case in enumerate(cases):
        if case.group is not None:
            leader[find(place)] = find(first.setdefault(case.group, place))
    clusters: dict[int, list[Case]] = defaultdict(list)
    for place, case in enumerate(cases):
        clusters[find(place)].append(case)
    return sorted(clusters.values(), key=lambda cluster: min(_hash(case) for case in cluster))


def _hash(case: Case) -> str:
    return hashlib.sha256(f"{case.spec}\n{case.prompt}".encode()).hexdigest()


def _by_tool(clusters: list[list[Case]], count: int, wanted: int) -> list[Case]:
    """About `wanted` cases, the tools as they are among all; never a part of a cluster."""
    strata: dict[tuple[str, ...], list[list[Case]]] = defaultdict(list)
    for cluster in clusters:
        strata[_tools(cluster[0])].append(cluster)
    chosen: list[Case] = []
    rest: list[list[Case]] = []
    for _, mine in sorted(strata.items()):
        quota = wanted * sum(map(len, mine)) // count
        for cluster in mine:
            if len(cluster) <= quota:
                quota -= len(cluster)
                chosen += cluster
            else:
                rest.append(cluster)
    for cluster in sorted(rest, key=lambda cluster: min(map(_hash, cluster))):
        if len(chosen) + len(cluster) <= wanted:
            chosen += cluster
    return chosen


def _tools(case: Case) -> tuple[str, ...]:
    return tuple(sorted(call.name for call in gold_calls(case.expect, case.tools) or ()))
