"""The training network is Gemma 3, and a training that was killed goes on as if it was not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from trainers.mini import batches as batching  # noqa: E402
from trainers.mini.batches import Encoder  # noqa: E402
from trainers.mini.export import reference_model  # noqa: E402
from trainers.mini.gates import prepare_gates  # noqa: E402
from trainers.mini.mixture import STAGES  # noqa: E402
from trainers.mini.model import Attention, Network, Shape  # noqa: E402
from trainers.mini.optimizer import Rates  # noqa: E402
from trainers.mini.tokenizer import load_tokenizer  # noqa: E402
from trainers.mini.train import Plan, Training, run  # noqa: E402

FOLDER = Path(__file__).parents[3] / "harness" / "mini"
TINY = Shape(
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=6,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,
    sliding_window=24,
)


def _perturbed(network: Network) -> Network:
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return network


@pytest.mark.parametrize("length", [20, 60])
def test_logits_are_those_of_transformers(length: int) -> None:
    """Claim: both networks give the same logits, within the window and beyond it."""
    network = _perturbed(Network(TINY, longest=64))
    ids = torch.randint(0, TINY.vocab_size, (3, length))
    with torch.no_grad():
        own = network(ids)
        reference = reference_model(network)(input_ids=ids).logits
    assert torch.allclose(own, reference, atol=1e-4), (own - reference).abs().max()


def test_loss_counts_the_given_places() -> None:
    """Claim: the loss is the weighted mean of -log p of the tokens after the given places."""
    network = _perturbed(Network(TINY, longest=64))
    ids = torch.randint(0, TINY.vocab_size, (2, 16))
    positions, parts = torch.arange(16).repeat(2, 1), torch.zeros(2, 16, dtype=torch.long)
    places, weights = torch.tensor([3, 20, 0]), torch.tensor([1.0, 0.2, 0.0])
    with torch.no_grad():
        loss = network.loss(ids, positions, parts, places, weights, torch.float32)
        logp = network(ids).log_softmax(-1)
    wanted = -(logp[0, 3, ids[0, 4]] + 0.2 * logp[1, 4, ids[1, 5]]) / 1.2
    assert torch.allclose(loss, wanted, atol=1e-5)


def test_attention_starts_as_look_up() -> None:
    """Claim: half of the query heads start as their keys, and the output undoes the values."""
    attention = Attention(Shape())
    query, key = attention.q_proj.weight, attention.k_proj.weight
    half = len(query) // 2
    assert torch.equal(query[:half], key[:half])
    assert not torch.allclose(query[half:], key[half:])
    passed = attention.o_proj.weight @ attention.v_proj.weight
    assert torch.allclose(passed, torch.eye(256), atol=1e-5)


def test_rates_rise_hold_and_fall() -> None:
    """Claim: the rates rise in the warm-up, hold, and fall to zero at the end."""
    rates = Rates(warmup=10, hold=0.5)
    assert rates.factor(0, 0.0) == pytest.approx(0.1)
    assert rates.factor(500, 0.5) == 1.0
    assert rates.factor(500, 0.75) == pytest.approx(0.5)
    assert rates.factor(500, 1.0) == 0.0


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Five small steps without a clock."""
    monkeypatch.setattr(batching, "BATCH_TOKENS", 1024)
    return Plan(minutes=None, steps=5, compile=False, bfloat16=False, save_minutes=0.0)


def test_a_killed_training_ends_like_an_unkilled_one(plan: Plan, tmp_path: Path) -> None:
    """Claim: weights after kill and resume equal those of a training in one go, bit for bit."""
    tokenizer, seen = load_tokenizer(FOLDER), list[str]()
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    straight = Training(plan, TINY, tokenizer)
    run(straight, whole, seen.append)
    killed = Training(plan, TINY, tokenizer)
    run(killed, cut, seen.append, stop_at=3)
    assert killed.place.steps == 3
    resumed = Training(plan, TINY, tokenizer)
    resumed.load(cut)
    assert resumed.place.steps == 2, "the kill came before the third step was saved"
    run(resumed, cut, seen.append)
    assert resumed.place.tokens == straight.place.tokens
    for name, value in straight.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name


@pytest.fixture
def branching(plan: Plan) -> Plan:
    """Two steps, and two branches of three."""
    stages = (replace(STAGES[0], gate={}, cap=2), STAGES[-1])
    return replace(plan, steps=8, gate_steps=2, stages=stages, branches=2)


def test_branches_begin_alike_and_are_averaged(branching: Plan, tmp_path: Path) -> None:
    """Claim: both branches begin with the same weights and state, and the end is their mean."""
    tokenizer, ends = load_tokenizer(FOLDER), []
    for steps in (5, 8):
        branch = Training(branching, TINY, tokenizer)
        run(branch, tmp_path, list[str]().append, stop_at=steps)
        assert branch.branches is not None
        assert (branch.place.branch, branch.place.fork) == ((steps - 2) // 6, 0.25)
        ends.append((branch.network.state_dict(), branch.branches))
    (first, common), (second, later) = ends
    whole = Training(branching, TINY, tokenizer)
    run(whole, tmp_path, list[str]().append)
    assert whole.place.steps == 8
    for name, value in whole.network.state_dict().items():
        assert torch.equal(common.network[name], later.network[name]), name
        assert torch.equal(value, (first[name] + second[name]) / 2), name
    assert any(not torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("stop", [4, 5, 7])
def test_a_training_killed_in_a_branch_ends_like_an_unkilled_one(
    branching: Plan, tmp_path: Path, stop: int
) -> None:
    """Claim: a kill in either branch, or between them, changes no bit of the averaged weights."""
    tokenizer = load_tokenizer(FOLDER)
    straight = Training(branching, TINY, tokenizer)
    run(straight, tmp_path, list[str]().append)
    run(Training(branching, TINY, tokenizer), tmp_path, list[str]().append, stop_at=stop)
    resumed = Training(branching, TINY, tokenizer)
    resumed.load(tmp_path)
    assert resumed.place.steps == stop - 1
    run(resumed, tmp_path, list[str]().append)
    for name, value in straight.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name


def test_rates_fall_to_zero_in_every_branch(branching: Plan) -> None:
    """Claim: a branch goes by the end of the plan, however short its share of the steps is."""
    training = Training(branching, TINY, load_tokenizer(FOLDER))
    seen = []
    for steps in range(1, 9):
        seen.append(round(training._fallen(), 3))
        training.place = replace(training.place, steps=steps)
        training.advance()
    assert seen == [0.0, 0.125, 0.25, 0.5, 0.75, 0.25, 0.5, 0.75]


def test_a_stage_lasts_until_its_gate_opens(plan: Plan) -> None:
    """Claim: a gate that is met ends the stage at once, another one only at the cap."""
    tokenizer = load_tokenizer(FOLDER)
    open_, shut = (replace(STAGES[0], gate={"plain": least}, cap=4) for least in (0.0, 2.0))
    plan = replace(plan, gate_steps=2, stages=(open_, shut, STAGES[-1]), branches=1)
    training, seen = Training(plan, TINY, tokenizer), []
    for steps in range(1, 9):
        training.place = replace(training.place, steps=steps, chunk=steps)
        if training.advance():
            seen.append((steps, training.place.stage, training.place.since, training.place.chunk))
    assert seen == [(2, 1, 2, 3), (6, 2, 6, 7)]


def test_gates_count_right_choices() -> None:
    """Claim: a network that knows nothing has rates near zero; every stage's gate is known."""
    gates = prepare_gates(Encoder(load_tokenizer(FOLDER)))
    names = {name for stage in STAGES for name in stage.gate}
    rates = gates(Network(TINY), sorted(names))
    assert set(rates) == names
    assert all(0.0 <= rate < 0.1 for rate in rates.values())


def test_the_plan_ends_by_clock_or_by_steps() -> None:
    """Claim: progress is the larger of both shares and never above one."""
    plan = Plan(minutes=10, steps=100)
    assert plan.progress(50, 60) == 0.5
    assert plan.progress(10, 300) == 0.5
    assert plan.progress(10, 6000) == 1.0
    assert Plan(minutes=None, steps=100).progress(1, 1e9) == 0.01
