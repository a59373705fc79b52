"""Muon for the layers' matrices, AdamW for embeddings and norms, one plan for both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from trainers.mini.model import Network


@dataclass(frozen=True)
class Rates:
    """Learning rates at their peak; they rise over `warmup` steps and fall linearly to zero."""

    muon: float = 0.02
    adamw: float = 4e-3
    warmup: int = 60


class Optimizers:
    """Both optimizers as one."""

    def __init__(self, network: Network, rates: Rates) -> None:
        layers = [p for n, p in network.named_parameters() if ".layers." in n and p.ndim == 2]
        known = {id(parameter) for parameter in layers}
        others = [p for p in network.parameters() if id(p) not in known]
        self.rates = rates
        self.muon = torch.optim.Muon(
            layers, lr=rates.muon, momentum=0.95, weight_decay=0.01, adjust_lr_fn="original"
        )
        self.adamw = torch.optim.AdamW(others, lr=rates.adamw, betas=(0.9, 0.95), weight_decay=0.0)

    def step(self, number: int, progress: float) -> None:
        """One step.

        Args:
            number: steps taken before.
            progress: share of the training that is over, 0 to 1.
        """
        factor = min(1.0, (number + 1) / self.rates.warmup) * max(0.0, 1.0 - progress)
        for optimizer, rate in ((self.muon, self.rates.muon), (self.adamw, self.rates.adamw)):
            for group in optimizer.param_groups:
                group["lr"] = rate * factor
            optimizer.step()  # type: ignore[no-untyped-call]
            optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs."""
        return {"muon": self.muon.state_dict(), "adamw": self.adamw.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up the state of an earlier run."""
        self.muon.load_state_dict(state["muon"])
        self.adamw.load_state_dict(state["adamw"])
