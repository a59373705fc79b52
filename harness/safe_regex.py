"""Regular expressions that cannot hang: `re.search` with a time limit.

A pattern is valid where the standard library's `re` says so; the search is done by the module
`regex`, which takes a time limit and reads the same syntax once two of its own are kept out.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from harness.errors import printable
from harness.json_values import shown

if TYPE_CHECKING:
    from regex import Pattern

LONGEST: Final = 100_000
"""Characters that a pattern may come to with its repetitions written out."""

_MOST_CHARACTERS: Final = 20_000

_TOKEN: Final = re.compile(
    r"\\N\{[^}]*\}|\\."  # an escape
    r"|\[\^?\]?(?:\\.|[^\]\\])*+\]"  # a class; a bracket in first place is a member
    r"|\{(?:\d+,?\d*|,\d*)\}"  # a repetition
    r"|.",
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


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> Pattern[str]:
    """The pattern, ready for `found`. Raises PatternError with the reason where it is none."""
    import regex

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on what a future Python may read differently
            if len(pattern) > _MOST_CHARACTERS:
                raise PatternError(pattern, "it is too large")
            re.compile(pattern)
            tokens = _TOKEN.findall(pattern)
            if _written_out(tokens) > LONGEST:
                raise PatternError(pattern, "its repetitions are too many")
            return regex.compile(_plain(tokens))
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


def _written_out(tokens: Iterable[str]) -> int:
    """About how long the pattern is with `{n}` written out, as `regex` does when it compiles.

    Nested counts multiply: `(a{3000}){3000}` would take gigabytes before any search began.
    """
    sizes, last = [0], 0
    for token in tokens:
        if token == "(":
            sizes.append(0)
        elif token == ")" and len(sizes) > 1:
            last = sizes.pop()
            sizes[-1] += last
        elif token[0] == "{" and len(token) > 1:
            count = int(re.split(r"\D", token[1:])[0][:9] or 0)
            sizes[-1] += last * (count - 1)
            last *= count
        else:
            last = 1
            sizes[-1] += 1
    return sum(sizes)


def _plain(tokens: Iterable[str]) -> str:
    """The pattern with each brace and bracket that `re` takes literally escaped.

    To `regex`, `a{e<=1}` is a fuzzy match and `[[:alpha:]]` a POSIX class.
    """
    parts = []
    for token in tokens:
        if token == "{":
            parts.append(r"\{")
        elif token[0] == "[" and len(token) > 1:
            parts.append("[" + re.sub(r"\\.|\[", _escaped, token[1:], flags=re.DOTALL))
        else:
            parts.append(token)
    return "".join(parts)


def _escaped(bracket: re.Match[str]) -> str:
    return r"\[" if bracket[0] == "[" else bracket[0]
