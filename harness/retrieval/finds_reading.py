"""`finds` and `then` of a case as a spec writes them, checked against tools and pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from harness.cases import Calls, Expectation, Json, Matcher, OneOf, Then, Tool
from harness.errors import nearest
from harness.json_values import shown
from harness.retrieval.found import RESULTS, Finds
from harness.retrieval.keys import FINDS_KEYS, FOUND_PAGES, THEN_KEYS
from harness.spec_files.expectations import Setting, read_says
from harness.spec_files.keys import CASE_KEYS
from harness.spec_files.nodes import Report, fields, fits, under
from harness.values.safe_regex import RegexTimeout
from harness.values.schemas import UnusableSchema
from harness.wording import count

_EXAMPLE: Final = f"for example `{CASE_KEYS['finds'].example}`"


def read_finds(
    node: Json, tools: Mapping[str, Tool], expect: Expectation, report: Report
) -> Finds | None:
    """What the calls must find; None where that is reported as wrong."""
    if not isinstance(node, Mapping):
        report((), f"found {shown(node)}, expected {CASE_KEYS['finds'].expected}", _EXAMPLE)
        return None
    if "within" in tools:
        report((), "a tool called `within` cannot be named here", "rename the tool")
        return None
    good = fields({k: v for k, v in node.items() if k in FINDS_KEYS}, FINDS_KEYS, report)
    names = [name for name in node if name not in FINDS_KEYS]
    if not names:
        report((), "names no tool and no page that it must find", _EXAMPLE)
        return None
    pages: dict[str, tuple[str, ...]] = {}
    for name in names:
        tool = _runs(name, tools, expect, report)
        found = _pages(node[name], tool, under(report, name)) if tool else None
        if found:
            pages[name] = found
    within = good.get("within", RESULTS)
    for name, some in pages.items():
        fewest = min(called.count(name) for called in _called(expect))
        if len(set(some)) > within * fewest:
            what = f"{len(set(some))} pages cannot all be among the first {within} of "
            report((name,), what + count(fewest, "call"), "raise `within`, or name fewer pages")
            return None
    whole = len(pages) == len(names) and len(good) + len(names) == len(node)
    return Finds(pages, within) if whole else None


def _runs(name: str, tools: Mapping[str, Tool], expect: Expectation, report: Report) -> Tool | None:
    """The tool of that name, where it runs and every alternative calls it."""
    if name not in tools:
        report((name,), f"unknown tool {shown(name)}", nearest(name[:80], tools), unknown=True)
    elif tools[name].run is None:
        hint = "add `run: {search: FOLDER}` to the tool"
        report((name,), f"{name} has no `run`, so a call of it finds nothing", hint, key=True)
    elif not all(name in called for called in _called(expect)):
        what = f"{name} is to find something, and `expect` does not always call it"
        report((name,), what, "expect a call of it", key=True)
    else:
        return tools[name]
    return None


def _called(expect: Expectation) -> Iterator[list[str]]:
    """The tools that each alternative calls, once a call; none for what names no calls."""
    if isinstance(expect, OneOf):
        for option in expect.options:
            yield from _called(option)
    else:
        yield [call.tool for call in expect.calls] if isinstance(expect, Calls) else []


def _pages(node: Json, tool: Tool, report: Report) -> tuple[str, ...] | None:
    """One page or several, each of which is there to be found."""
    assert tool.run is not None
    if not fits(node, FOUND_PAGES.schema) or not node:
        report((), f"found {shown(node)}, expected {FOUND_PAGES.expected}")
        return None
    pages = [node] if isinstance(node, str) else node
    known = tool.run.pages
    for place, page in enumerate(pages):
        inside = under(report, place) if isinstance(node, list) else report
        if not isinstance(page, str) or page not in known:
            near = nearest(str(page)[:80], known, f"there are {', '.join(known[:12])}")
            inside((), f"{shown(page)} is not a page that {tool.name} could find", near)
            return None
    return tuple(pages)


def read_then(
    node: Json,
    tools: Mapping[str, Tool],
    expect: Expectation,
    setting: Setting,
    report: Report,
) -> Then | None:
    """What must be answered to what the calls found; None where that is reported as wrong."""
    good = fields(node, THEN_KEYS, report, CASE_KEYS["then"].expected)
    if not isinstance(node, Mapping) or len(good) < len(node):
        return None
    if "says" not in good:
        report((), "has no `says`", "say what the answer must hold")
        return None
    for called in _called(expect):
        idle = [name for name in called if name in tools and tools[name].run is None]
        if idle or not called:
            what = f"{idle[0]} has no `run`" if idle else "`expect` names no call"
            hint = "add `run: {search: FOLDER}` to the tool" if idle else "expect calls by name"
            report((), f"{what}, so there is nothing to answer to", hint)
            return None
    says = read_says(good["says"], setting, under(report, "says"))
    if says is None:
        return None
    reply = good.get("reply")
    unmet = _unmet(says, reply) if reply is not None else None
    if unmet:
        report(("reply",), f"does not meet `says`: {unmet}")
        return None
    return Then(says, reply, good["says"])


def _unmet(says: Matcher, reply: str) -> str | None:
    try:
        return says.problem(reply)
    except (RegexTimeout, UnusableSchema) as error:
        return str(error)
