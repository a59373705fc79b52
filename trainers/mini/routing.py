"""Tools that sort a message into a department, a topic, or a tag."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from trainers.mini.lookups import Domain, domains, keywords, question
from trainers.mini.schema import Param, Request, Slot, Tool
from trainers.mini.words import Splits, invented

_VERBS = ("route", "classify", "tag", "forward", "sort", "label", "assign", "dispatch", "file")
_THINGS = ("message", "question", "ticket", "request", "text", "inquiry", "note", "post")
_PARAMS = {
    "departments": (("department", "team", "queue", "unit"), "Department in charge"),
    "topics": (("topic", "category", "subject", "section"), "Topic of the text"),
    "both": (("label", "tag", "area", "kind"), "Label that fits best"),
}
_FRAMES = (
    "{verb} this {thing}: {q}",
    "{verb} the following {thing}: {q}",
    '{verb} "{q}"',
    "{q}",
    "please {verb} this: {q}",
    "new {thing}: {q}",
)


def _styled(key: str, style: str) -> str:
    return {"upper": key.upper(), "title": key.capitalize()}.get(style, key)


def _candidates(group: str, count: int, rng: Random, more: bool) -> list[Domain]:
    if group == "departments":
        return rng.sample(domains("departments", more), count)
    if group == "topics":
        return rng.sample(domains("topics", more), count)
    return rng.sample(domains("departments", more) + domains("topics", more), count)


def routing_request(rng: Random, splits: Splits) -> Request:
    """A message, and a tool with an enum of domains of which one fits.

    The labels are departments, topics, or any of both; every label is one domain, none stands
    for a whole side.
    """
    return routing_requests(1, rng, splits)[0]


def routing_requests(
    count: int, rng: Random, splits: Splits, groups: Sequence[str] = tuple(_PARAMS)
) -> list[Request]:
    """That many messages for one tool with an enum of domains (see `routing_request`).

    Args:
        count: how many.
        rng: where all choices come from.
        splits: the words that may be used.
        groups: what the labels may be of, one drawn: departments, topics, or both.
    """
    group = rng.choice(groups)
    chosen = _candidates(group, rng.randint(2, 6), rng, splits.training)
    right = rng.choice(chosen)
    style = rng.choice(("plain", "plain", "upper", "title"))
    labels = [_styled(domain.key, style) for domain in chosen]
    names, description = _PARAMS[group]
    verb, thing = rng.choice(_VERBS), rng.choice(_THINGS)
    param = Param(rng.choice(names), Slot("enum", "/".join(labels)), description)
    text = question(right, rng, splits)
    params = [param]
    if rng.random() < 0.5:
        params.append(Param("summary", Slot("title"), "Keywords of the text"))
    name = f"{verb}_{thing}" if rng.random() < 0.7 else f"{verb}_{invented(rng, splits.names)}"
    does = verb.capitalize() + ("es" if verb.endswith(("h", "s")) else "s")
    does = {"Classifys": "Classifies"}.get(does, does)
    tool = Tool(
        name,
        f"{does} a {thing} by {param.name}.",
        tuple(params),
        tuple(param.name for param in params),
    )
    found: list[Request] = []
    for _ in range(count):
        if found:
            right = rng.choice(chosen)
            text = question(right, rng, splits)
        asked = rng.choice(_FRAMES).format(verb=verb, thing=thing, q=text)
        arguments = {param.name: _styled(right.key, style), "summary": keywords(text)}
        given = {one.name: arguments[one.name] for one in params}
        found.append(Request(tool, asked, given, f"{verb} {thing}"))
    return found
