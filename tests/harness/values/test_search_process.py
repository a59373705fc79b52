"""The process that searches for patterns which may run away."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.values import search_process
from harness.values.search_process import search

RUNAWAY = ("(a+)+$", "a" * 60 + "b")


def gone(pid: int) -> bool:
    """Whether the process ends, or is a zombie that nobody has asked after."""
    for _ in range(1000):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_a_search_without_an_end_ends_its_process() -> None:
    """There is no answer, the process is gone, and the next search has one of its own."""
    assert search("b", "abc", 1) is True
    process = search_process._held.process
    assert process is not None
    assert search(*RUNAWAY, 0.05) is None
    assert process.poll() is not None
    assert search("(x+)+$", "abc", 1) is False


def test_texts_of_any_kind_come_through() -> None:
    """Line breaks, lone surrogates and a megabyte are searched as they are."""
    assert search("^a\nb\r\ud800$", "a\nb\r\ud800", 1) is True
    assert search("b$", "a" * 1_000_000 + "b", 5) is True


def test_threads_get_their_own_answers() -> None:
    """Searches of several threads do not mix, also while one of them runs away."""
    with ThreadPoolExecutor(4) as pool:
        runaway = pool.submit(search, *RUNAWAY, 0.05)
        answers = list(pool.map(lambda n: search("^(1)+$", str(n), 5), range(200)))
    assert [n for n, answer in enumerate(answers) if answer] == [1, 11, 111]
    assert runaway.result() is None


def test_an_interrupted_search_leaves_no_answer_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in a search ends its process: the next search never gets the answer of this one."""
    search("a", "a", 1)
    first = search_process._held.process

    def interrupted(*_: object) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(search_process, "_answer", interrupted)
        with pytest.raises(KeyboardInterrupt):
            search("a", "a", 1)
    assert first is not None
    assert first.poll() is not None
    assert search("a", "b", 1) is False


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only some systems fork")
def test_a_forked_child_has_a_process_of_its_own() -> None:
    """Parent and child both get right answers after a fork, and warn of nothing."""
    code = """
import os
from harness.values.search_process import search
search("a", "a", 5)
child = os.fork()
right = all(search("^(1)+$", str(n), 5) is (n in (1, 11)) for n in range(50))
if child:
    right = os.waitpid(child, 0)[1] == 0 and right
os._exit(not right) if not child else print("right" if right else "wrong")
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("right\n", "")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
@pytest.mark.parametrize("end", ["pass", "os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_no_process_outlives_its_user(end: str) -> None:
    """However the user's process ends, the one that searches ends too."""
    code = f"""
import os
from harness.values import search_process
search_process.search("a", "a", 5)
print(search_process._held.process.pid, flush=True)
{end}
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert gone(int(done.stdout))
