"""Other names for the tools of a row, so that names are read and not remembered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from trainers.mini.schema import Request
from trainers.mini.words import Splits, borrowed, invented

_COMMON = ("get", "search", "find", "api", "tool", "run", "do", "set", "create", "app", "fn", "use")


def _empty_word(rng: Random, splits: Splits) -> str:
    """A word that says nothing about a tool: invented or, in training, one of any meaning."""
    if splits.training and rng.random() < 0.4:
        return borrowed(rng)
    return invented(rng, splits.names)


def _pair(rng: Random, splits: Splits) -> str:
    first, second = _empty_word(rng, splits), _empty_word(rng, splits)
    return rng.choice((f"{first}_{second}", first, first + second.capitalize()))


def invented_names(count: int, rng: Random, splits: Splits) -> list[str]:
    """Different names that say nothing; in half of the draws they all share a beginning."""
    stem, joint = "", ""
    if rng.random() < 0.5:
        joint = rng.choice(("_", "_", "_", "."))
        stem = rng.choice(_COMMON) if rng.random() < 0.6 else _empty_word(rng, splits)
    names: list[str] = []
    while len(names) < count:
        word = _empty_word(rng, splits) if stem else _pair(rng, splits)
        name = f"{stem}{joint}{word}"
        if name.lower() not in {known.lower() for known in names}:
            names.append(name)
    return names


def _prefixed(names: Sequence[str], rng: Random, splits: Splits) -> list[str]:
    stem = rng.choice(_COMMON) if rng.random() < 0.5 else invented(rng, splits.names)
    joint = rng.choice(("_", "_", "."))
    return [f"{stem}{joint}{name}" for name in names]


def _camel(name: str) -> str:
    return re.sub(r"[_.](\w)", lambda match: match[1].upper(), name)


def renamed(requests: Sequence[Request], names: Sequence[str]) -> list[Request]:
    """The same requests for tools of these names."""
    pairs = zip(requests, names, strict=True)
    return [replace(one, tool=replace(one.tool, name=name)) for one, name in pairs]


def varied(requests: Sequence[Request], rng: Random, splits: Splits) -> list[Request]:
    """Requests whose tools were renamed in one of several ways, or left alone."""
    names = [request.tool.name for request in requests]
    roll = rng.random()
    new, longer, joined = (0.4, 0.52, 0.6) if splits.training else (0.3, 0.45, 0.53)
    if roll < new:
        names = invented_names(len(names), rng, splits)
    elif roll < longer:
        names = _prefixed(names, rng, splits)
    elif roll < joined:
        names = [_camel(name) for name in names]
    if len({name.lower() for name in names}) < len(names):
        return list(requests)
    return renamed(requests, names)
