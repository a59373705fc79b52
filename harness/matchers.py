"""The operators: what a spec may say about a value, from its YAML to a `Matcher`.

A mapping whose keys all start with `$` is a match: several operators that must all hold. Every
other value is a literal, and lists and objects may hold matches. `OPERATORS` is the whole
language: the docs and the JSON Schema of spec files are made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from harness.cases import NO_GOLD, Json
from harness.errors import nearest
from harness.json_values import equal, folded, is_finite, is_number, shown
from harness.spec_files.slips import list_slip, operator_slip
from harness.values.matcher_kinds import (
    AnyOf,
    Anything,
    AtLeast,
    AtMost,
    Condition,
    Contains,
    Described,
    Equals,
    Length,
    ListOf,
    Match,
    Near,
    NearText,
    Not,
    Nothing,
    ObjectOf,
    Regex,
    Valid,
    gold_members,
)
from harness.values.operators import OPERATORS, Operator
from harness.values.safe_regex import PatternError, RegexTimeout, compile_pattern
from harness.values.schemas import UnusableSchema, value_schema, value_schema_errors

__all__ = [
    "OPERATORS",
    "MatcherError",
    "Operator",
    "RegexTimeout",
    "compile_arguments",
    "compile_value",
    "equal",
    "gold_members",
    "shown",
]

MAX_DEPTH: Final = 200
"""How deeply a value in a spec may nest."""

Path = tuple[str | int, ...]


class MatcherError(ValueError):
    """A value of a spec that is no literal and no match; `path` leads to it from the node."""

    def __init__(self, path: Path, what: str, hint: str = "") -> None:
        self.path, self.what, self.hint = path, what, hint
        super().__init__(f"{what} ({hint})" if hint else what)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the node a value stands, and whether its texts are folded."""

    path: Path = ()
    fold: bool = False

    def at(self, step: str | int) -> Place:
        """The place one step further in."""
        return Place((*self.path, step), self.fold)


def compile_value(node: Json, *, fold: bool = False) -> Described:
    """The matcher for a literal or a match. Raises MatcherError."""
    try:
        return _value(node, Place(fold=fold))
    except RecursionError:
        raise MatcherError((), "the value nests too deeply") from None


def compile_arguments(node: Mapping[str, Json], *, fold: bool = False) -> dict[str, Described]:
    """The matchers of a call's arguments, by name. Raises MatcherError."""
    for name in node:
        if name in OPERATORS:
            what = f"{name} stands where the name of an argument was expected"
            raise MatcherError((name,), what, f"write {{argument: {{{name}: …}}}}")
    return _members(compile_value, node, fold)


def _members(
    build: Callable[..., Described], node: Mapping[str, Json], fold: bool
) -> dict[str, Described]:
    members = {}
    for name, value in node.items():
        try:
            members[name] = build(value, fold=fold)
        except MatcherError as error:
            raise MatcherError((name, *error.path), error.what, error.hint) from None
    return members


def _value(node: Json, place: Place) -> Described:
    """The matcher for a node, matches inside it included."""
    if isinstance(node, dict) and any(str(key).startswith("$") for key in node):
        return _match(node, place)
    return _nested(node, place, _value)


def _literal(node: Json, place: Place) -> Described:
    """The matcher for a node in which keys with `$` are keys like others."""
    return _nested(node, place, _literal)


def _nested(node: Json, place: Place, build: Callable[[Json, Place], Described]) -> Described:
    if len(place.path) > MAX_DEPTH:
        raise MatcherError(place.path, f"the value nests more than {MAX_DEPTH} deep")
    if isinstance(node, dict):
        members = {}
        for name, held in node.items():
            if not isinstance(name, str):
                raise MatcherError(place.path, f"a key must be a text, got {shown(name)}")
            members[name] = build(held, place.at(name))
        return ObjectOf(members)
    if isinstance(node, list):
        items = []
        for index, held in enumerate(node):
            items.append(_present(build(held, place.at(index)), place.at(index)))
        return ListOf(tuple(items))
    if node is None or isinstance(node, bool | int | float | str):
        return Equals(node, place.fold)
    raise MatcherError(place.path, f"{shown(node)} is not a JSON value")


def _match(node: Mapping[str, Json], place: Place) -> Match:
    """The match of a mapping with `$` keys: its conditions, its flags and its gold."""
    _check_keys(node, place)
    conditions = tuple(
        _BUILD[key](operand, place.at(key)) for key, operand in node.items() if key != "$gold"
    )
    if not conditions:
        hint = "write the value itself, or add `$any: true`"
        raise MatcherError(place.path, "$gold needs an operator beside it", hint)
    telling = tuple(one for one in conditions if not isinstance(one, Anything))
    if "$min" in node and "$max" in node and node["$min"] > node["$max"]:
        what = f"no number is at least {shown(node['$min'])} and at most {shown(node['$max'])}"
        raise MatcherError(place.path, what, "swap $min and $max")
    match = Match(telling or conditions, optional="$optional" in node, absent="$absent" in node)
    return replace(match, gold=_gold(node, match))


def _check_keys(node: Mapping[str, Json], place: Place) -> None:
    literal = "a literal with such keys is written `$equals: {…}`"
    for key in node:
        if not str(key).startswith("$"):
            mark = next(other for other in node if str(other).startswith("$"))
            what = f"the keys {shown(key)} and {shown(mark)} cannot stand in one mapping"
            hint = list_slip(node, mark) or operator_slip({key: None}) or literal
            raise MatcherError((*place.path, key), what, hint)
    for key in node:
        if key not in OPERATORS:
            near = nearest(key[:80], OPERATORS)
            hint = f"{near} {literal[0].upper()}{literal[1:]}" if near else literal
            raise MatcherError((*place.path, key), f"unknown operator {shown(key)}", hint)
    if "$absent" in node and len(node) > 1:
        other = next(key for key in node if key != "$absent")
        what = f"$absent and {other} contradict each other"
        raise MatcherError((*place.path, other), what, "an absent value has no other properties")


def _gold(node: Mapping[str, Json], match: Match) -> Json:
    """`$gold` as it is written, else the first value that a condition itself names.

    A named one must meet all conditions. A `$gold` need not: under `compare: tool` nobody asks,
    and elsewhere `lint` warns of it.
    """
    if "$gold" in node:
        return node["$gold"]
    golds = [getattr(condition, "gold", NO_GOLD) for condition in match.conditions]
    gold = next((gold for gold in golds if gold is not NO_GOLD), NO_GOLD)
    if gold is NO_GOLD or len(match.conditions) == 1:
        return gold
    try:
        return gold if match.problem(gold) is None else NO_GOLD
    except (RegexTimeout, UnusableSchema):
        return NO_GOLD


def _present(matcher: Described, place: Place) -> Described:
    """The matcher, where a value can be neither left out nor absent."""
    if matcher.optional or matcher.absent:
        flag = "$optional" if matcher.optional else "$absent"
        hint = "they are for arguments and the members of objects"
        raise MatcherError((*place.path, flag), f"{flag} has no meaning here", hint)
    return matcher


def _flag(name: str, meaning: Condition) -> Callable[[Json, Place], Condition]:
    def build(operand: Json, place: Place) -> Condition:
        if operand is True:
            return meaning
        hint = f"leave {name} out" if operand is False else ""
        raise MatcherError(place.path, f"{name} takes true alone, got {shown(operand)}", hint)

    return build


def _one_of(operand: Json, place: Place) -> Condition:
    if not isinstance(operand, list) or not operand:
        what = f"$one_of takes a list of values or matches, got {shown(operand)}"
        raise MatcherError(place.path, what)
    options = []
    for index, option in enumerate(operand):
        options.append(_present(_value(option, place.at(index)), place.at(index)))
    return AnyOf(tuple(options))


def _not(operand: Json, place: Place) -> Condition:
    return Not(_present(_value(operand, place), place))


def _contains(operand: Json, place: Place) -> Condition:
    if isinstance(operand, str):
        return Contains((_phrase("$contains", operand, place),))
    return Contains(_phrases("$contains takes a text or a list of texts", operand, place))


def _contains_any(operand: Json, place: Place) -> Condition:
    takes = "$contains_any takes a list of texts"
    if isinstance(operand, str):
        hint = "for one text write $contains"
        raise MatcherError(place.path, f"{takes}, got {shown(operand)}", hint)
    return Contains(_phrases(takes, operand, place), every=False)


def _phrases(takes: str, operand: Json, place: Place) -> tuple[str, ...]:
    if not isinstance(operand, list) or not operand:
        hint = "" if isinstance(operand, list | dict) else "put texts in quotes"
        raise MatcherError(place.path, f"{takes}, got {shown(operand)}", hint)
    name = takes.partition(" ")[0]
    return tuple(_phrase(name, item, place.at(index)) for index, item in enumerate(operand))


def _phrase(name: str, operand: Json, place: Place) -> str:
    if not isinstance(operand, str):
        what = f"{name} takes texts, got {shown(operand)}"
        raise MatcherError(place.path, what, "put it in quotes")
    if not folded(operand):
        raise MatcherError(place.path, f"{name} takes words, got {shown(operand)}", "leave it out")
    return operand


def _regex(operand: Json, place: Place) -> Condition:
    if not isinstance(operand, str):
        what = f"$regex takes a text, got {shown(operand)}"
        raise MatcherError(place.path, what, "put it in single quotes")
    try:
        compile_pattern(operand)
    except PatternError as error:
        raise MatcherError(place.path, str(error)) from None
    return Regex(operand)


def _min(operand: Json, place: Place) -> Condition:
    return AtLeast(_number("$min takes a number", operand, place))


def _max(operand: Json, place: Place) -> Condition:
    return AtMost(_number("$max takes a number", operand, place))


def _number(takes: str, operand: Json, place: Place, least: float | None = None) -> int | float:
    """The operand, a finite number that is not below `least`."""
    if is_number(operand) and is_finite(operand) and (least is None or operand >= least):
        number: int | float = operand
        return number
    hint = "write it without quotes" if isinstance(operand, str) else ""
    raise MatcherError(place.path, f"{takes}, got {shown(operand)}", hint)


def _approx(operand: Json, place: Place) -> Condition:
    if not isinstance(operand, list) or len(operand) != 2:
        what = f"$approx takes [number, tolerance], got {shown(operand)}"
        raise MatcherError(place.path, what)
    number = _number("$approx takes a number", operand[0], place.at(0))
    takes = "$approx takes a tolerance of at least 0"
    return Near(number, _number(takes, operand[1], place.at(1), least=0))


def _length(operand: Json, place: Place) -> Condition:
    if not isinstance(operand, dict):
        length = _count(operand, place)
        return Length(length, length)
    known = ("$min", "$max")
    for key in operand:
        if key not in known:
            what = f"$length takes $min and $max, got {shown(key)}"
            raise MatcherError(place.path, what, nearest(str(key), known))
    if not operand:
        raise MatcherError(place.path, "$length takes $min or $max, got neither")
    least = _count(operand.get("$min", 0), place.at("$min"))
    most = _count(operand["$max"], place.at("$max")) if "$max" in operand else None
    if most is not None and least > most:
        raise MatcherError(place.path, f"no length is at least {least} and at most {most}")
    return Length(least, most)


def _count(operand: Json, place: Place) -> int:
    if isinstance(operand, int) and not isinstance(operand, bool) and operand >= 0:
        return operand
    raise MatcherError(place.path, f"$length takes a count of at least 0, got {shown(operand)}")


def _schema(operand: Json, place: Place) -> Condition:
    for path, what, hint in value_schema_errors(operand):
        raise MatcherError((*place.path, *path), what, hint)
    return Valid(value_schema(operand))


def _cer(operand: Json, place: Place) -> Condition:
    if not isinstance(operand, list) or len(operand) != 2 or not isinstance(operand[0], str):
        raise MatcherError(place.path, f"$cer takes [text, rate], got {shown(operand)}")
    takes = "$cer takes a rate of at least 0"
    return NearText(operand[0], _number(takes, operand[1], place.at(1), least=0))


_BUILD: Final[Mapping[str, Callable[[Json, Place], Condition]]] = {
    "$any": _flag("$any", Anything()),
    "$equals": _literal,
    "$one_of": _one_of,
    "$not": _not,
    "$contains": _contains,
    "$contains_any": _contains_any,
    "$regex": _regex,
    "$min": _min,
    "$max": _max,
    "$approx": _approx,
    "$length": _length,
    "$schema": _schema,
    "$cer": _cer,
    "$optional": _flag("$optional", Anything()),
    "$absent": _flag("$absent", Nothing()),
}
