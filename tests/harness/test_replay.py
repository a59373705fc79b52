"""Replies from a file: what answers, and everything that can be wrong with one."""

# ruff: noqa: E501 - tables of cases read best with one case to a line

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.backends.replay import Replay
from harness.cases import Reply, Request
from harness.errors import UsageError

REQUEST = Request("s::a", ({"role": "user", "content": "Hello."},), ())
GOOD = '{"case":"s::a","reply":"Hi."}'


def replay(folder: Path, *lines: str, end: str = "\n") -> Replay:
    """A replay of these lines."""
    path = folder / "r.jsonl"
    path.write_text("\n".join(lines) + end, encoding="utf-8")
    return Replay.read(str(path))


def answer(backend: Replay, request: Request = REQUEST) -> Reply:
    """The reply to one request."""
    ((index, reply),) = backend.replies([request])
    assert index == 0
    return reply


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (GOOD, Reply("Hi.")),
        (GOOD + "\r", Reply("Hi.")),
        ('{"case":"s::a","reply":"","finish":"length","more":[1]}', Reply("", "length")),
        ('{"case":"s::a","reply":"Hi.","finish":null,"request":null}', Reply("Hi.")),
        ('{"kind":"verdict","case":"s::a","reply":"Hi.","outcome":"fail"}', Reply("Hi.")),
        ('{"case":"s::a","reply":"\\ud800\\u0000"}', Reply("\ud800\x00")),
        ('{"case":"s::a","reply":null,"outcome":"error"}', Reply("", error="the recorded run had an error here: no reason given")),
        ('{"case":"s::a","reply":null,"outcome":"error","reason":"gone"}', Reply("", error="the recorded run had an error here: gone")),
        ('{"case":"s::a","reply":"[redacted: K]","redacted":true}', Reply("", error="the recorded reply is not whole: a secret of the environment was taken out of it")),
        ('{"case":"s::a","reply":"Hi.","redacted":true}', Reply("Hi.")),
    ],
)  # fmt: skip
def test_lines_that_answer(tmp_path: Path, line: str, reply: Reply) -> None:
    """A line of a replay file or of a run log is a reply, or says why there is none."""
    assert answer(replay(tmp_path, "", line, "  ")) == reply


@pytest.mark.parametrize(
    "second", ['{"kind":"run"}', '{"kind":"verdict","case":"s::b","reply":""}']
)
def test_two_logs_in_one_file(tmp_path: Path, second: str) -> None:
    """Nobody knows which is meant: refused once, where the second begins."""
    with pytest.raises(UsageError) as caught:
        replay(tmp_path, '{"kind":"run"}', GOOD, '{"kind":"end"}', second, '{"kind":"end"}')
    assert str(caught.value) == (
        "the replay file cannot be used:\n"
        f"{tmp_path}/r.jsonl:4: a second run begins here; keep one run to a file"
    )
    with pytest.raises(UsageError, match=r"r\.jsonl:3: a second run begins here"):
        replay(tmp_path, '{"kind":"run"}', GOOD, '{"kind":"run"}', GOOD)


def test_a_line_added_by_hand_is_no_second_run(tmp_path: Path) -> None:
    """Below a log's end a plain line answers its case."""
    assert answer(replay(tmp_path, '{"kind":"run"}', '{"kind":"end"}', GOOD)) == Reply("Hi.")


def test_a_digest_that_fits(tmp_path: Path) -> None:
    """A line with the request's digest answers it; one with another is stale, and says so."""
    line = json.dumps({"case": "s::a", "reply": "Hi.", "request": REQUEST.digest})
    assert answer(replay(tmp_path, line)).text == "Hi."
    line = json.dumps({"case": "s::a", "reply": "Hi.", "request": "0123456789abcdef"})
    assert answer(replay(tmp_path, "", line)).error == (
        f"{tmp_path}/r.jsonl:2 is stale: it answers request 0123456789abcdef, and the case now asks "
        f"{REQUEST.digest} (its prompt or its tools changed; record again)"
    )


def test_a_case_without_a_line(tmp_path: Path) -> None:
    """It is an error that names the file and the case; lines without a case are foreign."""
    backend = replay(
        tmp_path, GOOD, '{"case":"s::b","reply":""}', '{"case":"s::c","reply":"","outcome":"skip"}'
    )
    missing = Request("s::c", (), ())
    assert answer(backend, missing).error == f"{tmp_path}/r.jsonl holds no reply for s::c"
    assert backend.foreign({"s::a"}) == ["s::b"]
    assert answer(replay(tmp_path), missing).error is not None


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("hello", "not JSON: Expecting value at column 1"),
        (GOOD[:-1], "not JSON: Expecting ',' delimiter at column 29"),
        ("[" * 100_000, "nested too deeply"),
        ('{"case":"s::a","reply":' + "1" * 5000 + "}", "not JSON: a number of too many digits"),
        ('["s::a"]', "expected an object, found ['s::a']"),
        ("null", "expected an object, found null"),
        ("{}", 'expected "case": "SPEC::ID"'),
        ('{"case":5,"reply":"Hi."}', 'expected "case": "SPEC::ID", found 5'),
        ('{"case":"","reply":"Hi."}', "expected \"case\": \"SPEC::ID\", found ''"),
        ('{"case":"s::a"}', 's::a: expected "reply" to be a text, found nothing'),
        ('{"case":"s::a","reply":null}', 's::a: expected "reply" to be a text, found null'),
        ('{"case":"s::a","reply":["Hi."]}', "s::a: expected \"reply\" to be a text, found ['Hi.']"),
        ('{"case":"s::a","reply":"","finish":"eos"}', "s::a: expected \"finish\" to be stop or length, found 'eos'"),
        ('{"case":"s::a","reply":"","finish":0}', 's::a: expected "finish" to be stop or length, found 0'),
        ('{"case":"s::a","reply":"","request":5}', 's::a: expected "request" to be a digest, found 5'),
        ('{"kind":"reply","case":"s::a","reply":""}', "expected \"kind\" to be that of a run log, found 'reply'"),
        ('{"kind":[],"case":"s::a","reply":""}', 'expected "kind" to be that of a run log, found []'),
    ],
)  # fmt: skip
def test_lines_that_are_no_reply(tmp_path: Path, line: str, problem: str) -> None:
    """Each is refused with its file and line, what was expected and what was found."""
    with pytest.raises(UsageError) as caught:
        replay(tmp_path, GOOD, line)
    expected = f"the replay file cannot be used:\n{tmp_path}/r.jsonl:2: {problem}"
    assert str(caught.value) == expected


def test_two_replies_to_one_case(tmp_path: Path) -> None:
    """The same twice is once; another one is refused."""
    assert answer(replay(tmp_path, GOOD, GOOD)).text == "Hi."
    with pytest.raises(UsageError) as caught:
        replay(tmp_path, GOOD, "", '{"case":"s::a","reply":"Ho."}')
    assert str(caught.value) == (
        f"the replay file cannot be used:\n{tmp_path}/r.jsonl:3: "
        "s::a has another reply in line 1; keep one of them"
    )


def test_many_problems_are_counted(tmp_path: Path) -> None:
    """The first ten are shown, the others counted."""
    with pytest.raises(UsageError) as caught:
        replay(tmp_path, *["x"] * 13)
    lines = str(caught.value).split("\n")
    assert (len(lines), lines[-1]) == (12, "… and 3 more")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Missing, a folder, or bytes that are no text: one sentence each."""
    path = tmp_path / "r.jsonl"
    for name, why in ((path, "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(UsageError) as caught:
            Replay.read(str(name))
        assert str(caught.value) == f"replay file {name}: cannot be read: {why}"
    path.write_bytes(b"{\xff")
    with pytest.raises(UsageError) as caught:
        Replay.read(str(path))
    assert str(caught.value) == f"replay file {path}: not UTF-8 at byte 1"


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    """Editors write one."""
    path = tmp_path / "r.jsonl"
    path.write_text(GOOD, encoding="utf-8-sig")
    assert answer(Replay.read(str(path))).text == "Hi."


def test_a_log_of_a_run_that_did_not_finish(tmp_path: Path) -> None:
    """Its last line may be cut off; the label says what it is. A replay file's may not."""
    head, end = '{"kind":"run"}', '{"kind":"end"}'
    backend = replay(tmp_path, head, GOOD, GOOD[:-5], end="")
    assert answer(backend).text == "Hi."
    path = tmp_path / "r.jsonl"
    assert backend.label == f"replay:{path} (replies from a run that did not finish)"
    assert replay(tmp_path, head, GOOD, end).label == f"replay:{path} (replies from a file)"
    assert replay(tmp_path, GOOD).label == f"replay:{path} (replies from a file)"
    with pytest.raises(UsageError):
        replay(tmp_path, head, GOOD[:-5])
    with pytest.raises(UsageError):
        replay(tmp_path, GOOD, GOOD[:-5], end="")


def test_the_fingerprint_is_the_contents(tmp_path: Path) -> None:
    """It changes when the file does, and with nothing else."""
    one = replay(tmp_path, GOOD).fingerprint
    assert replay(tmp_path, GOOD).fingerprint == one
    assert replay(tmp_path, GOOD, "").fingerprint != one
