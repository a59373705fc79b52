"""The workflows of docs/ci.md, read as GitHub reads them; `test_ci_docs_runs.py` runs them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.options import OPTIONS, flag

PAGE = (Path(__file__).parents[2] / "docs" / "ci.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^<!-- file: [^\n]*/(\w+)\.yaml -->\n```yaml\n(.*?)^```$", re.M | re.S)
WORKFLOWS = dict(BLOCK.findall(PAGE))

Step = dict[str, Any]


def workflow(name: str) -> Any:
    """A workflow, every scalar of it as text."""
    return yaml.load(WORKFLOWS[name], yaml.BaseLoader)


def jobs() -> Iterator[tuple[str, Any, Any]]:
    """Every job, with its workflow: ("gate/gate", workflow, job)."""
    for name in WORKFLOWS:
        whole = workflow(name)
        for key, job in whole["jobs"].items():
            yield f"{name}/{key}", whole, job


def steps() -> Iterator[tuple[str, Step, dict[str, str]]]:
    """Every step, with the variables that it is given: ("gate/gate/Gate", step, variables)."""
    for place, whole, job in jobs():
        for step in job["steps"]:
            given = whole.get("env", {}) | job.get("env", {}) | step.get("env", {})
            yield f"{place}/{step.get('name') or step['uses']}", step, given


Steps = pytest.mark.parametrize(
    ("step", "given"), [pytest.param(step, given, id=place) for place, step, given in steps()]
)
Jobs = pytest.mark.parametrize(
    ("whole", "job"), [pytest.param(whole, job, id=place) for place, whole, job in jobs()]
)


def test_both_workflows_are_there() -> None:
    """The gate and the tuning, and nothing else that nobody tests."""
    assert sorted(WORKFLOWS) == ["gate", "tune"]
    assert {name: list(workflow(name)["on"]) for name in WORKFLOWS} == {
        "gate": ["pull_request", "push"],
        "tune": ["workflow_dispatch"],
    }


@Jobs
def test_a_job_ends_and_may_read_alone(whole: Any, job: Any) -> None:
    """Each job has a limit, bash with pipefail, and may write nothing but a comment."""
    assert whole["permissions"] == {"contents": "read"}
    assert job.get("permissions", {}) in ({}, {"pull-requests": "write"})
    assert 0 < int(job["timeout-minutes"]) < 360
    assert whole["defaults"] == {"run": {"shell": "bash"}}
    assert whole["concurrency"]["group"].startswith(f"{whole['name']}-${{{{ github.")


@Steps
def test_a_step_is_sound(step: Step, given: dict[str, str]) -> None:
    """Actions are GitHub's own, of a major version; scripts are bash, and know their variables.

    No expression stands in a script: what is typed in or comes from outside is a variable there.
    """
    if "uses" in step:
        assert re.fullmatch(r"actions/[\w-]+(/\w+)?@v\d+", step["uses"])
        return
    script = step["run"]
    assert "${{" not in script
    subprocess.run(["bash", "-n", "-c", script], check=True)
    ours = {name for name in re.findall(r"\$\{?([A-Z_]+)\b", script) if "GITHUB_" not in name}
    assert ours <= set(given)
    options = {flag(option, "gate-") for option in OPTIONS}
    assert set(re.findall(r"--gate-[\w-]+", script)) <= options


@Steps
def test_what_a_step_asks_of_another_is_there(step: Step, given: dict[str, str]) -> None:
    """An output that is read is of a step before, which writes it."""
    known: dict[str, Step] = {}
    found = False
    for _, other, _ in steps():
        if other == step:
            found = True
            break
        if "id" in other:
            known[other["id"]] = other
    assert found
    asked = re.findall(r"steps\.([\w-]+)\.outputs\.([\w-]+)", json.dumps(step))
    for ident, output in asked:
        other = known[ident]
        if "run" in other:
            assert re.search(rf'echo "{output}=.*>> "\$GITHUB_OUTPUT"', other["run"])
        else:
            assert output in ("cache-hit", "cache-primary-key")
            assert other["uses"].startswith("actions/cache/restore@")


@Steps
def test_secrets_go_to_no_code_of_the_repository(step: Step, given: dict[str, str]) -> None:
    """The token is a variable of single steps that run callgate's doctor or nothing at all."""
    if "secrets." not in json.dumps(given) + json.dumps(step):
        return
    assert step["env"] == {"HF_TOKEN": "${{ secrets.HF_TOKEN }}"}
    called = set(re.findall(r"^ *(pytest|callgate[\w-]*|pip|python)\b.*", step["run"], re.M))
    assert called <= {"callgate"}
    assert step["run"].startswith(("callgate doctor ", "if [[ -n $HF_TOKEN ]]"))


def test_every_trust_is_asked_for_by_name() -> None:
    """No workflow runs a fork's code with secrets; the checkout leaves no token behind."""
    for text in WORKFLOWS.values():
        assert "pull_request_target" not in text
    for _, step, _ in steps():
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"] == {"persist-credentials": "false"}


def test_what_is_kept_is_what_is_looked_for() -> None:
    """Each cache is saved from where it is restored to, under the key that was looked for."""
    all_steps = {step["name"]: step for _, step, _ in steps() if "name" in step}
    for what in ("weights", "replies"):
        keep = all_steps[f"Keep the {what}"]
        look = next(s for s in all_steps.values() if s.get("id") == what)
        assert look["with"]["path"] == keep["with"]["path"]
        key = f"${{{{ steps.{look['id']}.outputs.cache-primary-key }}}}"
        assert keep["with"]["key"] in (look["with"]["key"], key)
        assert f"steps.{look['id']}.outputs.cache-hit != 'true'" in keep["if"]


def test_reports_are_kept_whatever_came_of_the_gate() -> None:
    """What tells and what keeps has `always()`; what judges has not."""
    always = {place for place, step, _ in steps() if step.get("if", "").startswith("always()")}
    kept = {"Report", "Keep the report", "Keep the replies", "Keep the reports and logs"}
    assert {place.rpartition("/")[2] for place in always} == {*kept, "Keep the model"}
