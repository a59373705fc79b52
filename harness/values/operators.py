"""The operators of the language, in words and examples: docs and schemas are made from these.

`harness.matchers` builds what each of them means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from harness.cases import Json


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator. `summary` follows the words "holds when the value".

    `example` is a match with it; `matches` and `misses` are values for that match; `operand` is
    a JSON Schema in which `#/$defs/value` stands for any literal or match.
    """

    summary: str
    example: Mapping[str, Json]
    matches: tuple[Json, ...]
    misses: tuple[Json, ...]
    operand: Mapping[str, Json]


_TRUE: Final = {"const": True}
_VALUE: Final = {"$ref": "#/$defs/value"}
_NUMBER: Final = {"type": "number"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_PHRASE: Final = {"type": "string", "pattern": r"\S"}
_PHRASES: Final = {"type": "array", "items": _PHRASE, "minItems": 1}


def _pair(first: Json, second: Json) -> dict[str, Json]:
    return {"type": "array", "prefixItems": [first, second], "minItems": 2, "maxItems": 2}


OPERATORS: Final[Mapping[str, Operator]] = {
    "$any": Operator(
        "is there, whatever it is",
        {"$any": True},
        ("anything", None, []),
        (),
        _TRUE,
    ),
    "$equals": Operator(
        "equals the literal; also how a literal with `$` keys is written",
        {"$equals": {"$ref": "a"}},
        ({"$ref": "a"},),
        ({"$ref": "b"}, {}, "a"),
        {},
    ),
    "$one_of": Operator(
        "is one of these literals or matches; the gold is that of the first",
        {"$one_of": ["celsius", {"$regex": "^c$"}]},
        ("celsius", "c"),
        ("kelvin", None),
        {"type": "array", "items": _VALUE, "minItems": 1},
    ),
    "$not": Operator(
        "is not this literal, does not meet this match",
        {"$not": {"$contains": "internal"}},
        ("public", 5),
        ("internal data",),
        _VALUE,
    ),
    "$contains": Operator(
        "is a text that holds all the words or phrases, ignoring case",
        {"$contains": ["apple", "stock price"]},
        ("Stock price of Apple", "the stock  price: apple"),
        ("AAPL stock price", "pineapple stock price", 5),
        {"anyOf": [_PHRASE, _PHRASES]},
    ),
    "$contains_any": Operator(
        "is a text that holds at least one of the words or phrases, ignoring case",
        {"$contains_any": ["apple", "C++"]},
        ("Apple stock", "a C++17 compiler"),
        ("pineapple", "C", None),
        _PHRASES,
    ),
    "$regex": Operator(
        "is a text in which the regular expression is found (Python's `re.search`)",
        {"$regex": r"^\d{4}-\d{2}$"},
        ("2026-01",),
        ("2026-1", 2026),
        {"type": "string"},
    ),
    "$min": Operator(
        "is a number, this or more",
        {"$min": 1},
        (1, 1.5),
        (0.99, "1", True),
        _NUMBER,
    ),
    "$max": Operator(
        "is a number, this or less",
        {"$max": 1},
        (1.0, -3),
        (2, "1", False),
        _NUMBER,
    ),
    "$approx": Operator(
        "is a number no further than the tolerance from this one: `[number, tolerance]`",
        {"$approx": [1.0, 0.1]},
        (1, 0.9, 1.1),
        (1.11, "1.0", None),
        _pair(_NUMBER, {"type": "number", "minimum": 0}),
    ),
    "$length": Operator(
        "is a list or text of this length, or of one from `$min` to `$max`",
        {"$length": {"$min": 1, "$max": 2}},
        ([1], "ab"),
        ([], "abc", 2),
        {
            "anyOf": [
                _COUNT,
                {
                    "type": "object",
                    "properties": {"$min": _COUNT, "$max": _COUNT},
                    "additionalProperties": False,
                    "minProperties": 1,
                },
            ]
        },
    ),
    "$schema": Operator(
        "is valid against the JSON Schema",
        {"$schema": {"type": "string", "minLength": 2}},
        ("ab",),
        ("a", 5),
        {"type": "object"},
    ),
    "$cer": Operator(
        "is a text whose character error rate against the text is at most this: `[text, rate]`",
        {"$cer": ["travel meals", 0.1]},
        ("travel meals", "travel meal"),
        ("meals", "", None),
        _pair({"type": "string"}, {"type": "number", "minimum": 0}),
    ),
    "$optional": Operator(
        "may be absent; if it is there, the other operators hold",
        {"$optional": True, "$min": 1},
        (1,),
        (0,),
        _TRUE,
    ),
    "$absent": Operator(
        "is not there",
        {"$absent": True},
        (),
        (None, "anything"),
        _TRUE,
    ),
    "$gold": Operator(
        "beside other operators: the value to train on and to write in the gold block",
        {"$contains": "stock", "$gold": "AAPL stock price"},
        ("AAPL stock price", "the stock"),
        ("AAPL",),
        {},
    ),
}
