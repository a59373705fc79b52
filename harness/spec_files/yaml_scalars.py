"""What a scalar without quotes stands for, by the core schema of YAML 1.2.

https://yaml.org/spec/1.2.2/#103-core-schema, less its octals, hexadecimals, infinities, `.nan`
and capitalised booleans, which stay text.
"""

from __future__ import annotations

import math
import re
from typing import Final

from harness.cases import Json

_WORDS: Final[dict[str, Json]] = {
    "true": True,
    "false": False,
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
}
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")


def plain_value(text: str) -> Json:
    """The value of a plain scalar.

    Raises ValueError, with a phrase that says so, for a number that Python cannot hold.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "-+.0123456789":
        return text
    if _INT.fullmatch(text):
        try:
            return int(text)
        except ValueError:
            raise ValueError(f"a number of {len(text)} digits is too long") from None
    if not _FLOAT.fullmatch(text):
        return text
    number = float(text)
    lost = number == 0 and any(digit in "123456789" for digit in re.split("[eE]", text)[0])
    if math.isinf(number) or lost:
        shown = text if len(text) <= 40 else f"{text[:30]}…"
        raise ValueError(f"the number {shown} is too {'close to 0' if lost else 'large'}")
    return number
