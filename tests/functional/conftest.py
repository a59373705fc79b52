"""Real processes in a project of their own: what a user types, and what comes back."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

_LEFT_OUT = re.compile("CALLGATE_|PYTEST_|COV|CI$|BUILD_NUMBER$|FORCE_COLOR$|PY_COLORS$|TOX_")
_CALLS = {
    "find": "<start_function_call>call:find{query:<escape>plan<escape>}<end_function_call>",
    "book": "<start_function_call>call:book{room:3}<end_function_call>",
}
_DESK = """\
spec: desk
tools:
  - {name: find, parameters: {query: {type: string}}}
  - {name: book, parameters: {room: {type: integer}}}
"""


@dataclass(frozen=True)
class Ran:
    """A process that has ended; paths in its output are relative to the project."""

    code: int
    out: str = field(repr=False)
    err: str = field(repr=False)

    @property
    def counts(self) -> str:
        """The last line of pytest without the time: `1 failed, 2 passed`."""
        lines = [
            line.strip("= ") for line in self.out.splitlines() if re.search(r" in [\d.]+s", line)
        ]
        return lines[-1].rpartition(" in ")[0]

    @property
    def summary(self) -> str:
        """The callgate section."""
        return self._section("callgate")

    @property
    def failures(self) -> str:
        """The blocks of errors, or else of failures."""
        return self._section("ERRORS" if "= ERRORS =" in self.out else "FAILURES")

    def _section(self, title: str) -> str:
        after = re.split(rf"=+ {title} =+\n", self.out)[1]
        return re.split(r"\n(?:=+ |\d+ \w+.* in [\d.]+s)", after)[0].rstrip()

    def letters(self, file: str = "specs/desk.spec.yaml") -> str:
        """The progress letters of a file: `.x.F`."""
        found = re.search(rf"^{re.escape(file)} (\S+)", self.out, re.MULTILINE)
        assert found, self.out
        return found[1]


@dataclass(frozen=True)
class Project:
    """A folder with a `pyproject.toml`, in which commands run as a user's would."""

    root: Path

    def write(self, name: str, text: str) -> Path:
        """A file below the folder."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def settings(self, **settings: object) -> None:
        """The [tool.callgate] table."""
        lines = [f"{name.replace('_', '-')} = {json.dumps(v)}" for name, v in settings.items()]
        self.write("pyproject.toml", "\n".join(["[tool.callgate]", *lines, ""]))

    def desk(self, *cases: str, head: str = "gate: {pass_rate: 0.5}") -> None:
        """The spec `desk`: tools `find` and `book`, a gate, a flow mapping for each case."""
        listed = "\n".join(f"  - {{prompt: Question {n}, {c}}}" for n, c in enumerate(cases))
        self.write("specs/desk.spec.yaml", f"{_DESK}{head}\ncompare: tool\ncases:\n{listed}\n")

    def answers(self, spec: str = "desk", /, **replies: str) -> None:
        """The replay file: case → `find`, `book` (well-formed calls), or any other text."""
        lines = [
            json.dumps({"case": f"{spec}::{case}", "reply": _CALLS.get(reply, reply)})
            for case, reply in replies.items()
        ]
        self.write("replies.jsonl", "\n".join([*lines, ""]))

    def python(self, *args: str, env: Mapping[str, str] | None = None, cwd: str = ".") -> Ran:
        """Run python in the folder, or in `cwd` below it, without the caller's settings."""
        ended = subprocess.run(
            [sys.executable, *args],
            cwd=self.root / cwd,
            env=clean_environment() | (env or {}),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        here = f"{self.root}{os.sep}"
        return Ran(ended.returncode, ended.stdout.replace(here, ""), ended.stderr.replace(here, ""))

    def pytest(self, *args: str, env: Mapping[str, str] | None = None, cwd: str = ".") -> Ran:
        """Run `python -m pytest`, without plugins of other projects that take long to load."""
        alone = ("-p", "no:anyio", "-p", "no:hypothesispytest")
        return self.python("-m", "pytest", *alone, *args, env=env, cwd=cwd)

    def log(self, name: str = ".callgate/last-run.jsonl") -> list[dict[str, Any]]:
        """The lines of a run log."""
        return [json.loads(line) for line in (self.root / name).read_text("utf-8").splitlines()]


def clean_environment() -> dict[str, str]:
    """The environment without what steers pytest or callgate; 80 columns."""
    kept = {name: value for name, value in os.environ.items() if not _LEFT_OUT.match(name)}
    return kept | {"COLUMNS": "80", "PYTHONDONTWRITEBYTECODE": ""}


@pytest.fixture(scope="session")
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Project]:
    """Makes projects whose model is the replay file `replies.jsonl`."""

    def make() -> Project:
        project = Project(tmp_path_factory.mktemp("project"))
        project.settings(model="replay:replies.jsonl")
        return project

    return make


@pytest.fixture
def project(new_project: Callable[[], Project]) -> Project:
    """A project of the test's own."""
    return new_project()


@pytest.fixture(scope="session")
def desk(new_project: Callable[[], Project]) -> Project:
    """A project that tests share and leave as it is: a, b pass; c, d miss; the gate asks for 0.8.

    Its runs leave no cache behind: pass `-p no:cacheprovider`.
    """
    project = new_project()
    project.desk(
        "id: a, expect: find, tags: [finding]",
        "id: b, expect: book, clause: rooms",
        "id: c, expect: find, tags: [finding]",
        "id: d, expect: book, clause: rooms",
        head="gate: {pass_rate: 0.8}\nclauses: {rooms: Rooms are booked.}",
    )
    project.answers(a="find", b="book", c="book", d="Which room?")
    return project
