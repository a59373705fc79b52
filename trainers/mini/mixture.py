"""The training mixture: which kinds of rows, how often, and the stream of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from trainers.mini.compose import Requests, echo, parallel, pick, refusal, single, small_talk
from trainers.mini.lookups import lookup_requests
from trainers.mini.naming import varied
from trainers.mini.procedural import made_requests
from trainers.mini.render import prompt_text, target_text
from trainers.mini.routing import routing_request
from trainers.mini.schema import Row
from trainers.mini.words import TRAIN, Splits
from trainers.mini.written import written_requests

CORPUS_SEED = 20260
CHUNK = 4096
MIXTURE = {
    "written": 0.21,
    "procedural": 0.20,
    "lookup": 0.19,
    "routing": 0.09,
    "parallel": 0.13,
    "refuse_written": 0.05,
    "refuse_procedural": 0.06,
    "refuse_lookup": 0.02,
    "refuse_talk": 0.02,
    "echo": 0.03,
}
# Short rows first: what a call is can be learned from few tools, and faster.
EARLY_CHUNKS = 4
_EARLY_COUNTS = ((1, 2, 3, 4, 5, 6), (45, 40, 12, 1, 1, 1))
_COUNTS = ((1, 2, 3, 4, 5, 6), (18, 30, 18, 17, 9, 8))

# Practice in choosing by description. The run that made the shipped weights had learned to copy
# by chunk 13 but chose between invented names at random, so practice began there.
PICK_CHUNK, PICK_EASE_CHUNK = 13, 18
PICK_SHARES = (0.0, 0.75, 0.25)

Counts = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Source:
    """A kind of row: the requests it draws on, and whether its words may be swapped."""

    requests: Requests
    swappable: bool


_SOURCES = {
    "written": Source(written_requests, True),
    "procedural": Source(made_requests, True),
    "lookup": Source(lookup_requests, False),
}


def single_row(kind: str, count: int, rng: Random, splits: Splits) -> Row:
    """A row of one call with that many tools."""
    source = _SOURCES[kind]
    requests = varied(source.requests(count, rng, splits), rng, splits)
    return replace(single(kind, requests, rng), swappable=source.swappable)


def refusal_row(kind: str, count: int, rng: Random, splits: Splits) -> Row:
    """A row without a fitting tool among that many."""
    source = _SOURCES[kind.removeprefix("refuse_")]
    requests = varied(source.requests(count + 1, rng, splits), rng, splits)
    return refusal(kind, requests, rng)


def routing_row(count: int, rng: Random, splits: Splits) -> Row:
    """A row that sorts a message, at times beside other tools."""
    others = written_requests(count, rng, splits)[: max(0, count - 2)]
    return single("routing", [routing_request(rng, splits), *others], rng)


def parallel_row(count: int, rng: Random, splits: Splits) -> Row:
    """A row of two or three calls."""
    source = rng.choices((written_requests, made_requests, lookup_requests), (5, 4, 1))[0]
    return parallel(source, count, rng, splits)


def make_row(kind: str, rng: Random, counts: Counts = _COUNTS, splits: Splits = TRAIN) -> Row:
    """A row of a kind named in `MIXTURE`.

    Args:
        kind: the kind.
        rng: where all choices come from.
        counts: numbers of declared tools, and how often each of them occurs.
        splits: the words that may be used.

    Raises:
        KeyError: there is no such kind.
    """
    count = rng.choices(*counts)[0]
    if kind == "routing":
        return routing_row(count, rng, splits)
    if kind == "parallel":
        return parallel_row(count, rng, splits)
    if kind == "pick":
        return pick(rng, splits)
    if kind == "echo":
        return echo(rng, splits)
    if kind == "refuse_talk":
        return small_talk(min(count, 4), rng, splits)
    if kind.startswith("refuse_"):
        return refusal_row(kind, min(count, 5), rng, splits)
    return single_row(kind, count, rng, splits)


def mixture(index: int) -> dict[str, float]:
    """The shares of all kinds of rows in a chunk; they sum to one."""
    share = PICK_SHARES[(index >= PICK_CHUNK) + (index >= PICK_EASE_CHUNK)]
    if share == 0.0:
        return dict(MIXTURE)
    return {kind: part * (1 - share) for kind, part in MIXTURE.items()} | {"pick": share}


def chunk_rows(index: int, seed: int = CORPUS_SEED, size: int = CHUNK) -> list[Row]:
    """One chunk of the corpus; the same for the same arguments on every machine."""
    rng = Random(f"callgate-mini/{seed}/{index}")
    counts = _EARLY_COUNTS if index < EARLY_CHUNKS else _COUNTS
    shares = mixture(index)
    kinds = rng.choices(list(shares), list(shares.values()), k=size)
    return [make_row(kind, rng, counts) for kind in kinds]


def rows(seed: int = CORPUS_SEED, index: int = 0) -> Iterator[Row]:
    """The corpus without end, from a chunk on."""
    while True:
        yield from chunk_rows(index, seed)
        index += 1


def corpus_checksum(seed: int = CORPUS_SEED, size: int = CHUNK) -> str:
    """sha256 over the text of a chunk of every stage: tells whether a corpus is the same."""
    digest = hashlib.sha256()
    for index in (0, EARLY_CHUNKS, PICK_CHUNK, PICK_EASE_CHUNK):
        for row in chunk_rows(index, seed, size):
            digest.update((prompt_text(row) + target_text(row) + "\0").encode())
    return digest.hexdigest()
