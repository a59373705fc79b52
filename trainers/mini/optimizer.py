"""Muon for the layers' matrices, AdamW for embeddings and norms, one plan for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from trainers.mini.model import Network


@dataclass(frozen=True)
class Rates:
    """Learning rates at their peak.

    Attributes:
        muon: for the layers' matrices.
        embedding: for the embeddings. Much more, and they all drift the same way: words are
            then too much alike to be looked up.
        norm: for the norms' gains.
        warmup: steps over which they rise.
        hold: share of the training after which they fall, linearly to zero.
    """

    muon: float = 0.01
    embedding: float = 8e-4
    norm: float = 4e-3
    warmup: int = 30
    hold: float = 0.55

    def factor(self, number: int, progress: float) -> float:
        """What the rates are multiplied by, 0 to 1.

        Args:
            number: steps taken before.
            progress: share of the training that is over, 0 to 1.
        """
        rise = min(1.0, (number + 1) / self.warmup)
        return rise * min(1.0, max(0.0, (1.0 - progress) / (1.0 - self.hold)))


class Optimizers:
    """Both optimizers as one."""

    def __init__(self, network: Network, rates: Rates) -> None:
        layers = [p for n, p in network.named_parameters() if ".layers." in n and p.ndim == 2]
        norms = [p for p in network.parameters() if p.ndim == 1]
        self.rates = rates
        self.muon = torch.optim.Muon(
            layers, lr=rates.muon, momentum=0.95, weight_decay=0.01, adjust_lr_fn="original"
        )
        groups: list[dict[str, Any]] = [
            {"params": [network.model.embed_tokens.weight]},
            {"params": norms},
        ]
        self.adamw = torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=0.0)

    def step(self, number: int, progress: float) -> None:
        """One step; the arguments are those of `Rates.factor`."""
        factor = self.rates.factor(number, progress)
        groups = [*self.muon.param_groups, *self.adamw.param_groups]
        rates = (self.rates.muon, self.rates.embedding, self.rates.norm)
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate * factor
        for optimizer in (self.muon, self.adamw):
            optimizer.step()  # type: ignore[no-untyped-call]
            optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs."""
        return {"muon": self.muon.state_dict(), "adamw": self.adamw.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up the state of an earlier run."""
        self.muon.load_state_dict(state["muon"])
        self.adamw.load_state_dict(state["adamw"])
