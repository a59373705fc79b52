"""Values for slots: what goes into the arguments and how a user writes it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from trainers.mini.schema import Slot
from trainers.mini.words import Split, invented, values

Drawn = tuple[Any, str]


def draw(slot: Slot, rng: Random, split: Split) -> Drawn:
    """A value for a slot, and its words in a request.

    The words are the value itself wherever the value is a string or a number, so that the
    right argument can be copied. Booleans have no words of their own: their text is empty.

    Raises:
        KeyError: the slot's kind is unknown.
    """
    structured = _STRUCTURED.get(slot.kind)
    if structured is not None:
        return structured(slot, rng, split)
    text = string_value(slot.kind, rng, split)
    return text, text


def _bounds(slot: Slot) -> tuple[int, int]:
    low, _, high = slot.detail.partition("-")
    return (int(low), int(high)) if high else (1, 99)


def _integer(slot: Slot, rng: Random, _split: Split) -> Drawn:
    low, high = _bounds(slot)
    # Few requests name odd large numbers: half of the larger ones are round.
    step = 10 if high >= 100 and rng.random() < 0.5 else 1
    value = max(low, rng.randint(low, high) // step * step)
    return value, str(value)


def _number(slot: Slot, rng: Random, split: Split) -> Drawn:
    value, text = _integer(slot, rng, split)
    if rng.random() < 0.4:
        return value, text
    places = rng.choice((10, 100))
    real = round(value + rng.randint(1, places - 1) / places, 2)
    return real, str(real)


def _boolean(_slot: Slot, rng: Random, _split: Split) -> Drawn:
    return rng.random() < 0.5, ""


def _enum(slot: Slot, rng: Random, _split: Split) -> Drawn:
    value = rng.choice(slot.options())
    return value, value


def _array(slot: Slot, rng: Random, split: Split) -> Drawn:
    inner = Slot.parse(slot.detail)
    drawn = [draw(inner, rng, split) for _ in range(rng.choice((1, 2, 2, 3, 3, 4)))]
    texts = [text for _, text in drawn]
    joined = texts[0] if len(texts) == 1 else ", ".join(texts[:-1]) + " and " + texts[-1]
    return [value for value, _ in drawn], joined


def _object(slot: Slot, rng: Random, split: Split) -> Drawn:
    value, words = {}, []
    for key, inner in slot.members():
        value[key], text = draw(inner, rng, split)
        words.append(f"{key} {text}" if inner.kind in ("int", "number") else text)
    return value, ", ".join(words)


_STRUCTURED: dict[str, Callable[[Slot, Random, Split], Drawn]] = {
    "int": _integer,
    "number": _number,
    "bool": _boolean,
    "enum": _enum,
    "list": _array,
    "object": _object,
}


def _person(rng: Random, split: Split) -> str:
    first = rng.choice(values("first", split))
    return first if rng.random() < 0.5 else f"{first} {rng.choice(values('last', split))}"


def _email(rng: Random, split: Split) -> str:
    user = rng.choice(values("first", split)).lower()
    if rng.random() < 0.4:
        user += "." + rng.choice(values("last", split)).lower()
    return f"{user}@{rng.choice(values('domain'))}"


def _date(rng: Random, _split: Split) -> str:
    day, month = rng.randint(1, 28), rng.randint(1, 12)
    return rng.choice(
        (
            rng.choice(values("relative")),
            rng.choice(values("weekday")),
            f"{rng.choice(values('month'))} {day}",
            f"{rng.randint(2023, 2027)}-{month:02d}-{day:02d}",
        )
    )


def _time(rng: Random, _split: Split) -> str:
    hour, minute = rng.randint(1, 12), rng.choice((0, 15, 30, 45, 5, 50))
    half = rng.choice(("am", "pm"))
    return rng.choice(
        (f"{hour} {half}", f"{hour}:{minute:02d} {half}", f"{hour + 11}:{minute:02d}", "noon")
    )


def _title(rng: Random, split: Split) -> str:
    adjective = rng.choice(values("adjective", split))
    thing = rng.choice(values("thing", split))
    shapes = (f"{adjective} {thing}", thing, invented(rng, split), f"{thing} {adjective}")
    text = rng.choices(shapes, (5, 2, 1, 1))[0]
    if rng.random() < 0.15:
        text += " " + rng.choice(values("thing", split))
    return text.title() if rng.random() < 0.25 else text


def _word(rng: Random, split: Split) -> str:
    return rng.choice(values("word", split)) if rng.random() < 0.6 else invented(rng, split)


def _street(rng: Random, split: Split) -> str:
    return f"{rng.randint(1, 250)} {rng.choice(values('streetname', split))}"


def _code(rng: Random, _split: Split) -> str:
    letters = "".join(rng.choice("ABCDEFGHJKLMNPRSTUVWXYZ") for _ in range(rng.randint(1, 3)))
    return f"{letters}{rng.choice(('-', ''))}{rng.randint(10, 99999)}"


def _phone(rng: Random, _split: Split) -> str:
    return f"{rng.randint(200, 999)}-{rng.randint(100, 999)}-{rng.randint(1000, 9999)}"


def _url(rng: Random, split: Split) -> str:
    return f"https://{rng.choice(values('domain'))}/{_word(rng, split)}"


def _file(rng: Random, split: Split) -> str:
    stem = _word(rng, split)
    if rng.random() < 0.3:
        stem += f"_{rng.randint(1, 30)}"
    return f"{stem}.{rng.choice(values('extension'))}"


def _company(rng: Random, split: Split) -> str:
    if rng.random() < 0.6:
        return rng.choice(values("company", split))
    return invented(rng, split).capitalize()


_COMPOSED: dict[str, Callable[[Random, Split], str]] = {
    "person": _person,
    "email": _email,
    "date": _date,
    "time": _time,
    "title": _title,
    "word": _word,
    "street": _street,
    "code": _code,
    "phone": _phone,
    "url": _url,
    "file": _file,
    "company": _company,
}


def string_value(kind: str, rng: Random, split: Split) -> str:
    """A string of a kind, from the words of a share.

    Raises:
        KeyError: the kind is unknown.
    """
    composed = _COMPOSED.get(kind)
    return composed(rng, split) if composed else rng.choice(values(kind, split))
