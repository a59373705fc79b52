"""`callgate-report` as a real process: what a user types, what comes back, with which code."""

# ruff: noqa: E501 - what a user sees stands here as it is seen

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from reports.__main__ import main


@pytest.fixture(scope="module")
def made(new_project: Callable[[], Any]) -> Any:
    """A project with three logs of the spec `desk`: 1 of 4, 2 of 4 and 0 of 4; its gate asks for 2."""
    project = new_project()
    project.desk(
        "id: a, expect: find, clause: finding",
        "id: b, expect: book, clause: rooms, critical: false",
        "id: c, expect: find, clause: finding",
        "id: d, expect: book, clause: rooms",
        head="gate: {pass_rate: 0.5}\nclauses: {rooms: Rooms are booked., finding: Plans are found.}",
    )
    answers = {
        "before": {"a": "find", "b": "Which room?", "c": "book", "d": "Which room?"},
        "after": {"a": "book", "b": "book", "c": "find", "d": "Which room?"},
        "worse": {"a": "book", "b": "No.", "c": "book", "d": "No."},
    }
    for name, replies in answers.items():
        project.answers(**replies)
        project.python("-m", "harness", "run", "specs", "--run-log", f"{name}.jsonl")
    return project


@pytest.fixture
def project(made: Any, tmp_path: Path) -> Any:
    """A copy of it, of the test's own."""
    shutil.copytree(made.root, tmp_path / "project")
    return type(made)(tmp_path / "project")


@dataclass(frozen=True)
class Told:
    """What a run of the command came to."""

    code: int
    out: str
    err: str


def report(project: Any, *arguments: str) -> Told:
    """Run the command in the project; in this process, which is what a real one does faster."""
    out, err = StringIO(), StringIO()
    with chdir(project.root), redirect_stdout(out), redirect_stderr(err):
        try:
            code = main(arguments)
        except SystemExit as ended:  # argparse's own way out
            code = int(ended.code or 0)
    return Told(code, out.getvalue(), err.getvalue())


def refused(project: Any, *arguments: str) -> str:
    """Run the command; it must end with 2, print nothing, and say why: that is given back."""
    ran = report(project, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "Traceback" not in ran.err
    return str(ran.err)


def without_times(text: str) -> str:
    """The text without the start of runs."""
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", text)


COMPARED = """\
Not distinguishable with 4 cases; about 92 would show a difference of this size:
1 → 2 of 4 on test (2 fixed, 1 broken, exact McNemar p = 1); the gate of desk
(at least 2 of 4) is met.

- argument values are not judged, only whether they fit the tool's schema: desk
- 4 cases and one run: the true rate may be anywhere in 15–85 %

before: replay:replies.jsonl (replies from a file), TIME,
        before.jsonl
after:  replay:replies.jsonl (replies from a file), TIME,
        after.jsonl
split:  test

desk

        cases  passed  rate  95 % interval  needed  gate
------  -----  ------  ----  -------------  ------  -------
before      4       1  25 %         5–70 %       2  NOT MET
after       4       2  50 %        15–85 %       2  met

difference: +25 percentage points (95 % interval -46 to +75)
misses before: 2 no_call, 1 wrong_tool
misses after: 1 no_call, 1 wrong_tool
tool accuracy 25 % (n 4) → 50 % (n 4), valid calls 100 % (n 2) → 100 % (n 3)

clause   before  after  rate  interval  fixed  broken
-------  ------  -----  ----  --------  -----  ------
rooms       0/2    1/2  50 %    9–91 %      1       0
finding     1/2    1/2  50 %    9–91 %      1       1

tool  before  after  rate  interval  fixed  broken
----  ------  -----  ----  --------  -----  ------
find     1/2    1/2  50 %    9–91 %      1       1
book     0/2    1/2  50 %    9–91 %      1       0

clauses without a case that expects no call: rooms, finding

1 case broken: passed before, misses now:
specs/desk.spec.yaml:9 a: pass → wrong_tool
    expected find, got book

1 case still missing, as before:
specs/desk.spec.yaml:12 d: no_call
    expected book, got text: 'Which room?'

2 cases fixed: missed before, pass now:
specs/desk.spec.yaml:10 b: no_call → pass
specs/desk.spec.yaml:11 c: wrong_tool → pass
"""


def test_a_comparison(project: Any) -> None:
    """`RUN --against RUN` prints the report and ends with 0, whatever it says."""
    ran = project.python("-m", "reports", "after.jsonl", "--against", "before.jsonl")
    assert (without_times(ran.out), ran.err, ran.code) == (COMPARED, "", 0)


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("r.md", "## desk: two runs compared\n"),
        ("r.html", "<!doctype html>"),
        ("r.JSON", '{\n"schema": 1,\n"title": "desk: two runs compared",\n'),
        ("r.txt", "Not distinguishable with 4 cases"),
        ("report", "Not distinguishable with 4 cases"),
        ("new/folder/r.md", "## desk: two runs compared\n"),
    ],
)
def test_the_name_of_a_file_says_the_format(project: Any, name: str, start: str) -> None:
    """`-o` writes the report, makes its folder, prints nothing, and leaves nothing beside it."""
    ran = report(project, "after.jsonl", "--against", "before.jsonl", "-o", name)
    assert (ran.out, ran.err, ran.code) == ("", "", 0)
    file = project.root / name
    assert file.read_text("utf-8").lower().startswith(start.lower())
    assert [other.name for other in file.parent.iterdir() if other.name.endswith(".part")] == []


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("terminal", "Not distinguishable with 4 cases"),
        ("markdown", "## desk: two runs compared\n"),
        ("html", "<!doctype html>"),
        ("json", '{\n"schema": 1,\n'),
        ("github", "::error file=specs/desk.spec.yaml,line="),
    ],
)
def test_every_format_can_be_asked_for(project: Any, name: str, start: str) -> None:
    """`--format` wins over the name of the file, and prints where no file is named."""
    arguments = ("worse.jsonl", "--against", "before.jsonl", "--format", name)
    printed = report(project, *arguments)
    assert (printed.err, printed.code) == ("", 0)
    report(project, *arguments, "-o", "r.md")
    written = (project.root / "r.md").read_text("utf-8")
    assert written.lower().startswith(start.lower()) or name == "terminal"
    assert printed.out == written


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("after.jsonl", "--against", "before.jsonl", "--fail-on", "regression"),
         "--fail-on regression: 1 case passed before and misses now: desk::a\n"),
        (("after.jsonl", "--against", "before.jsonl", "--fail-on", "worse"), ""),
        (("after.jsonl", "--against", "worse.jsonl", "--fail-on", "regression"), ""),
        (("worse.jsonl", "--against", "after.jsonl", "--fail-on", "regression"),
         "--fail-on regression: 2 cases passed before and miss now: desk::b, desk::c\n"),
        (("worse.jsonl", "--against", "after.jsonl", "--fail-on", "worse"),
         "--fail-on worse: desk: the gate was met and is no longer\n"),
        (("worse.jsonl", "--against", "before.jsonl", "--fail-on", "worse"), ""),
    ],
)  # fmt: skip
def test_fail_on(project: Any, arguments: tuple[str, ...], complaint: str) -> None:
    """1 where a case is broken, or where a spec is worse or its gate lost; the report comes all the same."""
    ran = report(project, *arguments)
    assert (ran.err, ran.code) == (complaint, 1 if complaint else 0)
    assert ran.out


def test_what_breaks_a_run_is_a_regression(project: Any) -> None:
    """A case that passed is lost too where it is an error now, or the run ended before it."""
    lines = project.log("after.jsonl")
    lines[2] |= {"outcome": "error", "reply": None, "miss": None, "reason": "no reply"}
    project.write("error.jsonl", "".join(f"{json.dumps(line)}\n" for line in lines))
    project.write("cut.jsonl", "".join(f"{json.dumps(line)}\n" for line in lines[:3]))
    asked = ("--against", "after.jsonl", "--fail-on", "regression")
    assert report(project, "error.jsonl", *asked).err == (
        "--fail-on regression: 1 case passed before and is an error now: desk::b\n"
    )
    assert report(project, "cut.jsonl", *asked).err == (
        "--fail-on regression: 1 case passed before and is an error now: desk::b\n"
        "--fail-on regression: 1 case passed before and was not reached now: desk::c\n"
    )


def test_nothing_compared_is_never_good(project: Any) -> None:
    """A run of other cases, of errors or of skips alone, or of a part of the cases, fails."""
    first, *verdicts, end = project.log("after.jsonl")
    for name, changed in (
        ("other", [line | {"case": f"{line['case']}-2"} for line in verdicts]),
        ("errors", [line | {"outcome": "error", "miss": None} for line in verdicts]),
        ("skips", [line | {"outcome": "skip", "miss": None} for line in verdicts]),
    ):
        lines = [first, *changed, end]
        project.write(f"{name}.jsonl", "".join(f"{json.dumps(line)}\n" for line in lines))
        for asked in ("regression", "worse"):
            ran = report(project, f"{name}.jsonl", "--against", "after.jsonl", "--fail-on", asked)
            assert ran.code == 1
            nothing = "no case was judged both times, so nothing was compared"
            assert ran.err.splitlines()[0] == f"--fail-on {asked}: {nothing}"
    part = [first, verdicts[0], end]
    project.write("part.jsonl", "".join(f"{json.dumps(line)}\n" for line in part))
    ran = report(project, "part.jsonl", "--against", "after.jsonl", "--fail-on", "regression")
    assert (ran.code, "not reached now" in ran.err) == (1, True)


def test_worse_beyond_chance(project: Any) -> None:
    """Six cases lost and none won is worse, whatever the gate says."""
    project.desk(*(f"id: q{n}, expect: find" for n in range(6)), head="gate: {pass_rate: 0}")
    for name, reply in (("good", "find"), ("bad", "book")):
        project.answers(**{f"q{n}": reply for n in range(6)})
        project.python("-m", "harness", "run", "specs", "--run-log", f"{name}.jsonl")
    ran = report(project, "bad.jsonl", "--against", "good.jsonl", "--fail-on", "worse")
    assert ran.code == 1
    assert ran.err.startswith("--fail-on worse: desk: worse: 6 → 0 of 6 (0 fixed, 6 broken, ")
    better = report(project, "good.jsonl", "--against", "bad.jsonl", "--fail-on", "worse")
    assert (better.code, better.err) == (0, "")


def test_fail_on_without_anything_to_compare_with(project: Any) -> None:
    """Nothing can be worse than nothing: bad usage, and no report."""
    assert refused(project, "after.jsonl", "--fail-on", "worse") == (
        "--fail-on worse: there is nothing to compare with: add --against RUN, or name the folder "
        "of a training run\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("after.jsonl", "-o", "after.jsonl"),
         "-o after.jsonl: the report is made from this file; name another file\n"),
        (("after.jsonl", "--against", "before.jsonl", "-o", "./before.jsonl"),
         "-o ./before.jsonl: the report is made from this file; name another file\n"),
        (("tuned", "-o", "tuned/before.jsonl"),
         "-o tuned/before.jsonl: the report is made from this file; name another file\n"),
        (("tuned", "-o", "tuned/history.jsonl"),
         "-o tuned/history.jsonl: the report is made from this file; name another file\n"),
        (("after.jsonl", "-o", "worse.jsonl"),
         "-o worse.jsonl: this file is there and is a run log; name another file\n"),
        (("after.jsonl", "-o", "specs/desk.spec.yaml"),
         "-o specs/desk.spec.yaml: this file is there and is a spec; name another file\n"),
        (("after.jsonl", "-o", "specs"), "specs: cannot be written: Is a directory\n"),
        (("after.jsonl", "-o", ""), "-o: expected the name of a file, found ''\n"),
        (("after.jsonl", "-o", "after.jsonl/r.md"),
         "after.jsonl/r.md: cannot be written: Not a directory\n"),
        (("after.jsonl", "-o", "\x1b[2J/" + "x" * 300),
         f"\\x1b[2J/{'x' * 300}: cannot be written: File name too long\n"),
    ],
)  # fmt: skip
def test_what_a_report_may_not_replace(
    project: Any, arguments: tuple[str, ...], message: str
) -> None:
    """What it is made from, another log and a spec stay; a path that cannot be is told."""
    folder = project.root / "tuned"
    folder.mkdir()
    for name in ("before.jsonl", "after.jsonl"):
        shutil.copy(project.root / name, folder)
    (folder / "history.jsonl").write_text("")
    before = {path: path.read_bytes() for path in project.root.rglob("*") if path.is_file()}
    assert refused(project, *arguments) == message
    assert before == {path: path.read_bytes() for path in project.root.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("arguments", "end"),
    [
        ((), "callgate-report: error: the following arguments are required: RUN\n"),
        (("after.jsonl", "--format", "pdf"),
         "callgate-report: error: argument --format: invalid choice: 'pdf' (choose from 'terminal', 'markdown', 'html', 'json', 'github')\n"),
        (("after.jsonl", "--fail-on", "x"),
         "callgate-report: error: argument --fail-on: invalid choice: 'x' (choose from 'regression', 'worse')\n"),
        (("after.jsonl", "before.jsonl"),
         "callgate-report: error: unrecognized arguments: before.jsonl\n"),
        (("bless", "after.jsonl"),
         "callgate-report bless: error: the following arguments are required: -o/--output\n"),
        (("rescore", "after.jsonl"),
         "callgate-report rescore: error: the following arguments are required: --specs\n"),
    ],
)  # fmt: skip
def test_bad_usage(project: Any, arguments: tuple[str, ...], end: str) -> None:
    """How to use the command, and what was wrong."""
    found = refused(project, *arguments)
    assert found.startswith("usage: callgate-report")
    assert re.sub(r"choose from ([\w, ]+)\)", _quoted, found).endswith(end)


def _quoted(found: re.Match[str]) -> str:
    """Python 3.12 and later write the choices without quotes."""
    return f"choose from {', '.join(map(repr, found[1].split(', ')))})"


def test_runs_that_are_none(project: Any) -> None:
    """A missing file, an empty one, a folder and a spec: a sentence each, and never a traceback."""
    project.write("empty.jsonl", "")
    for name in ("nowhere.jsonl", "empty.jsonl", "specs", "specs/desk.spec.yaml", "", "a\n\x1b[2J"):
        found = refused(project, name)
        assert found.isprintable() or found.count("\n") == 1, name
        assert found.replace("\n", "").isprintable()
        assert refused(project, "after.jsonl", "--against", name).count("\n") == 1


def test_a_split_without_cases(project: Any) -> None:
    """A split is asked for by its name, and must have been judged."""
    assert report(project, "after.jsonl", "--split", "test").code == 0
    assert "train" in refused(project, "after.jsonl", "--split", "train")


def test_a_blessed_run_is_a_baseline_and_a_run(project: Any) -> None:
    """`bless` writes what the gate reads, and what a report compares with."""
    ran = report(project, "bless", "after.jsonl", "-o", "specs/baseline.jsonl")
    assert (ran.out, ran.err, ran.code) == (
        "specs/baseline.jsonl: 4 cases, of which 2 passed\n", "", 0,
    )  # fmt: skip
    compared = report(
        project, "worse.jsonl", "--against", "specs/baseline.jsonl", "--fail-on", "regression"
    )
    assert compared.code == 1
    assert "desk::b, desk::c" in compared.err
    assert refused(project, "bless", "worse.jsonl", "-o", "other.jsonl") == (
        "worse.jsonl: not blessed:\n"
        "  desk: gate not met: 0 of 4 passed; the gate asks for a rate of 0.5: at least 2\n"
        "--force REASON blesses it all the same, and keeps the reason.\n"
    )
    assert report(project, "bless", "worse.jsonl", "-o", "o.jsonl", "--force", "a start").code == 0


def test_rescoring(project: Any) -> None:
    """`rescore` judges the stored replies by today's specs, and can write a log of it."""
    spec = project.root / "specs" / "desk.spec.yaml"
    spec.write_text(spec.read_text().replace("id: a, expect: find", "id: a, expect: book"))
    ran = report(project, "rescore", "after.jsonl", "--specs", "specs", "--run-log", "new.jsonl")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(
        "after.jsonl, judged again by 1 spec\n"
        "4 replies judged again: 1 verdict changed\n"
        "  specs/desk.spec.yaml:9 desk::a: wrong_tool → pass: it was: expected find, got book\n"
    )
    assert report(project, "new.jsonl", "--against", "after.jsonl").code == 0


def test_a_run_called_bless(project: Any) -> None:
    """A file with the name of a command is reached by its path."""
    shutil.copy(project.root / "after.jsonl", project.root / "bless")
    assert (
        report(project, "./bless").out == report(project, "--format", "terminal", "bless").out != ""
    )


def test_a_reader_that_leaves(project: Any) -> None:
    """`| head` ends the printing, and nothing else."""
    text = (project.root / "after.jsonl").read_text().splitlines()
    many = [text[1].replace("desk::a", f"desk::a{n}") for n in range(3000)]
    project.write("many.jsonl", "\n".join([text[0], *many, text[-1], ""]))
    command = f"{sys.executable} -m reports many.jsonl --format json | head -n 1"
    ran = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=project.root, capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (ran.stdout, ran.stderr, ran.returncode) == ("{\n", "", 0)


def test_nothing_heavy_is_imported(project: Any) -> None:
    """A report without train cases needs neither torch nor scikit-learn nor matplotlib nor pytest."""
    program = (
        "import sys; from reports.__main__ import main\n"
        "for name in sys.argv[1:]: assert main(['after.jsonl', '--format', name, '-o', 'r']) == 0\n"
        "heavy = {'torch', 'transformers', 'pytest', 'numpy', 'sklearn', 'matplotlib'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    ran = project.python("-c", program, "terminal", "markdown", "html", "json", "github")
    assert (ran.err, ran.code) == ("", 0)


def test_a_log_full_of_hostile_text(project: Any) -> None:
    """Script, escapes and commands in every text of a log: reports in every format, and nothing runs."""
    evil = "</script><script>alert(1)</script>\x1b[2J\n::error::x ##[group]y\ud800|`@octocat"

    def poisoned(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {k: poisoned(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [poisoned(one) for one in value]
        kept = key in ("kind", "outcome", "case", "spec", "split", "miss", "request")
        return value if kept or not isinstance(value, str) else evil

    lines = [json.dumps(poisoned(line)) for line in project.log("after.jsonl")]
    project.write("evil.jsonl", "\n".join([*lines, ""]))
    for name in ("terminal", "markdown", "json", "github", "html"):
        ran = report(project, "evil.jsonl", "--against", "before.jsonl", "--format", name)
        assert (ran.err, ran.code) == ("", 0)
        assert "\x1b" not in ran.out
        if name != "html":
            assert "##[" not in ran.out
            assert "\n::error::x" not in ran.out
        else:
            assert "<script>alert" not in ran.out


def test_deep_values_do_not_break_a_report(project: Any) -> None:
    """As deep as JSON can be read, so deep can it be reported."""
    lines = project.log("after.jsonl")
    text = json.dumps(lines[0])[:-1] + ', "generation": {"x": ' + "[" * 900 + "]" * 900 + "}}"
    project.write("deep.jsonl", "\n".join([text, *map(json.dumps, lines[1:]), ""]))
    for name in ("terminal", "markdown", "json", "github", "html"):
        ran = report(project, "deep.jsonl", "--format", name)
        assert (ran.err, ran.code) == ("", 0)


def test_a_terminal_that_lacks_the_letters(project: Any) -> None:
    """Where an encoding lacks a letter, its escape is printed."""
    ran = project.python("-m", "reports", "after.jsonl", env={"PYTHONIOENCODING": "ascii"})
    assert (ran.code, ran.err) == (0, "")
    assert "\\u2013" in ran.out


def test_help(project: Any) -> None:
    """The help names every format and both other commands."""
    text = report(project, "--help").out
    for word in (
        "terminal,markdown,html,json,github",
        "--against RUN",
        "bless RUN -o FILE",
        "rescore RUN --specs PATH",
    ):
        assert word in text
    assert report(project, "--version").out.startswith("callgate ")
