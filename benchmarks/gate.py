"""What the gate costs: whole processes, each with a plain counterpart in the same run.

    python benchmarks/gate.py [--cases 10000] [--runs 3] [--json FILE]

Prints CPU and wall seconds and peak memory (medians over the runs), and the ratios that
`docs/performance.md` quotes. Timings of a busy machine are noisy: compare within one run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
GUIDE = "specs/search_policy.spec.yaml"
REPLIES = "docs/replies/guide-after.jsonl"


@dataclass(frozen=True)
class Cost:
    """Medians of a command's runs: seconds of wall and CPU, megabytes at the peak."""

    wall: float
    cpu: float
    megabytes: float


def measure(command: list[str], folder: Path, runs: int, expect: int = 0) -> Cost:
    """Run a command several times after a warm-up; each run must exit with `expect`."""
    costs = []
    for _ in range(runs + 1):
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        code = os.waitstatus_to_exitcode(status)
        if code != expect:
            sys.exit(f"{' '.join(command)}: exit {code}, expected {expect}")
        costs.append((wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024))
    return Cost(*(statistics.median(column) for column in zip(*costs[1:], strict=True)))


def write_project(folder: Path, cases: int) -> None:
    """A project of one large spec with a reply for every case, and its plain counterpart."""
    (folder / "pyproject.toml").write_text("[tool.callgate]\n", encoding="utf-8")
    head = (
        "spec: bulk\ntools:\n"
        "  - name: look_up\n    description: Looks up a part.\n"
        "    parameters: {part: {type: string}, shelf: {type: integer}}\n"
        "  - name: order\n    description: Orders a part.\n"
        "    parameters: {part: {type: string}, count: {type: integer}}\n"
        "gate: {pass_rate: 0.7}\ncases:\n"
    )
    lines, replies = [head], []
    for n in range(cases):
        tool, second = ("look_up", "shelf") if n % 2 else ("order", "count")
        lines.append(
            f"  - id: part-{n}\n    prompt: What about part {n} of machine {n % 97}?\n"
            f"    expect: {{{tool}: {{part: part {n}, {second}: {n % 7}}}}}\n    tags: [t{n % 5}]\n"
        )
        part = f"part {n}" if n % 5 else "another part"
        call = f"call:{tool}{{part:<escape>{part}<escape>,{second}:{n % 7}}}"
        reply = f"<start_function_call>{call}<end_function_call><start_function_response>"
        replies.append(json.dumps({"case": f"bulk::part-{n}", "reply": reply}) + "\n")
    (folder / "bulk.spec.yaml").write_text("".join(lines), encoding="utf-8")
    (folder / "replies.jsonl").write_text("".join(replies), encoding="utf-8")
    (folder / "test_plain.py").write_text(
        "import pytest\n\n"
        f"@pytest.mark.parametrize('n', range({cases}))\n"
        "def test_plain(n):\n    assert n >= 0\n",
        encoding="utf-8",
    )
    (folder / "test_one.py").write_text("def test_one():\n    pass\n", encoding="utf-8")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    python, pytest = (
        sys.executable,
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
    )
    run = [python, "-m", "harness", "run"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_project(folder, given.cases)
        replay = "replay:replies.jsonl"
        costs = {
            "guide: callgate run": measure(
                [*run, GUIDE, "--model", f"replay:{REPLIES}"], REPOSITORY, given.runs
            ),
            "guide: pytest": measure(
                [*pytest, GUIDE, "--gate-model", f"replay:{REPLIES}"], REPOSITORY, given.runs
            ),
            "one trivial test: pytest": measure([*pytest, "test_one.py"], folder, given.runs),
            "bulk: callgate run": measure(
                [*run, "bulk.spec.yaml", "--model", replay], folder, given.runs
            ),
            "bulk: pytest": measure(
                [*pytest, "bulk.spec.yaml", "--gate-model", replay], folder, given.runs
            ),
            "bulk: plain pytest": measure([*pytest, "test_plain.py"], folder, given.runs),
        }
    for label, cost in costs.items():
        print(f"{label:<26} {cost.wall:7.2f} s {cost.cpu:7.2f} s CPU {cost.megabytes:7.0f} MB")
    ratio = costs["bulk: pytest"].cpu / costs["bulk: plain pytest"].cpu
    print(f"\n{given.cases} cases under pytest cost {ratio:.2f} times as many trivial tests (CPU)")
    more = costs["guide: pytest"].cpu - costs["one trivial test: pytest"].cpu
    print(f"the guide's gate costs pytest {more:.2f} s of CPU more than one trivial test")
    if given.json:
        given.json.write_text(json.dumps({k: vars(v) for k, v in costs.items()}, indent=2))


if __name__ == "__main__":
    main()
