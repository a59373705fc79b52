"""A quick look at a network in training, on sets that are kept for this.

Greedy decoding writes the target exactly if, and only if, every target token is the likeliest
one after the prompt and the target before it. One forward pass per batch shows that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from trainers.mini.batches import Encoder, Example
from trainers.mini.evalsets import SETS, evaluation_set
from trainers.mini.model import Network

_SIZE = 64
_ROWS = 32


@dataclass(frozen=True)
class Glance:
    """The dev sets, encoded once."""

    sets: dict[str, list[Example]]
    name_end: int

    def __call__(self, network: Network) -> str:
        """One line: per set the share of exact targets and of right first names."""
        device = next(network.parameters()).device
        words = []
        for name, examples in self.sets.items():
            exact = named = 0
            for start in range(0, len(examples), _ROWS):
                part = examples[start : start + _ROWS]
                for hits, example in zip(_hits(network, part, device.type), part, strict=True):
                    exact += all(hits)
                    named += all(hits[: self._first_name(example)])
            words.append(f"{name} {exact / len(examples):.2f}/{named / len(examples):.2f}")
        return "  look (exact/name): " + "  ".join(words)

    def _first_name(self, example: Example) -> int:
        target = example.ids[example.start :]
        return target.index(self.name_end) + 1 if self.name_end in target else len(target)


def prepare(encoder: Encoder, name_end: int) -> Glance:
    """Encodes the dev sets.

    Args:
        encoder: encodes the sets.
        name_end: the id of the brace that ends a called name.
    """
    rows = {name: evaluation_set(name, "dev", _SIZE) for name in SETS}
    return Glance({name: encoder.encode(found) for name, found in rows.items()}, name_end)


@torch.no_grad()
def _hits(network: Network, examples: Sequence[Example], device: str) -> list[list[bool]]:
    longest = max(len(example.ids) for example in examples)
    ids = torch.zeros(len(examples), longest, dtype=torch.long)
    for row, example in enumerate(examples):
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
    longest = min(longest, 512)
    hidden = network.model(ids[:, :longest].to(device), torch.bfloat16)
    found = []
    for row, example in enumerate(examples):
        end = min(len(example.ids), longest)
        best = network.head(hidden[row, example.start - 1 : end - 1]).float().argmax(-1).cpu()
        found.append((best == ids[row, example.start : end]).tolist())
    return found
