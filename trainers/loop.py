"""The loop: judge the base, train and judge in rounds, keep the best, load it again, judge it.

The judgement, the gates and their decisions are the harness's; the training is a method's
(`trainers.sft`). This file is the order in which they come, and what a resumed run skips.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.backends import backend_for
from harness.backends.local_model import LocalModel
from harness.backends.transformers import Encoder, load_encoder, load_model
from harness.cases import Spec
from harness.errors import CallgateError, UsageError, first_line
from harness.options import Settings
from harness.placement import Placement
from harness.wording import shown_path
from reports.documents import documents_told
from trainers.data import Data, Order, prepare
from trainers.examples import check_tokens
from trainers.guard import harmed
from trainers.judge import (
    Record,
    Standing,
    TrainedModel,
    judge_all,
    logged,
    stand,
)
from trainers.resuming import check_same, facts_of
from trainers.rounds import Rounds, conclude
from trainers.run_folder import (
    Progress,
    RunFolder,
    disk_error,
    held,
    keep_lines,
    make_folder,
    read_progress,
    settle,
    write_atomically,
    write_progress,
)
from trainers.settings import Tuning
from trainers.settings.files import settings_text
from trainers.splits import guarded
from trainers.telling import Teller, rate_text, reasons, table
from trainers.versions import versions
from trainers.weights import check_base, copy_model, saved_dtype, write_model

if TYPE_CHECKING:
    from trainers import sft


@dataclass(frozen=True)
class Outcome:
    """What a run came to. `trained` is False where the base met the gates already."""

    before: Standing
    after: Standing
    dev_before: Standing
    dev_after: Standing
    trained: bool
    harm: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 met, 1 not met, 3 nothing judged or an error."""
        if self.after.broken:
            return 3
        return 0 if self.after.met and not self.harm else 1


class TrainingError(CallgateError):
    """A training that broke."""

    exit_code = 3


def tune(order: Order, teller: Teller) -> Outcome:
    """One whole run, or what is left of it.

    Raises:
        CallgateError: nothing can be proved: usage, leaks, rows, a model or a disk that breaks.
    """
    begun = order.folder.settings.exists()
    backend = _local(order.gate)
    encoder = load_encoder(backend.checkpoint)
    check_tokens(encoder, backend.checkpoint.name)
    check_base(backend.checkpoint)
    data = prepare(order, encoder, teller)
    check_same(order, backend)
    _check_optimizer(order.tuning.optimizer, backend.placement)
    with held(order.folder, begun=begun):
        return _tune(order, data, encoder, backend, teller)


def _tune(
    order: Order, data: Data, encoder: Encoder, backend: LocalModel, teller: Teller
) -> Outcome:
    _begin(order, data, backend)
    before = _judged(order, data.division.specs, order.gate, "before", teller)
    _judged(order, guarded(order.guard), order.gate, "guard-before", teller)
    standing = [
        stand(data.division.specs, before, split, order.gate, order.baseline)
        for split in ("test", "dev")
    ]
    teller.say(f"before: test {rate_text(standing[0])}, dev {rate_text(standing[1])}")
    met = _already_met(order.tuning, standing[0], _dev_rule(order, data, before))
    if met:
        teller.say("The gates hold already: nothing is trained.")
    if logged(order.folder.log("after")) is None:
        if met:
            _keep_base(order, encoder, backend)
        else:
            _train(order, data, encoder, backend, teller)
    return _conclude(order, data, before, trained=not met, teller=teller)


def _keep_base(order: Order, encoder: Encoder, backend: LocalModel) -> None:
    """The base as the run's model; with an adapter it is merged, as the gate judged it."""
    base, target = backend.checkpoint, order.folder.model
    if base.adapter is None:
        copy_model(base, target)
        return
    model = load_model(base, replace(backend.placement, dtype="float32"), encoder)
    write_model(model, saved_dtype(base, order.tuning.save_dtype), base, target)


def _local(gate: Settings) -> LocalModel:
    backend = backend_for(gate)
    if not isinstance(backend, LocalModel):
        raise UsageError(f"model {gate.model}: replies cannot be trained; name mini or a model")
    return backend


def _check_optimizer(name: str, placement: Placement) -> None:
    """Raises UsageError for one that is not there: before anything is judged, not after."""
    from transformers import Trainer, TrainingArguments

    try:
        args = TrainingArguments(optim=name, use_cpu=placement.device == "cpu")
        Trainer.get_optimizer_cls_and_kwargs(args)
    except (ImportError, ValueError) as error:
        raise UsageError(f"--optimizer {name}: {first_line(error)}") from None


def _begin(order: Order, data: Data, backend: LocalModel) -> None:
    """Write the settings and the first line of the history, where they are not there yet."""
    folder = order.folder
    facts = {
        "resolved": _resolved(order.tuning, backend),
        "versions": versions(),
        "digests": facts_of(order, backend),
    }
    asked = replace(order.gate, device=order.device or order.gate.device)
    make_folder(folder, settings_text(order.tuning, asked, facts))
    if not folder.history.exists():
        # Whole or not at all: a line that a kill left out would never be written again.
        write_atomically(folder.history, json.dumps(_start(order, data)) + "\n")


def _resolved(tuning: Tuning, backend: LocalModel) -> dict[str, str]:
    """What `auto` came to."""
    placement = backend.placement
    dtype = saved_dtype(backend.checkpoint, tuning.save_dtype)
    return {
        "device": placement.device,
        "judged_in": placement.dtype,
        "trained_in": "bfloat16" if _bfloat16(tuning, placement) else "float32",
        "saved_in": str(dtype).removeprefix("torch."),
    }


def _start(order: Order, data: Data) -> Mapping[str, Any]:
    return {
        "kind": "start",
        "rows": len(data.examples),
        "dropped": [[leak.train.ref, leak.held_out.ref] for leak in data.dropped],
        "unfit": [one.case.ref for one in data.unfit],
        "given_up": dict(data.division.given_up),
        "seed": order.tuning.seed,
        "until": order.tuning.until,
    }


def _judged(
    order: Order, specs: Sequence[Spec], gate: Settings, name: str, teller: Teller
) -> tuple[Record, ...]:
    """The records of a log of the run; judged where the log is not there, or not whole.

    The back end lives no longer than this: training needs the memory of its model.
    """
    if not specs:
        return ()
    log = order.folder.log(name)
    kept = logged(log)
    if kept is not None:
        return kept
    backend = _local(gate)
    teller.say(f"judging {name}: {backend.label}")
    return judge_all(specs, backend, gate, log)


def _dev_rule(order: Order, data: Data, records: Sequence[Record]) -> Standing:
    """How dev stands by the stop rule."""
    until = order.tuning.until
    gate = order.gate if until is None else replace(order.gate, min_pass_rate=until)
    return stand(data.division.specs, records, "dev", gate)


def _already_met(tuning: Tuning, test: Standing, dev: Standing) -> bool:
    """The gates hold on test, and the stop rule on dev, where there is one."""
    return test.met and (dev.met or not dev.decisions or tuning.epochs is not None)


def _train(order: Order, data: Data, encoder: Encoder, backend: LocalModel, teller: Teller) -> None:
    """Train, or go on training; the best round's weights end up in the run's `model/`."""
    folder = order.folder
    progress = read_progress(folder)
    if progress is None:
        progress = Progress(history_lines=1)
        write_progress(folder, progress)
    if progress.phase == "training":
        keep_lines(folder.history, progress.history_lines)
        progress = (
            _rounds(order, data, encoder, backend, progress, teller)
            if progress.ended is None
            else conclude(folder, progress)
        )
    if progress.best is None:
        raise TrainingError(f"Nothing was trained: {progress.ended}.")
    best = f"round {progress.best_round}"
    teller.say(f"training ended: {progress.ended}; the weights of {best} are kept")
    kept = folder.state / progress.best
    if kept.exists():
        settle(kept, folder.model)


def _rounds(
    order: Order,
    data: Data,
    encoder: Encoder,
    backend: LocalModel,
    progress: Progress,
    teller: Teller,
) -> Progress:
    from trainers import sft

    checkpoint, placement, tuning = backend.checkpoint, backend.placement, order.tuning
    model = load_model(checkpoint, replace(placement, dtype="float32"), encoder)
    if tuning.attention != "auto":
        _set_attention(model, tuning.attention)
    judged = TrainedModel(
        encoder,
        load_model(checkpoint, placement, encoder),
        saved_dtype(checkpoint, tuning.save_dtype),
        order.gate,
    )
    judged.release()
    watcher = Rounds(
        order.folder,
        progress,
        data.division.specs,
        judged,
        order.gate,
        tuning,
        checkpoint,
        teller,
    )
    try:
        sft.train(_job(order, data, encoder, model, placement, progress), watcher)
    except (CallgateError, BrokenPipeError):
        raise
    except Exception as error:
        # Not narrower: torch, safetensors and TRL tell of memory and disks in many ways.
        raise _broke(error, order.folder) from error
    return watcher.finish()


def _job(
    order: Order,
    data: Data,
    encoder: Encoder,
    model: Any,
    placement: Placement,
    progress: Progress,
) -> sft.Job:
    from trainers import sft

    tuning = order.tuning
    return sft.Job(
        sft.with_adapter(model, tuning) if tuning.lora else model,
        encoder,
        data.examples,
        data.validation,
        tuning,
        bfloat16=_bfloat16(tuning, placement),
        state=order.folder.state,
        resume=order.folder.state / progress.checkpoint if progress.checkpoint else None,
        tensorboard=order.folder.root / "tensorboard" if tuning.tensorboard else None,
    )


def _bfloat16(tuning: Tuning, placement: Placement) -> bool:
    if tuning.precision == "auto":
        return placement.dtype == "bfloat16"
    return tuning.precision == "bfloat16"


def _set_attention(model: Any, name: str) -> None:
    try:
        model.set_attn_implementation(name)
    except Exception as error:
        # Not narrower: each implementation has its own way to say that it is not there.
        reason = str(error).strip().split("\n")[0]
        raise UsageError(f"--attention {name}: cannot be used: {reason}") from None


def _broke(error: Exception, folder: RunFolder) -> CallgateError:
    """What a training that broke is told as."""
    text = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
    if isinstance(error, MemoryError) or "out of memory" in text.lower():
        return TrainingError(
            "The training ran out of memory: try a smaller --batch-size with more --accumulation, "
            "--gradient-checkpointing, or --lora."
        )
    if isinstance(error, OSError) or any(word in text for word in _DISK):
        cause = error if isinstance(error, OSError) else OSError(text)
        return disk_error(folder.state, cause)
    return TrainingError(f"The training broke: {text}")


_DISK = ("PytorchStreamWriter", "unexpected pos", "No space left", "File too large", "I/O error")


def _conclude(
    order: Order, data: Data, before: Sequence[Record], *, trained: bool, teller: Teller
) -> Outcome:
    """Load the saved model again, judge it as the gate will, decide, and tell."""
    folder, specs, baseline = order.folder, data.division.specs, order.baseline
    gate = replace(order.gate, model=str(folder.model), adapter=None)
    after = _judged(order, specs, gate, "after", teller)
    guard_after = _judged(order, guarded(order.guard), gate, "guard-after", teller)
    guard_before = logged(folder.log("guard-before")) or ()
    outcome = Outcome(
        stand(specs, before, "test", gate, baseline),
        stand(specs, after, "test", gate, baseline),
        stand(specs, before, "dev", gate),
        stand(specs, after, "dev", gate),
        trained,
        tuple(harmed(order.guard, guard_before, guard_after, gate, baseline)),
    )
    shutil.rmtree(folder.state, ignore_errors=True)
    columns = [("dev before", outcome.dev_before), ("dev after", outcome.dev_after)]
    columns = [column for column in columns if column[1].decisions]
    columns += [("test before", outcome.before), ("test after", outcome.after)]
    teller.say("", *table(columns), "")
    teller.say(*reasons(outcome.after.decisions), *outcome.harm)
    teller.say(f"model: {shown_path(folder.model)}; logs and history: {shown_path(folder.root)}")
    teller.say(*documents_told(folder.root))
    return outcome
