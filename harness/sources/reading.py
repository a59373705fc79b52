"""A spec's `source:` → its cases, and every row that became none, counted by reason.

Rows pass through the same code as written cases: a format makes a node of each, and
`harness.spec_files.case_reading` reads it. What that refuses is a dropped row, never a problem of
the spec.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from harness.cases import DroppedRows, Json, Location, RowsRead, Split
from harness.gold import broken_gold
from harness.sources.opening import Source
from harness.sources.rows import Drop, Format, Node, Raw, content_id
from harness.spec_files.case_reading import FileSetting, WrittenCase, read_case
from harness.spec_files.keys import LONGEST_ID
from harness.spec_files.nodes import Notes, Report
from harness.spec_files.nodes import Path as KeyPath
from harness.spec_files.strict_yaml import Document
from harness.spec_files.tool_lists import Toolbox

NOT_SOUND: Final = "not a sound case"
BREAKS: Final = "a call that breaks its tool's schema, which no written case may"
DUPLICATE: Final = "duplicate row"
BROKE: Final = "the format broke on it"


@dataclass(frozen=True)
class ReadRows:
    """The cases of a data set, and what became of all its rows."""

    written: list[WrittenCase]
    found: RowsRead


@dataclass
class _Reading:
    """What has become of the rows so far.

    `asked` counts the chosen ones, `left` those beyond the `head` of their split; a
    mark is hex digits of what a kept row holds, and `lost` counts what rows have and cases lack.
    """

    asked: int
    hint: str = ""
    written: list[WrittenCase] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    left: int = 0
    places: dict[tuple[str, str], Location] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, tuple[Location, str]] = field(default_factory=dict)
    splits: Counter[str] = field(default_factory=Counter)

    def keep(self, one: WrittenCase, mark: str) -> None:
        """A row that became a case."""
        self.written.append(one)
        self.marks.append(mark)
        self.splits[one.case.split] += 1

    def drop(self, drop: Drop, place: Location) -> None:
        """Count a row that became no case."""
        self.counts[drop.reason] += 1
        self.first.setdefault(drop.reason, (place, drop.detail))

    def full(self, split: Json, head: Mapping[Split, int]) -> bool:
        """Whether a split has as many cases as `head` allows."""
        return split in head and self.splits[split] >= head[split]

    def dropped(self) -> tuple[DroppedRows, ...]:
        """The dropped rows by reason, the most frequent first."""
        return tuple(
            DroppedRows(reason, count, *self.first[reason])
            for reason, count in self.counts.most_common()
        )


@dataclass(frozen=True)
class _RowDocument(Document):
    """A node as a document of one case: whatever is said of it is said of the row's place."""

    row: Location

    def locate(self, path: KeyPath, *, key: bool = False) -> Location:  # noqa: ARG002 - its place
        return self.row

    def source(self, line: int) -> str:  # noqa: ARG002 - the file is not held
        return ""


def row_node(one: WrittenCase) -> Node:
    """The node that a row's case was read from."""
    node: Node = one.notes.document.value["cases"][0]
    return node


def read_rows(
    source: Source, setting: FileSetting, taken: Collection[str] = (), *, checked: bool = False
) -> ReadRows:
    """The cases of a source, in the order of the chosen rows; `taken` are ids they must not have.

    Rows of one id are told apart by hex digits of what they hold; the same row once more is
    dropped, and so are, if `checked`, calls that break the schemas of their tools.
    """
    chosen = source.chosen
    reading = _Reading(len(chosen.rows) + len(chosen.bad), chosen.hint)
    for index, drop in chosen.bad:
        reading.drop(drop, source.rows.locate(index))
    checked = checked or source.format.checked
    setting = replace(setting, read_file=_no_files, of_rows=True, checked=checked)
    for index, split in chosen.rows:
        found = _read_row(source, index, split, setting, reading)
        if isinstance(found, Drop):
            reading.drop(found, source.rows.locate(index))
    _tell_apart(reading, setting, set(taken))
    read = RowsRead(
        source.format.name,
        source.place,
        reading.asked,
        len(reading.written),
        reading.left,
        reading.dropped(),
        dict(reading.lost.most_common()),
        reading.hint,
        sum(broken_gold(one.case) is not None for one in reading.written),
        source.selection.asked,
    )
    return ReadRows(reading.written, read)


def _no_files(name: str, report: Report) -> Toolbox:  # noqa: ARG001 - whichever it is
    report((), "a row cannot name a file of tools")
    return Toolbox(whole=False)


def _read_row(
    source: Source, index: int, split: Split | None, setting: FileSetting, reading: _Reading
) -> Drop | None:
    """Keep the case of a row, or count it as left; the Drop where there is none."""
    raw = source.rows[index]
    node = raw if isinstance(raw, Drop) else _node(source.format, raw, setting.toolbox)
    if isinstance(raw, Drop) or isinstance(node, Drop):
        return raw if isinstance(raw, Drop) else node if isinstance(node, Drop) else None
    if split is not None:
        node = {**node, "split": split}
    head = source.selection.head
    if reading.full(_split(node, setting), head):
        reading.left += 1
        return None
    found = _case(node, raw.location, setting)
    if isinstance(found, Drop):
        return _refused(found, node, raw.location, source.format, setting)
    mark = content_id(raw.value, 16)
    first = reading.places.setdefault((found.case.id, mark), raw.location)
    if first is not raw.location:
        return Drop(DUPLICATE, f"the same as {first}")
    if reading.full(found.case.split, head):
        reading.left += 1
    else:
        reading.keep(found, mark)
        reading.lost.update(_lost(source.format, raw))
    return None


def _lost(format_: Format, raw: Raw) -> list[str]:
    """What of a row its case does not have; a row that breaks the question has told enough."""
    try:
        return list(format_.lost(raw))
    except Exception:
        # Not narrower, as in `_node`: the case is sound, and the other rows count.
        return ["what a row has besides, which could not be told"]


def _refused(
    drop: Drop, node: Node, place: Location, format_: Format, setting: FileSetting
) -> Drop:
    """The same drop, by a reason of its own where the row is a case of a data set nonetheless."""
    if format_.checked or not setting.checked:
        return drop
    loose = isinstance(_case(node, place, replace(setting, checked=False)), Drop)
    return drop if loose else replace(drop, reason=BREAKS)


def _split(node: Node, setting: FileSetting) -> Json:
    """The split that a node will have; None where that takes reading it."""
    return node.get("split", "test" if setting.shares is None else None)


def _node(format_: Format, raw: Raw, toolbox: Toolbox) -> Node | Drop:
    """What a format makes of a row."""
    try:
        node = format_.convert(raw)
        if format_.settle is not None and not isinstance(node, Drop):
            node = format_.settle(node, toolbox.by_name)
    except Exception as error:
        # Not narrower: whatever a row of somebody's data set does to a format, the others count.
        return Drop(BROKE, f"{type(error).__name__}: {str(error)[:200]}")
    return node


def _case(node: Node, place: Location, setting: FileSetting) -> WrittenCase | Drop:
    document = _RowDocument({"cases": [node]}, place.path, (), {}, 0, place)
    notes = Notes(document)
    cases = read_case(node, 0, replace(setting, notes=notes))
    if notes.problems:
        problem = notes.problems[0]
        said = f"{problem.where}: {problem.what}"
        return Drop(NOT_SOUND, f"{said} ({problem.hint})" if problem.hint else said)
    return cases[0] if len(cases) == 1 else Drop(NOT_SOUND, f"stands for {len(cases)} cases")


def _tell_apart(reading: _Reading, setting: FileSetting, taken: set[str]) -> None:
    """Give every case whose id another one has, or that is taken, an id of its own."""
    counts = Counter(one.case.id for one in reading.written)
    clashing = {name for name, count in counts.items() if count > 1 or name in taken | {"gate"}}
    if not clashing:
        return
    taken |= counts.keys()
    kept = list(zip(reading.written, reading.marks, strict=True))
    reading.written, reading.marks = [], []
    for one, mark in kept:
        found: WrittenCase | Drop = one
        if one.case.id in clashing:
            found = _renamed(one, mark, setting, taken)
        if isinstance(found, Drop):
            reading.drop(found, one.case.location)
        else:
            reading.keep(found, mark)


def _renamed(
    one: WrittenCase, mark: str, setting: FileSetting, taken: set[str]
) -> WrittenCase | Drop:
    for digits in (6, 16):
        name = f"{one.case.id[: LONGEST_ID - 17]}-{mark[:digits]}"
        if name not in taken:
            taken.add(name)
            return _case({**row_node(one), "id": name}, one.case.location, setting)
    return Drop("an id that is taken", name)
