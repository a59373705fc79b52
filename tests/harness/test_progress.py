"""Progress is for who is watching: a real pseudo-terminal sees it, a pipe and a CI do not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.progress import is_watched, watched

SLOW = (
    "import time\n"
    "from harness.progress import watched\n"
    "def items():\n"
    "    for item in range(3):\n"
    "        time.sleep(0.7)\n"
    "        yield item\n"
    "print(list(watched(items(), 3, 'replies')))\n"
)
QUICK = SLOW.replace("0.7", "0.0")


def _on_a_terminal(code: str, **env: str) -> str:
    """What a process writes to the terminal that is its stderr."""
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=slave, env=_without_ci(env)
    )
    os.close(slave)
    written = b""
    try:
        while chunk := os.read(master, 4096):
            written += chunk
    except OSError:  # how Linux tells the end of a terminal
        pass
    process.wait()
    os.close(master)
    return written.decode()


def _without_ci(env: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if name != "CI"} | env


def test_a_terminal_sees_one_line_that_is_gone_at_the_end() -> None:
    """After a second the line counts and estimates; it is written over, then wiped."""
    written = _on_a_terminal(SLOW)
    start, *lines, wiped, end = written.split("\r")
    assert (start, end) == ("", "")
    assert all(re.fullmatch(r"replies [123]/3, about \d+ s left *", line) for line in lines)
    assert lines[-1].startswith("replies 3/3, about 0 s left")
    assert wiped == " " * len(wiped)
    assert len(wiped) >= len(lines[-1].rstrip())
    assert "\n" not in written


def test_what_is_quick_shows_nothing() -> None:
    """Items that are there at once need no line."""
    assert _on_a_terminal(QUICK) == ""


def test_a_ci_sees_nothing() -> None:
    """A CI's terminal is a file to be read later."""
    assert _on_a_terminal(SLOW, CI="true") == ""


def test_the_line_is_gone_after_an_error() -> None:
    """Items that end in an error leave the terminal as it was before the message."""
    code = SLOW.replace("yield item\n", "yield item\n    raise ValueError('broken')\n")
    written = _on_a_terminal(code)
    before = written.partition("Traceback")[0]
    assert before.endswith("\r")
    assert before.split("\r")[-2].strip() == ""


def test_a_pipe_sees_nothing(tmp_path: Path) -> None:
    """Where stderr is no terminal nothing is written, and the items pass."""
    done = subprocess.run(
        [sys.executable, "-c", SLOW],
        capture_output=True,
        text=True,
        check=True,
        env=_without_ci({}),
    )
    assert (done.stdout, done.stderr) == ("[0, 1, 2]\n", "")


def test_a_closed_stream_is_not_watched(tmp_path: Path) -> None:
    """A stream that was closed, or is none, breaks nothing."""
    file = (tmp_path / "log").open("w")
    file.close()
    assert not is_watched(file)
    assert not is_watched(None)
    assert list(watched([1, 2], 2, "replies", file)) == [1, 2]
