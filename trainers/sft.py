"""Supervised fine-tuning with TRL's SFTTrainer: one epoch is one round.

    callgate-tune specs/search_policy.spec.yaml --out runs/policy

Read top to bottom: the trainer, its configuration, what happens at each step and round, the
weights, `train`. Logits are computed at the positions that are learnt only: with a vocabulary of
262,144 the others are most of the work, and a CPU computes them all otherwise.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import torch
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import Trainer, TrainerCallback
from trl import SFTConfig, SFTTrainer  # type: ignore[attr-defined]

from harness.backends.transformers import Encoder
from harness.errors import UsageError
from trainers.examples import IGNORED, Example
from trainers.settings import Tuning

Weights = Mapping[str, torch.Tensor]
_SFTTrainer: Any = SFTTrainer
_Callback: Any = TrainerCallback
_deterministic: Any = torch.utils.deterministic
_STEP_KEYS: Final = ("epoch", "loss", "mean_token_accuracy", "learning_rate", "grad_norm")


class Watcher(Protocol):
    """Who follows a training: the loop. All are called in the process and thread that trains."""

    def step(self, number: int, total: int, record: Mapping[str, Any]) -> str | None:
        """After a step; an answer ends the training, and says why."""

    def round(self, record: Mapping[str, Any], weights: Callable[[], Weights]) -> str | None:
        """After a round; an answer ends the training, and says why."""

    def saved(self, checkpoint: str) -> None:
        """After the state was written whole, to a folder of this name."""


@dataclass(frozen=True)
class Job:
    """What `train` is given. `model` is in float32, on the device where it trains.

    `state` is the folder for checkpoints and `resume` the one to go on from.
    """

    model: Any
    encoder: Encoder
    examples: Sequence[Example]
    validation: Sequence[Example]
    tuning: Tuning
    bfloat16: bool
    state: Path
    resume: Path | None = None
    tensorboard: Path | None = None


class TargetOnlyTrainer(_SFTTrainer):  # type: ignore[misc]
    """SFTTrainer with logits at the learnt positions only; losses and gradients are its own."""

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """The mean cross entropy over the learnt tokens of the step, as SFTTrainer has it."""
        labels = inputs["labels"]
        keep = torch.zeros_like(labels, dtype=torch.bool)
        keep[:, :-1] = labels[:, 1:] != IGNORED
        if return_outputs or 2 * int(keep.sum()) > keep.numel():
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        fed = {name: value for name, value in inputs.items() if name != "labels"}
        logits = model(**fed, use_cache=False, logits_to_keep=keep).logits.float()
        target = labels[:, 1:][keep[:, :-1]]
        count = target.numel() if num_items_in_batch is None else num_items_in_batch
        loss = functional.cross_entropy(logits, target, reduction="sum")
        loss = loss / torch.as_tensor(count, device=loss.device).clamp(min=1)
        mode = "train" if self.model.training else "eval"
        right = (logits.detach().argmax(dim=-1) == target).float().mean() if len(target) else 0.0
        self._metrics[mode]["mean_token_accuracy"].append(float(right))
        return loss

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """As transformers does it: without the model card that TRL adds to every checkpoint."""
        Trainer._save_checkpoint(self, model, trial)


def configuration(job: Job) -> SFTConfig:
    """TRL's configuration for the job.

    Raises:
        UsageError: a value that TRL or transformers refuses.
    """
    try:
        return SFTConfig(**_arguments(job))
    except ValueError as error:
        reason = str(error).strip().split("\n")[0]
        raise UsageError(f"the settings cannot be used: {reason}") from None


def _arguments(job: Job) -> dict[str, Any]:
    tuning = job.tuning
    return {
        "output_dir": str(job.state),
        "num_train_epochs": tuning.epochs or tuning.max_epochs,
        "per_device_train_batch_size": tuning.batch_size,
        "per_device_eval_batch_size": tuning.batch_size,
        "gradient_accumulation_steps": tuning.accumulation,
        "learning_rate": tuning.learning_rate,
        "lr_scheduler_type": tuning.scheduler,
        "warmup_steps": tuning.warmup,
        "optim": tuning.optimizer,
        "weight_decay": tuning.weight_decay,
        "max_grad_norm": tuning.max_grad_norm,
        "gradient_checkpointing": tuning.gradient_checkpointing,
        "seed": tuning.seed,
        "data_seed": tuning.seed,
        "bf16": job.bfloat16,
        "fp16": False,
        "use_cpu": job.model.device.type == "cpu",
        "max_length": None,
        "packing": False,
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "save_strategy": "no",
        "eval_strategy": "no",
        "prediction_loss_only": True,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "report_to": ["tensorboard"] if job.tensorboard else "none",
        "disable_tqdm": True,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": False,
        "push_to_hub": False,
    }


class _Rounds(_Callback):  # type: ignore[misc]
    """Tells the watcher of steps, rounds and checkpoints, and does what it answers."""

    def __init__(self, job: Job, watcher: Watcher) -> None:
        self.job, self.watcher = job, watcher
        self.trainer: Any = None
        self.broken = False
        self._saved = time.monotonic()
        self._round = time.monotonic()

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        """Now and then, save within a round; its end saves by itself, once it is judged."""
        due = time.monotonic() - self._saved >= 60 * self.job.tuning.checkpoint_minutes
        if due and not float(state.epoch).is_integer():
            control.should_save = True

    def on_log(self, _args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Hand a step's loss on; one that is no number ends everything, and is not saved."""
        if "loss" not in logs:
            return
        record = {key: logs[key] for key in _STEP_KEYS if key in logs}
        numbers = [logs["loss"], logs.get("grad_norm", 0.0)]
        self.broken = not all(math.isfinite(number) for number in numbers)
        finite = {key: v if math.isfinite(v) else None for key, v in record.items()}
        why = self.watcher.step(state.global_step, state.max_steps, finite)
        if self.broken or why:
            control.should_training_stop = True
            control.should_save = False  # a part of a round is a round, to be judged first

    def on_epoch_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        """The round's end: validation, then the watcher's judgement, then a checkpoint."""
        if self.broken:
            return
        record: dict[str, Any] = {"epoch": state.epoch, "step": state.global_step}
        if self.job.validation:
            found = self.trainer.evaluate()
            record["validation_loss"] = found["eval_loss"]
            record["token_accuracy"] = found.get("eval_mean_token_accuracy")
        record["train_seconds"] = round(time.monotonic() - self._round, 3)
        if self.watcher.round(record, lambda: weights_of(self.trainer.model)):
            control.should_training_stop = True
        control.should_save = True
        self._round = time.monotonic()

    def on_save(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """The checkpoint is whole."""
        self._saved = time.monotonic()
        self.watcher.saved(f"checkpoint-{state.global_step}")


def with_adapter(model: Any, tuning: Tuning) -> Any:
    """The model with a fresh LoRA adapter on all its linear layers but the head, seeded."""
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    set_seed(tuning.seed)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=tuning.lora_rank,
        lora_alpha=tuning.lora_alpha,  # type: ignore[arg-type]  # PEFT only divides it
        lora_dropout=tuning.lora_dropout,
        target_modules="all-linear",
    )
    with warnings.catch_warnings(action="ignore"):
        return get_peft_model(model, config)


def weights_of(model: Any) -> dict[str, torch.Tensor]:
    """The weights by the plain model's names; an adapter is merged, in float32, into a copy."""
    layers = dict(model.named_modules())
    weights = {}
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            continue
        plain = name.removeprefix("base_model.model.").replace(".base_layer.", ".")
        layer = layers.get(name.partition(".base_layer.")[0])
        value = parameter.detach()
        if layer is not None and hasattr(layer, "get_delta_weight") and name.endswith("weight"):
            value = value + layer.get_delta_weight("default").detach()
        weights[plain] = value
    return weights


@contextlib.contextmanager
def _repeatable(device: str) -> Iterator[None]:
    """Deterministic kernels, where torch has them; as it was afterwards.

    On a GPU that leaves attention out, whose fast kernels add in any order on the way back and
    only warn of it (torch's attention_backward.cu): there the plain one is used.
    """
    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    filled = _deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    _deterministic.fill_uninitialized_memory = False  # slow, and finds only bugs
    plain = sdpa_kernel(SDPBackend.MATH) if device == "cuda" else contextlib.nullcontext()
    try:
        with plain:
            yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn_only)
        _deterministic.fill_uninitialized_memory = filled


def trainer_for(job: Job, callbacks: Sequence[Any] = (), kind: Any = TargetOnlyTrainer) -> Any:
    """The trainer of a job; `kind` is the class, for comparisons with TRL's own."""
    from datasets import Dataset  # type: ignore[import-untyped]

    def rows(examples: Sequence[Example]) -> Any:
        columns = {
            "input_ids": [list(example.input_ids) for example in examples],
            "labels": [list(example.labels) for example in examples],
        }
        return Dataset.from_dict(columns)

    args = configuration(job)
    args._n_gpu = min(args.n_gpu, 1)
    trainer = kind(
        model=job.model,
        args=args,
        train_dataset=rows(job.examples),
        eval_dataset=rows(job.validation) if job.validation else None,
        processing_class=job.encoder.tokenizer,
        callbacks=list(callbacks),
    )
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    return trainer


def train(job: Job, watcher: Watcher) -> None:
    """Train, round by round, until the watcher or the number of epochs ends it.

    The model's own weights change. Raises RuntimeError or OSError as torch and the disk do.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if job.tensorboard:
        os.environ["TENSORBOARD_LOGGING_DIR"] = str(job.tensorboard)
    rounds = _Rounds(job, watcher)
    with _repeatable(job.model.device.type), warnings.catch_warnings(action="ignore"):
        rounds.trainer = trainer_for(job, [rounds])
        rounds.trainer.train(resume_from_checkpoint=str(job.resume) if job.resume else None)
