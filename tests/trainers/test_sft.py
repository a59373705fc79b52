"""The trainer: the same numbers as TRL's own, from fewer logits; the same weights every time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.backends.transformers import Encoder, load_model
from harness.cases import Spec
from harness.checkpoints import Checkpoint
from harness.placement import Placement
from trainers.examples import IGNORED, Example, examples_of
from trainers.settings import Tuning

Desk = Callable[..., Spec]
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
SGD = Tuning(epochs=1, optimizer="sgd", learning_rate=0.1, max_grad_norm=0.0, batch_size=4)


@pytest.fixture
def rows(desk: Desk, encoder: Encoder) -> tuple[Example, ...]:
    """Twelve rows of unlike lengths: three steps of four."""
    cases = [
        f"{{id: c{n}, prompt: {'please ' * n}find it, split: train, expect: "
        + ("no_call}" if n % 3 == 0 else f"{{find: {{q: {'it ' * n}}}}}}}")
        for n in range(12)
    ]
    return examples_of(desk(*cases).cases, encoder)


def _model(checkpoint: Checkpoint, encoder: Encoder) -> Any:
    return load_model(checkpoint, Placement("cpu", "float32", ""), encoder)


def _job(model: Any, encoder: Encoder, rows: Sequence[Example], tuning: Tuning, state: Path) -> Any:
    from trainers import sft

    model = sft.with_adapter(model, tuning) if tuning.lora else model
    return sft.Job(model, encoder, rows, (), tuning, False, state)


def _gradients(trainer: Any) -> tuple[float, dict[str, Any]]:
    """The loss of the first batch, and its gradients."""
    batch = next(iter(trainer.get_train_dataloader()))
    trainer.model.train()
    loss = trainer.compute_loss(trainer.model, dict(batch))
    loss.backward()
    named = trainer.model.named_parameters()
    found = {name: p.grad.clone() for name, p in named if p.grad is not None}
    trainer.model.zero_grad()
    return float(loss.detach()), found


@pytest.mark.parametrize("lora", [False, True])
def test_target_only_logits_change_nothing(
    lora: bool,
    rows: tuple[Example, ...],
    tiny_checkpoint: Checkpoint,
    encoder: Encoder,
    tmp_path: Path,
) -> None:
    """Loss, gradients, and the weights after three steps of SGD equal SFTTrainer's to 1e-6."""
    from trl import SFTTrainer

    from trainers import sft

    found = []
    for kind in (sft.TargetOnlyTrainer, SFTTrainer):
        job = _job(
            _model(tiny_checkpoint, encoder), encoder, rows, replace(SGD, lora=lora), tmp_path
        )
        trainer = sft.trainer_for(job, kind=kind)
        loss, gradients = _gradients(trainer)
        trainer.train()
        assert trainer.state.global_step == 3
        found.append((loss, gradients, sft.weights_of(trainer.model)))
    (loss, gradients, weights), (stock_loss, stock_gradients, stock_weights) = found
    assert abs(loss - stock_loss) < 1e-6
    assert gradients.keys() == stock_gradients.keys()
    assert all((gradients[n] - stock_gradients[n]).abs().max() < 1e-6 for n in gradients)
    assert all((weights[n] - stock_weights[n]).abs().max() < 1e-6 for n in weights)


def test_logits_are_made_for_the_target_only(
    rows: tuple[Example, ...], tiny_checkpoint: Checkpoint, encoder: Encoder, tmp_path: Path
) -> None:
    """The model's head is asked for as many positions as there are learnt tokens, no more."""
    from trainers import sft

    model = _model(tiny_checkpoint, encoder)
    asked = []
    model.lm_head.register_forward_hook(lambda _m, args, _o: asked.append(len(args[0])))
    trainer = sft.trainer_for(_job(model, encoder, rows[:4], SGD, tmp_path))
    batch = next(iter(trainer.get_train_dataloader()))
    trainer.compute_loss(model, dict(batch))
    assert asked == [int((batch["labels"] != IGNORED).sum())]


def test_an_adapter_starts_as_nothing_and_covers_every_weight(
    tiny_checkpoint: Checkpoint, encoder: Encoder
) -> None:
    """A fresh adapter's merged weights are the base's, name by name; only the adapter trains."""
    from trainers import sft

    base = {n: p.clone() for n, p in _model(tiny_checkpoint, encoder).named_parameters()}
    model = sft.with_adapter(_model(tiny_checkpoint, encoder), Tuning(lora=True))
    merged = sft.weights_of(model)
    assert merged.keys() == base.keys()
    assert all((merged[name] == base[name]).all() for name in base)
    assert all("lora_" in name for name, p in model.named_parameters() if p.requires_grad)


def test_merged_weights_answer_as_the_adapter_does(
    rows: tuple[Example, ...], tiny_checkpoint: Checkpoint, encoder: Encoder, tmp_path: Path
) -> None:
    """Merged into the base in float32, a trained adapter gives the logits it gave beside it."""
    import torch

    from trainers import sft

    tuning = replace(SGD, lora=True, learning_rate=1.0)
    trainer = sft.trainer_for(
        _job(_model(tiny_checkpoint, encoder), encoder, rows, tuning, tmp_path)
    )
    trainer.train()
    ids = torch.tensor([rows[0].input_ids])
    plain = _model(tiny_checkpoint, encoder)
    untrained = plain(ids).logits
    plain.load_state_dict(sft.weights_of(trainer.model), strict=False)
    adapted = trainer.model.eval()(ids).logits
    assert (plain(ids).logits - adapted).abs().max() < 1e-4
    assert (untrained - adapted).abs().max() > 1e-3


def test_an_optimizer_that_there_is_not(
    rows: tuple[Example, ...], tiny_checkpoint: Checkpoint, encoder: Encoder, tmp_path: Path
) -> None:
    """A name that transformers does not know is a usage error in its words."""
    from harness.errors import UsageError
    from trainers import sft

    tuning = replace(SGD, optimizer="adamw_tortch")
    job = _job(_model(tiny_checkpoint, encoder), encoder, rows, tuning, tmp_path)
    with pytest.raises(UsageError, match="the settings cannot be used: adamw_tortch is not a"):
        sft.configuration(job)
