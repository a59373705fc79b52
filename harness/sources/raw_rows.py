"""Raw rows: one as it was parsed, or why it is none.

JSON is read strictly: nothing in a row is lost or filled in without a word.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Final, NoReturn, Protocol

from harness.cases import Json, Location

MAX_ROW: Final = 1_000_000
"""Bytes of a row; a larger one is dropped."""
MAX_DEPTH: Final = 64
"""Levels of lists and mappings in a row; a deeper one is dropped."""


@dataclass(frozen=True, slots=True)
class Drop:
    """A row that became no case: `reason`, a short fixed phrase to count by, and the detail."""

    reason: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


@dataclass(frozen=True, slots=True)
class Raw:
    """A row as it was parsed, and where it is."""

    location: Location
    value: Json


class Rows(Protocol):
    """The rows of a file by position, parsed when they are asked for; a bad one is a Drop."""

    def __len__(self) -> int:
        """How many rows there are, sound or not."""

    def __getitem__(self, index: int, /) -> Raw | Drop:
        """The row at the position, from 0."""

    def locate(self, index: int, /) -> Location:
        """Where the row at the position is, from 0."""


class NotJson(ValueError):  # noqa: N818 - it says what was found
    """A text that is no JSON, or none that a case can hold; `drop` says why."""

    def __init__(self, drop: Drop) -> None:
        self.drop = drop
        super().__init__(str(drop))


def parse_json(text: str) -> Json:
    """The value of a JSON text.

    Raises NotJson, also for what JSON has not (`NaN`), for a member written twice, for half a
    surrogate pair, and for more than `MAX_DEPTH` levels.
    """
    try:
        value = DECODER.decode(text)
    except RecursionError:
        raise NotJson(_TOO_DEEP) from None
    except NotJson:
        raise
    except ValueError as error:
        raise NotJson(Drop("broken JSON", why(error))) from None
    check(text, value)
    return value


def check(text: str, value: Json) -> None:
    """Raises NotJson for a value that is JSON, but that no case can hold."""
    if "\\u" in text and _SURROGATE.search(text) and not _encodes(value):
        raise NotJson(Drop("half a surrogate pair"))
    if text.count("[") + text.count("{") > MAX_DEPTH and _deeper(value):
        raise NotJson(_TOO_DEEP)


def why(error: ValueError) -> str:
    """What is wrong with a JSON text, as a phrase."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg[0].lower()}{error.msg[1:]} at character {error.pos + 1}"
    return "a number of too many digits" if "digits" in str(error) else str(error)


_TOO_DEEP: Final = Drop("nested too deeply", f"more than {MAX_DEPTH} levels")
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")


def _members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        twice = next(name for name, n in Counter(name for name, _ in pairs).items() if n > 1)
        raise NotJson(Drop("a member written twice", repr(twice[:60])))
    return members


def _constant(name: str) -> NoReturn:
    raise NotJson(Drop("broken JSON", f"{name} is no JSON"))


def _float(text: str) -> float:
    value = float(text)
    if value - value != 0:
        raise NotJson(Drop("broken JSON", f"{text[:30]} is too large a number"))
    return value


DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_members, parse_constant=_constant, parse_float=_float
)


def _encodes(value: Json) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        return False
    return True


def _deeper(value: Json) -> bool:
    """Whether a value has more than `MAX_DEPTH` levels."""
    level: list[Json] = [value]
    for _ in range(MAX_DEPTH + 1):
        nested = [node for node in level if isinstance(node, dict | list)]
        level = [
            held for node in nested for held in (node.values() if isinstance(node, dict) else node)
        ]
        if not nested:
            return False
    return True
