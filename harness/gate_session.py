"""One gated run under pytest: what is selected, the verdicts, the log, the summary."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.backends import Backend, backend_for
from harness.cases import Case, Spec
from harness.gating import Decision, decide
from harness.options import Settings
from harness.run import verdicts
from harness.run_log import Record, RunLog, digests, header, read_log, record_of
from harness.summary import Row, miss_line, row_of, summary_lines


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
    """The state of one pytest run. Replies are asked for once, all selected cases together."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.started = False
        self.judged = 0
        self._selections: dict[str, Selection] = {}
        self._backend: Backend | None = None
        self._log: RunLog | None = None
        self._baseline: frozenset[str] = frozenset()
        self._own: dict[str, Record] | None = None  # judged in this process
        self._reported: dict[str, tuple[str, Record]] = {}  # SPEC::ID → node id, record
        self._gates: dict[str, Row] = {}
        self._footnotes: list[str] = []
        self._footer: Record | None = None

    # What is selected

    def know(self, spec: Spec) -> None:
        """A spec takes part in the run."""
        if spec.name not in self._selections:
            total = len(spec.in_split(self.settings.split))
            self._selections[spec.name] = Selection(spec, total)

    def select(self, spec: Spec, case: Case) -> None:
        """A case is selected."""
        self.know(spec)
        self._selections[spec.name].chosen[case.ref] = case

    def select_gate(self, spec: Spec) -> None:
        """A spec's gate is selected."""
        self.know(spec)
        self._selections[spec.name].gate = True

    def selection(self, spec: Spec) -> Selection:
        """What of the spec is selected."""
        return self._selections[spec.name]

    # The run

    def start(self) -> None:
        """Name the model, read the baseline, open the log.

        Raises:
            UsageError: no model, or a file that cannot be used.
        """
        backend = self._asked()
        specs = digests([selection.spec for selection in self._selections.values()])
        first = header(self.settings, backend.label, backend.fingerprint, specs)
        self._log = RunLog(first, self.settings.run_log, self.settings.home)
        self.started = True

    def _asked(self) -> Backend:
        if self._backend is None:
            self._backend = backend_for(self.settings)
            if self.settings.baseline:
                log = read_log(self.settings.baseline)
                self._baseline = log.passed
                if log.end is None:
                    self._footnotes.append(f"baseline {log.path}: that run did not finish")
        return self._backend

    def record(self, case: Case) -> Record:
        """The verdict of a selected case, judged with all the others on first use."""
        if self._own is None:
            backend = self._asked()
            chosen = [c for s in self._selections.values() for c in s.chosen.values()]
            self._own = {v.case.ref: record_of(v) for v in verdicts(chosen, backend)}
        return self._own[case.ref]

    def decide(self, spec: Spec) -> Decision:
        """Decide a spec's gate over all of its selected cases."""
        cases = self.selection(spec).chosen.values()
        return self._decide(spec, [self.record(case) for case in cases])

    def _decide(self, spec: Spec, records: list[Record]) -> Decision:
        return decide(
            spec.name,
            spec.gate,
            records,
            min_pass_rate=self.settings.min_pass_rate,
            baseline=self._baseline,
            allow_regressions=self.settings.allow_regressions,
        )

    def gate_text(self, decision: Decision) -> str:
        """Why a gate is not met: the reasons, then every miss."""
        own = self._own or {}
        misses = [r for r in own.values() if r["spec"] == decision.spec and r["outcome"] != "pass"]
        lines = [f"{decision.spec}: {reason}" for reason in decision.reasons]
        return "\n".join([*lines, *(miss_line(r) for r in misses if r["outcome"] != "skip")])

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
        """Close the log."""
        if self._log is not None:
            self._footer = self._log.finish()

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
        assert self._footer is not None
        records = [record for _, record in self._reported.values()]
        backend = self._asked()
        footnotes = self._footnotes + foreign_note(backend, self._all_refs())
        footnotes += self._log.problems + [f"run log: {path}" for path in self._log.paths]
        if not self.judged:
            footnotes.append("nothing was judged")
        rows = [self._row(selection.spec) for selection in self._selections.values()]
        return summary_lines(
            backend.label, self.settings.split, rows, records, self._footer, footnotes
        )

    def _all_refs(self) -> set[str]:
        return {case.ref for s in self._selections.values() for case in s.spec.cases}

    def _row(self, spec: Spec) -> Row:
        """A decided gate's row, or one made of what was reported of the spec."""
        if spec.name in self._gates:
            return self._gates[spec.name]
        records = [r for _, r in self._reported.values() if r["spec"] == spec.name]
        total = len(spec.in_split(self.settings.split))
        return row_of(self._decide(spec, records), f"not asked: {len(records)} of {total}")


def foreign_note(backend: Backend, refs: set[str]) -> list[str]:
    """A warning for replies in a replay file that answer no case of the specs."""
    from harness.backends.replay import Replay

    foreign = backend.foreign(refs) if isinstance(backend, Replay) else []
    if not foreign:
        return []
    names = ", ".join(foreign[:3]) + (", …" if len(foreign) > 3 else "")
    return [f"warning: {len(foreign)} replies in the file answer no case of these specs: {names}"]
