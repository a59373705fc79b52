"""The plugin installed and not installed; and what a run does not load."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import harness

QUIET = ("-p", "no:cacheprovider")
ONE_LINE = 'pytest_plugins = ["harness.plugin"]\n'
WHAT_IS_LOADED = """
import sys

def pytest_unconfigure():
    watched = ("harness", "torch", "transformers", "yaml", "jsonschema")
    found = {name for name in sys.modules if name.split(".")[0] in watched}
    print("loaded:", *sorted(found), file=sys.__stdout__)
"""


def loaded(ran: Any) -> set[str]:
    """The modules that a run with `WHAT_IS_LOADED` in its conftest.py names."""
    lines = [line for line in ran.out.splitlines() if line.startswith("loaded:")]
    return set(lines[-1].split()[1:])


def test_a_project_without_specs_is_left_alone(project: Any) -> None:
    """Nothing of callgate but its options is imported, nothing is printed, nothing written.

    Even settings that it would refuse are not read.
    """
    project.settings(nonsense=1)
    project.write("conftest.py", WHAT_IS_LOADED)
    project.write("test_one.py", "def test_one(): pass\n")
    ran = project.pytest(*QUIET, "-q")
    vocabulary = {"harness.cases", "harness.retrieval", "harness.retrieval.found"}
    names = {"harness", "harness.plugin", "harness.options", "harness.errors"}
    names |= {"harness.json_values", *vocabulary}
    assert loaded(ran) <= names
    assert ran.code == 0
    assert [line for line in ran.out.splitlines() if "callgate" in line] == []
    assert sorted(path.name for path in project.root.iterdir() if path.is_dir()) in (
        [],
        ["__pycache__"],
    )


@pytest.mark.parametrize("arguments", [["--collect-only"], []], ids=["collected", "replayed"])
def test_neither_collecting_nor_replaying_loads_a_framework(
    project: Any, arguments: list[str]
) -> None:
    """Neither torch nor transformers is loaded in a process that asks no model."""
    project.write("conftest.py", WHAT_IS_LOADED)
    project.desk("id: a, expect: find")
    project.answers(a="find")
    ran = project.pytest(*QUIET, *arguments)
    assert ran.code == 0
    names = {name.split(".")[0] for name in loaded(ran)}
    assert "harness" in names
    assert not names & {"torch", "transformers"}


@pytest.fixture(scope="module")
def not_installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which callgate can be imported but is no installed distribution.

    Links to all that is installed except callgate, a link to its package, and no site-packages.
    """
    library = tmp_path_factory.mktemp("library")
    for path in map(Path, {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}):
        for entry in path.iterdir():
            if "callgate" not in entry.name and not (library / entry.name).exists():
                (library / entry.name).symlink_to(entry)
    if not (library / "harness").exists():
        (library / "harness").symlink_to(Path(harness.__file__).parent)
    return {"PYTHONPATH": str(library)}


@pytest.fixture(scope="module")
def judged(new_project: Callable[[], Any]) -> Any:
    """A project with one case, which passes."""
    project = new_project()
    project.desk("id: a, expect: find")
    project.answers(a="find")
    return project


def test_not_installed_the_one_line_conftest_is_enough(
    judged: Any, not_installed: dict[str, str]
) -> None:
    """Without a distribution, entry point or site-packages, one line makes specs collectable."""
    command = ("-S", "-m", "pytest", *QUIET, "specs/desk.spec.yaml")
    judged.write("conftest.py", "")
    without = judged.python(*command, env=not_installed)
    assert without.code == 4
    judged.write("conftest.py", ONE_LINE)
    ran = judged.python(*command, "-W", "error", env=not_installed)
    assert (ran.code, ran.letters()) == (0, "..")
    assert "callgate-" not in ran.out.partition("plugins:")[2].partition("\n")[0]


@pytest.mark.parametrize("conftest", ["", ONE_LINE], ids=["entry point", "both"])
def test_installed_the_line_does_no_harm(judged: Any, conftest: str) -> None:
    """By its entry point alone, or named in conftest.py as well, the plugin is there once."""
    judged.write("conftest.py", conftest)
    ran = judged.pytest(*QUIET, "-W", "error", "--trace-config")
    assert (ran.code, ran.letters()) == (0, "..")
    assert ran.summary.count("run log: ") == 1
    registered = [line for line in ran.out.splitlines() if "harness.plugin " in line]
    assert len(registered) == 1


def test_the_plugin_can_be_turned_off(judged: Any) -> None:
    """`-p no:harness.plugin` leaves no option and collects no spec, whatever conftest.py says."""
    judged.write("conftest.py", ONE_LINE)
    ran = judged.pytest(*QUIET, "-p", "no:harness.plugin")
    assert (ran.code, ran.counts) == (5, "no tests ran")
