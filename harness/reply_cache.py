"""Replies already computed: a small SQLite file, safe under several processes.

WAL and a busy timeout let many read while one writes. A cache that cannot be opened, read or
written is no cache; it never stops a run.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from harness.cases import Finish, Reply

MOST_BYTES: Final = 256 * 1024 * 1024
_BUSY_SECONDS: Final = 30
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY, text TEXT NOT NULL, finish TEXT NOT NULL,
    prompt_tokens INTEGER, completion_tokens INTEGER, seconds REAL NOT NULL, used REAL NOT NULL
) WITHOUT ROWID
"""


class ReplyCache:
    """Replies by key. `problem` says why the cache is not in use, None where it is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem: str | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._connect() as db:
                db.execute("PRAGMA journal_mode=WAL")
                db.execute(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self.problem = f"reply cache {self.path}: not in use: {error}"

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self.path, timeout=_BUSY_SECONDS)
        try:
            with db:
                yield db
        finally:
            db.close()

    def get(self, keys: Iterable[str]) -> dict[str, Reply]:
        """The replies kept under these keys, marked as cached."""
        if self.problem:
            return {}
        found: dict[str, Reply] = {}
        columns = "text, finish, prompt_tokens, completion_tokens, seconds"
        try:
            with self._connect() as db:
                for key in keys:
                    row = db.execute(
                        f"SELECT {columns} FROM replies WHERE key = ?", (key,)
                    ).fetchone()
                    if row:
                        found[key] = _reply(*row)
        except sqlite3.Error as error:
            self._give_up(error)
        self._touch(found)
        return found

    def _touch(self, keys: Iterable[str]) -> None:
        """Remember the use, for pruning; a read-only cache just does not."""
        now = time.time()
        try:
            with self._connect() as db:
                db.executemany(
                    "UPDATE replies SET used = ? WHERE key = ?", [(now, key) for key in keys]
                )
        except sqlite3.Error:
            return

    def put(self, replies: dict[str, Reply]) -> None:
        """Keep replies. Errors are no replies, and are not kept."""
        rows = [
            (key, r.text, r.finish, r.prompt_tokens, r.completion_tokens, r.seconds, time.time())
            for key, r in replies.items()
            if r.error is None
        ]
        if self.problem or not rows:
            return
        try:
            with self._connect() as db:
                db.executemany("INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            if self.path.stat().st_size > MOST_BYTES:
                self.prune(MOST_BYTES // 2)
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)

    def prune(self, most_bytes: int = 0) -> int:
        """Forget the replies used longest ago until the texts fit; gives how many went."""
        if self.problem:
            return 0
        with self._connect() as db:
            gone: list[tuple[str]] = []
            kept = 0
            rows = db.execute("SELECT key, length(text) + 200 FROM replies ORDER BY used DESC")
            for key, size in rows.fetchall():
                kept += size
                if kept > most_bytes:
                    gone.append((key,))
            db.executemany("DELETE FROM replies WHERE key = ?", gone)
        db = sqlite3.connect(self.path, timeout=_BUSY_SECONDS)
        db.execute("VACUUM")
        db.close()
        return len(gone)

    def size(self) -> tuple[int, int]:
        """Replies kept, and bytes on disk."""
        if self.problem:
            return 0, 0
        with self._connect() as db:
            n = db.execute("SELECT count(*) FROM replies").fetchone()[0]
        return n, self.path.stat().st_size


def _reply(text: str, finish: Finish, prompt: int | None, new: int | None, seconds: float) -> Reply:
    return Reply(text, finish, None, prompt, new, seconds, cached=True)
