"""Secrets of the environment, replaced before anything is written or shown."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

WORDS: Final = ("KEY", "TOKEN", "SECRET", "PASSWORD")
SHORTEST: Final = 8
"""Values shorter than this would hide ordinary words."""


@lru_cache(maxsize=1)
def _secrets() -> tuple[tuple[str, str], ...]:
    """(value, name) of each variable whose name says that it is secret, longest value first."""
    found = {
        value: name
        for name, value in os.environ.items()
        if len(value) >= SHORTEST and any(word in name.upper() for word in WORDS)
    }
    return tuple(sorted(found.items(), key=lambda pair: -len(pair[0])))


def redact(record: dict[str, Any]) -> dict[str, Any]:
    """The record without the secrets' values; `redacted: true` is added where one was found."""
    secrets = _secrets()
    if not secrets:
        return record
    cleaned = _clean(record, secrets)
    return record if cleaned == record else {**cleaned, "redacted": True}


def _clean(value: Any, secrets: tuple[tuple[str, str], ...]) -> Any:
    if isinstance(value, str):
        for secret, name in secrets:
            value = value.replace(secret, f"[redacted: {name}]")
        return value
    if isinstance(value, Mapping):
        return {_clean(key, secrets): _clean(item, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item, secrets) for item in value]
    return value
