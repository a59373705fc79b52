"""docs/real.sh, which needs FunctionGemma's weights, told on mini and on small data."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("trl")

ROOT = Path(__file__).parents[2]
DATA = {"google-guide": "simple_tool_calling.jsonl", "datacamp": "hermes.jsonl"}

pytestmark = pytest.mark.slow


def prepare(folder: Path) -> None:
    """A copy of what the script reads, its specs with files in the place of the Hub's data."""
    for name in ("specs", "docs/replies", "docs/real", "trainers/settings"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "docs" / "real.sh", folder / "docs")
    for name, data in DATA.items():
        spec = folder / "docs" / "real" / f"{name}.spec.yaml"
        text = spec.read_text(encoding="utf-8")
        text, found = re.subn(r"hub: .*", f"path: {ROOT / 'tests' / 'data' / data}", text)
        assert found == 1
        text = text.replace("limit: 3000", "limit: 12").replace(
            "train: 2700, test: 300", "train: 6, test: 6"
        )
        spec.write_text(text, encoding="utf-8")


def tell(folder: Path) -> tuple[int, str]:
    """Run the script: exit code and output."""
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {"PATH": tools, "HOME": str(folder), "LANG": "C.UTF-8", "COLUMNS": "80"}
    environ |= {"CALLGATE_REAL_MODEL": "mini", "CALLGATE_REAL_SEEDS": "1"}
    done = subprocess.run(
        ["bash", "docs/real.sh", "--epochs", "1"], cwd=folder, env=environ, timeout=900,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def test_everything_ends_up_in_one_folder(tmp_path: Path) -> None:
    """Doctor, replies beside the printed ones, and both guides' runs with their reports."""
    prepare(tmp_path)
    code, output = tell(tmp_path)
    assert code == 0, output
    real = tmp_path / "runs" / "real"
    assert "would run in" in (real / "doctor.txt").read_text(encoding="utf-8")
    assert "<!doctype html>" in (real / "base.html").read_text(encoding="utf-8").lower()
    for guide in DATA:
        verdicts = (real / guide / "after.jsonl").read_text(encoding="utf-8").splitlines()[1:-1]
        assert {json.loads(line)["spec"] for line in verdicts} == {guide}
        assert (real / guide / "report.md").exists()

    code, output = tell(tmp_path)
    assert (code, output) == (2, "runs/real is there already: move it away first\n")
