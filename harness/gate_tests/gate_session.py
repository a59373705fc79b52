"""One gated run under pytest: what is selected, the verdicts, the log, the summary."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from harness.backends import Backend, backend_for, details_of
from harness.cases import Case, Spec, Verdict
from harness.errors import CallgateError
from harness.footnotes import footnotes, rows_text
from harness.gating import Decision, decide
from harness.log_files import check_log_files
from harness.options import OPTIONS, Settings, flag
from harness.progress import Stream
from harness.published import published_scores
from harness.redaction import secrets
from harness.run import judged, replies
from harness.run_log import Record, RunLog, header, read_log, record_of
from harness.summary import Row, case_text, miss_line, row_of, summary_lines

_REPEATED: Final = ("model", "adapter", "split", "max_new_tokens", "device", "dtype")
"""The options that the command which runs a case again has to repeat."""


@dataclass
class Selection:
    """What of a spec is selected; `total` counts its cases in the chosen split."""

    spec: Spec
    total: int
    chosen: dict[str, Case] = field(default_factory=dict)
    gate: bool = False

    @property
    def gated(self) -> bool:
        """Whether the gate is selected with all of its cases."""
        return self.gate and 0 < self.total == len(self.chosen)


class GateSession:
    """The state of one pytest run. The back end is asked for all selected cases at once."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.judged = 0
        self._selections: dict[str, Selection] = {}
        self._backend: Backend | None = None
        self._log: RunLog | None = None
        self._baseline: frozenset[str] = frozenset()
        self._verdicts: Iterator[Verdict] | None = None
        self._own: dict[str, Record] = {}  # judged in this process
        self._reported: dict[str, tuple[str, Record]] = {}  # SPEC::ID → node id, record
        self._gates: dict[str, Row] = {}
        self._footnotes: list[str] = []
        self._left_out: Counter[str] = Counter()
        self._secrets = secrets()

    # What is selected

    def select(self, spec: Spec, case: Case) -> None:
        """A case is selected."""
        self.selection(spec).chosen[case.ref] = case

    def select_named(self, root: Path, ids: Iterable[str]) -> None:
        """Select by node ids, `FILE::NAME` with files below `root`, as a worker collected them.

        Raises:
            SpecError: a file cannot be read any more.
        """
        from harness.loading import load_specs

        selected: dict[str, set[str]] = {}
        for ident in ids:
            file, _, name = ident.partition("::")
            selected.setdefault(file, set()).add(name)
        specs = load_specs(root / file for file in selected)
        for spec, names in zip(specs, selected.values(), strict=True):
            for case in spec.cases:
                if case.id in names:
                    self.select(spec, case)
            if "gate" in names:
                self.select_gate(spec)

    def set_aside(self, ref: str) -> None:
        """A selected case was not judged, for pytest or another plugin skipped it."""
        selection = self._selections.get(ref.partition("::")[0])
        if selection is not None:
            selection.chosen.pop(ref, None)

    def select_gate(self, spec: Spec) -> None:
        """A spec's gate is selected."""
        self.selection(spec).gate = True

    def leave_out(self, cases: Iterable[Case]) -> None:
        """Cases of other splits than the chosen one."""
        self._left_out.update(str(case.split) for case in cases)

    def left_out(self) -> list[str]:
        """A line on the cases of other splits, where there are any, and how to have them judged."""
        splits = self._left_out
        if not splits:
            return []
        one = splits.total() == 1
        named = [
            f"{n} {'case' if n == 1 else 'cases'} of split {name}" for name, n in splits.items()
        ]
        split = next(iter(splits)) if len(splits) == 1 else "all"
        again = f"--gate-split={split} judges {'it' if one else 'them'}"
        return [f"callgate: {' and '.join(named)} {'is' if one else 'are'} deselected; {again}"]

    def selection(self, spec: Spec) -> Selection:
        """What of the spec is selected."""
        if spec.name not in self._selections:
            total = len(spec.in_split(self.settings.split))
            self._selections[spec.name] = Selection(spec, total)
        return self._selections[spec.name]

    # The run

    def start(self) -> None:
        """Name the model, read the baseline, open the log.

        Raises:
            UsageError: no model, or a file that cannot be used.
        """
        selected = [selection.spec for selection in self._selections.values()]
        check_log_files(self.settings, selected)
        backend = self._asked()
        details = details_of(backend)
        first = header(self.settings, backend.label, backend.fingerprint, selected, details)
        asked, home = self.settings.run_log, self.settings.home
        self._log = RunLog(first, asked, home, self.settings.replay_file)

    def _asked(self) -> Backend:
        if self._backend is None:
            self._backend = backend_for(self.settings)
            if self.settings.baseline:
                log = read_log(self.settings.baseline)
                self._baseline = log.passed
                if log.end is None:
                    self._footnotes.append(f"baseline {log.path}: that run did not finish")
        return self._backend

    def ask(self, stream: Stream | None = None) -> None:
        """Ask for all selected cases, and wait for the replies: no verdict comes before them.

        Under pytest-xdist every worker asks; who waits for another to answer waits here, and
        nobody who is judging keeps the model from the others.
        """
        chosen = self._chosen()
        answers = list(replies(chosen, self._asked(), stream))
        self._verdicts = judged(chosen, answers)

    def _chosen(self) -> list[Case]:
        return [case for one in self._selections.values() for case in one.chosen.values()]

    def record(self, case: Case) -> Record:
        """The verdict of a selected case; the first one waits for all replies.

        Raises:
            CallgateError: judging broke off before this case.
        """
        if self._verdicts is None:
            self.ask()
        while case.ref not in self._own:
            verdict = next(self._verdicts or iter(()), None)
            if verdict is None:
                raise CallgateError(
                    f"{case.location}: case {case.id} was not judged: callgate broke off before "
                    "it; the first error of this run says why"
                )
            self._own[verdict.case.ref] = record_of(verdict, self._secrets)
        return self._own[case.ref]

    def decide(self, spec: Spec) -> Decision:
        """Decide a spec's gate over all of its selected cases; raises as `record` does."""
        return self._decide(spec, self._records(spec))

    def _records(self, spec: Spec) -> list[Record]:
        return [self.record(case) for case in self.selection(spec).chosen.values()]

    def _decide(self, spec: Spec, records: list[Record]) -> Decision:
        return decide(
            spec.name,
            spec.gate,
            records,
            min_pass_rate=self.settings.min_pass_rate,
            baseline=self._baseline,
            allow_regressions=self.settings.allow_regressions,
        )

    def gate_text(self, spec: Spec, decision: Decision) -> str:
        """Why a gate is not met: the reasons, then every miss."""
        misses = [r for r in self._records(spec) if r["outcome"] in ("fail", "error")]
        lines = [f"{decision.spec}: {reason}" for reason in decision.reasons]
        return "\n".join([*lines, *map(miss_line, misses)])

    def nothing_text(self, spec: Spec) -> str:
        """Why there is nothing to decide for a spec that owes a case in the chosen split."""
        why = rows_text(spec.source) if spec.source else "it has no case"
        why = f"{self._no_case}; {why}" if spec.cases else why
        return f"{spec.name}: nothing was judged: {why}"

    def case_text(self, case: Case) -> str:
        """A case in full, and the command that runs it again."""
        again = ["pytest", f"{self._selections[case.spec].spec.path}::{case.id}"]
        for option in OPTIONS:
            origin = self.settings.origins.get(option.name, "default")
            if option.name in _REPEATED and origin not in ("default", "pyproject.toml"):
                again += [flag(option, "gate-"), str(getattr(self.settings, option.name))]
        return case_text(self.record(case), shlex.join(again))

    # What is reported

    def take(self, nodeid: str, record: Record) -> None:
        """A case was reported: log it, keep it for the summary."""
        if record["case"] in self._reported:
            return
        self._reported[record["case"]] = nodeid, record
        self.judged += record["outcome"] in ("pass", "fail")
        if self._log is not None:
            self._log.add(record)

    def take_gate(self, row: dict[str, Any]) -> None:
        """A gate was decided."""
        self._gates[row["spec"]] = Row(**{**row, "interval": tuple(row["interval"])})

    def finish(self) -> None:
        """Close the log; it gets its footer only where every selected case was reported."""
        assert self._log is not None
        selected = sum(len(selection.chosen) for selection in self._selections.values())
        if len(self._reported) < selected:
            self._log.abandon()
            self._footnotes.append(
                f"the run did not finish: {len(self._reported)} of {selected} cases were judged"
            )
        else:
            self._log.finish()

    def misses_of_red_gates(self) -> list[str]:
        """The node ids of the misses whose gate is not met."""
        red = {row.spec for row in self._gates.values() if row.verdict != "met"}
        return [
            nodeid
            for nodeid, record in self._reported.values()
            if record["spec"] in red and record["outcome"] == "fail"
        ]

    def summary(self) -> list[str]:
        """The lines of the terminal summary."""
        assert self._log is not None
        order = {case.ref: place for place, case in enumerate(self._chosen())}
        records = [record for _, record in self._reported.values()]
        records.sort(key=lambda record: order[record["case"]])
        backend = self._asked()
        specs = [selection.spec for selection in self._selections.values()]
        notes = self._footnotes + footnotes(backend, specs, self._log, self.judged)
        rows = [self._row(spec) for spec in specs]
        metrics = self._log.metrics.footer(0)
        scores = published_scores(specs, records)
        split = self.settings.split
        return summary_lines(backend.label, split, rows, records, metrics, notes, scores)

    def _row(self, spec: Spec) -> Row:
        """A decided gate's row, or one made of what was reported of the spec."""
        if spec.name in self._gates:
            return self._gates[spec.name]
        records = [r for _, r in self._reported.values() if r["spec"] == spec.name]
        total = self.selection(spec).total
        why = f"not asked: {len(records)} of {total}" if total else self._no_case
        owes = spec.owes(self.settings.split)
        return row_of(self._decide(spec, records), None if owes else why)

    @property
    def _no_case(self) -> str:
        return f"no case is {self.settings.split}"
