"""Batches: rows encoded, swapped, sorted into buckets, in an order that can be resumed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainers.mini.mixture import CORPUS_SEED, chunk_rows
from trainers.mini.render import prompt_text, target_text
from trainers.mini.schema import Row
from trainers.mini.tokenizer import FIRST_PLAIN_ID

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BUCKETS = (128, 192, 256, 352, 512)
BATCH_TOKENS = 8192
SCORED_SHARE = 0.375
PROMPT_WEIGHT = 0.2
SWAP_CHANCE = 0.45

_WORD = re.compile(r"[A-Za-z]{2,}")
# Words that say what a request is about or how it is built stay as they are.
_KEPT = frozenset(
    ("and", "the", "of", "to", "in", "on", "at", "for", "with", "from", "true", "false")
) | {"please", "then", "also"}


@dataclass(frozen=True)
class Example:
    """An encoded row: ids, and where the target begins."""

    ids: list[int]
    start: int


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

    def encode(self, rows: Sequence[Row]) -> list[Example]:
        """The rows' ids as they are."""
        encode = self._tokenizer.encode_batch
        prompts = encode([prompt_text(row) for row in rows], add_special_tokens=False)
        targets = encode([target_text(row) for row in rows], add_special_tokens=False)
        pairs = zip(prompts, targets, strict=True)
        return [Example(a.ids + b.ids, len(a.ids)) for a, b in pairs]

    def swapped(self, example: Example, rng: Random) -> Example:
        """The example with some of the words that target and prompt share made random.

        Every place of a word gets the same new word, so that the target can still be copied,
        and only by copying: no name or value can be remembered.
        """
        prompt, target = example.ids[: example.start], example.ids[example.start :]
        shared = sorted((set(prompt) & set(target)) & self._words.keys())
        share = rng.uniform(0.3, 1.0)
        chosen = [word for word in shared if rng.random() < share]
        fresh = [word for word in rng.sample(self._pool, len(chosen) * 2) if word not in prompt]
        mapping = dict(zip(chosen, fresh, strict=False))
        return Example([mapping.get(x, x) for x in example.ids], example.start)


def chunk_examples(encoder: Encoder, index: int, seed: int = CORPUS_SEED) -> list[Example]:
    """The encoded rows of a corpus chunk, swapped where that is allowed."""
    rows = chunk_rows(index, seed)
    rng = Random(f"swap/{seed}/{index}")
    examples = []
    for row, example in zip(rows, encoder.encode(rows), strict=True):
        if row.swappable and rng.random() < SWAP_CHANCE:
            example = encoder.swapped(example, rng)
        if len(example.ids) <= BUCKETS[-1]:
            examples.append(example)
    return examples


def _bucket(length: int) -> int:
    return next(size for size in BUCKETS if length <= size)


def make_batch(examples: Sequence[Example], length: int, rng: Random) -> Batch:
    """Pads examples to `length` and to BATCH_TOKENS // length rows.

    All target tokens are scored, and as many random prompt tokens as there is room for.
    """
    shape = (BATCH_TOKENS // length, length)
    ids = np.zeros(shape, dtype=np.int64)
    targets: list[int] = []
    prompts: list[int] = []
    for row, example in enumerate(examples):
        ids[row, : len(example.ids)] = example.ids
        offset = row * length
        prompts += range(offset, offset + example.start - 1)
        targets += range(offset + example.start - 1, offset + len(example.ids) - 1)
    room = int(BATCH_TOKENS * SCORED_SHARE)
    targets = targets[:room]
    sampled = rng.sample(prompts, min(len(prompts), room - len(targets)))
    places = np.zeros(room, dtype=np.int64)
    weights = np.zeros(room, dtype=np.float32)
    places[: len(targets)], weights[: len(targets)] = targets, 1.0
    end = len(targets) + len(sampled)
    places[len(targets) : end], weights[len(targets) : end] = sampled, PROMPT_WEIGHT
    return Batch(ids, places, weights, sum(len(example.ids) for example in examples))


def chunk_batches(examples: Sequence[Example], index: int) -> list[Batch]:
    """A chunk's batches in a random order; what does not fill a batch makes a short one."""
    rng = Random(f"order/{index}")
    bins: dict[int, list[Example]] = {size: [] for size in BUCKETS}
    for example in examples:
        bins[_bucket(len(example.ids))].append(example)
    found: list[Batch] = []
    for length, members in bins.items():
        rng.shuffle(members)
        height = BATCH_TOKENS // length
        found.extend(
            make_batch(members[start : start + height], length, rng)
            for start in range(0, len(members), height)
        )
    rng.shuffle(found)
    return found


def batches(encoder: Encoder, chunk: int = 0, skip: int = 0) -> Iterator[tuple[int, int, Batch]]:
    """The training batches from a place on, with the place that follows each of them.

    Args:
        encoder: encodes the corpus.
        chunk: the corpus chunk to begin with.
        skip: batches of that chunk that were already used.

    Yields:
        (chunk, batches used of it, batch): the first two resume after the batch.
    """
    while True:
        found = chunk_batches(chunk_examples(encoder, chunk), chunk)
        for number, batch in enumerate(found[skip:], start=skip + 1):
            yield chunk, number, batch
        chunk, skip = chunk + 1, 0
