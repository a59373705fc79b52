"""Text of models and authors on a page: nothing runs, nothing hides, nothing is endless."""

from __future__ import annotations

from itertools import groupby
from typing import Final

from markupsafe import Markup

LONG: Final = 4000
"""Characters of a text that are shown where a report has few cases."""
SHORT: Final = 300
"""... and where it has very many."""
_ALL_TEXTS: Final = 6_000_000
"""Characters that all texts of a kind may take together; a page of more is slow to open."""


def shown(text: str) -> Markup:
    """The text as HTML that says the same.

    Control characters, which are not seen or turn the order of what is seen, stand as marked
    escapes. Line breaks and tabs stay. It is for between tags, not for an attribute: quotation
    marks and `>`, of which calls have many, stay as they are.
    """
    if text.replace("\n", "").isprintable():
        return _escaped(text)
    parts = ((plain, "".join(characters)) for plain, characters in groupby(text, key=_shows))
    return Markup("").join(_escaped(part) if plain else _marked(part) for plain, part in parts)


def _escaped(text: str) -> Markup:
    return Markup(text.replace("&", "&amp;").replace("<", "&lt;"))


def _shows(character: str) -> bool:
    return character.isprintable() or character in "\n\t"


def _marked(hidden: str) -> Markup:
    names = hidden.encode("unicode_escape").decode("ascii")
    return Markup('<span class="esc">{}</span>').format(names)


def room(cases: int) -> int:
    """Characters that one text of a case may take on a page of so many cases."""
    return max(SHORT, min(LONG, _ALL_TEXTS // max(1, 2 * cases)))


def cut(text: str, width: int) -> Markup:
    """The text, its middle replaced by how much was left out where it is longer than `width`."""
    if len(text) <= width:
        return shown(text)
    half = width // 2
    gap = Markup('<span class="cut"> … {:,} characters left out … </span>')
    return shown(text[:half]) + gap.format(len(text) - 2 * half) + shown(text[-half:])
