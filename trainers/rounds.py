"""What happens after each step and round: judge dev, keep the best, decide whether to go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.cases import Spec
from harness.checkpoints import Checkpoint
from harness.options import Settings
from trainers.judge import Standing, TrainedModel, judge_dev
from trainers.run_folder import Progress, RunFolder, append_lines, write_progress
from trainers.settings import Tuning
from trainers.splits import deciding
from trainers.telling import Teller
from trainers.weights import write_model


@dataclass
class Rounds:
    """The loop's side of a training: `trainers.sft.Watcher`, over a run folder.

    Mutable: it counts. `progress` is what the last checkpoint holds; `rounds` and `lines` run
    ahead of it until the next one is written.
    """

    folder: RunFolder
    progress: Progress
    specs: tuple[Spec, ...]
    backend: TrainedModel
    gate: Settings
    tuning: Tuning
    base: Checkpoint
    teller: Teller
    rounds: list[dict[str, Any]] = field(default_factory=list)
    best: str | None = None
    best_round: int | None = None
    ended: str | None = None
    lines: int = 0
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.rounds = [dict(one) for one in self.progress.rounds]
        self.best, self.best_round = self.progress.best, self.progress.best_round
        self.lines = self.progress.history_lines

    @property
    def seconds(self) -> float:
        """Seconds of training so far, those before a kill included."""
        return self.progress.seconds + time.monotonic() - self.started

    @property
    def has_dev(self) -> bool:
        """Whether any spec has dev cases."""
        return any(map(deciding, self.specs))

    def step(self, number: int, total: int, record: Mapping[str, Any]) -> str | None:
        """Note the loss; end the training when it is no number, or the time is over."""
        self._note({"kind": "step", "step": number, **record})
        broken = [name for name in ("loss", "grad_norm") if record.get(name, 0.0) is None]
        if broken:
            what = "the loss" if broken[0] == "loss" else "the gradient"
            self.ended = (
                f"{what} is not a finite number at step {number}: the learning rate "
                f"({self.tuning.learning_rate:g}) is too high, or the base is broken"
            )
        elif self._over():
            self.ended = f"the time is over ({self.tuning.max_minutes:g} minutes)"
        self.teller.step(number, total, record, self.seconds)
        return self.ended

    def round(
        self, record: Mapping[str, Any], weights: Callable[[], Mapping[str, Any]]
    ) -> str | None:
        """Judge dev by generation, keep the weights if they are the best, and decide."""
        started = time.monotonic()
        self.backend.take(weights())
        number = len(self.rounds) + 1
        standing = judge_dev(self.specs, self.backend, self._stop_rule()) if self.has_dev else None
        found = {"kind": "round", "round": number, **record, **_dev(standing)}
        better = _score(found) > max(map(_score, self.rounds), default=())
        found |= {"best": better, "judge_seconds": round(time.monotonic() - started, 3)}
        found["seconds"] = round(self.seconds, 3)
        if better:
            name = f"best-{number}"
            write_model(
                self.backend.model, self.backend.save_dtype, self.base, self.folder.state / name
            )
            self.best, self.best_round = name, number
        self.backend.release()
        self.rounds.append(found)
        self._note(found)
        self.ended = self.ended or self._ended(standing)
        self.teller.round(found, standing, self._left())
        return self.ended

    def saved(self, checkpoint: str) -> None:
        """The trainer's state is whole: from here a resumed run goes on."""
        self.progress = self._reached(checkpoint)
        self.started = time.monotonic()
        write_progress(self.folder, self.progress)

    def finish(self) -> Progress:
        """The training is over; what remains needs no trainer's state."""
        return conclude(self.folder, self._reached(self.progress.checkpoint))

    def _reached(self, checkpoint: str | None) -> Progress:
        return replace(
            self.progress,
            rounds=tuple(self.rounds),
            best=self.best,
            best_round=self.best_round,
            checkpoint=checkpoint,
            history_lines=self.lines,
            seconds=self.seconds,
            ended=self.ended,
        )

    def _note(self, record: Mapping[str, Any]) -> None:
        append_lines(self.folder.history, [record])
        self.lines += 1

    def _over(self) -> bool:
        limit = self.tuning.max_minutes
        return limit is not None and self.seconds >= 60 * limit

    def _stop_rule(self) -> Settings:
        """The gate's settings, at the rate of `--until` where one is given."""
        until = self.tuning.until
        return self.gate if until is None else replace(self.gate, min_pass_rate=until)

    def _ended(self, standing: Standing | None) -> str | None:
        """Why this round is the last; None while training goes on."""
        last = len(self.rounds) >= (self.tuning.epochs or self.tuning.max_epochs)
        if self.tuning.epochs is None and standing is not None:
            if standing.met:
                return "the stop rule holds on dev"
            since = len(self.rounds) - (self.best_round or 0)
            if since >= self.tuning.patience:
                return f"nothing improved on dev for {since} rounds"
        return f"all {len(self.rounds)} epochs are trained" if last else None

    def _left(self) -> float:
        """Seconds until the number of epochs or the time ends the training, at this pace."""
        if self.ended:
            return 0.0
        total = self.tuning.epochs or self.tuning.max_epochs
        left = self.seconds / len(self.rounds) * (total - len(self.rounds))
        limit = self.tuning.max_minutes
        return left if limit is None else max(0.0, min(left, 60 * limit - self.seconds))


def conclude(folder: RunFolder, progress: Progress) -> Progress:
    """Note that the training is over, and why; its checkpoint is not needed any more."""
    why = progress.ended or f"all {len(progress.rounds)} epochs are trained"
    end = {"kind": "end", "ended": why, "best_round": progress.best_round}
    append_lines(folder.history, [end | {"seconds": round(progress.seconds, 3)}])
    lines = progress.history_lines + 1
    concluded = replace(progress, phase="trained", checkpoint=None, history_lines=lines, ended=why)
    write_progress(folder, concluded)
    return concluded


def _dev(standing: Standing | None) -> dict[str, Any]:
    """The dev rate of a round, as the history has it; empty without dev cases."""
    if standing is None:
        return {}
    return {
        "dev_passed": standing.passed,
        "dev_judged": standing.judged,
        "dev_pass_rate": standing.passed / standing.judged if standing.judged else None,
        "dev_met": sum(decision.met for decision in standing.decisions),
        "dev": {d.spec: [d.tally.passed, d.tally.judged] for d in standing.decisions},
    }


def _score(found: Mapping[str, Any]) -> tuple[float, ...]:
    """What makes one round better than another: gates met on dev, cases passed, a lower loss.

    Without dev cases the later round is the better one.
    """
    if "dev_passed" not in found:
        return (found["round"],)
    loss = found.get("validation_loss")
    return found["dev_met"], found["dev_passed"], 0.0 if loss is None else -loss
