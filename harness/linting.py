"""Warnings: what a sound spec may still get wrong. They never stop a run.

Each check is one function, and one line in `_CHECKS`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.cases import (
    NO_MARKERS,
    AnyCall,
    Case,
    OneOf,
    RowsRead,
    Spec,
    Tool,
)
from harness.errors import Problem
from harness.gold import ANY_CALL, expected_tools, gold_calls
from harness.json_values import folded, shown
from harness.sources.row_warnings import broken_golds, dropped_rows, lost_text, one_a_kind
from harness.spec_files.case_reading import WrittenCase
from harness.spec_files.expansion import named_variables, unused_variables
from harness.spec_files.nodes import COMMA, Notes, Path, dotted, left_by_comma
from harness.spec_files.tool_lists import Toolbox
from harness.spec_warnings.conversation_losses import conversation_losses
from harness.spec_warnings.gold_warnings import all_calls, gold_warnings
from harness.spec_warnings.template_losses import developer_losses, prompt_losses, template_losses
from harness.spec_warnings.turn_places import developer_path, turn_path
from harness.statistics import least_cases
from harness.values.schema_faults import unknown_keywords
from harness.wording import count


@dataclass(frozen=True, slots=True)
class _Spec:
    """A spec with the places of its parts."""

    spec: Spec
    written: Sequence[WrittenCase]
    toolbox: Toolbox
    notes: Notes

    def warning(
        self, path: Path, where: str, what: str, hint: str = "", *, key: bool = False, code: str
    ) -> Problem:
        """A warning about the value at a path of the spec file."""
        return self.notes.document.problem(path, where, what, hint, key=key, code=code)

    def about(self, one: WrittenCase, what: str, hint: str = "", *, code: str) -> Problem:
        """A warning about a case."""
        where = f"case {one.case.id}"
        return one.notes.document.problem(one.path, where, what, hint, code=code)

    def about_cases(self, what: str, hint: str, *, code: str) -> Problem:
        """A warning about all of the cases together."""
        key = "cases" if "cases" in self.notes.document.value else "source"
        return self.warning((key,), key, what, hint, key=True, code=code)

    @property
    def nodes(self) -> list[dict[str, Any]]:
        """The written cases; rows of a data set are none."""
        written: list[dict[str, Any]] = self.notes.document.value.get("cases", [])
        return written


def lint(
    spec: Spec, written: Sequence[WrittenCase], toolbox: Toolbox, notes: Notes
) -> tuple[Problem, ...]:
    """All warnings about a sound spec, by line; those of other files last.

    Of a data set's rows the first of each kind is shown, with the number of the others.
    """
    whole = _Spec(spec, written, toolbox, notes)
    found = list(dict.fromkeys(problem for check in _CHECKS for problem in check(whole)))
    rows = {one.case.location.path for one in written if one.notes is not notes}
    found = [one for one in found if one.location.path not in rows] + one_a_kind(
        one for one in found if one.location.path in rows
    )
    if spec.source is not None:
        found += [*dropped_rows(spec.source), *broken_golds(spec), *_about_rows(whole, spec.source)]
    here = spec.path
    return tuple(
        sorted(
            found,
            key=lambda p: (p.location.path != here, p.location.line, p.location.column),
        )
    )


def _about_rows(whole: _Spec, read: RowsRead) -> Iterator[Problem]:
    """What is said of all rows of a data set together."""
    if not read.cases:
        what = f"no row of {read.place} became a case ({count(read.rows, 'row')} chosen)"
        yield whole.warning(("source",), "source", what, read.hint, key=True, code="no-row")
    if read.lost:
        what = f"what the rows have and their cases have not: {lost_text(read)}"
        yield whole.warning(("source",), "source", what, key=True, code="lost")


def _repeated_prompts(whole: _Spec) -> Iterator[Problem]:
    """Two cases that ask the same with the same tools."""
    first: dict[object, WrittenCase] = {}
    for one in whole.written:
        asked = (_asked(one.case), tuple(tool.name for tool in one.case.tools))
        other = first.setdefault(asked, one)
        if other is not one:
            yield _repetition(whole, one, other)


def _asked(case: Case) -> object:
    """The conversation without what people overlook: letter case, white space, end marks."""
    return tuple(
        (
            turn["role"],
            _plain(turn["content"]) if isinstance(turn.get("content"), str) else "",
            str({key: value for key, value in turn.items() if not isinstance(value, str)}),
            turn.get("name"),
        )
        for turn in case.request.messages
    )


def _plain(text: str) -> str:
    return folded(text).rstrip(" .!?")


def _repetition(whole: _Spec, one: WrittenCase, other: WrittenCase) -> Problem:
    place = other.case.location
    line = f"on line {place.line}" if place.path == one.case.location.path else f"at {place}"
    same = f"asks the same as case {other.case.id} {line}"
    if _contradict(one.case, other.case):
        hint = "no model can meet both"
        return whole.about(one, f"{same} and expects something else", hint, code="contradiction")
    splits = {one.case.split, other.case.split}
    if "train" in splits and len(splits) == 2:
        held_out = next(name for name in splits if name != "train")
        what = f"{same}: one is a train case, the other a {held_out} case"
        hint = "training on it makes the test meaningless; give both one `split` or `group`"
        return whole.about(one, what, hint, code="leak")
    return whole.about(one, same, "it counts twice; remove one", code="duplicate")


def _contradict(one: Case, other: Case) -> bool:
    """Whether no reply can meet both, as far as can be told."""
    if one.written == other.written:
        return _followed(one) != _followed(other)
    if any(isinstance(case.expect, OneOf | AnyCall) for case in (one, other)):
        return False
    if sorted(expected_tools(one.expect)) != sorted(expected_tools(other.expect)):
        return True
    if "tool" in (one.compare, other.compare):
        return False
    gold, others = gold_calls(one.expect, one.tools), gold_calls(other.expect, other.tools)
    return gold is not None and others is not None and gold != others


def _followed(case: Case) -> object:
    """What a case asks of what its calls find."""
    return case.finds, case.then and case.then.written


def _one_sided(whole: _Spec) -> Iterator[Problem]:
    """A spec that a model passes by always doing the same."""
    kinds = {tuple(sorted(expected_tools(case.expect))) for case in whole.spec.cases}
    if () not in kinds:
        what = "no case expects `no_call`: a model that never holds back can pass them all"
        hint = "add prompts that no tool is for"
        yield whole.about_cases(what, hint, code="one-sided")
    if kinds == {()}:
        what = "every case expects `no_call`: a model that never calls passes them all"
        hint = "add prompts that a tool is for"
        yield whole.about_cases(what, hint, code="one-sided")
    elif len(kinds - {()}) == 1 and len(whole.toolbox.tools) > 1 and (ANY_CALL,) not in kinds:
        names = " and ".join(next(iter(kinds - {()})))
        what = f"every case with a call expects {names}: a model that knows no other passes them"
        hint = "add prompts that the other tools are for"
        yield whole.about_cases(what, hint, code="one-sided")


def _untested_clauses(whole: _Spec) -> Iterator[Problem]:
    tested = {case.clause for case in whole.spec.cases}
    for name in whole.spec.clauses:
        if name not in tested:
            what, hint = "no case tests this clause", f"add `clause: {name}` to those that do"
            path: Path = ("clauses", name)
            yield whole.warning(path, dotted("", path), what, hint, key=True, code="untested")


def _unexpected_tools(whole: _Spec) -> Iterator[Problem]:
    expected = {call.tool for case in whole.spec.cases for call in all_calls(case.expect)}
    if any(isinstance(case.expect, AnyCall) for case in whole.spec.cases):
        return
    for name, (notes, path) in whole.toolbox.places.items():
        if name not in expected:
            what, hint = "no case expects this tool", "add one, or leave the tool out"
            yield notes.document.problem(path, f"tool {name}", what, hint, code="untested")


def _declared(whole: _Spec) -> Iterator[tuple[Tool, Notes, Path]]:
    """Every tool of the file and of its cases, once, and where it stands."""
    seen: set[int] = set()
    for toolbox in [whole.toolbox, *(one.toolbox for one in whole.written)]:
        if id(toolbox) in seen:
            continue
        seen.add(id(toolbox))
        for tool in toolbox.tools:
            if id(tool) not in seen:
                seen.add(id(tool))
                yield tool, *toolbox.places[tool.name]


def _template_losses(whole: _Spec) -> Iterator[Problem]:
    for tool, notes, path in _declared(whole):
        for loss in template_losses(tool):
            inside = _as_written(notes, path, loss.path)
            where = dotted(f"tool {tool.name}", inside)
            what = loss.what.rstrip(".")
            place = (*path, *inside)
            yield notes.document.problem(place, where, what, loss.hint, code=loss.code)


def _unknown_keywords(whole: _Spec) -> Iterator[Problem]:
    """Keywords of a tool's schema that say nothing: slips of the pen, and what a comma left."""
    if any(case.rules == "bfcl" for case in whole.spec.cases[:1]):
        return
    for tool, notes, path in _declared(whole):
        for fault in unknown_keywords(tool.parameters):
            inside = _as_written(notes, path, ("parameters", *fault.path))
            place, where = (*path, *inside), dotted(f"tool {tool.name}", inside)
            hint = fault.hint or "it says nothing: leave it out, or start its name with `x-`"
            if left_by_comma(notes.document, place):
                hint = COMMA
            yield notes.document.problem(
                place, where, fault.what, hint, key=True, code="unknown-keyword"
            )


def _as_written(notes: Notes, base: Path, path: Path) -> Path:
    """A path into a tool's schema → into what its author wrote, perhaps in the short form."""
    node = notes.document.value
    for step in base:
        node = node[step]
    parameters = node.get("parameters") or {}
    short = path[:2] == ("parameters", "properties") and parameters.get("type") not in (
        "object",
        "dict",
    )
    return (path[0], *path[2:]) if short else path


def _developer_turns(whole: _Spec) -> Iterator[Problem]:
    seen: set[str] = set()
    for one in whole.written:
        text = one.case.request.messages[0]["content"]
        if one.case.tools and text not in seen:
            seen.add(text)
            for what in developer_losses(text):
                path = developer_path(one)
                of_case = path[0] == "cases"
                where = f"case {one.case.id}, developer" if of_case else "developer"
                document = (one.notes if of_case else whole.notes).document
                yield document.problem(path, where, what.rstrip("."), code="developer")


def _conversations(whole: _Spec) -> Iterator[Problem]:
    """What the template garbles of the turns, and control tokens in them and in the reply."""
    for one in whole.written:
        for loss in conversation_losses(one.case.request.messages):
            what, place = loss.what.rstrip("."), turn_path(one, loss.path)
            if place is None:
                yield whole.about(one, what, loss.hint, code=loss.code)
            else:
                where = dotted(f"case {one.case.id}", place[2:])
                yield one.notes.document.problem(place, where, what, loss.hint, code=loss.code)
        then = one.case.then
        replies = [one.case.reply, then.reply if then else None]
        for what in prompt_losses("\n".join(filter(None, replies))):
            hint = "write it in other words"
            yield whole.about(one, what.rstrip("."), hint, code="control-token")


def _gold_that_misses(whole: _Spec) -> Iterator[Problem]:
    """A gold that would not pass, though the case is trained on it."""
    for one in whole.written:
        for what, hint in gold_warnings(one.case):
            yield whole.about(one, what, hint, code="gold")


def _gate_out_of_reach(whole: _Spec) -> Iterator[Problem]:
    """`bound: lower` with too few cases: the interval of n passes of n starts at n / (n + z²)."""
    spec = whole.spec
    cases = [case for case in spec.in_split("test") if case.skip is None]
    if not cases:
        what, hint = "there is no test case to judge", "the gate cannot pass on nothing"
        yield whole.about_cases(what, hint, code="nothing-to-judge")
    if spec.gate.bound != "lower":
        return
    rate = spec.gate.pass_rate
    path: Path = ("gate", "bound")
    needed = least_cases(rate)
    if needed is None:
        what = "the lower end of an interval never reaches a pass rate of 1"
        yield whole.warning(path, "gate.bound", what, "lower `pass_rate`", code="gate")
    elif len(cases) < needed:
        what = f"{len(cases)} test cases cannot reach {rate:g} at the lower end of the interval"
        hint = f"it takes {needed} that all pass"
        yield whole.warning(path, "gate.bound", what, hint, code="gate")


def _tags_without_markers(whole: _Spec) -> Iterator[Problem]:
    """Tags named like marks by which pytest decides outcomes itself."""
    for one in whole.written:
        for tag in NO_MARKERS.intersection(one.case.tags):
            what = f"the tag {shown(tag)} is a mark of pytest's own, so `-m {tag}` does not find it"
            yield whole.about(one, what, "choose another word", code="tag")


def _unused_variables(whole: _Spec) -> Iterator[Problem]:
    for place, node in enumerate(whole.nodes):
        if "each" in node:
            for path, name in unused_variables(node):
                label = f"case {node['id']}" if "id" in node else f"case no. {place + 1}"
                what = f"nothing in the case uses the variable {shown(name)}"
                yield whole.warning(
                    ("cases", place, *path), label, what, "", key=True, code="unused"
                )


def _unfilled_variables(whole: _Spec) -> Iterator[Problem]:
    """`$(name)` in a case without `each`: the model is shown it as it stands."""
    for place, node in enumerate(whole.nodes):
        if "each" not in node:
            for path, name in named_variables(node):
                label = f"case {node['id']}" if "id" in node else f"case no. {place + 1}"
                what = f"`$({name})` is a text like any other here: the case has no `each`"
                hint = f"add `each: [{{{name}: …}}]`"
                where = dotted(label, path)
                yield whole.warning(("cases", place, *path), where, what, hint, code="unfilled")


def _split_groups(whole: _Spec) -> Iterator[Problem]:
    groups: dict[str, dict[str, WrittenCase]] = defaultdict(dict)
    for one in whole.written:
        if one.case.group is not None:
            groups[one.case.group].setdefault(one.case.split, one)
    for name, members in groups.items():
        if len(members) > 1:
            splits = " and ".join(members)
            what = f"the group {shown(name)} has cases in {splits}"
            hint = "near-duplicates must share a split: name none, or the same one, for all of them"
            yield whole.about(list(members.values())[1], what, hint, code="leak")


_CHECKS: Final[tuple[Callable[[_Spec], Iterator[Problem]], ...]] = (
    _repeated_prompts,
    _one_sided,
    _untested_clauses,
    _unexpected_tools,
    _template_losses,
    _unknown_keywords,
    _developer_turns,
    _conversations,
    _gold_that_misses,
    _gate_out_of_reach,
    _tags_without_markers,
    _unused_variables,
    _unfilled_variables,
    _split_groups,
)
