"""The grammar of FunctionGemma's call blocks: one block read, strictly.

White space (blank, tab, newline) is allowed between the tokens:

    block  = <start_function_call> call: NAME [ "{" [ pairs ] "}" ] <end_function_call>
    pairs  = NAME ":" value ("," NAME ":" value)*
    value  = <escape> anything <escape> | JSON number | true | false | null | None
           | "{" [ pairs ] "}" | "[" [ value ("," value)* ] "]"

NAME is one or more letters, marks and digits of any script, or `_ . $ @ / -`. The rules are those
of the parser tests of Google's LiteRT-LM; `None` is how the chat template writes null.
Every reader takes the text and a position, and gives what it read and the position behind it.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from harness.cases import Call, Json

START: Final = "<start_function_call>"
END: Final = "<end_function_call>"
ESCAPE: Final = "<escape>"
MAX_DEPTH: Final = 100
"""Lists and objects inside one another, the arguments themselves not counted."""
MAX_DIGITS: Final = 4300
"""Digits of an integer: Python's own limit on reading and writing one."""
NAME_RULE: Final = "a name is made of letters, digits and any of _ . $ @ / -"

_NAME = re.compile(r"[\w.$@/-]+")
"""All of a name but its marks: to `re` they are no part of a word."""
_SPACE = re.compile(r"[ \t\r\n]*")
_BARE = re.compile(r"""[^\s,:<>()\[\]{}"']+""")
_SHOWN = re.compile(r"""<\w+>|[^\s,:<>()\[\]{}"']+|.""", re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?P<real>(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)")
_BEGUN_NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]*)?)?")
_WORDS: Final[Mapping[str, Json]] = {"true": True, "false": False, "null": None, "None": None}


class GrammarError(Exception):
    """Where a text leaves the grammar, in characters from its start, and why."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(reason)
        self.offset, self.reason = offset, reason


def is_name(text: str) -> bool:
    """Whether a call can carry this as the name of its tool or of an argument."""
    return text != "" and _name_end(text, 0) == len(text)


def read_call(text: str, at: int) -> tuple[Call, int]:
    """The rest of a block whose start token ends at `at`; raises GrammarError."""
    at = _token(text, _skip(text, at), "call:")
    name, at = _name(text, _skip(text, at), "the name of a tool")
    at = _skip(text, at)
    if not text.startswith("{", at):
        return Call(name), _token(text, at, END, f"'{{' or {END!r}")
    arguments, at = _pairs(text, at + 1, 0)
    return Call(name, arguments), _token(text, _skip(text, at), END)


def could_go_on(rest: str) -> bool:
    """Whether a block that left the grammar where `rest` begins might only have been cut off.

    So it is at the end of the text, within a text that is not closed, and within a word, a number
    or a token that is not whole.
    """
    words = ("call:", END, ESCAPE, *_WORDS)
    open_text = rest.startswith(ESCAPE) and ESCAPE not in rest[len(ESCAPE) :]
    unfinished = any(word.startswith(rest) for word in words) or _BEGUN_NUMBER.fullmatch(rest)
    return open_text or bool(unfinished)


def read_number(word: str, real: bool = False) -> int | float:
    """A JSON number; raises ValueError where Python would not hold what is written."""
    if not real:
        if len(word.lstrip("-")) > MAX_DIGITS:
            raise ValueError(f"an integer of more than {MAX_DIGITS} digits")
        return int(word)
    if math.isinf(value := float(word)):
        raise ValueError(f"the number {short(word)} is too large")
    return value


def short(value: object) -> str:
    """The value's `repr`, a long text cut: for messages."""
    return repr(f"{value[:30]}…" if isinstance(value, str) and len(value) > 30 else value)


def _pairs(text: str, at: int, depth: int) -> tuple[dict[str, Json], int]:
    pairs: dict[str, Json] = {}
    at = _skip(text, at)
    if text.startswith("}", at):
        return pairs, at + 1
    while True:
        key, at = _name(text, at, "the name of an argument")
        at = _token(text, _skip(text, at), ":")
        value, at = _value(text, _skip(text, at), depth)
        pairs.setdefault(key, value)
        at = _skip(text, at)
        if text.startswith("}", at):
            return pairs, at + 1
        at = _skip(text, _token(text, at, ",", "',' or '}'"))


def _items(text: str, at: int, depth: int) -> tuple[list[Json], int]:
    items: list[Json] = []
    at = _skip(text, at)
    if text.startswith("]", at):
        return items, at + 1
    while True:
        value, at = _value(text, at, depth)
        items.append(value)
        at = _skip(text, at)
        if text.startswith("]", at):
            return items, at + 1
        at = _skip(text, _token(text, at, ",", "',' or ']'"))


def _value(text: str, at: int, depth: int) -> tuple[Json, int]:
    if text.startswith(ESCAPE, at):
        begin = at + len(ESCAPE)
        end = text.find(ESCAPE, begin)
        if end < 0:
            raise GrammarError(at, f"a text that opens with {ESCAPE!r} and is never closed")
        return text[begin:end], end + len(ESCAPE)
    if not text.startswith(("{", "["), at):
        return _scalar(text, at)
    if depth == MAX_DEPTH:
        raise GrammarError(at, f"lists and objects nested more than {MAX_DEPTH} deep")
    return (_pairs if text[at] == "{" else _items)(text, at + 1, depth + 1)


def _scalar(text: str, at: int) -> tuple[Json, int]:
    if (bare := _BARE.match(text, at)) is None:
        raise GrammarError(at, f"expected a value, got {_got(text, at)}")
    word = bare[0]
    if word in _WORDS:
        return _WORDS[word], bare.end()
    if (number := _NUMBER.fullmatch(word)) is None:
        raise GrammarError(
            at, f"{short(word)} is no value; a text stands between {ESCAPE!r} tokens"
        )
    try:
        return read_number(word, real=bool(number["real"])), bare.end()
    except ValueError as error:
        raise GrammarError(at, str(error)) from None


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _token(text: str, at: int, token: str, wanted: str = "") -> int:
    if not text.startswith(token, at):
        raise GrammarError(at, f"expected {wanted or repr(token)}, got {_got(text, at)}")
    return at + len(token)


def _name(text: str, at: int, wanted: str) -> tuple[str, int]:
    if (end := _name_end(text, at)) == at:
        raise GrammarError(at, f"expected {wanted}, got {_got(text, at)}")
    return text[at:end], end


def _name_end(text: str, at: int) -> int:
    """Where the name that starts there ends; `at` itself where none does."""
    while True:
        if part := _NAME.match(text, at):
            at = part.end()
        if at == len(text) or text[at].isascii() or unicodedata.category(text[at])[0] != "M":
            return at
        at += 1


def _got(text: str, at: int) -> str:
    """What stands there, for a message: a control token, a word or a single character."""
    shown = _SHOWN.match(text, at, at + 60)
    return short(shown[0]) if shown else "the end of the reply"
