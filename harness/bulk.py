"""Judging whole specs without pytest: what `callgate run` and the trainers call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.backends import Backend, details_of
from harness.cases import Spec
from harness.footnotes import footnotes
from harness.gating import Decision, decide
from harness.log_files import check_log_files
from harness.options import Settings
from harness.published import published_scores
from harness.redaction import secrets
from harness.run import verdicts
from harness.run_log import RunLog, header, read_log, record_of
from harness.summary import row_of, summary_lines


@dataclass(frozen=True)
class Judged:
    """The records of all cases, the decisions, the summary for people.

    Specs without a case in the split have no decision, save those that owe one (`Spec.owes`).
    """

    records: tuple[dict[str, Any], ...]
    decisions: tuple[Decision, ...]
    lines: tuple[str, ...]


def judge_specs(specs: Sequence[Spec], backend: Backend, settings: Settings) -> Judged:
    """Judge the cases of the chosen split, log them as they come, decide every gate.

    A spec without a case in the split has no decision, only its line in the summary; where its
    data set should have given one, it has a decision that nothing was judged.

    Raises:
        UsageError: the baseline cannot be read, or the log not be written where it was asked for.
    """
    check_log_files(settings, specs)
    baseline = read_log(settings.baseline) if settings.baseline else None
    hidden = secrets()
    details = details_of(backend)
    first = header(settings, backend.label, backend.fingerprint, specs, details)
    log = RunLog(first, settings.run_log, settings.home, settings.replay_file)
    cases = [case for spec in specs for case in spec.in_split(settings.split)]
    records: dict[str, list[dict[str, Any]]] = {spec.name: [] for spec in specs}
    try:
        for verdict in verdicts(cases, backend):
            record = record_of(verdict, hidden)
            records[verdict.case.spec].append(record)
            log.add(record)
    except BaseException:  # Ctrl-C too: without a footer, the log says that it is not whole
        log.abandon()
        raise
    footer = log.finish()
    as_written = {case.ref: place for place, case in enumerate(cases)}
    for of_spec in records.values():
        of_spec.sort(key=lambda record: as_written[record["case"]])
    every_decision = [
        decide(
            spec.name,
            spec.gate,
            records[spec.name],
            min_pass_rate=settings.min_pass_rate,
            baseline=baseline.passed if baseline else (),
            allow_regressions=settings.allow_regressions,
        )
        for spec in specs
    ]
    without = {
        spec.name for spec in specs if not records[spec.name] and not spec.owes(settings.split)
    }
    decisions = tuple(decision for decision in every_decision if decision.spec not in without)
    every = [record for spec in specs for record in records[spec.name]]
    judged = sum(decision.tally.judged for decision in decisions)
    notes = footnotes(backend, specs, log, judged)
    if baseline and baseline.end is None:
        notes.insert(0, f"baseline {baseline.path}: that run did not finish")
    none = f"no case is {settings.split}"
    rows = [row_of(one, none if one.spec in without else None) for one in every_decision]
    scores = published_scores(specs, every)
    lines = summary_lines(backend.label, settings.split, rows, every, footer, notes, scores)
    return Judged(tuple(every), decisions, tuple(lines))
