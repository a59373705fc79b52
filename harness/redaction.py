"""Secrets of the environment, replaced before anything is written or shown."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

WORDS: Final = ("KEY", "TOKEN", "SECRET", "PASSWORD")
SHORTEST: Final = 8
"""Values shorter than this would hide ordinary words."""
MARK: Final = "[redacted: "

_OURS: Final = frozenset(
    {"kind", "split", "compare", "request", "finish", "outcome", "miss"}
    | {"schema", "fingerprint", "generation", "versions", "start", "redacted"}
)
"""What callgate itself writes: fixed words, numbers and digests, which hold nobody's secret."""
_NAMES: Final = frozenset({"case", "spec", "location", "tags", "clause", "specs"})
"""What a spec's author calls things: baselines, replays and reports find verdicts by it."""
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


def redact(
    record: dict[str, Any], hidden: Secrets | None = None, names: Iterable[str] = ()
) -> dict[str, Any]:
    """The record without the secrets' values; `redacted: true` is added where one was found.

    What identifies stays: places and ids, and `names`, such as those of the declared tools, where
    they name a call or an argument.
    """
    hidden = secrets() if hidden is None else hidden
    if not hidden:
        return record
    kept = _KEYS.union(names)
    cleaned = {
        key: value if key in _OURS or key in _NAMES else _clean(value, hidden, kept)
        for key, value in record.items()
    }
    same = all(cleaned[key] is value for key, value in record.items())
    return record if same else {**cleaned, "redacted": True}


def redact_text(text: str) -> str:
    """The text without the secrets' values."""
    return str(_clean(text, secrets(), _KEYS))


def _clean(value: Any, hidden: Secrets, kept: Collection[str]) -> Any:
    """The value without secrets: itself where it holds none. `kept` are keys and names."""
    if isinstance(value, str):
        for secret, name in hidden:
            if secret in value:
                value = value.replace(secret, f"{MARK}{name}]")
        return value
    if isinstance(value, Mapping):
        pairs = {
            key if key in kept else _clean(key, hidden, kept): (
                held if _is_name(key, held, kept) else _clean(held, hidden, kept)
            )
            for key, held in value.items()
        }
        same = len(pairs) == len(value) and all(
            key in pairs and pairs[key] is held for key, held in value.items()
        )
        return value if same else pairs
    if isinstance(value, list | tuple):
        items = [_clean(item, hidden, kept) for item in value]
        return value if all(map(lambda a, b: a is b, items, value)) else items
    return value


def _is_name(key: Any, held: Any, kept: Collection[str]) -> bool:
    """Whether this is the name of a call, and one that a spec declares."""
    return key == "name" and isinstance(held, str) and held in kept
