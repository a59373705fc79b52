"""The `source:` key → a data set that was found and opened, and which of its rows are asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.cases import SPLITS, Json, Location
from harness.errors import nearest
from harness.json_values import shown as value_text
from harness.sources import FORMATS, format_called
from harness.sources.rows import Drop, Format, Raw, Rows
from harness.sources.selection import Chosen, Selection, choose
from harness.spec_files.keys import ROW_COUNT, SOURCE_KEYS
from harness.spec_files.nodes import Notes, Report, entries, fields, under
from harness.spec_files.strict_yaml import FileRefused
from harness.wording import shown_path


@dataclass(frozen=True)
class Source:
    """A data set that was found and opened, and what is asked of it.

    `place` names it for people; `identity` changes when what its rows are read from does.
    """

    format: Format
    rows: Rows
    place: str
    identity: str
    selection: Selection
    chosen: Chosen


def format_defaults(node: Json) -> Mapping[str, Json]:
    """The settings that the format of a `source:` implies for the file; none for an unknown one."""
    name = node.get("format") if isinstance(node, Mapping) else None
    return format_called(name).defaults if isinstance(name, str) and name in FORMATS else {}


def read_source(node: Json, notes: Notes, folder: Path) -> Source | None:
    """The source that a spec names; None where it cannot be used, which is then reported.

    Paths are relative to `folder`, the spec file's.
    """
    report = notes.report(("source",), "source.")
    before = len(notes.problems)
    good = fields(node, SOURCE_KEYS, report, "a mapping with `format`, and `path` or `hub`")
    if not isinstance(node, Mapping):
        return None
    _complete(node, report)
    for name in ("take", "head"):
        _counts(good.get(name, {}), under(report, name))
    if len(notes.problems) > before:
        return None
    format_ = format_called(good["format"])
    selection = Selection(
        **{key: good[key] for key in ("where", "shuffle", "limit", "take", "head") if key in good}
    )
    key = "path" if "path" in good else "hub"
    try:
        rows, place, identity = _opened(format_, good, folder)
        chosen = choose(rows, selection)
    except FileRefused as error:
        subject = "the file" if key == "path" else "the data set"
        hint = error.hint or ("a path relative to the spec file" if key == "path" else "")
        report((key,), f"{subject} {value_text(good[key])} {error.what}", hint)
        return None
    return Source(format_, rows, place, identity, selection, chosen)


def _complete(node: Mapping[str, Json], report: Report) -> None:
    if "format" not in node:
        report((), "has no `format`", f"one of {', '.join(FORMATS)}")
    if "path" in node and "hub" in node:
        report(("hub",), "has both `path` and `hub`", "keep one of them", key=True)
    elif "path" not in node and "hub" not in node:
        report((), "has neither `path` nor `hub`", "name the file, or the data set on the Hub")
    if "hub" not in node:
        for name in ("revision", "hub_split"):
            if name in node:
                report((name,), f"`{name}` is only for a data set of the Hub", key=True)


def _counts(node: Json, report: Report) -> None:
    """The splits that `take` and `head` count rows of."""
    if not isinstance(node, Mapping):
        return
    for name in node:
        if name not in SPLITS:
            hint = nearest(str(name)[:80], SPLITS, f"known here: {', '.join(SPLITS)}")
            report((name,), f"unknown split {value_text(name)}", hint, key=True)
    entries({name: count for name, count in node.items() if name in SPLITS}, {}, ROW_COUNT, report)


def _opened(format_: Format, good: Mapping[str, Any], folder: Path) -> tuple[Rows, str, str]:
    """The rows, what they are called, and what they depend on."""
    if "hub" not in good:
        file = folder / good["path"]
        rows = _open_file(format_, file)
        return rows, shown_path(file), _digest_of(format_.files(file))
    from harness.sources.hub import hub_files

    found = hub_files(good["hub"], good.get("revision"), good.get("hub_split", "train"))
    parts = [
        _Renamed(_open_file(format_, path), f"hub:{found.repo}/{name}")
        for name, path in found.files
    ]
    names = "\n".join(name for name, _ in found.files)
    identity = f"{found.repo}@{found.commit}\n{names}"
    return _Joined(parts), f"hub:{found.repo}@{found.commit[:12]}", identity


def _open_file(format_: Format, file: Path) -> Rows:
    if file.suffix.lower() == ".parquet":
        from harness.sources.parquet import open_parquet

        return open_parquet(file)
    return format_.open(file)


def _digest_of(files: Sequence[Path]) -> str:
    digests = []
    for file in files:
        try:
            with file.open("rb") as content:
                digests.append(hashlib.file_digest(content, "sha256").hexdigest())
        except OSError as error:
            raise FileRefused(f"cannot be read: {error.strerror}") from None
    return "\n".join(digests)


@dataclass(frozen=True)
class _Renamed:
    """Rows of a file that people know by another name."""

    rows: Rows
    shown: str

    def __len__(self) -> int:
        return len(self.rows)

    def locate(self, index: int) -> Location:
        return replace(self.rows.locate(index), path=self.shown)

    def __getitem__(self, index: int) -> Raw | Drop:
        row = self.rows[index]
        return row if isinstance(row, Drop) else Raw(self.locate(index), row.value)


@dataclass(frozen=True)
class _Joined:
    """The rows of several files, one after another."""

    parts: Sequence[Rows]

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    def _part(self, index: int) -> tuple[Rows, int]:
        for part in self.parts:
            if index < len(part):
                return part, index
            index -= len(part)
        raise IndexError(index)

    def locate(self, index: int) -> Location:
        part, place = self._part(index)
        return part.locate(place)

    def __getitem__(self, index: int) -> Raw | Drop:
        part, place = self._part(index)
        return part[place]
