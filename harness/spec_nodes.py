"""Reading the nodes of a spec: which keys a mapping may have, and what may stand behind them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Protocol

from harness.cases import Json, Location
from harness.errors import Problem, nearest, printable
from harness.json_values import shown
from harness.spec_keys import AN_IDENTIFIER, Key, Table
from harness.strict_yaml import Document

Path = tuple[str | int, ...]
"""The way from a document's root to a value: keys and list indices."""


class Report(Protocol):
    """Notes one problem; `path` is relative to the node being read."""

    def __call__(self, path: Path, what: str, hint: str = "", *, key: bool = False) -> None:
        """Note it; `key`: the key is at fault, not its value."""


@dataclass(frozen=True)
class Notes:
    """One document and what was found in it so far."""

    document: Document
    problems: list[Problem] = field(default_factory=list)

    def report(self, base: Path, where: str) -> Report:
        """A `Report` for the node at `base`, which its author calls `where`."""

        def note(path: Path, what: str, hint: str = "", *, key: bool = False) -> None:
            place = dotted(where, path)
            self.problems.append(
                self.document.problem(base + path, place, what, hint, key=key, code="spec")
            )

        return note

    def place(self, path: Path) -> Location:
        """Where a value stands."""
        return self.document.locate(path)


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

    def note(path: Path, what: str, hint: str = "", *, key: bool = False) -> None:
        report((*prefix, *path), what, hint, key=key)

    return note


def fields(node: Json, table: Table, report: Report, what: str = "a mapping") -> dict[str, Any]:
    """The mapping's values that fit the table; every other one is reported.

    `what` names the mapping where something else is found in its place.
    """
    if not isinstance(node, Mapping):
        report((), f"found {shown(node)}, expected {what}")
        return {}
    good: dict[str, Any] = {}
    for name, value in node.items():
        key = table.get(name) if isinstance(name, str) else None
        if key is None:
            report((name,), f"unknown key {shown(name)}", _known(str(name), table), key=True)
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
    if key.schema.get("type") == "boolean" and value in ("yes", "no", "on", "off"):
        return f"in YAML 1.2 {value} is a text"
    choices = key.schema.get("enum")
    if choices and isinstance(value, str):
        return nearest(value[:80], choices)
    if key.schema.get("type") == "string" and isinstance(value, bool | int | float | None):
        return "quote it to make it a text" if value is not None else "nothing is written there"
    return ""


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
