"""A strict reader of the native output format, for measurements."""

from __future__ import annotations

import re
from typing import Any

from trainers.mini.schema import Call

_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_KEY = re.compile(r"[^\s{}\[\]:,<>]+")
_OPEN, _CLOSE = "<start_function_call>call:", "<end_function_call>"
_ESCAPE = "<escape>"
_CONSTANTS = {"true": True, "false": False, "None": None, "null": None}


class FormatError(ValueError):
    """An output that does not follow the format."""


class _Reader:
    """Reads values from a text, from left to right."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def take(self, literal: str) -> bool:
        if not self.text.startswith(literal, self.at):
            return False
        self.at += len(literal)
        return True

    def need(self, literal: str) -> None:
        if not self.take(literal):
            raise FormatError(f"no {literal!r} at {self.at}")

    def key(self) -> str:
        match = _KEY.match(self.text, self.at)
        if match is None:
            raise FormatError(f"no name at {self.at}")
        self.at = match.end()
        return match[0]

    def string(self) -> str:
        end = self.text.find(_ESCAPE, self.at)
        if end < 0:
            raise FormatError("a string without an end")
        found, self.at = self.text[self.at : end], end + len(_ESCAPE)
        return found

    def mapping(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not self.take("}"):
            if found:
                self.need(",")
            key = self.key()
            self.need(":")
            if key in found:
                raise FormatError(f"{key!r} occurs twice")
            found[key] = self.value()
        return found

    def sequence(self) -> list[Any]:
        found: list[Any] = []
        while not self.take("]"):
            if found:
                self.need(",")
            found.append(self.value())
        return found

    def value(self) -> Any:
        if self.take(_ESCAPE):
            return self.string()
        if self.take("{"):
            return self.mapping()
        if self.take("["):
            return self.sequence()
        for word, constant in _CONSTANTS.items():
            if self.take(word):
                return constant
        match = _NUMBER.match(self.text, self.at)
        if match is None:
            raise FormatError(f"no value at {self.at}")
        self.at = match.end()
        return float(match[0]) if match[1] or match[2] else int(match[0])


def parse_output(text: str) -> list[Call]:
    """The calls of an output; none for an answer in words.

    Args:
        text: all the model wrote, with its control tokens.

    Raises:
        FormatError: the output is neither calls closed by `<start_function_response>` nor
            words closed by `<end_of_turn>`.
    """
    if text.endswith("<end_of_turn>"):
        words = text.removesuffix("<end_of_turn>")
        if not words.strip() or re.search(r"<(start|end)_|<escape>", words):
            raise FormatError("words with control tokens, or none")
        return []
    reader, calls = _Reader(text), []
    while reader.take(_OPEN):
        name = reader.key()
        reader.need("{")
        calls.append(Call(name, reader.mapping()))
        reader.need(_CLOSE)
    if not calls or text[reader.at :] != "<start_function_response>":
        raise FormatError("not closed by <start_function_response>")
    return calls
