"""Look-ups by subject: departments of a company, and topics of the world.

Every tool says which subjects it covers. None covers a whole side: which tool any internal and
which any public question should go to is for users of the model to teach.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import Literal

from trainers.mini.schema import Param, Request, Slot, Tool
from trainers.mini.words import Splits, fields, invented, items, lines, of_split, values

Side = Literal["departments", "topics"]

_WORD = re.compile(r"[\w&'.+-]*\w(?:\+\+)?")

_NAME_SHAPES = (
    ("search_{key}",) * 5
    + ("{key}_search", "{key}_lookup", "find_{key}", "lookup_{key}", "query_{key}", "ask_{key}")
    + ("get_{key}_info", "search_{word}", "lookup_{word}", "search_{word}_{key}", "{key}.search")
)
_DESCRIPTIONS = (
    "Answers questions about {gloss}.",
    "Searches for {gloss}.",
    "Looks up {gloss}.",
    "Use for {gloss}.",
    "Finds information on {gloss}",
    "{Gloss}.",
)
_QUERY_NAMES = ("query",) * 6 + ("q", "text", "question", "topic", "keywords", "search")
_QUERY_TEXTS = ("Search keywords", "What to look for", "The query", "Keywords of the question")


@dataclass(frozen=True)
class Domain:
    """A department or a topic."""

    side: Side
    key: str
    glosses: tuple[str, ...]
    subjects: tuple[str, ...]
    tasks: tuple[str, ...]


@cache
def domains(side: Side, more: bool = False) -> tuple[Domain, ...]:
    """All departments, or all topics; `more` adds what is for training alone.

    What training adds to a domain holds nothing of what the evaluation sets ask about.
    """
    found = tuple(_domain(side, fields(line)) for line in lines(side))
    if not more:
        return found
    known = {one.key: _of_training(one) for one in found}
    asked = {text.casefold() for one in found for text in one.subjects + one.tasks}
    for extra in (_domain(side, fields(line)) for line in lines(f"{side}_more")):
        own = known.get(extra.key, Domain(side, extra.key, (), (), ()))
        known[extra.key] = Domain(
            side,
            extra.key,
            own.glosses + extra.glosses,
            own.subjects + tuple(text for text in extra.subjects if text.casefold() not in asked),
            own.tasks + tuple(text for text in extra.tasks if text.casefold() not in asked),
        )
    return tuple(known.values())


def _domain(side: Side, row: list[str]) -> Domain:
    return Domain(side, row[0], items(row[1]), items(row[2]), items(row[3]))


def _of_training(one: Domain) -> Domain:
    subjects, tasks = of_split(one.subjects, "train"), of_split(one.tasks, "train")
    return replace(one, subjects=subjects, tasks=tasks)


@cache
def _frames(kind: str, side: Side | Literal["both"], more: bool = False) -> tuple[str, ...]:
    rows = map(fields, lines("questions") + lines("questions_more") * more)
    return tuple(frame for row in rows if row[:2] == [kind, side] for frame in items(row[2]))


@cache
def _stop_words() -> frozenset[str]:
    return frozenset(" ".join(lines("stop")).split())


def keywords(text: str) -> str:
    """The content words of a question in their order: what a look-up tool is asked."""
    found = [word for word in _WORD.findall(text) if word.lower() not in _stop_words()]
    return " ".join(found) or text


def _pool(words: tuple[str, ...], splits: Splits) -> tuple[str, ...]:
    found = words if splits.training else of_split(words, splits.schemas)
    return found if len(found) > 1 else words


def question(domain: Domain, rng: Random, splits: Splits) -> str:
    """A question of the domain, without capital letter and question mark."""
    subjects = _pool(domain.subjects, splits)
    tasks = domain.tasks if splits.training else of_split(domain.tasks, splits.schemas)
    as_task = bool(tasks) and rng.random() < 0.25
    frames = _frames("task" if as_task else "subject", domain.side, splits.training)
    if as_task and not splits.training:
        return rng.choice(frames).format(k=rng.choice(tasks))
    frame = "{s}" if not as_task and rng.random() < 0.1 else rng.choice(frames)
    filler = {
        "w": invented(rng, splits.values).capitalize(),
        "c": rng.choice(values("city", splits.values)),
    }
    team = rng.choice(_frames("team", "both")).format(**filler)
    return frame.format(
        k=rng.choice(tasks) if as_task else "",
        s=rng.choice(subjects),
        o=rng.choice(subjects),
        t=team,
        n=rng.choice(values("country", splits.values)),
        y=rng.randint(1990, 2025),
        p=rng.choice(("week", "month", "quarter", "year")),
        c=filler["c"],
    )


def lookup_tool(domain: Domain, rng: Random, splits: Splits, others: Sequence[Domain] = ()) -> Tool:
    """A tool that searches the domain, and others; the description always says what it covers."""
    shape = rng.choice(_NAME_SHAPES)
    keys = "_".join(one.key for one in (domain, *others)[:3])
    name = shape.format(key=keys, word=invented(rng, splits.names))
    gloss = rng.choice(domain.glosses)
    if splits.training and rng.random() < 0.5:
        # Examples alone say what a domain is, if one knows what belongs together.
        examples = rng.sample(domain.subjects, rng.randint(2, 3))
        gloss = ", ".join(examples) if rng.random() < 0.4 else f"{gloss}, {', '.join(examples)}"
    elif rng.random() < 0.3:
        gloss += ", " + " and ".join(rng.sample(_pool(domain.subjects, splits), 2))
    if others:
        joint = rng.choice(("; ", ", and ", ", "))
        gloss = joint.join([gloss, *(rng.choice(one.glosses) for one in others)])
    description = rng.choice(_DESCRIPTIONS).format(gloss=gloss, Gloss=gloss[0].upper() + gloss[1:])
    query = Param(rng.choice(_QUERY_NAMES), Slot("title"), rng.choice(_QUERY_TEXTS))
    params = [query]
    if rng.random() < 0.12:
        params.append(Param("limit", Slot("int", "1-20"), "Most results"))
    return Tool(name, description, tuple(params), (query.name,))


@cache
def core_domains(side: Side) -> tuple[Domain, ...]:
    """Training's share of the first lists: few subjects, each soon met often."""
    return tuple(map(_of_training, domains(side)))


def subject_requests(
    count: int, asked: int, rng: Random, splits: Splits, core: bool = False
) -> list[list[Request]]:
    """Questions of different domains of one side: per domain as many as asked for.

    Args:
        count: domains.
        asked: questions per domain.
        rng: where all choices come from.
        splits: the words that may be used.
        core: whether to keep to `core_domains`.
    """
    side: Side = "departments" if rng.random() < 0.5 else "topics"
    known = core_domains(side) if core else domains(side, splits.training)
    found = []
    for domain in rng.sample(known, count):
        tool = lookup_tool(domain, rng, splits)
        texts = [question(domain, rng, splits) for _ in range(asked)]
        found.append([_keyword_request(tool, text, domain) for text in texts])
    return found


def mixed_requests(count: int, asked: int, rng: Random, splits: Splits) -> list[list[Request]]:
    """Questions for tools of both sides: per tool, of one to six domains, as many as asked for.

    A tool's domains are all of one side, all are in its description, and each side has at least
    one of the tools.

    Args:
        count: tools, two at least.
        asked: questions per tool.
        rng: where all choices come from.
        splits: the words that may be used.
    """
    sides: list[Side] = ["departments", "topics"]
    sides += rng.choices(sides, k=count - 2)
    rng.shuffle(sides)
    width = rng.randint(1, 6 if count == 2 else 3)
    departments = rng.sample(domains("departments", splits.training), count * width)
    taken = {domain.key for domain in departments}
    topics = [one for one in domains("topics", splits.training) if one.key not in taken]
    drawn = {"departments": departments, "topics": rng.sample(topics, count * width)}
    found = []
    for side in sides:
        group = [drawn[side].pop() for _ in range(width)]
        tool = lookup_tool(group[0], rng, splits, group[1:])
        texts = [question(rng.choice(group), rng, splits) for _ in range(asked)]
        found.append([_keyword_request(tool, text, group[0]) for text in texts])
    return found


def _keyword_request(tool: Tool, text: str, domain: Domain) -> Request:
    return Request(tool, text, {tool.params[0].name: keywords(text)}, domain.key)


def lookup_requests(count: int, rng: Random, splits: Splits) -> list[Request]:
    """Questions of different domains of one side, each with the tool that covers it."""
    side: Side = "departments" if rng.random() < 0.5 else "topics"
    requests: list[Request] = []
    known = domains(side, splits.training)
    # A tool for several domains at once: descriptions are lists of what may be asked.
    width = rng.randint(2, 3) if splits.training and count < 5 and rng.random() < 0.35 else 1
    drawn = rng.sample(known, min(count * width, len(known)))
    for group in (drawn[start::count] for start in range(count)):
        domain, *others = rng.sample(group, len(group)) if width > 1 else group
        tool = lookup_tool(domain, rng, splits, others)
        if others:
            domain = rng.choice(group)
        text = question(domain, rng, splits)
        arguments: dict[str, object] = {tool.params[0].name: keywords(text)}
        if len(tool.params) > 1 and rng.random() < 0.5:
            limit = rng.randint(1, 20)
            text += rng.choice((f", {limit} results", f", at most {limit} results"))
            arguments["limit"] = limit
        requests.append(Request(tool, text, arguments, domain.key))
    return requests
