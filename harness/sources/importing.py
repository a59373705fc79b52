"""`callgate import`: a data set → a spec file with the cases that `source:` would read from it.

Only a call that breaks the schema of its own tool, as data sets have them, cannot be written: it
is dropped and counted. The file is read back before it is written, and its cases are those of the
data set, or nothing is written at all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.cases import SPLITS, Case, Json, RowsRead, Spec
from harness.errors import CallgateError, SpecError, UsageError
from harness.footnotes import rows_text
from harness.loading import SUFFIX, read_spec
from harness.sources.opening import format_defaults, read_source
from harness.sources.reading import row_node
from harness.sources.row_warnings import lost_text
from harness.sources.rows import Drop, Node
from harness.sources.yaml_writing import yaml_text
from harness.spec_files.case_reading import WrittenCase
from harness.spec_files.keys import IDENTIFIER_SCHEMA
from harness.spec_files.nodes import Notes, fits
from harness.spec_files.strict_yaml import MAX_BYTES, read_yaml, read_yaml_file
from harness.wording import count, shown_path
from harness.writing import write_whole

_CASE_KEYS: Final = (
    *("id", "prompt", "messages", "developer", "tools", "expect", "reply"),
    *("clause", "split", "tags", "group", "critical", "skip", "compare"),
)
"""The keys of a case in the order in which people read them."""
_MOST_TOOLS: Final = 100
"""Tools that are declared once at the top, where cases name those they use."""


@dataclass(frozen=True)
class Order:
    """What to import: a source as a spec names it, its paths absolute, and where to write it.

    `tools` is a file with a list of tools, or a spec whose tools and clauses are taken.
    """

    source: Mapping[str, Json]
    out: Path
    tools: Path | None = None
    force: bool = False


@dataclass(frozen=True)
class Imported:
    """The text of the spec, empty where no row became a case, and the report for people."""

    text: str
    lines: tuple[str, ...]


def import_rows(order: Order) -> Imported:
    """Write the spec file and say what was kept, dropped and lost.

    Raises:
        UsageError: the file is there already or cannot be written, or the source cannot be read.
    """
    _check_out(order)
    head = _head(order)
    spec, written = _read(order, {**head, "source": dict(order.source)})
    assert spec.source is not None
    if not spec.cases:
        return Imported("", (*_report(spec.source), f"{order.out} is not written: it has no case"))
    document = _document(order, head, spec.source, written)
    text = yaml_text(document, apart=("tools", "cases"))
    if len(text.encode()) > MAX_BYTES:
        raise UsageError(
            f"{order.out} would have {len(text.encode()):,} bytes, and a spec file has at most "
            f"{MAX_BYTES:,}: add --limit, or keep the data set as the `source:` of a spec"
        )
    warnings = _prove(text, order, spec.cases)
    write_whole(order.out, text)
    return Imported(text, (*_report(spec.source), *_written_lines(order.out, spec, warnings)))


def _check_out(order: Order) -> None:
    if not order.out.name.endswith(SUFFIX):
        raise UsageError(f"{order.out}: the names of spec files end in {SUFFIX!r}")
    if order.out.exists() and not order.force:
        raise UsageError(f"{order.out} is there already: --force overwrites it")


def _head(order: Order) -> dict[str, Json]:
    """The keys of the file that the cases are read against."""
    head: dict[str, Json] = {}
    if order.tools is not None:
        head = _declared(order.tools, order.out.parent)
    if order.source["format"] == "csv":
        if order.tools is None:
            raise UsageError("the rows of a csv declare no tools: name a file with them by --tools")
        named = {name: f"{name} (say it in words)" for name in _clauses(order)}
        head["clauses"] = {**named, **head.get("clauses", {})}
    return {name: value for name, value in head.items() if value}


def _declared(file: Path, out: Path) -> dict[str, Json]:
    """The tools of a file with a list of them, or of a spec, and then its clauses too.

    The folders that they search are named relative to `out`, where the new spec will be.
    """
    beside = file.parent
    try:
        value = read_yaml_file(file, shown_path(file)).value
        found = value if isinstance(value, Mapping) else {"tools": value}
        if isinstance(found.get("tools"), str):
            inner = file.parent / found["tools"]
            beside = inner.parent
            found = {**found, "tools": read_yaml_file(inner, shown_path(inner)).value}
    except SpecError as error:
        raise UsageError(str(error)) from None
    if not isinstance(found.get("tools"), list):
        raise UsageError(f"{file}: expected a list of tools, or a spec with `tools`")
    clauses = found.get("clauses")
    tools = [_moved(tool, beside, out) for tool in found["tools"]]
    return {"tools": tools, "clauses": clauses if isinstance(clauses, dict) else {}}


def _moved(tool: Json, beside: Path, out: Path) -> Json:
    """The tool with the folder that it searches named relative to another place."""
    run = tool.get("run") if isinstance(tool, Mapping) else None
    if not isinstance(run, Mapping) or not isinstance(run.get("search"), str):
        return tool
    folder = Path(os.path.relpath(beside / run["search"], out)).as_posix()
    return {**tool, "run": {**run, "search": folder}}


def _clauses(order: Order) -> list[str]:
    """The clauses that the rows of a table name, in their order."""
    notes = Notes(read_yaml(yaml_text({"source": dict(order.source)}), str(order.out)))
    source = read_source(dict(order.source), notes, order.out.parent)
    if source is None:
        return []
    rows = (source.rows[index] for index, _ in source.chosen.rows)
    nodes = [source.format.convert(row) for row in rows if not isinstance(row, Drop)]
    named = [node["clause"] for node in nodes if isinstance(node, dict) and "clause" in node]
    # Others are no clause's name: their rows are dropped, and counted, as no sound cases.
    return [name for name in dict.fromkeys(named) if fits(name, IDENTIFIER_SCHEMA)]


def _read(order: Order, document: Mapping[str, Json]) -> tuple[Spec, list[WrittenCase]]:
    """The cases as a spec with this source reads them, less those that cannot be written."""
    text = yaml_text(document)
    loaded, written = read_spec(text.encode(), order.out, str(order.out), warn=False, checked=True)
    if loaded.spec is None:
        said = [f"{p.where}: {p.what}{f' ({p.hint})' if p.hint else ''}" for p in loaded.problems]
        raise UsageError("\n".join(said))
    return loaded.spec, written


# The document


def _document(
    order: Order, head: Mapping[str, Json], read: RowsRead, written: Sequence[WrittenCase]
) -> dict[str, Json]:
    """The spec file as plain data."""
    cases = [{**row_node(one), "id": one.case.id} for one in written]
    tools = _shared_tools(cases, head.get("tools", []))
    developer = _shared(cases, "developer")
    settings = {**format_defaults(order.source), **head}
    settings |= {"developer": developer} if developer else {}
    settings |= {"tools": tools} if tools else {}
    document: dict[str, Json] = {"description": f"Imported from {read.place} ({read.format})."}
    document |= {name: value for name, value in settings.items() if name != "tools"}
    document |= {"tools": settings["tools"]} if settings.get("tools") else {}
    ordered = [{name: case[name] for name in _CASE_KEYS if name in case} for case in cases]
    return {**document, "cases": ordered}


def _shared(cases: Sequence[Node], name: str) -> Json:
    """What all cases have under a key, taken out of them; None where they differ."""
    values = {_text(case.get(name)) for case in cases}
    if len(values) > 1 or name not in cases[0]:
        return None
    shared = cases[0][name]
    for case in cases:
        del case[name]
    return shared


def _shared_tools(cases: Sequence[Node], declared: list[Json]) -> list[Json]:
    """The tools for the top of the file; cases that use some of them name these.

    Only the `declared` ones where two cases declare different tools of one name, or all of them
    together very many.
    """
    if not any("tools" in case for case in cases):
        return declared
    if not declared and (shared := _shared(cases, "tools")) is not None:
        return list(shared)
    tools = {tool["name"]: tool for tool in declared if isinstance(tool, dict) and "name" in tool}
    for case in cases:
        for tool in case.get("tools", ()):
            if _text(tools.setdefault(tool["name"], tool)) != _text(tool):
                return declared
    if len(tools) > _MOST_TOOLS or (declared and len(tools) > len(declared)):
        return declared
    if not all("tools" in case for case in cases):
        return declared  # a case without tools of its own has those of the file
    for case in cases:
        case["tools"] = [tool["name"] for tool in case["tools"]]
        if case["tools"] == list(tools):
            del case["tools"]
    return list(tools.values())


def _text(value: Json) -> str:
    return json.dumps(value)


# The proof


def _prove(text: str, order: Order, cases: Sequence[Case]) -> int:
    """Read the text back: its cases are those of the source. Gives the number of warnings.

    Raises CallgateError where they are not: a bug, and nothing is written.
    """
    loaded, _ = read_spec(text.encode(), order.out, str(order.out), warn=True)
    back = loaded.spec.cases if loaded.spec else ()
    differing = [one.id for one, other in zip(cases, back, strict=False) if not _same(one, other)]
    if len(back) != len(cases) or differing:
        why = loaded.problems[0] if loaded.problems else f"case {', '.join(differing[:3])}"
        raise CallgateError(
            f"{order.out} is not written: read back, it would hold other cases than "
            f"{order.source['format']}; please report it ({why})"
        )
    return len(loaded.warnings)


def _same(one: Case, other: Case) -> bool:
    return _content(one) == _content(other)


def _content(case: Case) -> str:
    """All of a case but where it stands."""
    held = {
        name: value
        for name, value in vars(case).items()
        if name not in ("request", "expect", "location")
    }
    tools = [tool.declaration() for tool in case.tools]
    return json.dumps([held, case.request.messages, tools])


# The report


def _report(read: RowsRead) -> Iterable[str]:
    yield rows_text(read)
    for one in read.dropped:
        detail = f": {one.detail}" if one.detail else ""
        yield f"  dropped {one.count}: {one.reason}; the first at {one.first}{detail}"
    if read.lost:
        yield f"could not be carried over: {lost_text(read)}"
    if read.hint:
        yield read.hint


def _written_lines(out: Path, spec: Spec, warnings: int) -> Iterable[str]:
    splits = [f"{len(spec.in_split(name))} {name}" for name in SPLITS if spec.in_split(name)]
    cases = f"{count(len(spec.cases), 'case')} ({', '.join(splits)})"
    yield f"{out}: {cases}, read back: the same cases"
    if warnings:
        yield f"callgate lint {out} shows {count(warnings, 'warning')}"
