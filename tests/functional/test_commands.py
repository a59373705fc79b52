"""`callgate run`, `lint` and `show` as real processes."""

# ruff: noqa: E501 - what a user sees stands here as it is seen

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.options import NO_MODEL

ROOT = Path(__file__).parents[2]
Command = Callable[..., subprocess.CompletedProcess[str]]

SPEC = """\
spec: s
tools:
  - name: search
    parameters: {query: {type: string}}
  - name: stop
compare: arguments
gate: {pass_rate: 0.5}
cases:
  - {id: one, prompt: Find x., expect: {search: {query: x}}}
  - {id: two, prompt: Hello., expect: no_call}
  - {id: three, prompt: "Stop\\x1b[2J!", expect: stop, split: dev}
"""
GOOD = "<start_function_call>call:search{query:<escape>x<escape>}<end_function_call>"


def environment() -> dict[str, str]:
    """The environment without options of ours, at 80 columns."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("CALLGATE_")}
    return {**own, "COLUMNS": "80", "PYTHONPATH": str(ROOT)}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one spec and no model."""
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "s.spec.yaml").write_text(SPEC)
    return tmp_path


@pytest.fixture
def callgate(project: Path) -> Command:
    """Runs one command in the project."""

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "harness", *arguments],
            cwd=project,
            env=environment() | more,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def replay(project: Path) -> Callable[..., str]:
    """Writes a replay file of `id=reply` and gives the model that reads it."""

    def write(**replies: str) -> str:
        lines = [
            json.dumps({"case": f"s::{name}", "reply": text}) for name, text in replies.items()
        ]
        (project / "r.jsonl").write_text("".join(f"{line}\n" for line in lines))
        return "replay:r.jsonl"

    return write


@pytest.fixture
def guide(project: Path) -> Path:
    """The guide's spec and both of its recordings, in place of the other spec."""
    shutil.copy(ROOT / "specs" / "search_policy.spec.yaml", project / "specs")
    for name in ("before", "after"):
        shutil.copy(ROOT / "docs" / "replies" / f"guide-{name}.jsonl", project / f"{name}.jsonl")
    (project / "specs" / "s.spec.yaml").unlink()
    return project


AFTER = """\
model: replay:after.jsonl (replies from a file); split: test

spec             cases    passed    rate    95 % interval    needed  gate
-------------  -------  --------  ------  ---------------  --------  ------
search-policy       20        16    80 %          58–92 %        16  met

search-policy: 4 wrong_tool
tool accuracy 80 % (n 20), valid calls 100 % (n 20), TC-CER 0.165 (n 20)
argument values are not judged, only whether they fit the tool's schema: search-policy

specs/search_policy.spec.yaml:157 use-effect: wrong_tool: expected search_google, got search_knowledge_base
specs/search_policy.spec.yaml:187 dockerfile: wrong_tool: expected search_google, got search_knowledge_base
specs/search_policy.spec.yaml:217 git-undo: wrong_tool: expected search_google, got search_knowledge_base
specs/search_policy.spec.yaml:227 sql-windows: wrong_tool: expected search_google, got search_knowledge_base

run log: .callgate/last-run.jsonl
"""

BEFORE = """\
model: replay:before.jsonl (replies from a file); split: test

spec             cases    passed    rate    95 % interval    needed  gate
-------------  -------  --------  ------  ---------------  --------  -------
search-policy       20         2    10 %           3–30 %        16  NOT MET

search-policy: gate not met: 2 of 20 passed; the gate asks for a rate of 0.8: at least 16

search-policy: 15 no_call, 2 extra_call, 1 wrong_tool
tool accuracy 20 % (n 20), valid calls 100 % (n 5), TC-CER 0.793 (n 20)
argument values are not judged, only whether they fit the tool's schema: search-policy

specs/search_policy.spec.yaml:132 paystubs: no_call: expected search_knowledge_base, got text: 'I cannot assist with accessing or retrieving paystubs or other company …'
specs/search_policy.spec.yaml:137 list-comprehensions: no_call: expected search_google, got text: 'I cannot assist with programming or providing programming syntax inform…'
specs/search_policy.spec.yaml:142 floor-plan: extra_call: expected search_knowledge_base, got search_knowledge_base and search_google
specs/search_policy.spec.yaml:152 phishing: no_call: expected search_knowledge_base, got text: 'I cannot assist with providing instructions or procedures for reporting…'
specs/search_policy.spec.yaml:157 use-effect: no_call: expected search_google, got text: 'I am sorry, but I cannot assist with providing examples of using the `u…'
specs/search_policy.spec.yaml:162 vp-reports: extra_call: expected search_knowledge_base, got search_knowledge_base and search_google
specs/search_policy.spec.yaml:167 open-ports: no_call: expected search_google, got text: 'I cannot assist with listing or querying open ports on Linux servers. M…'
specs/search_policy.spec.yaml:172 slack-retention: no_call: expected search_knowledge_base, got text: 'I cannot assist with finding or recommending company policies or terms …'
specs/search_policy.spec.yaml:177 iphone-samsung: no_call: expected search_google, got text: 'I cannot assist with comparing device features or specifications. My cu…'
specs/search_policy.spec.yaml:182 expense-code: no_call: expected search_knowledge_base, got text: 'I can certainly assist with searching for expense codes. Could you plea…'
specs/search_policy.spec.yaml:187 dockerfile: no_call: expected search_google, got text: 'I am sorry, but I cannot assist with recommending best practices for wr…'
specs/search_policy.spec.yaml:192 monitor-request: no_call: expected search_knowledge_base, got text: 'I cannot assist with recommending or requesting hardware setup or confi…'
specs/search_policy.spec.yaml:197 xlookup: no_call: expected search_google, got text: 'I cannot assist with comparing or contrasting Google Sheets and VLOOKUP…'
specs/search_policy.spec.yaml:207 openai-release-notes: wrong_tool: expected search_google, got search_knowledge_base
specs/search_policy.spec.yaml:212 paris-hotels: no_call: expected search_knowledge_base, got text: 'I apologize, but I cannot assist with finding hotel partner information…'
specs/search_policy.spec.yaml:217 git-undo: no_call: expected search_google, got text: 'I cannot assist with managing or undoing Git repositories. My current c…'
specs/search_policy.spec.yaml:222 jira-project: no_call: expected search_knowledge_base, got text: 'I cannot assist with creating or managing Jira project processes. My cu…'
specs/search_policy.spec.yaml:227 sql-windows: no_call: expected search_google, got text: 'I cannot assist with tutorials or programming advice regarding SQL wind…'

run log: .callgate/last-run.jsonl
"""


@pytest.mark.usefixtures("guide")
def test_the_guides_replies_before_tuning(callgate: Command) -> None:
    """2 of 20 pass: the gate is not met, every miss has its line, and the exit code is 1."""
    done = callgate("run", "--model", "replay:before.jsonl")
    assert (done.stdout, done.stderr, done.returncode) == (BEFORE, "", 1)


@pytest.mark.usefixtures("guide")
def test_the_guides_replies_after_tuning(callgate: Command) -> None:
    """16 of 20 pass: the gate is met, its misses are listed all the same, the exit code is 0."""
    done = callgate("run", "--model", "replay:after.jsonl")
    assert (done.stdout, done.stderr, done.returncode) == (AFTER, "", 0)


def test_exit_codes_of_run(callgate: Command, replay: Callable[..., str]) -> None:
    """0 met, 1 not met, 2 bad usage or spec, 3 nothing judged or any error."""
    assert callgate("run", "--model", replay(one=GOOD, two="Hi.")).returncode == 0
    assert callgate("run", "--model", replay(one="No.", two=GOOD)).returncode == 1
    model = replay(one=GOOD, two=GOOD)
    assert callgate("run", "--model", model).returncode == 0
    assert callgate("run", "--model", model, "--min-pass-rate", "1").returncode == 1
    assert callgate("run").returncode == 2
    assert callgate("run", "--model", model, "--split", "tset").returncode == 2
    assert callgate("run", "--model", model, "nowhere").returncode == 2
    assert callgate("run", "--model", model, "--zzz").returncode == 2
    assert callgate().returncode == 2
    assert callgate("run", "--model", replay(one=GOOD)).returncode == 3
    assert callgate("run", "--model", model, "--split", "train").returncode == 3


def test_no_model_is_a_usage_error_that_lists_the_choices(callgate: Command, project: Path) -> None:
    """Nothing is judged by a model that nobody chose."""
    done = callgate("run")
    assert (done.stdout, done.returncode) == ("", 2)
    assert done.stderr == f"{NO_MODEL}\n(read: {project}/pyproject.toml, which names none)\n"
    choices = [line.split()[0] for line in NO_MODEL.splitlines() if line.startswith("  ")]
    assert {"mini", "google/functiongemma-270m-it", "replay:FILE"} <= set(choices)


def test_options_come_from_the_environment_too(
    callgate: Command, replay: Callable[..., str], project: Path
) -> None:
    """A variable names the model; the log says so."""
    model = replay(one=GOOD, two="Hi.")
    done = callgate("run", CALLGATE_MODEL=model, CALLGATE_DIR="elsewhere")
    assert done.returncode == 0
    header = json.loads((project / "elsewhere" / "last-run.jsonl").read_text().splitlines()[0])
    assert header["options"]["model"] == {"value": model, "from": "CALLGATE_MODEL"}


@pytest.mark.usefixtures("guide")
def test_a_reader_that_leaves_gets_no_traceback(project: Path) -> None:
    """`| head -1` sees the first line; the exit code stays the gate's."""
    command = f"{sys.executable} -m harness run --model replay:before.jsonl | head -1; echo ${{PIPESTATUS[0]}}"
    for _ in range(3):
        done = subprocess.run(
            ["bash", "-c", command], cwd=project, env=environment(), capture_output=True, text=True, timeout=60, check=False
        )  # fmt: skip
        head = "model: replay:before.jsonl (replies from a file); split: test\n1\n"
        assert (done.stdout, done.stderr) == (head, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_output_that_cannot_be_written(project: Path, replay: Callable[..., str]) -> None:
    """A full disk behind standard output is said in a sentence, exit code 2."""
    command = f"{sys.executable} -m harness run --model {replay(one=GOOD)} > /dev/full"
    done = subprocess.run(
        ["bash", "-c", command], cwd=project, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip
    sentence = "the output cannot be written: No space left on device\n"
    assert (done.stderr, done.returncode) == (sentence, 2)


def test_an_encoding_that_lacks_signs(callgate: Command, replay: Callable[..., str]) -> None:
    """On an ASCII terminal the dash of an interval is an escape, not a traceback."""
    done = callgate("run", "--model", replay(one=GOOD, two="Hi."), PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "34\\u2013100 %" in done.stdout


SLOW = """
import sys
sys.path[:0] = [{tests!r}]
import miniatures
from harness import __main__
from harness.command_line import commands
backend = miniatures.slow(0.05, miniatures.says("Hello."))
commands.backend_for = lambda settings: backend
sys.exit(__main__.main(["run", "--model", "mini", "--run-log", "log.jsonl"]))
"""


def test_ctrl_c_leaves_a_log_without_a_footer(project: Path) -> None:
    """An interrupted run exits with 130, says so, and what was judged so far is in the log."""
    lines = [f"  - {{id: c{n}, prompt: Say {n}., expect: no_call}}\n" for n in range(2000)]
    (project / "specs" / "s.spec.yaml").write_text("cases:\n" + "".join(lines))
    program = SLOW.format(tests=str(ROOT / "tests"))
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=project,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a test runner in the background may have left SIGINT ignored for its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        log = project / "log.jsonl"
        while process.poll() is None:
            if log.exists() and log.read_text().count("\n") >= 3:
                process.send_signal(signal.SIGINT)
                break
        out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == ("", "interrupted\n", 130)
    kinds = [json.loads(line)["kind"] for line in log.read_text().splitlines()]
    assert kinds[:3] == ["run", "verdict", "verdict"]
    assert set(kinds[1:]) == {"verdict"}
    own = (project / ".callgate" / "last-run.jsonl").read_text()
    assert own == log.read_text()


@pytest.mark.usefixtures("guide")
@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--model", "replay:after.jsonl"],
        ["lint"],
        ["show", "search-policy::git-undo", "--model", "replay:after.jsonl"],
    ],
    ids=["run", "lint", "show"],
)
def test_nothing_heavy_is_imported(project: Path, arguments: list[str]) -> None:
    """A replayed run, lint and show import neither torch nor transformers nor pytest."""
    program = (
        "import sys; from harness.__main__ import main; main(sys.argv[1:]); "
        "heavy = {'torch', 'transformers', 'pytest', 'numpy'} & set(sys.modules); sys.exit(str(heavy) if heavy else 7)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=project, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip
    assert (done.stderr, done.returncode) == ("", 7)


def test_two_spellings_of_a_file_are_one_file(
    callgate: Command, replay: Callable[..., str], project: Path
) -> None:
    """A spec named twice is judged once."""
    absolute = str(project / "specs" / "s.spec.yaml")
    done = callgate("run", "specs", absolute, "--model", replay(one=GOOD, two="Hi."))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\ns  ") == 1


def test_help_and_version(callgate: Command) -> None:
    """Each command explains itself, and the options are those of pytest without the prefix."""
    assert callgate("--version").stdout.startswith("callgate ")
    assert "run" in callgate("--help").stdout
    shown = callgate("run", "--help").stdout
    for name in ("model M", "min-pass-rate R", "run-log FILE", "allow-regressions N", "no-cache"):
        assert f"--{name}" in shown
