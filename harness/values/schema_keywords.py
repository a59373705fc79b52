"""The keywords of JSON Schema that `jsonschema` checks otherwise than we do.

Types by the names that other languages have for them, patterns and alternatives within bounds,
numbers as they are written, items compared in one pass, errors that name what is missing. Every
keyword is a step, and steps are counted: alternatives inside one another can take 2 to the power
of a value's depth.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, Final

from harness.cases import Json
from harness.json_values import as_written, is_finite, is_number
from harness.values.safe_regex import compile_pattern, found
from harness.values.schema_faults import ALIASES, TYPES, subschemas

if TYPE_CHECKING:
    from jsonschema import ValidationError

Validator = Any
"""A validator of `jsonschema`, whose published type lacks what keywords need."""
Errors = Iterator["ValidationError"]
Keyword = Callable[[Validator, Json, Json, Json], Any]

MOST_STEPS: Final = 100_000
"""Keywords held against the parts of one value; a second or two."""


class TooManySteps(Exception):  # noqa: N818 - it says what happened
    """A check that took `MOST_STEPS` and was not done."""


class _Allowance(threading.local):
    """The steps left to the check under way in this thread."""

    steps = MOST_STEPS


_left = _Allowance()


def start_counting() -> None:
    """Begin a check: it may take `MOST_STEPS` from here, and then raises TooManySteps."""
    _left.steps = MOST_STEPS


def validator_of(schema: Json) -> Validator:
    """The validator of a schema, with our keywords; it fetches no reference."""
    from referencing.jsonschema import EMPTY_REGISTRY

    return _validator_class()(schema, registry=EMPTY_REGISTRY)


def known_type(name: Json) -> str:
    """The type that a name stands for; schemas that BFCL's rules judge say `dict` and `float`."""
    return name if name in TYPES else ALIASES.get(str(name).lower(), "any")


def schema_error(message: str, path: tuple[str, ...] = ()) -> ValidationError:
    """An error of `jsonschema`'s type at the path."""
    from jsonschema import ValidationError

    return ValidationError(message, path=path)


def canonical(value: Json) -> str:
    """A text that equal values share, and no others: numbers by value, booleans apart.

    Raises RecursionError for a value that nests too deeply.
    """
    if is_number(value):
        return hex(int(value)) if is_finite(value) and value == int(value) else repr(value)
    if isinstance(value, list):
        return f"[{','.join([canonical(item) for item in value])}]"
    if isinstance(value, dict):
        members = [f"{json.dumps(name)}:{canonical(value[name])}" for name in sorted(value)]
        return f"{{{','.join(members)}}}"
    return json.dumps(value)


@cache
def _validator_class() -> Validator:
    """Draft 2020-12's validator with our keywords in place of its own, every one counted."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    plain = Draft202012Validator.VALIDATORS
    keywords = {
        **plain,
        "type": _check_type,
        "pattern": _check_pattern,
        "required": _check_required,
        "patternProperties": _check_pattern_properties,
        "additionalProperties": _check_additional,
        "unevaluatedProperties": _unevaluated(plain["unevaluatedProperties"]),
        "anyOf": _check_any_of,
        "oneOf": _check_one_of,
        "uniqueItems": _check_unique,
        "multipleOf": _check_multiple,
    }
    counted = {name: _counted(check) for name, check in keywords.items()}
    made: Validator = extend(Draft202012Validator, counted)  # type: ignore[no-untyped-call]
    return made


def _counted(check: Keyword) -> Keyword:
    @wraps(check)
    def one_step(validator: Validator, wanted: Json, value: Json, schema: Json) -> Any:
        size = len(value) if isinstance(value, str | list | dict) else 0
        _left.steps -= 1 + size // 1000  # a message of the original holds the whole value
        if _left.steps < 0:
            raise TooManySteps
        return check(validator, wanted, value, schema)

    return one_step


def _unevaluated(plain: Keyword) -> Keyword:
    """The original, whose own search in names has no time limit: try the names first."""

    def check(validator: Validator, wanted: Json, value: Json, schema: Json) -> Any:
        for _, inner in subschemas(schema) if isinstance(value, dict) else ():
            if isinstance(inner, dict):
                _matching(list(value), inner)
        return plain(validator, wanted, value, schema)

    return check


def _check_type(validator: Validator, wanted: Json, value: Json, _schema: Json) -> Errors:
    for name in wanted if isinstance(wanted, list) else [wanted]:
        kind = known_type(name)
        if kind == "any" or validator.is_type(value, kind):
            return
    yield schema_error("type")


def _check_pattern(_validator: Validator, wanted: Json, value: Json, _schema: Json) -> Errors:
    if isinstance(value, str) and not found(compile_pattern(wanted), value):
        yield schema_error("pattern")


def _check_required(_validator: Validator, wanted: Json, value: Json, _schema: Json) -> Errors:
    if isinstance(value, dict):
        for name in wanted:
            if name not in value:
                yield schema_error("required", (name,))


def _check_pattern_properties(
    validator: Validator, wanted: Json, value: Json, _schema: Json
) -> Errors:
    if isinstance(value, dict):
        for pattern, inner in wanted.items():
            compiled = compile_pattern(pattern)
            for name in value:
                if found(compiled, name):
                    yield from validator.descend(value[name], inner, name, pattern)


def _matching(names: list[str], schema: Mapping[str, Json]) -> set[str]:
    """The names that the schema's `patternProperties` speak of."""
    patterns = [compile_pattern(pattern) for pattern in schema.get("patternProperties", ())]
    return {name for name in names if any(found(pattern, name) for pattern in patterns)}


def _check_additional(validator: Validator, wanted: Json, value: Json, schema: Json) -> Errors:
    if not isinstance(value, dict) or wanted is True:
        return
    declared = schema.get("properties", {})
    extra = [name for name in value if name not in declared]
    spoken_of = _matching(extra, schema) if extra else set()
    for name in extra:
        if name in spoken_of:
            continue
        if wanted is False:
            yield schema_error("additionalProperties", (name,))
        else:
            yield from validator.descend(value[name], wanted, name)


def _fits(validator: Validator, schema: Json, value: Json) -> bool:
    return next(validator.descend(value, schema), None) is None


def _check_any_of(validator: Validator, wanted: Json, value: Json, _schema: Json) -> Errors:
    if not any(_fits(validator, inner, value) for inner in wanted):
        yield schema_error("anyOf")


def _check_one_of(validator: Validator, wanted: Json, value: Json, _schema: Json) -> Errors:
    fitting = 0
    for inner in wanted:
        fitting += _fits(validator, inner, value)
        if fitting > 1:
            break
    if fitting != 1:
        yield schema_error("oneOf")


def _check_unique(_validator: Validator, wanted: Json, value: Json, _schema: Json) -> Errors:
    if wanted and isinstance(value, list):
        seen: set[str] = set()
        for item in map(canonical, value):
            if item in seen:
                yield schema_error("uniqueItems")
                return
            seen.add(item)


def _check_multiple(_validator: Validator, wanted: Json, value: Json, _schema: Json) -> Errors:
    """In decimals as they are written: in floats, 19.99 is no multiple of 0.01."""
    if not is_number(value):
        return
    if not is_finite(value) or (as_written(value) / as_written(wanted)).denominator != 1:
        yield schema_error("multipleOf")
