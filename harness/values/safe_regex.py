"""Regular expressions that cannot hang: `re.search`, with a time limit.

A search that is quick whatever the text holds is done here; any other one by
`harness.values.search_process`, where it can be ended.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from typing import Final

from harness.errors import printable
from harness.json_values import shown
from harness.values import search_process

QUICK: Final = 5_000_000
"""Steps of a search that needs no time limit: less than a tenth of a second."""

_MOST_CHARACTERS: Final = 20_000

_FLAGS: Final = re.compile(r"\(\?[aims]+\)")
_PIECE: Final = re.compile(
    r"(?P<group>\((?:\?:)?|\)(?![*+?{]))"  # a group that nothing repeats
    r"|(?P<bar>\|)"
    r"|(?:\\[^N0-9]|\[\^?\]?(?:\\.|[^\]\\])*+\]|[^\\\[\](){}|*+?])"  # a character or a class
    r"(?:(?P<many>[*+]|\{\d*,\})|(?P<maybe>\?)|\{(?P<least>\d*)(?P<most>,\d+)?\})?[+?]?",
    re.DOTALL,
)


class PatternError(ValueError):
    """A text that is no regular expression, or too large a one; `reason` says why."""

    def __init__(self, pattern: str, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{shown(pattern)} is not a usable regular expression: {reason}")


class RegexTimeout(Exception):  # noqa: N818 - like TimeoutError, it says what happened
    """A search that did not end in time: the pattern's fault, not the text's."""

    def __init__(self, pattern: str, length: int, seconds: float) -> None:
        super().__init__(
            f"the pattern {shown(pattern)} runs away: no answer within {seconds:g} s "
            f"on a text of {length} characters; rewrite it without nested repetitions"
        )


class NoSearch(RegexTimeout):
    """A search that cannot be given a time limit here, and so is not begun."""

    def __init__(self, pattern: str, why: str) -> None:
        Exception.__init__(
            self,
            f"the pattern {shown(pattern)} may run away, and the process to search it in "
            f"cannot be started: {why}",
        )


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The pattern, ready for `found`. Raises PatternError with the reason where it is none."""
    if len(pattern) > _MOST_CHARACTERS:
        raise PatternError(pattern, "it is too large")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on what a future Python may read differently
            return re.compile(pattern)
    except re.error as error:
        raise PatternError(pattern, printable(str(error))) from None
    except (RecursionError, OverflowError, MemoryError):
        raise PatternError(pattern, "it is too large") from None


def found(pattern: re.Pattern[str], text: str, seconds: float = 1.0) -> bool:
    """Whether the pattern is found anywhere in the text. Raises RegexTimeout after `seconds`."""
    if _is_quick(pattern.pattern, len(text)):
        return pattern.search(text) is not None
    try:
        answer = search_process.search(pattern.pattern, text, seconds)
    except OSError as error:
        raise NoSearch(pattern.pattern, error.strerror or str(error)) from None
    if answer is None:
        raise RegexTimeout(pattern.pattern, len(text), seconds)
    return answer


def _is_quick(pattern: str, length: int) -> bool:
    """Whether a search in any text of that length is over within `QUICK` steps.

    From each place every way to choose the repetitions and the alternatives may be tried, and a
    repetition without a bound reads up to the whole text each time.
    """
    shape = _shape(pattern)
    if shape is None:
        return False
    size, endless, choices = shape
    steps: int = (length + 1) ** (endless + 1) * choices * (size + endless * length)
    return steps <= QUICK


@lru_cache(maxsize=1024)
def _shape(pattern: str) -> tuple[int, int, int] | None:
    """Characters with their counts, repetitions without a bound, ways to choose all else.

    None for what these do not bound: a repeated group, a look around, a reference.
    """
    flags = _FLAGS.match(pattern)
    at, size, endless, choices = flags.end() if flags else 0, 1, 0, 1
    while at < len(pattern):
        piece = _PIECE.match(pattern, at)
        if piece is None or endless > 4 or choices > QUICK:
            return None
        at = piece.end()
        least, most = int((piece["least"] or "0")[:9]), int((piece["most"] or ",0")[1:10])
        size += max(1, least, most)
        endless += piece["many"] is not None
        choices *= 2 if piece["bar"] or piece["maybe"] else max(1, most - least + 1)
    return size, endless, choices
