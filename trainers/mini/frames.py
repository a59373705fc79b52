"""Request frames: text with slots, optional parts and yes/no phrases.

`{name}` is a slot, `[...]` a part that may be left out, `{name=yes/no}` a phrase that says
whether a boolean parameter is true.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random
from typing import Any

from trainers.mini.schema import Slot
from trainers.mini.slots import draw
from trainers.mini.words import Split

_OPTIONAL = re.compile(r"\[([^\]]*)\]")
_SLOT = re.compile(r"\{(\w+)(?:=([^/}]*)/([^}]*))?\}")


def fill(
    frame: str, slots: Mapping[str, Slot], rng: Random, split: Split
) -> tuple[str, dict[str, Any]]:
    """Writes a request from a frame.

    Returns:
        The text, and the arguments of every slot the text mentions.

    Raises:
        KeyError: the frame names a slot that is not given.
    """
    arguments: dict[str, Any] = {}

    def write(match: re.Match[str]) -> str:
        name = match[1]
        arguments[name], text = draw(slots[name], rng, split)
        if match[2] is not None:
            return match[2] if arguments[name] else match[3]
        return text

    kept = _OPTIONAL.sub(lambda part: part[1] if rng.random() < 0.5 else "", frame)
    return _SLOT.sub(write, kept), arguments


def always_named(frames: tuple[str, ...]) -> set[str]:
    """The slots that every frame names outside its optional parts."""
    named = [{m[1] for m in _SLOT.finditer(_OPTIONAL.sub("", frame))} for frame in frames]
    return set.intersection(*named) if named else set()
