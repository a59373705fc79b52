"""The workflows of docs/ci.md, run: expressions, conditions, every line of bash.

What GitHub's own actions do (a checkout, caches, artefacts) is not run; which of them would be,
is known.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^<!-- file: [^\n]*/(\w+)\.yaml -->\n```yaml\n(.*?)^```$", re.M | re.S)
WORKFLOWS = dict(BLOCK.findall(PAGE))
BEFORE = ROOT / "docs" / "replies" / "guide-before.jsonl"
SPEC = "specs/search_policy.spec.yaml"
COMMANDS = {
    "pytest": "pytest",
    "callgate": "harness",
    "callgate-report": "reports",
    "callgate-tune": "trainers",
}
SMALL = """\
tools: [{name: find, parameters: {query: {type: string}}}]
cases: [{id: lamp, prompt: Find the lamp., expect: {find: {query: what nobody asked}}}]
"""
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}")
TOKEN = re.compile(r"\s*('[^']*'|[\w.-]+(?:\(\))?|==|!=|&&|\|\||[()!])\s*")

pytestmark = pytest.mark.slow

Step = dict[str, Any]


def workflow(name: str) -> Any:
    """A workflow, every scalar of it as text."""
    return yaml.load(WORKFLOWS[name], yaml.BaseLoader)


@dataclass
class Hosted:
    """A machine of GitHub's, as far as these workflows ask: expressions, conditions, scripts."""

    folder: Path
    bin: Path
    secrets: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    changed: dict[str, str] = field(default_factory=dict)
    ran: dict[str, str] = field(default_factory=dict)
    used: list[str] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)
    _known: dict[str, str] = field(default_factory=dict)

    def job(self, whole: Any, name: str) -> str:
        """Run a job's steps in their order; gives `success` or `failure`.

        `ran` then has how each script ended, `used` which actions were due, `said` the output.
        """
        job, outcome = whole["jobs"][name], "success"
        for step in job["steps"]:
            title, ident = step.get("name", step.get("uses")), step.get("id", "")
            given = {**whole.get("env", {}), **job.get("env", {}), **self.changed}
            if not self._due(step.get("if", "success()"), outcome, given):
                self.ran[title] = "skipped"
                continue
            if "uses" in step:
                self.used.append(title)
                continue
            ended = self._script(step, ident, given)
            self.ran[title] = "success" if ended == 0 else "failure"
            outcome = outcome if ended == 0 else "failure"
        return outcome

    @property
    def summary(self) -> str:
        """What the summary of the run shows."""
        file = self.folder / "summary.md"
        return file.read_text(encoding="utf-8") if file.exists() else ""

    @property
    def outputs(self) -> dict[str, str]:
        """What steps have told one another: `steps.ID.outputs.NAME` → value."""
        return self._known

    def _due(self, condition: str, outcome: str, given: dict[str, str]) -> bool:
        if not re.search(r"\b(always|success)\(\)", condition):
            condition = f"success() && ({condition})"
        return bool(self._value(condition, outcome, given))

    def _value(self, expression: str, outcome: str, given: dict[str, str]) -> Any:
        """An expression's value: comparisons of texts, and, or, not."""
        words = {"==": "==", "!=": "!=", "&&": "and", "||": "or", "!": "not", "(": "(", ")": ")"}
        words |= {"always()": "True", "success()": str(outcome == "success")}
        assert not TOKEN.sub("", expression), expression
        known = {f"env.{name}": value for name, value in given.items()} | self._known
        known |= {f"secrets.{name}": value for name, value in self.secrets.items()}
        known |= {f"inputs.{name}": value for name, value in self.inputs.items()}
        parts = [
            words.get(token) or (token if token[0] == "'" else repr(known.get(token, "")))
            for token in TOKEN.findall(expression)
        ]
        return eval(" ".join(parts))

    def _script(self, step: Step, ident: str, given: dict[str, str]) -> int:
        def text(value: str) -> str:
            return EXPRESSION.sub(lambda m: str(self._value(m[1], "success", given)), value)

        given = {name: text(value) for name, value in {**given, **step.get("env", {})}.items()}
        output = self.folder.parent / "output"
        output.write_text("", encoding="utf-8")
        given |= {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": "summary.md"}
        ended = run_bash(step["run"], self.folder, self.bin, given)
        self.said[step["name"]] = ended.stdout + ended.stderr
        for line in output.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition("=")
            self._known[f"steps.{ident}.outputs.{name}"] = value
        return ended.returncode


def run_bash(
    script: str, folder: Path, commands: Path, given: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a script as GitHub does with `shell: bash`, without the caller's variables."""
    environ = {"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder)}
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder, env={**environ, "LANG": "C.UTF-8", "COLUMNS": "80", **given}, text=True,
        encoding="utf-8", capture_output=True, check=False, timeout=300, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def command(folder: Path, name: str, script: str) -> None:
    """A command that takes the place of any other of its name."""
    file = folder / name
    file.write_text(f"#!/usr/bin/env bash\n{script}\n", encoding="utf-8")
    file.chmod(0o755)


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This version's commands, and a `pip` that installs nothing."""
    folder = tmp_path_factory.mktemp("bin")
    for name, module in COMMANDS.items():
        command(folder, name, f'exec {sys.executable} -m {module} "$@"')
    command(folder, "pip", "true")
    return folder


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory, commands: Path) -> Path:
    """A repository with the guide's policy and a baseline: the replies before tuning, blessed."""
    folder = tmp_path_factory.mktemp("checkouts") / "before"
    (folder / "specs").mkdir(parents=True)
    shutil.copy(ROOT / SPEC, folder / SPEC)
    (folder / "pyproject.toml").write_text("[tool.callgate]\n", encoding="utf-8")
    script = (
        "callgate run specs/ --run-log run.jsonl || "
        "callgate-report bless run.jsonl -o specs/baseline.jsonl --force 'where we begin'; "
        "rm -r run.jsonl .callgate"
    )
    ended = run_bash(script, folder, commands, {"CALLGATE_MODEL": f"replay:{BEFORE}"})
    assert ended.returncode == 0, ended.stderr
    return folder


@pytest.fixture
def hosted(tmp_path: Path, commands: Path, checkout: Path) -> Callable[..., Hosted]:
    """Makes a machine with a copy of the repository, and replies that are kept in it."""

    def make(replies: str | None = "before", **more: Any) -> Hosted:
        folder = shutil.copytree(checkout, tmp_path / "checkout")
        if replies is not None:
            kept = BEFORE.with_name(f"guide-{replies}.jsonl")
            shutil.copy(kept, folder / "specs" / "replies.jsonl")
        return Hosted(folder, commands, **more)

    return make


def test_a_red_gate_on_a_fork(hosted: Callable[..., Hosted]) -> None:
    """Without secrets the kept replies are judged, visibly; red keeps its code and all reports."""
    machine = hosted()
    assert machine.job(workflow("gate"), "gate") == "failure"
    assert machine.outputs["steps.gate.outputs.code"] == "1"
    assert machine.ran == {
        "Install": "success",
        "Choose who answers": "success",
        "Look for the weights": "skipped",
        "Fetch the weights": "skipped",
        "Keep the weights": "skipped",
        "Look for replies": "skipped",
        "Gate": "failure",
        "Report": "success",
        "Keep the replies": "skipped",
    }
    assert machine.used == ["actions/checkout@v6", "actions/setup-python@v6", "Keep the report"]
    told = "No HF_TOKEN, as in every fork: the replies kept in specs/replies.jsonl are judged.\n"
    assert machine.summary.startswith(f"{told}## ")
    assert "2 of 20" in machine.summary
    assert machine.said["Choose who answers"] == f"::notice title=No model was asked::{told}"
    assert machine.said["Report"].startswith("::error file=")
    assert f"::error file={SPEC},line=" in machine.said["Report"]
    kept = sorted(path.name for path in (machine.folder / "report").iterdir())
    assert kept == ["junit.xml", "report.html", "run.jsonl"]
    assert (machine.folder / "report/report.html").read_text("utf-8").startswith("<!")


def test_a_green_gate_on_a_fork(hosted: Callable[..., Hosted]) -> None:
    """A gate that is met is green; its misses are warnings, and the baseline is compared with."""
    machine = hosted("after")
    assert machine.job(workflow("gate"), "gate") == "success"
    assert machine.outputs["steps.gate.outputs.code"] == "0"
    assert machine.ran["Gate"] == machine.ran["Report"] == "success"
    assert "14 fixed" in machine.summary
    assert f"::warning file={SPEC},line=157,title=" in machine.said["Report"]
    assert "::error" not in machine.said["Report"]


def test_a_regression_is_red_whatever_the_rate(hosted: Callable[..., Hosted]) -> None:
    """The baseline is asked: where a case of it misses now, a gate without a rate is red too."""
    machine = hosted("after")
    spec = machine.folder / SPEC
    spec.write_text(
        re.sub(r"^gate:.*$", "gate: {pass_rate: 0}", spec.read_text("utf-8"), flags=re.M), "utf-8"
    )
    passed = (machine.folder / "specs/baseline.jsonl").read_text("utf-8")
    passed = passed.replace('"outcome":"fail"', '"outcome":"pass"')
    (machine.folder / "specs/baseline.jsonl").write_text(passed, "utf-8")
    assert machine.job(workflow("gate"), "gate") == "failure"
    assert "4 cases passed in the baseline and miss now" in machine.said["Gate"]
    assert "passed before" in machine.said["Report"]


def test_nothing_to_judge_is_never_green(hosted: Callable[..., Hosted]) -> None:
    """Neither token nor replies: red before the gate, and the summary says why."""
    machine = hosted(None)
    assert machine.job(workflow("gate"), "gate") == "failure"
    told = "No HF_TOKEN, as in every fork, and no specs/replies.jsonl to judge in its place."
    assert machine.summary == f"Nothing was judged. {told}\n"
    assert machine.said["Choose who answers"] == f"::error title=Nothing was judged::{told}\n"
    assert (machine.ran["Gate"], machine.ran["Report"]) == ("skipped", "skipped")


@pytest.mark.parametrize(
    ("file", "text", "code"),
    [
        ("specs/baseline.jsonl", None, "4"),
        ("specs/replies.jsonl", "no JSON\n", "4"),
        (SPEC, "cases: 1\n", "2"),
        (SPEC, None, "5"),
    ],
    ids=["no baseline", "broken replies", "broken spec", "no spec"],
)
def test_a_gate_that_does_not_come_to_judge(
    hosted: Callable[..., Hosted], file: str, text: str | None, code: str
) -> None:
    """Usage errors and empty runs are red with their own code, and the summary says so."""
    machine = hosted()
    if text is None:
        (machine.folder / file).unlink()
    else:
        (machine.folder / file).write_text(text, encoding="utf-8")
    assert machine.job(workflow("gate"), "gate") == "failure"
    told = f"Nothing was judged: pytest ended with {code}. Its step says why."
    assert machine.summary.splitlines()[1:] == [told]
    assert machine.said["Report"] == f"::error title=Nothing was judged::{told}\n"
    assert (machine.ran["Gate"], machine.ran["Report"]) == ("failure", "failure")


def test_with_a_token_the_model_is_asked(hosted: Callable[..., Hosted]) -> None:
    """The model's files are had, it answers, and weights and replies are due to be kept."""
    machine = hosted(secrets={"HF_TOKEN": "token-of-nobody"}, changed={"MODEL": "mini"})
    (machine.folder / SPEC).write_text(SMALL, encoding="utf-8")
    assert machine.job(workflow("gate"), "gate") == "failure"
    assert machine.ran["Fetch the weights"] == "success"
    assert machine.outputs["steps.gate.outputs.code"] == "1"
    assert "mini (stand-in for FunctionGemma)" in machine.said["Gate"]
    assert "Look for replies" in machine.used
    assert "Keep the weights" in machine.used
    assert "token-of-nobody" not in "".join(machine.said.values())


HOSTILE = '$(touch owned) `touch owned` "; touch owned; # --push-to-hub=me/mine'


@pytest.fixture
def tuning(tmp_path: Path, commands: Path) -> Callable[..., Hosted]:
    """Makes a machine whose `callgate-tune` writes what it was given, and a run's folder."""

    def make(code: int, *, whole: bool = True, **inputs: str) -> Hosted:
        folder, fakes = tmp_path / "checkout", tmp_path / "bin"
        shutil.copytree(commands, fakes)
        (folder / "specs").mkdir(parents=True)
        shutil.copy(ROOT / SPEC, folder / SPEC)
        replies = ROOT / "docs" / "replies"
        logs = "".join(
            f"callgate run {SPEC} --model replay:{replies}/guide-{when}.jsonl"
            f" --run-log runs/tuned/{when}.jsonl >/dev/null || true\n"
            for when in ("before", "after")
        )
        written = """printf '%s\\0' "$@" > arguments\n"""
        command(fakes, "callgate-tune", f"{written}{logs if whole else ''}exit {code}")
        command(fakes, "gh", written.replace("arguments", "told") + 'cp "${@: -1}" comment.md')
        given = workflow("tune")["on"]["workflow_dispatch"]["inputs"]
        defaults = {name: one.get("default", "") for name, one in given.items()}
        return Hosted(folder, fakes, inputs=defaults | {"model": "replay:none"} | inputs)

    return make


def arguments(machine: Hosted, name: str) -> list[str]:
    """What a command was given, word by word."""
    return (machine.folder / name).read_text(encoding="utf-8").split("\0")[:-1]


@pytest.mark.parametrize("code", [0, 1])
def test_a_tuning_is_reported_and_keeps_its_code(tuning: Callable[..., Hosted], code: int) -> None:
    """Red or green, the table is in the summary, and all that is to be kept is due."""
    machine = tuning(code)
    (machine.folder / "none").write_text('{"case": "a::b", "reply": ""}\n', encoding="utf-8")
    assert machine.job(workflow("tune"), "tune") == ("failure" if code else "success")
    assert machine.ran["Tune"] == ("failure" if code else "success")
    assert "14 fixed, 0 broken" in machine.summary
    assert machine.outputs["steps.report.outputs.reported"] == "yes"
    assert machine.used[-2:] == ["Keep the reports and logs", "Keep the model"]
    assert arguments(machine, "arguments") == [
        "--model=replay:none", "--seeds=1", "--max-epochs=20", "--max-minutes=300",
        "--out=runs/tuned", "--", "specs/",
    ]  # fmt: skip


def test_a_tuning_that_breaks_off_says_so(tuning: Callable[..., Hosted]) -> None:
    """Without a tuned model there is a sentence in place of the table, and no comment."""
    machine = tuning(2, whole=False)
    (machine.folder / "none").write_text("{}\n", encoding="utf-8")
    assert machine.job(workflow("tune"), "tune") == "failure"
    assert machine.summary == "The tuning did not come to its end; its step says why.\n"
    assert "steps.report.outputs.reported" not in machine.outputs


def test_what_is_typed_in_is_neither_command_nor_option(tuning: Callable[..., Hosted]) -> None:
    """Inputs that try to be commands or options reach callgate-tune as the text they are."""
    machine = tuning(0, specs=HOSTILE, seeds="$(touch owned)", max_epochs="1; touch owned")
    (machine.folder / "none").write_text('{"case": "a::b", "reply": ""}\n', encoding="utf-8")
    machine.job(workflow("tune"), "tune")
    assert arguments(machine, "arguments") == [
        "--model=replay:none", "--seeds=$(touch owned)", "--max-epochs=1; touch owned",
        "--max-minutes=300", "--out=runs/tuned", "--", *HOSTILE.split(),
    ]  # fmt: skip
    assert not (machine.folder / "owned").exists()


def test_the_real_command_takes_these_arguments(tuning: Callable[..., Hosted]) -> None:
    """callgate-tune itself understands the command line: it comes to look for the specs."""
    machine = tuning(0, specs="specs/gone.spec.yaml --push-to-hub=me/mine", model="mini")
    script = workflow("tune")["jobs"]["tune"]["steps"][4]["run"]
    assert "callgate-tune" in script
    command(machine.bin, "callgate-tune", f'exec {sys.executable} -m trainers "$@"')
    given = {"MODEL": "mini", "SEEDS": "1", "MAX_EPOCHS": "20", "MAX_MINUTES": "300"}
    ended = run_bash(
        script, machine.folder, machine.bin, {**given, "SPECS": machine.inputs["specs"]}
    )
    assert ended.returncode == 2
    assert "specs/gone.spec.yaml" in ended.stderr
    assert "usage:" not in ended.stderr


def test_the_outcome_is_told_to_the_pull_request(tuning: Callable[..., Hosted]) -> None:
    """The comment is the report and a link; a number that is none is refused."""
    machine = tuning(0, pull_request="12")
    (machine.folder / "tuning").mkdir()
    (machine.folder / "tuning" / "comment.md").write_text("## The table\n", encoding="utf-8")
    assert machine.job(workflow("tune"), "tell") == "success"
    assert arguments(machine, "told") == [
        "pr", "comment", "12", "--body-file", "tuning/comment.md",
    ]  # fmt: skip
    told = (machine.folder / "comment.md").read_text(encoding="utf-8")
    assert told.startswith("## The table\n\nThe page, the logs and the model: ")
    machine.inputs["pull_request"] = "--repo=other/one"
    assert machine.job(workflow("tune"), "tell") == "failure"
    assert machine.said["Comment"] == "::error::pull_request: expected a number\n"
