"""`csv`: cases in a spreadsheet, one a row, for policy teams; their tools are the spec's.

Columns: `prompt`; `tool` with a column for each argument (`query`, or `arg.query` where it is
called like a column of its own), or `expect` with an expectation as a spec writes it; and `id`,
`clause`, `split`, `tags`, `reply`, `critical`, `group`, `skip`, `developer`, `compare`, each as
in a spec. Notes (`note`, `comment`, or a name that begins with `#`) are not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from harness.cases import Json, Tool
from harness.errors import SpecError
from harness.sources.row_files import open_csv
from harness.sources.rows import Drop, Format, Node, Raw, Rows, literal
from harness.spec_files.keys import RESERVED
from harness.spec_files.strict_yaml import FileRefused, read_yaml
from harness.spec_files.yaml_scalars import plain_value

_TEXTS: Final = ("id", "clause", "split", "group", "skip", "developer", "compare")
_KNOWN: Final = ("prompt", "expect", "tool", "reply", "tags", "critical", *_TEXTS)
_NOTES: Final = ("note", "notes", "comment", "comments")
_ARGUMENT: Final = "arg."
_EMPTY: Final = '""'
_YES: Final = ("true", "yes", "x", "1")
_NO: Final = ("false", "no", "0")
_CELLS: Final = "cells"
"""Where `convert` leaves the texts of a call, which `settle` puts into the tool's types."""


def open_table(file: Path) -> Rows:
    """The rows of a table; raises FileRefused as `open_csv` does, and for columns that lack."""
    rows = open_csv(file)
    names = [_column(name) for name in rows.columns]
    listed = f"its columns: {', '.join(rows.columns[:20])}"
    if "prompt" not in names:
        raise FileRefused("has no column `prompt`", listed, "csv")
    if not {"tool", "expect"} & set(names):
        raise FileRefused("has neither a column `tool` nor `expect`", listed, "csv")
    for place, name in enumerate(names):
        if name in names[:place]:
            raise FileRefused(f"has two columns {name!r}", "rename one of them", "csv")
    return rows


def _column(name: str) -> str:
    """A known column whatever its case; an argument's keeps its own."""
    lower = name.strip().lower()
    if lower in (*_KNOWN, *_NOTES):
        return lower
    return _ARGUMENT + name.strip()[len(_ARGUMENT) :] if lower.startswith(_ARGUMENT) else name


def _is_note(column: str) -> bool:
    return column in _NOTES or column.startswith("#") or not column


def convert(raw: Raw) -> Node | Drop:
    """The case of a row; the arguments of its call are texts until `settle` has seen the tools."""
    if not isinstance(raw.value, dict):
        return Drop("no row of a table")
    cells = {_column(name): text for name, text in raw.value.items() if isinstance(text, str)}
    filled = {name: text for name, text in cells.items() if text.strip() and not _is_note(name)}
    if "prompt" not in filled:
        return Drop("no prompt")
    expected = _expected(filled)
    if isinstance(expected, Drop):
        return expected
    if filled.get("skip", "").strip().lower() in _NO:
        del filled["skip"]  # a column of yes and no, as for `critical`
    if (word := filled.get("skip", "").strip().lower()) in _YES:
        return Drop("`skip` without a reason", f"found {word!r}, expected the reason in words")
    node: Node = {name: filled[name].strip() for name in _TEXTS if name in filled}
    node |= {name: filled[name] for name in ("prompt", "reply") if name in filled} | expected
    if "split" in node:
        node["split"] = node["split"].lower()
    if "tags" in filled:
        node["tags"] = list(dict.fromkeys(re.findall(r"[^\s,;]+", filled["tags"])))
    critical = filled.get("critical", "no").strip().lower()
    if critical not in (*_YES, *_NO):
        return Drop("an unknown word under `critical`", f"found {critical[:60]!r}, expected yes")
    return {**node, "critical": True} if critical in _YES else node


def _expected(filled: Mapping[str, str]) -> Node | Drop:
    """`expect`, or the cells of one call."""
    arguments = {
        name.removeprefix(_ARGUMENT): text for name, text in filled.items() if name not in _KNOWN
    }
    if "expect" in filled:
        other = ["tool"] if "tool" in filled else list(arguments)
        if other:
            return Drop("`expect` and a call besides", f"the column {other[0][:60]!r} is filled")
        return _written(filled["expect"].strip())
    tool = filled.get("tool", "").strip()
    if not tool:
        return Drop("nothing is expected", "fill in `tool`: a tool's name, or no_call")
    if tool in ("no_call", "any_call"):
        if arguments:
            return Drop(f"{tool} with arguments", f"the column {next(iter(arguments))[:60]!r}")
        return {"expect": tool}
    return {_CELLS: {"tool": tool, "arguments": arguments}}


def _written(text: str) -> Node | Drop:
    """An expectation as a spec writes it, on one line or several."""
    if not text.startswith(("{", "[")):
        return {"expect": text}
    value = _yaml(text)
    return value if isinstance(value, Drop) else {"expect": value}


def _yaml(text: str) -> Json | Drop:
    try:
        return read_yaml(text, "the cell", is_prose=lambda _: False).value
    except SpecError as error:
        return Drop("a cell that is no YAML", error.problems[0].what)


def settle(node: Node, tools: Mapping[str, Tool]) -> Node | Drop:
    """The node with the arguments of its call in the types that the tool declares."""
    if _CELLS not in node:
        return node
    cells = node[_CELLS]
    rest = {name: value for name, value in node.items() if name != _CELLS}
    name, texts = cells["tool"], cells["arguments"]
    if not texts:
        return {**rest, "expect": {"calls": [name]} if name in RESERVED else name}
    parameters = tools[name].parameters if name in tools else {}
    properties = parameters.get("properties")
    schemas = properties if isinstance(properties, Mapping) else {}
    arguments = {}
    for argument, text in texts.items():
        value = _typed(text, schemas.get(argument))
        if isinstance(value, Drop):
            return Drop(value.reason, f"column {argument[:60]!r}: {value.detail}")
        arguments[argument] = value
    call = {name: arguments}
    return {**rest, "expect": {"calls": [call]} if name in RESERVED else call}


def _typed(text: str, schema: Json) -> Json | Drop:
    """A cell as a value of the argument's schema: a text stays one where a text is asked for."""
    bare = text.strip()
    if bare == _EMPTY:
        return ""
    if bare.startswith("{$"):
        return _yaml(bare)
    kinds = schema.get("type") if isinstance(schema, Mapping) else None
    kinds = [kinds] if isinstance(kinds, str) else kinds or []
    if "string" in kinds:
        return text
    if "boolean" in kinds and bare.lower() in ("true", "false"):
        return bare.lower() == "true"
    if bare.startswith(("{", "[")):
        value = _yaml(bare)
        return value if isinstance(value, Drop) else literal(value)
    try:
        value = plain_value(bare)
    except ValueError as error:
        return Drop("a number that cannot be read", str(error))
    return text if isinstance(value, str) else value


def _lost(raw: Raw) -> list[str]:
    filled = [name for name, text in raw.value.items() if str(text).strip()]
    return [f"the column {name!r}" for name in filled if _is_note(_column(name))]


FORMAT: Final = Format(
    name="csv",
    open=open_table,
    convert=convert,
    checked=True,
    settle=settle,
    lost=_lost,
    help="a spreadsheet: columns prompt, tool or expect, one for each argument, id, clause, …",
)
