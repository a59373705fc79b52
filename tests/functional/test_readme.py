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
DEMO = (ROOT / "docs" / "demo.sh").read_text(encoding="utf-8")
BEFORE, AFTER = "guide-before.jsonl", "guide-after.jsonl"


def tell(story: str, folder: Path) -> tuple[int, str]:
    """Run the demo's script in a copy of what it reads: exit code and output."""
    for name in ("specs", "docs/replies", "trainers/settings"):
        shutil.copytree(ROOT / name, folder / name)
    script = folder / "docs" / "demo.sh"
    script.write_text(story, encoding="utf-8")
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {"PATH": tools, "HOME": str(folder), "LANG": "C.UTF-8", "COLUMNS": "80"}
    done = subprocess.run(
        ["bash", str(script), "--max-epochs", "1"], cwd=folder, env=environ, timeout=600,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.mark.parametrize("block", [STORY, TESTS], ids=["story", "tests"])
def test_each_block_sets_itself_up(block: str) -> None:
    """Either block is sound bash, and starts from a bare Python with the tested versions."""
    subprocess.run(["bash", "-n", "-c", block], check=True)
    assert block.startswith("python3 -m venv .venv\n.venv/bin/pip install -q -c constraints.txt ")


def test_the_first_block_runs_the_demo() -> None:
    """A new user's first command is the demo, which is docs/demo.sh."""
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini")
    assert STORY.splitlines()[-1] == ".venv/bin/tox -e demo"
    assert tox["testenv:demo"]["commands"] == "bash docs/demo.sh {posargs}"


def test_the_second_block_runs_the_default_list_of_tox() -> None:
    """What it runs are lint, types and tests, no less."""
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini")
    assert tox["tox"]["env_list"] == "lint, types, tests"
    assert TESTS.splitlines()[-1] == ".venv/bin/tox"


@pytest.mark.slow
def test_the_demo_ends_with_two_reports(tmp_path: Path) -> None:
    """Red, green, mini tuned and gated alike, and both pages are there."""
    code, output = tell(DEMO, tmp_path)
    assert code == 0, output
    pages = [tmp_path / "runs" / "demo" / name / "report.html" for name in ("guide", "mini")]
    assert all(page.read_text("utf-8").lower().startswith("<!doctype html>") for page in pages)
    assert output.endswith("".join(f"{page.relative_to(tmp_path)}{rest}" for page, rest in zip(
        pages, ("   the guide's model before and after\n",
                "    mini before and after, with its training\n"), strict=True)))  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "instead"),
    [(BEFORE, AFTER), (AFTER, BEFORE), (BEFORE, "none.jsonl"), (AFTER, "none.jsonl")],
    ids=["green-before", "red-after", "nothing-before", "nothing-after"],
)
def test_a_story_that_goes_otherwise_fails(file: str, instead: str, tmp_path: Path) -> None:
    """A first gate that is not red, or a second that is not green, ends the demo there."""
    code, output = tell(DEMO.replace(file, instead), tmp_path)
    assert code != 0
    assert "4. The same policy on mini" not in output
