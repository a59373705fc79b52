"""Every error that callgate raises on purpose: whose mistake it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from harness.cases import Location


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file: `path:line:column: where: what (hint)`, the line and a caret.

    `where` is the place in the author's terms (`case travel-meals, expect`); `source` is the text
    of the line, empty where there is none to show. `code` names the kind, for tests and editors.
    """

    location: Location
    where: str
    what: str
    hint: str = ""
    source: str = ""
    code: str = ""

    def __str__(self) -> str:
        place = self.location
        head = f"{place.path}:{place.line}:{place.column}: "
        head += f"{self.where}: {self.what}" if self.where else self.what
        if self.hint:
            head += f" ({self.hint})"
        return f"{head}\n{_excerpt(self.source, place.column)}" if self.source else head


def _excerpt(source: str, column: int, width: int = 100) -> str:
    """The line and a caret below its column; a long line is cut around the column."""
    start = max(0, column - 1 - width // 2) if len(source) > width else 0
    shown = printable(source[start : start + width])
    return f"    {shown}\n    {' ' * (column - 1 - start)}^"


def printable(text: str) -> str:
    """The text with each control character as its escape: nothing that drives a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class CallgateError(Exception):
    """The root: a message for people, and the exit code that a command ends with."""

    exit_code = 2


class UsageError(CallgateError):
    """A command, an option or a file name that cannot be used."""


class SpecError(CallgateError):
    """Spec files that cannot be used, with all their problems."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class BackendError(CallgateError):
    """The back end cannot answer at all: a model that does not load, a file that is not there."""

    exit_code = 3


def first_line(error: BaseException) -> str:
    """The first line of what a library says of an error; its type's name where it says nothing."""
    return (str(error).strip() or type(error).__name__).split("\n")[0]


def nearest(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """A hint: `did you mean 'X'?`, or `otherwise` where nothing known is near."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.65)
    return f"did you mean {near[0]!r}?" if near else otherwise
