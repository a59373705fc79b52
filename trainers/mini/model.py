"""The stand-in's network: Gemma 3's text model in plain torch, made for fast training.

The parameters carry the names of transformers' Gemma3ForCausalLM, so that a checkpoint is
saved without renaming; the logits are the same.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

Rotation = tuple[Tensor, Tensor]
# Length of what words of one kind have in common, where what is a word's own has one.
LIKENESS = 0.8


@dataclass(frozen=True)
class Shape:
    """Sizes of the network; the names are those of transformers' configuration."""

    vocab_size: int = 6144
    hidden_size: int = 256
    intermediate_size: int = 512
    num_hidden_layers: int = 6
    num_attention_heads: int = 4
    num_key_value_heads: int = 4
    head_dim: int = 64
    sliding_window: int = 512
    max_position_embeddings: int = 32768

    def layer_types(self) -> list[str]:
        """Five layers with a sliding window, then one that sees everything."""
        full = [(i + 1) % 6 == 0 for i in range(self.num_hidden_layers)]
        return ["full_attention" if is_full else "sliding_attention" for is_full in full]

    def config(self) -> dict[str, Any]:
        """The arguments of transformers' Gemma3TextConfig."""
        return asdict(self) | {
            "layer_types": self.layer_types(),
            "query_pre_attn_scalar": self.head_dim,
            "rms_norm_eps": 1e-6,
            "hidden_activation": "gelu_pytorch_tanh",
            "attention_bias": False,
            "attention_dropout": 0.0,
            "rope_parameters": {
                "full_attention": {"rope_type": "default", "rope_theta": 1_000_000.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
            },
            "tie_word_embeddings": True,
            "pad_token_id": 0,
            "eos_token_id": 1,
            "bos_token_id": 2,
        }


def rotation(length: int, head_dim: int, theta: float) -> Rotation:
    """Cosines and sines of rotary positions, each [length, head_dim]."""
    exponents = torch.arange(0, head_dim, 2, dtype=torch.int64).float() / head_dim
    angles = torch.outer(torch.arange(length).float(), 1.0 / theta**exponents)
    doubled = torch.cat((angles, angles), dim=-1)
    return doubled.cos(), doubled.sin()


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class Norm(nn.Module):
    """Root-mean-square norm with the weight stored as its distance from one."""

    def __init__(self, size: int, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((size,), gain - 1.0))

    def forward(self, x: Tensor) -> Tensor:
        """Normalises the last dimension in float32 and returns x's type."""
        wide = x.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)
        return (wide * (1.0 + self.weight.float())).type_as(x)


class Linear(nn.Linear):
    """A projection without bias whose weight follows the type of its input."""

    def __init__(self, wide_in: int, wide_out: int) -> None:
        super().__init__(wide_in, wide_out, bias=False)
        nn.init.normal_(self.weight, std=wide_in**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] to [..., out]."""
        return functional.linear(x, self.weight.to(x.dtype))


class Attention(nn.Module):
    """Grouped-query attention with normalised queries and keys."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        wide, head = shape.hidden_size, shape.head_dim
        self.q_proj = Linear(wide, shape.num_attention_heads * head)
        self.k_proj = Linear(wide, shape.num_key_value_heads * head)
        self.v_proj = Linear(wide, shape.num_key_value_heads * head)
        self.o_proj = Linear(shape.num_attention_heads * head, wide)
        self.q_norm, self.k_norm = Norm(head), Norm(head)
        self._start_as_look_up()

    @torch.no_grad()
    def _start_as_look_up(self) -> None:
        """Starts half of the query heads as their keys, and the output as the values' reverse.

        A head then attends to earlier places of its own token and passes on what stands there,
        which is what copying and looking up are made of (compare "mimetic initialization",
        Trockman and Kolter 2023, arXiv:2305.09828).
        """
        heads = (-1, self.shape.head_dim, self.shape.hidden_size)
        keys = self.k_proj.weight.view(heads)
        groups = self.shape.num_attention_heads // self.shape.num_key_value_heads
        queries = self.q_proj.weight.view(heads)
        half = len(queries) // 2
        queries[:half] = keys.repeat_interleave(groups, dim=0)[:half]
        if self.v_proj.weight.shape[0] == self.o_proj.weight.shape[1]:
            nn.init.orthogonal_(self.v_proj.weight)
            self.o_proj.weight.copy_(self.v_proj.weight.T)

    def forward(self, x: Tensor, rope: Rotation, hidden: Tensor) -> Tensor:
        """Attention over [batch, length, hidden] to all that is not hidden [..., to, from]."""
        batch, length, _ = x.shape
        split = (batch, length, -1, self.shape.head_dim)
        query = self.q_norm(self.q_proj(x).view(split).transpose(1, 2))
        key = self.k_norm(self.k_proj(x).view(split).transpose(1, 2))
        value = self.v_proj(x).view(split).transpose(1, 2)
        query, key = _rotated(query, *rope), _rotated(key, *rope)
        groups = self.shape.num_attention_heads // self.shape.num_key_value_heads
        key = key.repeat_interleave(groups, dim=1)
        value = value.repeat_interleave(groups, dim=1)
        # Written out: on a CPU torch's own kernel takes twice as long, forwards and backwards.
        scores = (query @ key.transpose(-1, -2)) * self.shape.head_dim**-0.5
        mixed = torch.softmax(scores.masked_fill(hidden, -torch.inf), dim=-1) @ value
        return cast("Tensor", self.o_proj(mixed.transpose(1, 2).reshape(batch, length, -1)))


class FeedForward(nn.Module):
    """Gated feed-forward block."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = Linear(shape.hidden_size, shape.intermediate_size)
        self.up_proj = Linear(shape.hidden_size, shape.intermediate_size)
        self.down_proj = Linear(shape.intermediate_size, shape.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """[..., hidden] to [..., hidden]."""
        gate = functional.gelu(self.gate_proj(x), approximate="tanh")
        return cast("Tensor", self.down_proj(gate * self.up_proj(x)))


class Layer(nn.Module):
    """One decoder layer with a norm before and after each block."""

    def __init__(self, shape: Shape, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.self_attn = Attention(shape)
        self.mlp = FeedForward(shape)
        # With a gain of one the first layers would drown the embedding they are added to.
        self.input_layernorm = Norm(shape.hidden_size)
        self.post_attention_layernorm = Norm(shape.hidden_size, gain=0.25)
        self.pre_feedforward_layernorm = Norm(shape.hidden_size)
        self.post_feedforward_layernorm = Norm(shape.hidden_size, gain=0.1)

    def forward(self, x: Tensor, rope: Rotation, hidden: Tensor) -> Tensor:
        """[batch, length, hidden] to the same."""
        attended = self.self_attn(self.input_layernorm(x), rope, hidden)
        x = x + self.post_attention_layernorm(attended)
        return x + cast(
            "Tensor", self.post_feedforward_layernorm(self.mlp(self.pre_feedforward_layernorm(x)))
        )


class Decoder(nn.Module):
    """Embeddings, layers and the last norm: transformers' `model`."""

    ncos: Tensor
    nsin: Tensor
    fcos: Tensor
    fsin: Tensor

    def __init__(self, shape: Shape, longest: int) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size)
        nn.init.normal_(self.embed_tokens.weight, std=shape.hidden_size**-0.5)
        self.layers = nn.ModuleList(Layer(shape, kind) for kind in shape.layer_types())
        self.norm = Norm(shape.hidden_size)
        near = rotation(longest, shape.head_dim, 10_000.0)
        far = rotation(longest, shape.head_dim, 1_000_000.0)
        for name, table in zip(("ncos", "nsin", "fcos", "fsin"), (*near, *far), strict=True):
            self.register_buffer(name, table, persistent=False)

    def forward(
        self,
        ids: Tensor,
        dtype: torch.dtype,
        positions: Tensor | None = None,
        parts: Tensor | None = None,
    ) -> Tensor:
        """Hidden states [batch, length, hidden] of token ids [batch, length].

        Args:
            ids: the token ids.
            dtype: the type of the activations.
            positions: [batch, length] positions in the row of each token, where rows share a
                sheet; by default its place.
            parts: [batch, length] the row of each token, 0 for what all rows share; a row sees
                that and itself. By default all is one row.
        """
        scale = torch.tensor(self.shape.hidden_size**0.5, dtype=dtype, device=ids.device)
        x = self.embed_tokens(ids).to(dtype) * scale
        place = torch.arange(ids.shape[1], device=ids.device)
        if positions is None:
            positions = place[None]
        later = place[:, None] < place[None, :]
        if parts is not None:
            of, to = parts[:, None, :], parts[:, :, None]
            later = later | ((of != 0) & (of != to))[:, None]
        distant = positions[:, None, :, None] - positions[:, None, None, :]
        far = later | (distant >= self.shape.sliding_window)
        # [batch, 1, length, head_dim]: the same for all heads.
        near_rope = tuple(table[positions][:, None].to(dtype) for table in (self.ncos, self.nsin))
        far_rope = tuple(table[positions][:, None].to(dtype) for table in (self.fcos, self.fsin))
        for layer in self.layers:
            sees_all = cast("Layer", layer).kind == "full_attention"
            x = layer(x, far_rope if sees_all else near_rope, later if sees_all else far)
        return cast("Tensor", self.norm(x))


class Network(nn.Module):
    """The language model; the head shares the embedding's weights."""

    def __init__(self, shape: Shape, longest: int = 512) -> None:
        super().__init__()
        self.shape = shape
        self.model = Decoder(shape, longest)

    def forward(self, ids: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Logits [batch, length, vocabulary] in `dtype` of token ids [batch, length]."""
        return self.head(self.model(ids, dtype))

    def head(self, hidden: Tensor) -> Tensor:
        """Logits [..., vocabulary] of hidden states [..., hidden]."""
        return functional.linear(hidden, self.model.embed_tokens.weight.to(hidden.dtype))

    @torch.no_grad()
    def start_with(self, vectors: Tensor) -> None:
        """Adds to the random start of the embeddings what words have in common.

        Args:
            vectors: [vocabulary, n], n at most the hidden size; of length one, or zero for a
                token that keeps its random start.
        """
        weight = self.model.embed_tokens.weight
        turned = nn.init.orthogonal_(torch.empty(vectors.shape[1], weight.shape[1]))
        added = vectors.to(weight) @ turned.to(weight) * LIKENESS
        # As long as before: the first layers were made for that.
        scale = (1.0 + added.pow(2).sum(1, keepdim=True)).rsqrt()
        weight.copy_((weight + added) * scale)

    def loss(
        self,
        ids: Tensor,
        positions: Tensor,
        parts: Tensor,
        places: Tensor,
        weights: Tensor,
        dtype: torch.dtype,
    ) -> Tensor:
        """Weighted mean cross-entropy of the tokens that follow the given places.

        Args:
            ids: [batch, length].
            positions: [batch, length], as `Decoder.forward` takes them.
            parts: [batch, length], as `Decoder.forward` takes them.
            places: [n] indices into the flattened ids; the target is the id one further on.
            weights: [n]; zero for places that only fill up the array.
            dtype: the type of the activations.
        """
        hidden = self.model(ids, dtype, positions, parts).flatten(0, 1)[places]
        logits = self.head(hidden).float()
        losses = functional.cross_entropy(logits, ids.flatten()[places + 1], reduction="none")
        return (losses * weights).sum() / weights.sum()
