"""Lists and objects that an expectation leaves partly open: is what it says of them valid?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.cases import NO_GOLD, Json, Matcher
from harness.json_values import shown
from harness.spec_files.nodes import Report, under
from harness.values.matcher_kinds import Described, ListOf, ObjectOf
from harness.values.safe_regex import RegexTimeout
from harness.values.schemas import (
    ToolSchema,
    UnusableSchema,
    ValueSchema,
    value_schema,
    value_schema_errors,
)


def members_fit(schema: Json, matcher: Matcher, report: Report) -> bool:
    """What is known of a list or an object that is partly open is valid against its own schema."""
    if not isinstance(schema, Mapping):
        return True
    good = True
    for step, member, inner in _members(schema, matcher):
        if member.gold is NO_GOLD or member.absent:
            good &= members_fit(inner, member, under(report, step))
            continue
        for problem in _value_problems(inner, member.gold):
            report((step,), problem)
            good = False
    if isinstance(matcher, ObjectOf):
        for name in schema.get("required") or ():
            if name not in matcher.members or matcher.members[name].absent:
                report((), f"{shown(name)} is required, so a call without it is never valid")
                good = False
    return good


def _members(
    schema: Mapping[str, Json], matcher: Matcher
) -> Iterator[tuple[str | int, Described, Json]]:
    """The members of a matcher, each with the schema beside it; references are not followed."""
    if isinstance(matcher, ObjectOf):
        properties = schema.get("properties") or {}
        for name, member in matcher.members.items():
            if name in properties:
                yield name, member, properties[name]
    elif isinstance(matcher, ListOf):
        for place, item in enumerate(matcher.items):
            yield place, item, schema.get("items")


def _value_problems(schema: Json, value: Json) -> list[str]:
    if not isinstance(schema, Mapping) or value_schema_errors(schema):
        return []  # a part that cannot stand alone: it refers to another
    return problems_of(value_schema(schema), value)


def problems_of(schema: ToolSchema | ValueSchema, value: Any) -> list[str]:
    """What a schema finds wrong with a value; that it cannot be asked is a problem, too."""
    try:
        return schema.problems(value)
    except (RegexTimeout, UnusableSchema) as error:
        return [str(error)]
