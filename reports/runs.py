"""What a report is made from: run logs, and the folder of a training run, opened with care."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.errors import UsageError
from harness.json_values import shown
from harness.run_log import SCHEMA_VERSION, ReadLog, Record, read_log
from harness.wording import shown_path
from reports.histories import read_training
from reports.records import mapping, whole
from reports.summary import Training

_WRITE_ONE: Final = (
    "name a run log (`callgate run SPECS --run-log FILE` writes one) or the folder of a training "
    "run"
)


@dataclass(frozen=True, slots=True)
class Log:
    """A run log, its records made whole; `lines` counts its verdicts, a case's second one too."""

    path: str
    header: Record
    records: tuple[Record, ...]
    end: Record | None
    lines: int

    @property
    def name(self) -> str:
        """The path as people see it."""
        return shown_path(Path(self.path))

    @property
    def blessed(self) -> bool:
        """Whether it is a baseline: `callgate-report bless` keeps outcomes and misses alone."""
        return self.header.get("blessed") is True


@dataclass(frozen=True, slots=True)
class Seed:
    """One seed of a training with several: its logs, None where its run has not come to them."""

    seed: int
    before: Log | None
    after: Log | None

    @property
    def ended(self) -> bool:
        """Whether its run has both logs, and the last one is whole."""
        return self.before is not None and self.after is not None and self.after.end is not None


@dataclass(frozen=True, slots=True)
class Opened:
    """What was found: the run to report on, the one to compare with, the training behind it.

    `seeds` are those of a training with several, the one of the run itself among them. `tuned`:
    the run before is the base that the training began with.
    """

    after: Log
    before: Log | None = None
    training: Training | None = None
    seeds: tuple[Seed, ...] = ()
    notices: tuple[str, ...] = ()
    tuned: bool = False


def open_run(path: str, against: str | None = None) -> Opened:
    """Open a run log or the folder of a training run, and what it is compared with.

    A folder's base is compared with, where `against` names nothing else; `against` may be a log
    or a folder too, for which its `after.jsonl` stands.

    Raises:
        UsageError: something is missing, unreadable, or no run log; the message says what to do.
    """
    try:
        return _opened(Path(path), against)
    except OSError as error:
        place = error.filename or path
        raise UsageError(f"{place}: cannot be read: {error.strerror}; {_WRITE_ONE}") from None


def _opened(folder: Path, against: str | None) -> Opened:
    if not folder.is_dir():
        return Opened(_log(str(folder)), _other(against))
    after, base = _log(_inside(folder)), folder / "before.jsonl"
    before = _maybe(base) if against is None else _other(against)
    training, notices = read_training(folder / "history.jsonl")
    seeds = _seeds(folder)
    if seeds and training is not None and training.seed is not None:
        first = Seed(training.seed, before if against is None else _maybe(base), after)
        seeds = tuple(sorted([first, *seeds], key=lambda one: one.seed))
    tuned = training is not None and against is None
    return Opened(after, before, training, seeds, notices, tuned)


def _other(against: str | None) -> Log | None:
    if against is None:
        return None
    return _log(_inside(Path(against)) if Path(against).is_dir() else against)


def _inside(folder: Path) -> str:
    """The run log of a training run's folder."""
    after = folder / "after.jsonl"
    if after.exists():
        return str(after)
    if (folder / "before.jsonl").exists():
        raise UsageError(
            f"{shown_path(folder)}: holds no after.jsonl, so that training has not come to its "
            "end: go on with it with `callgate-tune … --resume`, or name its before.jsonl"
        )
    raise UsageError(f"{shown_path(folder)}: a folder without after.jsonl; {_WRITE_ONE}")


def _log(path: str) -> Log:
    """A run log, made whole."""
    return _made(_read(path))


def _read(path: str) -> ReadLog:
    """What a file holds; raises UsageError where it is no run log."""
    file = Path(path)
    if not file.exists():
        raise UsageError(f"There is no file or folder {path!r}; {_WRITE_ONE}.")
    if not (file.is_file() or file.is_fifo()):
        raise UsageError(f"{path!r} is no file; {_WRITE_ONE}.")
    return read_log(path)


def _made(read: ReadLog) -> Log:
    """The log as reports know it; raises UsageError where it cannot be reported on."""
    head = read.run or {}
    _check_schema(read.path, head)
    if not read.verdicts:
        why = "that run broke off before its first case; run it again"
        if read.end is not None:
            why = "that run had no case to judge: callgate lint says why of its specs"
        raise UsageError(f"{shown_path(Path(read.path))}: holds no verdict: {why}")
    return Log(read.path, head, whole(read.verdicts), read.end, len(read.verdicts))


def _check_schema(path: str, head: Record) -> None:
    """A newer log may mean other things by the same words; an older one is read as it is."""
    schema = head.get("schema")
    if isinstance(schema, int | float) and schema > SCHEMA_VERSION:
        raise UsageError(
            f"{shown_path(Path(path))}: a run log of schema {shown(schema, 40)}, and this version "
            f"of callgate reads schema {SCHEMA_VERSION}: install a newer callgate"
        )


def _seeds(folder: Path) -> tuple[Seed, ...]:
    """The runs of the further seeds."""
    places = folder / "seeds"
    if not places.is_dir():
        return ()
    named = [place for place in places.iterdir() if place.is_dir() and _number(place.name)]
    return tuple(
        Seed(int(place.name), _begun(place / "before.jsonl"), _begun(place / "after.jsonl"))
        for place in named
    )


def _number(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) < 20


def _begun(file: Path) -> Log | None:
    """A log that has a verdict; None before that."""
    if not file.exists() or not file.stat().st_size:
        return None
    read = _read(str(file))
    return _made(read) if read.verdicts else None


def _maybe(file: Path) -> Log | None:
    return _log(str(file)) if file.exists() else None


def option(header: Mapping[str, Any], name: str) -> Any:
    """The value of an option of a run; None where the header of its log does not say."""
    return mapping(mapping(header.get("options")).get(name)).get("value")
