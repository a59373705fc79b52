"""What FunctionGemma's chat template drops or garbles: found before a model is asked.

The rules are those that the official template (13,792 bytes) shows when it is rendered. Reported
is what changes the meaning of a declaration; titles, formats, bounds, patterns and defaults are
not shown to the model either, as in most templates, and are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from harness.cases import DEVELOPER, Json, Tool
from harness.functiongemma import CONTROL_TOKENS, MAX_DEPTH, is_name

SchemaPath = tuple[str | int, ...]

RESERVED: Final = ("description", "type", "properties", "required", "nullable")
"""Parameters of these names are skipped, at every level."""
_CHOICES: Final = ("anyOf", "oneOf", "allOf", "$ref")


@dataclass(frozen=True, slots=True)
class Loss:
    """One thing that the model is not shown as the spec has it.

    `path` leads from the tool, or from the messages, to the nearest value that is there:
    `("parameters", "properties", "unit", "enum")`. `what` is a whole sentence, `hint` what to do,
    `code` names the kind.
    """

    path: SchemaPath
    what: str
    hint: str
    code: str = "template"


def template_losses(tool: Tool) -> list[Loss]:
    """The losses of one tool's declaration, in the order of its schema."""
    losses = list(_text_losses(tool.description, ("description",)))
    if not is_name(tool.name):
        losses.append(_unwritable(("name",), "tool", tool.name))
    schema, path = tool.parameters, ("parameters",)
    if not schema:
        return losses
    if not schema.get("type"):
        what = "Without a type the template leaves the declaration's brace open."
        losses.append(Loss(path, what, "add `type: object`"))
    elif not isinstance(schema["type"], str):
        losses.append(_type_list((*path, "type")))
    losses += _choice_losses(schema, path)
    losses += _properties(schema.get("properties"), (*path, "properties"))
    return losses


def prompt_losses(text: str) -> list[str]:
    """A sentence for each control token in a prompt or a description, in the order found."""
    found = sorted((text.find(token), token) for token in CONTROL_TOKENS if token in text)
    return [
        f"The text holds {token!r}, which the tokenizer reads as that control token."
        for _, token in found
    ]


def developer_losses(text: str) -> list[str]:
    """A sentence where a developer turn lacks the sentence that FunctionGemma was trained with."""
    if DEVELOPER in text:
        return []
    return [
        f"The developer turn lacks the sentence {DEVELOPER!r}: "
        "without it FunctionGemma seldom calls a tool, and the template does not add it."
    ]


def _properties(properties: Json, path: SchemaPath) -> Iterator[Loss]:
    if not isinstance(properties, Mapping):
        return
    for name, schema in properties.items():
        here = (*path, name)
        if name in RESERVED:
            what = f"The template skips every parameter named {name!r}: the model never sees it."
            yield Loss(here, what, "rename it")
            continue
        if not isinstance(name, str) or not is_name(name):
            yield _unwritable(here, "parameter", name)
        yield from _property(schema if isinstance(schema, Mapping) else {}, here)


def _property(schema: Mapping[str, Json], path: SchemaPath) -> Iterator[Loss]:
    if len(path) > 2 * MAX_DEPTH:
        yield Loss(path, "The schema is nested too deep to be checked.", "make it flatter")
        return
    yield from _text_losses(schema.get("description"), (*path, "description"))
    choices = list(_choice_losses(schema, path))
    yield from choices
    kind = schema.get("type")
    if not kind:
        if not choices:
            yield _no_type(schema, path)
        return
    if not isinstance(kind, str):
        yield _type_list((*path, "type"))
    shown = kind.upper() if isinstance(kind, str) else ""
    if schema.get("enum") and shown != "STRING":
        what = "The template shows an enum of type string alone: these values are not shown."
        yield Loss((*path, "enum"), what, "name them in the description")
    yield from _inner_losses(schema, shown, path)


def _inner_losses(schema: Mapping[str, Json], shown: str, path: SchemaPath) -> Iterator[Loss]:
    """What becomes of a parameter's own properties and items."""
    properties, items = schema.get("properties"), schema.get("items")
    if shown == "OBJECT" and isinstance(properties, Mapping):
        yield from _properties(properties, (*path, "properties"))
    elif shown == "OBJECT":
        for key in schema:
            if key not in RESERVED:
                what = f"An object without properties shows {key!r} as if it were a parameter."
                yield Loss((*path, key), what, f"add `properties`, or leave {key!r} out")
    elif properties:
        what = f"The template shows properties of type object alone, not of {schema.get('type')!r}."
        yield Loss((*path, "properties"), what, "write `type: object`")
    if shown == "ARRAY" and isinstance(items, Mapping):
        yield from _items(items, (*path, "items"))
    elif items:
        what = "The template shows items only of type array, and only as one schema."
        yield Loss((*path, "items"), what, "write `type: array` and one schema for all items")


def _items(items: Mapping[str, Json], path: SchemaPath) -> Iterator[Loss]:
    """Items show every keyword, but only their own properties in the usual spelling."""
    yield from _text_losses(items.get("description"), (*path, "description"))
    for key in ("items", *_CHOICES):
        if items.get(key):
            what = f"{key!r} of an array's items is shown in a spelling that is used nowhere else."
            yield Loss((*path, key), what, "make the schema flatter, and say it in the description")
    yield from _properties(items.get("properties"), (*path, "properties"))


def _choice_losses(schema: Mapping[str, Json], path: SchemaPath) -> Iterator[Loss]:
    for key in _CHOICES:
        if schema.get(key):
            yield Loss(
                (*path, key),
                f"The template does not show {key!r}.",
                "write one `type`, and the alternatives in the description",
            )


def _text_losses(text: Json, path: SchemaPath) -> Iterator[Loss]:
    if isinstance(text, str):
        for sentence in prompt_losses(text):
            yield Loss(path, sentence, "write it in other words")


def _no_type(schema: Mapping[str, Json], path: SchemaPath) -> Loss:
    what = "A parameter without a type is shown with an empty one"
    if lost := [key for key in ("enum", "properties", "items") if schema.get(key)]:
        what += f", and without its {' and '.join(lost)}"
    return Loss(path, f"{what}.", "add its `type`")


def _type_list(path: SchemaPath) -> Loss:
    what = "A list of types is shown as a Python list, brackets and quotes included."
    return Loss(path, what, "write one type")


def _unwritable(path: SchemaPath, of: str, name: Json) -> Loss:
    what = f"No call can carry {name!r} as the name of a {of}."
    return Loss(path, what, "use letters, digits and any of _ . $ @ / -")
