"""Rates that tell whether a stage of the training has taught what it is for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import torch

from trainers.mini.batches import Encoder, Example, Sheet
from trainers.mini.compose import pick, subjects
from trainers.mini.drills import choose, plain, recall, stemmed
from trainers.mini.model import Network
from trainers.mini.schema import Row
from trainers.mini.words import Splits

_ROWS = 64
_TOOLS = 4
_DEV = Splits("dev", "dev", "dev")
_LIKE_TRAINING = Splits(names="dev", values="dev", training=True)

_MAKERS: dict[str, Callable[[Random], Row]] = {
    "recall": lambda rng: recall(_TOOLS, rng, echo=0.0),
    "plain": lambda rng: plain(_TOOLS, rng),
    "stem_plain": lambda rng: stemmed(plain(_TOOLS, rng), rng),
    "drill": lambda rng: choose(_TOOLS, rng),
    "single_drill": lambda rng: choose(_TOOLS, rng, single=True),
    "single_pick": lambda rng: pick(_TOOLS, rng, _DEV, most=1),
    "pick": lambda rng: pick(_TOOLS, rng, _DEV),
    "core_subjects": lambda rng: subjects(_TOOLS, rng, _LIKE_TRAINING, core=True)[0],
}


@dataclass(frozen=True)
class Gates:
    """Rows of four tools for every rate: drills of other seeds than training's, and dev picks."""

    encoder: Encoder
    sets: dict[str, list[Example]]

    def __call__(self, network: Network, names: Sequence[str]) -> dict[str, float]:
        """Per name the share of choices of a tool that are right, given what comes before."""
        return {name: self._rate(network, self.sets[name]) for name in names}

    @torch.no_grad()
    def _rate(self, network: Network, examples: Sequence[Example]) -> float:
        device = next(network.parameters()).device
        ids = torch.zeros(len(examples), max(len(x.ids) for x in examples), dtype=torch.long)
        for row, example in enumerate(examples):
            ids[row, : len(example.ids)] = torch.tensor(example.ids)
        found = [self.encoder.choices(example) for example in examples]
        places = [(row, at) for row, own in enumerate(found) for at in sorted(own)]
        rows, ends = torch.tensor(places).T
        states = network.model(ids[:, :512].to(device), torch.bfloat16)[rows, ends - 1]
        best = network.head(states).float().argmax(-1).cpu()
        return (best == ids[rows, ends]).float().mean().item()


def prepare_gates(encoder: Encoder) -> Gates:
    """Makes and encodes the rows."""
    sets = {}
    for name, maker in _MAKERS.items():
        rng = Random(f"callgate-mini/gate/{name}")
        made = [maker(rng) for _ in range(_ROWS)]
        pairs = zip(made, encoder.encode(made), strict=True)
        found = (encoder.varied(row.swap, Sheet((one,)), rng) for row, one in pairs)
        sets[name] = [sheet.examples[0] for sheet in found]
    return Gates(encoder, sets)
