"""One reading of a YAML text: from the parser's events to plain data, with every value's place."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import yaml

from harness.cases import Json
from harness.spec_files.yaml_prose import QUOTE_IT, Mend, goes_on, quote_block, quote_rest
from harness.spec_files.yaml_scalars import plain_value

KeyPath = tuple[str | int, ...]
IsProse = Callable[[KeyPath], bool]

MAX_DEPTH: Final = 64
"""Lists and mappings inside each other, aliases written out."""
MAX_ALIASED: Final = 1_000_000
"""Values that the aliases of a file may stand for, altogether."""
MAX_PROBLEMS: Final = 100

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_COMMENT = re.compile(r"[ \t]+#")


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem with the line and column counted from 0, and how the line can be mended."""

    line: int
    column: int
    what: str
    hint: str
    code: str
    where: str = ""
    path: KeyPath | None = None
    mend: Mend | None = None


class _StopError(Exception):
    """Reading cannot go on: a bound is reached."""


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet.

    `places` are its own, then those of its keys and values; `height` counts the levels inside.
    """

    value: Any
    places: array[int]
    mapping: bool
    flow: bool
    anchor: str | None
    size_before: int
    key: str | None = None
    is_key: bool = False
    height: int = 0


class Reading:
    """One reading of the lines. Places are as `packed` makes them."""

    def __init__(self, lines: list[str], is_prose: IsProse, stand_ins: dict[int, str]) -> None:
        self.lines, self.text = lines, "\n".join(lines)
        self.is_prose, self.stand_ins = is_prose, stand_ins
        self.value: Json = None
        self.start, self.documents, self.size, self.aliased = 0, 0, 0, 0
        self.places: dict[int, array[int]] = {}
        self.stack: list[_Open] = []
        self.findings: list[Finding] = []
        self.anchors: dict[str, tuple[Json, int, int]] = {}
        self.unused: dict[str, Finding] = {}
        self.last_quoted: tuple[int, int, int] | None = None

    @property
    def in_flow(self) -> bool:
        """Whether the last event was inside `{…}` or `[…]`."""
        return bool(self.stack) and self.stack[-1].flow

    def run(self) -> yaml.MarkedYAMLError | None:
        """Reads to the end, or to the syntax error that it returns."""
        handlers = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._opens,
            yaml.SequenceStartEvent: self._opens,
            yaml.MappingEndEvent: self._closes,
            yaml.SequenceEndEvent: self._closes,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._document,
        }
        try:
            for event in yaml.parse(self.text, Loader=_LOADER):
                handler = handlers.get(type(event))
                if handler:
                    handler(event)
        except yaml.MarkedYAMLError as error:
            return error
        except _StopError:
            return None
        except (ValueError, OverflowError) as error:
            # PyYAML's own parser, on escapes and versions that are no numbers; libyaml never.
            self._add(0, f"YAML cannot read this file: {error}", "syntax")
            return None
        if not self.documents:
            self._add(0, "the file is empty", "empty")
        return None

    def settled(self) -> list[Finding]:
        """What was found, without what turned out to be meant that way."""
        findings = [*self.findings, *self.unused.values()]
        prose = {f.line for f in findings if f.path is not None}
        return [
            f
            for f in findings
            if not (f.path and self._is_tool_result(f))
            and (f.path is not None or f.mend is None or f.line not in prose)
            and (f.code != "complex-key" or f.line not in prose)
        ]

    def _is_tool_result(self, finding: Finding) -> bool:
        """A tool's message may hold data: its role is known once the message has been read."""
        node = self.value
        if not finding.path or finding.path[-1] != "content" or finding.code != "misread":
            return False
        try:
            for step in finding.path[:-1]:
                node = node[step]
        except (KeyError, IndexError, TypeError):  # Inside a key, which is refused anyway.
            return False
        return isinstance(node, dict) and node.get("role") == "tool"

    def _add(self, place: int, what: str, code: str, hint: str = "", **more: Any) -> None:
        line, column = unpacked(place)
        self.findings.append(Finding(line, column, what, hint, code, **more))
        if len(self.findings) == MAX_PROBLEMS:
            raise _StopError

    def _document(self, event: Any) -> None:
        self.documents += 1
        place = packed(event.start_mark)
        if self.documents > 1:
            self._add(place, "a second document starts here", "documents", "one file holds one")
            raise _StopError
        if event.tags or (event.version and tuple(event.version) != (1, 2)):
            hint = "remove the line that starts with %"
            self._add(place, "only the directive %YAML 1.2 is taken", "directive", hint)

    def _path(self) -> KeyPath:
        """The path of the value that comes next."""
        path = [str(o.key) if o.mapping else len(o.value) - 1 for o in self.stack]
        if path and isinstance(path[-1], int):
            path[-1] += 1
        return tuple(path)

    def _scalar(self, event: Any) -> None:
        self.size += 1
        place = packed(event.start_mark)
        text = event.value if event.value.isascii() else self._restored(event, place)
        if event.tag:
            self._tag(event, place)
        top = self.stack[-1] if self.stack else None
        is_key = top and top.mapping and top.key is None
        value = text if is_key else self._value(event, text, place)
        if event.anchor:
            self.anchors[event.anchor] = (value, 1, 0)
        if top and is_key:
            self._key(top, text, place)
        else:
            self._attach(value, place)
            if top:
                top.key = None

    def _value(self, event: Any, text: str, place: int) -> Json:
        """What a scalar that is no key stands for."""
        if event.style:
            if event.style in "\"'" and event.end_mark.line > event.start_mark.line:
                self.last_quoted = (*unpacked(place), event.end_mark.line)
            return text
        try:
            value = text if event.tag else plain_value(text)
        except ValueError as error:
            self._add(place, str(error), "number", "put it in quotes if it is a text")
            return 0
        if not (self.stack or text or event.tag):
            self._add(place, "the file is empty", "empty")
        self._check_plain(event, value, place)
        return value

    def _restored(self, event: Any, place: int) -> str:
        """The scalar's text without stand-ins, and with pairs of surrogates as one character.

        PyYAML's own parser leaves surrogates as they are; libyaml refuses them.
        """
        text = str(event.value).translate(self.stand_ins)
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self._add(place, "half a surrogate pair is no character", "control-character")
            return ""

    def _check_plain(self, event: Any, value: Json, place: int) -> None:
        """Prose without quotes: cut by a comment, read as a number, or taken for an anchor."""
        swallowed = _COMMENT.match(self.text, event.end_mark.index)
        if not swallowed and event.value and isinstance(value, str) and not event.anchor:
            return
        path = self._path()
        if not self.is_prose(path):
            return
        if swallowed:
            self._swallowed(event, swallowed, path)
        elif event.value and not isinstance(value, str):
            kind = f"the number {_short(event.value)}"
            if value is None or isinstance(value, bool):
                kind = "null" if value is None else f"the boolean {event.value}"
            self._misread(place, kind, path)
        elif event.anchor and event.value:
            mend = quote_rest(self.lines, *unpacked(place), flow=self.in_flow)
            what = f"YAML reads the start of this text as the anchor '&{event.anchor}'"
            hint = mend.hint if mend else QUOTE_IT
            self.unused[event.anchor] = Finding(
                *unpacked(place), what, hint, "misread", path=path, mend=mend
            )

    def _swallowed(self, event: Any, comment: re.Match[str], path: KeyPath) -> None:
        start, last = event.start_mark, event.end_mark.line
        column = comment.end() - 1 - event.end_mark.index + event.end_mark.column
        begin = (start.line, start.column if event.value else column)
        if self.in_flow:
            mend = quote_rest(self.lines, *begin, flow=True)
        else:
            mend = quote_block(self.lines, begin, last, outside=self._outside())
        what = "the text ends at this '#', which starts a comment in YAML"
        self._add(
            (last << 32) | column,
            what,
            "swallowed",
            mend.hint if mend else QUOTE_IT,
            path=path,
            mend=mend,
        )

    def _outside(self) -> int:
        """The column of the list or mapping that the next value belongs to."""
        return unpacked(self.stack[-1].places[0])[1] if self.stack else -1

    def _misread(self, place: int, kind: str, path: KeyPath) -> None:
        line, column = unpacked(place)
        mend = None
        if not goes_on(self.lines, line, self._outside()):
            mend = quote_rest(self.lines, line, column, flow=self.in_flow)
        hint = mend.hint if mend else QUOTE_IT
        what = f"expected a text, but YAML reads this as {kind}"
        self._add(place, what, "misread", hint, path=path, mend=mend)

    def _tag(self, event: Any, place: int) -> None:
        if event.tag == "tag:yaml.org,2002:str" and isinstance(event, yaml.ScalarEvent):
            return
        tag = event.tag.replace("tag:yaml.org,2002:", "!!")
        mend = quote_rest(self.lines, *unpacked(place), flow=self.in_flow)
        hint = "remove it"
        if mend and isinstance(event, yaml.ScalarEvent) and not event.style:
            hint = f"remove it, or {mend.hint}"
        self._add(
            place, f"the tag {_short(tag)!r} is not taken, only !!str", "tag", hint, mend=mend
        )

    def _key(self, top: _Open, key: str, place: int) -> None:
        if key in top.value:
            first = unpacked(top.places[2 * list(top.value).index(key) + 1])[0] + 1
            what = f"is written twice, first on line {first}"
            where = f"key {_short(key)!r}"
            self._add(place, what, "duplicate-key", "keep one of them", where=where)
            key = f"{key}\0{self.size}"  # No text of the file: keeps both, each with its place.
        top.key = key
        top.places.append(place)

    def _no_key(self, top: _Open, place: int, what: str) -> None:
        self._add(place, what, "complex-key", QUOTE_IT)
        self._key(top, f"\0{self.size}", place)

    def _opens(self, event: Any) -> None:
        self.size += 1
        place = packed(event.start_mark)
        if len(self.stack) == MAX_DEPTH:
            self._add(place, f"lists and mappings are more than {MAX_DEPTH} deep here", "depth")
            raise _StopError
        mapping = isinstance(event, yaml.MappingStartEvent)
        kind = "a mapping" if mapping else "a list"
        if event.tag:
            self._tag(event, place)
        value: Json = {} if mapping else []
        opened = _Open(
            value, array("Q", (place,)), mapping, event.flow_style, event.anchor, self.size
        )
        top = self.stack[-1] if self.stack else None
        if top and top.mapping and top.key is None:
            opened.is_key = True
        else:
            path = self._path()
            if self.is_prose(path):
                self._misread(place, kind, path)
            self._attach(value, place)
        if event.anchor:
            self.anchors.pop(event.anchor, None)
        self.stack.append(opened)

    def _closes(self, _event: Any) -> None:
        done = self.stack.pop()
        self.places[id(done.value)] = done.places
        if self.stack:
            top = self.stack[-1]
            top.height = max(top.height, done.height + 1)
            top.key = None
            if done.is_key:
                self._no_key(top, done.places[0], "a list or a mapping cannot be a key")
        if done.anchor:
            size = self.size - done.size_before + 1
            self.anchors[done.anchor] = (done.value, size, done.height + 1)

    def _alias(self, event: Any) -> None:
        place, name = packed(event.start_mark), event.anchor
        top = self.stack[-1] if self.stack else None
        if top and top.mapping and top.key is None:
            self._no_key(top, place, "an alias cannot be a key")
            return
        value, size, height = self.anchors.get(name) or self._no_anchor(name, place)
        self.unused.pop(name, None)
        self.size += size
        self.aliased += size
        if self.aliased > MAX_ALIASED:
            what = f"the aliases of this file stand for more than {MAX_ALIASED:,} values"
            self._add(place, what, "alias")
            raise _StopError
        if len(self.stack) + height > MAX_DEPTH:
            self._add(place, f"with this alias, lists are more than {MAX_DEPTH} deep", "depth")
            raise _StopError
        if top:
            top.height = max(top.height, height)
        self._attach(value, place)
        if top:
            top.key = None

    def _no_anchor(self, name: str, place: int) -> tuple[Json, int, int]:
        if any(opened.anchor == name for opened in self.stack):
            self._add(place, f"the alias '*{name}' is inside what it stands for", "alias")
        else:
            mend = quote_rest(self.lines, *unpacked(place), flow=self.in_flow)
            what = f"the alias '*{name}' has no anchor '&{name}' above it"
            hint = mend.hint if mend else QUOTE_IT
            self._add(place, what, "alias", hint, mend=mend)
        return None, 1, 0

    def _attach(self, value: Json, place: int) -> None:
        if not self.stack:
            self.value, self.start = value, place
            return
        top = self.stack[-1]
        top.places.append(place)
        if top.mapping:
            top.value[top.key] = value
        else:
            top.value.append(value)


def packed(mark: Any) -> int:
    """The place of a mark: its line in the upper bits, its column in the lower 32."""
    return int(mark.line << 32 | mark.column)


def unpacked(place: int) -> tuple[int, int]:
    """The line and the column of a place, counted from 0."""
    return place >> 32, place & 0xFFFFFFFF


def _short(text: str) -> str:
    """The text for a message: cut in the middle where it is long."""
    return text if len(text) <= 40 else f"{text[:30]}…{text[-9:]}"
