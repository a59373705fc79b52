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


def learnt_from(specs: Sequence[Spec]) -> tuple[Case, ...]:
    """The train cases of all specs; skipped ones teach nothing.

    Raises:
        UsageError: there are none.
    """
    found = tuple(case for spec in specs for case in spec.in_split("train") if case.skip is None)
    if not found:
        names = ", ".join(spec.path for spec in specs)
        raise UsageError(
            f"there is nothing to train on: no case of {names} is in the split train "
            "(write `split: train` into the cases to learn from)"
        )
    return found


def divide(
    specs: Sequence[Spec], train: Sequence[Case], similarity: float, *, stop_rule: bool
) -> Division:
    """Divide the cases, of which `train` may be learnt from; without a stop rule none is given up.

    Raises:
        UsageError: a spec without dev cases has too few train cases to give some up.
    """
    chosen = _given_up(specs, train, similarity) if stop_rule else frozenset()
    judged: list[Spec] = []
    given_up: dict[str, int] = {}
    for spec in specs:
        held = [case for case in spec.cases if case.split != "train"]
        dev = [replace(case, split="dev") for case in spec.cases if case.ref in chosen]
        if dev:
            given_up[spec.name] = len(dev)
        judged.append(replace(spec, cases=(*held, *dev)))
    return Division(
        tuple(case for case in train if case.ref not in chosen), tuple(judged), given_up
    )


def guarded(specs: Sequence[Spec]) -> tuple[Spec, ...]:
    """The specs without their train cases: what is judged of those that are not tuned for."""
    return tuple(
        replace(spec, cases=tuple(case for case in spec.cases if case.split != "train"))
        for spec in specs
    )


def _given_up(specs: Sequence[Spec], train: Sequence[Case], similarity: float) -> frozenset[str]:
    """The cases, by `ref`, that the specs without dev cases give up.

    A cluster may have cases of several specs: it goes one way whole, as the first of them decides,
    and stays where one of them has dev cases of its own.
    """
    learning = {case.spec for case in train}
    giving = [s for s in specs if s.name in learning and not deciding(s)]
    if not giving:
        return frozenset()
    names = {spec.name for spec in giving}
    free = [c for c in _clusters(train, similarity) if all(case.spec in names for case in c)]
    chosen: set[str] = set()
    for spec in giving:
        mine = [case for case in train if case.spec == spec.name]
        if len(mine) < 2 * LEAST_DEV:
            raise UsageError(_too_few(spec, len(mine)))
        parts = [[case for case in cluster if case.spec == spec.name] for cluster in free]
        parts = [part for part in parts if part]
        given = sum(case.ref in chosen for case in mine)
        wanted = max(LEAST_DEV, len(mine) // SHARE) - given
        refs = {case.ref for case in _by_tool(parts, len(mine), wanted)}
        if given + len(refs) < LEAST_DEV:
            why = "most of them near-duplicates or one group, "
            raise UsageError(_too_few(spec, len(mine), why))
        taken = [cluster for cluster in free if refs & {case.ref for case in cluster}]
        chosen |= {case.ref for cluster in taken for case in cluster}
        free = [c for c in free if spec.name not in {case.spec for case in c}]
    return frozenset(chosen)


def deciding(spec: Spec) -> int:
    """How many of its dev cases are judged, and so decide when to stop."""
    return sum(case.skip is None for case in spec.in_split("dev"))


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
    first: dict[tuple[str, str], int] = {}
    for place, case in enumerate(cases):
        if case.group is not None:
            leader[find(place)] = find(first.setdefault((case.spec, case.group), place))
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
        quota = max(0, wanted) * sum(map(len, mine)) // count
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
