"""Files that are there whole or as they were, and lines of JSON that people can read."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import UsageError


def write_whole(path: Path, text: str) -> None:
    """Write a file in one step; what was there before stays until then. Folders are made.

    Raises:
        UsageError: it cannot be written, and why.
    """
    if "\0" in str(path):
        raise UsageError(f"{str(path)!r}: cannot be written: a null byte is in its name")
    target = Path(os.path.realpath(path))  # a link stays one
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
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


def json_line(record: Mapping[str, Any]) -> str:
    """One line of JSON: letters of every script as they are, what cannot be printed as an escape.

    Keys keep their order. A number that JSON cannot hold becomes null.
    """
    text = json.dumps(_finite(record), ensure_ascii=False, separators=(",", ":"))
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(held) for key, held in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
