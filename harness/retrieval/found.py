"""What running a tool gives, and what a case may ask of it. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

MOST_PAGES: Final = 10
"""Pages that a search names, and the most that `within` and `results` may ask for."""
RESULTS: Final = 3
"""Pages whose text the model is given, unless `results` says otherwise; `within` as well."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one call found: the names of pages, best first, and the result that the model is given.

    `result` is a mapping, as chat templates take the content of a `tool` message.
    """

    tool: str
    pages: tuple[str, ...]
    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Finds:
    """What calls must find: tool → pages, each among the first `within` of one call to the tool."""

    pages: Mapping[str, tuple[str, ...]]
    within: int = RESULTS


class Runner(Protocol):
    """What a declared tool does when it is called."""

    @property
    def pages(self) -> tuple[str, ...]:
        """The names of all pages that a call could find, sorted."""

    def run(self, tool: str, arguments: Mapping[str, Any]) -> Found:
        """Run a call to the tool; whatever the arguments hold, it finds something or nothing."""
