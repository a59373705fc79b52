"""JSON Schema: whether a tool's schema is one, and whether arguments are valid against it.

Draft 2020-12 by `jsonschema`, with three differences: arguments that a tool does not declare are
invalid unless its schema says otherwise, patterns and alternatives have a limit (see
`harness.values.schema_keywords`), and no reference is fetched.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Final

from harness.cases import Json, Tool
from harness.errors import nearest
from harness.json_values import inside, shown, unlike
from harness.values.safe_regex import RegexTimeout
from harness.values.schema_faults import Fault, faults, subschemas
from harness.values.schema_keywords import (
    MOST_STEPS,
    TooManySteps,
    Validator,
    known_type,
    schema_error,
    start_counting,
    validator_of,
)

if TYPE_CHECKING:
    from jsonschema import ValidationError

MOST: Final = 5
"""Problems reported of one call."""


class UnusableSchema(Exception):  # noqa: N818 - it says what the matter is
    """A schema met a value that it cannot be held against: the schema's fault, not the value's.

    It is one that `schema_errors` would have refused, or its alternatives multiply.
    """


@dataclass(frozen=True)
class ToolSchema:
    """A tool's schema, ready for its calls.

    `parameters` is the schema in force: with `additionalProperties: false` where the tool's own
    says nothing. `defaults`, `required` and `declared` are those of the top level.
    """

    parameters: Mapping[str, Json]
    defaults: dict[str, Json]
    required: tuple[str, ...]
    declared: tuple[str, ...]
    _validator: Validator = field(repr=False, compare=False)

    def problems(self, arguments: Mapping[str, Json], most: int = MOST) -> list[str]:
        """What is wrong with the arguments of a call: the first `most` sentences, or none.

        Raises RegexTimeout, and UnusableSchema for a schema that has errors itself.
        """
        found_problems = []
        for path, phrase, error in _phrases(self._validator, dict(arguments)):
            found_problems.append(self._sentence(path, phrase, error.validator))
            if len(found_problems) == most:
                break
        return found_problems

    def _sentence(self, path: tuple[str | int, ...], phrase: str, keyword: object) -> str:
        if not path:
            return f"the arguments: {phrase}"
        name = str(path[0])
        if len(path) == 1 and keyword == "required":
            return f"argument {shown(name)} is missing"
        if len(path) == 1 and keyword == "additionalProperties" and name not in self.declared:
            hint = nearest(name[:80], self.declared)
            return f"argument {shown(name)} is not declared" + (f" ({hint})" if hint else "")
        return f"argument {shown(name)}: {_placed(path[1:], phrase)}"


@dataclass(frozen=True)
class ValueSchema:
    """A schema of any value, for `$schema`."""

    schema: Json
    _validator: Validator = field(repr=False, compare=False)

    def problems(self, value: Json) -> list[str]:
        """What is wrong with a value, as phrases: `expected an integer, got '5'`; at most five."""
        held = _phrases(self._validator, value)
        return [_placed(path, phrase) for path, phrase, _ in islice(held, MOST)]


def tool_schema(tool: Tool) -> ToolSchema:
    """The schema of a tool; tools with equal parameters share one."""
    return _tool_schema(json.dumps(dict(tool.parameters), default=repr))


@lru_cache(maxsize=4096)
def _tool_schema(text: str) -> ToolSchema:
    parameters = _closed(json.loads(text))
    properties = parameters.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    required = parameters.get("required")
    defaults = {
        name: schema["default"]
        for name, schema in properties.items()
        if isinstance(schema, dict) and "default" in schema
    }
    names = tuple(required) if isinstance(required, list) else ()
    return ToolSchema(parameters, defaults, names, tuple(properties), validator_of(parameters))


def value_schema(schema: Json) -> ValueSchema:
    """The schema of a value; one without errors, as `value_schema_errors` finds them."""
    return ValueSchema(schema, validator_of(schema))


def fill_defaults(schema: ToolSchema, arguments: Mapping[str, Json]) -> dict[str, Json]:
    """The arguments, and the schema's default for each one left out."""
    left_out = {name: held for name, held in schema.defaults.items() if name not in arguments}
    return {**arguments, **left_out}


def schema_errors(parameters: Json) -> list[Fault]:
    """What is wrong with a tool's `parameters`; {} stands for no arguments and is right."""
    if not isinstance(parameters, Mapping):
        return [Fault((), f"the parameters must be a mapping, got {shown(parameters)}")]
    if parameters and parameters.get("type") != "object":
        kind = parameters.get("type")
        got = shown(kind) if "type" in parameters else "nothing"
        what = f"'type' must be 'object' at the root of the parameters, got {got}"
        root = Fault(("type",) if "type" in parameters else (), what, "write `type: object`")
        rest = [fault for fault in value_schema_errors(parameters) if fault.path[:1] != ("type",)]
        return [root, *rest]
    in_force = _closed(dict(parameters)).get("additionalProperties")
    closed = {"additionalProperties": False} if in_force is False else {}
    return value_schema_errors({**parameters, **closed})


def value_schema_errors(schema: Json) -> list[Fault]:
    """What is wrong with a schema of any value."""
    try:
        plain = json.loads(json.dumps(schema))  # JSON alone, and no part of it twice
        return list(faults(plain)) or list(_default_faults(plain))
    except RecursionError:
        return [Fault((), "the schema nests too deeply", "bring its parts under `$defs`")]
    except (TypeError, ValueError) as error:
        return [Fault((), f"the schema holds what is not JSON: {error}")]


def _default_faults(schema: Json) -> Iterator[Fault]:
    """Defaults that their own schemas refuse."""
    whole = validator_of(schema)
    for path, subschema in subschemas(schema):
        if isinstance(subschema, dict) and "default" in subschema:
            try:
                held = next(_phrases(whole.evolve(schema=subschema), subschema["default"]), None)
            except (RegexTimeout, UnusableSchema) as error:
                yield Fault((*path, "default"), str(error))
                continue
            if held:
                what = f"the default is not valid: {_placed(held[0], held[1])}"
                yield Fault((*path, "default"), what, "mend the default, or the schema")


def _closed(parameters: dict[str, Json]) -> dict[str, Json]:
    """The schema in force: what a tool does not declare is refused unless its schema allows it."""
    closed = {"type": "object", **parameters}
    closed.pop("$schema", None)  # it would bring back the plain validator
    if "additionalProperties" in closed or "unevaluatedProperties" in closed:
        return closed
    composed = ("$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "dependentSchemas")
    wide = any(keyword in closed for keyword in composed)  # others may declare arguments too
    return {**closed, "unevaluatedProperties" if wide else "additionalProperties": False}


def _placed(path: Iterable[str | int], phrase: str) -> str:
    for step in reversed(tuple(path)):
        phrase = inside(step, phrase)
    return phrase


def _phrases(
    validator: Validator, value: Json
) -> Iterator[tuple[tuple[str | int, ...], str, ValidationError]]:
    """Each error with its path and its phrase."""
    start_counting()
    try:
        for error in validator.iter_errors(value):
            yield tuple(error.absolute_path), _phrase(error), error
    except RegexTimeout:
        raise
    except TooManySteps:
        raise UnusableSchema(
            f"the schema takes more than {MOST_STEPS:,} steps, as its alternatives multiply with "
            f"each level of the value: {shown(value, 60)} against {shown(validator.schema, 60)}"
        ) from None
    except RecursionError:
        error = schema_error("nests too deeply to be checked")
        yield (), "expected a value that nests less deeply", error
    except Exception as error:
        raise UnusableSchema(
            f"the schema {shown(validator.schema)} cannot be used: {type(error).__name__}: {error}"
        ) from None


def _phrase(error: ValidationError) -> str:
    """What an error means: `expected an integer, got '5'`."""
    keyword, wanted = str(error.validator), error.validator_value
    got: Json = error.instance
    if keyword == "required":
        return "expected a value, got nothing"
    if error.validator is None or keyword == "additionalProperties":
        return unlike("nothing", got[error.path[-1]] if _is_surplus(error) else got)
    if keyword in _BOUNDS:
        return unlike(_BOUNDS[keyword].format(shown(wanted)), got)
    describe = _DESCRIBED.get(keyword)
    return unlike(describe(wanted) if describe else f"a value that meets '{keyword}'", got)


def _is_surplus(error: ValidationError) -> bool:
    return error.validator == "additionalProperties" and isinstance(error.instance, dict)


_KINDS: Final = {
    "string": "a text",
    "number": "a number",
    "integer": "an integer",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}

_BOUNDS: Final = {
    "minimum": "a number of at least {}",
    "maximum": "a number of at most {}",
    "exclusiveMinimum": "a number above {}",
    "exclusiveMaximum": "a number below {}",
    "multipleOf": "a multiple of {}",
    "minLength": "a text of at least {} characters",
    "maxLength": "a text of at most {} characters",
    "minItems": "a list of at least {} items",
    "maxItems": "a list of at most {} items",
    "minProperties": "an object of at least {} members",
    "maxProperties": "an object of at most {} members",
    "pattern": "a text in which the pattern {} is found",
    "const": "{}",
}


def _kinds(wanted: Json) -> str:
    names = wanted if isinstance(wanted, list) else [wanted]
    return " or ".join(_KINDS.get(known_type(name), shown(name)) for name in names)


_DESCRIBED: Final[Mapping[str, Callable[[Json], str]]] = {
    "type": _kinds,
    "enum": lambda wanted: " or ".join(map(shown, wanted)) or "nothing",
    "uniqueItems": lambda _: "a list of different items",
    "contains": lambda _: "a list with an item that fits 'contains'",
    "anyOf": lambda wanted: f"a value that fits one of {len(wanted)} alternatives",
    "oneOf": lambda wanted: f"a value that fits exactly one of {len(wanted)} alternatives",
    "not": lambda wanted: f"anything but a value valid against {shown(wanted)}",
    "unevaluatedProperties": lambda _: "no other members than those declared",
    "unevaluatedItems": lambda _: "no other items than those declared",
}
