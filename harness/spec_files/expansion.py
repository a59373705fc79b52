"""One written case → the cases it stands for: `prompts`, `each`, ids, splits."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from harness.cases import SPLITS, Json, Split
from harness.errors import nearest
from harness.json_values import shown
from harness.spec_files.nodes import Path, Report
from harness.spec_files.yaml_prose import quote

_VARIABLE: Final = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_-]*)\)")
_COMMENT: Final = re.compile(r"\s+#")
_WORD: Final = re.compile(r"[^\s,&*#}\]]+")
_LONGEST_SLUG: Final = 40
MAX_VARIANTS: Final = 100_000
MAX_WRITTEN: Final = 200_000_000
"""Bounds on what `each` makes of one case: cases, and characters of messages and expectations."""
MAX_FILLED_TEXT: Final = 1_000_000
MAX_FILLED: Final = 64_000_000
"""Characters that variables write into one text, and into all the cases of a file."""


Source = Callable[[Path], str]


@dataclass
class Room:
    """The characters that the variables of a file may still write out."""

    left: int = MAX_FILLED


@dataclass(frozen=True, slots=True)
class Variant:
    """One case of a written one: its parts with the variables filled in.

    `path` is where it stands inside the written case; `variables` are what filled it.
    """

    id: str
    prompt: str | None
    messages: list[Json] | None
    expect: Json
    reply: str | None
    finds: Json
    then: Json
    path: Path
    variables: Mapping[str, Json]


def hex_digits(text: str) -> str:
    """6 hex digits that change when the text does."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:6]


def slug(prompt: str, *, marked: bool = False) -> str:
    """The prompt as an id: its words in lower case joined by `-`, accents dropped.

    At most 40 characters: a longer one is cut at a word's end and ends in 6 hex digits of the
    prompt, as does every `marked` one. Without a Latin letter the digits are all there is.
    """
    plain = unicodedata.normalize("NFKD", prompt[:1000]).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain.replace("'", ""))
    whole = "-".join(words)
    if not re.search("[a-z]", whole):
        return hex_digits(prompt)
    if len(prompt) <= 1000 and len(whole) <= _LONGEST_SLUG and whole != "gate" and not marked:
        return whole
    room = _LONGEST_SLUG - 7
    while len(words) > 1 and len("-".join(words)) > room:
        words.pop()
    return f"{'-'.join(words)[:room]}-{hex_digits(prompt)}"


def share_of(text: str, shares: Mapping[str, float], seed: int) -> Split:
    """The split of a text by shares that sum to 1: a hash, so it depends on nothing else."""
    digest = hashlib.sha256(f"{seed}\n{text}".encode("utf-8", "surrogatepass")).digest()
    point = int.from_bytes(digest[:8], "big") / 2**64
    reached = 0.0
    chosen: Split = "test"
    for name in SPLITS:
        if share := shares.get(name, 0):
            chosen, reached = name, reached + share
            if point < reached:
                break
    return chosen


def variants(
    node: Mapping[str, Any],
    report: Report,
    room: Room | None = None,
    source: Source = lambda _: "",
) -> Iterator[Variant]:
    """The cases that a written one stands for; what cannot be filled in is reported.

    `node` holds only values of the right shape; `room` is what the file's cases share; `source`
    gives what stands in the file from the value at a path on, to the line's end. A variant that
    cannot be filled is left out.
    """
    room = Room() if room is None else room
    if "each" not in node:
        for suffix, prompt, path in _prompts(node):
            yield _variant(node, node, suffix, prompt, path, {})
        return
    if _too_many(node):
        what = f"stands for more than {MAX_VARIANTS:,} cases, or for very long ones"
        report(("each",), what, "write several cases", key=True)
        return
    for place, variables in enumerate(node["each"]):
        if room.left < 0:
            return
        filling = _Filling(variables, place, report, room, source)
        parts = {name: filling.fill(node.get(name), (name,)) for name in _PARTS}
        for suffix, template, path in _prompts(node):
            prompt = filling.text(template, path) if template is not None else None
            if filling.whole and prompt is not None and not prompt.strip():
                report(("each", place), "makes an empty prompt", "fill in its variables")
            elif filling.whole:
                yield _variant(node, parts, suffix, prompt, path, variables)


def _too_many(node: Mapping[str, Any]) -> bool:
    sets, prompts = len(node["each"]), len(node.get("prompts") or [""])
    written = json.dumps([node.get(part) for part in _PARTS])
    return sets * prompts > MAX_VARIANTS or sets * len(written) > MAX_WRITTEN


_PARTS: Final = ("messages", "expect", "reply", "finds", "then")
_FILLED: Final = ("prompt", "prompts", *_PARTS)
"""The keys of a case in which variables are filled in."""


def named_variables(node: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """The variables that the parts of a case name, each once a part, and the part."""
    for part in _FILLED:
        if part in node:
            text = node[part] if isinstance(node[part], str) else _as_json(node[part])
            if "$(" in text:
                for name in dict.fromkeys(_VARIABLE.findall(text)):
                    yield (part,), name


def _as_json(node: Json) -> str:
    return json.dumps(node, ensure_ascii=False)


def unused_variables(node: Mapping[str, Any]) -> list[tuple[Path, str]]:
    """The variables of `each` that nothing in the case names: where they stand, and their names."""
    named = {name for _, name in named_variables(node)}
    places: dict[str, Path] = {}
    for place, variables in enumerate(node.get("each") or []):
        for name in variables:
            if name not in named:
                places.setdefault(name, ("each", place, name))
    return [(path, name) for name, path in places.items()]


def written_path(node: Json, path: Path) -> Path:
    """The path to a filled-in value → the path to what its author wrote (keys may hold variables).

    Goes as far as the node goes: inside a variable's own value there is nothing written.
    """
    found: list[str | int] = []
    for step in path:
        if isinstance(node, Mapping):
            step = step if step in node else _template(node, step)
            if step not in node:
                break
        elif not (isinstance(node, list) and isinstance(step, int) and step < len(node)):
            break
        found.append(step)
        node = node[step]
    return tuple(found)


def _template(node: Mapping[str, Json], step: str | int) -> str:
    """The key with variables that may have become this one."""
    for key in node:
        if isinstance(key, str) and _VARIABLE.search(key):
            pieces = _VARIABLE.split(key)
            if str(step).startswith(pieces[0]) and str(step).endswith(pieces[-1]):
                return key
    return ""


def _prompts(node: Mapping[str, Any]) -> Iterator[tuple[str | None, str | None, Path]]:
    """Each prompt with the suffix of its id ("" for six digits) and its place."""
    prompts = node.get("prompts")
    if isinstance(prompts, Mapping):
        for name, prompt in prompts.items():
            yield name, prompt, ("prompts", name)
    elif isinstance(prompts, list):
        for place, prompt in enumerate(prompts):
            yield "", prompt, ("prompts", place)
    else:
        yield None, node.get("prompt"), ("prompt",) if "prompt" in node else ()


def _variant(
    node: Mapping[str, Any],
    parts: Mapping[str, Any],
    suffix: str | None,
    prompt: str | None,
    path: Path,
    variables: Mapping[str, Json],
) -> Variant:
    messages = parts.get("messages")
    text = prompt if prompt is not None else last_turn(messages or [])
    marked = "each" in node or suffix == ""
    mark = hex_digits(text if prompt is not None else json.dumps(messages))
    if "id" in node or suffix:
        name = ".".join(filter(None, [node.get("id"), suffix, mark if marked else ""]))
    else:
        name = slug(text, marked=marked)
    filled = {part: parts.get(part) for part in _PARTS}
    return Variant(id=name, prompt=prompt, path=path, variables=variables, **filled)


def last_turn(messages: list[Json]) -> str:
    """The text of the last user turn, or of the last turn that has one."""
    texts = [(m.get("role"), m.get("content")) for m in messages if isinstance(m, Mapping)]
    turns = [(role, text) for role, text in texts if isinstance(text, str)]
    users = [text for role, text in turns if role == "user"]
    return users[-1] if users else turns[-1][1] if turns else ""


class _Filling:
    """One variable set being written into the parts of a case; `whole` until a name is unknown."""

    def __init__(
        self,
        variables: Mapping[str, Json],
        place: int,
        report: Report,
        room: Room,
        source: Source,
    ) -> None:
        self.variables, self.place, self.report, self.room = variables, place, report, room
        self.source, self.whole = source, True
        self._checked: set[str] = set()

    def fill(self, value: Json, path: Path) -> Json:
        """The value with its variables; one that is only `$(name)` keeps the variable's type."""
        if isinstance(value, str):
            only = _VARIABLE.fullmatch(value)
            if only and not _is_text(path, self.variables.get(only[1])):
                held = self._look_up(only[1], path)
                self._take(len(held) if isinstance(held, str) else 0, path)
                return held
            return self.text(value, path)
        if isinstance(value, list):
            return [self.fill(item, (*path, place)) for place, item in enumerate(value)]
        if isinstance(value, Mapping):
            return {
                self.text(key, (*path, key)) if isinstance(key, str) else key: self.fill(
                    item, (*path, key)
                )
                for key, item in value.items()
            }
        return value

    def text(self, template: str, path: Path) -> str:
        """The text with its variables written out."""
        if "$(" not in template:
            return template
        named = _VARIABLE.findall(template)
        texts = {name: self._written(name, path) for name in dict.fromkeys(named)}
        for name in texts:
            self._check_spelling(name, alone=template.strip() == f"$({name})")
        length = sum(len(texts[name]) for name in named)
        if length > MAX_FILLED_TEXT:
            most = f"expected at most {MAX_FILLED_TEXT:,}"
            self.report(path, f"its variables come to {length:,} characters, {most}")
            self.whole = False
        if not (self._take(min(length, MAX_FILLED_TEXT), path) and self.whole):
            return ""
        return _VARIABLE.sub(lambda found: texts[found[1]], template)

    def _take(self, length: int, path: Path) -> bool:
        """Whether so many characters may still be written; where they first may not, a report."""
        before, self.room.left = self.room.left, self.room.left - length
        if self.room.left >= 0:
            return True
        if before >= 0:
            what = f"the variables of this file come to more than {MAX_FILLED:,} characters"
            self.report(path, what, "shorten them, or make several files")
        self.whole = False
        return False

    def _written(self, name: str, path: Path) -> str:
        value = self._look_up(name, path)
        if isinstance(value, Mapping | list):
            hint = "only a value that is `$(name)` alone takes lists and mappings"
            self.report(path, f"the variable {name!r} is {shown(value)}, expected a text", hint)
            self.whole = False
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    def _check_spelling(self, name: str, *, alone: bool) -> None:
        """Prose in a variable: what YAML read is what its author wrote."""
        value = self.variables.get(name)
        within = isinstance(value, str) and not alone  # its end is not the text's end
        if within or name not in self.variables or name in self._checked:
            return
        self._checked.add(name)
        place = ("each", self.place, name)
        written = self.source(place)
        if value is None:
            self._misread(place, "is null, expected a text", "write one, in double quotes")
        elif isinstance(value, str):
            if written.startswith(value) and _COMMENT.match(written[len(value) :]):
                hint = f"write: {name}: {quote(written.rstrip())}"
                what = "the text ends at this '#', which starts a comment in YAML"
                self._misread(place, what, hint)
        elif not isinstance(value, bool | Mapping | list):
            word = _WORD.match(written)
            if word and word[0] != json.dumps(value):
                what = f"YAML reads this as the number {json.dumps(value)}"
                self._misread(place, what, f"if it is a text, write: {quote(word[0])}")

    def _misread(self, place: Path, what: str, hint: str) -> None:
        self.report(place, what, hint)
        self.whole = False

    def _look_up(self, name: str, path: Path) -> Json:
        if name in self.variables:
            return self.variables[name]
        known = ", ".join(list(self.variables)[:12])
        hint = nearest(name, self.variables, otherwise=f"its variables: {known}")
        self.report(path, f"each[{self.place}] has no variable {shown(name)}", hint)
        self.whole = False
        return name


def _is_text(path: Path, held: Json) -> bool:
    """Whether a text stands there, whatever the variable's type; results may be mappings."""
    content = len(path) == 3 and path[::2] == ("messages", "content")
    replies = path in (("reply",), ("then", "reply"))
    return replies or (content and not isinstance(held, Mapping))
