"""Drills: short rows whose words say nothing, so that everything in them must be looked up.

Choosing a tool by its description is a chain of look-ups: a word of the request finds the same
word in a description, that knows the name before it, and the call collects it. In rows of full
length the chain did not form in 16 million tokens. So its links are practised one by one. The
words of a drill are replaced by random ones when it is encoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from trainers.mini.compose import JOINTS, REFUSALS, TRIGGER
from trainers.mini.procedural import nouns, verbs
from trainers.mini.schema import Call, Param, Row, Slot, Tool

_ABOUT = ("{}", "{}", "{}", "the {}", "a {}", "{} please", "please {}", "I want the {}")


def _names(words: Sequence[str], rng: Random) -> list[str]:
    """A name for every word; in a quarter of the draws they share a beginning."""
    roll = rng.random()
    if roll < 0.25:
        stem = rng.choice(nouns("train"))
        return [f"{stem}_{word}" for word in words]
    if roll < 0.5:
        return [f"{word}_{rng.choice(nouns('train'))}" for word in words]
    return list(words)


def _pairs(count: int, rng: Random) -> list[Tool]:
    """Tools named and described in one word.

    The name has a capital letter: behind the word it is a token of its own without a blank.
    """
    names = [verb.third.title() for verb in verbs("train") if " " not in verb.third]
    drawn = zip(rng.sample(names, count), rng.sample(nouns("train"), count), strict=True)
    return [Tool(name, text) for name, text in drawn]


def recall(count: int, rng: Random, echo: float = 0.5) -> Row:
    """The first link alone: the reply puts behind each description the name it belongs to.

    Args:
        count: tools.
        rng: where all choices come from.
        echo: how often the declarations do so, too. A description's word is then the place at
            which the name before it is foretold, which is the first half of the link.
    """
    tools = _pairs(count, rng)
    asked = ", ".join(tool.description for tool in tools)
    reply = ", ".join(tool.description + tool.name for tool in tools)
    if rng.random() < echo:
        tools = [replace(tool, description=tool.description + tool.name) for tool in tools]
    return replace(_drill(tools, asked, (), rng), family="recall", reply=reply)


def foretell(count: int, rng: Random) -> Row:
    """The first link where it will be of use: the request itself puts the names there."""
    tools = _pairs(count, rng)
    asked = ", ".join(tool.description + tool.name for tool in tools)
    row = _drill(tools, asked, tuple(Call(tool.name, {}) for tool in tools), rng)
    return replace(row, family="recall")


def same(count: int, rng: Random) -> Row:
    """Tools whose names are their descriptions: the call copies the end of the request."""
    tools = [Tool(word, word) for word in rng.sample(nouns("train"), count)]
    return _drill(tools, tools[0].name, (Call(tools[0].name, {}),), rng)


def plain(count: int, rng: Random) -> Row:
    """The shortest choice: tools named and described in one word, and one of these words."""
    words = rng.sample(nouns("train"), 2 * count)
    tools = [Tool(name, text) for name, text in zip(words[::2], words[1::2], strict=True)]
    return _drill(tools, tools[0].description, (Call(tools[0].name, {}),), rng)


def stemmed(row: Row, rng: Random) -> Row:
    """The row with one beginning for all names: only what follows it tells the tools apart."""
    stem = rng.choice(nouns("train"))
    tools = tuple(replace(tool, name=f"{stem}_{tool.name}") for tool in row.tools)
    calls = tuple(replace(call, name=f"{stem}_{call.name}") for call in row.calls)
    return replace(row, tools=tools, calls=calls)


def choose(count: int, rng: Random, single: bool = False) -> Row:
    """A row of tools with a description of one to three words, of which some are asked for.

    The request repeats the descriptions. In one row of six it fits no tool.

    Args:
        count: tools.
        rng: where all choices come from.
        single: whether only one tool is asked for.
    """
    words = rng.sample(nouns("train"), 4 * (count + 1))
    sizes = [rng.choice((1, 1, 2, 3)) for _ in range(count + 1)]
    texts = [" ".join(words[4 * i + 1 : 4 * i + 1 + size]) for i, size in enumerate(sizes)]
    tools = [Tool(name, text) for name, text in zip(_names(words[::4], rng), texts, strict=True)]
    fitting, stray = tools[:-1], tools[-1]
    if rng.random() < 0.18:
        return _drill(fitting, _said([stray], rng), (), rng)
    asked = rng.sample(fitting, 1 if single or rng.random() < 0.4 else rng.randint(1, count))
    return _drill(fitting, _said(asked, rng), tuple(Call(tool.name, {}) for tool in asked), rng)


def _said(tools: Sequence[Tool], rng: Random) -> str:
    frame = rng.choice(_ABOUT)
    return rng.choice(JOINTS).join(frame.format(tool.description) for tool in tools)


def _drill(tools: Sequence[Tool], text: str, calls: tuple[Call, ...], rng: Random) -> Row:
    reply = "" if calls else REFUSALS[0]
    declared = tuple(rng.sample(tools, len(tools)))
    return Row("drill", TRIGGER, declared, text, calls, reply, swap="all")


_GIVEN = ("{n} {v}", "{v} as {n}", "{n}: {v}", "with {n} {v}", "the {n} is {v}", "{v} for {n}")
_MOST_PARAMS = 5


def assign(count: int, rng: Random) -> Row:
    """A row of tools with parameters, of which that many of one tool are given in any order.

    A parameter is asked for by its name, or by the word that describes it where that is another.
    The tool has parameters that are left out, and stands beside tools with others: a call takes
    what was given, under names of its own tool, and nothing else.

    Args:
        count: parameters that are given; fewer if the tool would have too many.
        rng: where all choices come from.
    """
    words = iter(rng.sample(nouns("train", more=True), 60))
    tools: list[Tool] = []
    asked: list[tuple[Param, str]] = []
    for number in range(rng.choice((1, 1, 2, 2, 3))):
        size = min(_MOST_PARAMS, count + rng.choice((0, 0, 1, 2))) if number == 0 else count
        params, said = [], []
        for _ in range(size):
            name, other = next(words), next(words)
            said.append(name if rng.random() < 0.5 else other)
            described = f"The {name}" if said[-1] == name else other
            params.append(Param(name, Slot("title"), described))
        tools.append(Tool(next(words), next(words), tuple(params), ()))
        asked = asked or list(zip(params, said, strict=True))
    given = rng.sample(asked, min(count, len(asked)))
    required = tuple(p.name for p, _ in asked if any(p is q for q, _ in given))
    if rng.random() < 0.5:
        required = tuple(name for name in required if rng.random() < 0.5)
    tools[0] = replace(tools[0], required=required)
    texts = {p.name: " ".join(next(words) for _ in range(rng.choice((1, 1, 2)))) for p, _ in given}
    phrases = [rng.choice(_GIVEN).format(n=word, v=texts[p.name]) for p, word in given]
    text = f"{tools[0].description} " + rng.choice((" and ", ", ")).join(phrases)
    return _drill(tools, text, (Call(tools[0].name, texts),), rng)
