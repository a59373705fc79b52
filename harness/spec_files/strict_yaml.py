"""YAML as its authors read it: the core of YAML 1.2, with the place of every value.

Read from the parser's events, never composed: PyYAML's composer recurses, and deep nesting ends
the interpreter. Booleans are `true` and `false` alone; there are no octals, sexagesimals, dates,
infinities or tags; keys are texts as they are written; duplicate keys are refused; aliases, depth
and size are bounded. Types of plain scalars: https://yaml.org/spec/1.2.2/#103-core-schema.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml

from harness.cases import Json, Location
from harness.errors import Problem, SpecError
from harness.spec_files.yaml_prose import Mend, explain, spec_prose
from harness.spec_files.yaml_reading import (
    MAX_PROBLEMS,
    Finding,
    IsProse,
    KeyPath,
    Reading,
    unpacked,
)

MAX_BYTES: Final = 64_000_000
MAX_MENDS: Final = 25
"""Syntax errors that are mended to find the problems after them."""
MAX_REREAD: Final = 30_000_000
"""Characters read again after mending, altogether: what keeps large broken files quick."""

_UNPRINTABLE = re.compile("[^\t\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SURROGATES = re.compile(
    r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})"
)
_BREAKS: Final = "\x85\u2028\u2029"
"""Line breaks to libyaml, which reads YAML 1.1; characters like any other in YAML 1.2."""


@dataclass(frozen=True)
class Document:
    """A file as plain data (dict, list, str, int, float, bool, None), and where each value is.

    Values that are written once and aliased are shared: do not change them.
    """

    value: Json
    path: str
    _lines: Sequence[str] = field(repr=False, compare=False)
    _places: dict[int, array[int]] = field(repr=False, compare=False)
    _start: int = field(repr=False, compare=False)

    def locate(self, path: KeyPath, *, key: bool = False) -> Location:
        """Where the value at the path is, or its key; that of its nearest ancestor if it is not.

        A value written as an alias is where its anchor is.
        """
        node, place, key_place = self.value, self._start, self._start
        for step in path:
            index = _index(node, step)
            if index is None:
                break
            places = self._places[id(node)]
            if isinstance(node, dict):
                key_place, place = places[2 * index + 1], places[2 * index + 2]
            else:
                key_place = place = places[index + 1]
            node = node[step]
        line, column = unpacked(key_place if key else place)
        return Location(self.path, min(line + 1, len(self._lines)), column + 1)

    def source(self, line: int) -> str:
        """The text of a line, counted from 1; empty where there is none."""
        return self._lines[line - 1] if 0 < line <= len(self._lines) else ""

    def problem(
        self,
        path: KeyPath,
        where: str,
        what: str,
        hint: str = "",
        *,
        key: bool = False,
        code: str = "",
    ) -> Problem:
        """A problem with the value at the path, or with its key, and the line it is on."""
        location = self.locate(path, key=key)
        return Problem(location, where, what, hint, self.source(location.line), code)


def _index(node: Json, step: str | int) -> int | None:
    """Which entry of a dict or list the step leads to; None where there is none."""
    if isinstance(node, dict):
        return list(node).index(step) if step in node else None
    fits = isinstance(node, list) and isinstance(step, int) and 0 <= step < len(node)
    return int(step) if fits else None


def read_yaml_file(file: Path, shown: str, **kwargs: Any) -> Document:
    """The file's document; `shown` is its path as messages name it.

    Raises SpecError for a file that cannot be read, and as `read_yaml` does.
    """
    try:
        data = read_bytes(file)
    except FileRefused as error:
        raise SpecError([error.problem(shown)]) from None
    return read_yaml_bytes(data, shown, **kwargs)


def read_yaml_bytes(data: bytes, shown: str, **kwargs: Any) -> Document:
    """The document that the bytes of a file hold; `shown` is its path as messages name it.

    Raises SpecError for what is not UTF-8, and as `read_yaml` does.
    """
    return read_yaml(_decoded(data, shown), shown, **kwargs)


class FileRefused(Exception):  # noqa: N818 - it says what happened
    """A file that is not read; `what` follows its name in a sentence."""

    def __init__(self, what: str, hint: str = "", code: str = "unreadable") -> None:
        self.what, self.hint, self.code = what, hint, code
        super().__init__(what)

    def problem(self, shown: str) -> Problem:
        """The same as a problem of the file, whose path is shown so."""
        return Problem(Location(shown, 1), "", self.what, self.hint, code=self.code)


def read_bytes(file: Path) -> bytes:
    """What a regular file of at most `MAX_BYTES` holds; raises FileRefused for all else.

    A pipe or a device is not opened: reading it might never end.
    """
    try:
        if file.is_dir():
            raise FileRefused("is a folder, expected a YAML file")
        if file.exists() and not file.is_file():
            raise FileRefused("is not a regular file")
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FileRefused(f"cannot be read: {reason}") from None
    if len(data) > MAX_BYTES:
        raise FileRefused(f"is larger than {MAX_BYTES:,} bytes", "split it", "size")
    return data


def _refuse(shown: str, what: str, hint: str = "", *, code: str) -> NoReturn:
    raise SpecError([Problem(Location(shown, 1), "", what, hint, code=code)]) from None


def _decoded(data: bytes, shown: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        _refuse(shown, "is UTF-16", "save it as UTF-8", code="encoding")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        what = f"the byte 0x{data[error.start]:02x} is not UTF-8"
        place = Location(shown, line, column)
        raise SpecError(
            [Problem(place, "", what, "save the file as UTF-8", code="encoding")]
        ) from None


def read_yaml(text: str, path: str, *, is_prose: IsProse = spec_prose) -> Document:
    """The text as a document; `path` is the file's, as messages show it.

    `is_prose` tells at which paths people write prose, which must not be misread in silence.
    Raises SpecError with all problems found: a line with a syntax error is mended to read on.
    """
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    _refuse_unprintable(lines, path)
    working, stand_ins = _without_breaks(lines)
    problems: list[Problem] = []
    mended: list[Mend] = []
    while True:
        reading = Reading(working, is_prose, stand_ins)
        error = reading.run()
        if error and _paired_surrogates(error, working):
            continue
        problems, mend = _report(reading, error, lines, path, problems, mended)
        again = (len(mended) + 1) * len(text) <= MAX_REREAD and len(mended) < MAX_MENDS
        if not mend or not again:
            break
        working[mend.first : mend.last + 1] = [mend.line] + [""] * (mend.last - mend.first)
        mended.append(mend)
    if problems:
        raise SpecError(sorted(problems, key=lambda p: (p.location.line, p.location.column)))
    return Document(reading.value, path, lines, reading.places, reading.start)


def _refuse_unprintable(lines: Sequence[str], path: str) -> None:
    """Characters that no YAML file may hold, so that libyaml need not say where they are."""
    found = _unprintable(lines)
    problems = [bad for bad, _ in zip(found, range(MAX_PROBLEMS), strict=False)]
    if problems:
        raise SpecError(
            Problem(
                Location(path, number + 1, match.start() + 1),
                "",
                f"the character U+{ord(match[0]):04X} cannot be in a YAML file",
                f'remove it, or write "\\U{ord(match[0]):08x}", with the quotes',
                lines[number],
                "control-character",
            )
            for number, match in problems
        )


def _unprintable(lines: Sequence[str]) -> Iterator[tuple[int, re.Match[str]]]:
    for number, line in enumerate(lines):
        if not (line.isascii() and line.isprintable()):
            for match in _UNPRINTABLE.finditer(line):
                yield number, match


def _without_breaks(lines: Sequence[str]) -> tuple[list[str], dict[int, str]]:
    """The lines with libyaml's extra line breaks as unused private characters, and the way back."""
    text = "".join(lines)
    there = [char for char in _BREAKS if char in text]
    if not there:
        return list(lines), {}
    unused = (char for char in map(chr, range(0xE000, 0xF900)) if char not in text)
    table = {ord(char): stand_in for char, stand_in in zip(there, unused, strict=False)}
    back = {ord(stand_in): chr(char) for char, stand_in in table.items()}
    return [line.translate(table) for line in lines], back


def _paired_surrogates(error: yaml.MarkedYAMLError, working: list[str]) -> bool:
    r"""Rewrites JSON's `\ud83d\ude00`, which YAML has not; False if there was none to rewrite."""
    if error.problem != "found invalid Unicode character escape code":
        return False
    before = list(working)
    working[:] = [_SURROGATES.sub(_one_escape, line) for line in working]
    return working != before


def _one_escape(match: re.Match[str]) -> str:
    high, low = int(match[2], 16), int(match[3], 16)
    return f"{match[1]}\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


def _report(
    reading: Reading,
    error: yaml.MarkedYAMLError | None,
    lines: Sequence[str],
    path: str,
    problems: list[Problem],
    mended: Sequence[Mend],
) -> tuple[list[Problem], Mend | None]:
    """The problems known after this reading, and what to mend before the next one."""
    findings, mend = reading.settled(), None
    if error:
        findings, mend, syntax = _with_syntax(reading, error, findings)
        if mended and syntax.line <= mended[-1].last:
            # The last mend did not help: its hint must not be given.
            last = range(mended[-1].first + 1, mended[-1].last + 2)
            return [_without_hint(p) if p.location.line in last else p for p in problems], None
    touched = {line for old in mended for line in range(old.first, old.last + 1)}
    old_ones = [p for p in problems if p.location.line - 1 in touched]
    new_ones = [
        Problem(
            Location(path, line + 1, f.column + 1), f.where, f.what, f.hint, lines[line], f.code
        )
        for f in findings
        for line in [min(f.line, len(lines) - 1)]  # PyYAML's own parser may count one more.
        if line not in touched
    ]
    return old_ones + new_ones, mend


def _without_hint(problem: Problem) -> Problem:
    place = problem.location
    hint = "check the quotes and the indentation"
    return Problem(place, problem.where, problem.what, hint, problem.source, problem.code)


def _with_syntax(
    reading: Reading, error: yaml.MarkedYAMLError, findings: list[Finding]
) -> tuple[list[Finding], Mend | None, Finding]:
    """The findings with what the syntax error means, unless one of them explains it already."""
    said = explain(reading.lines, error, reading.last_quoted, flow=reading.in_flow)
    syntax = Finding(said.line, said.column, said.what, said.hint, said.code, mend=said.mend)
    for finding in reversed(findings):
        if finding.mend and finding.mend.first <= said.line <= finding.mend.last + 1:
            return findings, finding.mend, syntax
    return [*findings, syntax], said.mend, syntax
