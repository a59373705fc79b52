"""Hostile input: a refusal that names its place, or a verdict; no traceback, no driven terminal."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from harness.__main__ import main
from harness.backends.replay import Replay

HEAD = """\
spec: desk
tools:
  - {name: find, parameters: {query: {type: string}}}
  - {name: book, parameters: {room: {type: integer}}}
"""
ONE = f"{HEAD}cases:\n  - {{id: a, prompt: hi, expect: find}}\n"
FIND = "<start_function_call>call:find{query:<escape>x<escape>}<end_function_call>"
ALONE = ("-p", "no:cacheprovider")


def quiet(ran: Any) -> str:
    """What a process wrote, which must hold no traceback and nothing that drives a terminal."""
    said = str(ran.out + ran.err)
    assert "Traceback" not in said
    assert "INTERNALERROR" not in said
    assert [c for c in said if not c.isprintable() and c != "\n"] == []
    return said


def replay(project: Any, **replies: str) -> None:
    """The replay file for cases of the spec `desk`."""
    lines = [json.dumps({"case": f"desk::{case}", "reply": text}) for case, text in replies.items()]
    project.write("replies.jsonl", "\n".join([*lines, ""]))


def run(project: Any, *args: str) -> Any:
    """`callgate run`."""
    return project.python("-m", "harness", "run", *args)


def found(project: Any) -> dict[str, str]:
    """Case → its miss, or its outcome, in the last run's log."""
    verdicts = [line for line in project.log() if line["kind"] == "verdict"]
    return {line["case"].partition("::")[2]: line["miss"] or line["outcome"] for line in verdicts}


FILES: dict[str, tuple[str | bytes, str]] = {
    "bell": (HEAD + "cases: [{id: a, prompt: h\x07i, expect: find}]\n", "5:26: "),
    "bomb": (
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n"
            for a, b in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        "7:8: the aliases of this file stand for more than",
    ),
    "brackets": ("[" * 100_000, "1:65: lists and mappings are more than 64 deep"),
    "endless": (HEAD + "cases: &c\n  - *c\n", "6:5: the alias '*c' is inside"),
    "latin": (ONE.replace("hi", "h\xe9").encode("latin-1"), "6:22: the byte 0xe9 is not UTF-8"),
    "nothing": ("", "1:1: the file is empty"),
    "python": (HEAD + 'cases:\n  - !!python/object/apply:os.system ["true"]\n', "6:5: the tag"),
    "two": (ONE + "---\n" + ONE, "7:1: a second document"),
    "wide": (ONE.encode("utf-16"), "1:1: is UTF-16"),
}


def test_every_hostile_file_is_refused_at_its_place(project: Any) -> None:
    """Bombs, 100,000 brackets, odd bytes, tags: one run names them all, and runs none of them."""
    for name, (content, _) in FILES.items():
        data = content if isinstance(content, bytes) else content.encode()
        project.write(f"specs/{name}.spec.yaml", "").write_bytes(data)
    ran = run(project)
    said = quiet(ran)
    assert ran.code == 2
    for name, (_, place) in FILES.items():
        assert f"specs/{name}.spec.yaml:{place}" in said


@pytest.mark.parametrize("kind", ["crlf", "cr", "mark"])
def test_line_ends_and_a_byte_order_mark_change_no_verdict(project: Any, kind: str) -> None:
    """Spec, tools and replies from an editor of another system are read as they look."""
    tools = json.dumps([{"name": "find", "parameters": {"query": {"type": "string"}}}], indent=1)
    texts = {
        "specs/desk.spec.yaml": f"tools: tools.json\n{ONE.removeprefix(HEAD)}",
        "specs/tools.json": tools,
        "replies.jsonl": json.dumps({"case": "desk::a", "reply": FIND}) + "\n",
    }
    for name, text in texts.items():
        # replay files are JSON lines, which no editor of today ends with a lone CR
        end = "\r" if kind == "cr" and name != "replies.jsonl" else "\r\n"
        changed = f"\ufeff{text}" if kind == "mark" else text.replace("\n", end)
        project.write(name, "").write_bytes(changed.encode())
    ran = run(project)
    assert (ran.code, found(project)) == (0, {"a": "pass"})


def test_escapes_reach_neither_terminal_nor_report(project: Any) -> None:
    """Controls, right-to-left marks and surrogates of prompt and reply are shown as escapes."""
    prompt = r'"h\e[31mi \x9b2J \u202e \a"'
    project.write("specs/desk.spec.yaml", ONE.replace("hi", prompt))
    replay(project, a="\x1b]0;x\x07 \x9b31m \u202e \x00 \ud800 \r\n")
    for ran in (
        run(project),
        project.python("-m", "harness", "show", "desk::a"),
        project.pytest(*ALONE, "-v", "-rA", "--junitxml=report.xml", "specs"),
        project.pytest(*ALONE, "-k", "a and not gate", "specs"),
    ):
        assert ran.code == 1
        assert r"\x1b]0;x\x07" in quiet(ran)
    assert len(list(ElementTree.parse(project.root / "report.xml").iter("testcase"))) == 2
    again = run(project, "--model", "replay:.callgate/last-run.jsonl")
    assert (again.code, found(project)) == (1, {"a": "no_call"})


def test_no_reference_is_fetched(project: Any) -> None:
    """A schema that points at a server is refused at its place, and the server is not asked."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/schema.json"
        tool = f"- {{name: find, parameters: {{query: {{$ref: '{url}'}}}}}}"
        match = f"{{find: {{query: {{$schema: {{$ref: '{url}'}}}}}}}}"
        text = HEAD.replace("- {name: find, parameters: {query: {type: string}}}", tool)
        project.write("specs/a.spec.yaml", f"{text}cases:\n  - {{prompt: hi, expect: book}}\n")
        project.write("specs/b.spec.yaml", f"{HEAD}cases:\n  - {{prompt: hi, expect: {match}}}\n")
        ran = run(project)
        with pytest.raises(BlockingIOError):
            server.accept()
    said = quiet(ran)
    assert ran.code == 2
    assert (
        f"specs/a.spec.yaml:3:45: tool find, parameters.query.$ref: '$ref' leads to '{url}'" in said
    )
    assert "specs/b.spec.yaml:6:58: case " in said


def test_schemas_that_refer_to_themselves(project: Any) -> None:
    """Through `properties` they are judged; without end they are refused."""
    node = "{anyOf: [{type: integer}, {type: object, properties: {x: {$ref: '#/$defs/n'}}}]}"
    tree = f"{{type: object, properties: {{x: {{$ref: '#/$defs/n'}}}}, $defs: {{n: {node}}}}}"
    spec = "spec: desk\ntools:\n  - name: find\n    parameters: {}\ncases:\n{}"
    case = "  - {id: a, prompt: hi, expect: find}\n"
    project.write("specs/desk.spec.yaml", spec.replace("{}", tree, 1).replace("{}", case))
    replay(project, a=FIND.replace("query:<escape>x<escape>", f"x:{'{x:' * 40}1{'}' * 40}"))
    assert (run(project).code, found(project)) == (0, {"a": "pass"})
    for endless in ("{x: {$ref: '#/properties/x'}}", "{x: {$ref: '#/$defs/n'}}"):
        loop = f"{{type: object, properties: {endless}, $defs: {{n: {{$ref: '#/properties/x'}}}}}}"
        project.write("specs/desk.spec.yaml", spec.replace("{}", loop, 1).replace("{}", case))
        ran = run(project)
        assert ran.code == 2
        assert "specs/desk.spec.yaml:4:" in quiet(ran)
        assert "the schema refers to itself without end" in ran.err


def test_a_runaway_pattern_costs_its_case_alone(project: Any) -> None:
    """In a tool's schema it is an error with a reason; the other case is judged."""
    room = "{room: {type: string, pattern: (x+x+)+y}}"
    tools = HEAD.replace("{room: {type: integer}}", room)
    book, find = (f"  - {{id: {n}, prompt: Q {n}, expect: {n}}}\n" for n in ("book", "find"))
    project.write("specs/desk.spec.yaml", f"{tools}cases:\n{book}{find}")
    replay(
        project, book=FIND.replace("find{query", "book{room").replace("x", "x" * 2_000), find=FIND
    )
    ran = run(project)
    assert "the pattern '(x+x+)+y' runs away: no answer within 1 s" in quiet(ran)
    assert (ran.code, found(project)) == (3, {"book": "error", "find": "pass"})


def test_hostile_lists_of_tools_are_refused_at_their_place(project: Any) -> None:
    """Deep, doubled, cut or foreign lists, and paths that lead nowhere: one run names them all."""
    contents = {
        "deep": "[" * 100_000 + "]" * 100_000,
        "doubled": '[{"name": "find", "name": "book"}]',
        "empty": "",
        "half": "[{",
        "lone": r'[{"name": "find", "description": "\ud800"}]',
        "mapping": '{"name": "find"}',
        "nested": '["other.json"]',
        "zero": r'[{"name": "find\u0000"}]',
    }
    for name, content in contents.items():
        project.write(f"specs/{name}.json", content)
    (project.root / "specs/loop.json").symlink_to("loop.json")
    names = [f"{name}.json" for name in contents]
    nowhere = ["loop.json", ".", "''", r"sub\tools.json", r"C:\tools.json", "https://host/t.json"]
    nowhere += ["x" * 5_000, r'"a\0b"', r'"a\e[31m"']
    for number, name in enumerate([*names, *nowhere]):
        case = "cases:\n  - {id: a, prompt: hi, expect: no_call}\n"
        project.write(f"specs/s{number:02}.spec.yaml", f"tools: {name}\n{case}")
    ran = run(project)
    said = quiet(ran)
    assert ran.code == 2
    assert [name for name in names if f"specs/{name}:1:" not in said] == []
    refused = [f"specs/s{number:02}.spec.yaml:1:8: tools: " for number in range(8, 17)]
    assert [place for place in refused if place not in said] == []


def test_every_bad_line_of_a_replay_file_is_named(project: Any) -> None:
    """Foreign, cut and mistyped lines are refused together; equal ones may stand twice."""
    project.write("specs/desk.spec.yaml", ONE)
    good = json.dumps({"case": "desk::a", "reply": FIND})
    bad = [
        "\0",
        '{"case": "desk::b", "rep',
        "[1]",
        '{"case": "desk::b", "reply": 5}',
        '{"case": "desk::b", "reply": "", "finish": ["stop"]}',
        '{"kind": "weather", "case": "desk::b", "reply": ""}',
        "[" * 100_000,
        f'{{"case": "desk::b", "reply": "", "more": {"9" * 5_000}}}',
        '{"case": "desk::a", "reply": "another"}',
    ]
    project.write("replies.jsonl", f"{good}\r\n\r\n{good}\r\n")
    assert run(project).code == 0
    project.write("replies.jsonl", "\n".join([good, *bad, ""]))
    ran = run(project)
    said = quiet(ran)
    assert ran.code == 2
    assert [n for n in range(2, 11) if f"replies.jsonl:{n}: " not in said] == []


def test_a_log_cut_anywhere_replays_what_it_holds(project: Any) -> None:
    """Whole lines answer as before, and a log without its end says so, wherever it was cut."""
    project.desk("id: a, expect: find", "id: b, expect: book")
    project.answers(a="find", b="no { idea \ud83d")
    run(project)
    file = project.root / ".callgate/last-run.jsonl"
    content = file.read_bytes()
    whole = Replay.read(str(file)).lines
    first = content.index(b"\n") + 1
    for end in range(first, len(content) - 1, 7):
        file.write_bytes(content[:end])
        cut = Replay.read(str(file))
        assert cut.cut_off
        assert [(c, line.reply) for c, line in cut.lines.items()] == [
            (c, line.reply) for c, line in whole.items() if c in cut.lines
        ]


@pytest.mark.parametrize(
    "given",
    [
        "--min-pass-rate=nan",
        "--min-pass-rate=1.0000001",
        "--min-pass-rate=-0.1",
        "--min-pass-rate=½",
        "--min-pass-rate=50%",
        "--min-pass-rate=\x1b[31m",
        "--allow-regressions=-1",
        f"--allow-regressions={'9' * 5_000}",
        "--max-new-tokens=0",
        "--split=TEST",
        "--model=",
        "--baseline= ",
    ],
)
def test_an_option_that_cannot_be_is_named(
    desk: Any, given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The flag, what it takes, what was found; exit code 2 before anything is read."""
    monkeypatch.chdir(desk.root)
    flag = given.partition("=")[0]
    assert main(["run", given]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"{flag}: expected ")
    assert [c for c in said.err if not c.isprintable() and c != "\n"] == []


def test_what_is_no_file_is_no_spec(project: Any) -> None:
    """A folder and a pipe of such a name are passed over by both commands.

    A link that leads nowhere is a spec that somebody misses, to `callgate run`; pytest shows its
    plugins no such entry.
    """
    project.write("specs/desk.spec.yaml", ONE)
    replay(project, a=FIND)
    (project.root / "specs/folder.spec.yaml").mkdir()
    os.mkfifo(project.root / "specs/pipe.spec.yaml")
    ran, tested = run(project), project.pytest(*ALONE, "specs")
    assert (ran.code, tested.code, tested.counts) == (0, 0, "2 passed")
    asked = run(project, "specs/pipe.spec.yaml")
    assert (asked.code, asked.err) == (2, "specs/pipe.spec.yaml:1:1: is not a regular file\n")
    for name, said in (
        ("gone", "specs/link.spec.yaml is a link that leads nowhere.\n"),
        (
            "link.spec.yaml",
            "'specs/link.spec.yaml' cannot be read: Too many levels of symbolic links.\n",
        ),
    ):
        (project.root / "specs/link.spec.yaml").symlink_to(name)
        linked = run(project)
        assert (linked.code, linked.err) == (2, said)
        (project.root / "specs/link.spec.yaml").unlink()


def test_ids_that_differ_in_case_are_two_cases(project: Any) -> None:
    """Items, replies and the log keep them apart, and `Gate` is not the gate."""
    project.desk("id: a, expect: find", "id: A, expect: find", "id: Gate, expect: find")
    project.answers(a="find", A="book", Gate="find")
    ran = project.pytest(*ALONE, "-v", "specs")
    assert ran.counts == "3 passed, 1 xfailed"
    assert "specs/desk.spec.yaml::A XFAIL" in ran.out
    assert found(project) == {"a": "pass", "A": "wrong_tool", "Gate": "pass"}


def test_tags_named_as_marks_of_pytest_decide_nothing(project: Any) -> None:
    """Warnings as errors, strict markers: the tags are labels, whatever else they mean."""
    marks = ("parametrize", "usefixtures", "filterwarnings", "tryfirst", "skip", "skipif", "xfail")
    project.desk(*(f"id: {mark}, expect: find, tags: [{mark}]" for mark in marks))
    project.answers(**dict.fromkeys(marks, "find"))
    ran = project.pytest(*ALONE, "-W", "error", "--strict-markers", "specs")
    assert (ran.code, ran.counts) == (0, "8 passed")


def test_a_conftest_that_reorders_or_drops_items(project: Any) -> None:
    """Whoever takes a case away leaves no gate to pass; whoever shuffles changes nothing."""
    project.desk("id: a, expect: find", "id: b, expect: book", "id: c, expect: find")
    project.answers(a="find", b="book", c="book")
    hook = "def pytest_collection_modifyitems(items):\n    "
    project.write("specs/conftest.py", f"{hook}items.reverse()\n")
    turned = project.pytest(*ALONE, "-v", "specs")
    assert (turned.code, turned.counts) == (0, "3 passed, 1 xfailed")
    project.write("specs/conftest.py", f"{hook}del items[0]\n")
    robbed = project.pytest(*ALONE, "-v", "specs")
    assert (robbed.code, robbed.counts) == (1, "1 failed, 1 passed, 1 skipped")
    assert "2 of 3 selected" in robbed.out


def test_the_gate_first_or_an_unknown_case(desk: Any) -> None:
    """Node ids in any order ask the gate; one that is not there is pytest's usage error."""
    file = "specs/desk.spec.yaml"
    ids = [f"{file}::{name}" for name in ("gate", "d", "c", "b", "a")]
    ran = desk.pytest(*ALONE, *ids)
    assert (ran.code, ran.counts) == (1, "1 failed, 2 passed, 2 xfailed")
    unknown = desk.pytest(*ALONE, f"{file}::nope")
    assert unknown.code == 4
    assert f"{file}::nope" in quiet(unknown)


def test_each_worker_running_everything_logs_it_once(desk: Any) -> None:
    """`--dist=each` doubles pytest's counts, and neither the log nor the gate's numbers."""
    pytest.importorskip("xdist")
    ran = desk.pytest(*ALONE, "-n", "2", "--dist=each", "--gate-run-log", "each.jsonl", "specs")
    assert (ran.code, ran.counts) == (1, "2 failed, 4 passed, 4 xfailed")
    assert [line["kind"] for line in desk.log("each.jsonl")] == ["run", *["verdict"] * 4, "end"]


@pytest.mark.parametrize("option", ["--baseline", "--model", "--run-log"])
def test_a_name_that_is_too_long_is_bad_usage(desk: Any, option: str) -> None:
    """The file system's refusal is the message, whatever the file was for."""
    name = "x" * 300
    ran = run(desk, option, f"replay:{name}" if option == "--model" else name)
    assert ran.code == 2
    assert "File name too long" in quiet(ran)


def test_a_project_file_that_cannot_be_read_is_bad_usage(project: Any) -> None:
    """Deep, foreign or mistyped settings are refused with the file's name."""
    project.write("specs/desk.spec.yaml", ONE)
    for text in (
        "[tool.callgate]\nmin-pass-rate = nan\n",
        "[tool.callgate]\nmin_pass_rate = 0.5\n",
        "[tool]\ncallgate = 1\n",
        f"[tool.callgate]\nx = {'[' * 100_000}\n",
    ):
        file: Path = project.write("pyproject.toml", text)
        ran = run(project)
        assert (ran.code, ran.out) == (2, "")
        assert quiet(ran).startswith(f"{file.name}: ")
