"""Rows of bebechien/SimpleToolCalling, the data set of Google's FunctionGemma tuning guide.

A row, of JSON lines or of a table, has `user_content`, `tool_name` and `tool_arguments` (a JSON
text). It declares no tools: they are the spec's, or else the guide's two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from harness.cases import Call, Json
from harness.json_values import shown
from harness.sources.rows import (
    Drop,
    Format,
    Node,
    NotJson,
    Raw,
    expected_calls,
    open_rows,
    parse_json,
    unread,
)

NO_ROW: Final = "no mapping"
NO_PROMPT: Final = "no user_content"
NO_TOOL: Final = "no tool_name"
NO_ARGUMENTS: Final = "tool_arguments are no JSON object"


def _search(name: str, description: str) -> dict[str, Json]:
    query = {"type": "string", "description": "query string"}
    return {"name": name, "description": description, "parameters": {"query": query}}


TOOLS: Final = (
    _search(
        "search_knowledge_base", "Search internal company documents, policies and project data."
    ),
    _search("search_google", "Search public information."),
)
"""What the guide's two functions come to as tools; `return`, which it adds, is never rendered."""


def convert(raw: Raw) -> Node | Drop:
    """The case of a row, or why it has none; its id is made of the prompt, as in a written spec."""
    row = raw.value
    if not isinstance(row, Mapping):
        return Drop(NO_ROW, shown(row, 60))
    prompt, name = row.get("user_content"), row.get("tool_name")
    if not isinstance(prompt, str) or not prompt.strip():
        return Drop(NO_PROMPT, shown(prompt, 60))
    if not isinstance(name, str) or not name.strip():
        return Drop(NO_TOOL, shown(name, 60))
    arguments = _arguments(row.get("tool_arguments"))
    if isinstance(arguments, Drop):
        return arguments
    return {"prompt": prompt, "expect": expected_calls([Call(name.strip(), arguments)])}


def _arguments(written: Json) -> dict[str, Json] | Drop:
    """The arguments: a JSON text in the data set itself, perhaps a mapping in JSON lines."""
    if isinstance(written, str):
        try:
            written = parse_json(written)
        except NotJson as error:
            return Drop(NO_ARGUMENTS, str(error.drop))
    return written if isinstance(written, dict) else Drop(NO_ARGUMENTS, shown(written, 60))


def _lost(raw: Raw) -> list[str]:
    """The columns of a row that made a case which are none of its three."""
    return unread(raw.value, _READ, "the row")


_READ: Final = frozenset({"user_content", "tool_name", "tool_arguments"})

FORMAT: Final = Format(
    name="simple_tool_calling",
    open=open_rows,
    convert=convert,
    defaults={"tools": list(TOOLS), "compare": "tool"},
    lost=_lost,
    help="the data set of Google's tuning guide: user_content, tool_name, tool_arguments",
)
