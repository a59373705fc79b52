"""Tools put together from a verb, a noun and parameters: no end of schemas."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random

from trainers.mini.frames import fill
from trainers.mini.schema import Param, Request, Slot, Tool
from trainers.mini.slots import string_value
from trainers.mini.words import (
    Split,
    Splits,
    borrowed,
    fields,
    invented,
    items,
    lines,
    of_split,
    split_of,
)

_DESCRIPTIONS = (
    "{Does} a {noun}.",
    "{Does} the {noun}.",
    "{Does} one {noun} of the user.",
    "Tool that {does} a {noun}.",
    "{Do} a {noun}",
    "{Does} a given {noun} and returns the result.",
    "Use this to {do} a {noun}.",
)
_REQUESTS = (
    "{do} the {noun}",
    "{do} a {noun}",
    "{do} my {noun}",
    "please {do} the {noun}",
    "can you {do} the {noun}",
    "I want to {do} a {noun}",
    "I need you to {do} the {noun}",
    "could you {do} this {noun}",
    "{do} {noun}",
)
_NAMES = ("{do}_{noun}",) * 5 + ("{noun}_{do}", "{do}{Noun}", "{noun}.{do}", "{do}_the_{noun}")


@dataclass(frozen=True)
class Verb:
    """A verb, its third person, and other ways to say it."""

    plain: str
    third: str
    ways: tuple[str, ...] = ()


@dataclass(frozen=True)
class Concept:
    """A parameter that fits any noun, and phrases that give its value."""

    param: Param
    phrases: tuple[str, ...]


def _lists(name: str, more: bool) -> tuple[str, ...]:
    return lines(name) + lines(f"{name}_more") if more else lines(name)


@cache
def verbs(split: Split, more: bool = False) -> tuple[Verb, ...]:
    """The verbs of a share; `more` adds those of the list that is for training alone."""
    rows = [fields(line) for line in _lists("verbs", more)]
    known = {row[0]: Verb(row[0], row[1], items(row[2])) for row in rows}
    return tuple(known[name] for name in of_split(known, split))


@cache
def nouns(split: Split, more: bool = False) -> tuple[str, ...]:
    """The nouns of a share; `more` adds those of the list that is for training alone."""
    known = dict.fromkeys(" ".join(_lists("nouns", more)).split())
    return of_split(known, split)


@cache
def concepts(split: Split, more: bool = False) -> tuple[Concept, ...]:
    """The parameters of a share; `more` adds those of the list that is for training alone."""
    found = []
    for line in _lists("params", more):
        name, slot, description, phrases = fields(line)
        if split_of(name) == split:
            param = Param(name, Slot.parse(slot), description)
            found.append(Concept(param, tuple(p.strip() for p in phrases.split(" ; "))))
    return tuple(found)


@dataclass(frozen=True)
class Made:
    """A tool put together, with all that is needed to ask for it."""

    verb: Verb
    noun: str
    tool: Tool
    phrases: tuple[tuple[str, ...], ...]

    def request(self, rng: Random, splits: Splits) -> Request:
        """A request that names some of the parameters, the required ones always."""
        text = rng.choice(_REQUESTS).format(do=self._verb(rng, splits), noun=self.noun)
        chosen = [
            (param, rng.choice(phrases))
            for param, phrases in zip(self.tool.params, self.phrases, strict=True)
            if param.name in self.tool.required or rng.random() < 0.6
        ]
        rng.shuffle(chosen)
        arguments = {}
        for param, phrase in chosen:
            written, given = fill(phrase, {"v": param.slot}, rng, splits.values)
            arguments[param.name] = given["v"]
            text += rng.choice((" ", " ", ", ")) + written
        return Request(self.tool, text, arguments, f"{self.verb.plain} {self.noun}")

    def _verb(self, rng: Random, splits: Splits) -> str:
        # Another way to say a verb can only be known from training.
        if splits.schemas == "train" and self.verb.ways and rng.random() < 0.3:
            return rng.choice(self.verb.ways)
        return self.verb.plain


def _is_borrowed(rng: Random, splits: Splits, share: float) -> bool:
    # Words of any meaning in every place of a row, and in rows that fit no tool as in others:
    # then a strange word says nothing about whether, and which, tool is meant.
    return splits.training and rng.random() < share


def _verb(rng: Random, splits: Splits) -> Verb:
    if _is_borrowed(rng, splits, 0.25):
        plain = borrowed(rng)
        return Verb(plain, plain + "s")
    if rng.random() < 0.12:
        plain = invented(rng, splits.schemas)
        return Verb(plain, plain + "s")
    return rng.choice(verbs(splits.schemas, splits.training))


def _noun(rng: Random, splits: Splits) -> str:
    roll = rng.random()
    if roll < 0.12:
        return invented(rng, splits.schemas)
    if _is_borrowed(rng, splits, 0.25):
        return borrowed(rng)
    known = nouns(splits.schemas, splits.training)
    noun = rng.choice(known)
    return f"{rng.choice(known)} {noun}" if roll < 0.25 else noun


def _named(rng: Random, splits: Splits, noun: str) -> Concept:
    """A parameter called after a random noun, asked for by that name."""
    known = nouns(splits.schemas, splits.training)
    name = rng.choice(known) if rng.random() < 0.8 else invented(rng, splits.schemas)
    if _is_borrowed(rng, splits, 0.3):
        name = borrowed(rng)
    description = rng.choice(("The {n}", "{N} to use", "{N} of the {noun}", "Which {n}", "{N}"))
    described = description.format(n=name, N=name.capitalize(), noun=noun)
    slot = Slot.parse(rng.choice(_NAMED_SLOTS + _NAMED_SLOTS_MORE * splits.training))
    if slot.kind == "enum":
        slot = _drawn_enum(rng, splits.schemas)
    phrases = _NAMED_SWITCHES if slot.kind == "bool" else _NAMED_PHRASES
    param = Param(name, slot, described)
    return Concept(param, tuple(phrase.replace("*", name) for phrase in phrases))


def _drawn_enum(rng: Random, split: Split) -> Slot:
    kind = rng.choice(("thing", "adjective", "color", "food", "sport", "word"))
    drawn = {string_value(kind, rng, split) for _ in range(rng.randint(2, 5))}
    return Slot("enum", "/".join(sorted(drawn)))


_NAMED_SLOTS: tuple[str, ...] = (
    "title",
    "title",
    "word",
    "word",
    "int(1-99)",
    "int(1-999)",
    "number(1-500)",
)
_NAMED_SLOTS += ("person", "city", "date", "code", "list(word)", "list(title)", "list(int)")
_NAMED_SLOTS_MORE: tuple[str, ...] = ("enum", "enum", "enum", "bool", "bool", "sentence", "time")
_NAMED_SLOTS_MORE += ("company", "email", "file", "product", "list(person)")
_NAMED_SLOTS_MORE += ("object(name:person,email:email)",)
_NAMED_SWITCHES = ("{v=with */without *}", "{v=and use */and no *}", "{v=* on/* off}")
_NAMED_PHRASES = (
    "with * {v}",
    "with the * {v}",
    "* {v}",
    "*: {v}",
    "using {v} as *",
    "and set the * to {v}",
    "and {v} for the *",
    "where the * is {v}",
)


def _concepts(rng: Random, splits: Splits, noun: str) -> list[Concept]:
    shares = (12, 28, 30, 20, 10) if splits.training else (18, 34, 29, 14, 5)
    count = rng.choices((0, 1, 2, 3, 4), shares)[0]
    pool = concepts(splits.schemas, splits.training)
    chosen = rng.sample(pool, min(count, len(pool)))
    return [
        _named(rng, splits, noun) if rng.random() < 0.25 else _adapted(one, rng, splits, noun)
        for one in chosen
    ]


def _adapted(one: Concept, rng: Random, splits: Splits, noun: str) -> Concept:
    """The concept for this noun; an enum often gets options of its own."""
    slot, name = one.param.slot, one.param.name
    description = one.param.description.replace("*", noun)
    if rng.random() < 0.4:
        description = one.param.description.replace(" of the *", "").replace("the *", "it")
    if slot.kind == "enum" and rng.random() < 0.6:
        slot = _drawn_enum(rng, splits.schemas)
    if rng.random() < 0.08:
        name = invented(rng, splits.schemas)
    if _is_borrowed(rng, splits, 0.12):
        name = borrowed(rng)
    return Concept(Param(name, slot, description), one.phrases)


def make(rng: Random, splits: Splits, verb: Verb | None = None, noun: str | None = None) -> Made:
    """A tool for a verb and a noun, drawn from their share where not given."""
    verb = verb or _verb(rng, splits)
    noun = noun or _noun(rng, splits)
    forms = {
        "do": verb.plain,
        "Do": verb.plain.capitalize(),
        "does": verb.third,
        "Does": verb.third.capitalize(),
    }
    joined = noun.replace(" ", "_")
    name = rng.choice(_NAMES).format(
        do=verb.plain.replace(" ", "_"), noun=joined, Noun=noun.title().replace(" ", "")
    )
    used = _concepts(rng, splits, noun)
    params = tuple(one.param for one in used)
    if len({param.name.lower() for param in params}) < len(params):
        params, used = params[:1], used[:1]
    required = tuple(param.name for param in params if rng.random() < 0.6)
    description = rng.choice(_DESCRIPTIONS).format(noun=noun, **forms)
    tool = Tool(name, description, params, required)
    return Made(verb, noun, tool, tuple(one.phrases for one in used))


def made_requests(count: int, rng: Random, splits: Splits) -> list[Request]:
    """Requests for different tools, of which some share the first one's verb or noun."""
    first = make(rng, splits)
    found = {(first.verb.plain, first.noun): first}
    names = {first.tool.name}
    while len(found) < count:
        roll = rng.random()
        verb = first.verb if roll < 0.3 else None
        noun = first.noun if 0.3 <= roll < 0.5 else None
        other = make(rng, splits, verb, noun)
        key = (other.verb.plain, other.noun)
        if key not in found and other.tool.name not in names:
            found[key] = other
            names.add(other.tool.name)
    return [one.request(rng, splits) for one in found.values()]


_BARE = ("{Does} a {noun}.", "{do} the {noun}", "{Do} a {noun}.", "{noun}: {do}", "{do} {noun}")


def bare_requests(count: int, rng: Random, splits: Splits) -> list[Request]:
    """Requests for different tools without parameters, some of one verb or one noun."""
    shared_verb, shared_noun = _verb(rng, splits), _noun(rng, splits)
    pairs: dict[tuple[str, str], Verb] = {}
    while len(pairs) < count:
        roll = rng.random()
        verb = shared_verb if roll < 0.2 else _verb(rng, splits)
        noun = shared_noun if 0.2 <= roll < 0.4 else _noun(rng, splits)
        pairs[verb.plain, noun] = verb
    return [_bare(verb, noun, rng) for (_, noun), verb in pairs.items()]


def _bare(verb: Verb, noun: str, rng: Random) -> Request:
    do, third = verb.plain, verb.third
    description = rng.choice(_BARE).format(
        do=do, Do=do.capitalize(), Does=third.capitalize(), noun=noun
    )
    tool = Tool(f"{do}_{noun}".replace(" ", "_"), description)
    text = rng.choice(_REQUESTS).format(do=do, noun=noun)
    return Request(tool, text, {}, f"{do} {noun}")
