"""One written case → the Cases it stands for, checked against the file around it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from harness.cases import (
    Call,
    Case,
    Compare,
    Expectation,
    Json,
    NoCall,
    Request,
    Rules,
    Split,
    Target,
    Then,
)
from harness.errors import nearest
from harness.functiongemma import CodecError, wrap_args_json, write_call
from harness.gold import gold_calls
from harness.json_values import shown
from harness.retrieval.finds_reading import read_finds, read_then
from harness.retrieval.found import Finds
from harness.retrieval.run_reading import ReadPages
from harness.spec_files.conversations import read_messages
from harness.spec_files.expansion import Room, Variant, last_turn, share_of, variants, written_path
from harness.spec_files.expectations import Setting, read_expectation
from harness.spec_files.keys import CASE_KEYS, IDENTIFIER_SCHEMA, LONGEST_ID, PROMPT, TAG, VARIABLE
from harness.spec_files.nodes import Notes, Path, Report, entries, fields, fits, items, under
from harness.spec_files.tool_lists import ReadFile, Toolbox, read_tools, refuse_args
from harness.values.safe_regex import RegexTimeout
from harness.values.schemas import UnusableSchema

Message = Mapping[str, Json]


@dataclass(frozen=True)
class FileSetting:
    """What the file says for all its cases. `shares` holds the seed too.

    `of_rows`: the cases are rows of a data set, and many of them declare the same tools. Unless
    `checked`, those that expect calls which break their tools' schemas are kept as they are.
    """

    spec: str
    notes: Notes
    toolbox: Toolbox
    read_file: ReadFile
    read_pages: ReadPages
    developer: Message
    clauses: Mapping[str, str]
    shares: Mapping[str, float] | None
    compare: Compare
    rules: Rules
    target: Target
    fold: bool
    subsets: dict[object, Toolbox] = field(default_factory=dict)
    room: Room = field(default_factory=Room)
    of_rows: bool = False
    checked: bool = True


@dataclass(frozen=True, slots=True)
class WrittenCase:
    """A case, where it stands in the file, and the tools it declares.

    `notes` are those of the document that holds it: the spec file, or the row of a data set.
    """

    case: Case
    path: Path
    toolbox: Toolbox
    notes: Notes


@dataclass(frozen=True, slots=True)
class _Expected:
    """An expectation that was read, and its gold."""

    expect: Expectation
    gold: tuple[Call, ...] | None


def developer_turn(content: str) -> Message:
    """The developer turn as a message."""
    return {"role": "developer", "content": content}


def read_case(node: Json, place: int, setting: FileSetting) -> list[WrittenCase]:
    """The cases that the node stands for, those that are sound; problems go to the notes."""
    path = ("cases", place)
    report = setting.notes.report(path, f"case {_label(node, place)}")
    before = len(setting.notes.problems)
    good = fields(node, CASE_KEYS, report, "a case: a mapping with `prompt` and `expect`")
    if not isinstance(node, Mapping):
        return []
    toolbox = _toolbox(node, good, setting, path)
    complete = _complete(node, report) if all(name in CASE_KEYS for name in node) else True
    sound = _parts_fit(good, report)
    _clause_is_known(good, setting, report)
    reading = _Reading(node, good, setting, toolbox, path, report)
    if not (complete and sound and _readable(node, good)):
        if "expect" in good and "each" not in node:
            reading.expected(good["expect"])
        return []
    written = variants(good, report, setting.room, reading.source)
    cases = [case for variant in written if (case := reading.case(variant))]
    return cases if len(setting.notes.problems) == before or not setting.of_rows else []


def _readable(node: Mapping[str, Json], good: Mapping[str, Any]) -> bool:
    """Whether what makes the cases is there: a key that does not matter to it may be wrong."""
    asked = [name for name in ("prompt", "prompts", "messages") if name in good]
    needed = ("each", "reply", "finds", "then", "id", "split")
    return len(asked) == 1 and "expect" in good and not {*node} & {*needed} - {*good}


def _label(node: Json, place: int | str) -> str:
    name = node.get("id") if isinstance(node, Mapping) else None
    return name[:80] if isinstance(name, str) and name else f"no. {int(place) + 1}"


def _complete(node: Mapping[str, Json], report: Report) -> bool:
    """Whether there is exactly one source of prompts, and an expectation."""
    given = [name for name in ("prompt", "prompts", "messages") if name in node]
    if not given:
        report((), "has no prompt", "add `prompt`, `prompts` or `messages`")
    elif len(given) > 1:
        report((given[1],), f"has both `{given[0]}` and `{given[1]}`", "keep one of them", key=True)
    if "expect" not in node:
        report((), "has no `expect`", "say what the model must do, if only `no_call`")
    return len(given) == 1 and "expect" in node


def _parts_fit(good: Mapping[str, Any], report: Report) -> bool:
    """The keys whose values have an inside; whether those that make the cases are sound."""
    items(good.get("tags", []), TAG, under(report, "tags"))
    prompts, sound = good.get("prompts", []), True
    if isinstance(prompts, Mapping):
        sound = entries(prompts, IDENTIFIER_SCHEMA, PROMPT, under(report, "prompts"))
    elif isinstance(prompts, list):
        sound = items(prompts, PROMPT, under(report, "prompts"))
    if "prompts" in good and (not prompts or not isinstance(prompts, Mapping | list)):
        what = f"found {shown(prompts)}, expected {CASE_KEYS['prompts'].expected}"
        report(("prompts",), what)
        sound = False
    return _each_fits(good.get("each", []), under(report, "each")) and sound


def _clause_is_known(good: Mapping[str, Any], setting: FileSetting, report: Report) -> None:
    clause = good.get("clause")
    if clause is not None and clause not in setting.clauses:
        known = ", ".join(list(setting.clauses)[:12]) or "the file declares none"
        hint = nearest(clause[:80], setting.clauses, otherwise=f"its clauses: {known}")
        report(("clause",), f"unknown clause {shown(clause)}", hint)


def _each_fits(sets: list[Json], report: Report) -> bool:
    good = True
    for place, variables in enumerate(sets):
        if not isinstance(variables, Mapping) or not variables:
            what = f"found {shown(variables)}, expected a mapping of variables to values"
            report((place,), what)
            good = False
            continue
        for name in variables:
            if not fits(name, {"type": "string", "pattern": VARIABLE}):
                what = f"found {shown(name)}, expected a variable of letters, digits, `_`, `-`"
                report((place, name), what, key=True)
                good = False
    return good


def _toolbox(
    node: Mapping[str, Json], good: Mapping[str, Any], setting: FileSetting, path: Path
) -> Toolbox:
    """The tools of this case: its own, or the file's."""
    if "tools" not in node:
        return setting.toolbox
    written = good["tools"]
    same = _same_as(written, setting)
    if same is not None and same in setting.subsets:
        return setting.subsets[same]
    toolbox = read_tools(
        written,
        setting.notes,
        (*path, "tools"),
        rules=setting.rules,
        read_file=setting.read_file,
        read_pages=setting.read_pages,
        known=setting.toolbox,
        where=f"case {_label(node, path[-1])}, tools",
    )
    if setting.target == "args_json":
        refuse_args(toolbox)
    if same is not None and toolbox.whole:
        setting.subsets[same] = toolbox
    return toolbox


def _same_as(written: Json, setting: FileSetting) -> object:
    """What equal `tools` of several cases have in common; None where each is read by itself."""
    if not isinstance(written, list):
        return None
    if _all_texts(written):
        return tuple(written)
    return hashlib.sha256(json.dumps(written).encode()).digest() if setting.of_rows else None


def _all_texts(values: list[Json]) -> bool:
    return all(isinstance(value, str) for value in values)


class _Reading:
    """One written case being turned into Cases: what its variants have in common."""

    def __init__(
        self,
        node: Mapping[str, Json],
        good: Mapping[str, Any],
        setting: FileSetting,
        toolbox: Toolbox,
        path: Path,
        report: Report,
    ) -> None:
        self.node, self.good, self.setting = node, good, setting
        self.toolbox, self.path, self.report = toolbox, path, report
        self.compare: Compare = good.get("compare", setting.compare)
        self.developer = setting.developer
        if "developer" in good:
            self.developer = developer_turn(good["developer"])
        self._shared: _Expected | None = None

    def source(self, path: Path) -> str:
        """What stands in the file from the value at a path in the case on, to the line's end."""
        document = self.setting.notes.document
        place = document.locate((*self.path, *path))
        return document.source(place.line)[place.column - 1 :]

    def case(self, variant: Variant) -> WrittenCase | None:
        """The case of a variant; None where it is not sound."""
        before = len(self.setting.notes.problems)
        messages = self._messages(variant)
        expected = self._expected_of(variant)
        prompt = variant.prompt if variant.prompt is not None else last_turn(list(messages))
        split = self._split(prompt)
        if expected is not None:
            self._trainable(expected, split)
            self._reply_fits(expected, variant)
            finds, then = self._finds(expected, variant), self._then(expected, variant)
        if not fits(variant.id, IDENTIFIER_SCHEMA):
            self.report((), f"its id comes out as {shown(variant.id)}", "give it an `id`")
        elif len(variant.id) > LONGEST_ID:
            what = f"its id has {len(variant.id):,} characters, expected at most {LONGEST_ID}"
            self.report(("id",) if "id" in self.good else variant.path, what)
        if expected is None or len(self.setting.notes.problems) > before:
            return None
        return self._built(variant, messages, prompt, split, expected.expect, finds, then)

    def _finds(self, expected: _Expected, variant: Variant) -> Finds | None:
        if "finds" not in self.good:
            return None
        tools, report = self.toolbox.by_name, self._filled("finds")
        return read_finds(variant.finds, tools, expected.expect, report)

    def _then(self, expected: _Expected, variant: Variant) -> Then | None:
        if "then" not in self.good:
            return None
        tools, report = self.toolbox.by_name, self._filled("then")
        return read_then(variant.then, tools, expected.expect, self._expecting, report)

    @cached_property
    def _expecting(self) -> Setting:
        file = self.setting
        return Setting(self.toolbox, file.fold, file.rules, checked=file.checked)

    def _built(
        self,
        variant: Variant,
        messages: tuple[Message, ...],
        prompt: str,
        split: Split,
        expect: Expectation,
        finds: Finds | None,
        then: Then | None,
    ) -> WrittenCase:
        good, setting = self.good, self.setting
        own_line = variant.path[:1] == ("prompts",)
        path = (*self.path, *variant.path) if own_line else self.path
        case = Case(
            id=variant.id,
            spec=setting.spec,
            request=Request(f"{setting.spec}::{variant.id}", messages, self.toolbox.tools),
            prompt=prompt,
            expect=expect,
            location=setting.notes.place(path),
            compare=self.compare,
            rules=setting.rules,
            target=setting.target,
            split=split,
            clause=good.get("clause"),
            tags=tuple(good.get("tags", ())),
            group=good.get("group"),
            critical=good.get("critical", False),
            skip=good.get("skip"),
            reply=variant.reply,
            written=variant.expect,
            finds=finds,
            then=then,
        )
        return WrittenCase(case, path, self.toolbox, setting.notes)

    def _messages(self, variant: Variant) -> tuple[Message, ...]:
        if variant.prompt is not None:
            return (self.developer, {"role": "user", "content": variant.prompt})
        turns = read_messages(variant.messages or [], self.toolbox, self._filled("messages"))
        if turns and turns[0]["role"] in ("developer", "system"):
            return tuple(turns)
        return (self.developer, *turns)

    def _filled(self, part: str) -> Report:
        """A report whose paths may lie in keys that variables were filled into."""

        def note(
            path: Path, what: str, hint: str = "", *, key: bool = False, unknown: bool = False
        ) -> None:
            place = written_path(self.node, (part, *path))
            self.report(place, what, hint, key=key, unknown=unknown)

        return note

    def _split(self, prompt: str) -> Split:
        if "split" in self.good or self.setting.shares is None:
            split: Split = self.good.get("split", "test")
            return split
        seed = int(self.setting.shares.get("seed", 0))
        return share_of(self.good.get("group", prompt), self.setting.shares, seed)

    def _expected_of(self, variant: Variant) -> _Expected | None:
        if "each" in self.good:
            return self.expected(variant.expect)
        if self._shared is None:
            self._shared = self.expected(variant.expect)
        return self._shared

    def expected(self, node: Json) -> _Expected | None:
        """The expectation and its gold, which must be writable as calls."""
        report = self._filled("expect")
        expect = read_expectation(node, self._expecting, report)
        if expect is None:
            return None
        gold = gold_calls(expect, self.toolbox.tools)
        try:
            for call in gold or ():
                write_call(wrap_args_json(call) if self.setting.target == "args_json" else call)
        except CodecError as error:
            report((), f"cannot be written as a call: {str(error).rstrip('.')}")
            return None
        return _Expected(expect, gold)

    def _trainable(self, expected: _Expected, split: Split) -> None:
        """A train case, or one compared byte for byte, has all its calls written out."""
        if expected.gold is not None or (split != "train" and self.compare != "exact"):
            return
        why = "a train case" if split == "train" else "`compare: exact`"
        what = f"{why} needs the whole call, and this expectation leaves values open"
        self._filled("expect")((), what, "write every argument, with `$gold` beside a match")

    def _reply_fits(self, expected: _Expected, variant: Variant) -> None:
        if variant.reply is None:
            return
        if expected.gold != ():
            self.report(("reply",), "`reply` is only for cases that expect `no_call`", key=True)
            return
        says = expected.expect.says if isinstance(expected.expect, NoCall) else None
        try:
            problem = says.problem(variant.reply) if says else None
        except (RegexTimeout, UnusableSchema) as error:
            problem = str(error)
        if problem:
            self.report(("reply",), f"does not meet the case's own `says`: {problem}")
