"""`callgate lint` and `callgate show` as real processes."""

# ruff: noqa: E501 - what a user sees stands here as it is seen

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Command = Callable[..., subprocess.CompletedProcess[str]]

SPEC = """\
spec: s
tools:
  - name: search
    description: Looks things up.
    parameters: {query: {type: string, description: what for}}
  - name: stop
    description: Stops.
cases:
  - {id: one, prompt: Find x., expect: {search: {query: x}}}
  - {id: two, prompt: Hello., expect: no_call}
  - {id: three, prompt: "Stop\\e[2J!", expect: stop}
"""


@pytest.fixture
def callgate(tmp_path: Path) -> Command:
    """Runs one command in a project with one spec and no model."""
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "s.spec.yaml").write_text(SPEC)
    own = {name: value for name, value in os.environ.items() if not name.startswith("CALLGATE_")}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "harness", *arguments],
            cwd=tmp_path,
            env={**own, "COLUMNS": "80", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_a_clean_spec(callgate: Command) -> None:
    """Nothing to say but how much was read, exit code 0."""
    done = callgate("lint")
    assert (done.stdout, done.stderr, done.returncode) == (
        "1 file, 3 cases: 0 problems, 0 warnings\n",
        "",
        0,
    )


def test_problems_of_all_files_are_reported_at_once(callgate: Command, tmp_path: Path) -> None:
    """Two bad files and one that only warns: each problem with its place, exit code 2."""
    (tmp_path / "a.spec.yaml").write_text(
        "tools: [{name: f}]\ncases:\n  - {prompt: Hi., expect: g}\n"
    )
    (tmp_path / "b.spec.yaml").write_text(
        "tools: [{name: f}]\ncasse: []\ncases: [{prompt: Hi., expect: f}]\n"
    )
    done = callgate("lint", "a.spec.yaml", "specs", "b.spec.yaml")
    assert (done.stdout, done.stderr, done.returncode) == (PROBLEMS, "", 2)


PROBLEMS = """\
error: a.spec.yaml:3:27: case no. 1, expect: unknown tool 'g' (declared: f)
      - {prompt: Hi., expect: g}
                              ^
error: b.spec.yaml:2:1: casse: unknown key 'casse' (did you mean 'cases'?)
    casse: []
    ^
3 files, 5 cases: 2 problems, 0 warnings
"""


def test_two_files_with_one_spec_name(callgate: Command, tmp_path: Path) -> None:
    """The second is told that its name is taken."""
    (tmp_path / "specs" / "t.spec.yaml").write_text(SPEC)
    done = callgate("lint")
    assert done.returncode == 2
    assert done.stdout == (
        "error: specs/t.spec.yaml:1:1: spec: specs/s.spec.yaml is called 's' too "
        "(names are unique among the files of a run: give one of them another `spec`)\n"
        "2 files, 6 cases: 1 problem, 0 warnings\n"
    )
    assert callgate("run", "--model", "replay:none").returncode == 2


def test_warnings_alone_are_no_failure(callgate: Command, tmp_path: Path) -> None:
    """A spec that a model passes by always calling is warned of, exit code 0."""
    (tmp_path / "specs" / "s.spec.yaml").write_text(
        SPEC.replace("  - {id: two, prompt: Hello., expect: no_call}\n", "")
    )
    done = callgate("lint")
    assert done.returncode == 0
    assert done.stdout == (
        "warning: specs/s.spec.yaml:8:1: cases: no case expects `no_call`: a model that never holds back "
        "can pass them all (add prompts that no tool is for)\n"
        "    cases:\n"
        "    ^\n"
        "1 file, 2 cases: 0 problems, 1 warning\n"
    )


def test_files_whose_cases_were_not_read(callgate: Command, tmp_path: Path) -> None:
    """What YAML cannot read has no cases to count, and that is said."""
    (tmp_path / "specs" / "t.spec.yaml").write_text("cases: [\n")
    assert callgate("lint", "specs/t.spec.yaml").stdout.endswith(
        "\n1 file, cases not read: 1 problem, 0 warnings\n"
    )
    assert callgate("lint").stdout.endswith(
        "\n2 files, 3 cases, those of 1 file not read: 1 problem, 0 warnings\n"
    )


def test_the_splits_are_counted(callgate: Command, tmp_path: Path) -> None:
    """Where there are other cases than test cases, the last line says how many of each."""
    dev = SPEC.replace("prompt: Find x.", "split: dev, prompt: Find x.")
    (tmp_path / "specs" / "s.spec.yaml").write_text(dev)
    assert callgate("lint").stdout == "1 file, 3 cases (2 test, 1 dev): 0 problems, 0 warnings\n"


def test_nothing_to_lint(callgate: Command, tmp_path: Path) -> None:
    """A path that is not there, and a folder without specs, are usage errors."""
    (tmp_path / "empty").mkdir()
    for name in ("nowhere", "empty"):
        done = callgate("lint", name)
        assert (done.stdout, done.returncode) == ("", 2)
        assert repr(name) in done.stderr


def test_the_schema_of_spec_files(callgate: Command) -> None:
    """`lint --schema` prints what editors read, the same as the file beside the specs."""
    done = callgate("lint", "--schema")
    assert done.returncode == 0
    assert json.loads(done.stdout) == json.loads((ROOT / "specs" / "spec.schema.json").read_text())


@pytest.fixture
def model(tmp_path: Path) -> str:
    """A replay file with a miss, a pass and a reply that would clear the screen."""
    replies = {
        "one": "<start_function_call>call:search{query:<escape>y<escape>}<end_function_call>",
        "two": "Hello.<end_of_turn>",
        "three": "\x1b[2J",
    }
    lines = [json.dumps({"case": f"s::{name}", "reply": text}) for name, text in replies.items()]
    (tmp_path / "r.jsonl").write_text("\n".join(lines))
    return "replay:r.jsonl"


PROMPT = """\
rendered prompt (a line goes on behind +):
  | <bos><start_of_turn>developer
  | You are a model that can do function calling with the following functions
  + <start_function_declaration>declaration:search{description:<escape>Looks things up.<escape>,parameters:{properties:{query:{description:<escape>what for<escape>,type:<escape>STRING<escape>}},required:[<escape>query<escape>],type:<escape>OBJECT<escape>}}<end_function_declaration>
  + <start_function_declaration>declaration:stop{description:<escape>Stops.<escape>}<end_function_declaration><end_of_turn>
  | <start_of_turn>user
  | Find x.<end_of_turn>
  | <start_of_turn>model
  |
"""

SHOWN = f"""\
model: replay:r.jsonl (replies from a file)

wrong_arguments: search: argument 'query': expected 'x', got 'y'
  case      one, specs/s.spec.yaml:9
  prompt    Find x.
  expected  {{search: {{query: x}}}}
  reply     <start_function_call>call:search{{query:<escape>y<escape>}}<end_function_call>
  again     callgate show s::one --model replay:r.jsonl

gold block and first block of the reply:
  gold      <start_function_call>call:search{{query:<escape>x<escape>}}<end_func
  got       <start_function_call>call:search{{query:<escape>y<escape>}}<end_func
                                                           ^
  gold      tion_call>
  got       tion_call>

{PROMPT}"""


def test_show_a_miss(callgate: Command, model: str) -> None:
    """Prompt, expectation, reply and the marked difference; the exit code is that of a miss."""
    done = callgate("show", "s::one", "--model", model)
    assert (done.stdout, done.stderr, done.returncode) == (SHOWN, "", 1)


def test_show_by_path(callgate: Command, model: str) -> None:
    """`PATH::ID` finds the case in that file, and shows the same."""
    done = callgate("show", "specs/s.spec.yaml::one", "--model", model)
    again = "callgate show specs/s.spec.yaml::one"
    assert (done.stdout, done.returncode) == (SHOWN.replace("callgate show s::one", again), 1)


def test_show_a_pass(callgate: Command, model: str) -> None:
    """A pass has no difference, exit code 0."""
    done = callgate("show", "s::two", "--model", model)
    assert done.returncode == 0
    assert done.stdout.startswith(
        "model: replay:r.jsonl (replies from a file)\n\npass\n"
        "  case      two, specs/s.spec.yaml:10\n"
        "  prompt    Hello.\n"
        "  expected  no_call\n"
        "  reply     Hello.<end_of_turn>\n"
        "  again     callgate show s::two --model replay:r.jsonl\n\nrendered prompt"
    )


def test_show_escapes_control_characters(callgate: Command, model: str) -> None:
    """Neither a prompt nor a reply drives the terminal."""
    done = callgate("show", "s::three", "--model", model)
    assert "\x1b" not in done.stdout
    assert done.stdout.count("Stop\\x1b[2J!") == 2
    assert "  reply     \\x1b[2J\n" in done.stdout


def test_show_without_a_model(callgate: Command) -> None:
    """The prompt and the expectation can be seen before there is a model."""
    done = callgate("show", "s::one")
    assert done.stdout == (
        "specs/s.spec.yaml:9: case one\n"
        "  expected  {search: {query: x}}\n"
        f"  reply     (no model is named: add --model)\n\n{PROMPT}"
    )
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("ref", "sentence"),
    [
        ("one", "'one': expected SPEC::ID or PATH::ID"),
        ("s::", "'s::': expected SPEC::ID or PATH::ID"),
        ("s::on", "specs/s.spec.yaml: no case 'on' (did you mean 'one'?)"),
        ("s::zzz", "specs/s.spec.yaml: no case 'zzz' (there are one, two, three, more.a, more.b)"),
        ("s::more", "specs/s.spec.yaml: no case 'more' (there are more.a, more.b)"),
        ("zzz::one", "no file and no spec is called 'zzz' (there are s)"),
        ("\x1b[2J::one", "no file and no spec is called '\\x1b[2J' (there are s)"),
        (
            "specs/t.spec.yaml::one",
            "no file and no spec is called 'specs/t.spec.yaml' (there are s)",
        ),
    ],
)
def test_show_names_the_nearest(callgate: Command, tmp_path: Path, ref: str, sentence: str) -> None:
    """A case that is not there is a usage error that helps."""
    more = "  - {id: more, prompts: {a: Aha., b: Bye.}, expect: no_call}\n"
    (tmp_path / "specs" / "s.spec.yaml").write_text(SPEC + more)
    done = callgate("show", ref)
    assert (done.stdout, done.stderr, done.returncode) == ("", f"{sentence}\n", 2)


def test_show_says_that_other_files_cannot_be_read(callgate: Command, tmp_path: Path) -> None:
    """The spec that is looked for may be the broken one."""
    (tmp_path / "specs" / "t.spec.yaml").write_text("spec: t\ncases: 5\n")
    done = callgate("show", "t::one")
    sentence = "no file and no spec is called 't' (there are s; 1 file cannot be read, see callgate lint)\n"
    assert (done.stderr, done.returncode) == (sentence, 2)
    assert callgate("show", "s::one").returncode == 0
