"""BFCL's accepted values for one argument: how they are written, and what they accept.

BFCL lists for each argument the values it accepts; "" among them marks it as optional. A dict
among them is a mapping of keys to accepted values, one level deep. The rules are those of
`ast_checker.py` in ShishirPatil/gorilla (BFCL v4, Python categories), defects included. An
accepted value that makes that checker crash matches nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from harness.cases import NO_GOLD, Json, Matcher
from harness.matchers import MatcherError, shown

Fault = Literal["invalid_arguments", "wrong_arguments"]
Path = tuple[str | int, ...]

_TYPES: Final[Mapping[str, type]] = {
    "string": str,
    "any": str,
    "integer": int,
    "float": float,
    "number": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "dict": dict,
    "object": dict,
}
"""BFCL's type names, and JSON Schema's where they differ."""

_DROPPED: Final = re.compile(r"[ ,./\-_*^]")


@dataclass(frozen=True, slots=True)
class Acceptable:
    """A `Matcher`: the values that BFCL accepts for one argument."""

    values: tuple[Json, ...]

    def problem(self, value: Json) -> str | None:
        """None where BFCL accepts the value, its type read from the accepted values."""
        found = value_problem({}, self.values, value)
        return found and found[1]

    @property
    def gold(self) -> Json:
        """The first value that is not ""; a dict with the first of each key."""
        return next((_gold(value) for value in self.values if value != ""), NO_GOLD)

    @property
    def optional(self) -> bool:
        """Whether "" is among the values."""
        return "" in self.values

    @property
    def absent(self) -> bool:
        """Never: BFCL cannot say so."""
        return False


def compile_answers(node: Mapping[str, Json]) -> dict[str, Matcher]:
    """The arguments of a call as a spec writes them under `rules: bfcl`.

    A literal is the one accepted value; `{$one_of: [V, …]}` lists several, and `$optional: true`
    beside it lets the argument be absent. The keys of an object may be written likewise, one
    level deep. Any other operator raises MatcherError.
    """
    return {name: Acceptable(_written(value, (name,), depth=0)) for name, value in node.items()}


def answers_from_bfcl(possible: Mapping[str, Json]) -> dict[str, Matcher]:
    """BFCL's own form of one call's answer: `{argument: [accepted value, …]}`."""
    return {
        name: Acceptable(tuple(values) if isinstance(values, list) else (values,))
        for name, values in possible.items()
    }


def value_problem(
    schema: Mapping[str, Json], values: Sequence[Json] | None, value: Json
) -> tuple[Fault, str] | None:
    """What is wrong with one argument: the kind, and `expected …, got …`.

    `values` None: any value of the declared type. A whole number counts as a float.
    """
    if values is None:
        fits = _is_of_type(value, schema)
        return None if fits else ("invalid_arguments", _type_words(schema, (), value))
    declared, element = _declared(schema, values, value)
    cast = _as_float(value) if declared is float else value
    if not _has_type(cast, values, declared, element):
        return "invalid_arguments", _type_words(schema, values, value)
    if _accepts(cast, values, declared, element):
        return None
    return "wrong_arguments", f"expected {choices(values)}, got {shown(value)}"


def _is_of_type(value: Json, schema: Mapping[str, Json]) -> bool:
    """The declared type alone, for a call whose values are not judged; `any` is any here."""
    name = schema.get("type")
    declared = None if name == "any" else _type_named(name)
    cast = _as_float(value) if declared is float else value
    if declared is None or type(cast) is not declared:
        return declared is None
    items = schema.get("items")
    if not isinstance(value, list) or not isinstance(items, Mapping):
        return True
    return all(_is_of_type(item, items) for item in value)


def _declared(
    schema: Mapping[str, Json], values: Sequence[Json], value: Json
) -> tuple[type, type | None]:
    """The declared type, and that of a list's elements; the accepted values' where none is."""
    declared = _type_named(schema.get("type")) or _answered(values) or type(value)
    if declared is not list:
        return declared, None
    items = schema.get("items")
    element = _type_named(items.get("type")) if isinstance(items, Mapping) else None
    first: Json = next((option for option in values if option != ""), None)
    if element is None and type(first) is list and _answered(first) is dict:
        element = dict
    return declared, element


def _type_named(name: Json) -> type | None:
    return _TYPES.get(name.lower()) if isinstance(name, str) else None


def _answered(values: Sequence[Json]) -> type | None:
    """The type of the accepted values: the first one's that is not ""."""
    return next((type(value) for value in values if value != ""), None)


def _as_float(value: Json) -> Json:
    if type(value) is not int:
        return value
    try:
        return float(value)
    except OverflowError:
        return value


def _has_type(value: Json, values: Sequence[Json], declared: type, element: type | None) -> bool:
    """BFCL's type check: the declared type, or that of the accepted values (a "variable").

    Elements are held against each accepted list in turn; what is no list, "" too, lets all pass.
    """
    kind: type = type(value)
    if kind is not declared:
        return kind is _answered(values)
    return element is None or any(
        type(option) is not list or all(_has_type(item, option, element, None) for item in value)
        for option in values
    )


def _accepts(value: Json, values: Sequence[Json], declared: type, element: type | None) -> bool:
    """BFCL's value check for a value that has the right type."""
    if _answered(values) not in (None, declared):
        return value in values
    if declared is dict:
        return any(_dict_matches(value, option) for option in values)
    if declared is list and element is dict:
        return any(_dicts_match(value, option) for option in values)
    if declared is str:
        return _loose(value) in [_loose(option) for option in values if isinstance(option, str)]
    if declared is list:
        options = [option for option in values if isinstance(option, (list, str))]
        return _loose_items(value) in [_loose_items(option) for option in options]
    return value in values


def _loose(value: Json) -> Json:
    """A string as BFCL compares it; anything else as it is."""
    return _DROPPED.sub("", value).lower().replace("'", '"') if isinstance(value, str) else value


def _loose_items(items: Sequence[Json]) -> list[Json]:
    """The elements as BFCL compares them. An accepted "" becomes the empty list."""
    return [_loose(item) for item in items]


def by_key(option: Mapping[str, Json]) -> dict[str, list[Json]]:
    """What an accepted dict accepts for each key; a bare value counts as a list of one."""
    return {key: held if isinstance(held, list) else [held] for key, held in option.items()}


def _dict_matches(value: Json, option: Json) -> bool:
    """Key by key; what a key holds is compared one level deep, with Python's `in`."""
    if not isinstance(value, Mapping) or not isinstance(option, Mapping):
        return False
    options = by_key(option)
    known = all(
        key in options and _loose(held) in _loose_items(options[key]) for key, held in value.items()
    )
    return known and all(key in value or "" in held for key, held in options.items())


def _dicts_match(value: Json, option: Json) -> bool:
    """Dict by dict, at the same places. An accepted "" matches the empty list."""
    if not isinstance(option, (list, str)) or len(option) != len(value):
        return False
    return all(_dict_matches(*pair) for pair in zip(value, option, strict=True))


def _type_words(schema: Mapping[str, Json], values: Sequence[Json], value: Json) -> str:
    declared, items = schema.get("type"), schema.get("items")
    if not isinstance(declared, str):
        return f"expected the type of {choices(values)}, got {shown(value)}"
    inner = items.get("type") if isinstance(items, Mapping) else None
    of = f" of {inner}" if isinstance(inner, str) and _type_named(declared) is list else ""
    return f"expected type {declared}{of}, got {shown(value)}"


def choices(values: Sequence[Json]) -> str:
    """The accepted values for people: `'a' or 'b'`, at most five of them."""
    listed = [shown(value) for value in values if value != ""] or ["no value"]
    more = f" or {len(listed) - 5} more" if len(listed) > 5 else ""
    return " or ".join(listed[:5]) + more


def _written(node: Json, path: Path, depth: int) -> tuple[Json, ...]:
    """The accepted values that a node stands for."""
    if not _is_match(node):
        return (_answer(node, path, depth),)
    for key in node:
        if key not in ("$one_of", "$optional"):
            raise MatcherError(
                (*path, key),
                f"{shown(key)} cannot be used under `rules: bfcl`",
                "BFCL knows literals, $one_of and $optional",
            )
    if "$one_of" not in node:
        raise MatcherError(
            path, "`$one_of` is missing", "write `{$one_of: [VALUE], $optional: true}`"
        )
    options, optional = node["$one_of"], node.get("$optional", False)
    if not isinstance(options, list) or not options:
        what = f"found {shown(options)}, expected a list of at least one value"
        raise MatcherError((*path, "$one_of"), what, "write `{$one_of: [VALUE]}`")
    if not isinstance(optional, bool):
        what = f"found {shown(optional)}, expected `true` or `false`"
        raise MatcherError((*path, "$optional"), what, "")
    values = (_answer(one, (*path, "$one_of", at), depth) for at, one in enumerate(options))
    return (*values, *([""] if optional else ()))


def _is_match(node: Json) -> bool:
    return isinstance(node, Mapping) and any(str(key).startswith("$") for key in node)


def _answer(node: Json, path: Path, depth: int) -> Json:
    """One accepted value in BFCL's form: the keys of an object, or of a list's, hold lists."""
    if _is_match(node):
        raise MatcherError(
            path, "an operator cannot be used here under `rules: bfcl`", "write a literal value"
        )
    if isinstance(node, Mapping):
        if depth:
            return {key: _answer(held, (*path, key), depth) for key, held in node.items()}
        return {key: list(_written(held, (*path, key), depth=1)) for key, held in node.items()}
    if isinstance(node, list):
        return [
            _answer(item, (*path, at), depth or int(not isinstance(item, Mapping)))
            for at, item in enumerate(node)
        ]
    return node


def _gold(value: Json) -> Json:
    """An accepted value as a call would write it."""
    if isinstance(value, list):
        return [_first_of_each(item) if isinstance(item, Mapping) else item for item in value]
    return _first_of_each(value) if isinstance(value, Mapping) else value


def _first_of_each(option: Mapping[str, Json]) -> dict[str, Json]:
    firsts = {key: [one for one in held if one != ""] for key, held in by_key(option).items()}
    return {key: values[0] for key, values in firsts.items() if values}
