"""Full-text search over a folder's pages: SQLite FTS5 in memory, ranked by bm25.

Words are stemmed for English and compared without case and accents; those of scripts that write
no spaces are single characters. A query's words need not all be there: the best come first.
https://www.sqlite.org/fts5.html
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Final

from harness.retrieval.folder import Folder
from harness.retrieval.passages import passages_of

_TABLE: Final = (
    "CREATE VIRTUAL TABLE passages USING fts5("
    "headings, text, page UNINDEXED, shown UNINDEXED, "
    "tokenize = 'porter unicode61 remove_diacritics 2')"
)
_RANKED: Final = (
    "SELECT page, shown FROM passages WHERE passages MATCH ? "
    "ORDER BY bm25(passages, 3.0, 1.0), page, rowid"
)
"""A word in a heading counts three times."""
_UNSPACED: Final = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff])"
)
"""Characters of Thai, Lao, Burmese, Khmer, Japanese and Chinese."""
_WORD: Final = re.compile(r"[^\W_]+")
MOST_WORDS: Final = 64
"""Words of a query that are looked for, the first ones: a model that repeats itself ends there."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A page and its best passage, headings first."""

    page: str
    passage: str


def problem() -> str | None:
    """Why nothing can be searched here; None where it can."""
    try:
        with sqlite3.connect(":memory:") as db:
            db.execute(_TABLE)
    except sqlite3.Error as error:
        return f"the SQLite of this Python has no full-text search ({error})"
    return None


class Index:
    """The passages of a folder, ready to be searched."""

    def __init__(self, folder: Folder) -> None:
        self._lock = Lock()
        self._db = sqlite3.connect(":memory:", check_same_thread=False)
        self._db.execute(_TABLE)
        rows = (
            (_spaced(one.headings), _spaced(one.text), page.name, f"{one.headings}\n{one.text}")
            for page in folder.pages
            for one in passages_of(page.name, page.text)
        )
        self._db.executemany("INSERT INTO passages VALUES (?, ?, ?, ?)", rows)

    def search(self, query: str, most: int) -> list[Hit]:
        """The best `most` pages for a query, each once, ties by name; [] where no word is found."""
        words = dict.fromkeys(_WORD.findall(_spaced(query[:10_000])))
        if not words:
            return []
        match = " OR ".join(f'"{word}"' for word in list(words)[:MOST_WORDS])
        found: dict[str, Hit] = {}
        with self._lock:
            for page, passage in self._db.execute(_RANKED, (match,)):
                found.setdefault(page, Hit(page, passage))
                if len(found) == most:
                    break
        return list(found.values())


def _spaced(text: str) -> str:
    """The text in its composed form, a space around each character of a script without spaces."""
    composed = unicodedata.normalize("NFKC", text.encode("utf-8", "replace").decode())
    return _UNSPACED.sub(r" \1 ", composed)


@lru_cache(maxsize=64)
def index_of(folder: Folder) -> Index:
    """The folder's index, made once."""
    return Index(folder)
