"""Replies already computed: kept whole under several processes, bounded, never in the way."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import reply_cache
from harness.cases import Reply
from harness.reply_cache import ReplyCache

REPLY = Reply("Hi<end_of_turn>", "stop", None, 12, 3, 0.25)
CACHED = Reply("Hi<end_of_turn>", "stop", None, 12, 3, 0.25, cached=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a cache will be."""
    return tmp_path / ".callgate" / "replies.sqlite"


def test_replies_come_back_as_cached(path: Path) -> None:
    """A reply comes back whole under its key, in another process as well, and says it is kept."""
    ReplyCache(path).put({"a": REPLY, "b": Reply("", "length")})
    cache = ReplyCache(path)
    assert cache.problem is None
    assert cache.get(["a", "c"]) == {"a": CACHED}
    assert cache.get(["b"]) == {"b": Reply("", "length", cached=True)}
    assert cache.size()[0] == 2


def test_git_ignores_the_folder(path: Path) -> None:
    """A folder that the cache makes is callgate's own, and git is told."""
    ReplyCache(path)
    assert (path.parent / ".gitignore").read_text() == "*\n"


def test_errors_are_not_kept(path: Path) -> None:
    """An error is no reply: the next run asks again."""
    cache = ReplyCache(path)
    cache.put({"a": Reply("", error="out of memory"), "b": REPLY})
    assert cache.get(["a", "b"]) == {"b": CACHED}


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
@settings(max_examples=30, deadline=None)
def test_any_text_comes_back(text: str) -> None:
    """Control characters, NUL and all: texts come back as they went in."""
    with tempfile.TemporaryDirectory() as folder:
        cache = ReplyCache(Path(folder, "replies.sqlite"))
        cache.put({"k": Reply(text)})
        assert cache.get(["k"])["k"].text == text


# Several processes

WORKER = """
import sys, time
from pathlib import Path
from harness.cases import Reply
from harness.reply_cache import ReplyCache

path, me = Path(sys.argv[1]), sys.argv[2]
while not path.with_name("go").exists():
    time.sleep(0.001)
for n in range(30):
    cache = ReplyCache(path)
    cache.put({f"{me}-{n}": Reply(f"reply {me} {n}"), "shared": Reply("the same")})
    assert cache.problem is None, cache.problem
    found = cache.get([f"{me}-{n}", "shared", "never"])
    assert {key: reply.text for key, reply in found.items()} == {
        f"{me}-{n}": f"reply {me} {n}", "shared": "the same"
    }, found
    if n == 15:
        cache.prune(1 << 30)
"""


def test_four_processes_lose_nothing(path: Path) -> None:
    """Four processes that make the file, write, read and prune at once: no loss, no lock-up."""
    path.parent.mkdir()
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(path), name], stderr=subprocess.PIPE, text=True
        )
        for name in "abcd"
    ]
    time.sleep(0.5)
    path.with_name("go").touch()
    ends = [(worker.communicate(timeout=120)[1], worker.returncode) for worker in workers]
    assert ends == [("", 0)] * 4
    cache = ReplyCache(path)
    keys = [f"{name}-{n}" for name in "abcd" for n in range(30)]
    assert len(cache.get(keys)) == 120
    assert cache.size()[0] == 121


def test_a_killed_writer_leaves_the_cache_usable(path: Path) -> None:
    """A process killed within a transaction costs that transaction, nothing else."""
    ReplyCache(path).put({"a": REPLY})
    code = (
        "import os, signal, sqlite3, sys\n"
        "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "db.execute('BEGIN IMMEDIATE'); db.execute('DELETE FROM replies')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    cache = ReplyCache(path)
    cache.put({"b": REPLY})
    assert cache.problem is None
    assert cache.get(["a", "b"]) == {"a": CACHED, "b": CACHED}


# A cache that cannot be used


def unused(cache: ReplyCache) -> str:
    """Why it is not in use; asking it anything is harmless."""
    cache.put({"a": REPLY})
    assert cache.get(["a"]) == {}
    assert cache.prune(0) == 0
    assert cache.size() == (0, 0)
    assert cache.problem is not None
    return cache.problem


def test_a_path_below_a_file(tmp_path: Path) -> None:
    """Where there can be no folder there is no cache."""
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "replies.sqlite"
    assert unused(ReplyCache(path)) == f"reply cache {path}: not in use: File exists"


@pytest.mark.parametrize(
    "content", [b"no database at all" * 100, b"SQLite format 3\0" + b"x" * 5000]
)
def test_a_corrupt_file(path: Path, content: bytes) -> None:
    """A file that is no database is left alone, and named."""
    path.parent.mkdir()
    path.write_bytes(content)
    found = unused(ReplyCache(path))
    assert found == f"reply cache {path}: not in use: file is not a database; delete the file"
    assert path.read_bytes() == content


def test_a_file_that_breaks_under_way(path: Path) -> None:
    """Pages overwritten while it is in use: what was found stays found, the rest is not kept."""
    cache = ReplyCache(path)
    cache.put({str(n): Reply("x" * 500) for n in range(200)})
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))
    cache.get([str(n) for n in range(200)])
    assert cache.problem == (
        f"reply cache {path}: not in use: database disk image is malformed; delete the file"
    )


def test_another_programs_table(path: Path) -> None:
    """A database with a table of the same name and other columns is not in use."""
    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE replies (name TEXT)")
    assert "not in use" in unused(ReplyCache(path))


def _as_nobody(code: str, folder: Path) -> str:
    """What python prints when run without the rights of root."""
    prelude = "import os\nif os.getuid() == 0:\n    os.setgid(65534); os.setuid(65534)\n"
    head = "import sqlite3, sys; from pathlib import Path\n"
    head += "from harness.cases import Reply; from harness.reply_cache import ReplyCache\n"
    done = subprocess.run(
        [sys.executable, "-c", head + prelude + code, str(folder / "replies.sqlite")],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
    )
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="rights are told otherwise here")
@pytest.mark.parametrize("there", [True, False])
def test_a_read_only_folder(*, there: bool) -> None:
    """In a folder that may not be written, with a cache in it or without: not in use."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if there:
            ReplyCache(folder / "replies.sqlite").put({"a": REPLY})
        for file in folder.iterdir():
            file.chmod(0o444)
        folder.chmod(0o555)
        code = (
            "cache = ReplyCache(Path(sys.argv[1]))\n"
            "cache.put({'b': Reply('b')})\n"
            "print(cache.get(['a', 'b']))\nprint(cache.problem)\n"
        )
        found, problem = _as_nobody(code, folder).splitlines()
        folder.chmod(0o755)
        assert found == "{}"
        reason = "attempt to write a readonly database" if there else "unable to open database file"
        assert problem == f"reply cache replies.sqlite: not in use: {reason}"


def test_a_full_disk(path: Path) -> None:
    """When the disk takes no more, the replies go on and the cache ends, with its reason."""
    pytest.importorskip("resource")
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from harness.cases import Reply; from harness.reply_cache import ReplyCache\n"
        "cache = ReplyCache(Path(sys.argv[1]))\n"
        "cache.put({'a': Reply('kept')})\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "for n in range(50): cache.put({str(n): Reply('x' * 10_000)})\n"
        "print(cache.problem)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"reply cache {path}: not in use: ")
    assert done.stderr == ""
    cache = ReplyCache(path)
    assert cache.get(["a"])["a"].text == "kept"


# Bounds


def _keep(cache: ReplyCache, used: dict[str, float]) -> None:
    """Replies of about 1,000 bytes with the times of their last use."""
    cache.put({key: Reply("é" * 400) for key in used})
    with sqlite3.connect(cache.path) as db:
        for key, seconds in used.items():
            db.execute("UPDATE replies SET used = ? WHERE key = ?", (seconds, key))


def test_pruning_forgets_what_was_used_longest_ago(path: Path) -> None:
    """Of five replies of 1,000 bytes, 3,500 bytes keep the three used last."""
    cache = ReplyCache(path)
    _keep(cache, {"a": 5.0, "b": 1.0, "c": 4.0, "d": 2.0, "e": 3.0})
    assert cache.prune(3500) == 2
    assert set(cache.get("abcde")) == {"a", "c", "e"}
    assert cache.prune(0) == 3
    assert cache.prune(0) == 0
    assert cache.size()[0] == 0


def test_use_is_remembered(path: Path) -> None:
    """A reply that was read is not the one to be forgotten."""
    cache = ReplyCache(path)
    _keep(cache, {"old": 1.0, "older": 0.5})
    assert set(cache.get(["older"])) == {"older"}
    assert cache.prune(1500) == 1
    assert set(cache.get(["old", "older"])) == {"older"}


def test_the_cache_stays_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past its bound the cache prunes itself to half of it, and the file shrinks."""
    monkeypatch.setattr(reply_cache, "MOST_BYTES", 1_000_000)
    cache = ReplyCache(path)
    for n in range(40):
        cache.put({f"{n}-{m}": Reply("x" * 10_000) for m in range(10)})
        assert cache.size()[1] < 1_300_000
    assert cache.problem is None
    assert set(cache.get([f"39-{m}" for m in range(10)])) == {f"39-{m}" for m in range(10)}
