"""What was found out before, kept in callgate's own folder: losing it costs time, nothing else."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Final

_MOST_ENTRIES: Final = 2000


def make_own_folder(home: Path) -> None:
    """Make callgate's own folder, which git ignores; raises OSError where that cannot be done."""
    if not home.is_dir():
        home.mkdir(parents=True, exist_ok=True)
        (home / ".gitignore").write_text("*\n", encoding="utf-8")


def read_memo(memo: Path) -> dict[str, str]:
    """The texts kept in the file, by key; empty where nothing was kept, or nothing readable."""
    try:
        known = json.loads(memo.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {key: text for key, text in known.items() if isinstance(text, str)}


def write_memo(memo: Path, found: dict[str, str]) -> None:
    """Add to what is kept, if the disk lets us; the oldest entries go when there are too many."""
    kept = {key: text for key, text in read_memo(memo).items() if key not in found} | found
    newest = dict(list(kept.items())[-_MOST_ENTRIES:])
    part = memo.with_suffix(f".{os.getpid()}.part")
    try:
        make_own_folder(memo.parent)
        part.write_text(json.dumps(newest), encoding="utf-8")
        part.replace(memo)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
