"""Where a run may write its log: beside what it reads, and never over what is no log."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Final

from harness.cases import Spec
from harness.errors import UsageError
from harness.options import Settings
from harness.wording import shown_path

LAST_RUN: Final = "last-run.jsonl"
"""The log that each run keeps in callgate's own folder."""

_HEADER: Final = re.compile(rb'(\xef\xbb\xbf)?\s*\{\s*"kind"\s*:\s*"run"')


def check_log_files(settings: Settings, specs: Iterable[Spec]) -> None:
    """Refuse a run whose log would take the place of something else.

    Raises:
        UsageError: the log asked for is a spec, the replay file or the baseline of this run, or a
            file that is there and no run log; or the baseline is callgate's own log.
    """
    own, baseline, asked = settings.home / LAST_RUN, settings.baseline, settings.run_log
    if asked is not None:
        inputs = [(spec.path, "a spec") for spec in specs]
        inputs += [(settings.replay_file, "the replay file")] if settings.replay_file else []
        inputs += [(baseline, "the baseline")] if baseline else []
        for path, what in inputs:
            if same_file(asked, path):
                raise UsageError(f"run log {asked}: is {what} of this run; name another file")
        if not is_free(Path(asked)):
            raise UsageError(
                f"run log {asked}: this file is there and is no run log; name another, or remove it"
            )
    if baseline and same_file(baseline, own):
        raise UsageError(
            f"baseline {baseline}: this is the log of the last run, which every run replaces; name "
            "a copy of it, or the --run-log of an earlier run"
        )


def same_file(one: str | Path, other: str | Path) -> bool:
    """Whether two paths lead to one file, be it there or not."""
    try:
        return os.path.samefile(one, other)  # noqa: PTH121 - hard links too
    except (OSError, ValueError):
        return os.path.realpath(one) == os.path.realpath(other)


def is_free(path: Path) -> bool:
    """Whether a log may go there: nothing is, or no plain file, or an older log, or no content."""
    try:
        found = path.stat()
    except (OSError, ValueError):  # what is wrong with the path is said when it is opened
        return True
    if not stat.S_ISREG(found.st_mode) or not found.st_size:
        return True
    try:
        with path.open("rb") as file:
            return _HEADER.match(file.read(200)) is not None
    except OSError:
        return False


def open_fresh(path: Path) -> IO[str]:
    """A file of its own under the name: a run beside this one goes on in its own, now nameless.

    What is no plain file (a pipe, a device, a link in a circle) or cannot be replaced is opened as
    it is.

    Raises:
        OSError: it cannot be opened.
    """
    target = Path(os.path.realpath(path))  # pathlib's own raises at links in a circle
    if target.is_symlink() or (target.exists() and not target.is_file()):
        return path.open("w", encoding="utf-8")
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        file = part.open("w", encoding="utf-8")
    except OSError:
        return path.open("w", encoding="utf-8")
    try:
        part.replace(target)
    except OSError:
        file.close()
        part.unlink(missing_ok=True)
        return path.open("w", encoding="utf-8")
    return file


def open_own(path: Path, replay_file: str | None) -> IO[str]:
    """Open callgate's own log; its folder is made where there is none, and ignores itself in git.

    Raises:
        OSError: it cannot be opened.
        UsageError: it must not be: replies come from it, or the file there is no log.
    """
    if replay_file is not None and same_file(path, replay_file):
        raise UsageError(f"{shown_path(path)}: left as it is: this run's replies come from it")
    if not is_free(path):
        raise UsageError(f"{shown_path(path)}: not written: the file there is no run log")
    if not path.parent.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / ".gitignore").write_text("*\n", encoding="utf-8")
    return open_fresh(path)
