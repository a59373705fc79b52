"""The difference between the gold block and the reply's, for a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final

from harness.functiongemma import parse_reply
from harness.wording import one_line

LONGEST: Final = 2000
"""Characters of a block that is still marked."""
COLUMNS: Final = 66
"""Characters of a block on one line: with the margin, 78 columns."""

_PIECE: Final = re.compile(r"<\w+>|\w+|.", re.DOTALL)


def block_difference(gold: str, reply: str) -> list[str]:
    """The gold block over the first block got, both in rows, and marks below what differs.

    Empty where they are the same. Both are padded with blanks where the other has more. Blocks
    that are too long, or hold what a terminal cannot show, are cut, escaped and not marked.
    """
    got = next(iter(parse_reply(reply).blocks), "")
    if got == gold:
        return []
    if not got or max(len(gold), len(got)) > LONGEST or not (gold + got).isprintable():
        shown = one_line(got, 600) or "(no call)"
        return [f"  gold      {one_line(gold, 600)}", f"  got       {shown}"]
    above, below, marks = map("".join, zip(*_aligned(gold, got), strict=True))
    rows = []
    for start in range(0, len(marks), COLUMNS):
        part = slice(start, start + COLUMNS)
        rows += [f"  gold      {above[part]}", f"  got       {below[part]}", " " * 12 + marks[part]]
    return [row.rstrip() for row in rows if row.strip()]


def _aligned(gold: str, got: str) -> Iterator[tuple[str, str, str]]:
    """Stretches of both texts, of equal length, with their marks; words are compared whole."""
    left, right = _PIECE.findall(gold), _PIECE.findall(got)
    for kind, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        one, other = _text(left[a:b]), _text(right[c:d])
        width = max(len(one), len(other))
        yield one.ljust(width), other.ljust(width), (" " if kind == "equal" else "^") * width


def _text(pieces: Sequence[str]) -> str:
    return "".join(pieces)
