"""Plain data → YAML that people like to read, and that callgate's own reader reads the same.

That is `harness.spec_files.strict_yaml`. What fits on a line stands on it in flow style; the rest
is written in blocks. A text is quoted where any reader of YAML, 1.1 or 1.2, might take it for
something else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from harness.cases import Json
from harness.spec_files.yaml_scalars import plain_value

WIDTH: Final = 100
"""Columns that a line of flow style may fill."""
_LONGEST_KEY: Final = 200
"""Characters of a key that stands before its colon; YAML allows 1024."""
_SIGNS: Final = frozenset("-?:,[]{}#&*!|>'\"%@`=~")
"""What a text without quotes does not begin with."""
_FLOW: Final = frozenset(",:[]{}")
_DATE: Final = re.compile(r"\d{4}-\d\d?-\d\d?")
_WORDS: Final = frozenset(["y", "yes", "n", "no", "on", "off", "true", "false", "null", "none"])


def yaml_text(document: Mapping[str, Json], apart: tuple[str, ...] = ()) -> str:
    """The document, a line break at its end.

    The keys named by `apart` hold lists of mappings: an empty line stands before each of these
    lists, and each of their items is a block.
    """
    lines: list[str] = []
    for key, value in document.items():
        if key in apart:
            lines += [*([""] if lines else []), f"{_key(key)}:"]
            for item in value:
                lines += _item(item, 2, block=True)
        else:
            lines += _member(key, value, 0)
    return "\n".join(lines) + "\n"


def _member(key: str, value: Json, indent: int) -> Iterator[str]:
    """The lines of one member of a mapping in block style."""
    margin = " " * indent
    if len(key) > _LONGEST_KEY:
        yield f"{margin}? {_quoted(key)}"
        head = f"{margin}:"
    else:
        head = f"{margin}{_key(key)}:"
    flow = _flow(value)
    if flow is not None and (_is_short(value) or len(head) + 1 + len(flow) <= WIDTH):
        yield f"{head} {flow}"
    elif isinstance(value, str):
        yield from _literal(head, value, indent + 2)
    else:
        yield head
        yield from _block(value, indent + 2)


def _block(value: Json, indent: int) -> Iterator[str]:
    """The lines of a list or mapping that is not empty."""
    if isinstance(value, Mapping):
        for key, held in value.items():
            yield from _member(key, held, indent)
    else:
        for item in value:
            yield from _item(item, indent)


def _item(value: Json, indent: int, *, block: bool = False) -> Iterator[str]:
    """The lines of one item of a list in block style; `block`: never on one line."""
    margin = " " * indent
    flow = None if block and value and isinstance(value, Mapping) else _flow(value)
    if flow is not None and (_is_short(value) or indent + 2 + len(flow) <= WIDTH):
        yield f"{margin}- {flow}"
    elif isinstance(value, str):
        yield from _literal(f"{margin}-", value, indent + 2)
    else:
        first, *others = _block(value, indent + 2)
        yield f"{margin}- {first[indent + 2 :]}"
        yield from others


def _is_short(value: Json) -> bool:
    """Whether a value stands on one line, however long that gets."""
    return not isinstance(value, Mapping | list) or not value


def _flow(value: Json, depth: int = 0) -> str | None:
    """The value on one line; None for one that takes a block."""
    if isinstance(value, str):
        if depth == 0:
            return None if _is_literal(value) else _plain_or_quoted(value, inside=False)
        return _plain_or_quoted(value, inside=True)
    if isinstance(value, Mapping):
        if any(len(key) > _LONGEST_KEY for key in value):
            return None
        parts = [(_key(key), _flow(held, depth + 1)) for key, held in value.items()]
        if any(text is None for _, text in parts):
            return None
        return f"{{{', '.join(f'{key}: {text}' for key, text in parts)}}}"
    if isinstance(value, list):
        items = [_flow(item, depth + 1) for item in value]
        return None if None in items else f"[{', '.join(map(str, items))}]"
    return json.dumps(value)


def _is_literal(text: str) -> bool:
    """Whether a text of several lines can stand as a block as it is."""
    lines = text.split("\n")
    if len(lines) < 2 or not lines[0] or text.endswith("\n\n"):
        return False
    whole = all(line.isprintable() and line == line.rstrip() for line in lines)
    return whole and not lines[0].startswith(" ")


def _literal(head: str, text: str, indent: int) -> Iterator[str]:
    """The lines of a literal block."""
    yield f"{head} {'|' if text.endswith(chr(10)) else '|-'}"
    for line in text.removesuffix("\n").split("\n"):
        yield f"{' ' * indent}{line}" if line else ""


def _key(text: str) -> str:
    return _plain_or_quoted(text, inside=True)


def _plain_or_quoted(text: str, *, inside: bool) -> str:
    """The text without quotes where nobody can misread it; `inside`: of flow style, or a key."""
    return text if _is_plain(text, inside=inside) else _quoted(text)


def _is_plain(text: str, *, inside: bool) -> bool:
    if not text or text != text.strip() or not text.isprintable() or text[0] in _SIGNS:
        return False
    if inside and set(text) & _FLOW:
        return False
    if ": " in text or text.endswith(":") or " #" in text:
        return False
    return not _is_other(text)


def _is_other(text: str) -> bool:
    """Whether a reader of YAML may take a plain text for another value: a number, a date."""
    if text.lower() in _WORDS or text.startswith(("<<", "...")) or _DATE.match(text):
        return True
    if text[0] in "+.0123456789" and " " not in text:
        return True
    value: Any = plain_value(text[:400])
    return not isinstance(value, str)


def _quoted(text: str) -> str:
    """The text in double quotes; what cannot be printed is an escape."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)
