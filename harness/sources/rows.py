"""What a format of data sets is: it turns rows into cases as their authors would have written them.

A format makes of a raw row a node: the mapping that its author would have written under `cases`
in YAML. What is no row at all, or no usable one, is a Drop, and never an error: rows are counted
by the reasons of their drops.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from harness.cases import Call, Json, Tool
from harness.sources.raw_rows import MAX_DEPTH as MAX_DEPTH
from harness.sources.raw_rows import MAX_ROW as MAX_ROW
from harness.sources.raw_rows import Drop as Drop
from harness.sources.raw_rows import NotJson as NotJson
from harness.sources.raw_rows import Raw as Raw
from harness.sources.raw_rows import Rows as Rows
from harness.sources.raw_rows import parse_json as parse_json
from harness.sources.row_files import open_csv as open_csv
from harness.sources.row_files import open_json_lines as open_json_lines
from harness.sources.row_files import open_rows as open_rows
from harness.spec_files.expansion import slug
from harness.spec_files.keys import LONGEST_ID, RESERVED
from harness.wording import cut

_KEY: Final = 60
"""Characters of a row's own key that are shown."""

Node = dict[str, Json]
"""A case as its author would have written it: the keys of `cases[]`, plain JSON values."""

Convert = Callable[[Raw], Node | Drop]


class Unusable(Exception):  # noqa: N818 - it says what the row is
    """A row that becomes no case; `drop` says why."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.drop = Drop(reason, detail)
        super().__init__(str(self.drop))


def converting(make: Callable[[Raw], Node]) -> Convert:
    """What `make` makes of a row; where it raises Unusable, the drop that this carries."""

    def convert(raw: Raw) -> Node | Drop:
        try:
            return make(raw)
        except Unusable as unusable:
            return unusable.drop

    return convert


@dataclass(frozen=True)
class Format:
    """A format of data sets.

    `open` raises FileRefused for a file that cannot be read; `convert` never raises. `defaults`
    are the settings of the file that the format implies where the spec writes none, such as
    `{"rules": "bfcl"}`. `help` is one line for people.
    """

    name: str
    open: Callable[[Path], Rows]
    convert: Convert
    defaults: Mapping[str, Json] = field(default_factory=dict)
    help: str = ""
    files: Callable[[Path], Sequence[Path]] = lambda path: (path,)
    """All the files that the rows of a path are read from; a spec's digest covers them."""
    checked: bool = False
    """Whether a call that breaks its tool's schema is refused, as it is in a written case."""
    settle: Callable[[Node, Mapping[str, Tool]], Node | Drop] | None = None
    """For rows that hold texts alone: their arguments in the types of the spec's tools, by name."""
    lost: Callable[[Raw], Sequence[str]] = lambda _: ()
    """What a row has and its case has not: short fixed phrases, for the report of an import."""


def unread(held: Mapping[str, Json], read: Collection[str], where: str) -> list[str]:
    """A phrase for each key that a format does not read: `KEY` of the row."""
    return [f"`{cut(key, _KEY)}` of {where}" for key in held if key not in read]


def content_id(value: Json, digits: int = 6) -> str:
    """Hex digits of what a row holds: the same for the same row, wherever it stands."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def row_id(given: Json, text: str, value: Json) -> str:
    """The id of a row's case: the data set's own, else the words of its text and 6 hex digits.

    What an id cannot hold becomes `-`; the digits are of all that the row holds.
    """
    if isinstance(given, str | int) and not isinstance(given, bool):
        own = re.sub(r"[^A-Za-z0-9._-]+", "-", str(given)[:LONGEST_ID]).strip("-._")
        if own:
            return own
    words = slug(text, marked=True)[:-7]
    return f"{words}-{content_id(value)}" if words else f"row-{content_id(value)}"


def literal(value: Json) -> Json:
    """The value as an expectation writes it: a mapping with `$` keys is no match."""
    if isinstance(value, dict):
        if any(name.startswith("$") for name in value):
            return {"$equals": value}
        return {name: literal(held) for name, held in value.items()}
    return [literal(item) for item in value] if isinstance(value, list) else value


def expected_calls(calls: Sequence[Call], *, ordered: bool = False) -> Json:
    """The expectation of exactly these calls with these arguments, as its author would write it.

    No call at all is `no_call`.
    """
    written = [{one.name: {name: literal(v) for name, v in one.arguments.items()}} for one in calls]
    if not written:
        return "no_call"
    if ordered and len(written) > 1:
        return {"calls": written, "order": "strict"}
    if any(one.name in RESERVED for one in calls):
        return {"calls": written}
    return written[0] if len(written) == 1 else written
