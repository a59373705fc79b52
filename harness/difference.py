"""The difference between the gold block and the reply's, for a terminal."""

from __future__ import annotations

from difflib import SequenceMatcher

from harness.functiongemma import parse_reply
from harness.wording import one_line


def block_difference(gold: str, reply: str) -> list[str]:
    """Three lines: the gold block, the first block got, and marks below what differs.

    Empty where they are the same. Long blocks are cut, and then not marked.
    """
    got = next(iter(parse_reply(reply).blocks), "")
    if got == gold:
        return []
    lines = [f"  gold      {one_line(gold, 600)}", f"  got       {one_line(got, 600) or '(no call)'}"]
    if not got or max(len(gold), len(got)) > 600 or not (gold + got).isprintable():
        return lines
    matcher = SequenceMatcher(None, gold, got, autojunk=False)
    marks = [" "] * len(got)
    for kind, _, _, start, end in matcher.get_opcodes():
        if kind != "equal":
            marks[start : max(end, start + 1)] = "^" * max(end - start, 1)
    return [*lines, f"            {''.join(marks).rstrip()}"]
