"""An `expect:` node → an Expectation, checked against the tools that the case declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from harness.bfcl import rules as bfcl_rules
from harness.cases import (
    NO_GOLD,
    AnyCall,
    Calls,
    Expectation,
    ExpectedCall,
    Json,
    Matcher,
    NoCall,
    OneOf,
    Rules,
    Tool,
)
from harness.errors import nearest
from harness.json_values import shown
from harness.matchers import MatcherError, compile_arguments, compile_value
from harness.spec_files.keys import EXPECT_KEYS, RESERVED
from harness.spec_files.members import members_fit, problems_of
from harness.spec_files.nodes import Path, Report, fields, under
from harness.spec_files.slips import NO_CALL_HINT, operator_slip, tool_slip, value_slip
from harness.spec_files.tool_lists import Toolbox
from harness.values.matcher_kinds import Match
from harness.values.safe_regex import RegexTimeout, compile_pattern, found
from harness.values.schemas import ToolSchema, tool_schema

FORMS: Final = (
    "a tool's name, `{TOOL: {argument: value}}`, a list of those, `{calls: […]}`, `no_call`, "
    "`any_call` or `{one_of: […]}`"
)
_DEEPEST: Final = 50
_SHARED: Final = ("type", "$defs", "definitions", "patternProperties", "additionalProperties")
"""What of a tool's schema bears on each of its arguments alone."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What an expectation is read against.

    Not `checked`: calls that are written out whole may break their tools' schemas, as rows of data
    sets do.
    """

    toolbox: Toolbox
    fold: bool = False
    rules: Rules = "callgate"
    checked: bool = True


def read_expectation(
    node: Json, setting: Setting, report: Report, depth: int = 0
) -> Expectation | None:
    """The expectation; None where anything is wrong with it, which is then reported."""
    if depth > _DEEPEST:
        report((), f"`one_of` inside one another more than {_DEEPEST} deep")
        return None
    if isinstance(node, str):
        return _word(node, setting, report)
    if isinstance(node, list):
        return _calls(node, False, setting, report, reserved=True)
    if not isinstance(node, Mapping) or not node:
        hint = NO_CALL_HINT if node is None else ""
        report((), f"found {shown(node)}, expected {FORMS}", hint)
        return None
    if "no_call" in node:
        return _no_call_form(node, setting, report)
    if "one_of" in node:
        return _one_of_form(node, setting, report, depth)
    if "calls" in node:
        return _calls_form(node, setting, report)
    call = _call(node, setting, report, reserved=True)
    return Calls((call,)) if call else None


def _word(word: str, setting: Setting, report: Report) -> Expectation | None:
    if word == "no_call":
        return NoCall()
    if word == "any_call":
        return _any_call(setting, report)
    call = _call(word, setting, report, reserved=True)
    return Calls((call,)) if call else None


def _any_call(setting: Setting, report: Report) -> Expectation | None:
    if not setting.toolbox.tools:
        report((), "a call is expected, but no tools are declared", "add `tools`")
        return None
    return AnyCall()


def _no_call_form(node: Mapping[str, Json], setting: Setting, report: Report) -> Expectation | None:
    if isinstance(node["no_call"], Mapping):
        hint = "a tool of that name is written under `calls:`"
        report(("no_call",), f"found {shown(node['no_call'])}, expected `true`", hint)
        return None
    if node["no_call"] is None:
        hint = "write no_call without braces" if len(node) == 1 else "write `no_call: true`"
        report(("no_call",), "found null, expected `true`", hint)
        return None
    good = fields(node, EXPECT_KEYS["no_call"], report)
    if len(good) < len(node):
        return None
    if "says" not in good:
        return NoCall()
    says = read_says(good["says"], setting, under(report, "says"))
    return NoCall(says) if says else None


def read_says(node: Json, setting: Setting, report: Report) -> Matcher | None:
    """What a text must match; None where anything is wrong with it, which is then reported."""
    says = _value(node, setting, report)
    if isinstance(says, Match) and (says.optional or says.absent):
        flag = "$optional" if says.optional else "$absent"
        hint = "a reply always has a text, if an empty one"
        report((flag,), f"{flag} has no meaning here", hint, key=True)
        return None
    if says is None or isinstance(says, Match) or isinstance(node, str):
        return says
    hint = operator_slip(node)
    if not hint and not isinstance(node, Mapping | list):
        hint = "put it in quotes"
    report((), f"found {shown(node)}, expected a text or a match", hint)
    return None


def _one_of_form(
    node: Mapping[str, Json], setting: Setting, report: Report, depth: int
) -> Expectation | None:
    good = fields(node, EXPECT_KEYS["one_of"], report)
    if len(good) < len(node):
        return None
    options = [
        read_expectation(option, setting, under(report, "one_of", place), depth + 1)
        for place, option in enumerate(good["one_of"])
    ]
    whole = tuple(option for option in options if option is not None)
    return OneOf(whole) if len(whole) == len(options) else None


def _calls_form(node: Mapping[str, Json], setting: Setting, report: Report) -> Expectation | None:
    good = fields(node, EXPECT_KEYS["calls"], report)
    if len(good) < len(node):
        return None
    ordered = good.get("order") == "strict"
    return _calls(good["calls"], ordered, setting, under(report, "calls"), reserved=False)


def _calls(
    nodes: list[Json], ordered: bool, setting: Setting, report: Report, *, reserved: bool
) -> Calls | None:
    if not nodes:
        report((), "found [], expected at least one call", "for no call write `no_call`")
        return None
    calls = [
        _call(node, setting, under(report, place), reserved=reserved)
        for place, node in enumerate(nodes)
    ]
    whole = tuple(call for call in calls if call is not None)
    return Calls(whole, ordered) if len(whole) == len(calls) else None


def _call(node: Json, setting: Setting, report: Report, *, reserved: bool) -> ExpectedCall | None:
    """`TOOL` or `{TOOL: {argument: value}}`; `reserved`: reserved words are no tools here."""
    named: Path = ()
    name, arguments = node, None
    if isinstance(node, Mapping):
        if len(node) != 1:
            what = f"found {len(node)} tools in one mapping" if node else "found {}"
            report((), f"{what}, expected one tool", "write several calls as a list")
            return None
        name, arguments = next(iter(node.items()))
        named = (name,)
    if not isinstance(name, str):
        what = f"found {shown(name)}, expected a tool's name or `{{TOOL: {{argument: value}}}}`"
        report(named, what, key=bool(named))
        return None
    if reserved and name in RESERVED:
        hint = f"a tool called {name} is written under `calls:`"
        if name == "any_call" and isinstance(node, Mapping):
            hint = "for the expectation write the word alone; " + hint
        report(named, f"{name!r} is a reserved word here", hint, key=bool(named))
        return None
    tool = setting.toolbox.by_name.get(name)
    if tool is None and not setting.toolbox.whole:
        return None
    if tool is None:
        what, hint = f"unknown tool {shown(name)}", _tools_hint(name, setting)
        report(named, what, hint, key=bool(named), unknown=bool(named) and arguments is None)
        return None
    if not named:
        return ExpectedCall(name)
    return _with_arguments(tool, arguments, setting, report)


def _tools_hint(name: str, setting: Setting) -> str:
    names = [tool.name for tool in setting.toolbox.tools]
    if slip := tool_slip(name, names):
        return slip
    if not names:
        return "no tools are declared: add `tools`"
    return nearest(name[:80], names[:500], otherwise=f"declared: {', '.join(names[:12])}")


def _with_arguments(
    tool: Tool, node: Json, setting: Setting, report: Report
) -> ExpectedCall | None:
    inside = under(report, tool.name)
    if not isinstance(node, Mapping):
        hint = ""
        if node is None:
            hint = f"write `{tool.name}: {{}}` for a call without arguments, the name alone for any"
        inside((), f"found {shown(node)}, expected a mapping of arguments to values", hint)
        return None
    arguments: dict[str, Matcher] = {}
    for name, value in node.items():
        try:
            arguments.update(_matchers({name: value}, setting))
        except MatcherError as error:
            inside(tuple(error.path), error.what, error.hint, key=error.path == (name,))
    if len(arguments) < len(node):
        return None
    if not setting.checked and not any(m.gold is NO_GOLD for m in arguments.values()):
        return ExpectedCall(tool.name, arguments)
    good = _names_fit(tool, arguments, setting, inside)
    if setting.rules == "callgate":
        good = _values_fit(tool, arguments, setting, _advising(inside, node), whole=good)
    return ExpectedCall(tool.name, arguments) if good else None


def _matchers(node: Mapping[str, Json], setting: Setting) -> Mapping[str, Matcher]:
    if setting.rules == "bfcl":
        return bfcl_rules.compile_answers(node)
    return compile_arguments(node, fold=setting.fold)


def _value(node: Json, setting: Setting, report: Report) -> Matcher | None:
    try:
        return compile_value(node, fold=setting.fold)
    except MatcherError as error:
        report(tuple(error.path), error.what, error.hint)
        return None


def _names_fit(
    tool: Tool, arguments: Mapping[str, Matcher], setting: Setting, report: Report
) -> bool:
    """No argument that the tool does not have; under our own rules no required one missing."""
    good = True
    schema = setting.toolbox.schemas[tool.name]
    for name, matcher in arguments.items():
        if not matcher.absent and not _may_have(name, schema, setting.rules):
            known = ", ".join(list(schema.declared)[:12]) or "none"
            hint = nearest(name[:80], schema.declared, otherwise=f"its arguments: {known}")
            report((name,), f"{tool.name} has no argument {shown(name)}", hint, unknown=True)
            good = False
    if setting.rules == "bfcl":
        return good
    for name in schema.required:
        if name not in arguments:
            hint = f"add it, or `{name}: {{$any: true}}` where its value does not matter"
            report((), f"the required argument {shown(name)} is missing", hint, key=True)
            good = False
        elif arguments[name].absent:
            report((name,), f"{shown(name)} is required, so a call without it is never valid")
            good = False
        elif arguments[name].optional:
            what = f"{shown(name)} is required, so a call without it is never valid"
            report((name, "$optional"), what, "leave $optional out", key=True)
            good = False
    return good


def _may_have(name: str, schema: ToolSchema, rules: Rules) -> bool:
    """Whether a call may have the argument; BFCL knows declared ones alone."""
    if name in schema.declared:
        return True
    if rules == "bfcl" or schema.parameters.get("additionalProperties") is not False:
        return rules != "bfcl"
    patterns = schema.parameters.get("patternProperties", ())
    try:
        return any(found(compile_pattern(pattern), name) for pattern in patterns)
    except RegexTimeout:
        return False


def _values_fit(
    tool: Tool, arguments: Mapping[str, Matcher], setting: Setting, report: Report, *, whole: bool
) -> bool:
    """The values to train on are valid: a call with them would not be `invalid_arguments`.

    `whole`: the names are as they should be, so that all values together can be checked too.
    """
    schema = setting.toolbox.schemas[tool.name]
    gold = {name: m.gold for name, m in arguments.items() if m.gold is not NO_GOLD and not m.absent}
    good = whole
    properties = tool.parameters.get("properties") or {}
    for name, matcher in arguments.items():
        if matcher.gold is NO_GOLD and name in properties:
            good &= members_fit(properties[name], matcher, under(report, name))
    for name, value in gold.items():
        if name not in schema.declared:
            continue
        for problem in problems_of(_value_schema(tool, name, setting), {name: value}):
            report((name,), problem.removeprefix(f"argument {shown(name)}: "))
            good = False
    if good and all(name in gold for name in schema.required):
        for problem in problems_of(schema, gold):
            report((), problem)
            good = False
    return good


def _advising(report: Report, node: Mapping[str, Json]) -> Report:
    """The same report, with what to do about a value of the wrong type where that is plain."""

    def note(
        path: Path, what: str, hint: str = "", *, key: bool = False, unknown: bool = False
    ) -> None:
        if len(path) == 1 and not (hint or key):
            hint = value_slip(node.get(str(path[0])), what)
        report(path, what, hint, key=key, unknown=unknown)

    return note


def _value_schema(tool: Tool, name: str, setting: Setting) -> ToolSchema:
    """The schema of the tool as if the argument were its only one."""
    cache = setting.toolbox.value_schemas
    if (tool.name, name) not in cache:
        own = {
            keyword: value
            for keyword, value in tool.parameters.items()
            if keyword
            in ("type", "$defs", "definitions", "patternProperties", "additionalProperties")
        }
        properties = tool.parameters.get("properties") or {}
        if name in properties:
            own["properties"] = {name: properties[name]}
        cache[tool.name, name] = tool_schema(Tool(tool.name, "", own))
    return cache[tool.name, name]
