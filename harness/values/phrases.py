"""Words and phrases in a text: found where they do not cut a word, whatever the script."""

from __future__ import annotations

import unicodedata
from typing import Final

# Scripts that are written without spaces between words: Thai to Lao, Myanmar, Khmer, kana, Han.
_UNSPACED: Final = (
    ("\u0e00", "\u0eff"),
    ("\u1000", "\u109f"),
    ("\u1780", "\u17ff"),
    ("\u3040", "\u30ff"),
    ("\u3400", "\u9fff"),
    ("\uf900", "\ufaff"),
    ("\U00020000", "\U0003ffff"),
)


def holds_phrase(text: str, phrase: str) -> bool:
    """Whether the text holds the phrase and no word is cut at its ends; both are folded.

    An end that is no letter or digit cuts nothing: `C++`, `.NET` and `%` are found in `C++17`,
    `ASP.NET` and `5%`.
    """
    at = text.find(phrase)
    while at >= 0:
        end = at + len(phrase)
        cut_before = at > 0 and _in_word(phrase[0]) and _in_word(text[at - 1])
        cut_after = end < len(text) and _in_word(phrase[-1]) and _in_word(text[end])
        if not (cut_before or cut_after):
            return True
        at = text.find(phrase, at + 1)
    return False


def _in_word(char: str) -> bool:
    """Whether the character ties its neighbours into one word."""
    if any(first <= char <= last for first, last in _UNSPACED):
        return False
    return char.isalnum() or char == "_" or unicodedata.category(char).startswith("M")
