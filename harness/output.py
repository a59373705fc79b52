"""Lines on standard output, whoever reads them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from harness.errors import UsageError


def ready_streams() -> None:
    """Make both streams take any text: what their encoding lacks is escaped, a closed one null."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_lines(lines: Sequence[str]) -> None:
    """Write the lines; a reader that has left, as `| head` does, changes nothing.

    Raises:
        UsageError: they cannot be written: a full disk, say.
    """
    try:
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        if not isinstance(error, BrokenPipeError):
            raise UsageError(f"the output cannot be written: {error.strerror}") from None
