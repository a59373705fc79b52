"""Word vectors to start the embeddings from: words that are used together lie together.

A question about overtime is meant for the tool that speaks of payroll. A large model knows that
from reading; this one would have to learn it from calls alone, word by word, and first to look
for it at all. The vectors give it a start: it finds a word that is alike as it finds the same.

They are those of latent semantic analysis (Deerwester et al. 1990, "Indexing by latent semantic
analysis") over the positive pointwise mutual information of tokens and texts (Bullinaria and Levy
2007, "Extracting semantic representations from word co-occurrence statistics"). The texts are
the word lists' lines as far as they are for training: a department or a topic with its subjects,
a tool with the ways to ask for it, a verb with its other names. None holds two domains, so
nothing says that departments have something in common.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainers.mini.lookups import Side, domains
from trainers.mini.procedural import verbs
from trainers.mini.written import more_tools, written_tools

if TYPE_CHECKING:
    from tokenizers import Tokenizer

DIMENSIONS = 96

_SIDES: tuple[Side, ...] = ("departments", "topics")
_WORD = re.compile(r"[A-Za-z]+")
_BLANKS = re.compile(r"\{.*?\}|[\[\]]")


def documents() -> Iterator[list[str]]:
    """The texts: what stands in one of them belongs together."""
    for side in _SIDES:
        for one in domains(side, more=True):
            yield [one.key, *one.glosses, *one.subjects, *one.tasks]
    for written in (*more_tools(), *written_tools("train")):
        tool = written.tool
        ways = [_BLANKS.sub(" ", frame) for frame in written.frames]
        said = [param.description for param in tool.params]
        yield [tool.name.replace("_", " "), tool.description, *ways, *said]
    for verb in verbs("train", more=True):
        yield [verb.plain, verb.third, *verb.ways]


def counts(tokenizer: Tokenizer) -> NDArray[np.float64]:
    """How often every token stands in every text, [vocabulary, texts].

    A word counts once, whatever its first letter, and a piece of it by its share.
    """
    found = []
    for texts in documents():
        column: defaultdict[int, float] = defaultdict(float)
        for word in _WORD.findall(" ".join(texts)):
            for form in {word, word.lower(), word.capitalize()}:
                ids = tokenizer.encode(form, add_special_tokens=False).ids
                for number in ids:
                    column[number] += 1 / len(ids)
        found.append(column)
    table = np.zeros((tokenizer.get_vocab_size(), len(found)))
    for at, column in enumerate(found):
        table[list(column), at] = list(column.values())
    return table


def word_vectors(tokenizer: Tokenizer, dimensions: int = DIMENSIONS) -> NDArray[np.float32]:
    """A vector of length one for every token that stands in a text, zero for the others.

    Returns:
        [vocabulary, dimensions].
    """
    table = counts(tokenizer)
    share = table / table.sum()
    expected = share.sum(1, keepdims=True) * share.sum(0, keepdims=True)
    information = np.log(share, where=share > 0, out=np.full_like(share, -np.inf))
    information -= np.log(expected, where=expected > 0, out=np.zeros_like(expected))
    # What is seen once may be chance.
    weighted = np.maximum(information, 0.0) * (table / (table + 1.0))
    left, strengths, _ = np.linalg.svd(weighted, full_matrices=False)
    vectors = left[:, :dimensions] * np.sqrt(strengths[:dimensions])
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    known = lengths > 1e-6
    unit = np.divide(vectors, lengths, where=known, out=np.zeros_like(vectors))
    return np.asarray(unit, np.float32)
