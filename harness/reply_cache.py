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
from harness.memo import make_own_folder
from harness.wording import shown_path

MOST_BYTES: Final = 256 * 1024 * 1024
"""From this size on, the replies used longest ago are forgotten, until half of it is left."""

_BUSY_SECONDS: Final = 30.0
_FRESH_SECONDS: Final = 3600
_ROW_BYTES: Final = 200
"""What a reply takes besides its text, about."""
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
            make_own_folder(path.parent)
            self._prepare()
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)

    def _prepare(self) -> None:
        """Make the table. The change to WAL does not wait for other processes, so we do."""
        patience = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                with self._connect() as db:
                    db.execute("PRAGMA journal_mode=WAL")
                    db.execute(_SCHEMA)
                    return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > patience:
                    raise
                time.sleep(0.05)

    def _give_up(self, error: Exception) -> None:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        broken = isinstance(error, sqlite3.DatabaseError) and type(error) is sqlite3.DatabaseError
        advice = "; delete the file" if broken else ""
        self.problem = f"reply cache {shown_path(self.path)}: not in use: {reason}{advice}"

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self.path, timeout=_BUSY_SECONDS)
        try:
            db.execute("PRAGMA synchronous=NORMAL")
            with db:
                yield db
        finally:
            db.close()

    def get(self, keys: Iterable[str]) -> dict[str, Reply]:
        """The replies kept under these keys, marked as cached."""
        if self.problem:
            return {}
        found: dict[str, Reply] = {}
        stale: list[str] = []
        columns = "text, finish, prompt_tokens, completion_tokens, seconds, used"
        query = f"SELECT {columns} FROM replies WHERE key = ?"
        try:
            with self._connect() as db:
                for key in keys:
                    row = db.execute(query, (key,)).fetchone()
                    if row is not None:
                        found[key] = _reply(*row[:5])
                        stale += [key] if time.time() - row[5] > _FRESH_SECONDS else []
        except sqlite3.Error as error:
            self._give_up(error)
        if stale:
            self._touch(stale)
        return found

    def _touch(self, keys: Iterable[str]) -> None:
        """Remember the use, for pruning; where that fails nothing is lost."""
        rows = [(time.time(), key) for key in keys]
        try:
            with self._connect() as db:
                db.executemany("UPDATE replies SET used = ? WHERE key = ?", rows)
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
                self._prune(MOST_BYTES // 2)
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)

    def prune(self, most_bytes: int) -> int:
        """Forget the replies used longest ago until the rest fits; gives how many went."""
        if self.problem:
            return 0
        try:
            return self._prune(most_bytes)
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)
            return 0

    def _prune(self, most_bytes: int) -> int:
        gone: list[tuple[str]] = []
        kept = 0
        size = f"length(CAST(text AS BLOB)) + {_ROW_BYTES}"
        with self._connect() as db:
            for key, taken in db.execute(f"SELECT key, {size} FROM replies ORDER BY used DESC"):
                kept += taken
                if kept > most_bytes:
                    gone.append((key,))
            db.executemany("DELETE FROM replies WHERE key = ?", gone)
        if gone:
            with self._connect() as db:
                db.execute("VACUUM")
        return len(gone)

    def size(self) -> tuple[int, int]:
        """Replies kept, and bytes on disk; nothing where the cache is not in use."""
        if self.problem:
            return 0, 0
        try:
            with self._connect() as db:
                n: int = db.execute("SELECT count(*) FROM replies").fetchone()[0]
            return n, self.path.stat().st_size
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)
            return 0, 0


def _reply(text: str, finish: Finish, prompt: int | None, new: int | None, seconds: float) -> Reply:
    return Reply(text, finish, None, prompt, new, seconds=seconds, cached=True)
