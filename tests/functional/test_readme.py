"""The quick start of README.md: the two commands of a new user, and that the first can fail."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("\n## Quick start\n")[2].partition("\n## ")[0]
STORY, TESTS = re.findall(r"^```bash\n(.*?)^```$", SECTION, re.M | re.S)[:2]
BEFORE, AFTER = "guide-before.jsonl", "guide-after.jsonl"


def tell(story: str, folder: Path) -> int:
    """Run the first block without its set-up, as `bash -ec` in a clone; gives the exit code."""
    shutil.copytree(ROOT / "specs", folder / "specs")
    shutil.copytree(ROOT / "docs" / "replies", folder / "docs" / "replies")
    lines = [line for line in story.splitlines() if "-m venv" not in line and "/pip " not in line]
    commands = "\n".join(lines).replace(".venv/bin/", "")
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {"PATH": tools, "HOME": str(folder), "LANG": "C.UTF-8"}
    done = subprocess.run(
        ["bash", "-ec", commands], cwd=folder, env=environ, stdin=subprocess.DEVNULL, timeout=300,
        capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode


@pytest.mark.parametrize("block", [STORY, TESTS], ids=["story", "tests"])
def test_each_block_sets_itself_up(block: str) -> None:
    """Either block is sound bash, and starts from a bare Python with the tested versions."""
    subprocess.run(["bash", "-n", "-c", block], check=True)
    assert block.startswith("python3 -m venv .venv\n.venv/bin/pip install -q -c constraints.txt ")


def test_the_story_installs_the_gate_alone() -> None:
    """The first block installs no extras, so neither torch nor transformers."""
    assert re.findall(r"pip install (.*)", STORY) == ["-q -c constraints.txt ."]


def test_the_second_block_runs_the_default_list_of_tox() -> None:
    """What it runs are lint, types and tests, no less."""
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini")
    assert tox["tox"]["env_list"] == "lint, types, tests"
    assert TESTS.splitlines()[-1] == ".venv/bin/tox"


@pytest.mark.slow
def test_the_story_ends_well(tmp_path: Path) -> None:
    """A red gate before tuning and a green one after it: exit 0."""
    assert tell(STORY, tmp_path) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "instead"),
    [(BEFORE, AFTER), (AFTER, BEFORE), (BEFORE, "none.jsonl"), (AFTER, "none.jsonl")],
    ids=["green-before", "red-after", "nothing-before", "nothing-after"],
)
def test_a_story_that_goes_otherwise_fails(file: str, instead: str, tmp_path: Path) -> None:
    """A first gate that is not red, or a second that is not green, fails the block."""
    assert tell(STORY.replace(file, instead), tmp_path) != 0
