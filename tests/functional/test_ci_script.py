"""The script of docs/ci.md: what it writes, and that it ends as pytest does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
SCRIPT = re.findall(r"^```bash\n(.*?)^```$", PAGE, re.M | re.S)[0]
SPEC = "specs/search_policy.spec.yaml"
REPORTS = {"report.html", "report.md", "report.json"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the specs, `gate.sh` as the page makes it, and this version's commands."""
    shutil.copytree(ROOT / "specs", tmp_path / "specs")
    (tmp_path / "bin").mkdir()
    for name, module in {"pytest": "pytest", "callgate-report": "reports"}.items():
        command(tmp_path, name, f'exec {sys.executable} -m {module} "$@"')
    subprocess.run(["bash", "-e", "-c", SCRIPT], cwd=tmp_path, check=True)
    return tmp_path


def command(folder: Path, name: str, script: str) -> None:
    """A command that takes the place of any other of its name."""
    file = folder / "bin" / name
    file.write_text(f"#!/usr/bin/env bash\n{script}\n", encoding="utf-8")
    file.chmod(0o755)


def judge(folder: Path, replies: str, *words: str) -> tuple[int, str]:
    """Run gate.sh on the guide's replies; gives its code and the last line it prints."""
    environ = {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "CALLGATE_MODEL": f"replay:{ROOT}/docs/replies/guide-{replies}.jsonl",
    }
    ended = subprocess.run(
        ["bash", "gate.sh", "report", "-q", SPEC, *words], cwd=folder, env=environ, timeout=300,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return ended.returncode, ended.stdout.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("replies", "words", "code", "last"),
    [
        ("after", [], 0, "green: every gate is met"),
        ("before", [], 1, "red: a gate is not met, or a test failed"),
        ("after", ["--gate-split", "dev"], 1, "red: a gate is not met, or a test failed"),
        ("before", ["-k", "nothing"], 5, "red: nothing was judged"),
        ("gone", [], 4, "red: broken off with 4, and said why above"),
    ],
    ids=["green", "red", "errors", "nothing", "usage"],
)
def test_the_script_ends_with_the_code_of_pytest(
    folder: Path, replies: str, words: list[str], code: int, last: str
) -> None:
    """gate.sh writes what there is to report, and its code is pytest's; old reports are gone."""
    (folder / "report").mkdir()
    (folder / "report" / "report.html").write_text("of a run before", encoding="utf-8")
    assert judge(folder, replies, *words) == (code, last)
    made = {path.name for path in (folder / "report").iterdir()}
    assert REPORTS & made == (REPORTS if code < 2 else set())


@pytest.mark.slow
@pytest.mark.parametrize(("replies", "code"), [("after", 3), ("before", 1)])
def test_a_report_that_breaks_is_not_green(folder: Path, replies: str, code: int) -> None:
    """Where the gate is green and a report cannot be made, the script ends with 3."""
    command(folder, "callgate-report", "exit 2")
    assert judge(folder, replies)[0] == code
