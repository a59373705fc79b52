"""Tools as a spec declares them: a list, a file with a list, a subset by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from harness.cases import Json, Rules, Tool
from harness.errors import nearest
from harness.functiongemma import is_name
from harness.json_values import shown
from harness.retrieval.run_reading import ReadPages, read_run
from harness.spec_files.keys import TOOL_KEYS
from harness.spec_files.nodes import COMMA, Notes, Path, Report, fields, under
from harness.values.schema_faults import unknown_keywords
from harness.values.schemas import ToolSchema, schema_errors, tool_schema

ReadFile = Callable[[str, Report], "Toolbox"]
"""Reads the list of tools in a file; not whole where it fails, which is then reported."""


@dataclass(frozen=True)
class Toolbox:
    """The tools of a case, and where each one stands.

    `whole` is false where some of those written could not be read: a name that is missing here
    may then be one of them.
    """

    tools: tuple[Tool, ...] = ()
    places: Mapping[str, tuple[Notes, Path]] = field(default_factory=dict)
    whole: bool = True

    @cached_property
    def by_name(self) -> dict[str, Tool]:
        """The tools by their names."""
        return {tool.name: tool for tool in self.tools}

    @cached_property
    def schemas(self) -> dict[str, ToolSchema]:
        """Their compiled schemas."""
        return {tool.name: tool_schema(tool) for tool in self.tools}

    @cached_property
    def value_schemas(self) -> dict[tuple[str, str], ToolSchema]:
        """A cache of schemas of single arguments, by tool and argument."""
        return {}


def read_tools(
    node: Json,
    notes: Notes,
    path: Path,
    *,
    rules: Rules,
    read_file: ReadFile,
    read_pages: ReadPages,
    known: Toolbox | None = None,
    where: str = "tools",
) -> Toolbox:
    """The tools of a `tools:` node at `path`; not whole where any of them cannot be used.

    `known` are those that a list may name (a case's subset); without it names are refused.
    """
    report = notes.report(path, where)
    if isinstance(node, str):
        return read_file(node, report)
    if not isinstance(node, list):
        report((), f"found {shown(node)}, expected a list of tools, or the path of a file with one")
        return Toolbox(whole=False)
    before = len(notes.problems)
    tools: dict[str, Tool] = {}
    places: dict[str, tuple[Notes, Path]] = {}
    for index, item in enumerate(node):
        found = _one(item, index, notes, path, rules, read_pages, known, report)
        if found is None:
            continue
        tool, place = found
        if tool.name in tools:
            report((index,), f"two tools are called {shown(tool.name)}")
        tools[tool.name], places[tool.name] = tool, place
    return Toolbox(tuple(tools.values()), places, whole=len(notes.problems) == before)


def _one(
    item: Json,
    index: int,
    notes: Notes,
    path: Path,
    rules: Rules,
    read_pages: ReadPages,
    known: Toolbox | None,
    report: Report,
) -> tuple[Tool, tuple[Notes, Path]] | None:
    if isinstance(item, str) and known is not None:
        if item in known.by_name:
            return known.by_name[item], known.places[item]
        hint = nearest(item[:80], known.by_name) or _list_names(known)
        if known.whole:
            report((index,), f"{shown(item)} is not a tool of this file", hint)
        return None
    place = (*path, index)
    if isinstance(item, Mapping) and isinstance(item.get("function"), Mapping):
        item, place = _unwrapped(item, report, index), (*place, "function")
    tool = _tool(item, notes, place, rules, read_pages, f"tool no. {index + 1}")
    return (tool, (notes, place)) if tool else None


def refuse_args(toolbox: Toolbox) -> None:
    """Under `target: args_json`: report each tool that declares an argument `args` itself."""
    for tool in toolbox.tools:
        if "args" in toolbox.schemas[tool.name].declared:
            notes, path = toolbox.places[tool.name]
            what = "declares 'args', the argument into which `target: args_json` writes all others"
            hint = "rename it, or leave `target` out"
            inside = _as_written(("properties", "args"), _written_full(notes, path))
            notes.report(path, f"tool {tool.name[:80]}")(("parameters", *inside), what, hint)


def _written_full(notes: Notes, path: Path) -> bool:
    """Whether the tool at the path has a whole JSON Schema, and not the short form."""
    return isinstance(_at(notes.document.value, (*path, "parameters")).get("type"), str)


def _list_names(known: Toolbox) -> str:
    names = [tool.name for tool in known.tools]
    return f"its tools: {', '.join(names[:12])}" if names else "the file declares no tools"


def _unwrapped(item: Mapping[str, Json], report: Report, index: int) -> Json:
    """The function of `{type: function, function: …}`, as chat APIs wrap it."""
    for key, value in item.items():
        if key not in ("type", "function"):
            report((index, key), f"unknown key {shown(key)} beside `function`", unknown=True)
        elif key == "type" and value != "function":
            report((index, key), f"found {shown(value)}, expected 'function'")
    return item["function"]


def _tool(
    item: Json, notes: Notes, path: Path, rules: Rules, read_pages: ReadPages, where: str
) -> Tool | None:
    name = item.get("name") if isinstance(item, Mapping) else None
    if isinstance(name, str) and name:
        where = f"tool {name[:80]}"
    report = notes.report(path, where)
    before = len(notes.problems)
    good = fields(item, TOOL_KEYS, report, "a tool: a mapping with `name`")
    if isinstance(item, Mapping) and "name" not in item:
        report((), "has no `name`", "every tool needs one")
    elif "name" in good and not is_name(good["name"]):
        report(("name",), f"found {shown(name)}, expected {TOOL_KEYS['name'].expected}")
    parameters = good.get("parameters") or {}
    if parameters:
        parameters = _parameters(parameters, rules, report)
    if len(notes.problems) > before:
        return None
    run = None
    if "run" in good:
        run = read_run(good["run"], parameters, read_pages, under(report, "run"))
        if run is None:
            return None
    return Tool(good["name"], good.get("description", ""), parameters, run)


def _parameters(node: Mapping[str, Any], rules: Rules, report: Report) -> dict[str, Json]:
    """The JSON Schema of the arguments, the short form written out; errors are reported."""
    full = node.get("type") == "object" or (rules == "bfcl" and node.get("type") == "dict")
    if not full and not _short_form(node, report):
        return {}
    parameters: dict[str, Json] = (
        dict(node) if full else {"type": "object", "properties": dict(node), "required": list(node)}
    )
    for path, what, hint in [] if rules == "bfcl" else schema_errors(parameters):
        report(("parameters", *_as_written(path, full)), what, hint)
    for path, what, hint in unknown_keywords(parameters):
        if _at(parameters, path) is None:
            report(("parameters", *_as_written(path, full)), what, hint or COMMA, unknown=True)
    return parameters


def _as_written(path: Path, full: bool) -> Path:
    """A path into a schema → into what its author wrote, perhaps in the short form."""
    if full:
        return path
    return path[1:] if path[:1] == ("properties",) else ()


def _at(schema: Json, path: Path) -> Json:
    for step in path:
        schema = schema[step]
    return schema


def _short_form(node: Mapping[str, Any], report: Report) -> bool:
    """Whether a short form is one: arguments and their schemas, not a schema without its type."""
    kind = node.get("type")
    if isinstance(kind, str):
        hint = "write `type: object`; JSON Schema's types are lower-case words"
        report(("parameters", "type"), f"found {shown(kind)}, expected 'object'", hint)
        return False
    properties = node.get("properties")
    if isinstance(properties, Mapping) and not isinstance(properties.get("type"), str):
        hint = "add `type: object`"
        report(("parameters",), "looks like a JSON Schema, but has no `type: object`", hint)
        return False
    good = True
    for name, schema in node.items():
        if not isinstance(schema, Mapping | bool):
            hint = ""
            if isinstance(schema, str) and len(schema) < 20:
                hint = f"write `{{type: {schema}}}`"
            what = f"found {shown(schema)}, expected the JSON Schema of the argument"
            report(("parameters", name), what, hint, unknown=schema is None)
            good = False
    return good
