"""From nothing to a model folder: tokenizer, training, export, record."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import torch

from trainers.mini.export import write_model
from trainers.mini.glance import prepare
from trainers.mini.model import Shape
from trainers.mini.tokenizer import load_tokenizer, save_tokenizer, train_tokenizer
from trainers.mini.train import CHECKPOINT, Plan, Training, run
from trainers.mini.vectors import word_vectors

TEMPLATE = Path(__file__).parents[2] / "harness" / "mini" / "chat_template.jinja"


def build(folder: Path, plan: Plan, say: Callable[[str], None], resume: bool = False) -> None:
    """Trains a model into `folder`, which then holds all that transformers loads.

    Progress goes to `say`, a line at a time. A checkpoint lies in the folder until the
    training ends.

    Raises:
        FileNotFoundError: `resume` without a checkpoint in the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not resume:
        save_tokenizer(train_tokenizer(), folder)
    if folder.resolve() != TEMPLATE.parent:
        shutil.copy(TEMPLATE, folder / TEMPLATE.name)
    tokenizer = load_tokenizer(folder)
    shape = Shape(vocab_size=tokenizer.get_vocab_size())
    training = Training(plan, shape, tokenizer)
    if resume:
        training.load(folder)
    else:
        training.network.start_with(torch.from_numpy(word_vectors(tokenizer)))
    count = sum(parameter.numel() for parameter in training.network.parameters())
    say(f"{count / 1e6:.2f}M parameters, {plan.device}, {plan.minutes} min or {plan.steps} steps")
    look = prepare(training.encoder, tokenizer.get_vocab()["{"])
    run(training, folder, say, look)
    write_model(training, folder)
    (folder / CHECKPOINT).unlink()
