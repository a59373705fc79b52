"""The arguments of one call against the expected ones, default values counted as written."""

from __future__ import annotations

from harness.cases import Call, ExpectedCall, Json, Tool
from harness.json_values import equal
from harness.matchers import shown
from harness.values.schemas import tool_schema


def argument_problems(expected: ExpectedCall, call: Call, tool: Tool) -> list[str]:
    """One sentence per argument of `call` that is not as `expected`; defaults count as written."""
    if expected.arguments is None:
        return []
    defaults = tool_schema(tool).defaults
    problems = []
    for name, matcher in expected.arguments.items():
        if name in call.arguments:
            problem = matcher.problem(call.arguments[name])
        elif matcher.optional or matcher.absent:
            problem = None
        elif name in defaults:
            problem = _of_default(matcher.problem(defaults[name]), defaults[name])
        else:
            problem = "expected a value, the call leaves it out"
        if name in call.arguments and matcher.absent:
            problem = f"expected no value, got {shown(call.arguments[name])}"
        problems += [f"argument {shown(name)}: {problem}"] if problem else []
    return problems + _unnamed(expected, call, defaults)


def _of_default(problem: str | None, default: Json) -> str | None:
    """The problem of a default that stands for an argument left out: nobody wrote it."""
    if problem is None:
        return None
    told = f"left out, so its default {shown(default)}"
    expected = problem.removesuffix(f", got {shown(default)}")
    return f"{problem} ({told})" if expected == problem else f"{expected}; {told}"


def _unnamed(expected: ExpectedCall, call: Call, defaults: dict[str, object]) -> list[str]:
    """Arguments that the expectation does not name: wrong, unless equal to their default."""
    return [
        f"argument {shown(name)}: not expected, got {shown(value)}"
        for name, value in call.arguments.items()
        if name not in (expected.arguments or {})
        and not (name in defaults and equal(defaults[name], value))
    ]
