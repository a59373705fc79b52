"""A page → its passages: what a search ranks, and what the model is given to read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

LONGEST: Final = 600
"""Characters of a passage: a few of them have to fit a small model's context."""
LONGEST_HEADING: Final = 100

_HEADING: Final = re.compile(r"(#{1,6})[ \t]+(\S.*)")
_FENCE: Final = re.compile(r"[ ]{0,3}(`{3,}|~{3,})([^`]*)")
_TITLE: Final = re.compile(r"[-_./]+")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a page below its headings: `Travel > Meals`, outermost first."""

    headings: str
    text: str


def passages_of(name: str, text: str) -> list[Passage]:
    """The passages of a page, in order; at least one, if an empty one.

    A section of Markdown is cut where paragraphs end, so that no piece is longer than `LONGEST`.
    What stands before the first heading is under the page's name; a plain text has no headings.
    """
    title = _TITLE.sub(" ", name.rpartition(".")[0]).strip()[:LONGEST_HEADING]
    plain = name.lower().endswith(".txt")
    found = [
        Passage(headings or title, piece)
        for headings, body, last in ([("", text, True)] if plain else _sections(text))
        for piece in _pieces(body) or ([""] if headings and last else [])
    ]
    return found or [Passage(title, "")]


def _sections(text: str) -> Iterator[tuple[str, str, bool]]:
    """Each section's headings and body, and whether no other section repeats its headings.

    A `#` inside a code block is no heading; a block ends with a bare fence as long as its first.
    """
    headings: dict[int, str] = {}
    lines: list[str] = []
    fence = ""
    for line in text.splitlines():
        fence = _fence_after(line, fence)
        found = None if fence else _HEADING.fullmatch(line)
        if found is None:
            lines.append(line)
            continue
        depth = len(found[1])
        yield " > ".join(headings.values()), "\n".join(lines), depth <= max(headings, default=0)
        headings = {level: held for level, held in headings.items() if level < depth}
        headings[depth] = found[2][: LONGEST_HEADING + 1].rstrip(" \t#")[:LONGEST_HEADING]
        lines = []
    yield " > ".join(headings.values()), "\n".join(lines), True


def _fence_after(line: str, fence: str) -> str:
    """The fence of the code block that goes on behind a line; empty outside of one."""
    mark = _FENCE.fullmatch(line)
    if mark is None:
        return fence
    if not fence:
        return mark[1]
    closes = mark[1].startswith(fence) and not mark[2].strip()
    return "" if closes else fence


def _pieces(body: str) -> list[str]:
    """The body in pieces of whole paragraphs, a paragraph that is too long in pieces of words."""
    pieces: list[str] = []
    for paragraph in re.split(r"\n[ \t]*\n", body):
        for part in _parts(paragraph.strip()):
            if pieces and len(pieces[-1]) + 2 + len(part) <= LONGEST:
                pieces[-1] += f"\n\n{part}"
            else:
                pieces.append(part)
    return pieces


def _parts(paragraph: str) -> Iterator[str]:
    start = 0
    while len(paragraph) - start > LONGEST:
        end = paragraph.rfind(" ", start, start + LONGEST)
        end = end if end > start else start + LONGEST
        if part := paragraph[start:end].strip():
            yield part
        start = end
    if part := paragraph[start:].strip():
        yield part
