"""Baselines: a run log made into the reviewed file that `--gate-baseline` reads.

The file is a run log too, of what a baseline needs and no more: no times, no versions, a line for
each case in the order of their names, so that `git diff` shows what became of cases.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import Final

from harness.cases import SPLITS
from harness.errors import UsageError
from harness.log_files import is_free, same_file
from harness.run_log import SCHEMA_VERSION, Record, read_log
from harness.wording import count, errors_text, named, one_line
from harness.writing import write_whole
from reports.counting import summarise
from reports.records import mapping, text
from reports.runs import Log, open_run, option
from reports.summary import Summary
from reports.writing import json_line

_OUTCOMES: Final = ("pass", "fail", "error", "skip")


def bless(run: str, output: str, force: str | None = None) -> list[str]:
    """Write a run log, or a training folder's last one, as the baseline `output`.

    `force` is the reason to take a run that is not whole, or whose gates are not met; the file
    keeps it, and what speaks against the run.

    Returns:
        What to tell: what was written, and what changed against the baseline that was there.

    Raises:
        UsageError: the run cannot be read, or speaks against itself and no reason was given, or
            the file cannot be written or is none to replace.
    """
    if force is not None and not force.strip():
        raise UsageError(f"--force: expected the reason to bless this run, found {force!r}")
    opened = open_run(run, None)
    summary = summarise(opened)
    log = opened.after
    _check_output(output, log.path)
    problems = _problems(log, summary)
    if problems and force is None:
        raise UsageError(_refusal(run, problems))
    old = read_log(output).verdicts if os.path.isfile(output) else None  # noqa: PTH113 - never raises
    write_whole(Path(output), "".join(map(json_line, _lines(log, problems, force))))
    return [*_written(log, output, problems, force), *_changes(old, log.records)]


def _check_output(output: str, log: str) -> None:
    if same_file(output, log):
        raise UsageError(
            f"{output}: this is the run itself, which holds more than a baseline does; name "
            "another file"
        )
    if not is_free(Path(output)):
        raise UsageError(
            f"{output}: this file is there and is no baseline; name another, or remove it"
        )


def _problems(log: Log, summary: Summary) -> list[str]:
    """What speaks against taking the run as a baseline."""
    problems = [] if log.end is not None else ["the run did not finish: its log has no footer"]
    parts = _parts(log)
    problems += parts
    errors = [one_line(v["case"]) for v in log.records if v["outcome"] == "error"]
    if errors:
        problems.append(f"{errors_text(len(errors))}: {named(errors)}")
    for spec in summary.specs:
        side, name = spec.whole.after, one_line(spec.whole.name)
        if side.pass_rate is None:
            problems.append(f"{name}: what its gate asks for is not known")
        elif side.met is None and not parts:
            problems.append(f"{name}: gate not decided: the run's baseline cannot be read")
        reasons = side.reasons[1 if side.errors else 0 :]  # the first says that there are errors
        problems += [f"{name}: gate not met: {reason}" for reason in reasons]
    return problems


def _parts(log: Log) -> list[str]:
    """Where the run is not whole: cases that its specs had and it did not judge."""
    problems = ["a case is in its log more than once"] if log.lines > len(log.records) else []
    policies = mapping(log.header.get("policies"))
    if not policies:
        return [*problems, "its header does not say how many cases its specs had"]
    found = Counter((record["spec"], record["split"]) for record in log.records)
    for name, policy in policies.items():
        if not any(mapping(mapping(policy).get("cases")).values()):
            problems.append(f"{one_line(name)}: its data set gave no case")
        for split in _splits(log):
            had = mapping(mapping(policy).get("cases")).get(split, 0)
            if found[name, split] != had:
                cases = "case is" if found[name, split] == 1 else "cases are"
                problems.append(
                    f"{one_line(name)}: {found[name, split]} {split} {cases} in the log, and the "
                    f"spec had {had}"
                )
    return problems


def _splits(log: Log) -> Sequence[str]:
    """The splits that the run was to judge."""
    split = option(log.header, "split")
    if split == "all":
        return SPLITS
    there = {split} if split in SPLITS else {record["split"] for record in log.records}
    return [split for split in SPLITS if split in there]


def _refusal(run: str, problems: Sequence[str]) -> str:
    lines = [f"{one_line(run)}: not blessed:", *(f"  {problem}" for problem in problems)]
    return "\n".join([*lines, "--force REASON blesses it all the same, and keeps the reason."])


def _lines(log: Log, problems: Sequence[str], force: str | None) -> list[Record]:
    """The file's lines: who answered, by which specs; what became of each case; that it is all."""
    specs = mapping(log.header.get("specs"))
    header: Record = {
        "kind": "run",
        "schema": SCHEMA_VERSION,
        "blessed": True,
        "label": text(log.header.get("label")),
        "fingerprint": text(log.header.get("fingerprint")),
        "specs": {name: text(specs[name]) for name in sorted(specs)},
    }
    if problems and force is not None:
        header["forced"] = {"reason": force.strip(), "problems": list(problems)}
    outcomes = Counter(record["outcome"] for record in log.records)
    footer = {"kind": "end", "outcomes": {name: outcomes[name] for name in _OUTCOMES}}
    return [header, *map(_verdict, sorted(log.records, key=itemgetter("case"))), footer]


def _verdict(record: Record) -> Record:
    kept = {key: record[key] for key in ("case", "split", "outcome")}
    more = {key: record[key] for key in ("miss", "request") if record[key]}
    return {"kind": "verdict", **kept, **more}


def _written(log: Log, output: str, problems: Sequence[str], force: str | None) -> list[str]:
    passed = sum(record["outcome"] == "pass" for record in log.records)
    lines = [f"{one_line(output)}: {count(len(log.records), 'case')}, of which {passed} passed"]
    if force is not None and problems:
        lines.append(f"forced ({one_line(force.strip())}), although:")
        lines += [f"  {problem}" for problem in problems]
    elif force is not None:
        lines.append("nothing spoke against the run, so the reason of --force is not kept")
    return lines


def _changes(old: Sequence[Record] | None, new: Sequence[Record]) -> list[str]:
    """What changed against the baseline that was there."""
    if old is None:
        return []
    was = {verdict["case"]: verdict["outcome"] for verdict in old}
    now = {verdict["case"]: verdict["outcome"] for verdict in new}
    both = [case for case in now if case in was]
    lists = {
        "passing now": [c for c in both if was[c] != "pass" == now[c]],
        "no longer passing": [c for c in both if was[c] == "pass" != now[c]],
        "new": [case for case in now if case not in was],
        "gone": [case for case in was if case not in now],
    }
    lines = [f"{what}, {len(some)}: {named(sorted(some))}" for what, some in lists.items() if some]
    return lines or ["every case is as it was in the baseline before"]
