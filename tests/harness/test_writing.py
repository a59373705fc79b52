"""Files that are written whole, and what is no file."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from harness.writing import write_whole


def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    """What is no file is not put in the place of one."""
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    write_whole(pipe, "all of it\n")
    reader.join(timeout=60)
    assert (got, pipe.is_fifo()) == (["all of it\n"], True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["pipe"]


def test_a_closed_output_is_no_bug() -> None:
    """A command whose streams are closed ends with its own code."""
    for command in ("lint specs", "--version"):
        line = f'"{sys.executable}" -m harness {command} >&- 2>&-'
        done = subprocess.run(["bash", "-c", line], cwd=Path(__file__).parents[2], check=False)
        assert done.returncode == 0
