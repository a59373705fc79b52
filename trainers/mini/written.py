"""Everyday tools, written by hand: schemas with requests that fit them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random

from trainers.mini.frames import always_named, fill
from trainers.mini.schema import Param, Request, Slot, Tool
from trainers.mini.words import Split, Splits, fields, items, lines, of_split


@dataclass(frozen=True)
class Written:
    """A tool and the ways to ask for it."""

    tool: Tool
    frames: tuple[str, ...]

    def request(self, rng: Random, splits: Splits) -> Request:
        """A request for the tool, with values from their share."""
        slots = {param.name: param.slot for param in self.tool.params}
        text, arguments = fill(rng.choice(self.frames), slots, rng, splits.values)
        return Request(self.tool, text, arguments, self.tool.name)


def _param(text: str) -> Param:
    """Reads `name:slot:description`; the slot may hold colons inside brackets."""
    name, rest = text.split(":", 1)
    end = rest.rindex(":")
    return Param(name.strip(), Slot.parse(rest[:end]), rest[end + 1 :].strip())


def _parse(line: str) -> Written:
    name, description, params, frames = fields(line)
    ways = items(frames)
    declared = tuple(map(_param, items(params)))
    named = always_named(ways)
    required = tuple(param.name for param in declared if param.name in named)
    return Written(Tool(name, description, declared, required), ways)


@cache
def written_tools(split: Split) -> tuple[Written, ...]:
    """The written tools of a share; the share follows from the tool's name."""
    tools = tuple(map(_parse, lines("actions")))
    names = set(of_split((one.tool.name for one in tools), split))
    return tuple(one for one in tools if one.tool.name in names)


def written_requests(count: int, rng: Random, splits: Splits) -> list[Request]:
    """Requests for that many different tools."""
    chosen = rng.sample(written_tools(splits.schemas), count)
    return [one.request(rng, splits) for one in chosen]


@cache
def more_tools() -> tuple[Written, ...]:
    """The tools of the second list, which are for training alone."""
    return tuple(map(_parse, lines("actions_more")))


def more_requests(count: int, rng: Random, splits: Splits) -> list[Request]:
    """Requests for that many different tools of both lists."""
    chosen = rng.sample(more_tools(), count)
    if count > 1 and rng.random() < 0.5:
        chosen[-1] = rng.choice(written_tools(splits.schemas))
    return [one.request(rng, splits) for one in chosen]
