"""Secrets of the environment, replaced before anything is written or shown."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

WORDS: Final = ("KEY", "TOKEN", "SECRET", "PASSWORD")
SHORTEST: Final = 8
"""Values shorter than this would hide ordinary words."""
MARK: Final = "[redacted: "

_OURS: Final = frozenset({"kind", "split", "compare", "request", "finish", "outcome", "miss"})
"""What callgate itself writes: fixed words and a digest, which hold nobody's secret."""
_KEYS: Final = frozenset({"name", "arguments", "prompt", "completion", "value", "from"})
"""Keys inside the values of a log's line; with others gone, nobody could read it."""

Secrets = tuple[tuple[str, str], ...]


def secrets() -> Secrets:
    """(value, name) of each variable whose name says that it is secret, longest value first."""
    found = {
        value: name
        for name, value in os.environ.items()
        if len(value) >= SHORTEST and any(word in name.upper() for word in WORDS)
    }
    return tuple(sorted(found.items(), key=lambda pair: -len(pair[0])))


def redact(record: dict[str, Any], hidden: Secrets | None = None) -> dict[str, Any]:
    """The record without the secrets' values; `redacted: true` is added where one was found."""
    hidden = secrets() if hidden is None else hidden
    if not hidden:
        return record
    cleaned = {
        key: value if key in _OURS else _clean(value, hidden) for key, value in record.items()
    }
    same = all(cleaned[key] is value for key, value in record.items())
    return record if same else {**cleaned, "redacted": True}


def redact_text(text: str) -> str:
    """The text without the secrets' values."""
    return str(_clean(text, secrets()))


def _clean(value: Any, hidden: Secrets) -> Any:
    """The value without secrets: itself where it holds none."""
    if isinstance(value, str):
        for secret, name in hidden:
            if secret in value:
                value = value.replace(secret, f"{MARK}{name}]")
        return value
    if isinstance(value, Mapping):
        pairs = {
            key if key in _KEYS else _clean(key, hidden): _clean(held, hidden)
            for key, held in value.items()
        }
        same = len(pairs) == len(value) and all(
            key in pairs and pairs[key] is held for key, held in value.items()
        )
        return value if same else pairs
    if isinstance(value, list | tuple):
        items = [_clean(item, hidden) for item in value]
        return value if all(map(lambda a, b: a is b, items, value)) else items
    return value
