"""Lines of JSON that people can read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness.run_log import finite


def json_line(record: Mapping[str, Any]) -> str:
    """One line of JSON: letters of every script as they are, what cannot be printed as an escape.

    Keys keep their order. A number that JSON cannot hold becomes null.
    """
    text = json.dumps(finite(record), ensure_ascii=False, separators=(",", ":"))
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text) + "\n"
