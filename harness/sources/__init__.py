"""Data sets as cases: `source:` in a spec, and `callgate import`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from harness.sources.rows import Format

FORMATS: Final = {
    "simple_tool_calling": "harness.sources.simple_tool_calling",
    "hermes": "harness.sources.hermes",
    "bfcl": "harness.sources.bfcl",
    "mobile_actions": "harness.sources.mobile_actions",
    "openai": "harness.sources.openai",
    "csv": "harness.sources.csv_rows",
}
"""Name → the module whose `FORMAT` it is; each is imported when it is named."""


def format_called(name: str) -> Format:
    """The format of a name; raises KeyError for an unknown one."""
    found: Format = import_module(FORMATS[name]).FORMAT
    return found
