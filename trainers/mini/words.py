"""Word lists, invented words, and the split that keeps training and evaluation apart."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Literal

Split = Literal["train", "dev", "eval"]

_PLAIN = re.compile(r"\b[a-z]{3,9}\b")
_FOLDER = Path(__file__).parent / "wordlists"
_ONSETS = "b bl br c ch cl cr d dr f fl fr g gl gr h j k kl l m n p pl pr qu r s sh sk sl sp st"
_ONSETS += " t th tr v w y z"
_VOWELS = "a e i o u a e i o u ai ea ee oo ou"
_CODAS = "b ck d ff g k l ll m n nd ng nk p r rd rk s sk ss st t x z"


@dataclass(frozen=True)
class Splits:
    """Which share of the words each part of a row may use.

    Attributes:
        schemas: verbs, nouns, written tools and subjects.
        names: invented words in tool and parameter names.
        values: words in argument values.
        training: whether rows are for the corpus: they draw on further word lists as well, in
            shares of their own. No evaluation set does, so that the lists can grow and the sets
            stay as they are.
    """

    schemas: Split = "train"
    names: Split = "train"
    values: Split = "train"
    training: bool = False


TRAIN = Splits(training=True)


def split_of(word: str) -> Split:
    """The share a word belongs to, by checksum: 10 % dev, 20 % eval, 70 % train."""
    bucket = zlib.crc32(word.encode()) % 10
    if bucket == 0:
        return "dev"
    return "eval" if bucket < 3 else "train"


@cache
def lines(name: str) -> tuple[str, ...]:
    """The lines of a word list, without comments and blank lines.

    Raises:
        FileNotFoundError: there is no such list.
    """
    text = (_FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    return tuple(x for x in text.splitlines() if x.strip() and not x.startswith("#"))


def fields(line: str) -> list[str]:
    """The `|`-separated fields of a line, without surrounding blanks."""
    return [part.strip() for part in line.split("|")]


def items(field: str) -> tuple[str, ...]:
    """The `;`-separated items of a field; an empty field has none."""
    return tuple(part.strip() for part in field.split(";") if part.strip())


@cache
def _values() -> dict[str, tuple[str, ...]]:
    return {name: items(rest) for name, rest in map(fields, lines("values"))}


@cache
def values(name: str, split: Split | None = None) -> tuple[str, ...]:
    """The values of one kind, either all of them or those of one share.

    A kind too small to be divided (under four values in the share) is given whole.

    Raises:
        KeyError: there is no such kind.
    """
    everything = _values()[name]
    chosen = everything if split is None else of_split(everything, split)
    return chosen if len(chosen) > 3 else everything


def of_split(words: Iterable[str], split: Split) -> tuple[str, ...]:
    """The words that belong to a share, in their order."""
    return tuple(word for word in words if split_of(word) == split)


@cache
def _plain_words() -> tuple[str, ...]:
    names = ("nouns", "nouns_more", "verbs_more", "departments_more", "topics_more")
    found = {word for name in names for line in lines(name) for word in _PLAIN.findall(line)}
    found -= set(" ".join(lines("stop")).split())
    # Neither a word that is kept from training, nor its plural or singular.
    forms = ((word, word + "s", word.removesuffix("s")) for word in sorted(found))
    return tuple(own[0] for own in forms if all(split_of(form) == "train" for form in own))


def borrowed(rng: Random) -> str:
    """A word of training's share, of any meaning, to stand where its meaning must not count."""
    return rng.choice(_plain_words())


@cache
def _syllables() -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    return tuple(_ONSETS.split()), tuple(_VOWELS.split()), tuple(_CODAS.split())


def invented(rng: Random, split: Split) -> str:
    """An invented word of one to three syllables that belongs to a share."""
    onsets, vowels, codas = _syllables()
    while True:
        word = ""
        for _ in range(rng.choice((1, 1, 2, 2, 2, 3))):
            word += rng.choice(onsets) + rng.choice(vowels)
        word += rng.choice(codas)
        if split_of(word) == split:
            return word
