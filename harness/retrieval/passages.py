"""A page → its passages: what a search ranks, and what the model is given to read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

LONGEST: Final = 600
"""Characters of a passage: a few of them have to fit a small model's context."""

_HEADING: Final = re.compile(r"(#{1,6})[ \t]+(.+?)[ \t#]*")
_FENCE: Final = re.compile(r"[ ]{0,3}(```|~~~)")
_TITLE: Final = re.compile(r"[-_./]+")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a page below its headings: `Travel > Meals`, outermost first."""

    headings: str
    text: str


def passages_of(name: str, text: str) -> list[Passage]:
    """The passages of a page, in order; at least one, if an empty one.

    A section of Markdown is cut where paragraphs end, so that no piece is longer than `LONGEST`.
    What stands before the first heading is under the page's name.
    """
    title = _TITLE.sub(" ", name.rpartition(".")[0]).strip()
    found = [
        Passage(headings or title, piece)
        for headings, body, last in _sections(text)
        for piece in _pieces(body) or ([""] if headings and last else [])
    ]
    return found or [Passage(title, "")]


def _sections(text: str) -> Iterator[tuple[str, str, bool]]:
    """Each section's headings and body, and whether no other section repeats its headings.

    A `#` inside a code block is no heading.
    """
    headings: dict[int, str] = {}
    lines: list[str] = []
    fence = ""
    for line in text.splitlines():
        mark = _FENCE.match(line)
        if mark and fence in ("", mark[1]):
            fence = "" if fence else mark[1]
        found = None if fence else _HEADING.fullmatch(line)
        if found is None:
            lines.append(line)
            continue
        depth = len(found[1])
        yield " > ".join(headings.values()), "\n".join(lines), depth <= max(headings, default=0)
        headings = {level: held for level, held in headings.items() if level < depth}
        headings[depth] = found[2]
        lines = []
    yield " > ".join(headings.values()), "\n".join(lines), True


def _pieces(body: str) -> list[str]:
    """The body in pieces of whole paragraphs, a paragraph that is too long in pieces of words."""
    pieces: list[str] = []
    for paragraph in re.split(r"\n\s*\n", body):
        for part in _parts(paragraph.strip()):
            if pieces and len(pieces[-1]) + 2 + len(part) <= LONGEST:
                pieces[-1] += f"\n\n{part}"
            else:
                pieces.append(part)
    return pieces


def _parts(paragraph: str) -> Iterator[str]:
    while len(paragraph) > LONGEST:
        end = paragraph.rfind(" ", 0, LONGEST)
        end = end if end > 0 else LONGEST
        yield paragraph[:end].rstrip()
        paragraph = paragraph[end:].lstrip()
    if paragraph:
        yield paragraph
