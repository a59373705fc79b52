"""How far the replies are, for who is watching: one line on a terminal, nothing elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TextIO, TypeVar

T = TypeVar("T")


def watched(
    items: Iterable[T], total: int, what: str, stream: TextIO | None = None
) -> Iterator[T]:
    """Pass the items on, with a line that counts them while they come.

    Nothing is written where the stream is no terminal or `CI` is set. The line appears after a
    second: what is quicker needs none.
    """
    stream = stream or sys.stderr
    if not stream.isatty() or os.environ.get("CI"):
        yield from items
        return
    started = shown = time.monotonic()
    width = 0
    for done, item in enumerate(items, start=1):
        now = time.monotonic()
        if now - started > 1 and (now - shown > 0.2 or done == total):
            left = (now - started) / done * (total - done)
            line = f"{what} {done}/{total}, about {left:.0f} s left"
            stream.write(f"\r{line:<{width}}")
            stream.flush()
            shown, width = now, len(line)
        yield item
    if width:
        stream.write(f"\r{'':<{width}}\r")
        stream.flush()
