"""What is wrong with a JSON Schema, in sentences: types, keywords, patterns, references.

The keywords and what they take are those of draft 2020-12's meta-schema
(https://json-schema.org/draft/2020-12/schema), read here rather than validated against it: it is
some fifty times faster, and says what to write instead. Unknown keywords are allowed, and can be
asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from harness.cases import Json
from harness.errors import nearest
from harness.json_values import is_number, shown
from harness.values.safe_regex import PatternError, compile_pattern

Path = tuple[str | int, ...]
Resolver = Any
"""A resolver of `referencing`, which does not name its type."""

TYPES: Final = ("string", "number", "integer", "boolean", "object", "array", "null")

ALIASES: Final[Mapping[str, str]] = {
    "str": "string",
    "text": "string",
    "char": "string",
    "int": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "decimal": "number",
    "bool": "boolean",
    "dict": "object",
    "map": "object",
    "mapping": "object",
    "hashmap": "object",
    "list": "array",
    "tuple": "array",
    "set": "array",
    "none": "null",
    "nonetype": "null",
}
"""Names of other languages for JSON Schema's types, in lower case."""


class Fault(NamedTuple):
    """One thing wrong with a schema: the path to it, what it is, what to do about it."""

    path: Path
    what: str
    hint: str = ""


def faults(schema: Json) -> Iterator[Fault]:
    """Everything wrong with a schema, references included. Raises RecursionError if too deep."""
    broken = False
    refers = False
    for path, subschema in subschemas(schema):
        for fault in _node_faults(subschema, path):
            broken = True
            yield fault
        refers = refers or _reference(subschema) is not None
    if refers and not broken:
        yield from _reference_faults(schema)


def unknown_keywords(schema: Json) -> Iterator[Fault]:
    """The keywords that neither JSON Schema nor the annotations of OpenAPI know."""
    for path, subschema in subschemas(schema):
        for keyword in subschema if isinstance(subschema, Mapping) else ():
            if keyword not in _KNOWN and not str(keyword).lower().startswith("x-"):
                hint = nearest(str(keyword)[:80], _KNOWN)
                yield Fault((*path, keyword), f"unknown keyword {shown(keyword)}", hint)


def subschemas(schema: Json, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    """The schema and every schema inside it, outermost first, with their paths."""
    yield path, schema
    if not isinstance(schema, Mapping):
        return
    for keyword, value in schema.items():
        takes = _KEYWORDS.get(keyword)
        if takes is _schema:
            yield from subschemas(value, (*path, keyword))
        elif takes is _schemas and isinstance(value, list):
            for index, inner in enumerate(value):
                yield from subschemas(inner, (*path, keyword, index))
        elif takes in (_members, _patterns) and isinstance(value, Mapping):
            for name, inner in value.items():
                yield from subschemas(inner, (*path, keyword, name))


def _node_faults(schema: Json, path: Path) -> Iterator[Fault]:
    """The faults of one schema, without those of the schemas inside it."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        hint = f"write `type: {schema}` in it" if schema in (*TYPES, *ALIASES) else ""
        yield Fault(path, f"a schema must be a mapping, got {shown(schema)}", hint)
        return
    for keyword, value in schema.items():
        takes = _KEYWORDS.get(keyword)
        for where, what, hint in takes(value) if takes else ():
            yield Fault((*path, keyword, *where), f"'{keyword}' {what}", hint)
    if path and "$schema" in schema:
        yield Fault((*path, "$schema"), "'$schema' belongs at the root of a schema", "leave it out")
    yield from _unknown_required(schema, path)


_ELSEWHERE: Final = ("$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "patternProperties", "if")


def _unknown_required(schema: Mapping[str, Json], path: Path) -> Iterator[Fault]:
    """Names under `required` that the schema does not declare beside it, and does not allow.

    Where others are allowed, as by default, only what looks like a slip of a declared name.
    """
    closed = schema.get("additionalProperties") is False
    required, properties = schema.get("required"), schema.get("properties", {})
    known = isinstance(required, list) and isinstance(properties, Mapping)
    alternative = path and "properties" not in schema  # as in `anyOf: [{required: [a]}, …]`
    if not known or alternative or any(keyword in schema for keyword in _ELSEWHERE):
        return
    for index, name in enumerate(schema["required"]):
        if isinstance(name, str) and name not in properties:
            if not (closed or nearest(name[:80], properties)):
                continue
            what = f"'required' names {shown(name)}, which 'properties' does not declare"
            hint = nearest(name[:80], properties, "declare it, or leave it out")
            yield Fault((*path, "required", index), what, hint)


Finding = tuple[Path, str, str]
"""A path from the keyword's value, what follows the keyword's name, a hint."""


def _schema(_: Json) -> Iterator[Finding]:
    """A schema: `subschemas` visits it."""
    yield from ()


def _schemas(value: Json) -> Iterator[Finding]:
    if not isinstance(value, list) or not value:
        yield (), f"must be a list of schemas, got {shown(value)}", ""


def _members(value: Json) -> Iterator[Finding]:
    if not isinstance(value, Mapping):
        yield (), f"must be a mapping of names to schemas, got {shown(value)}", ""


def _patterns(value: Json) -> Iterator[Finding]:
    yield from _members(value)
    for name in value if isinstance(value, Mapping) else ():
        for _, what, hint in _pattern(name):
            yield (name,), what, hint


def _pattern(value: Json) -> Iterator[Finding]:
    if not isinstance(value, str):
        yield (), f"must be a text, got {shown(value)}", ""
        return
    try:
        compile_pattern(value)
    except PatternError as error:
        yield (), str(error), ""


def _type(value: Json) -> Iterator[Finding]:
    if not isinstance(value, str | list) or value == []:
        hint = "write `type: 'null'`, in quotes" if value is None else _TYPES_HINT
        yield (), f"must be a type or a list of types, got {shown(value)}", hint
        return
    names = value if isinstance(value, list) else [value]
    for index, name in enumerate(names):
        where: Path = (index,) if isinstance(value, list) else ()
        if name not in TYPES:
            yield where, f"must be one of JSON Schema's types, got {shown(name)}", _type_hint(name)
        elif name in names[:index]:
            yield where, f"names {shown(name)} twice", ""


_TYPES_HINT: Final = f"they are {', '.join(TYPES)}"


def _type_hint(name: Json) -> str:
    if not isinstance(name, str):
        return "write `type: 'null'`, in quotes" if name is None else _TYPES_HINT
    word = name.strip().lower()
    if word in ("any", "object or null", "mixed"):
        return "leave `type` out for any value"
    generic = re.match(r"(list|array|sequence|dict|mapping|tuple|set)\[", word)
    if generic:
        return f"write '{ALIASES.get(generic[1], 'array')}'"
    known = word if word in TYPES else ALIASES.get(word)
    return f"write '{known}'" if known else nearest(word[:80], TYPES, _TYPES_HINT)


def _one(kind: str, good: Callable[[Json], bool]) -> Callable[[Json], Iterator[Finding]]:
    def check(value: Json) -> Iterator[Finding]:
        if not good(value):
            yield (), f"must be {kind}, got {shown(value)}", ""

    return check


def _names(value: Json) -> Iterator[Finding]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        flag = isinstance(value, bool)
        hint = "beside `properties`, list the names of those required" if flag else ""
        yield (), f"must be a list of names, got {shown(value)}", hint
    elif len(set(value)) < len(value):
        yield (), f"must be a list of different names, got {shown(value)}", ""


def _dependent(value: Json) -> Iterator[Finding]:
    if not isinstance(value, Mapping):
        yield (), f"must be a mapping of names to lists of names, got {shown(value)}", ""
        return
    for name, names in value.items():
        for _, what, hint in _names(names):
            yield (name,), what, hint


def _count(value: Json) -> bool:
    return is_number(value) and value >= 0 and value % 1 == 0


_text = _one("a text", lambda value: isinstance(value, str))
_list = _one("a list", lambda value: isinstance(value, list))
_flag = _one("true or false", lambda value: isinstance(value, bool))
_number = _one("a number", is_number)
_positive = _one("a number above 0", lambda value: is_number(value) and value > 0)
_size = _one("a count of at least 0", _count)
_anchor = _one(
    "a name of letters, digits, `-`, `_` and `.`",
    lambda value: isinstance(value, str) and bool(re.search(r"^[A-Za-z_][-A-Za-z0-9._]*$", value)),
)
_id = _one(
    "a URI without a fragment",
    lambda value: isinstance(value, str) and bool(re.search("^[^#]*#?$", value)),
)


_KEYWORDS: Final[Mapping[str, Callable[[Json], Iterator[Finding]]]] = {
    **dict.fromkeys(
        ("additionalProperties", "contains", "contentSchema", "else", "if", "items", "not"), _schema
    ),
    **dict.fromkeys(("propertyNames", "then", "unevaluatedItems"), _schema),
    "unevaluatedProperties": _schema,
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), _schemas),
    **dict.fromkeys(("$defs", "definitions", "dependentSchemas", "properties"), _members),
    "patternProperties": _patterns,
    "pattern": _pattern,
    "type": _type,
    "required": _names,
    "dependentRequired": _dependent,
    **dict.fromkeys(("enum", "examples"), _list),
    **dict.fromkeys(("maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum"), _number),
    "multipleOf": _positive,
    **dict.fromkeys(("maxLength", "minLength", "maxItems", "minItems"), _size),
    **dict.fromkeys(("maxContains", "minContains", "maxProperties", "minProperties"), _size),
    **dict.fromkeys(("deprecated", "readOnly", "uniqueItems", "writeOnly"), _flag),
    **dict.fromkeys(("$comment", "$dynamicRef", "$ref", "$schema", "description"), _text),
    **dict.fromkeys(("contentEncoding", "contentMediaType", "format", "title"), _text),
    **dict.fromkeys(("$anchor", "$dynamicAnchor"), _anchor),
    "$id": _id,
}


_KNOWN: Final = (
    *_KEYWORDS,
    *("const", "default", "$vocabulary", "id", "$recursiveRef", "$recursiveAnchor"),
    *("additionalItems", "dependencies"),  # of earlier drafts
    *("nullable", "example", "discriminator", "xml", "externalDocs"),  # of OpenAPI
    *(
        "name",
        "optional",
        "enumNames",
        "enumDescriptions",
        "markdownDescription",
        "defaultSnippets",
    ),
    *("errorMessage", "propertyOrdering", "strict"),  # of editors and of chat APIs
)
"""Every keyword that is no slip of the pen, those that are known first."""


def _reference(schema: Json) -> tuple[str, str] | None:
    """The keyword and the target of a schema's reference."""
    for keyword in ("$ref", "$dynamicRef"):
        if isinstance(schema, Mapping) and keyword in schema:
            return keyword, schema[keyword]
    return None


def _reference_faults(schema: Json) -> Iterator[Fault]:
    """References that lead nowhere, or back to themselves."""
    from referencing.jsonschema import DRAFT202012, EMPTY_REGISTRY

    root = EMPTY_REGISTRY.resolver_with_root(DRAFT202012.create_resource(schema))
    good = True
    schemas = {id(subschema) for _, subschema in subschemas(schema)}
    for path, subschema in subschemas(schema):
        named = _reference(subschema)
        if named is None:
            continue
        target = _target(subschema, _resolver_at(schema, path, root))
        if target is None or id(target[0]) not in schemas:
            good = False
            what = f"'{named[0]}' leads to {shown(named[1])}, which is no schema in this one"
            yield Fault((*path, named[0]), what, "define it under `$defs`; nothing is fetched")
    if good:
        done: set[int] = set()
        for path, subschema in subschemas(schema):
            if _loops(subschema, _resolver_at(schema, path, root), done, ()):
                yield Fault(path, "the schema refers to itself without end", _LOOP_HINT)
                return


_LOOP_HINT: Final = "a schema may refer to itself only through `properties` or `items`"


def _resolver_at(schema: Json, path: Path, resolver: Resolver) -> Resolver:
    """The resolver where the path leads: an `$id` on the way changes what names refer to."""
    for step in path:
        schema = schema[step]
        resolver = _entered(schema, resolver)
    return resolver


def _entered(schema: Json, resolver: Resolver) -> Resolver:
    from referencing.jsonschema import DRAFT202012

    if isinstance(schema, Mapping) and isinstance(schema.get("$id"), str):
        return resolver.in_subresource(DRAFT202012.create_resource(schema))
    return resolver


def _target(schema: Json, resolver: Resolver) -> tuple[Json, Resolver] | None:
    """What a reference leads to; None where that is nothing, or no schema."""
    from referencing.exceptions import Unresolvable

    named = _reference(schema)
    try:
        found = resolver.lookup(named[1]) if named else None
    except (Unresolvable, ValueError, TypeError, KeyError, AttributeError):
        return None
    if found is None or not isinstance(found.contents, Mapping | bool):
        return None
    return found.contents, found.resolver


def _loops(schema: Json, resolver: Resolver, done: set[int], above: tuple[int, ...]) -> bool:
    """Whether following what applies to the same value leads back to a schema `above`."""
    if not isinstance(schema, Mapping) or id(schema) in done:
        return False
    if id(schema) in above:
        return True
    above = (*above, id(schema))
    for inner in _in_place(schema):
        if _loops(inner, _entered(inner, resolver), done, above):
            return True
    target = _target(schema, resolver)
    if target and _loops(*target, done, above):
        return True
    done.add(id(schema))
    return False


def _in_place(schema: Mapping[str, Json]) -> Iterator[Json]:
    """The schemas inside that are held against the same value."""
    for keyword in ("allOf", "anyOf", "oneOf"):
        yield from schema.get(keyword, ())
    yield from (schema[keyword] for keyword in ("not", "if", "then", "else") if keyword in schema)
    yield from schema.get("dependentSchemas", {}).values()
