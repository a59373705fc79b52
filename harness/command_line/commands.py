"""What `callgate run`, `lint` and `show` do; each gives its exit code."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from harness.backends import backend_for
from harness.cases import Case, Spec
from harness.errors import UsageError, nearest, printable
from harness.loading import (
    SUFFIX,
    LoadedSpec,
    find_near_misses,
    find_spec_files,
    load_spec,
    load_specs,
    same_names,
)
from harness.options import OPTIONS, Settings, resolve
from harness.output import print_lines
from harness.redaction import redact_text
from harness.wording import count, cut, expectation_text, one_line

NOT_MET, BROKEN = 1, 3
_DECLARATION: Final = "<start_function_declaration>"


_SPECS: Final = "specs"


def _settings(given: argparse.Namespace) -> Settings:
    return resolve({option.name: getattr(given, option.name) for option in OPTIONS})


def spec_files(paths: Sequence[str]) -> list[Path]:
    """The spec files named, each once, or those of `specs/`, or of this folder."""
    default = _SPECS if os.path.isdir(_SPECS) else "."  # noqa: PTH112 - never raises
    for file in find_near_misses(paths or [default]):
        note = f"warning: {printable(str(file))} is not read: spec files end in {SUFFIX!r}"
        sys.stderr.write(f"{note}\n")
    return find_spec_files(paths or [default])


def run(given: argparse.Namespace) -> int:
    """`callgate run`: judge, log, sum up."""
    from harness.bulk import judge_specs

    settings = _settings(given)
    specs = load_specs(spec_files(given.paths))
    judged = judge_specs(specs, backend_for(settings), settings)
    print_lines(judged.lines)
    if any(decision.broken for decision in judged.decisions) or not judged.decisions:
        return BROKEN
    return 0 if all(decision.met for decision in judged.decisions) else NOT_MET


def lint(given: argparse.Namespace) -> int:
    """`callgate lint`: every problem and warning; 2 where there is a problem."""
    if given.schema:
        from harness.spec_files.editor_schema import spec_schema

        print_lines([json.dumps(spec_schema(), indent=2, ensure_ascii=False)])
        return 0
    files = spec_files(given.paths)
    loaded = [load_spec(file) for file in files]
    problems = [problem for one in loaded for problem in one.problems]
    problems += same_names([one.spec for one in loaded if one.spec])
    warnings = [warning for one in loaded for warning in one.warnings]
    lines = [f"error: {problem}" for problem in problems]
    lines += [f"warning: {warning}" for warning in warnings]
    counts = f"{count(len(files), 'file')}, {_cases_read(loaded)}: "
    counts += f"{count(len(problems), 'problem')}, {count(len(warnings), 'warning')}"
    print_lines([*lines, counts])
    return 2 if problems else 0


def _cases_read(loaded: Sequence[LoadedSpec]) -> str:
    """`26 cases (20 test, 6 train)`; says so where a file's problems kept them from being read."""
    unread = sum(one.cases is None for one in loaded)
    if unread == len(loaded):
        return "cases not read"
    text = count(sum(one.cases or 0 for one in loaded), "case")
    splits = Counter(str(case.split) for one in loaded if one.spec for case in one.spec.cases)
    if all(one.spec for one in loaded) and set(splits) != {"test"}:
        named = [f"{splits[name]} {name}" for name in ("test", "dev", "train") if splits[name]]
        text += f" ({', '.join(named)})"
    return f"{text}, those of {count(unread, 'file')} not read" if unread else text


def show(given: argparse.Namespace) -> int:
    """`callgate show`: what became of one case, and below it its rendered prompt."""
    from harness.functiongemma import render_prompt
    from harness.judging import follow_up
    from harness.run import verdicts
    from harness.run_log import record_of
    from harness.summary import case_text

    case, settings = _find(given.case), _settings(given)
    prompt = _indented(render_prompt(case.request.messages, case.tools))
    if settings.model is None:
        lines = [f"{case.location}: case {case.id}"]
        lines += [f"  expected  {one_line(expectation_text(case.written), 600)}"]
        lines += ["  reply     (no model is named: add --model)"]
        print_lines([*lines, "", *prompt])
        return 0
    backend = backend_for(settings)
    verdict = next(verdicts([case], backend))
    record = record_of(verdict)
    again = f"callgate show {shlex.quote(given.case)} --model {shlex.quote(settings.model)}"
    head = f"model: {one_line(redact_text(backend.label))}"
    difference = _difference(record)
    difference = ["", "gold block and first block of the reply:", *difference] if difference else []
    answered = follow_up(case, verdict.reply)
    if answered is not None:
        prompt += ["", *_indented(render_prompt(answered.messages, case.tools), "of the answer")]
    print_lines([head, "", case_text(record, again), *difference, "", *prompt])
    return {"fail": NOT_MET, "error": BROKEN}.get(record["outcome"], 0)


def _indented(prompt: str, whose: str = "") -> list[str]:
    """The prompt behind a margin; one line of it is broken before each tool's declaration."""
    lines = [f"rendered prompt{whose and f' {whose}'} (a line goes on behind +):"]
    for line in redact_text(prompt).split("\n"):
        parts = line.replace(_DECLARATION, f"\n{_DECLARATION}").split("\n")
        lines += [
            f"  {'+' if place else '|'} {printable(part)}" for place, part in enumerate(parts)
        ]
    return [line.rstrip() for line in lines]


def _difference(record: dict[str, object]) -> list[str]:
    """The gold block over the reply's first one, where both are there and differ."""
    from harness.difference import block_difference

    gold, reply = record["gold"], record["reply"]
    if not isinstance(gold, str) or not isinstance(reply, str):
        return []
    return block_difference(gold, reply)


def _find(ref: str) -> Case:
    """The case that `SPEC::ID` or `PATH::ID` names.

    Raises:
        UsageError: there is none; names the nearest.
    """
    name, separator, ident = ref.rpartition("::")
    if not separator or not name or not ident:
        raise UsageError(f"{cut(ref)!r}: expected SPEC::ID or PATH::ID")
    spec = load_specs([Path(name)])[0] if _is_file(name) else _spec_called(name)
    for case in spec.cases:
        if case.id == ident:
            return case
    ids = [case.id for case in spec.cases]
    below = [name for name in ids if name.startswith(f"{ident}.")]
    hint = _there_are(below) if below else nearest(ident, ids, _there_are(ids))
    raise UsageError(f"{spec.path}: no case {cut(ident)!r} ({hint})")


def _is_file(name: str) -> bool:
    """Whether a path leads to a file; raises UsageError where that cannot be found out."""
    try:
        return Path(name).is_file()
    except OSError as error:
        raise UsageError(f"{cut(name)!r}: cannot be read: {error.strerror}") from None


def _there_are(ids: Sequence[str]) -> str:
    named = ", ".join(ids[:12]) + (", …" if len(ids) > 12 else "")
    return f"there {'is' if len(ids) == 1 else 'are'} {named}"


def _spec_called(name: str) -> Spec:
    """The spec of that name among those of `specs/`, or of this folder."""
    files = spec_files([])
    specs = [spec for spec in (load_spec(file).spec for file in files) if spec]
    for spec in specs:
        if spec.name == name:
            return spec
    names = [spec.name for spec in specs]
    hint = nearest(name, names, f"there are {', '.join(names)}" if names else "")
    broken = len(files) - len(specs)
    if broken:
        unread = f"{count(broken, 'file')} cannot be read, see callgate lint"
        hint = f"{hint}; {unread}" if hint else unread
    raise UsageError(f"no file and no spec is called {cut(name)!r} ({hint})")
