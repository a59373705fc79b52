"""Lines of JSON that people can read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def json_line(record: Mapping[str, Any]) -> str:
    """One line of JSON: letters of every script as they are, what cannot be printed as an escape.

    Keys keep their order. A number that JSON cannot hold becomes null.
    """
    text = json.dumps(_finite(record), ensure_ascii=False, separators=(",", ":"))
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(held) for key, held in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
