"""The folder of a training run: what lies where, written so that a kill leaves nothing half done.

before.jsonl  after.jsonl  history.jsonl  settings.yaml  model/     what the run is for
guard-before.jsonl  guard-after.jsonl                               with --guard
state/progress.json  state/checkpoint-N/  state/best-N/             what --resume needs
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from harness.errors import CallgateError, UsageError
from harness.wording import shown_path

SCHEMA_VERSION: Final = 1


class DiskError(CallgateError):
    """The run folder cannot be written."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The places in a run's folder."""

    root: Path

    @property
    def settings(self) -> Path:
        """Every resolved setting, where it came from, versions and digests."""
        return self.root / "settings.yaml"

    @property
    def history(self) -> Path:
        """Loss by step, and a line for each round."""
        return self.root / "history.jsonl"

    @property
    def model(self) -> Path:
        """The tuned model, in Hugging Face's format."""
        return self.root / "model"

    @property
    def state(self) -> Path:
        """What `--resume` needs; gone when the run has ended."""
        return self.root / "state"

    @property
    def lock(self) -> Path:
        """Held while a process works on the run."""
        return self.state / ".lock"

    @property
    def progress(self) -> Path:
        """How far the run is."""
        return self.state / "progress.json"

    def log(self, when: str) -> Path:
        """The run log `before`, `after`, `guard-before` or `guard-after`."""
        return self.root / f"{when}.jsonl"


@dataclass(frozen=True)
class Progress:
    """How far a run's training is.

    `phase` is training or trained. `checkpoint` and `best` name folders in `state/`;
    `history_lines` are those of `history.jsonl` that belong to the checkpoint; `seconds` of
    training were spent until then. `ended` says why the training ended.
    """

    phase: str = "training"
    rounds: tuple[Mapping[str, Any], ...] = ()
    best: str | None = None
    best_round: int | None = None
    checkpoint: str | None = None
    history_lines: int = 0
    seconds: float = 0.0
    ended: str | None = None
    schema: int = field(default=SCHEMA_VERSION)


def write_progress(folder: RunFolder, progress: Progress) -> None:
    """Replace the progress file; then remove the checkpoints and weights it does not name."""
    write_atomically(folder.progress, json.dumps(asdict(progress), indent=1) + "\n")
    kept = {progress.checkpoint, progress.best}
    for entry in folder.state.iterdir():
        if entry.is_dir() and entry.name not in kept:
            shutil.rmtree(entry, ignore_errors=True)


def read_progress(folder: RunFolder) -> Progress | None:
    """How far the run is; None where it did not come to its training.

    Raises:
        UsageError: the file is of another version of callgate, or broken.
    """
    if not folder.progress.exists():
        return None
    try:
        content = json.loads(folder.progress.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA_VERSION:
            raise ValueError
        return replace(Progress(**content), rounds=tuple(content["rounds"]))
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(
            f"{shown_path(folder.progress)}: not a state that this version can go on with; "
            "begin again in another folder"
        ) from None


def write_atomically(path: Path, text: str) -> None:
    """Write a file that is there whole or as it was; raises DiskError."""
    part = _part(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise disk_error(path, error) from error


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def disk_error(path: Path, error: OSError) -> DiskError:
    """What a disk that fails is told as."""
    return DiskError(
        f"{shown_path(path)} cannot be written: {error.strerror or error}. What the run had "
        "reached is kept; make room, and go on with --resume."
    )


def make_folder(folder: RunFolder, settings: str) -> None:
    """Make the folder of a run and its settings file, where they are not there yet.

    Raises:
        DiskError: it cannot be written, and nothing was begun.
    """
    if folder.settings.exists():
        return
    try:
        write_atomically(folder.settings, settings)
    except DiskError as error:
        reason = error.__cause__ or error
        raise DiskError(f"--out {folder.root}: {_reason(reason)}: nothing was begun") from None


@contextlib.contextmanager
def held(folder: RunFolder, *, begun: bool) -> Iterator[None]:
    """The run is this process's alone, as long as it works on it; a kill lets go of it.

    `begun` says whether its settings were there when this process looked at first.

    Raises:
        UsageError: another process is or was at it, or the folder cannot be made.
    """
    from filelock import FileLock, Timeout

    busy = UsageError(
        f"--out {folder.root}: another callgate-tune is at work in this folder: wait for it, or "
        "name another one"
    )
    try:
        folder.state.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.lock, timeout=0)
        lock.acquire()
    except Timeout:
        raise busy from None
    except OSError as error:
        raise UsageError(f"--out {folder.root}: {_reason(error)}") from None
    try:
        if folder.settings.exists() != begun:
            raise busy
        yield
    finally:
        lock.release()


def _reason(error: BaseException) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def append_lines(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Add lines of JSON to a file; raises DiskError."""
    text = "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records)
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise disk_error(path, error) from None


def keep_lines(path: Path, count: int) -> None:
    """Keep only the first lines of a file: those after them belong to steps that are redone."""
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        write_atomically(path, "".join(lines[:count]))


def settle(part: Path, target: Path) -> None:
    """Give a complete folder its name, in the place of one that has it."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    try:
        if target.exists():
            target.rename(old)
        part.rename(target)
    except OSError as error:
        raise disk_error(target, error) from None
    shutil.rmtree(old, ignore_errors=True)


def new_folder(root: Path) -> RunFolder:
    """The folder of a new run, not yet made.

    Raises:
        UsageError: there is something in it already, or it is no folder.
    """
    try:
        there = next(place for place in (root, *root.absolute().parents) if place.exists())
        next(there.iterdir(), None)  # raises where it is no folder
        taken = there == root and not _untouched(root)
    except OSError as error:
        raise UsageError(f"--out {root}: {error.strerror or error}") from None
    if taken:
        raise UsageError(
            f"--out {root}: is not empty: go on with the run in it with --resume, or name another "
            "folder"
        )
    return RunFolder(root)


def _untouched(root: Path) -> bool:
    """Whether no run has written its settings here: at most one began to make the folder."""
    folder = RunFolder(root)
    begun = (folder.state, folder.lock, _part(folder.settings))
    return all(entry in begun for entry in root.rglob("*"))
