"""What a run trains on and judges: cases divided, leaks found, rows made and checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain

from harness.backends.transformers import Encoder
from harness.cases import Spec
from harness.errors import UsageError
from harness.options import Settings
from harness.statistics import needed
from trainers.examples import (
    Example,
    PreflightError,
    Unfit,
    check_fit,
    example_of,
    masked_row,
    mix_lines,
    sifted,
    turns_of,
)
from trainers.judge import NothingJudgedError
from trainers.leak_guard import Leak, find_leaks, pair_text, refusal
from trainers.run_folder import RunFolder
from trainers.settings import Tuning
from trainers.splits import Division, deciding, divide, guarded, learnt_from
from trainers.telling import Teller


@dataclass(frozen=True)
class Order:
    """What is to be tuned: the specs, the specs to guard, the settings, and where it all goes.

    `baseline` holds the cases that passed in the run log that `--baseline` names, `device` the
    device by the name it was asked for, where it has another one in this process.
    """

    specs: tuple[Spec, ...]
    guard: tuple[Spec, ...]
    gate: Settings
    tuning: Tuning
    folder: RunFolder
    baseline: frozenset[str] = frozenset()
    device: str | None = None


@dataclass(frozen=True)
class Data:
    """The cases divided, the rows made of them, and the training prompts that were left out.

    `dropped` are leaks; of the rows of data sets in `unfit` no training row could be made.
    """

    division: Division
    dropped: tuple[Leak, ...]
    unfit: tuple[Unfit, ...]
    examples: tuple[Example, ...]
    validation: tuple[Example, ...]


def prepare(order: Order, encoder: Encoder, teller: Teller) -> Data:
    """Look for leaks, divide the cases, make and check the rows; tell what there is."""
    tuning = order.tuning
    train = learnt_from(order.specs)
    _check_proof(order)
    # Before some are given up: a train case that is a test prompt must not become a dev case.
    judged = guarded((*order.specs, *order.guard))
    held_out = [case for spec in judged for case in spec.cases]
    leaks = find_leaks(train, held_out, tuning.similarity, earlier=tuning.loss == "all")
    if leaks and tuning.leaks == "refuse":
        raise UsageError(refusal(leaks))
    gone = {leak.train.ref for leak in leaks}
    train = tuple(case for case in train if case.ref not in gone)
    if not train:
        raise UsageError("every training prompt is a dev or test prompt: nothing is left to train")
    division = divide(order.specs, train, tuning.similarity, stop_rule=tuning.epochs is None)
    examples, unfit = sifted(
        division.train, encoder, loss=tuning.loss, max_length=tuning.max_length
    )
    # A row of a public data set is dropped and counted, here as when it is read; a case that
    # somebody wrote is theirs to mend.
    paths = {spec.name: spec.path for spec in order.specs}
    check_fit([one for one in unfit if one.case.location.path == paths[one.case.spec]])
    if not examples:
        check_fit(unfit)
    data = Data(division, tuple(leaks), unfit, examples, _validation(division, encoder))
    _tell(order, data, encoder, teller)
    return data


def _check_proof(order: Order) -> None:
    """Raises where nothing could be proved, or a guarded spec could not get worse."""
    if not any(case.skip is None for spec in order.specs for case in spec.in_split("test")):
        names = ", ".join(spec.path for spec in order.specs)
        raise NothingJudgedError(f"{names}: no test cases, so nothing could be proved")
    for spec in order.specs:
        if spec.owes("test"):
            raise NothingJudgedError(
                f"{spec.path}: its data set should give test cases, and no row became one, so its "
                "gate could not be met; callgate lint says why"
            )
    for spec in order.guard:
        if all(case.split == "train" or case.skip is not None for case in spec.cases):
            raise UsageError(
                f"--guard {spec.path}: it has no dev or test cases, so it could not get worse: "
                "leave it out, or add cases to judge"
            )


def _validation(division: Division, encoder: Encoder) -> tuple[Example, ...]:
    """The dev cases that have a whole gold, for the validation loss; target only."""
    rows = []
    asked = (case for case in division.held_out("dev") if case.skip is None)
    for case in chain.from_iterable(map(turns_of, asked)):
        try:
            rows.append(example_of(case, encoder))
        except PreflightError:  # no gold, or no row: such a case is judged by generation alone
            continue
    return tuple(rows)


def _tell(order: Order, data: Data, encoder: Encoder, teller: Teller) -> None:
    division = data.division
    for spec in division.specs:
        train = sum(case.spec == spec.name for case in division.train)
        counts = (
            f"{train} train, {len(spec.in_split('dev'))} dev, {len(spec.in_split('test'))} test"
        )
        teller.say(f"{spec.name}: {counts}")
        if spec.name in division.given_up:
            count = division.given_up[spec.name]
            teller.say(f"  no dev cases: {count} train cases decide when to stop instead")
        _tell_of_stopping(spec, order, teller)
    if data.dropped:
        teller.say(_left_out(len(data.dropped)))
        teller.say(*map(pair_text, data.dropped[:5]))
    if data.unfit:
        teller.say(_unfit(len(data.unfit)), *(f"  {one}" for one in data.unfit[:5]))
    _tell_of_dev(division, order.tuning.similarity, teller)
    if order.tuning.leaks == "refuse":
        teller.say("no training prompt is, or nearly is, a dev or test prompt")
    teller.say(*mix_lines(data.examples), *masked_row(data.examples[0], encoder), "")


def _tell_of_stopping(spec: Spec, order: Order, teller: Teller) -> None:
    """A stop rule that no rate can meet ends nothing: that is said."""
    tuning = order.tuning
    count = deciding(spec)
    rate = tuning.until if tuning.until is not None else order.gate.min_pass_rate
    gate = spec.gate if rate is None else replace(spec.gate, pass_rate=rate)
    if tuning.epochs is None and count and needed(gate, count) is None:
        teller.say(
            f"  the gate's interval (bound: lower) cannot reach {gate.pass_rate:g} on "
            f"{count} dev cases: the training ends by its budget or by --patience"
        )


def _tell_of_dev(division: Division, similarity: float, teller: Teller) -> None:
    """Dev prompts that are test prompts choose the round by what is to prove it: that is said."""
    alike = find_leaks(division.held_out("dev"), division.held_out("test"), similarity)
    if alike:
        count = "1 dev prompt is" if len(alike) == 1 else f"{len(alike)} dev prompts are"
        teller.say(f"{count}, or nearly, among the test prompts, and will choose the round:")
        teller.say(*map(pair_text, alike[:5]))


def _unfit(count: int) -> str:
    what = "1 row" if count == 1 else f"{count} rows"
    return f"{what} of data sets left out, which cannot be trained on:"


def _left_out(count: int) -> str:
    if count == 1:
        return "1 training prompt left out: it is, or nearly is, a dev or test prompt"
    return f"{count} training prompts left out: they are, or nearly are, dev or test prompts"
