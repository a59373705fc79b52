"""`run:` of a tool as a spec writes it, checked against the tool's arguments and the folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harness.cases import Json
from harness.errors import nearest
from harness.json_values import shown
from harness.retrieval.folder import Folder
from harness.retrieval.found import RESULTS
from harness.retrieval.index import problem
from harness.retrieval.keys import RUN_KEYS
from harness.retrieval.search import Search
from harness.spec_files.nodes import Report, fields, under

ReadPages = Callable[[str, Report], Folder | None]
"""Reads the folder of that name; None where it cannot be, which is then reported."""


def read_run(
    node: Json, parameters: Mapping[str, Json], read_pages: ReadPages, report: Report
) -> Search | None:
    """What a tool with these parameters does when called; None where that is reported as wrong."""
    good = fields(node, RUN_KEYS, report, "a mapping with `search`")
    if not isinstance(node, Mapping) or len(good) < len(node):
        return None
    if "search" not in good:
        report((), "has no `search`", "name the folder to look through")
        return None
    if lacking := problem():
        report((), lacking, "install a Python whose SQLite has FTS5")
        return None
    query = _query(good.get("query"), parameters, report)
    folder = read_pages(good["search"], under(report, "search"))
    if query is None or folder is None:
        return None
    return Search(folder, query, good.get("results", RESULTS))


def _query(named: str | None, parameters: Mapping[str, Json], report: Report) -> str | None:
    """The argument that holds the query: the one named, `query`, or the only text."""
    declared: Any = parameters.get("properties")
    properties = declared if isinstance(declared, Mapping) else {}
    texts = [name for name, schema in properties.items() if _is_text(schema)]
    if named is not None:
        if named in texts:
            return named
        what = "is no text" if named in properties else "is not declared"
        hint = nearest(named[:80], texts, f"its texts: {', '.join(texts[:12]) or 'none'}")
        report(("query",), f"the argument {shown(named)} {what}", hint)
        return None
    if "query" in texts or len(texts) == 1:
        return "query" if "query" in texts else texts[0]
    found = f"{len(texts)} arguments are texts" if texts else "no argument is a text"
    hint = "name the one to look for: `query: ARGUMENT`" if texts else "declare one"
    report((), f"{found}, and none of them is called `query`" if texts else found, hint)
    return None


def _is_text(schema: Json) -> bool:
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    return kind == "string" or (isinstance(kind, list) and "string" in kind)
