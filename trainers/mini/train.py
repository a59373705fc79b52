"""The training loop: staged, planned by steps or by the clock, and resumable after a kill."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trainers.mini.batches import Batch, Encoder, batches
from trainers.mini.gates import prepare_gates
from trainers.mini.mixture import STAGES, Stage
from trainers.mini.model import Network, Shape
from trainers.mini.optimizer import Optimizers, Rates

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True)
class Plan:
    """How long and with what.

    Attributes:
        minutes: the clock ends the training after this long; None leaves it to `steps`.
        steps: steps at most. The learning rate falls with the larger of both shares, so that
            a slow machine ends in time and a fast one does not go on.
        stages: what is trained, in this order; each lasts until its gate opens.
        branches: how often the last stage is trained from where it begins, on rows of its own each
            time, and for an equal share of what is left. The weights are averaged at the end,
            which is better than any of them (Wortsman et al., Model soups, 2022).
        gate_steps: steps between two looks at the gate.
        save_minutes: time between checkpoints.
    """

    minutes: float | None = None
    steps: int = 18950
    seed: int = 11
    device: str = "cpu"
    compile: bool = True
    bfloat16: bool = True
    stages: tuple[Stage, ...] = STAGES
    branches: int = 3
    gate_steps: int = 50
    save_minutes: float = 2.0
    look_minutes: float = 15.0
    rates: Rates = field(default_factory=Rates)

    def progress(self, steps: int, seconds: float) -> float:
        """The share of the training that is over, 0 to 1."""
        by_clock = seconds / (self.minutes * 60) if self.minutes else 0.0
        return min(1.0, max(steps / self.steps, by_clock))


@dataclass(frozen=True)
class Place:
    """Where a training stands.

    Attributes:
        stage: the number of the stage.
        since: the step at which the stage began.
        chunk: the corpus chunk in use.
        used: batches of that chunk already used.
        tokens: tokens seen, without padding.
        seconds: time spent in training, over all runs.
        branch: the number of the branch.
        fork: the share of the training that was over where the branches begin; 1 before.
    """

    stage: int = 0
    since: int = 0
    chunk: int = 0
    used: int = 0
    steps: int = 0
    tokens: int = 0
    seconds: float = 0.0
    branch: int = 0
    fork: float = 1.0


@dataclass
class Branches:
    """What the branches have in common.

    Attributes:
        network: the weights they begin with.
        optimizers: the optimizers' state there.
        total: the sum of the weights of the branches that have ended.
    """

    network: dict[str, Tensor]
    optimizers: dict[str, Any]
    total: dict[str, Tensor] = field(default_factory=dict)

    def add(self, weights: Mapping[str, Tensor]) -> None:
        """Takes up the weights of a branch that has ended."""
        for name, value in weights.items():
            self.total[name] = self.total[name] + value if name in self.total else value.clone()

    def mean(self, count: int) -> dict[str, Tensor]:
        """The average of all that was added."""
        return {name: value / count for name, value in self.total.items()}


def choose_device(wanted: str) -> str:
    """`auto` is the GPU where there is one."""
    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"


class Training:
    """A network in training, with all that a checkpoint holds."""

    def __init__(self, plan: Plan, shape: Shape, tokenizer: Tokenizer) -> None:
        torch.manual_seed(plan.seed)
        self.plan = plan
        self.network = Network(shape).to(plan.device)
        self.optimizers = Optimizers(self.network, plan.rates)
        self.encoder = Encoder(tokenizer)
        self.gates = prepare_gates(self.encoder)
        self.rates: dict[str, float] = {}
        self.place = Place()
        self.history: list[dict[str, float]] = []
        self.branches: Branches | None = None
        self._loss = self._loss_function()

    def _loss_function(self) -> Callable[..., Tensor]:
        if not self.plan.compile:
            return self.network.loss
        torch._dynamo.config.cache_size_limit = 64
        return torch.compile(self.network.loss, dynamic=False)

    def step(self, batch: Batch) -> Tensor:
        """One step; returns its loss without waiting for it."""
        dtype = torch.bfloat16 if self.plan.bfloat16 else torch.float32
        tensors = (torch.from_numpy(x).to(self.plan.device) for x in batch.arrays())
        loss = self._loss(*tensors, dtype)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizers.step(self.place.steps, self._fallen())
        return loss.detach()

    @property
    def progress(self) -> float:
        """The share of the training that is over, 0 to 1."""
        return self.plan.progress(self.place.steps, self.place.seconds)

    def _branch_progress(self) -> float:
        """The share of the branch that is over; 1 and more at its end."""
        fork, branches = self.place.fork, self.plan.branches
        return (self.progress - fork) / (1.0 - fork) * branches - self.place.branch

    def _fallen(self) -> float:
        """The progress that the learning rate goes by: that of a branch is the training's last."""
        if self.branches is None:
            return self.progress
        fork = self.place.fork
        return fork + (1.0 - fork) * min(1.0, max(0.0, self._branch_progress()))

    @property
    def stage(self) -> Stage:
        """The stage the training is in."""
        return self.plan.stages[self.place.stage]

    def source(self) -> Iterator[tuple[int, int, Batch]]:
        """The batches from here on, as long as the stage lasts."""
        return batches(self.encoder, self.stage, self.place.chunk, self.place.used)

    def take(self, chunk: int, used: int, batch: Batch) -> Tensor:
        """One step with a batch of `source`; the place follows."""
        loss = self.step(batch)
        steps, tokens = self.place.steps + 1, self.place.tokens + batch.tokens
        self.place = replace(self.place, chunk=chunk, used=used, steps=steps, tokens=tokens)
        return loss

    def advance(self) -> str:
        """Goes to the next stage if it is time to look and the gate is open or the cap reached.

        Returns:
            A line about it; empty if the stage goes on.
        """
        if self.branches is not None:
            return self._next_branch(self.branches)
        stage, steps = self.stage, self.place.steps - self.place.since
        if not (stage.gate or stage.cap) or steps == 0 or steps % self.plan.gate_steps:
            return ""
        rates = self.rates = self.gates(self.network, list(stage.gate)) if stage.gate else {}
        is_open = all(rates[name] >= least for name, least in stage.gate.items())
        if steps < stage.cap and not (stage.gate and is_open):
            return ""
        self.rates = {}
        self.place = replace(
            self.place,
            stage=self.place.stage + 1,
            since=self.place.steps,
            chunk=self.place.chunk + 1,
            used=0,
        )
        shown = ", ".join(f"{name} {rate:.2f}" for name, rate in rates.items()) or "its length"
        mark = {"step": self.place.steps, "stage": self.place.stage, **rates}
        self.history.append(mark)
        if self.stage is self.plan.stages[-1] and self.plan.branches > 1:
            self.place = replace(self.place, fork=self.progress)
            self.branches = Branches(*self._weights())
        return (
            f"  stage {stage.name!r} over after {steps} steps ({shown}), {self.stage.name!r} begins"
        )

    def _weights(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return copy.deepcopy((self.network.state_dict(), self.optimizers.state_dict()))

    def _next_branch(self, common: Branches) -> str:
        """Goes to the next branch if this one is over, or after the last to the average."""
        if self._branch_progress() < 1.0:
            return ""
        common.add(self.network.state_dict())
        number = self.place.branch + 1
        if number == self.plan.branches or self.progress >= 1.0:
            self.network.load_state_dict(common.mean(number))
            return f"  branch {number} over, the weights of all are averaged"
        self.network.load_state_dict(common.network)
        # Optimizers take over the tensors themselves, and a step changes them in place.
        self.optimizers.load_state_dict(copy.deepcopy(common.optimizers))
        self.place = replace(
            self.place, branch=number, since=self.place.steps, chunk=self.place.chunk + 1, used=0
        )
        self.history.append({"step": self.place.steps, "branch": number})
        return f"  branch {number} over, the next begins"

    def save(self, folder: Path) -> None:
        """Writes the checkpoint; a kill while writing leaves the one before."""
        state = {
            "network": self.network.state_dict(),
            "optimizers": self.optimizers.state_dict(),
            "place": asdict(self.place),
            "history": self.history,
            "random": torch.get_rng_state(),
            "branches": self.branches and vars(self.branches),
        }
        partial = folder / (CHECKPOINT + ".partial")
        torch.save(state, partial)
        partial.replace(folder / CHECKPOINT)

    def load(self, folder: Path) -> None:
        """Takes up the checkpoint of an earlier run.

        Raises:
            FileNotFoundError: there is none.
        """
        state: dict[str, Any] = torch.load(folder / CHECKPOINT, map_location=self.plan.device)
        self.network.load_state_dict(state["network"])
        self.optimizers.load_state_dict(state["optimizers"])
        torch.set_rng_state(state["random"].cpu())
        self.place, self.history = Place(**state["place"]), state["history"]
        self.branches = state["branches"] and Branches(**state["branches"])


def _report(training: Training, losses: list[Tensor], spent: float, tokens: int) -> str:
    place, done = training.place, training.progress
    loss = torch.stack(losses).mean().item()
    left = place.seconds * (1 - done) / done / 60 if done else math.nan
    training.history.append({"step": place.steps, "tokens": place.tokens, "loss": round(loss, 4)})
    return (
        f"step {place.steps:5d}  {done:6.1%}  loss {loss:.4f}  {tokens / spent:6.0f} tokens/s  "
        f"{place.tokens / 1e6:6.2f}M tokens  {place.seconds / 60:5.1f} min, {left:.0f} left  "
        f"{training.stage.name} "
        + " ".join(f"{name} {rate:.2f}" for name, rate in training.rates.items())
    )


def run(
    training: Training,
    folder: Path,
    say: Callable[[str], None],
    look: Callable[[Network], str] | None = None,
    stop_at: int | None = None,
) -> None:
    """Trains to the end of the plan, saving now and then.

    Args:
        training: what is to be trained.
        folder: where checkpoints go.
        say: takes a line about the progress every 50 steps.
        look: called every `look_minutes`; `say` takes its text.
        stop_at: leave after this many steps without saving, as a kill would.
    """
    plan, saved, looked = training.plan, training.place.seconds, training.place.seconds
    losses: list[Tensor] = []
    mark, tokens = time.monotonic(), 0
    clock = time.monotonic() - training.place.seconds
    source = training.source()
    while training.progress < 1.0:
        chunk, used, batch = next(source)
        losses.append(training.take(chunk, used, batch))
        tokens += batch.tokens
        training.place = replace(training.place, seconds=time.monotonic() - clock)
        if training.place.steps == stop_at:
            return
        news = training.advance()
        if training.place.steps % 50 == 0:
            say(_report(training, losses, time.monotonic() - mark, tokens))
            losses, mark, tokens = [], time.monotonic(), 0
        if news:
            say(news)
            source = training.source()
        if training.place.seconds - saved > plan.save_minutes * 60:
            training.save(folder)
            saved = training.place.seconds
        if look and training.place.seconds - looked > plan.look_minutes * 60:
            say(look(training.network))
            looked, mark, tokens = training.place.seconds, time.monotonic(), 0
    training.save(folder)
