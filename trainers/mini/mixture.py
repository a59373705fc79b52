"""The training mixture: which kinds of rows, how often, and the stream of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from random import Random

from trainers.mini.compose import (
    Asking,
    Requests,
    echo,
    mixed_subjects,
    parallel_together,
    pick,
    several,
    single,
    small_talk,
    subjects,
    together,
    with_one_head,
)
from trainers.mini.drills import assign, choose, foretell, plain, recall, same, stemmed
from trainers.mini.lookups import lookup_requests
from trainers.mini.naming import varied
from trainers.mini.procedural import made_requests
from trainers.mini.render import prompt_text, target_text
from trainers.mini.routing import routing_request, routing_requests
from trainers.mini.schema import Row, Swap
from trainers.mini.words import TRAIN, Splits
from trainers.mini.written import more_requests, written_requests

CORPUS_SEED = 20260
CHUNK = 2048
Counts = tuple[tuple[int, ...], tuple[int, ...]]
_FEW: Counts = ((1, 2, 3, 4, 5, 6), (45, 40, 12, 1, 1, 1))
_COUNTS: Counts = ((1, 2, 3, 4, 5, 6), (18, 31, 21, 18, 7, 5))
# In drills and picks every tool is a choice: one alone would teach nothing.
_SMALL: Counts = ((2, 3, 4), (1, 1, 1))
_CHOICES: Counts = ((2, 3, 4, 5, 6), (30, 25, 25, 10, 10))
_ASKING = Asking()


@dataclass(frozen=True)
class Stage:
    """A part of the training; it lasts until its gate opens.

    Attributes:
        name: what it is for.
        shares: how often each kind of row is drawn; they sum to one.
        counts: numbers of declared tools, and how often each of them occurs.
        prompt_weight: what a prompt token counts in the loss, where a target token counts one.
        gate: the least rates (see `gates`) that let the training go on to the next stage.
        cap: steps after which it goes on all the same; the last stage has neither.
        asking: what is asked beside the tools of one draw, where these are not of a kind with
            its own way to ask, as `parallel` is.
    """

    name: str
    shares: Mapping[str, float]
    counts: Counts
    prompt_weight: float
    gate: Mapping[str, float] = field(default_factory=dict)
    cap: int = 0
    asking: Asking = _ASKING


STAGES = (
    Stage(
        "recall",
        {"recall": 0.5, "same": 0.1, "plain": 0.4},
        _SMALL,
        0.03,
        {"recall": 0.9, "plain": 0.9},
        2500,
    ),
    Stage(
        "drill",
        {"foretell": 0.1, "plain": 0.2, "drill": 0.5, "pick": 0.2},
        _SMALL,
        0.03,
        {"drill": 0.85},
        350,
    ),
    Stage(
        "single",
        {"plain": 0.1, "single_drill": 0.5, "single_pick": 0.3, "drill": 0.1},
        _SMALL,
        0.03,
        {"single_drill": 0.9, "single_pick": 0.85},
        300,
    ),
    Stage(
        "stem",
        {
            "stem_recall": 0.2,
            "stem_same": 0.1,
            "stem_plain": 0.3,
            "single_drill": 0.25,
            "single_pick": 0.15,
        },
        _SMALL,
        0.03,
        {"stem_plain": 0.9, "single_drill": 0.85},
        1200,
    ),
    Stage(
        "several",
        {"foretell": 0.1, "single_drill": 0.15, "single_pick": 0.15, "drill": 0.3, "pick": 0.3},
        _SMALL,
        0.03,
        {"drill": 0.8, "pick": 0.8},
        1200,
    ),
    # What a question is about: of few subjects first, until it is looked for at all.
    Stage(
        "subjects",
        {"core_subjects": 0.6, "single_drill": 0.1, "single_pick": 0.15, "drill": 0.15},
        _SMALL,
        0.03,
        {"core_subjects": 0.85},
        900,
    ),
    Stage(
        "mixed",
        {
            "plain": 0.02,
            "drill": 0.11,
            "assign": 0.10,
            "pick": 0.22,
            "written": 0.05,
            "more": 0.18,
            "procedural": 0.19,
            "lookup": 0.02,
            "subjects": 0.05,
            "routing": 0.02,
            "parallel": 0.02,
            "echo": 0.02,
        },
        _FEW,
        0.15,
        {"pick": 0.9},
        500,
        Asking(calls=3, joint=0.2, strays=0.3),
    ),
    Stage(
        "full",
        {
            "drill": 0.02,
            "assign": 0.04,
            "pick": 0.06,
            "written": 0.05,
            "more": 0.27,
            "procedural": 0.24,
            "lookup": 0.03,
            "subjects": 0.08,
            "routing": 0.04,
            "parallel": 0.13,
            "refuse_talk": 0.02,
            "echo": 0.02,
        },
        _COUNTS,
        0.15,
        cap=6400,
    ),
    # While the rates fall, prompts count for less.
    Stage(
        "settle",
        {
            "assign": 0.03,
            "pick": 0.05,
            "written": 0.05,
            "more": 0.27,
            "procedural": 0.25,
            "lookup": 0.03,
            "subjects": 0.07,
            "routing": 0.04,
            "parallel": 0.16,
            "refuse_talk": 0.03,
            "echo": 0.02,
        },
        _COUNTS,
        0.03,
        cap=1200,
        asking=Asking(calls=3, joint=0.4, strays=0.8),
    ),
    # What fits no tool is told from what does, but where words are new the doubt goes to calling:
    # as many refusals as calls of one kind, to move the line.
    Stage(
        "decline",
        {
            "assign": 0.03,
            "pick": 0.05,
            "written": 0.06,
            "more": 0.27,
            "procedural": 0.27,
            "lookup": 0.03,
            "subjects": 0.06,
            "routing": 0.03,
            "parallel": 0.15,
            "refuse_talk": 0.03,
            "echo": 0.02,
        },
        _COUNTS,
        0.03,
        cap=2200,
        asking=Asking(calls=2, joint=0.5, strays=2.0),
    ),
    # And part of the way back: what is asked of a tool is more often meant for it than not.
    Stage(
        "balance",
        {
            "assign": 0.03,
            "pick": 0.05,
            "written": 0.06,
            "more": 0.25,
            "procedural": 0.25,
            "lookup": 0.02,
            "subjects": 0.09,
            "routing": 0.04,
            "parallel": 0.14,
            "refuse_talk": 0.03,
            "echo": 0.04,
        },
        _COUNTS,
        0.03,
        cap=1200,
        asking=Asking(calls=3, joint=0.4, strays=1.5),
    ),
    # Departments beside topics: only there do small words ("our", "do we") tell what is meant.
    Stage(
        "sides",
        {
            "assign": 0.02,
            "more": 0.15,
            "procedural": 0.15,
            "mixed_subjects": 0.50,
            "labels": 0.08,
            "parallel": 0.06,
            "echo": 0.04,
        },
        _COUNTS,
        0.03,
        cap=500,
        asking=Asking(calls=3, joint=0.4, strays=1.6),
    ),
    # At last more of what new schemas ask for, and of labels.
    Stage(
        "finish",
        {
            "assign": 0.02,
            "pick": 0.02,
            "written": 0.05,
            "more": 0.28,
            "procedural": 0.28,
            "mixed_subjects": 0.12,
            "labels": 0.06,
            "parallel": 0.13,
            "refuse_talk": 0.01,
            "echo": 0.03,
        },
        _COUNTS,
        0.03,
        asking=Asking(calls=3, joint=0.4, strays=1.6),
    ),
)
FULL = next(stage for stage in STAGES if stage.name == "full")


@dataclass(frozen=True)
class Source:
    """A kind of row: the requests it draws on, and which of its words may be swapped."""

    requests: Requests
    swap: Swap


_SOURCES = {
    "written": Source(written_requests, "values"),
    "more": Source(more_requests, "values"),
    "procedural": Source(made_requests, "values"),
    "lookup": Source(lookup_requests, "none"),
}


def routing_row(count: int, rng: Random, splits: Splits) -> Row:
    """A row that sorts a message, at times beside other tools."""
    others = written_requests(count, rng, splits)[: max(0, count - 2)]
    row = single("routing", [routing_request(rng, splits), *others], rng)
    return replace(row, swap="none")


def _labels(count: int, rng: Random, splits: Splits) -> list[Row]:
    """Messages that one tool sorts, at times beside other tools."""
    requests = routing_requests(_MESSAGES, rng, splits, _SORTED)
    others = written_requests(count, rng, splits)[: max(0, count - 2)]
    tools = [requests[0].tool, *(one.tool for one in others)]
    made = [several("routing", tools, [one], rng) for one in requests]
    return with_one_head([replace(row, swap="none") for row in made], rng)


_MESSAGES = 6
_SORTED = ("departments", "topics", "both", "both", "both", "both")


def _parallel(count: int, rng: Random, splits: Splits) -> list[Row]:
    sources = (written_requests, more_requests, made_requests, lookup_requests)
    source = rng.choices(sources, (1, 4, 4, 1))[0]
    return parallel_together(source, count, rng, splits)


_MAKERS: dict[str, Callable[[int, Random, Splits], Row]] = {
    "routing": routing_row,
    "pick": pick,
    "plain": lambda count, rng, _: plain(max(count, 2), rng),
    "same": lambda count, rng, _: same(max(count, 2), rng),
    "foretell": lambda count, rng, _: foretell(max(count, 2), rng),
    "drill": lambda count, rng, _: choose(max(count, 2), rng),
    "single_drill": lambda count, rng, _: choose(max(count, 2), rng, single=True),
    "single_pick": lambda count, rng, splits: pick(max(count, 2), rng, splits, most=1),
    "recall": lambda count, rng, _: recall(max(count, 2), rng),
    "stem_recall": lambda count, rng, _: stemmed(recall(max(count, 2), rng), rng),
    "stem_same": lambda count, rng, _: stemmed(same(max(count, 2), rng), rng),
    "stem_plain": lambda count, rng, _: stemmed(plain(max(count, 2), rng), rng),
    "assign": lambda count, rng, _: assign(min(count, 4), rng),
    "echo": lambda _, rng, splits: echo(rng, splits),
    "refuse_talk": lambda count, rng, splits: small_talk(min(count, 4), rng, splits),
}


def make_rows(kind: str, rng: Random, stage: Stage, splits: Splits = TRAIN) -> list[Row]:
    """One draw of a kind that a stage names: rows that all declare the same tools.

    Args:
        kind: the kind.
        rng: where all choices come from.
        stage: says how many tools are declared and how much is asked.
        splits: the words that may be used.

    Raises:
        KeyError: there is no such kind.
    """
    count = rng.choices(*(_CHOICES if kind == "pick" else stage.counts))[0]
    if kind == "parallel":
        return _parallel(count, rng, splits)
    if kind == "labels":
        return _labels(count, rng, splits)
    few = max(2, min(count, 4))
    if kind in ("subjects", "core_subjects"):
        return subjects(few, rng, splits, core=kind == "core_subjects")
    if kind == "mixed_subjects":
        return mixed_subjects(rng.choice((2, 2, 2, few)), rng, splits)
    if kind in _MAKERS:
        return [_MAKERS[kind](count, rng, splits)]
    source, strays = _SOURCES[kind], stage.asking.draw_strays(rng)
    requests = varied(source.requests(count + strays, rng, splits), rng, splits)
    rows = together(kind, requests[strays:], requests[:strays], stage.asking, rng)
    return [replace(row, swap=source.swap) for row in rows]


def chunk_rows(
    index: int, stage: Stage = FULL, seed: int = CORPUS_SEED, draws: int = CHUNK
) -> list[Row]:
    """One chunk of the corpus; the same for the same arguments on every machine.

    Rows of one draw follow one another.
    """
    rng = Random(f"callgate-mini/{seed}/{index}")
    kinds = rng.choices(list(stage.shares), list(stage.shares.values()), k=draws)
    return [row for kind in kinds for row in make_rows(kind, rng, stage)]


def rows(stage: Stage = FULL, seed: int = CORPUS_SEED, index: int = 0) -> Iterator[Row]:
    """A stage's part of the corpus without end, from a chunk on."""
    while True:
        yield from chunk_rows(index, stage, seed)
        index += 1


def corpus_checksum(seed: int = CORPUS_SEED, draws: int = CHUNK) -> str:
    """sha256 over the text of a chunk of every stage: tells whether a corpus is the same."""
    digest = hashlib.sha256()
    for stage in STAGES:
        for row in chunk_rows(0, stage, seed, draws):
            digest.update((prompt_text(row) + target_text(row) + "\0").encode())
    return digest.hexdigest()
