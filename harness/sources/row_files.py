"""The files that rows come from: JSON lines, JSON arrays, tables.

Read by `json` and `csv` themselves, a row when it is asked for; a loader of tables would fill in
nulls for absent members.
"""

from __future__ import annotations

import csv
import io
import re
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.cases import Json, Location
from harness.sources.raw_rows import (
    DECODER,
    MAX_ROW,
    Drop,
    NotJson,
    Raw,
    Rows,
    check,
    parse_json,
    why,
)
from harness.spec_files.strict_yaml import FileRefused
from harness.wording import shown_path

MAX_TABLE: Final = 256 * 2**20
"""Bytes of a file that can only be read as a whole: a JSON array, a CSV table, UTF-16."""


@dataclass(frozen=True)
class JsonLines:
    """The rows of a JSON lines file; only where each begins is held in memory."""

    file: Path
    shown: str
    _starts: array[int]
    _sizes: array[int]
    _lines: array[int]

    def __len__(self) -> int:
        return len(self._starts)

    def locate(self, index: int) -> Location:
        """Where the row is: its line."""
        return Location(self.shown, self._lines[index])

    def __getitem__(self, index: int) -> Raw | Drop:
        size = self._sizes[index]
        if size > MAX_ROW:
            return huge_row(size)
        try:
            with self.file.open("rb", buffering=0) as stream:
                stream.seek(self._starts[index])
                data = stream.read(size)
        except OSError as error:
            return Drop("unreadable", error.strerror or str(error))
        return _parsed(data, self.locate(index))


@dataclass(frozen=True)
class HeldRows:
    """Rows that are in memory already: each with its place, and what is read or wrong there.

    `columns` are those of a table.
    """

    places: Sequence[Location]
    values: Sequence[Json | Drop]
    columns: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.values)

    def locate(self, index: int) -> Location:
        """Where the row is."""
        return self.places[index]

    def __getitem__(self, index: int) -> Raw | Drop:
        value = self.values[index]
        return value if isinstance(value, Drop) else Raw(self.places[index], value)


def huge_row(size: int) -> Drop:
    """What a row of more than `MAX_ROW` bytes is."""
    return Drop("huge row", f"{size:,} bytes, at most {MAX_ROW:,} are read")


def _parsed(data: bytes, place: Location) -> Raw | Drop:
    try:
        return Raw(place, parse_json(data.decode().rstrip("\r\n")))
    except UnicodeDecodeError as error:
        return Drop("not UTF-8", f"the byte 0x{data[error.start]:02x} at {error.start + 1}")
    except NotJson as error:
        return error.drop


def open_rows(file: Path) -> Rows:
    """The rows of a file by the end of its name: `.csv` and `.tsv` are tables, all else JSON.

    Raises FileRefused as `open_csv` and `open_json_lines` do.
    """
    return open_csv(file) if file.suffix.lower() in (".csv", ".tsv") else open_json_lines(file)


def open_json_lines(file: Path) -> Rows:
    """The rows of a file with a JSON value a line, or with one JSON array of them.

    Blank lines are no rows. Raises FileRefused for a file that cannot be read.
    """
    start = read_start(file)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _held_lines(_utf_16(_whole(file)), shown_path(file))
    if start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"[":
        text = _whole(file).removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
        return _held_array(text, shown_path(file))
    starts, sizes, lines = array("Q"), array("Q"), array("Q")
    for start_at, size, line in _spans(file):
        starts.append(start_at)
        sizes.append(size)
        lines.append(line)
    return JsonLines(file, shown_path(file), starts, sizes, lines)


def _spans(file: Path) -> Iterator[tuple[int, int, int]]:
    """Start, size in bytes and number of each line that holds something."""
    position = line = size = 0
    blank = True
    with file.open("rb") as stream:
        for piece in iter(lambda: stream.readline(MAX_ROW + 1), b""):
            if not size and not line:
                bom = len(piece) - len(piece.removeprefix(b"\xef\xbb\xbf"))
                position, piece = bom, piece[bom:]
            size += len(piece)
            blank = blank and not piece.strip()
            if piece.endswith(b"\n"):
                line += 1
                if not blank:
                    yield position, size, line
                position, size, blank = position + size, 0, True
        if not blank:
            yield position, size, line + 1


def _held_lines(text: str, shown: str) -> HeldRows:
    lines = [(n, one) for n, one in enumerate(text.split("\n"), 1) if one.strip()]
    places = [Location(shown, number) for number, _ in lines]
    values = [_value(one) for _, one in lines]
    return HeldRows(places, values)


def _value(text: str) -> Json | Drop:
    if len(text) > MAX_ROW:
        return huge_row(len(text))
    if _unreadable(text):
        return _UNREADABLE
    try:
        return parse_json(text)
    except NotJson as error:
        return error.drop


def _held_array(text: str, shown: str) -> HeldRows:
    """The items of a JSON array; from the first that does not parse, the rest is one drop."""
    places: list[Location] = []
    values: list[Json | Drop] = []
    position, line, counted = text.index("[") + 1, 1, 0
    closed = len(text)
    while True:
        position = _SPACE.match(text, position).end()  # type: ignore[union-attr]
        line, counted = line + text.count("\n", counted, position), position
        if text[position : position + 1] == "]" and not values:
            closed = position + 1
            break
        places.append(Location(shown, line))
        try:
            value, end = DECODER.raw_decode(text, position)
            values.append(_sound(text[position:end], value))
        except (ValueError, RecursionError) as error:
            values.append(Drop("broken JSON", f"{_rest(error)}; the rest of the array is lost"))
            break
        after = _SPACE.match(text, end)
        position = after.end() if after else end
        if text[position : position + 1] == "]":
            closed = position + 1
            break
        if text[position : position + 1] != ",":
            places.append(Location(shown, line))
            values.append(Drop("broken JSON", "the array does not end; its rest is lost"))
            break
        position += 1
    if text[closed:].strip():
        line += text.count("\n", counted, _SPACE.match(text, closed).end())  # type: ignore[union-attr]
        places.append(Location(shown, line))
        values.append(Drop("broken JSON", "something follows the array; it is lost"))
    return HeldRows(places, values)


def _rest(error: ValueError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return str(error) if isinstance(error, NotJson) else why(error)


def _sound(text: str, value: Json) -> Json | Drop:
    if len(text) > MAX_ROW:
        return huge_row(len(text))
    if _unreadable(text):
        return _UNREADABLE
    try:
        check(text, value)
    except NotJson as error:
        return error.drop
    return value


_UNREADABLE: Final = Drop("bytes that are no characters")
_SPACE: Final = re.compile(r"[ \t\r\n]*")


def open_csv(file: Path) -> HeldRows:
    """The rows of a table as mappings, column → text of the cell; cells may hold line breaks.

    UTF-8 with or without a mark, UTF-16 with one, else Windows-1252; the separator is the one of
    `,`, `;` and tab that the first line holds most of. Blank rows are no rows; a row with fewer
    cells than columns lacks the last ones. Raises FileRefused for a file that cannot be read, and
    for one whose first line names no columns, or one twice.
    """
    text = _decoded(_whole(file))
    shown = shown_path(file)
    first = text.partition("\n")[0].rstrip("\r").lower()
    skipped = 1 if first in ("sep=,", "sep=;", "sep=|", "sep=\t") else 0
    body = text.partition("\n")[2] if skipped else text
    separator = first[4] if skipped else _separator(body)
    places: list[Location] = []
    values: list[Json | Drop] = []
    columns: list[str] = []
    for line, cells in _table(body, separator):
        if isinstance(cells, Drop) or any(cell.strip() for cell in cells):
            if not columns:
                columns = _columns(cells)
                continue
            places.append(Location(shown, line + skipped))
            values.append(cells if isinstance(cells, Drop) else _cells(columns, cells))
    if not columns:
        raise FileRefused("is empty, expected a first line with the names of the columns")
    return HeldRows(places, values, columns)


def _table(text: str, separator: str) -> Iterator[tuple[int, list[str] | Drop]]:
    """The cells of each row, and the line that it begins on."""
    csv.field_size_limit(MAX_ROW)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            ends = "unexpected end" in str(error)
            what = "a quote that does not end; the rest of the file is lost" if ends else str(error)
            yield line, Drop("broken CSV", what)


def _separator(text: str) -> str:
    """What separates the cells of the first row: the most frequent outside quotes."""
    header = _HEADER.match(text.lstrip("\r\n"))
    outside = re.sub(r'"[^"]*"', "", header[0]) if header else ""
    return max(",;\t", key=outside.count)


_HEADER: Final = re.compile(r'(?:[^"\r\n]|"[^"]*")*')


def _columns(cells: list[str] | Drop) -> list[str]:
    if isinstance(cells, Drop):
        raise FileRefused(f"has no readable first line: {cells}")
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    twice = next((name for name, n in Counter(names).items() if name and n > 1), None)
    if twice is not None:
        raise FileRefused(f"has two columns called {twice!r}", "rename one of them", "csv")
    return names


def _cells(columns: Sequence[str], cells: Sequence[str]) -> Json | Drop:
    if any(cell.strip() for cell in cells[len(columns) :]):
        return Drop("more cells than columns", f"{len(cells)} cells, {len(columns)} columns")
    if any(map(_unreadable, cells)):
        return _UNREADABLE
    return dict(zip(columns, cells, strict=False))


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _utf_16(data)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "surrogateescape")


def _utf_16(data: bytes) -> str:
    """The text; what is none in UTF-16 comes out as a lone surrogate."""
    try:
        return data.decode("utf-16")
    except UnicodeDecodeError:
        return data.decode("utf-16", "replace").replace("\ufffd", "\udcff")


def _unreadable(text: str) -> bool:
    """Whether a decoded text holds what was no character: a lone surrogate stands for it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def read_start(file: Path) -> bytes:
    """The first bytes of a file that can be read; raises FileRefused for another."""
    try:
        if file.is_dir():
            raise FileRefused("is a folder, expected a file")
        if file.exists() and not file.is_file():
            raise FileRefused("is not a regular file")
        with file.open("rb") as stream:
            return stream.read(1024)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FileRefused(f"cannot be read: {reason}") from None


def _whole(file: Path) -> bytes:
    read_start(file)
    if file.stat().st_size > MAX_TABLE:
        raise FileRefused(f"is larger than {MAX_TABLE:,} bytes", "save it as JSON lines", "size")
    return file.read_bytes()
