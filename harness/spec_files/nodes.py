"""Reading the nodes of a spec: which keys a mapping may have, and what may stand behind them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Protocol

from harness.cases import Json, Location
from harness.errors import Problem, nearest, printable
from harness.json_values import cut, shown
from harness.spec_files.keys import AN_IDENTIFIER, Key, Table
from harness.spec_files.strict_yaml import Document
from harness.spec_files.yaml_scalars import plain_value

Path = tuple[str | int, ...]
"""The way from a document's root to a value: keys and list indices."""


class Report(Protocol):
    """Notes one problem; `path` is relative to the node being read."""

    def __call__(
        self, path: Path, what: str, hint: str = "", *, key: bool = False, unknown: bool = False
    ) -> None:
        """Note it; `key`: the key is at fault, not its value; `unknown`: nobody knows the key.

        Of an unknown key the hint is another where the key is what a comma left of a text.
        """


@dataclass(frozen=True)
class Notes:
    """One document and what was found in it so far."""

    document: Document
    problems: list[Problem] = field(default_factory=list)

    def report(self, base: Path, where: str) -> Report:
        """A `Report` for the node at `base`, which its author calls `where`."""

        def note(
            path: Path, what: str, hint: str = "", *, key: bool = False, unknown: bool = False
        ) -> None:
            place, whole = dotted(where, path), base + path
            if unknown and left_by_comma(self.document, whole):
                hint = COMMA
            self.problems.append(
                self.document.problem(whole, place, what, hint, key=key or unknown, code="spec")
            )

        return note

    def place(self, path: Path) -> Location:
        """Where a value stands."""
        return self.document.locate(path)


COMMA: Final = "a comma ends a text inside { }: quote the whole text"


def left_by_comma(document: Document, path: Path) -> bool:
    """Whether the key at the path looks like the rest of a text that a comma has cut in `{…}`.

    It stands behind a comma, without quotes, and has no colon after it or a space in it.
    """
    name, place = str(path[-1]), document.locate(path, key=True)
    source, at = document.source(place.line), place.column - 1
    before, after = source[max(0, at - 100) : at], source[at : at + len(name) + 100]
    if not before.strip():
        before = document.source(place.line - 1)
    if not before.rstrip().endswith(",") or not after.startswith(name[:1]):
        return False
    return " " in name or not after[len(name) :].lstrip().startswith(":")


def dotted(where: str, path: Path) -> str:
    """`case travel-meals, expect.search_google.query[0]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    text, where = printable(text.lstrip(".")), printable(where)
    if len(text) > 200:
        text = f"{text[:100]} … {text[-90:]}"
    if where and text:
        joined = where.endswith(".") or text.startswith("[")
        return f"{where}{text}" if joined else f"{where}, {text}"
    return where.rstrip(".") or text


def under(report: Report, *prefix: str | int) -> Report:
    """The same report for a node further down."""

    def note(
        path: Path, what: str, hint: str = "", *, key: bool = False, unknown: bool = False
    ) -> None:
        report((*prefix, *path), what, hint, key=key, unknown=unknown)

    return note


def fields(
    node: Json, table: Table, report: Report, what: str = "a mapping", hint: str = ""
) -> dict[str, Any]:
    """The mapping's values that fit the table; every other one is reported.

    `what` names the mapping where something else is found in its place, `hint` what to do then.
    """
    if not isinstance(node, Mapping):
        report((), f"found {shown(node)}, expected {what}", hint)
        return {}
    good: dict[str, Any] = {}
    for name, value in node.items():
        key = table.get(name) if isinstance(name, str) else None
        if key is None:
            report((name,), f"unknown key {shown(name)}", _known(str(name), table), unknown=True)
        elif fits(value, key.schema):
            good[name] = value
        else:
            report((name,), f"found {shown(value)}, expected {key.expected}", _advice(value, key))
    return good


def entries(
    node: Mapping[str, Json], names: Mapping[str, Json], values: Key, report: Report
) -> bool:
    """Whether all keys of a mapping fit `names` and all its values fit `values`."""
    good = True
    for name, value in node.items():
        if not fits(name, names):
            report((name,), f"found the name {shown(name)}, expected {AN_IDENTIFIER}", key=True)
            good = False
        if not fits(value, values.schema):
            report(
                (name,), f"found {shown(value)}, expected {values.expected}", _advice(value, values)
            )
            good = False
    return good


def items(node: list[Json], values: Key, report: Report) -> bool:
    """Whether all items of a list fit."""
    good = True
    for place, value in enumerate(node):
        if not fits(value, values.schema):
            what = f"found {shown(value)}, expected {values.expected}"
            report((place,), what, _advice(value, values))
            good = False
    return good


def _known(name: str, table: Table) -> str:
    return nearest(name[:80], table, otherwise=f"known here: {', '.join(table)}")


def _advice(value: Json, key: Key) -> str:
    """What to do about a value that does not fit, where that is plain."""
    kind = key.schema.get("type")
    if isinstance(value, str) and (kind == "boolean" or key.schema.get("const") is True):
        known = {"yes": "true", "on": "true", "no": "false", "off": "false"}
        if value.lower() in known:
            return f"in YAML 1.2 {value} is a text: write {known[value.lower()]}"
        return "remove the quotes" if value in ("true", "false") else ""
    texts = key.schema.get("items", {}).get("type") == "string"
    if kind == "array" and texts and isinstance(value, str):
        return f"write [{cut(value, 80)}]"
    if key.schema.get("maximum") == 1 and (share := as_share(value)):
        return f"write {share:g}"
    if key.example and not isinstance(value, Mapping):
        return f"for example `{key.example}`"
    choices = key.schema.get("enum")
    if choices and isinstance(value, str):
        return nearest(value[:80], choices)
    if kind == "string" and isinstance(value, bool | int | float | None):
        return "quote it to make it a text" if value is not None else "nothing is written there"
    return ""


def as_share(value: Json) -> float | None:
    """The share that 30, `30%` or `30 %` are meant for."""
    if isinstance(value, str) and len(value) < 20:
        try:
            value = plain_value(value.removesuffix("%").strip())
        except ValueError:
            return None
    fits_in = isinstance(value, int | float) and not isinstance(value, bool) and 2 <= value <= 100
    return value / 100 if fits_in else None


_TYPES: Final[Mapping[str, Callable[[Json], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "object": lambda value: isinstance(value, Mapping),
    "array": lambda value: isinstance(value, list),
}


def fits(value: Json, schema: Mapping[str, Json]) -> bool:
    """Whether a value fits the part of a key's schema that the loader reads itself."""
    if "enum" in schema and not (isinstance(value, str) and value in schema["enum"]):
        return False
    if "const" in schema and value is not schema["const"]:
        return False
    kinds = schema.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else kinds
    if kinds and not any(_TYPES[kind](value) for kind in kinds):
        return False
    if isinstance(value, str):
        return "pattern" not in schema or bool(_pattern(schema["pattern"]).search(value))
    if isinstance(value, int | float):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    if isinstance(value, list):
        return bool(len(value) >= schema.get("minItems", 0))
    return True


@lru_cache(maxsize=32)
def _pattern(source: str) -> re.Pattern[str]:
    """JSON Schema's `$` is the very end; Python's also stands before a last line feed."""
    return re.compile(source.replace("$", r"\Z"))
