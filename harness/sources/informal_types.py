"""Types as people write them, and schemas that hold them → JSON Schema.

`List[str]`, `Optional[int]`, `Dict[str, float]`, `STRING`, `dict`: tools of public data sets are
declared in such words. What JSON Schema has no word for is a text, as in the DataCamp tutorial.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from harness.cases import Json
from harness.json_values import is_finite, is_number
from harness.values.safe_regex import PatternError, compile_pattern
from harness.values.schema_faults import ALIASES, TYPES

Schema = dict[str, Json]

_LONGEST: Final = 500
"""Characters of a type; a longer one is prose."""
_DEEPEST: Final = 12
"""Generic types inside one another."""
_WORDS: Final = {**{word: word for word in TYPES}, **ALIASES}
_GENERIC: Final = re.compile(r"(?:typing\.)?([A-Za-z]+)\[(.*)\]", re.DOTALL)
_ASIDE: Final = re.compile(r"(?i)\s*(?:optional|required|default)\b")
"""What may stand behind the comma after a type: `int, optional`, `str, default: ''`."""


def schema_of_type(written: Json) -> Schema:
    """The schema of a type as it is written: a word, a generic type, a schema, or no type at all.

    A word that names no type is a text. A mapping is a schema if it has a `type`, else any object.
    """
    if isinstance(written, Mapping):
        return clean_schema(written) if "type" in written else {"type": "object"}
    if isinstance(written, list):
        return {"type": "array"}
    return _read(written, 0) if isinstance(written, str) else {"type": "string"}


def _read(written: str, depth: int) -> Schema:
    text = written.strip()
    if len(text) > _LONGEST or depth > _DEEPEST:
        return {"type": "string"}
    if (word := _WORDS.get(text.lower())) is not None:
        return {"type": word}
    parts = list(_parts(text, ","))
    if len(parts) > 1:
        return _read(parts[0], depth + 1) if _ASIDE.match(parts[1]) else {"type": "string"}
    options = list(_parts(text, "|"))
    if len(options) > 1:
        return _union(options, depth + 1)
    if generic := _GENERIC.fullmatch(text):
        return _generic(generic[1].lower(), list(_parts(generic[2], ",")), depth + 1)
    return {"type": "string"}


def _parts(text: str, separator: str) -> Iterator[str]:
    """The text cut at the separators that stand in no brackets; empty parts left out."""
    start = level = 0
    for place, char in enumerate(text):
        level += (char == "[") - (char == "]")
        if char == separator and level == 0:
            yield from filter(str.strip, [text[start:place]])
            start = place + 1
    yield from filter(str.strip, [text[start:]])


def _generic(name: str, inner: list[str], depth: int) -> Schema:
    """`NAME[inner, …]`."""
    if name in ("optional", "union"):
        return _union(inner, depth)
    if name in ("list", "set", "frozenset", "sequence", "iterable", "array"):
        return _array(inner[:1], depth)
    if name == "tuple":
        return _array(
            list(dict.fromkeys(one.strip() for one in inner if one.strip() != "...")), depth
        )
    if name in ("dict", "mapping", "map"):
        known = len(inner) > 1 and not _is_any(inner[-1])
        values = {"additionalProperties": _read(inner[-1], depth)} if known else {}
        return {"type": "object", **values}
    if name == "literal":
        return {"type": "string", "enum": list(dict.fromkeys(one.strip(" \"'") for one in inner))}
    return {"type": "string"}


def _array(inner: list[str], depth: int) -> Schema:
    """A list; of items that are not all of one type nothing is said."""
    known = len(inner) == 1 and not _is_any(inner[0])
    return {"type": "array", **({"items": _read(inner[0], depth)} if known else {})}


def _is_any(written: str) -> bool:
    return written.strip().lower() in ("any", "typing.any")


def _union(options: list[str], depth: int) -> Schema:
    """One of several types. `None` among them says that the value may be left out, no more."""
    schemas: list[Schema] = []
    for option in options:
        schema = _read(option, depth)
        if schema != {"type": "null"} and schema not in schemas:
            schemas.append(schema)
    if schemas in (
        [{"type": "integer"}, {"type": "number"}],
        [{"type": "number"}, {"type": "integer"}],
    ):
        return {"type": "number"}
    if len(schemas) > 1:
        return {"anyOf": schemas}
    return schemas[0] if schemas else {"type": "string"}


def clean_schema(node: Mapping[str, Json]) -> Schema:
    """A schema with JSON Schema's own types, at any depth, and without what JSON Schema refuses.

    Left out are keywords whose values cannot be: an `enum` that is no list, a `required` name that
    nothing declares, a `default` of another type, references.
    """
    schema: Schema = {}
    for keyword, value in node.items():
        clean = _KEYWORDS.get(keyword)
        kept = clean(value) if clean else None
        if kept is not None:
            schema[keyword] = kept
    if "type" in node:
        schema = {**schema, **_typed(node["type"], schema)}
    _only_declared(schema)
    if "default" in node and _of_type(node["default"], schema):
        schema["default"] = node["default"]
    return schema


def _typed(written: Json, schema: Schema) -> Schema:
    """What a `type` says: itself, and the items or members that only a generic type names."""
    if isinstance(written, list):
        words = [_WORDS.get(word.strip().lower()) for word in written if isinstance(word, str)]
        known = list(dict.fromkeys(word for word in words if word))
        real = [word for word in known if word != "null"]
        return {"type": real[0] if len(real) == 1 else known} if real else {"type": "string"}
    said = schema_of_type(written)
    return {keyword: value for keyword, value in said.items() if keyword not in schema}


def _only_declared(schema: Schema) -> None:
    """Drop the names under `required` that `properties` does not declare."""
    if "required" in schema:
        declared = schema.get("properties", {})
        schema["required"] = [name for name in schema["required"] if name in declared]


_PYTHON: Final[Mapping[str, type | tuple[type, ...]]] = {
    "string": str,
    "boolean": bool,
    "array": list,
    "object": dict,
    "integer": int,
    "number": (int, float),
}


def _of_type(value: Json, schema: Schema) -> bool:
    """Whether a default can stand: a scalar of the schema's type, one of its `enum`."""
    kind = schema.get("type")
    if not isinstance(kind, str) or isinstance(value, list | dict):
        return False
    if isinstance(value, bool) != (kind == "boolean") or not isinstance(
        value, _PYTHON.get(kind, ())
    ):
        return False
    bounded = any(keyword in schema for keyword in _BOUNDS)
    return not bounded and ("enum" not in schema or value in schema["enum"])


def _member(value: Json) -> Schema:
    """The schema of a member: a whole one, or a type alone."""
    return clean_schema(value) if isinstance(value, Mapping) else schema_of_type(value)


def _members(value: Json) -> Json:
    if not isinstance(value, Mapping):
        return None
    return {str(name): _member(member) for name, member in value.items()}


def _items(value: Json) -> Json:
    """The schema of items; a list of schemas, as earlier drafts have it, says nothing of all."""
    return None if isinstance(value, list | bool) or value in (None, "", {}) else _member(value)


def _additional(value: Json) -> Json:
    return value if isinstance(value, bool) else _items(value)


def _alternatives(value: Json) -> Json:
    good = isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value)
    return [clean_schema(one) for one in value] if good else None


def _names(value: Json) -> Json:
    if not isinstance(value, list):
        return None
    return list(dict.fromkeys(name for name in value if isinstance(name, str)))


def _pattern(value: Json) -> Json:
    try:
        compile_pattern(value)
    except (PatternError, TypeError):
        return None
    return value


def _text(value: Json) -> Json:
    return value if isinstance(value, str) else None


def _list(value: Json) -> Json:
    return value if isinstance(value, list) and value else None


def _number(value: Json) -> Json:
    return value if is_number(value) and is_finite(value) else None


def _count(value: Json) -> Json:
    return (
        value if is_number(value) and is_finite(value) and value >= 0 and value % 1 == 0 else None
    )


_BOUNDS: Final[Mapping[str, Callable[[Json], Json]]] = {
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _number),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), _count),
    "pattern": _pattern,
}
_KEYWORDS: Final[Mapping[str, Callable[[Json], Json]]] = {
    **dict.fromkeys(("title", "description", "format"), _text),
    "enum": _list,
    "properties": _members,
    "required": _names,
    "items": _items,
    "additionalProperties": _additional,
    **dict.fromkeys(("anyOf", "oneOf", "allOf"), _alternatives),
    **_BOUNDS,
}
