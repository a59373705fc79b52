"""Look-ups by subject: departments of a company, and topics of the world.

A row's look-up tools all belong to one of the two sides, never to both: which tool an internal
and which a public question should go to is for users of the model to teach.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
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
def domains(side: Side) -> tuple[Domain, ...]:
    """All departments, or all topics."""
    rows = [fields(line) for line in lines(side)]
    return tuple(Domain(side, r[0], items(r[1]), items(r[2]), items(r[3])) for r in rows)


@cache
def _frames(kind: str, side: Side | Literal["both"]) -> tuple[str, ...]:
    rows = map(fields, lines("questions"))
    return next(items(row[2]) for row in rows if row[:2] == [kind, side])


@cache
def _stop_words() -> frozenset[str]:
    return frozenset(" ".join(lines("stop")).split())


def keywords(text: str) -> str:
    """The content words of a question in their order: what a look-up tool is asked."""
    found = [word for word in _WORD.findall(text) if word.lower() not in _stop_words()]
    return " ".join(found) or text


def _pool(words: tuple[str, ...], splits: Splits) -> tuple[str, ...]:
    found = of_split(words, splits.schemas)
    return found if len(found) > 1 else words


def question(domain: Domain, rng: Random, splits: Splits) -> str:
    """A question of the domain, without capital letter and question mark."""
    subjects = _pool(domain.subjects, splits)
    tasks = of_split(domain.tasks, splits.schemas)
    if tasks and rng.random() < 0.25:
        return rng.choice(_frames("task", domain.side)).format(k=rng.choice(tasks))
    frame = "{s}" if rng.random() < 0.1 else rng.choice(_frames("subject", domain.side))
    filler = {
        "w": invented(rng, splits.values).capitalize(),
        "c": rng.choice(values("city", splits.values)),
    }
    team = rng.choice(_frames("team", "both")).format(**filler)
    return frame.format(
        s=rng.choice(subjects),
        o=rng.choice(subjects),
        t=team,
        n=rng.choice(values("country", splits.values)),
        y=rng.randint(1990, 2025),
        p=rng.choice(("week", "month", "quarter", "year")),
        c=filler["c"],
    )


def lookup_tool(domain: Domain, rng: Random, splits: Splits) -> Tool:
    """A tool that searches the domain; the description always says what it covers."""
    shape = rng.choice(_NAME_SHAPES)
    name = shape.format(key=domain.key, word=invented(rng, splits.names))
    gloss = rng.choice(domain.glosses)
    if rng.random() < 0.3:
        gloss += ", " + " and ".join(rng.sample(_pool(domain.subjects, splits), 2))
    description = rng.choice(_DESCRIPTIONS).format(gloss=gloss, Gloss=gloss[0].upper() + gloss[1:])
    query = Param(rng.choice(_QUERY_NAMES), Slot("title"), rng.choice(_QUERY_TEXTS))
    params = [query]
    if rng.random() < 0.12:
        params.append(Param("limit", Slot("int", "1-20"), "Most results"))
    return Tool(name, description, tuple(params), (query.name,))


def lookup_requests(count: int, rng: Random, splits: Splits) -> list[Request]:
    """Questions of different domains of one side, each with the tool that covers it."""
    side: Side = "departments" if rng.random() < 0.5 else "topics"
    requests: list[Request] = []
    for domain in rng.sample(domains(side), count):
        tool = lookup_tool(domain, rng, splits)
        text = question(domain, rng, splits)
        arguments: dict[str, object] = {tool.params[0].name: keywords(text)}
        if len(tool.params) > 1 and rng.random() < 0.5:
            limit = rng.randint(1, 20)
            text += rng.choice((f", {limit} results", f", at most {limit} results"))
            arguments["limit"] = limit
        requests.append(Request(tool, text, arguments, domain.key))
    return requests
