"""Places of an encoded row that matter more than others: the tokens that choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """Ids of the format's tokens that stand around names and values.

    Attributes:
        depth: brackets that a token opens, less those that it closes.
        commas: tokens that end with a comma.
    """

    declaration: int
    description: int
    call: int
    brace: int
    call_end: int
    escape: int
    enum: int
    depth: Mapping[int, int]
    commas: frozenset[int]


def declared(ids: Sequence[int], form: Format) -> list[list[int]]:
    """The ids of every declared name."""
    starts = [place + 1 for place, number in enumerate(ids) if number == form.declaration]
    return [list(ids[at : ids.index(form.description, at)]) for at in starts]


def partings(name: Sequence[int], names: Sequence[Sequence[int]]) -> set[int]:
    """The indices in `name` at which another name that began like it goes on differently."""
    found = set()
    for other in names:
        same = 0
        while same < len(name) and name[: same + 1] == other[: same + 1]:
            same += 1
        if same < len(name):
            found.add(same)
    return found


def choices(ids: Sequence[int], start: int, form: Format) -> set[int]:
    """The places in the target at which a called name parts from another declared one.

    Args:
        ids: prompt and target.
        start: where the target begins.
        form: ids of the format.
    """
    names, found = declared(ids[:start], form), set()
    for at in (place + 1 for place in range(start, len(ids)) if ids[place] == form.call):
        name = list(ids[at : ids.index(form.brace, at)])
        found |= {at + part for part in partings(name, names)}
    return found


def quoted(ids: Sequence[int], escape: int) -> list[tuple[int, list[int]]]:
    """Where every quoted text begins, and its ids with the mark that ends it.

    With that no text begins like a longer one.
    """
    marks = [place for place, number in enumerate(ids) if number == escape]
    pairs = zip(marks[::2], marks[1::2], strict=False)
    return [(start + 1, list(ids[start + 1 : end + 1])) for start, end in pairs]


def enums(ids: Sequence[int], form: Format) -> list[list[list[int]]]:
    """The ids of the values of every enum that is declared."""
    found = []
    for at in (place + 1 for place, number in enumerate(ids) if number == form.enum):
        # Nothing in a list of values opens another bracket.
        ends = (place for place in range(at, len(ids)) if form.depth.get(ids[place], 0) < 0)
        found.append([text for _, text in quoted(ids[at : next(ends, len(ids))], form.escape)])
    return found


def labels(ids: Sequence[int], start: int, form: Format) -> set[int]:
    """The places in the target at which an enum's value parts from its other values.

    The arguments are those of `choices`.
    """
    declared_enums = enums(ids[:start], form)
    found = set()
    for at, text in quoted(ids[start:], form.escape) if declared_enums else ():
        for values in declared_enums:
            if text in values:
                found |= {start + at + part for part in partings(text, values)}
    return found


def deciding(ids: Sequence[int], start: int, form: Format) -> set[int]:
    """The places of the target's tokens that choose.

    They choose a tool, a value of an enum, to call at all, or to call again. The arguments are
    those of `choices`.
    """
    again = {at + 1 for at in range(start, len(ids) - 1) if ids[at] == form.call_end}
    return choices(ids, start, form) | labels(ids, start, form) | again | {start}


def passing(ids: Sequence[int], start: int, form: Format) -> set[int]:
    """The places of the target's tokens that choose the next argument, or to take no more.

    These are what follows a value, and the first of a name. The arguments are those of `choices`.
    """
    found, inside, quoted, depth = set(), False, False, 0
    for at in range(start, len(ids) - 1):
        number = ids[at]
        if number == form.call:
            inside, depth = True, 0
        inside = inside and number != form.call_end
        quoted ^= number == form.escape
        if not inside or quoted:
            continue
        before, depth = depth, depth + form.depth.get(number, 0)
        is_comma = number in form.commas and depth == 1
        if is_comma or before > depth == 0:
            found.add(at)
        if is_comma or before < depth == 1:
            found.add(at + 1)
    return found


def recalled(ids: Sequence[int], form: Format) -> set[int]:
    """The places, outside the declarations' heads, of the tokens at which all names part."""
    names = declared(ids, form)
    columns = enumerate(zip(*names, strict=False))
    common = next((at for at, column in columns if len(set(column)) > 1), 0)
    heads = {name[common] for name in names if len(name) > common}
    own = {form.declaration, *(names[0][common - 1 : common])}
    places = range(1, len(ids))
    return {at for at in places if ids[at] in heads and ids[at - 1] not in own}
