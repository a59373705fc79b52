"""Rescoring: the replies of a run log judged by today's specs, without a model."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from harness.cases import Case, Finish, Reply, Spec
from harness.command_line.commands import spec_files
from harness.errors import UsageError
from harness.gating import decide
from harness.judging import follow_up
from harness.loading import load_specs
from harness.log_files import check_log_files
from harness.metrics import Metrics
from harness.options import Settings
from harness.redaction import MARK, secrets
from harness.run import judged
from harness.run_log import ReadLog, Record, header, read_log, record_of
from harness.summary import row_of, summary_lines
from harness.wording import count, named, one_line, shown_path
from harness.writing import write_whole
from reports.gates import terms_of
from reports.records import mapping, text
from reports.splits import ALL, weighed_together
from reports.writing import json_line

_TUNE: Final = "callgate-tune"
STALE: Final = "its reply answered another prompt, or other tools"
NEW: Final = "the log holds no reply to it"
NO_REPLY: Final = "the log holds no reply, for the run had an error here"
NO_ANSWER: Final = "the log holds no answer to what its calls find"
OTHER_RESULTS: Final = "its answer followed other results: what its calls find has changed"
CUT: Final = "its reply is not whole: a secret of the environment was taken out of it"


@dataclass(frozen=True, slots=True)
class Change:
    """A verdict that is another one by today's spec."""

    before: Record
    after: Record


@dataclass(frozen=True, slots=True)
class Rescored:
    """What today's specs make of a log.

    `records` are the new verdicts, of every case that the specs have in the log's splits; where
    the log has no reply that could be judged they are errors, and `unjudged` (reason → cases) has
    them. `changes` are among the others; `gone` are cases of the log that today's specs have not,
    each with why.
    """

    records: tuple[Record, ...]
    changes: tuple[Change, ...]
    unjudged: Mapping[str, tuple[str, ...]]
    gone: Mapping[str, tuple[str, ...]]

    @property
    def judged(self) -> int:
        """How many cases were judged again."""
        return sum(record["outcome"] in ("pass", "fail") for record in self.records)


def rescore(run: str, paths: Sequence[str], run_log: str | None = None) -> list[str]:
    """Judge the replies of a run log, or of a training folder's last one, by today's specs.

    `paths` are spec files and folders. `run_log` names a file for the new verdicts, a whole run
    log whose header says what it was rescored from.

    Returns:
        What to tell: the verdicts that changed and why, what could not be judged, the gates.

    Raises:
        UsageError: the log cannot be read, or the new one not be written.
        SpecError: a spec cannot be read.
    """
    path = str(Path(run) / "after.jsonl") if Path(run).is_dir() else run
    specs = load_specs(spec_files(paths))
    settings = Settings(model=f"replay:{path}", run_log=run_log)
    check_log_files(settings, specs)
    log = read_log(path)
    if not log.verdicts:
        raise UsageError(f"{path}: holds no verdict, so there is no reply to judge")
    mine = _taken(log, specs)
    found = judge_again(log, mine, specs)
    others = [spec.name for spec in specs if spec.name not in {one.name for one in mine}]
    lines = [*_head(log, mine, others), *_told(found), "", *_gates(log, mine, found)]
    if run_log is not None:
        write_whole(Path(run_log), "".join(map(json_line, _new_log(log, mine, found))))
        lines += ["", f"run log: {shown_path(Path(run_log))}"]
    return lines


def _taken(log: ReadLog, specs: Sequence[Spec]) -> list[Spec]:
    """Today's specs that the log has verdicts of, as its run would take them.

    A run of `callgate-tune` judges no train case, and makes some of them dev cases for want of any.

    Raises:
        UsageError: it has verdicts of none of them.
    """
    of_log = dict.fromkeys(verdict["case"].partition("::")[0] for verdict in log.verdicts)
    mine = [spec for spec in specs if spec.name in of_log]
    if not mine:
        raise UsageError(
            f"{log.path}: holds no verdict of {named([spec.name for spec in specs])}; it has "
            f"those of {named(list(of_log))}"
        )
    if mapping(mapping(mapping(log.run).get("options")).get("split")).get("from") != _TUNE:
        return mine
    dev = {verdict["case"] for verdict in log.verdicts if verdict.get("split") == "dev"}
    return [replace(spec, cases=_held_out(spec.cases, dev)) for spec in mine]


def _held_out(cases: Sequence[Case], dev: Collection[str]) -> tuple[Case, ...]:
    lent = [replace(case, split="dev") if case.ref in dev else case for case in cases]
    return tuple(
        now
        for case, now in zip(cases, lent, strict=True)
        if case.split != "train" or now.split == "dev"
    )


def judge_again(log: ReadLog, specs: Sequence[Spec], today: Sequence[Spec] = ()) -> Rescored:
    """Judge every reply of the log that a case of `specs` may be judged by, in the log's splits.

    `today` are all specs as they are, to say what became of the cases that are not there.
    """
    logged = {verdict["case"]: verdict for verdict in reversed(log.verdicts)}  # the first counts
    splits = {text(verdict.get("split")) or "test" for verdict in log.verdicts}
    cases = [case for spec in specs for case in spec.cases if case.split in splits]
    replies = [(case, _reply(case, logged.get(case.ref))) for case in cases if case.skip is None]
    hidden = secrets()
    made = {v.case.ref: record_of(v, hidden) for v in judged(cases, replies)}
    unjudged = _grouped((case.ref, reply.error) for case, reply in replies if reply.error)
    left = {ref for refs in unjudged.values() for ref in refs}
    changes = [
        Change(logged[case.ref], made[case.ref])
        for case in cases
        if case.ref in logged and case.ref not in left
    ]
    places = {one.name: {c.ref: str(c.split) for c in one.cases} for one in today or specs}
    return Rescored(
        tuple(made[case.ref] for case in cases),
        tuple(change for change in changes if _kind(change.before) != _kind(change.after)),
        unjudged,
        _grouped((ref, _why_gone(ref, places)) for ref in reversed(logged) if ref not in made),
    )


def _reply(case: Case, verdict: Record | None) -> Reply:
    """The recorded reply; an error where there is none that answers today's request."""
    if verdict is None or (verdict["outcome"] == "skip" and not verdict.get("reply")):
        return Reply("", error=NEW)
    reply, request = verdict.get("reply"), verdict.get("request")
    if not isinstance(reply, str):
        return Reply("", error=NO_REPLY if verdict["outcome"] == "error" else NEW)
    if isinstance(request, str) and request != case.request.digest:
        return Reply("", error=STALE)
    if verdict.get("redacted") is True and MARK in reply:
        return Reply("", error=CUT)
    return _answered(case, Reply(reply, _finish(verdict)), verdict)


def _answered(case: Case, reply: Reply, verdict: Record) -> Reply:
    """The reply with the recorded answer to what its calls find today, where one is asked for."""
    answer = verdict.get("answer")
    answer = {"reply": answer} if isinstance(answer, str) else mapping(answer)
    asked = follow_up(case, reply)
    if asked is None:
        return reply
    said = answer.get("reply")
    if not isinstance(said, str):
        return Reply("", error=NO_ANSWER)
    request = answer.get("request")
    if isinstance(request, str) and request != asked.digest:
        return Reply("", error=OTHER_RESULTS)
    if verdict.get("redacted") is True and MARK in said:
        return Reply("", error=CUT)
    return replace(reply, answer=Reply(said, _finish(answer)))


def _finish(record: Mapping[str, Any]) -> Finish:
    return "length" if record.get("finish") == "length" else "stop"


def _why_gone(ref: str, splits: Mapping[str, Mapping[str, str]]) -> str:
    """Why today's specs have no such case; `splits` is that of each of their cases, by spec."""
    mine = splits.get(ref.partition("::")[0])
    if mine is None:
        return "of specs that were not named"
    return f"a {mine[ref]} case now" if ref in mine else "gone from the spec"


def _grouped(pairs: Iterable[tuple[str, str | None]]) -> dict[str, tuple[str, ...]]:
    """Reason → cases."""
    groups: dict[str, list[str]] = {}
    for ref, reason in pairs:
        groups.setdefault(reason or "", []).append(ref)
    return {reason: tuple(refs) for reason, refs in groups.items()}


def _kind(record: Mapping[str, Any]) -> tuple[str, str]:
    return record["outcome"], text(record.get("miss"))


def _kind_text(record: Mapping[str, Any]) -> str:
    return one_line(text(record.get("miss")) or record["outcome"])


def _head(log: ReadLog, specs: Sequence[Spec], others: Sequence[str]) -> list[str]:
    lines = [f"{one_line(shown_path(Path(log.path)))}, judged again by {count(len(specs), 'spec')}"]
    lines += [f"left out, for the log has no verdict of it: {named(others)}"] if others else []
    if log.run is not None and log.end is None:
        lines.append("that run did not finish: its log has no footer")
    return lines


def _told(found: Rescored) -> list[str]:
    """What became of the verdicts."""
    replies = count(found.judged, "reply")
    changed = count(len(found.changes), "verdict")
    lines = [f"{replies} judged again: {changed} changed"]
    lines += map(_change_line, found.changes)
    for reason, cases in found.unjudged.items():
        lines.append(f"not judged, {count(len(cases), 'case')}: {reason}: {named(cases)}")
    for reason, cases in found.gone.items():
        lines.append(f"left out, {count(len(cases), 'case')}: {reason}: {named(cases)}")
    return lines


def _change_line(change: Change) -> str:
    """Place, case, what it was and is, and why: today's reason, or the one that is gone."""
    record, before = change.after, text(change.before.get("reason"))
    was, now = _kind_text(change.before), _kind_text(record)
    line = f"  {one_line(record['location'])} {one_line(record['case'])}: {was} → {now}"
    why = record["reason"] or (f"it was: {before}" if before else "")
    return f"{line}: {one_line(why, 300)}" if why else line


def _gates(log: ReadLog, specs: Sequence[Spec], found: Rescored) -> list[str]:
    """The gates over test, where it has test cases; other splits are only counted.

    The misses are left to reports: what changed must not drown in them.
    """
    splits = list(dict.fromkeys(record["split"] for record in found.records))
    head = mapping(log.run)
    split = "test" if "test" in splits or not splits else splits[0]
    split = ALL if weighed_together(head) else split
    mine = [record for record in found.records if split in (ALL, record["split"])]
    terms = terms_of(head)
    decisions = [
        decide(
            spec.name,
            spec.gate,
            [record for record in mine if record["spec"] == spec.name],
            min_pass_rate=terms.min_pass_rate,
            baseline=terms.baseline or (),
            allow_regressions=terms.allowed,
        )
        for spec in specs
    ]
    none = f"no case is {split}"
    rows = [row_of(decision, None if decision.total else none) for decision in decisions]
    label = text(mapping(log.run).get("label")) or "not said by the log"
    notes = [_counted(other, found.records) for other in splits if split not in (ALL, other)]
    return summary_lines(label, split, rows, (), _metrics(mine).footer(0), notes)


def _metrics(records: Iterable[Record]) -> Metrics:
    metrics = Metrics()
    for record in records:
        metrics.add(record)
    return metrics


def _counted(split: str, records: Sequence[Record]) -> str:
    outcomes = [record["outcome"] for record in records if record["split"] == split]
    total = outcomes.count("pass") + outcomes.count("fail")
    return f"{split}: {outcomes.count('pass')} of {total} passed; no gate is asked of them here"


def _new_log(log: ReadLog, specs: Sequence[Spec], found: Rescored) -> Iterator[Record]:
    """The new verdicts as a run log: the model's of the old one, the specs as they are today."""
    old = mapping(log.run)
    label, fingerprint = text(old.get("label")), text(old.get("fingerprint"))
    first = header(Settings(model=text(old.get("model")) or None), label, fingerprint, specs)
    asked = {key: _plain(old[key]) for key in ("generation", "options") if key in old}
    origin = {"log": shown_path(Path(log.path)), "start": text(old.get("start"))}
    yield {**first, **asked, "rescored": origin}
    yield from found.records
    yield _metrics(found.records).footer(0)


def _plain(value: Any) -> dict[str, Any]:
    """Two levels of a mapping: nobody knows what else a log from elsewhere holds."""
    kept = {key: held for key, held in mapping(value).items() if not isinstance(held, list)}
    scalars = (str, int, float, bool, type(None))
    return {
        key: {k: v for k, v in held.items() if isinstance(v, scalars)}
        if isinstance(held, Mapping)
        else held
        for key, held in kept.items()
    }
