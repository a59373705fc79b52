"""Spec files → Specs, or all their problems at once, each with its line.

The door of `harness.spec_files`: what a file may hold is in its `keys`; tools are read by
`tool_lists`, cases written out by `expansion`, expectations read by `expectations`. Data sets are
read by `harness.sources`, and warnings come from `harness.linting`. Data only: nothing in a spec
file is ever run.
"""

from __future__ import annotations

import hashlib
import math
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from harness.cases import DEVELOPER, SPLITS, Gate, Json, Location, Spec
from harness.errors import Problem, SpecError, UsageError
from harness.json_values import shown as value_text
from harness.linting import lint
from harness.sources.opening import format_defaults, read_source
from harness.sources.reading import read_rows
from harness.spec_files.case_reading import FileSetting, WrittenCase, developer_turn, read_case
from harness.spec_files.keys import (
    AN_IDENTIFIER,
    FILE_KEYS,
    GATE_KEYS,
    IDENTIFIER_SCHEMA,
    SENTENCE,
    SPLIT_KEYS,
)
from harness.spec_files.named_files import NamedFiles
from harness.spec_files.nodes import Notes, as_share, entries, fields, fits
from harness.spec_files.strict_yaml import FileRefused, read_bytes, read_yaml_bytes
from harness.spec_files.tool_lists import Toolbox, read_tools, refuse_args
from harness.wording import cut, shown_path

SUFFIX: Final = ".spec.yaml"


@dataclass(frozen=True)
class LoadedSpec:
    """What became of a file: a spec, or the problems that keep it from being one.

    `cases` counts those that were read, with a problem or without; None where none were.
    """

    spec: Spec | None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    cases: int | None = None


def find_spec_files(paths: Sequence[str]) -> list[Path]:
    """The spec files that paths name: files as given, folders searched for `*.spec.yaml`, sorted.

    A file that several paths or links lead to is found once, by the first.

    Raises UsageError for a path that is not there or cannot be read, also below a folder, and
    where there is none at all.
    """
    found: dict[str, Path] = {}
    for name in paths:
        for path in _named(name):
            found.setdefault(os.path.realpath(path), path)
    if not found:
        places = ", ".join(map(repr, paths)) or "no path at all"
        raise UsageError(f"No spec files in {places}: their names end in {SUFFIX!r}.")
    return list(found.values())


def find_near_misses(paths: Sequence[str]) -> list[Path]:
    """The files in and below folders whose names are nearly those of spec files, sorted."""
    folders = [Path(name) for name in paths if os.path.isdir(name)]  # noqa: PTH112 - never raises
    near = (SUFFIX, SUFFIX.replace(".yaml", ".yml"))
    every = dict.fromkeys(path for folder in folders for path in _files_below(folder))
    return sorted(
        path
        for path in every
        if path.name.lower().endswith(near) and not path.name.endswith(SUFFIX)
    )


def _named(name: str) -> list[Path]:
    """The spec files of one path."""
    if not name:
        raise UsageError("'' is no path: name a spec file or a folder.")
    try:
        mode = _mode(Path(name))
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"There is no file or folder {_text(name)}.{_case_named(name)}") from None
    return _below(Path(name)) if stat.S_ISDIR(mode) else [Path(name)]


def _mode(path: Path) -> int:
    """What a path leads to; raises UsageError where it leads nowhere, or may not be followed."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise UsageError(f"{path} is a link that leads nowhere.") from None
        raise
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{_text(str(path))} cannot be read: {why}.") from None


def _text(name: str) -> str:
    """A path in quotes; the middle of an endless one is left out."""
    return repr(cut(name, 400))


def _case_named(name: str) -> str:
    """What to do where one case of a file is named."""
    file = name.partition("::")[0]
    if file == name or not os.path.isfile(file):  # noqa: PTH113 - never raises
        return ""
    return f" For one case of {file} use `pytest {name}`, or `callgate show {name}`."


def _below(folder: Path) -> list[Path]:
    """The spec files of a folder and those below it."""
    named = [path for path in _files_below(folder) if path.name.endswith(SUFFIX)]
    return sorted(path for path in named if stat.S_ISREG(_mode(path)))


def _files_below(folder: Path) -> Iterator[Path]:
    """What is no folder in this one and below; hidden folders left out, links followed once."""
    seen: set[str] = set()
    for place, folders, files in os.walk(folder, onerror=_refuse, followlinks=True):
        real = os.path.realpath(place)
        inner = [] if real in seen else sorted(n for n in folders if not n.startswith("."))
        folders[:] = inner
        if real not in seen:
            yield from (Path(place, file) for file in files)
        seen.add(real)


def _refuse(error: OSError) -> None:
    raise UsageError(f"{_text(str(error.filename))} cannot be read: {error.strerror}.")


def load_specs(files: Iterable[Path]) -> list[Spec]:
    """The specs of the files; raises SpecError with every problem of every file."""
    loaded = [(file, _load(file, shown_path(file), warn=False)) for file in files]
    problems = [problem for _, one in loaded for problem in one.problems]
    specs = [one.spec for _, one in loaded if one.spec is not None]
    problems += same_names(specs)
    if problems:
        raise SpecError(problems)
    return specs


def same_names(specs: Sequence[Spec]) -> list[Problem]:
    """A problem for each spec whose name another, before it, has already."""
    first: dict[str, Spec] = {}
    return [
        Problem(
            Location(one.path, 1),
            "spec",
            f"{first[one.name].path} is called {one.name!r} too",
            "names are unique among the files of a run: give one of them another `spec`",
            code="spec",
        )
        for one in specs
        if first.setdefault(one.name, one) is not one
    ]


def load_spec(file: Path, shown: str | None = None) -> LoadedSpec:
    """Read one file, warnings included; never raises for what the file holds or lacks.

    `shown` is the path that problems and locations show; default `shown_path(file)`.
    """
    return _load(file, shown_path(file) if shown is None else shown, warn=True)


def _load(file: Path, shown: str, *, warn: bool) -> LoadedSpec:
    try:
        content = read_bytes(file)
    except FileRefused as error:
        return LoadedSpec(None, (error.problem(shown),))
    return read_spec(content, file, shown, warn=warn)[0]


def read_spec(
    content: bytes, file: Path, shown: str, *, warn: bool, checked: bool = False
) -> tuple[LoadedSpec, list[WrittenCase]]:
    """What becomes of the content of a file, and its cases with what they were read from.

    The paths that it names are relative to the folder of `file`, which need not be there;
    `checked`: the rows of its data set are held to what written cases are.
    """
    try:
        document = read_yaml_bytes(content, shown)
    except SpecError as error:
        return LoadedSpec(None, error.problems), []
    notes = Notes(document)
    if not isinstance(document.value, Mapping):
        what = f"found {value_text(document.value)}, expected a mapping with `cases`"
        return LoadedSpec(None, (document.problem((), "", what, code="spec"),)), []
    named = NamedFiles(file.parent)
    spec, written, toolbox, cases = _read(file, shown, notes, named, checked=checked)
    problems = dict.fromkeys(_by_line(notes.problems) + _by_line(named.problems))
    if problems:
        return LoadedSpec(None, tuple(problems), cases=cases or None), []
    digest = hashlib.sha256(b"\n".join([content, *named.contents])).hexdigest()[:16]
    spec = replace(spec, digest=digest)
    warnings = lint(spec, written, toolbox, notes) if warn else ()
    return LoadedSpec(spec, (), warnings, cases), written


def _by_line(problems: Iterable[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda p: (p.location.path, p.location.line, p.location.column))


def _read(
    file: Path, shown: str, notes: Notes, named: NamedFiles, *, checked: bool
) -> tuple[Spec, list[WrittenCase], Toolbox, int]:
    """The spec as far as it is sound, its cases with their places, its tools; cases in all."""
    report = notes.report((), "")
    good = fields(notes.document.value, FILE_KEYS, report, "a mapping with `tools` and `cases`")
    setting = _setting({**format_defaults(good.get("source")), **good}, file, notes, named)
    if not {"cases", "source"} & notes.document.value.keys():
        report((), "there are no `cases`", "add at least one")
    read = [read_case(node, place, setting) for place, node in enumerate(good.get("cases", ()))]
    written = [case for cases in read for case in cases]
    _unique_ids(written, notes)
    rows = None
    if "source" in good:
        source = read_source(good["source"], notes, file.parent)
        if source is not None and not notes.problems + named.problems:
            named.contents.append(source.identity.encode())
            ids = {one.case.id for one in written}
            rows = read_rows(source, setting, ids, checked=checked)
    if rows is not None:
        written += rows.written
    spec = Spec(
        name=setting.spec,
        path=shown,
        digest="",
        cases=tuple(one.case for one in written),
        gate=_gate(good.get("gate", {}), notes),
        description=good.get("description", ""),
        clauses=setting.clauses,
        source=rows.found if rows else None,
    )
    count = sum(max(len(cases), 1) for cases in read) + (len(rows.written) if rows else 0)
    return spec, written, setting.toolbox, count


def _gate(node: Json, notes: Notes) -> Gate:
    expected, hint = FILE_KEYS["gate"].expected, ""
    share = node if fits(node, GATE_KEYS["pass_rate"].schema) else as_share(node)
    if share is not None and not isinstance(node, Mapping):
        hint = f"write gate: {{pass_rate: {share:g}}}"
    return Gate(**fields(node, GATE_KEYS, notes.report(("gate",), "gate."), expected, hint))


def _setting(good: Mapping[str, Any], file: Path, notes: Notes, named: NamedFiles) -> FileSetting:
    rules = good.get("rules", "callgate")
    read_file = partial(named.read, rules)
    read_pages = partial(named.pages, file.parent)
    toolbox = Toolbox(whole="tools" not in notes.document.value)
    if "tools" in good:
        toolbox = read_tools(
            good["tools"],
            notes,
            ("tools",),
            rules=rules,
            read_file=read_file,
            read_pages=read_pages,
        )
        if good.get("target") == "args_json":
            refuse_args(toolbox)
    clauses = good.get("clauses", {})
    entries(clauses, IDENTIFIER_SCHEMA, SENTENCE, notes.report(("clauses",), "clauses."))
    return FileSetting(
        spec=_name(good, file, notes),
        notes=notes,
        toolbox=toolbox,
        read_file=read_file,
        read_pages=read_pages,
        developer=developer_turn(good.get("developer", DEVELOPER)),
        clauses=clauses,
        shares=_shares(good.get("split"), notes),
        compare=good.get("compare", "arguments"),
        rules=rules,
        target=good.get("target", "native"),
        fold=good.get("strings") == "fold",
    )


def _name(good: Mapping[str, Any], file: Path, notes: Notes) -> str:
    if "spec" in good:
        return str(good["spec"])
    stem = file.name.removesuffix(SUFFIX) if file.name.endswith(SUFFIX) else file.stem
    if "spec" not in notes.document.value and not fits(stem, IDENTIFIER_SCHEMA):
        what = f"the file's name gives {value_text(stem)}, expected {AN_IDENTIFIER}"
        notes.report((), "spec")((), what, "rename the file, or name the spec with `spec:`")
    return stem


def _shares(node: Json, notes: Notes) -> Mapping[str, float] | None:
    """The shares of the splits, and `seed`; None where the file names none."""
    if node is None:
        return None
    report = notes.report(("split",), "split.")
    before = len(notes.problems)
    good = fields(node, SPLIT_KEYS, report, FILE_KEYS["split"].expected)
    total = sum(good.get(name, 0) for name in SPLITS)
    if len(notes.problems) == before and not math.isclose(total, 1, abs_tol=1e-9):
        report((), f"the shares sum to {total:g}, expected 1")
    return good


def _unique_ids(written: Sequence[WrittenCase], notes: Notes) -> None:
    first: dict[str, WrittenCase] = {}
    for one in written:
        name, report = one.case.id, notes.report(one.path, f"case {one.case.id}")
        if name == "gate":
            report((), "the id 'gate' is reserved: it names the file's gate", "choose another")
        other = first.setdefault(name, one)
        if other is not one:
            line = other.case.location.line
            report(
                (),
                f"two cases are called {value_text(name)}, the first on line {line}",
                _hint(one, other),
            )


def _hint(one: WrittenCase, other: WrittenCase) -> str:
    """What to do about two cases of one name."""
    if one.path[:2] != other.path[:2]:
        return "give each an `id` of its own"
    if one.case.prompt == other.case.prompt:
        return "their prompts are the same"
    return "their prompts share 6 hex digits by chance: reword one, or make it a case of its own"
