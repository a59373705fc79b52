"""A report as JSON: the Summary itself. `summary.schema.json` beside this file describes it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from reports.summary import Summary

SCHEMA: Final = 1
"""The version of this format."""


def render(summary: Summary) -> str:
    """The report as JSON in plain ASCII, named and ordered as the Summary's fields.

    A field has a line of its own, and so has each spec, case, notice and seed.
    """
    found = (f'"{one.name}": {_value(getattr(summary, one.name))}' for one in fields(summary))
    text = ",\n".join((f'"schema": {SCHEMA}', *found))
    text = text.replace("##[", "#\\u0023[")  # else a command of GitHub's runner, in a build's log
    return f"{{\n{text}\n}}\n"


def _value(value: Any) -> str:
    if not isinstance(value, tuple) or not value:
        return _line(value)
    return "[\n" + ",\n".join(map(_line, value)) + "\n]"


def _line(value: Any) -> str:
    try:
        return json.dumps(value, default=_object, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False)


def _object(value: Any) -> Any:
    """A dataclass or a mapping as a plain object."""
    if isinstance(value, Mapping):
        return {str(key): held for key, held in value.items()}
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _finite(value: Any) -> Any:
    """The value with null for each number that JSON cannot hold."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    plain = value if isinstance(value, list | tuple | dict) else _object(value)
    if isinstance(plain, dict):
        return {str(key): _finite(held) for key, held in plain.items()}
    return [_finite(item) for item in plain]
