"""Batches: rows encoded, swapped, sorted into buckets, in an order that can be resumed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainers.mini.marks import Format, choices, deciding, passing, recalled
from trainers.mini.mixture import CORPUS_SEED, Stage, chunk_rows
from trainers.mini.render import prompt_text, target_text
from trainers.mini.schema import Row
from trainers.mini.tokenizer import FIRST_PLAIN_ID

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BUCKETS = (64, 96, 128, 192, 256, 352, 512)
BATCH_TOKENS = 4096
SCORED_SHARE = 0.3125
SWAP_CHANCE = 0.45
# The few tokens that choose carry what is hard to learn; the many that copy are soon right.
DECIDING_WEIGHT = 6.0
PASSING_WEIGHT = 2.0

_WORD = re.compile(r"[A-Za-z]{2,}")
# Words that say how a request or the format is built stay as they are.
_KEPT = frozenset(
    ("and", "the", "of", "to", "in", "on", "at", "for", "with", "from", "please", "then", "also")
)
_KEPT |= {"true", "false", "developer", "user", "model"}
_KEPT |= {"string", "integer", "number", "boolean", "array", "object"}


@dataclass(frozen=True)
class Example:
    """An encoded row.

    Attributes:
        ids: prompt and target.
        start: where the target begins.
        recall: whether names stand behind descriptions, to be foretold there.
        values: the ids of the texts among the arguments asked for.
    """

    ids: list[int]
    start: int
    recall: bool = False
    values: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Batch:
    """One step's input; `places` and `weights` as `Network.loss` takes them.

    Attributes:
        tokens: tokens that are not padding.
    """

    ids: NDArray[np.int64]
    places: NDArray[np.int64]
    weights: NDArray[np.float32]
    tokens: int


class Encoder:
    """Turns rows into examples."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    @cached_property
    def _words(self) -> dict[int, str]:
        vocabulary = self._tokenizer.get_vocab()
        return {
            number: text
            for text, number in vocabulary.items()
            if number >= FIRST_PLAIN_ID and _WORD.fullmatch(text) and text.lower() not in _KEPT
        }

    @cached_property
    def _pool(self) -> list[int]:
        return sorted(self._words)

    @cached_property
    def form(self) -> Format:
        """The format's ids in this vocabulary."""
        vocabulary = self._tokenizer.get_vocab()
        texts = (
            "declaration:",
            "{description:",
            "call:",
            "{",
            "<end_function_call>",
            ",",
            "<escape>",
        )
        brackets = (frozenset(vocabulary[text] for text in pair) for pair in ("{[", "}]"))
        return Format(*(vocabulary[text] for text in texts), *brackets)

    def encode(self, rows: Sequence[Row]) -> list[Example]:
        """The rows' ids as they are."""
        encode = self._tokenizer.encode_batch
        prompts = encode([prompt_text(row) for row in rows], add_special_tokens=False)
        targets = encode([target_text(row) for row in rows], add_special_tokens=False)
        texts = encode([" ".join(row.values) for row in rows], add_special_tokens=False)
        parts = zip(rows, prompts, targets, texts, strict=True)
        return [
            Example(a.ids + b.ids, len(a.ids), row.family == "recall", frozenset(c.ids))
            for row, a, b, c in parts
        ]

    def swapped(self, example: Example, rng: Random, share: float) -> Example:
        """The example with some of the words of its values made random.

        Every place of a word gets the same new word, so that a value can still be copied, and
        only by copying: none can be remembered.

        Args:
            example: the encoded row.
            rng: where all choices come from.
            share: the share of those words that is replaced.
        """
        words = sorted(example.values & self._words.keys())
        return self._replaced(example, [word for word in words if rng.random() < share], rng)

    def scrambled(self, example: Example, rng: Random) -> Example:
        """The example with all words made random, save those of the format."""
        return self._replaced(example, sorted(set(example.ids) & self._words.keys()), rng)

    def varied(self, row: Row, example: Example, rng: Random) -> Example:
        """The row's example with words replaced as the row allows."""
        if row.swap == "all":
            return self.scrambled(example, rng)
        if row.swap == "values" and rng.random() < SWAP_CHANCE:
            return self.swapped(example, rng, rng.uniform(0.3, 1.0))
        return example

    def _replaced(self, example: Example, chosen: Sequence[int], rng: Random) -> Example:
        known = set(example.ids)
        fresh = [word for word in rng.sample(self._pool, len(chosen) * 2) if word not in known]
        mapping = dict(zip(chosen, fresh, strict=False))
        return replace(example, ids=[mapping.get(x, x) for x in example.ids])

    def deciding(self, example: Example) -> set[int]:
        """The places of the tokens that choose; in a recall drill also those of all names."""
        found = deciding(example.ids, example.start, self.form)
        return found | recalled(example.ids, self.form) if example.recall else found

    def passing(self, example: Example) -> set[int]:
        """The places of the tokens that choose the next argument, or to take no more."""
        return passing(example.ids, example.start, self.form)

    def choices(self, example: Example) -> set[int]:
        """The places of the tokens that name one tool and no other."""
        if example.recall:
            return recalled(example.ids, self.form)
        return choices(example.ids, example.start, self.form)


def chunk_examples(
    encoder: Encoder, stage: Stage, index: int, seed: int = CORPUS_SEED
) -> list[Example]:
    """The encoded rows of a corpus chunk, with words replaced where that is allowed."""
    rows = chunk_rows(index, stage, seed)
    rng = Random(f"swap/{seed}/{index}")
    examples = (
        encoder.varied(row, example, rng)
        for row, example in zip(rows, encoder.encode(rows), strict=True)
    )
    return [example for example in examples if len(example.ids) <= BUCKETS[-1]]


def _bucket(length: int) -> int:
    return next(size for size in BUCKETS if length <= size)


def make_batch(
    examples: Sequence[Example], length: int, rng: Random, encoder: Encoder, prompt_weight: float
) -> Batch:
    """Pads examples to `length` and to BATCH_TOKENS // length rows.

    All target tokens are scored, those that choose more than others, and as many random prompt
    tokens as there is room for, at `prompt_weight`.
    """
    ids = np.zeros((BATCH_TOKENS // length, length), dtype=np.int64)
    targets: list[tuple[int, float]] = []
    prompts: list[int] = []
    for row, example in enumerate(examples):
        ids[row, : len(example.ids)] = example.ids
        offset, heavy = row * length - 1, encoder.deciding(example)
        weights_of = dict.fromkeys(range(example.start, len(example.ids)), 1.0)
        weights_of |= dict.fromkeys(encoder.passing(example), PASSING_WEIGHT)
        weights_of |= dict.fromkeys(heavy, DECIDING_WEIGHT)
        targets += [(offset + at, weight) for at, weight in sorted(weights_of.items())]
        prompts += (offset + at for at in range(1, example.start) if at not in heavy)
    room = int(BATCH_TOKENS * SCORED_SHARE)
    sampled = rng.sample(prompts, max(0, min(len(prompts), room - len(targets))))
    chosen = (targets + [(place, prompt_weight) for place in sampled])[:room]
    places = np.zeros(room, dtype=np.int64)
    weights = np.zeros(room, dtype=np.float32)
    places[: len(chosen)] = [place for place, _ in chosen]
    weights[: len(chosen)] = [weight for _, weight in chosen]
    return Batch(ids, places, weights, sum(len(example.ids) for example in examples))


def chunk_batches(encoder: Encoder, stage: Stage, index: int) -> list[Batch]:
    """A chunk's batches in a random order; what does not fill a batch makes a short one."""
    rng = Random(f"order/{index}")
    bins: dict[int, list[Example]] = {size: [] for size in BUCKETS}
    for example in chunk_examples(encoder, stage, index):
        bins[_bucket(len(example.ids))].append(example)
    found: list[Batch] = []
    for length, members in bins.items():
        rng.shuffle(members)
        height = BATCH_TOKENS // length
        found.extend(
            make_batch(members[start : start + height], length, rng, encoder, stage.prompt_weight)
            for start in range(0, len(members), height)
        )
    rng.shuffle(found)
    return found


def batches(
    encoder: Encoder, stage: Stage, chunk: int = 0, skip: int = 0
) -> Iterator[tuple[int, int, Batch]]:
    """A stage's batches from a place on, without end, with the place that follows each of them.

    Args:
        encoder: encodes the corpus.
        stage: which rows the chunks hold.
        chunk: the corpus chunk to begin with.
        skip: batches of that chunk that were already used.

    Yields:
        (chunk, batches used of it, batch): the first two resume after the batch.
    """
    while True:
        found = chunk_batches(encoder, stage, chunk)
        for number, batch in enumerate(found[skip:], start=skip + 1):
            yield chunk, number, batch
        chunk, skip = chunk + 1, 0
