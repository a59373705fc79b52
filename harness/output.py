"""Lines on standard output, whoever reads them."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from typing import Final

from harness.errors import CallgateError, UsageError, printable

BROKEN: Final = 3
"""The exit code where something broke: no verdict of the model's."""


def ready_streams() -> None:
    """Make both streams take any text: what their encoding lacks is escaped, a closed one null."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def guarded(run: Callable[[], int]) -> int:
    """The exit code of a command: its own, or that of the error that ended it, which is told.

    3 for a bug of callgate's, which is no verdict of the model's.
    """
    ready_streams()
    try:
        return run()
    except CallgateError as error:
        complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        complain("interrupted")
        return 130
    except Exception as error:
        return _broke(error)


def complain(text: str) -> None:
    """Lines on standard error, safe for a terminal."""
    sys.stderr.write("\n".join(map(printable, text.split("\n"))) + "\n")


def _broke(error: Exception) -> int:
    """Say that callgate has a bug."""
    from harness.wording import one_line

    if os.environ.get("CALLGATE_DEBUG"):
        complain(traceback.format_exc())
    what = one_line(f"{type(error).__name__}: {error}", 400)
    complain(f"callgate itself broke: {what}; please report it (CALLGATE_DEBUG=1 shows where)")
    return BROKEN


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
