"""Is batched decoding exact on this model? Counted, against one `generate` a prompt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from harness.decoding import Decoded, Job, decode

if TYPE_CHECKING:
    import torch

TIE: Final = 8.0
"""Units of rounding by which two logits may differ and still be a tie.

A logit carries the rounding of every layer below it, not only its own.
"""


@dataclass(frozen=True, slots=True)
class Parting:
    """Where the two replies to a job first differ, and how near a tie that was.

    `place` counts tokens of the reply from 0; the tokens are None where a reply has ended.
    `margin` is the logit of `alone` less that of `together`, as the model saw them for the prompt
    alone; `units` is the same in steps of the model's precision at that size.
    """

    job: int
    place: int
    alone: int | None
    together: int | None
    margin: float
    units: float

    @property
    def tie(self) -> bool:
        """Whether rounding explains it."""
        return self.units <= TIE


@dataclass(frozen=True, slots=True)
class Exactness:
    """Replies compared, their tokens, and where they parted; what follows is not comparable."""

    replies: int
    tokens: int
    partings: tuple[Parting, ...]

    @property
    def exact(self) -> bool:
        """Whether all replies are equal."""
        return not self.partings

    @property
    def ties(self) -> int:
        """Partings that rounding explains."""
        return sum(parting.tie for parting in self.partings)


def compare_exact(
    model: Any, jobs: Sequence[Job], *, stop_ids: Sequence[int], max_new_tokens: int, **how: Any
) -> Exactness:
    """Decode the jobs together and one by one; `how` goes to `decode`."""
    together = dict(decode(model, jobs, stop_ids=stop_ids, max_new_tokens=max_new_tokens, **how))
    tokens = 0
    partings = []
    for index, job in enumerate(jobs):
        alone, logits = generate_alone(model, job.prompt, stop_ids, max_new_tokens)
        tokens += len(alone)
        if alone != together[index].tokens:
            partings.append(_parting(index, alone, together[index], logits, model.dtype))
    return Exactness(len(jobs), tokens, tuple(partings))


def generate_alone(
    model: Any, prompt: Sequence[int], stop_ids: Sequence[int], max_new_tokens: int
) -> tuple[tuple[int, ...], tuple[torch.Tensor, ...]]:
    """The reference: greedy `model.generate` on one prompt; its tokens, and each one's logits."""
    import torch
    import transformers

    library: Any = transformers  # its published types are for its own use
    greedy = library.GenerationConfig(
        do_sample=False,
        num_beams=1,
        max_new_tokens=max_new_tokens,
        eos_token_id=list(stop_ids) or None,
        pad_token_id=0,
        output_logits=True,
        return_dict_in_generate=True,
    )
    ids = torch.tensor([list(prompt)], device=model.device)
    with torch.inference_mode():
        # The mask is said: `generate` would take a pad token in the prompt for padding.
        made = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=greedy)
    tokens = made.sequences[0, len(prompt) :].tolist()
    return tuple(tokens), tuple(step[0] for step in made.logits)


def _parting(
    job: int,
    alone: tuple[int, ...],
    together: Decoded,
    logits: Sequence[torch.Tensor],
    dtype: torch.dtype,
) -> Parting:
    """The first difference of two replies that differ; `logits` are in float32."""
    import torch

    pairs = zip_longest(alone, together.tokens)
    place, (one, other) = next((n, pair) for n, pair in enumerate(pairs) if pair[0] != pair[1])
    if one is None or other is None:  # equal as far as both go: no rounding does that
        return Parting(job, place, one, other, margin=math.inf, units=math.inf)
    top = float(logits[place][one])
    margin = top - float(logits[place][other])
    step = torch.finfo(dtype).eps * max(abs(top), 1e-30)
    return Parting(job, place, one, other, margin, margin / step)
