"""What may be held against one value: the matchers as data. `harness.matchers` builds them.

`Equals`, `ListOf`, `ObjectOf` and `Match` are matchers (`harness.cases.Matcher`). The rest are
conditions: one per operator, all of which a `Match` demands. `problem` never raises, whatever
the value, except `RegexTimeout` where a pattern runs away and `UnusableSchema` where a schema's
alternatives do.
"""

# ruff: noqa: D102 - the methods are those of the protocols, documented there

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from harness.cases import NO_GOLD, Json, Matcher
from harness.json_values import (
    as_written,
    cut,
    folded,
    inside,
    is_finite,
    is_number,
    key_text,
    same,
    shown,
    unlike,
)
from harness.values.phrases import holds_phrase
from harness.values.safe_regex import compile_pattern, found
from harness.values.schemas import ValueSchema


class Condition(Protocol):
    """One thing that must hold: `described` follows the word `expected`."""

    @property
    def described(self) -> str: ...

    def problem(self, value: Json) -> str | None: ...


class Described(Condition, Matcher, Protocol):
    """A matcher that can be part of another's description."""


@dataclass(frozen=True, slots=True)
class Equals:
    """A literal null, boolean, number or text; `fold`: a text by its folded form."""

    value: Json
    fold: bool = False
    optional: ClassVar[bool] = False
    absent: ClassVar[bool] = False

    @property
    def gold(self) -> Json:
        return self.value

    @property
    def described(self) -> str:
        return shown(self.value)

    def problem(self, value: Json) -> str | None:
        if same(self.value, value) or self._folds_to(value):
            return None
        return unlike(self.described, value)

    def _folds_to(self, value: Json) -> bool:
        texts = isinstance(self.value, str) and isinstance(value, str)
        return self.fold and texts and folded(self.value) == folded(value)


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of exactly these items, in this order."""

    items: tuple[Described, ...]
    optional: ClassVar[bool] = False
    absent: ClassVar[bool] = False

    @property
    def gold(self) -> Json:
        golds = [item.gold for item in self.items]
        return NO_GOLD if any(gold is NO_GOLD for gold in golds) else golds

    @property
    def described(self) -> str:
        parts = [item.described for item in self.items]
        return f"[{cut(', '.join(parts))}]"

    def problem(self, value: Json) -> str | None:
        if not isinstance(value, list):
            return unlike(self.described, value)
        if len(value) != len(self.items):
            expected = f"{_items(len(self.items))}: {cut(self.described)}"
            return f"expected {expected}, got {len(value)}: {shown(value)}"
        for index, item in enumerate(self.items):
            phrase_inside = item.problem(value[index])
            if phrase_inside is not None:
                return inside(index, phrase_inside)
        return None


@dataclass(frozen=True, slots=True)
class ObjectOf:
    """An object of exactly these members; an optional one may be missing."""

    members: Mapping[str, Described]
    optional: ClassVar[bool] = False
    absent: ClassVar[bool] = False

    @property
    def gold(self) -> Json:
        return gold_members(self.members)

    @property
    def described(self) -> str:
        parts = []
        for name, member in self.members.items():
            parts.append(f"{key_text(name)}: {member.described}")
        return f"{{{cut(', '.join(parts))}}}"

    def problem(self, value: Json) -> str | None:
        if not isinstance(value, dict):
            return unlike(self.described, value)
        for name, member in self.members.items():
            if name in value:
                phrase = member.problem(value[name])
                if phrase is not None:
                    return inside(name, phrase)
            elif not (member.optional or member.absent):
                return inside(name, f"expected {cut(member.described)}, got nothing")
        extra = next((name for name in value if name not in self.members), None)
        return None if extra is None else inside(extra, unlike("nothing", value[extra]))


@dataclass(frozen=True, slots=True)
class Match:
    """A mapping of operators: every condition must hold."""

    conditions: tuple[Condition, ...]
    gold: Json = NO_GOLD
    optional: bool = False
    absent: bool = False

    @property
    def described(self) -> str:
        parts = [condition.described for condition in self.conditions]
        return cut(" and ".join(parts))

    def problem(self, value: Json) -> str | None:
        for condition in self.conditions:
            phrase = condition.problem(value)
            if phrase is not None:
                return phrase
        return None


@dataclass(frozen=True, slots=True)
class Anything:
    """`$any`: any value that is there."""

    described: ClassVar[str] = "any value"

    def problem(self, value: Json) -> str | None:  # noqa: ARG002 - the protocol's
        return None


@dataclass(frozen=True, slots=True)
class Nothing:
    """`$absent`: no value will do."""

    described: ClassVar[str] = "nothing"

    def problem(self, value: Json) -> str | None:
        return unlike(self.described, value)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """`$one_of`: one of these."""

    options: tuple[Described, ...]

    @property
    def gold(self) -> Json:
        return self.options[0].gold

    @property
    def described(self) -> str:
        parts = [option.described for option in self.options]
        return _listed(parts, "or")

    def problem(self, value: Json) -> str | None:
        for option in self.options:
            if option.problem(value) is None:
                return None
        return unlike(self.described, value)


@dataclass(frozen=True, slots=True)
class Not:
    """`$not`: anything but this."""

    refused: Described

    @property
    def described(self) -> str:
        return f"anything but {self.refused.described}"

    def problem(self, value: Json) -> str | None:
        return unlike(self.described, value) if self.refused.problem(value) is None else None


@dataclass(frozen=True, slots=True)
class Contains:
    """`$contains`, and `$contains_any` where not `every`: a text that holds the phrases."""

    phrases: tuple[str, ...]
    every: bool = True

    @property
    def described(self) -> str:
        return "a text containing " + _listed(
            list(map(shown, self.phrases)), "and" if self.every else "or"
        )

    def problem(self, value: Json) -> str | None:
        if isinstance(value, str):
            text = folded(value)
            decide = all if self.every else any
            if decide(holds_phrase(text, folded(phrase)) for phrase in self.phrases):
                return None
        return unlike(self.described, value)


@dataclass(frozen=True, slots=True)
class Regex:
    """`$regex`: a text in which the pattern is found."""

    pattern: str

    @property
    def described(self) -> str:
        return f"a text in which the pattern {shown(self.pattern)} is found"

    def problem(self, value: Json) -> str | None:
        if isinstance(value, str) and found(compile_pattern(self.pattern), value):
            return None
        return unlike(self.described, value)


@dataclass(frozen=True, slots=True)
class AtLeast:
    """`$min`: a number that is not below the bound."""

    bound: int | float

    @property
    def described(self) -> str:
        return f"a number of at least {shown(self.bound)}"

    def problem(self, value: Json) -> str | None:
        fits = is_number(value) and value >= self.bound
        return None if fits else unlike(self.described, value)


@dataclass(frozen=True, slots=True)
class AtMost:
    """`$max`: a number that is not above the bound."""

    bound: int | float

    @property
    def described(self) -> str:
        return f"a number of at most {shown(self.bound)}"

    def problem(self, value: Json) -> str | None:
        fits = is_number(value) and value <= self.bound
        return None if fits else unlike(self.described, value)


@dataclass(frozen=True, slots=True)
class Near:
    """`$approx`: a number no further than `tolerance` away, in decimals as people write them.

    In floats, 1.1 is further than 0.1 from 1.0.
    """

    number: int | float
    tolerance: int | float

    @property
    def described(self) -> str:
        return f"a number within {shown(self.tolerance)} of {shown(self.number)}"

    def problem(self, value: Json) -> str | None:
        if is_number(value) and is_finite(value):
            away = abs(as_written(value) - as_written(self.number))
            if away <= as_written(self.tolerance):
                return None
        return unlike(self.described, value)


@dataclass(frozen=True, slots=True)
class Length:
    """`$length`: a list or text that has `least` to `most` items or characters."""

    least: int = 0
    most: int | None = None

    @property
    def described(self) -> str:
        if self.most is None:
            return f"a list or text of length {self.least} or more"
        span = str(self.least) if self.least == self.most else f"{self.least} to {self.most}"
        return f"a list or text of length {span}"

    def problem(self, value: Json) -> str | None:
        if not isinstance(value, list | str):
            return unlike(self.described, value)
        if self.least <= len(value) and (self.most is None or len(value) <= self.most):
            return None
        return f"{unlike(self.described, value)} of length {len(value)}"


@dataclass(frozen=True, slots=True)
class Valid:
    """`$schema`: a value that is valid against the JSON Schema."""

    schema: ValueSchema

    @property
    def described(self) -> str:
        return f"a value valid against {shown(self.schema.schema)}"

    def problem(self, value: Json) -> str | None:
        return next(iter(self.schema.problems(value)), None)


@dataclass(frozen=True, slots=True)
class NearText:
    """`$cer`: a text whose character error rate against `text` is at most `rate`.

    The rate is jiwer's: edits by characters of `text`, white space at the ends left out. Against
    an empty text it is the number of characters of the value.
    """

    text: str
    rate: float

    @property
    def described(self) -> str:
        return f"a text within a character error rate of {shown(self.rate)} of {shown(self.text)}"

    def problem(self, value: Json) -> str | None:
        if not isinstance(value, str):
            return unlike(self.described, value)
        surplus = len(value.strip()) - len(self.text.strip())
        if surplus > self.rate * max(1, len(self.text.strip())):
            return unlike(self.described, value)  # no need to align a megabyte
        import jiwer

        rate = jiwer.cer(self.text, value)
        if rate <= self.rate:
            return None
        return f"{unlike(self.described, value)} (rate {rate:.3f})"


def gold_members(members: Mapping[str, Described]) -> Json:
    """The gold object of named matchers; NO_GOLD where a member that must be there has none."""
    golds: dict[str, Json] = {}
    for name, member in members.items():
        gold = member.gold
        if gold is not NO_GOLD:
            golds[name] = gold
        elif not (member.optional or member.absent):
            return NO_GOLD
    return golds


def _items(count: int) -> str:
    return "1 item" if count == 1 else f"{count} items"


def _listed(parts: list[str], word: str) -> str:
    head = ", ".join(parts[:-1])
    return f"{head} {word} {parts[-1]}" if head else parts[-1]
