"""`rules: bfcl`: how the Berkeley Function Calling Leaderboard's AST checker judges calls.

The rules are those of `ast_checker.py` in ShishirPatil/gorilla (BFCL v4, Python categories),
defects included; `quirk` tells where a defect decided. Values are `harness.bfcl.values`' matter.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from harness.assignment import cheapest
from harness.bfcl.values import (
    Acceptable,
    answers_from_bfcl,
    by_key,
    choices,
    compile_answers,
    value_problem,
)
from harness.cases import Call, ExpectedCall, Json, Matcher, Tool
from harness.matchers import shown
from harness.wording import cut, one_line

__all__ = ["Acceptable", "Finding", "answers_from_bfcl", "compile_answers", "find_miss", "quirk"]

Kind = Literal["tools", "invalid_arguments", "wrong_arguments"]

_WORDS: Final = re.compile(r"(?<!\w)-(?=\d)|[^\W_]+|[*^]")


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with the calls: which row of the table of misses, and a sentence."""

    kind: Kind
    reason: str


def find_miss(
    expected: Sequence[ExpectedCall], calls: Sequence[Call], tools: Sequence[Tool]
) -> Finding | None:
    """None where BFCL's checker passes the calls.

    Each expected call, in order, takes the first call that fits and is still free. Of several
    misses an invalid argument is reported before a wrong one.
    """
    wanted = Counter(call.tool for call in expected)
    got = Counter(call.name for call in calls)
    if wanted != got:
        return Finding("tools", f"expected {_names(wanted)}, got {_names(got)}")
    _, misses = _match_greedily(expected, calls, tools)
    return _gravest(misses) if misses else None


def quirk(
    expected: Sequence[ExpectedCall], calls: Sequence[Call], tools: Sequence[Tool]
) -> str | None:
    """One sentence where BFCL's verdict is due to a defect of its checker, else None.

    Its loose strings are a rule, not a defect, as long as the words, signs and operators of the
    two texts are the same.
    """
    if Counter(call.tool for call in expected) != Counter(call.name for call in calls):
        return None
    pairs, misses = _match_greedily(expected, calls, tools)
    if not misses:
        plain = [[_is_plain(want, call) for call in calls] for want in expected]
        odd = [] if _assignable(plain) else [_oddity(want, call) for want, call in pairs]
        return next((f"BFCL accepts {words}" for words in odd if words), None)
    fits = [[_fits(want, call, tools) for call in calls] for want in expected]
    if _assignable(fits):
        return "BFCL fails these calls as it matches them one after the other; all of them match"
    gold = [[_is_gold(want, call) for call in calls] for want in expected]
    return "BFCL fails its own answer" if _assignable(gold) else None


def _names(counted: Counter[str]) -> str:
    return one_line(" and ".join(counted.elements()), 400) or "no call"


def _match_greedily(
    expected: Sequence[ExpectedCall], calls: Sequence[Call], tools: Sequence[Tool]
) -> tuple[list[tuple[ExpectedCall, Call]], list[Finding]]:
    """The pairs that match, and a finding for each expected call that is left."""
    free, pairs, misses = list(range(len(calls))), [], []
    for want in expected:
        found: list[Finding] = []
        for place in free:
            if calls[place].name != want.tool:
                continue
            miss = _call_miss(want, calls[place], tools)
            if miss is None:
                pairs.append((want, calls[place]))
                free.remove(place)
                break
            found.append(miss)
        else:
            misses.append(_no_match(want.tool, found))
    return pairs, misses


def _no_match(tool: str, found: Sequence[Finding]) -> Finding:
    """One finding for an expected call, from those of the calls that it was held against."""
    if len(found) == 1:
        return Finding(found[0].kind, f"{tool}: {found[0].reason}")
    reasons = "; ".join(dict.fromkeys(one.reason for one in found))
    return Finding(
        _gravest(found).kind, cut(f"{tool}: none of {len(found)} calls: {reasons}", 1000)
    )


def _gravest(found: Sequence[Finding]) -> Finding:
    return next((one for one in found if one.kind == "invalid_arguments"), found[0])


def _fits(want: ExpectedCall, call: Call, tools: Sequence[Tool]) -> bool:
    return want.tool == call.name and _call_miss(want, call, tools) is None


def _assignable(fits: Sequence[Sequence[bool]]) -> bool:
    """Whether each row can have a column of its own that fits."""
    columns = cheapest([[float(not fit) for fit in row] for row in fits])
    return all(row[column] for row, column in zip(fits, columns, strict=True))


def _call_miss(want: ExpectedCall, call: Call, tools: Sequence[Tool]) -> Finding | None:
    """The gravest of what is wrong with one call's arguments."""
    tool = next((tool for tool in tools if tool.name == want.tool), Tool(want.tool))
    misses = list(_argument_misses(want.arguments, call.arguments, tool.parameters))
    return _gravest(misses) if misses else None


def _argument_misses(
    answers: Mapping[str, Matcher] | None, arguments: Mapping[str, Json], schema: Mapping[str, Json]
) -> Iterator[Finding]:
    """Everything wrong with the arguments, in the order in which BFCL looks."""
    declared = schema.get("properties") or {}
    for name in schema.get("required") or ():
        if name not in arguments:
            yield Finding(
                "invalid_arguments", f"argument {name!r}: required, the call leaves it out"
            )
    for name, value in arguments.items():
        where = f"argument {shown(name)}"
        if name not in declared:
            yield Finding("invalid_arguments", f"{where}: not declared, got {shown(value)}")
        elif answers is not None and name not in answers:
            yield Finding("wrong_arguments", f"{where}: not expected, got {shown(value)}")
        elif found := value_problem(
            declared[name] if isinstance(declared[name], Mapping) else {},
            None if answers is None else _values(answers[name]),
            value,
        ):
            yield Finding(found[0], f"{where}: {found[1]}")
    for name, matcher in (answers or {}).items():
        if name not in arguments and not matcher.optional:
            yield Finding(
                "wrong_arguments", f"argument {name!r}: expected a value, the call leaves it out"
            )


def _values(matcher: Matcher) -> tuple[Json, ...]:
    if not isinstance(matcher, Acceptable):
        raise TypeError(f"under `rules: bfcl` a matcher is an Acceptable, not {matcher!r}")
    return matcher.values


def _is_plain(want: ExpectedCall, call: Call) -> bool:
    return want.tool == call.name and _oddity(want, call) is None


def _oddity(want: ExpectedCall, call: Call) -> str | None:
    """`V for W (argument A of T)` for an argument that no plain comparison accepts."""
    if want.arguments is None:
        return None
    for name, value in call.arguments.items():
        values = _values(want.arguments[name]) if name in want.arguments else ()
        if not any(_is_option(value, option) for option in values if option != ""):
            return f"{shown(value)} for {choices(values)} (argument {shown(name)} of {want.tool})"
    return None


def _is_option(value: Json, option: Json) -> bool:
    """Whether a value is an accepted one, whose dicts are in BFCL's form."""
    if isinstance(option, list) and isinstance(value, list):
        return len(value) == len(option) and all(map(_is_item, value, option))
    return _is_item(value, option)


def _is_item(value: Json, option: Json) -> bool:
    if not isinstance(option, Mapping) or not isinstance(value, Mapping):
        return _same(value, option)
    accepted = by_key(option)
    return all(
        any(_same(held, one) for one in accepted.get(key, ()) if one != "")
        for key, held in value.items()
    )


def _same(one: Json, other: Json) -> bool:
    """Deep equality: true is not 1, 5 is 5.0, texts by their words, signs and operators."""
    if isinstance(one, str) and isinstance(other, str):
        return _WORDS.findall(one.lower()) == _WORDS.findall(other.lower())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _is_gold(want: ExpectedCall, call: Call) -> bool:
    """Whether the call is the expected one's gold, optional arguments written or not."""
    if want.tool != call.name or want.arguments is None:
        return False
    if not call.arguments.keys() <= want.arguments.keys():
        return False
    return all(
        _is_identical(call.arguments[name], matcher.gold)
        if name in call.arguments
        else matcher.optional
        for name, matcher in want.arguments.items()
    )


def _is_identical(value: Json, gold: Json) -> bool:
    """Equal, and its types too: `repr` tells 1 from 1.0 and from true."""
    return bool(value == gold) and repr(value) == repr(gold)
