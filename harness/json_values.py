"""JSON values: whether two are the same, and how one is shown to people.

Standard library only. Nothing here raises for any value, however long or deep.
"""

from __future__ import annotations

import json
import re
import unicodedata
from fractions import Fraction
from typing import Final

from harness.cases import Json
from harness.errors import printable

WIDTH: Final = 200
"""Characters of a value in a message; a longer one is cut in the middle."""
NORMAL_FORM: Final = "they differ only in Unicode normal form"

_DEPTH: Final = 40
_WORD: Final = re.compile(r"\$?[A-Za-z_][\w.-]*")
_WORDS: Final = {
    "None": "null",
    "True": "true",
    "False": "false",
    "inf": "Infinity",
    "-inf": "-Infinity",
    "nan": "NaN",
}


def is_number(value: Json) -> bool:
    """Whether this is a JSON number: a boolean never is."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_finite(value: int | float) -> bool:
    """Whether a number is neither an infinity nor NaN."""
    return isinstance(value, int) or value - value == 0


def as_written(value: int | float) -> Fraction:
    """A finite number exactly as people read it: 0.1 is a tenth, which no float is."""
    return Fraction(value) if isinstance(value, int) else Fraction(repr(value))


def same(left: Json, right: Json) -> bool:
    """Whether two scalars are the same: numbers by value and exactly, other types kept apart."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if is_number(left) and is_number(right):
        return bool(left == right)
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    return left is None and right is None


def equal(left: Json, right: Json) -> bool:
    """Whether two values are the same, deeply; the order of an object's members is nothing."""
    pairs = [(left, right)]
    while pairs:
        one, other = pairs.pop()
        if isinstance(one, dict) and isinstance(other, dict):
            if one.keys() != other.keys():
                return False
            pairs += [(held, other[name]) for name, held in one.items()]
        elif isinstance(one, list) and isinstance(other, list):
            if len(one) != len(other):
                return False
            pairs += zip(one, other, strict=True)
        elif not same(one, other):
            return False
    return True


def folded(text: str) -> str:
    """The text without its case, a run of white space as one space, none at the ends.

    Canonically equivalent spellings (an accent composed or not) fold to the same text.
    """
    composed = unicodedata.normalize("NFC", text).casefold()
    return " ".join(unicodedata.normalize("NFC", composed).split())


def shown(value: Json, width: int = WIDTH) -> str:
    """The value for a message, as YAML's flow style has it, every text in quotes; on one line."""
    return cut(_written(value, 0), width)


def cut(text: str, width: int = WIDTH) -> str:
    """The text, its middle left out where it is longer than `width` characters."""
    if len(text) <= width:
        return text
    half = (width - 3) // 2
    return f"{text[:half]} … {text[-half:]}"


def unlike(expected: str, value: Json) -> str:
    """The phrase of a mismatch: `expected …, got …`; spellings that look the same are escaped."""
    wanted, got = cut(expected), shown(value)
    if look_alike(wanted, got):
        return f"expected {escaped(wanted)}, got {escaped(got)} ({NORMAL_FORM})"
    return f"expected {wanted}, got {got}"


def look_alike(left: str, right: str) -> bool:
    """Whether two texts differ in nothing but Unicode normal form: an accent composed or not."""
    if left == right or (left.isascii() and right.isascii()):
        return False
    return unicodedata.normalize("NFC", left) == unicodedata.normalize("NFC", right)


def escaped(text: str) -> str:
    """The text with an escape for each character beyond ASCII."""
    return text.encode("ascii", "backslashreplace").decode()


def inside(step: str | int, phrase: str) -> str:
    """The phrase one level further out: `at [1].city: expected 'Paris', got 'Rome'`."""
    if isinstance(step, int):
        place = f"[{step}]"
    else:
        place = f".{step}" if step.isidentifier() else f"[{shown(step, 60)}]"
    deeper = phrase.startswith(("at .", "at ["))
    return f"at {place}{phrase[3:]}" if deeper else f"at {place}: {phrase}"


def _written(value: Json, depth: int) -> str:
    if isinstance(value, dict | list | tuple) and depth >= _DEPTH:
        return "…"
    if isinstance(value, dict):
        members = [f"{key_text(key)}: {_written(held, depth + 1)}" for key, held in value.items()]
        return f"{{{', '.join(members)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join([_written(item, depth + 1) for item in value])}]"
    return _scalar(value)


def _scalar(value: Json) -> str:
    if isinstance(value, int) and value.bit_length() > 10_000:
        return f"an integer of {value.bit_length()} bits"  # Python refuses to write it out
    if isinstance(value, str):
        return _quoted(value)
    text = repr(value)
    return printable(_WORDS.get(text, text))


def _quoted(text: str) -> str:
    """In single quotes, or in double ones where it holds what must be escaped."""
    if "'" not in text and text.isprintable():
        return f"'{text}'"
    escaped = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else _escape(c) for c in escaped)


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def key_text(key: Json) -> str:
    """A key for a message: plain where it is a word, else in quotes."""
    return key if isinstance(key, str) and _WORD.fullmatch(key) else _scalar(key)
