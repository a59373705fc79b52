"""What `callgate run`, `lint` and `show` do; each gives its exit code."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.backends import backend_for
from harness.cases import Case, Spec
from harness.errors import UsageError, nearest
from harness.loading import find_spec_files, load_spec, load_specs
from harness.options import OPTIONS, Settings, resolve

NOT_MET, BROKEN = 1, 3


def _settings(given: argparse.Namespace) -> Settings:
    return resolve({option.name: getattr(given, option.name) for option in OPTIONS})


def _files(paths: Sequence[str]) -> list[Path]:
    """The spec files named, or those of `specs/`, or of this folder."""
    default = "specs" if Path("specs").is_dir() else "."
    return find_spec_files(paths or [default])


def _print(lines: Sequence[str]) -> None:
    sys.stdout.write("\n".join(lines) + "\n")


def run(given: argparse.Namespace) -> int:
    """`callgate run`: judge, log, sum up."""
    from harness.bulk import judge_specs

    settings = _settings(given)
    specs = load_specs(_files(given.paths))
    judged = judge_specs(specs, backend_for(settings), settings)
    _print(judged.lines)
    if any(decision.broken for decision in judged.decisions) or not judged.decisions:
        return BROKEN
    return 0 if all(decision.met for decision in judged.decisions) else NOT_MET


def lint(given: argparse.Namespace) -> int:
    """`callgate lint`: every problem and warning; 2 where there is a problem."""
    if given.schema:
        from harness.spec_schema import spec_schema

        _print([json.dumps(spec_schema(), indent=2, ensure_ascii=False)])
        return 0
    files = _files(given.paths)
    loaded = [load_spec(file) for file in files]
    problems = [problem for one in loaded for problem in one.problems]
    problems += _same_names([one.spec for one in loaded if one.spec])
    warnings = [warning for one in loaded for warning in one.warnings]
    cases = sum(len(one.spec.cases) for one in loaded if one.spec)
    lines = [f"error: {problem}" for problem in problems]
    lines += [f"warning: {warning}" for warning in warnings]
    counts = f"{_count(len(files), 'file')}, {_count(cases, 'case')}: "
    counts += f"{_count(len(problems), 'problem')}, {_count(len(warnings), 'warning')}"
    _print([*lines, counts])
    return 2 if problems else 0


def _same_names(specs: Sequence[Spec]) -> list[str]:
    first: dict[str, str] = {}
    return [
        f"{spec.path}:1:1: spec {spec.name!r} is also the name of {first[spec.name]}"
        for spec in specs
        if first.setdefault(spec.name, spec.path) != spec.path
    ]


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def show(given: argparse.Namespace) -> int:
    """`callgate show`: one case with its rendered prompt and what became of it."""
    from harness.functiongemma import render_prompt
    from harness.run import verdicts
    from harness.run_log import record_of
    from harness.summary import case_text
    from harness.wording import expectation_text

    case = _find(given.case)
    settings = _settings(given)
    lines = ["rendered prompt:", *_indented(render_prompt(case.request.messages, case.tools))]
    if settings.model is None:
        lines += ["", f"{case.location}: case {case.id}"]
        lines += [f"  expected  {expectation_text(case.written)}", "  reply     (no model named)"]
        _print(lines)
        return 0
    backend = backend_for(settings)
    record = record_of(next(verdicts([case], backend)))
    again = f"callgate show {shlex.quote(given.case)} --model {shlex.quote(settings.model)}"
    _print([*lines, "", f"model: {backend.label}", case_text(record, again), *_difference(record)])
    return {"fail": NOT_MET, "error": BROKEN}.get(record["outcome"], 0)


def _indented(text: str) -> list[str]:
    from harness.errors import printable

    return [f"  | {printable(line)}" for line in text.split("\n")]


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
        raise UsageError(f"{ref!r}: expected SPEC::ID or PATH::ID")
    if Path(name).is_file():
        specs = load_specs([Path(name)])
    else:
        every = [load_spec(file).spec for file in _files([])]
        names = [spec.name for spec in every if spec]
        specs = [spec for spec in every if spec and spec.name == name]
        if not specs:
            hint = nearest(name, names, f"there are {', '.join(names)}")
            raise UsageError(f"no file and no spec is called {name!r} ({hint})")
    for case in specs[0].cases:
        if case.id == ident:
            return case
    hint = nearest(ident, [case.id for case in specs[0].cases], "see callgate lint")
    raise UsageError(f"{specs[0].path}: no case {ident!r} ({hint})")
