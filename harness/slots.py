"""A cache of keys and values in which the slot of a token is its position.

A row's slot p holds what the layers made of the row's token p. Attention masks follow from that
alone: a query at position p sees the slots 0 to p, in a sliding layer the last `window` of them.
So padding and refused drafts, which lie behind a row's last token, are seen by nobody, and are
overwritten before anybody could: nothing is ever cropped, and no holes form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import torch

CHUNK: Final = 512
"""Tokens of a row read in one pass; longer prompts take several."""
KINDS: Final = frozenset({"full_attention", "sliding_attention"})


@dataclass(frozen=True, slots=True)
class Slots:
    """Keys and values: layers × 2 × rows × heads × slots × size of a head."""

    store: torch.Tensor

    def put(self, row: int, prefix: torch.Tensor) -> None:
        """Begin a row with a prefix, layers × 2 × heads × tokens × size of a head."""
        self.store[:, :, row, :, : prefix.shape[-2]] = prefix

    def take(self, row: int, length: int) -> torch.Tensor:
        """The first slots of a row, as `put` wants them."""
        return self.store[:, :, row, :, :length].clone()

    def move(self, source: int, target: int) -> None:
        """Let a row take another's place."""
        self.store[:, :, target] = self.store[:, :, source]


@dataclass(frozen=True, slots=True)
class _Pass:
    """What transformers takes for its cache in one pass: rows of the store, up to slot `reach`."""

    store: torch.Tensor
    rows: torch.Tensor
    positions: torch.Tensor
    reach: int

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keep a layer's new keys and values; returns all that a mask may show."""
        for kept, new in zip(self.store[layer], (keys, values), strict=True):
            kept.transpose(1, 2)[self.rows, self.positions] = new.transpose(1, 2)
        shown = self.store[layer, :, :, :, : self.reach]
        return shown[0], shown[1]


def supported(model: Any) -> bool:
    """Whether the model's layers are of the kinds that the masks are made for, as Gemma 3's."""
    kinds = getattr(model.config, "layer_types", None) or ["unknown"]
    return KINDS.issuperset(kinds)


def row_bytes(model: Any, length: int) -> int:
    """Bytes of one row of `length` slots."""
    config = model.config
    values = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim
    return int(values * length * model.dtype.itemsize)


def empty_slots(model: Any, rows: int, length: int) -> Slots:
    """Room for `rows` rows of `length` tokens, of which the last is never read."""
    import torch

    config = model.config
    # Zeros: an unseen slot weighs nothing, but nothing times NaN would be NaN.
    shape = (config.num_hidden_layers, 2, rows, config.num_key_value_heads, length)
    return Slots(torch.zeros((*shape, config.head_dim), dtype=model.dtype, device=model.device))


def read(
    model: Any,
    slots: Slots,
    first: int,
    feeds: Sequence[Sequence[int]],
    starts: Sequence[int],
    wanted: Sequence[int],
) -> list[torch.Tensor]:
    """Read tokens into the rows from `first` on, each row's from its position in `starts` on.

    The last layer's states of the last `wanted` tokens of each row come back, each tokens × hidden
    size.
    """
    import torch

    width = max(map(len, feeds))
    ids = torch.tensor([[*feed, *[feed[-1]] * (width - len(feed))] for feed in feeds])
    positions = torch.tensor(starts)[:, None] + torch.arange(width)
    # Padding that would lie further out goes to the last slot, where no row reads a token: what a
    # reply ends with is never read.
    positions.clamp_(max=slots.store.shape[-2] - 1)
    since = min(len(feed) - last for feed, last in zip(feeds, wanted, strict=True))
    store = slots.store[:, :, first : first + len(feeds)]
    kept = []
    for left in range(0, width, CHUNK):
        chunk = slice(left, left + CHUNK)
        states = _states(model, store, ids[:, chunk], positions[:, chunk])
        kept.append(states[:, max(0, since - left) :])
    ends = [len(feed) - since for feed in feeds]
    rows = zip(torch.cat(kept, dim=1), ends, wanted, strict=True)
    return [row[end - last : end] for row, end, last in rows]


def _states(
    model: Any, store: torch.Tensor, ids: torch.Tensor, positions: torch.Tensor
) -> torch.Tensor:
    """One pass through the layers: rows × tokens × hidden size."""
    import torch

    reach = int(positions.max()) + 1  # on the CPU still: no waiting for a GPU
    at = positions.to(store.device, non_blocking=True)
    rows = torch.arange(len(ids), device=store.device)[:, None]
    states: torch.Tensor = model.get_decoder()(
        input_ids=ids.to(store.device, non_blocking=True),
        position_ids=at,
        attention_mask=_masks(at, reach, model.config.sliding_window, store.dtype),
        past_key_values=_Pass(store, rows, at, reach),
        use_cache=True,
    ).last_hidden_state
    return states


def _masks(
    positions: torch.Tensor, reach: int, window: int | None, dtype: torch.dtype
) -> dict[str, torch.Tensor]:
    """What is added to attention scores, for each kind of layer: rows × 1 × tokens × slots.

    Without a window, as models have none whose layers are all full, nothing is hidden by one.
    """
    import torch

    def hiding(hidden: torch.Tensor) -> torch.Tensor:
        mask = torch.zeros(hidden.shape, dtype=dtype, device=hidden.device)
        return mask.masked_fill_(hidden, torch.finfo(dtype).min)

    ago = positions[:, None, :, None] - torch.arange(reach, device=positions.device)
    full = hiding(ago < 0)
    sliding = full if window is None or reach <= window else hiding((ago < 0) | (ago >= window))
    return {"full_attention": full, "sliding_attention": sliding}
