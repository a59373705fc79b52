"""Files that are there whole or as they were."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from harness.errors import UsageError


def write_whole(path: Path, text: str) -> None:
    """Write a file in one step; what was there before stays until then. Folders are made.

    A pipe or a device is written to as it is: to take its place would be to destroy it.

    Raises:
        UsageError: it cannot be written, and why.
    """
    if "\0" in str(path):
        raise UsageError(f"{str(path)!r}: cannot be written: a null byte is in its name")
    target = Path(os.path.realpath(path))  # a link stays one
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        if target.exists() and not target.is_file():
            target.write_text(text, encoding="utf-8", errors="backslashreplace")
            return
        if not target.parent.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from None
