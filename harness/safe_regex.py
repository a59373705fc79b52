"""Regular expressions that cannot hang: `re.search` with a time limit.

A pattern is valid where the standard library's `re` says so; the search is done by the module
`regex`, which reads the same syntax and takes a time limit.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from harness.errors import printable
from harness.json_values import shown

if TYPE_CHECKING:
    from regex import Pattern

LONGEST: Final = 100_000
"""Characters that a pattern may come to with its repetitions written out."""

_COUNT: Final = re.compile(r"\{(\d+)(?:,\d*)?\}")


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


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> Pattern[str]:
    """The pattern, ready for `found`. Raises PatternError with the reason where it is none."""
    import regex

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on what a future Python may read differently
            if _written_out(pattern) > LONGEST:
                raise PatternError(pattern, "its repetitions are too many")
            re.compile(pattern)
            return regex.compile(pattern)
    except (re.error, regex.error) as error:
        raise PatternError(pattern, printable(str(error))) from None
    except (RecursionError, OverflowError, MemoryError):
        raise PatternError(pattern, "it is too large") from None


def found(pattern: Pattern[str], text: str, seconds: float = 1.0) -> bool:
    """Whether the pattern is found anywhere in the text. Raises RegexTimeout after `seconds`."""
    try:
        return pattern.search(text, timeout=seconds) is not None
    except (TimeoutError, MemoryError):
        raise RegexTimeout(pattern.pattern, len(text), seconds) from None


def _written_out(pattern: str) -> int:
    """About how long the pattern is with `{n}` written out, as `regex` does when it compiles.

    Nested counts multiply: `(a{3000}){3000}` would take gigabytes before any search began.
    """
    sizes, last, at = [0], 0, 0
    while at < len(pattern):
        count = _COUNT.match(pattern, at)
        if count:
            sizes[-1] += last * (int(count[1][:9]) - 1)
            last, at = last * int(count[1][:9]), count.end()
            continue
        char = pattern[at]
        if char == "(":
            sizes.append(0)
        elif char == ")" and len(sizes) > 1:
            last = sizes.pop()
            sizes[-1] += last
        else:
            last = 1
            sizes[-1] += 1
        at = _class_end(pattern, at) if char == "[" else at + 1 + (char == "\\")
    return sum(sizes)


def _class_end(pattern: str, start: int) -> int:
    """The index after the character class that begins at `start`."""
    at = start + 1
    at += pattern.startswith("^", at)
    at += pattern.startswith("]", at)  # a bracket in first place is a member
    while at < len(pattern) and pattern[at] != "]":
        at += 2 if pattern[at] == "\\" else 1
    return at + 1
