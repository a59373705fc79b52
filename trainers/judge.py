"""Judging for the loop: the harness's own verdicts and gates, over weights that are in training.

Nothing here judges: replies come from `harness.backends.transformers`, verdicts from
`harness.run`, decisions from `harness.gating`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.backends import Backend
from harness.backends.transformers import Encoder, answer
from harness.bulk import judge_specs
from harness.cases import Reply, Request, Spec
from harness.errors import CallgateError
from harness.gating import Decision, decide, tally_of
from harness.options import Settings
from harness.run import verdicts
from harness.run_log import read_log, record_of
from harness.wording import errors_text

if TYPE_CHECKING:
    import torch

Record = Mapping[str, Any]


class NothingJudgedError(CallgateError):
    """A judgement that came to nothing: errors, or no case at all."""

    exit_code = 3


@dataclass(frozen=True)
class Standing:
    """How the specs stand in one split: a decision for each that has cases there."""

    decisions: tuple[Decision, ...]

    @property
    def met(self) -> bool:
        """Whether every gate holds; never on nothing."""
        return bool(self.decisions) and all(decision.met for decision in self.decisions)

    @property
    def broken(self) -> bool:
        """Whether it could not be decided: an error, or nothing judged."""
        return not self.decisions or any(decision.broken for decision in self.decisions)

    @property
    def passed(self) -> int:
        """Cases that passed, of all specs together."""
        return sum(decision.tally.passed for decision in self.decisions)

    @property
    def judged(self) -> int:
        """Cases that passed or failed, of all specs together."""
        return sum(decision.tally.judged for decision in self.decisions)


@dataclass(frozen=True)
class TrainedModel:
    """Weights in training as a back end: a model of the gate's precision that they are put into.

    They are rounded as they will be when saved, so that a round is judged as its model will be.
    Drafts are read ahead, as the gate does it: replies are the same, and sooner there. Between
    `take` and `release` only does the model hold weights: at other times training needs the memory.
    """

    encoder: Encoder
    model: Any
    save_dtype: torch.dtype
    settings: Settings
    label: str = "the model in training"
    fingerprint: str = "in training"

    @property
    def takes_drafts(self) -> bool:
        """Whether the gold replies are worth sending along."""
        return not self.settings.no_drafts

    def take(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Put weights in, by the names that the model has for them."""
        for name, parameter in self.model.named_parameters():
            rounded = weights[name].to(self.save_dtype)
            parameter.data = rounded.to(parameter.device, parameter.dtype)

    def release(self) -> None:
        """Let go of the weights."""
        for parameter in self.model.parameters():
            parameter.data = parameter.data.new_empty(0)

    def replies(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        """Each request's index with its reply."""
        for batch in answer(
            self.encoder,
            lambda: self.model,
            requests,
            max_new_tokens=self.settings.max_new_tokens,
            batch_size=self.settings.batch_size,
        ):
            yield from batch


def stand(
    specs: Sequence[Spec],
    records: Sequence[Record],
    split: str,
    settings: Settings,
    baseline: Collection[str] = (),
) -> Standing:
    """The gates' decisions over the records of one split, as the gate itself would take them.

    `baseline` holds the cases that passed before; on test alone a miss of theirs is a regression.
    """
    mine: dict[str, list[Record]] = {spec.name: [] for spec in specs}
    for record in records:
        if record["split"] == split:
            mine[record["spec"]].append(record)
    return Standing(
        tuple(
            decide(
                spec.name,
                spec.gate,
                mine[spec.name],
                min_pass_rate=settings.min_pass_rate,
                baseline=baseline if split == "test" else (),
                allow_regressions=settings.allow_regressions,
            )
            for spec in specs
            if mine[spec.name]
        )
    )


def judge_dev(specs: Sequence[Spec], backend: Backend, settings: Settings) -> Standing:
    """Judge the dev cases by generation.

    Raises:
        NothingJudgedError: a case is an error: a rate over the others would choose the round.
    """
    cases = [case for spec in specs for case in spec.in_split("dev")]
    records = [record_of(verdict) for verdict in verdicts(cases, backend)]
    _check_errors(records, "dev", "no round can be chosen by it")
    return stand(specs, records, "dev", settings)


def _check_errors(records: Sequence[Record], what: str, therefore: str) -> None:
    errors = [record for record in records if record["outcome"] == "error"]
    if errors:
        raise NothingJudgedError(
            f"{what}: {errors_text(len(errors))}, so {therefore}; the first, "
            f"{errors[0]['case']}: {errors[0]['reason']}"
        )


def judge_all(
    specs: Sequence[Spec], backend: Backend, settings: Settings, log: Path
) -> tuple[Record, ...]:
    """Judge every case of the specs, dev and test, into a run log; the records.

    Raises:
        NothingJudgedError: a case is an error, or the log could not be written whole.
    """
    from dataclasses import replace

    all_splits = replace(
        settings,
        split="all",
        run_log=str(log),
        baseline=None,
        origins={**settings.origins, "split": "callgate-tune", "run_log": "callgate-tune"},
    )
    judged = judge_specs(specs, backend, all_splits)
    _check_errors(judged.records, log.name, "nothing is proved")
    if read_log(str(log)).end is None:
        raise NothingJudgedError(f"{log}: could not be written whole; make room, and --resume")
    return judged.records


def logged(log: Path) -> tuple[Record, ...] | None:
    """The records of a log that is whole; None where it is not."""
    if not log.exists():
        return None
    read = read_log(str(log))
    whole = read.end is not None and not tally_of(read.verdicts).errors
    return read.verdicts if whole else None
