"""How far the replies are, for who is watching: one line on a terminal, nothing elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Stream(Protocol):
    """What a line may be shown on."""

    def write(self, text: str, /) -> object:
        """Write the text."""

    def flush(self) -> None:
        """Show what was written."""

    def isatty(self) -> bool:
        """Whether it is a terminal."""


def watched(items: Iterable[T], total: int, what: str, stream: Stream | None = None) -> Iterator[T]:
    """Pass the items on, with a line that counts them while they come; default: on stderr.

    Nothing is written where the stream is no terminal or `CI` is set. The line appears after a
    second: what is quicker needs none. It is gone when the items end, however they do.
    """
    stream = stream or sys.stderr
    if not is_watched(stream):
        yield from items
        return
    started = shown = time.monotonic()
    width = 0
    try:
        for done, item in enumerate(items, start=1):
            now = time.monotonic()
            if now - started > 1 and (now - shown > 0.2 or done == total):
                left = (now - started) / done * (total - done)
                line = f"{what} {done}/{total}, about {left:.0f} s left"
                _show(stream, f"\r{line:<{width}}")
                shown, width = now, len(line)
            yield item
    finally:
        if width:
            _show(stream, f"\r{'':<{width}}\r")


def is_watched(stream: Stream | None) -> bool:
    """Whether somebody looks at the stream: a terminal, and not one of a CI's."""
    try:
        return stream is not None and stream.isatty() and not os.environ.get("CI")
    except ValueError:  # closed
        return False


def _show(stream: Stream, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except (OSError, ValueError):  # who watched has left: no reason to stop
        return
