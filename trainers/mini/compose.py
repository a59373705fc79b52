"""Rows from requests: one call, several calls, or a refusal when no tool fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from trainers.mini.lookups import lookup_requests, mixed_requests, subject_requests
from trainers.mini.naming import invented_names, renamed, varied
from trainers.mini.procedural import bare_requests, made_requests, make
from trainers.mini.render import value_text
from trainers.mini.schema import Param, Request, Row, Slot, Tool
from trainers.mini.slots import string_value
from trainers.mini.words import Splits, invented, lines, values
from trainers.mini.written import more_requests, more_tools, written_requests, written_tools

TRIGGER = "You are a model that can do function calling with the following functions"
REFUSALS = (
    "I'm sorry, but I cannot do that with the tools I have.",
    "Sorry, none of my tools can help with that.",
)
Requests = Callable[[int, Random, Splits], list[Request]]

_QUESTIONS = (
    "what",
    "who",
    "how",
    "when",
    "where",
    "why",
    "is ",
    "can",
    "could",
    "did",
    "do ",
    "am ",
)
JOINTS: tuple[str, ...] = (" and ", " and ", ", then ", " and then ", "; ", ". Also, ", ", and ")
JOINTS += (". Then ", " plus ")
_POLITE = ("please ", "hey, ", "hi, ", "now ", "thanks, ", "quick: ")


def developer(rng: Random) -> str:
    """The developer's message: the trigger sentence, at times below a date."""
    roll = rng.random()
    if roll < 0.85:
        return TRIGGER
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(2023, 2027)
    weekday = rng.choice(values("weekday"))
    if roll < 0.91:
        clock = f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:00"
        stamp = f"{year}-{month:02d}-{day:02d}T{clock}"
        return (
            f"Current date and time given in YYYY-MM-DDTHH:MM:SS format: {stamp}\n"
            f"Day of week is {weekday}\n{TRIGGER}"
        )
    if roll < 0.96:
        return f"Today is {weekday}, {day} {rng.choice(values('month'))} {year}.\n{TRIGGER}"
    return ""


def spoken(text: str, arguments: str, rng: Random) -> str:
    """A request with capital letter, full stop and the like, as users happen to write.

    A word that is copied into the arguments keeps its case.
    """
    asks = text.lower().startswith(_QUESTIONS)
    if not asks and rng.random() < 0.12:
        text = rng.choice(_POLITE) + text
    first = text.split()[0].strip(",.:")
    if rng.random() < 0.6 and first not in arguments:
        text = text[0].upper() + text[1:]
    if asks:
        return text + ("?" if rng.random() < 0.6 else "")
    return text + rng.choices((".", "!", ""), (3, 1, 7))[0]


def _row(
    family: str, tools: Sequence[Tool], asked: Sequence[Request], rng: Random, joint: str = ""
) -> Row:
    copied = " ".join(value_text(request.arguments) for request in asked)
    text = spoken(joint.join(request.text for request in asked), copied, rng)
    declared = list(tools)
    rng.shuffle(declared)
    calls = tuple(request.call() for request in asked)
    texts = tuple(found for request in asked for found in _texts(request.arguments))
    return Row(family, developer(rng), tuple(declared), text, calls, swap="values", values=texts)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for member in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(member)


def single(family: str, requests: Sequence[Request], rng: Random) -> Row:
    """A row that asks for the first request; the others only lend their tools."""
    return _row(family, [request.tool for request in requests], requests[:1], rng)


def refusal(family: str, requests: Sequence[Request], rng: Random) -> Row:
    """A row that asks for the first request and declares the tools of the others only."""
    row = single(family, requests, rng)
    left = tuple(tool for tool in row.tools if tool.name != requests[0].tool.name)
    return replace(row, tools=left, calls=(), reply=_refusal(rng))


@dataclass(frozen=True)
class Asking:
    """How much is asked beside the same declared tools.

    Attributes:
        calls: requests for one tool each, at most.
        joint: how often there is a request for several of them in one message.
        strays: requests that fit no tool, on average.
    """

    calls: int = 3
    joint: float = 0.35
    strays: float = 0.55

    def draw_strays(self, rng: Random) -> int:
        """How many requests fit no tool this time."""
        whole = int(self.strays)
        return whole + (rng.random() < self.strays - whole)


def several(family: str, tools: Sequence[Tool], asked: Sequence[Request], rng: Random) -> Row:
    """A row that asks for all of this in one message."""
    return _row(family, tools, asked, rng, rng.choice(JOINTS))


def together(
    family: str,
    requests: Sequence[Request],
    strays: Sequence[Request],
    asking: Asking,
    rng: Random,
) -> list[Row]:
    """Rows that declare the same tools in the same order and each ask for something else.

    The declarations are most of a row, and read once they can be asked about several times
    (see `batches.Sheet`). What is more, only the request tells such rows apart.

    Args:
        family: the part of the mixture they come from.
        requests: what can be asked for; all their tools are declared.
        strays: requests for tools that are not declared.
        asking: how much is asked.
        rng: where all choices come from.
    """
    tools = [request.tool for request in requests]
    asked = [[one] for one in rng.sample(requests, min(len(requests), asking.calls))]
    if len(requests) > 1 and rng.random() < asking.joint:
        asked.append(rng.sample(requests, min(len(requests), rng.choice((2, 2, 3)))))
    rows = [several(family, tools, one, rng) for one in asked]
    for stray in strays:
        row = _row(f"refuse_{family}", tools, [stray], rng)
        rows.append(replace(row, calls=(), reply=_refusal(rng)))
    return with_one_head(rows, rng)


def with_one_head(rows: Sequence[Row], rng: Random) -> list[Row]:
    """The rows in any order, all with the first one's developer's message and tools."""
    shuffled = rng.sample(rows, len(rows))
    return [replace(row, developer=rows[0].developer, tools=rows[0].tools) for row in shuffled]


def _refusal(rng: Random) -> str:
    return rng.choices(REFUSALS, (3, 1))[0]


def small_talk(count: int, rng: Random, splits: Splits) -> Row:
    """Words that ask for no tool, beside tools of any kind."""
    kinds = {kind: string_value(kind, rng, splits.values) for kind in _TALK_SLOTS}
    text = rng.choice(lines("chat")).format(**kinds)
    source = rng.choice((written_requests, more_requests, made_requests))
    tools = [one.tool for one in varied(source(count, rng, splits), rng, splits)]
    said = spoken(text, "", rng)
    return Row("refuse_talk", developer(rng), tuple(tools), said, reply=REFUSALS[0])


_TALK_SLOTS = ("thing", "adjective", "color", "food", "first", "last", "city", "country", "plant")


def _repeated(
    source: Requests, count: int, rng: Random, splits: Splits
) -> tuple[list[Request], list[Request]]:
    """Two or three requests to one tool, and requests for other tools."""
    times = rng.choice((2, 2, 3))
    if source in (written_requests, more_requests):
        known = more_tools() if source is more_requests else written_tools(splits.schemas)
        able = [one for one in known if one.tool.params]
        written = rng.choice(able)
        asked = [written.request(rng, splits) for _ in range(times)]
    else:
        made = make(rng, splits)
        asked = [made.request(rng, splits) for _ in range(times)]
    taken = asked[0].tool.name
    kin = asked[0].kin
    others = [x for x in source(count, rng, splits) if x.tool.name != taken and x.kin != kin]
    return asked, others[: count - 1]


def subjects(count: int, rng: Random, splits: Splits, core: bool = False) -> list[Row]:
    """Rows of one declaration of look-up tools, each with a question for one of them.

    What a question is about shows in its words alone, so each domain is asked about often.

    Args:
        count: look-up tools.
        rng: where all choices come from.
        splits: the words that may be used.
        core: whether to keep to few subjects (see `lookups.core_domains`).
    """
    return _looked_up(subject_requests(count, _SUBJECTS, rng, splits, core), rng, splits)


def mixed_subjects(count: int, rng: Random, splits: Splits) -> list[Row]:
    """The same with tools for departments beside tools for topics.

    Only there do the small words of a question ("our", "do we") tell what it is about.
    """
    return _looked_up(mixed_requests(count, _SUBJECTS, rng, splits), rng, splits)


def _looked_up(found: Sequence[Sequence[Request]], rng: Random, splits: Splits) -> list[Row]:
    requests = varied([own[0] for own in found], rng, splits)
    rows = []
    for named, own in zip(requests, found, strict=True):
        asked = renamed(own, [named.tool.name] * len(own))
        rows += [_row("lookup", [x.tool for x in requests], [one], rng) for one in asked]
    return with_one_head([replace(row, swap="none") for row in rows], rng)


_SUBJECTS = 4


def parallel_together(source: Requests, count: int, rng: Random, splits: Splits) -> list[Row]:
    """Rows of one declaration: two that ask for several calls, and requests for one tool.

    Args:
        source: gives requests for that many tools.
        count: declared tools.
        rng: where all choices come from.
        splits: the words that may be used.
    """
    asked, named = asked_at_once(source, count, rng, splits, varied)
    called = {one.tool.name for one in asked}
    pool = asked + [one for one in named if one.tool.name not in called]
    again = rng.sample(pool, min(len(pool), rng.choice((2, 2, 3))))
    every = [asked, again, *([one] for one in rng.sample(pool, min(len(pool), 2)))]
    tools = [one.tool for one in named]
    rows = [several("parallel", tools, one, rng) for one in every]
    if source is lookup_requests:
        rows = [replace(row, swap="none") for row in rows]
    return with_one_head(rows, rng)


def asked_at_once(
    source: Requests,
    count: int,
    rng: Random,
    splits: Splits,
    rename: Callable[[Sequence[Request], Random, Splits], list[Request]],
) -> tuple[list[Request], list[Request]]:
    """Two or three requests, and one request for every tool that is declared."""
    if source is not lookup_requests and (count == 1 or rng.random() < 0.5):
        asked, others = _repeated(source, count, rng, splits)
    else:
        pool = source(max(count, 2), rng, splits)
        times = rng.choice((2, 2, 3))
        asked, others = pool[:times], pool[times:]
    distinct = list({one.tool.name: one for one in [*asked, *others]}.values())
    named = rename(distinct, rng, splits)
    by_name = {old.tool.name: new.tool.name for old, new in zip(distinct, named, strict=True)}
    return renamed(asked, [by_name[one.tool.name] for one in asked]), named


def pick(count: int, rng: Random, splits: Splits, most: int = 4) -> Row:
    """A row of that many short tools with invented names, of which some are asked for, or none.

    Only the descriptions tell which tool is meant, and each call is one more choice: practice
    in choosing, as `echo` is practice in copying.

    Args:
        count: tools.
        rng: where all choices come from.
        splits: the words that may be used.
        most: tools that are asked for at most.
    """
    requests = bare_requests(count + 1, rng, splits)
    requests = renamed(requests, invented_names(count + 1, rng, splits))
    if rng.random() < (0.22 if splits.training else 0.15):
        return refusal("pick", requests, rng)
    tools = [request.tool for request in requests[1:]]
    asked = rng.sample(requests[1:], rng.randint(1, min(count, most)))
    return _row("pick", tools, asked, rng, rng.choice(JOINTS))


def echo(rng: Random, splits: Splits) -> Row:
    """A row that copies invented words into an argument: pure practice in copying."""
    phrase = " ".join(invented(rng, splits.values) for _ in range(rng.randint(1, 6)))
    requests = []
    for verb in rng.sample(_ECHO_VERBS, rng.randint(1, 3)):
        noun = rng.choice(("text", "phrase", "words", "line"))
        param = Param(rng.choice(("text", "value", noun)), Slot("title"), f"The {noun}")
        tool = Tool(f"{verb}_{noun}", f"{verb.capitalize()}s a {noun}.", (param,), (param.name,))
        said = rng.choice((f"{verb} ", f"{verb} the {noun} ", f"{verb} this: "))
        requests.append(Request(tool, said + phrase, {param.name: phrase}, verb))
    return single("echo", varied(requests, rng, splits), rng)


_ECHO_VERBS = ("repeat", "echo", "say", "write", "spell", "copy", "store", "type", "read", "shout")
