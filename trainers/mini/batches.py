"""Batches: rows encoded, swapped, put onto sheets, in an order that can be resumed.

Rows that declare the same tools share a sheet: the declarations stand on it once, the requests
and replies behind them one after the other. Each sees the declarations and itself alone, at the
positions it would have by itself, so that a sheet teaches what its rows would, for half the cost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainers.mini.marks import Format, choices, deciding, passing, recalled
from trainers.mini.mixture import CORPUS_SEED, Stage, chunk_rows
from trainers.mini.render import head_text, target_text, user_text
from trainers.mini.schema import Row, Swap, Tool
from trainers.mini.tokenizer import FIRST_PLAIN_ID

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BUCKETS = (64, 96, 128, 192, 256, 304, 352, 448, 512)
BATCH_TOKENS = 4096
SCORED_SHARE = 0.34375
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
        head: where the user's turn begins; rows with equal heads can share a sheet.
        recall: whether names stand behind descriptions, to be foretold there.
        values: the ids of the texts among the arguments asked for, before any was replaced.
    """

    ids: list[int]
    start: int
    head: int = 0
    recall: bool = False
    values: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Sheet:
    """Examples with one head, written out with the head once."""

    examples: tuple[Example, ...]

    @property
    def head(self) -> int:
        """Tokens of the head."""
        return self.examples[0].head

    @property
    def targets(self) -> int:
        """Target tokens of all its rows."""
        return sum(len(example.ids) - example.start for example in self.examples)

    @cached_property
    def begins(self) -> list[int]:
        """Where on the sheet what follows the head begins, for every example."""
        lengths = [len(example.ids) - self.head for example in self.examples]
        return [self.head + sum(lengths[:number]) for number in range(len(lengths))]

    def __len__(self) -> int:
        return self.head + sum(len(example.ids) - self.head for example in self.examples)

    def place(self, number: int, at: int) -> int:
        """Where on the sheet the example's token is that it has at this index."""
        return at if at < self.head else self.begins[number] + at - self.head

    def columns(self) -> tuple[list[int], list[int], list[int]]:
        """Per token its id, its position in its own row, and its part: 0 for the head."""
        ids = self.examples[0].ids[: self.head]
        positions, parts = list(range(self.head)), [0] * self.head
        for number, example in enumerate(self.examples, start=1):
            ids = ids + example.ids[self.head :]
            positions += range(self.head, len(example.ids))
            parts += [number] * (len(example.ids) - self.head)
        return ids, positions, parts


@dataclass(frozen=True)
class Batch:
    """One step's input, as `Network.loss` takes it.

    Attributes:
        tokens: tokens that are not padding.
    """

    ids: NDArray[np.int64]
    positions: NDArray[np.int64]
    parts: NDArray[np.int64]
    places: NDArray[np.int64]
    weights: NDArray[np.float32]
    tokens: int

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """The arguments of `Network.loss`."""
        return self.ids, self.positions, self.parts, self.places, self.weights


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
        marks = {number: text for text, number in vocabulary.items() if set(text) & set("{}[],")}
        depth = {
            number: sum((mark in "{[") - (mark in "}]") for mark in text)
            for number, text in marks.items()
        }
        commas = frozenset(number for number, text in marks.items() if text.endswith(","))
        return Format(
            declaration=vocabulary["declaration:"],
            description=vocabulary["{description:"],
            call=vocabulary["call:"],
            brace=vocabulary["{"],
            call_end=vocabulary["<end_function_call>"],
            escape=vocabulary["<escape>"],
            enum=vocabulary[",enum:["],
            depth=depth,
            commas=commas,
        )

    def encode(self, rows: Sequence[Row]) -> list[Example]:
        """The rows' ids as they are."""
        encode = self._tokenizer.encode_batch
        heads = encode([head_text(row) for row in rows], add_special_tokens=False)
        turns = encode([user_text(row) for row in rows], add_special_tokens=False)
        targets = encode([target_text(row) for row in rows], add_special_tokens=False)
        texts = encode([" ".join(row.values) for row in rows], add_special_tokens=False)
        return [
            Example(
                ids=head.ids + turn.ids + target.ids,
                start=len(head.ids) + len(turn.ids),
                head=len(head.ids),
                recall=row.family == "recall",
                values=frozenset(text.ids),
            )
            for row, head, turn, target, text in zip(
                rows, heads, turns, targets, texts, strict=True
            )
        ]

    def swapped(self, sheet: Sheet, rng: Random, share: float) -> Sheet:
        """The sheet with some of the words of its values made random.

        Every place of a word gets the same new word, so that a value can still be copied, and
        only by copying: none can be remembered.

        Args:
            sheet: the encoded rows.
            rng: where all choices come from.
            share: the share of those words that is replaced.
        """
        values = {word for example in sheet.examples for word in example.values}
        words = sorted(values & self._words.keys())
        return self._replaced(sheet, [word for word in words if rng.random() < share], rng)

    def scrambled(self, sheet: Sheet, rng: Random) -> Sheet:
        """The sheet with all words made random, save those of the format."""
        known = {number for example in sheet.examples for number in example.ids}
        return self._replaced(sheet, sorted(known & self._words.keys()), rng)

    def varied(self, swap: Swap, sheet: Sheet, rng: Random) -> Sheet:
        """The sheet with words replaced as its rows allow."""
        if swap == "all":
            return self.scrambled(sheet, rng)
        if swap == "values" and rng.random() < SWAP_CHANCE:
            return self.swapped(sheet, rng, rng.uniform(0.3, 1.0))
        return sheet

    def _replaced(self, sheet: Sheet, chosen: Sequence[int], rng: Random) -> Sheet:
        known = {number for example in sheet.examples for number in example.ids}
        fresh = [word for word in rng.sample(self._pool, len(chosen) * 2) if word not in known]
        mapping = dict(zip(chosen, fresh, strict=False))
        return Sheet(
            tuple(
                replace(example, ids=[mapping.get(x, x) for x in example.ids])
                for example in sheet.examples
            )
        )

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


def sheets(rows: Sequence[Row], encoder: Encoder) -> Iterator[tuple[Swap, Sheet]]:
    """Rows that follow one another and declare the same, on one sheet or as many as they need.

    A row that is too long for a sheet of its own is left out.
    """
    pairs = zip(rows, encoder.encode(rows), strict=True)
    for (_, _, swap), group in groupby(pairs, key=lambda pair: _shared(pair[0])):
        found: list[list[Example]] = []
        for _, example in group:
            if len(example.ids) > BUCKETS[-1]:
                continue
            fitting = (own for own in found if len(Sheet((*own, example))) <= BUCKETS[-1])
            own = next(fitting, None)
            if own is None:
                found.append([example])
            else:
                own.append(example)
        yield from ((swap, Sheet(tuple(own))) for own in found)


def _shared(row: Row) -> tuple[str, tuple[Tool, ...], Swap]:
    return row.developer, row.tools, row.swap


def chunk_sheets(encoder: Encoder, stage: Stage, index: int) -> list[Sheet]:
    """The sheets of a corpus chunk, with words replaced where that is allowed."""
    rng = Random(f"swap/{CORPUS_SEED}/{index}")
    made = sheets(chunk_rows(index, stage), encoder)
    return [encoder.varied(swap, sheet, rng) for swap, sheet in made]


def _bucket(length: int) -> int:
    return next(size for size in BUCKETS if length <= size)


def filled(members: Sequence[Sheet], height: int, room: int) -> Iterator[list[Sheet]]:
    """The sheets in their order, as many at a time as one batch takes.

    Args:
        members: sheets of one bucket.
        height: rows of a batch.
        room: targets that it can score.
    """
    chosen: list[Sheet] = []
    for sheet in members:
        is_full = sum(one.targets for one in chosen) + sheet.targets > room
        if chosen and (is_full or len(chosen) == height):
            yield chosen
            chosen = []
        chosen.append(sheet)
    if chosen:
        yield chosen


def _room() -> int:
    """How many places of a batch are scored."""
    return int(BATCH_TOKENS * SCORED_SHARE)


def make_batch(
    chosen: Sequence[Sheet], length: int, rng: Random, encoder: Encoder, prompt_weight: float
) -> Batch:
    """Pads sheets to `length` and to BATCH_TOKENS // length rows.

    All target tokens are scored, those that choose more than others, and as many random prompt
    tokens as there is room for, at `prompt_weight`.

    Raises:
        ValueError: there is no room for all target tokens.
    """
    shape = (BATCH_TOKENS // length, length)
    ids, positions, parts = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    targets: list[tuple[int, float]] = []
    prompts: list[int] = []
    for row, sheet in enumerate(chosen):
        for array, found in zip((ids, positions, parts), sheet.columns(), strict=True):
            array[row, : len(found)] = found
        for number, example in enumerate(sheet.examples):
            heavy = encoder.deciding(example)
            weights_of = dict.fromkeys(range(example.start, len(example.ids)), 1.0)
            weights_of |= dict.fromkeys(encoder.passing(example), PASSING_WEIGHT)
            weights_of |= dict.fromkeys(heavy, DECIDING_WEIGHT)
            # A token is foretold at the place before it.
            before = row * length - 1
            targets += [
                (before + sheet.place(number, at), weight)
                for at, weight in sorted(weights_of.items())
            ]
            own = range(1 if number == 0 else sheet.head + 1, example.start)
            prompts += (before + sheet.place(number, at) for at in own if at not in heavy)
    room = _room()
    if len(targets) > room:
        raise ValueError(f"{len(targets)} target tokens in a batch that scores {room} at most")
    sampled = rng.sample(prompts, min(len(prompts), room - len(targets)))
    scored = targets + [(place, prompt_weight) for place in sampled]
    places = np.zeros(room, dtype=np.int64)
    weights = np.zeros(room, dtype=np.float32)
    places[: len(scored)] = [place for place, _ in scored]
    weights[: len(scored)] = [weight for _, weight in scored]
    return Batch(ids, positions, parts, places, weights, sum(map(len, chosen)))


def chunk_batches(encoder: Encoder, stage: Stage, index: int) -> list[Batch]:
    """A chunk's batches in a random order; what does not fill a batch makes a short one."""
    rng = Random(f"order/{index}")
    bins: dict[int, list[Sheet]] = {size: [] for size in BUCKETS}
    for sheet in chunk_sheets(encoder, stage, index):
        bins[_bucket(len(sheet))].append(sheet)
    found: list[Batch] = []
    for length, members in bins.items():
        rng.shuffle(members)
        found.extend(
            make_batch(chosen, length, rng, encoder, stage.prompt_weight)
            for chosen in filled(members, BATCH_TOKENS // length, _room())
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
