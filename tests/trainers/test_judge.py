"""Judging weights in training: by drafts, and the same as without."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.backends import takes_drafts
from harness.backends.transformers import Encoder, load_model
from harness.cases import Case, Reply, Spec
from harness.checkpoints import Checkpoint
from harness.options import Settings
from harness.placement import Placement
from harness.run import replies
from trainers.judge import NothingJudgedError, TrainedModel, judge_dev

CASES = (
    "{id: lamp, prompt: find the lamp, expect: {find: {q: lamp}}}",
    "{id: room, prompt: book a room, expect: {book: {room: 3}}}",
    "{id: joke, prompt: a joke please, expect: no_call, reply: Ha.}",
    "{id: open, prompt: find anything, expect: find}",
)


@pytest.fixture
def backend(encoder: Encoder, tiny_checkpoint: Checkpoint) -> TrainedModel:
    """The tiny model as it is judged between rounds."""
    import torch

    placement = Placement("cpu", "float32", "for this test")
    model = load_model(tiny_checkpoint, placement, encoder)
    return TrainedModel(encoder, model, torch.float32, Settings(max_new_tokens=12))


def _asked(backend: TrainedModel, cases: tuple[Case, ...]) -> dict[str, Reply]:
    return {case.id: reply for case, reply in replies(cases, backend)}


def test_replies_are_the_same_with_and_without_drafts(
    backend: TrainedModel, desk: Callable[..., Spec]
) -> None:
    """The gold replies sent along, taken or not, change no reply and how none of them ended."""
    cases = desk(*CASES).cases
    without = replace(backend, settings=replace(backend.settings, no_drafts=True))
    assert takes_drafts(backend)
    assert not takes_drafts(without)
    plain, drafted = _asked(without, cases), _asked(backend, cases)
    assert {name: (r.text, r.finish) for name, r in drafted.items()} == {
        name: (r.text, r.finish) for name, r in plain.items()
    }
    assert not any(reply.error for reply in drafted.values())


def test_a_draft_that_is_right_saves_passes(
    backend: TrainedModel, desk: Callable[..., Spec]
) -> None:
    """Where the gold reply is what the model says anyway, it is read ahead, and changes nothing."""
    joke = desk(CASES[2]).cases[0]
    ((_, said),) = replies([joke], backend)
    ((_, again),) = replies([replace(joke, reply=said.text)], backend)
    assert (again.text, again.finish) == (said.text, said.finish)
    assert again.draft_tokens
    assert said.draft_tokens == 0
    assert again.forward_passes is not None
    assert said.forward_passes is not None
    assert again.forward_passes < said.forward_passes


def test_between_rounds_the_model_holds_no_weights(
    backend: TrainedModel, desk: Callable[..., Spec]
) -> None:
    """Released, it holds nothing, and what it was given stays; given it again, it says the same."""
    cases = desk(*CASES).cases
    weights = {name: value.detach().clone() for name, value in backend.model.named_parameters()}
    said = _asked(backend, cases)
    backend.take(weights)
    backend.release()
    assert not sum(parameter.numel() for parameter in backend.model.parameters())
    assert all(value.numel() for value in weights.values())
    backend.take(weights)
    again = _asked(backend, cases)
    assert {name: reply.text for name, reply in again.items()} == {
        name: reply.text for name, reply in said.items()
    }


def test_an_error_on_dev_is_no_rate(
    desk: Callable[..., Spec], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round is not chosen by the cases that happened to be answered: that ends the training."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))
    miniatures = importlib.import_module("miniatures")
    dev = [case.replace("}}}", "}}, split: dev}") for case in CASES[:2]]
    spec = desk(*dev, "{id: talk, prompt: hello there, expect: no_call, split: dev}")
    judged = judge_dev([spec], miniatures.always_right(spec.cases), Settings())
    assert (judged.passed, judged.judged) == (3, 3)
    with pytest.raises(NothingJudgedError) as raised:
        judge_dev([spec], miniatures.crashes(after=1), Settings())
    assert str(raised.value).startswith(
        "dev: 2 cases are errors, so no round can be chosen by it; the first, desk::"
    )
    assert raised.value.exit_code == 3
