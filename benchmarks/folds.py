"""What tuning brings on cases that it did not learn from: k-fold over a spec's train and dev cases.

The test cases are left out. Each fold's cases are the test cases of a tuning run on the others,
with a fixed number of epochs, so that no rule can choose a round by them:

    python benchmarks/folds.py [--spec FILE] [--folds 5] [--epochs 8] [--model mini] [-- FLAGS]

The flags are those of `callgate-tune`. Prints for each fold and for all of them how many cases
pass before and after, and how many a bag of words with logistic regression gets, learned from the
same cases.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.loading import load_specs
from harness.run_log import read_log
from harness.statistics import wilson
from reports.floors import floors, learn

SPEC = Path(__file__).parents[1] / "specs" / "search_policy.spec.yaml"
BAG = "bag of words"


@dataclass(frozen=True)
class Rates:
    """Cases of a fold, and how many of them pass."""

    cases: int
    before: int
    after: int
    bag: int


def dealt(cases: Sequence[Mapping[str, Any]], folds: int) -> list[list[str]]:
    """The cases' ids in as many parts, of which each has its share of every tool."""
    by_tool = sorted(cases, key=lambda case: ",".join(sorted(case["expect"])))
    return [[case["id"] for case in by_tool[start::folds]] for start in range(folds)]


def fold_specs(text: Mapping[str, Any], folds: int) -> Iterator[dict[str, Any]]:
    """A spec per fold, with its cases as test cases and all others as train cases."""
    cases = [case for case in text["cases"] if case.get("split") in ("train", "dev")]
    for held in dealt(cases, folds):
        moved = [{**case, "split": "test" if case["id"] in held else "train"} for case in cases]
        yield {**text, "cases": moved}


def measured(spec: Mapping[str, Any], folder: Path, flags: Sequence[str]) -> Rates:
    """One tuning run.

    Raises:
        SystemExit: it broke.
    """
    folder.mkdir()
    file, out = folder / "fold.spec.yaml", folder / "run"
    file.write_text(yaml.safe_dump(dict(spec), sort_keys=False), encoding="utf-8")
    command = [sys.executable, "-m", "trainers", str(file), "--out", str(out), *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(done.stdout + done.stderr)
    before, after = (read_log(str(out / f"{name}.jsonl")) for name in ("before", "after"))
    records = [verdict for verdict in after.verdicts if verdict["split"] == "test"]
    train = load_specs([file])[0].in_split("train")
    rules = {floor.rule: floor.rate.passed for floor in floors(learn(train, records), records)}
    own = {record["case"] for record in records}
    return Rates(len(own), len(before.passed & own), len(after.passed & own), rules[BAG])


def row(name: str, rates: Rates) -> str:
    """A line of the table."""
    low, high = (f"{100 * end:.0f}" for end in wilson(rates.after, rates.cases))
    share = f"{100 * rates.after / rates.cases:.0f} % [{low}, {high}]"
    counts = f"{rates.cases:5}  {rates.before:6}  {rates.after:5}  {share:16}  {rates.bag:12}"
    return f"{name:5} {counts}"


def main() -> None:
    """Runs the folds, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", type=Path, default=SPEC)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--model", default="mini")
    parser.add_argument("flags", nargs="*", help="flags of callgate-tune, after --")
    options = parser.parse_args()
    flags = ["--epochs", str(options.epochs), "--model", options.model, "--leaks", "drop"]
    flags += options.flags
    text = yaml.safe_load(options.spec.read_text(encoding="utf-8"))
    print(f"{'fold':5} {'cases':>5}  before  after  {'':16}  bag of words")
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for number, spec in enumerate(fold_specs(text, options.folds), 1):
            found.append(measured(spec, Path(folder) / str(number), flags))
            print(row(str(number), found[-1]), flush=True)
    fields = ("cases", "before", "after", "bag")
    print(row("all", Rates(*(sum(getattr(one, name) for one in found) for name in fields))))


if __name__ == "__main__":
    main()
