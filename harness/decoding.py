"""Exact greedy decoding of many prompts at once: shared prefixes, verified drafts, full batches.

An evaluation knows all prompts beforehand, that they begin alike, and what the right answer is.
`decode` uses all three, and replies with the tokens of greedy `model.generate` on each prompt
alone. Prefixes that pay are computed once (`harness.prefixes`). A draft is the reply one hopes
for: the pass that reads the prompt reads it too, and gives the model's own choice behind every
one of its tokens; as far as they agree, the draft's tokens are the model's. Nothing of a refused
draft stays visible, for a token's slot is its position (`harness.slots`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from harness.prefixes import prefix_groups
from harness.slots import CHUNK, Slots, empty_slots, read, row_bytes

if TYPE_CHECKING:
    import torch

PASS_TOKENS: Final = {"cpu": 2048, "cuda": 32768}
"""Tokens read in one pass, by device: more take memory and no less time."""
MASK_SIZE: Final = 2**24
"""Entries of one attention mask: rows × tokens × slots."""
STATES: Final = 512
"""States scored over the vocabulary at a time."""
VOCABULARY_TILE: Final = {"cpu": 8192}
"""Tokens of the vocabulary scored at a time, by device: what caches hold; elsewhere all."""
ROWS: Final = {"cpu": 64, "cuda": 256}
"""The most rows of a batch, by device."""
TRIAL: Final = 16
"""Drafts to try before deciding whether drafts are worth reading."""


@dataclass(frozen=True, slots=True)
class Job:
    """Token ids of a prompt, and of the reply to hope for, its stop token included."""

    prompt: tuple[int, ...]
    draft: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Decoded:
    """A reply's token ids, its stop token included; `finished`: there is one.

    `forward_passes` counts the passes in which this prompt took part, a shared prefix's left out,
    and `accepted` the draft's tokens that were read ahead and proved the model's own.
    """

    tokens: tuple[int, ...]
    finished: bool
    forward_passes: int
    accepted: int


@dataclass(slots=True)
class _Row:
    """A job under way. The cache holds its first `filled` tokens, those of `prefix` to begin with.

    The draft is forgotten once it has been judged.
    """

    index: int
    prompt: tuple[int, ...]
    draft: tuple[int, ...] = ()
    prefix: int = 0
    filled: int = 0
    tokens: list[int] = field(default_factory=list)
    passes: int = 0
    accepted: int = 0

    def unread(self) -> list[int]:
        """The tokens that the cache does not hold yet; never none."""
        done = len(self.prompt)
        return [*self.prompt[self.filled :], *self.tokens[max(0, self.filled - done) :]]

    def width(self) -> int:
        """Tokens of its first pass."""
        return len(self.prompt) + len(self.tokens) - self.prefix + max(0, len(self.draft) - 1)


@dataclass(slots=True)
class _Batch:
    """The rows under way, row i in row i of the slots, and those that wait."""

    model: Any
    stop_ids: frozenset[int]
    max_new_tokens: int
    capacity: int
    length: int
    waiting: deque[_Row]
    rows: list[_Row] = field(default_factory=list)
    slots: Slots | None = None
    prefixes: dict[tuple[int, ...], torch.Tensor] = field(default_factory=dict)
    tried: int = 0
    agreed: int = 0


def decode(
    model: Any,
    jobs: Sequence[Job],
    *,
    stop_ids: Sequence[int],
    max_new_tokens: int,
    batch_size: int | None = None,
    drafts: bool = True,
    shared_prefix: bool = True,
) -> Iterator[tuple[int, Decoded]]:
    """Each job's index with its reply, as they finish.

    Equal, token for token, to greedy `model.generate` on each prompt alone in float32; in bfloat16
    up to ties within rounding (`harness.command_line.exactness`). `model` is a transformers model
    whose layers are `harness.slots.supported`, in evaluation mode. `batch_size` rows are decoded
    together, by default as many as a quarter of the free memory holds; where memory runs out, half
    as many.

    Raises:
        ValueError: an empty prompt, or `max_new_tokens` below 1.
        RuntimeError: torch's, when memory does not suffice for a single row.
    """
    if max_new_tokens < 1 or not all(job.prompt for job in jobs):
        raise ValueError("decode needs prompts of at least one token, and max_new_tokens ≥ 1")
    stops = frozenset(stop_ids)
    rows = [_Row(index, job.prompt) for index, job in enumerate(jobs)]
    for row in rows if drafts else ():
        row.draft = _cut(jobs[row.index].draft, stops, max_new_tokens)
    for similar in _of_similar_length(rows):
        if shared_prefix:
            _share(similar)
        length = len(similar[0].prompt) + max_new_tokens
        room = min(batch_size or _affordable(model, length), len(similar))
        waiting = _ordered(similar)
        yield from _finish(_Batch(model, stops, max_new_tokens, max(1, room), length, waiting))


def _cut(draft: tuple[int, ...], stops: frozenset[int], limit: int) -> tuple[int, ...]:
    """The draft as far as a reply can go: to its first stop token, or to the limit."""
    end = next((place + 1 for place, token in enumerate(draft) if token in stops), limit)
    return draft[: min(end, limit)]


def _of_similar_length(rows: Sequence[_Row]) -> Iterator[list[_Row]]:
    """Lists that begin with their longest prompt: each of its rows takes the memory of that."""
    left = deque(sorted(rows, key=lambda row: -len(row.prompt)))
    while left:
        least = len(left[0].prompt) / 2
        similar = [left.popleft()]
        while left and len(left[0].prompt) >= least:
            similar.append(left.popleft())
        yield similar


def _share(rows: Sequence[_Row]) -> None:
    """Set the length of each row's prefix."""
    for length, members in prefix_groups([row.prompt for row in rows]):
        for member in members:
            rows[member].prefix = length


def _ordered(rows: Sequence[_Row]) -> deque[_Row]:
    """The rows of a prefix together, so that it can be dropped behind them; the widest first."""
    groups: dict[tuple[int, ...], list[_Row]] = {}
    for row in sorted(rows, key=lambda row: -row.width()):
        groups.setdefault(row.prompt[: row.prefix], []).append(row)
    return deque(row for group in groups.values() for row in group)


def _affordable(model: Any, length: int) -> int:
    """Rows of `length` tokens that a quarter of the free memory holds."""
    import os

    import torch

    device = model.device.type
    if device == "cuda":
        free = torch.cuda.mem_get_info(model.device)[0]
    else:
        try:
            free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, ValueError):
            free = 2**32
    return int(min(ROWS.get(device, 64), free // 4 // row_bytes(model, length)))


def _finish(batch: _Batch) -> Iterator[tuple[int, Decoded]]:
    """Work until nobody waits; where memory runs out, go on with half the rows."""
    import torch

    while batch.waiting or batch.rows:
        try:
            with torch.inference_mode():
                _advance(batch, _admit(batch))
                done = _leave(batch)
        except RuntimeError as error:
            if not _out_of_memory(error) or batch.capacity == 1:
                raise
            _halve(batch)
        else:
            yield from done


def _out_of_memory(error: RuntimeError) -> bool:
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text


def _halve(batch: _Batch) -> None:
    """Let all rows wait again: what they have said so far will be read like a prompt."""
    batch.capacity //= 2
    batch.slots = None
    batch.prefixes.clear()
    batch.waiting.extendleft(reversed(batch.rows))
    batch.rows.clear()


def _admit(batch: _Batch) -> int:
    """Let rows in when a quarter of the places is free; returns the first row to advance."""
    first = len(batch.rows)
    free = batch.capacity - first
    if not batch.waiting or free < batch.capacity / 4:
        return 0
    if batch.slots is None:
        batch.slots = empty_slots(batch.model, batch.capacity, batch.length)
    for _ in range(min(free, len(batch.waiting), _places(batch))):
        row = batch.waiting.popleft()
        # In the batch before anything can fail: `_halve` finds it there.
        batch.rows.append(row)
        _begin(batch, batch.slots, row)
        if batch.waiting and 2 * batch.waiting[0].width() < batch.rows[first].width():
            break
    last = batch.rows[-1]
    kept = last.prompt[: last.prefix]
    batch.prefixes = {key: value for key, value in batch.prefixes.items() if key == kept}
    return first


def _places(batch: _Batch) -> int:
    """Rows that one pass over the next in line may have; few while drafts are on trial."""
    tokens = min(CHUNK, batch.waiting[0].width())
    most = PASS_TOKENS.get(batch.model.device.type, 2048)
    rows = min(most // tokens, MASK_SIZE // tokens // batch.length)
    return max(1, min(rows, TRIAL) if batch.tried < TRIAL else rows)


def _begin(batch: _Batch, slots: Slots, row: _Row) -> None:
    """Fill the last row's slots with its prefix, computed by the first row that needs it."""
    place = len(batch.rows) - 1
    key = row.prompt[: row.prefix]
    row.filled = row.prefix
    if not key:
        return
    if key in batch.prefixes:
        slots.put(place, batch.prefixes[key])
    else:
        read(batch.model, slots, place, [key], [0], [0])
        batch.prefixes[key] = slots.take(place, len(key))


def _advance(batch: _Batch, first: int) -> None:
    """One pass for the rows from `first` on: each gets a token or, from its draft, several."""
    assert batch.slots is not None
    rows = batch.rows[first:]
    trusted = batch.tried < TRIAL or 2 * batch.agreed >= batch.tried
    hopes = [row.draft if trusted else () for row in rows]
    feeds = [[*row.unread(), *hope[:-1]] for row, hope in zip(rows, hopes, strict=True)]
    wanted = [max(1, len(hope)) for hope in hopes]
    starts = [row.filled for row in rows]
    states = read(batch.model, batch.slots, first, feeds, starts, wanted)
    for row, hope, choices in zip(rows, hopes, _choices(batch.model, states, hopes), strict=True):
        if row.draft:
            batch.tried += 1
            batch.agreed += row.draft[0] == choices[0]
        _accept(row, hope, choices)
        row.passes += -(-max(map(len, feeds)) // CHUNK)


def _accept(row: _Row, hope: tuple[int, ...], choices: Sequence[int]) -> None:
    """Take the model's choices, as far as they follow from tokens that were its own."""
    agreed = next((place for place, token in enumerate(hope) if choices[place] != token), len(hope))
    row.tokens += choices[: agreed + 1]
    row.accepted += agreed
    row.draft = ()
    row.filled = len(row.prompt) + len(row.tokens) - 1


def _choices(
    model: Any, states: Sequence[torch.Tensor], hopes: Sequence[tuple[int, ...]]
) -> list[list[int]]:
    """The model's choice behind each state; only the first where that refuses the draft already.

    The vocabulary is half of the work, and most wrong drafts are wrong from the start.
    """
    import torch

    firsts = _best(model, torch.cat([state[:1] for state in states]))
    choices = [[token] for token in firsts]
    going = [
        place for place, hope in enumerate(hopes) if len(hope) > 1 and hope[0] == firsts[place]
    ]
    if going:
        rest = iter(_best(model, torch.cat([states[place][1:] for place in going])))
        for place in going:
            choices[place] += [next(rest) for _ in hopes[place][1:]]
    return choices


def _best(model: Any, states: torch.Tensor) -> list[int]:
    """The token of the highest logit for each state, the first of equals, as `generate` has it.

    The logits are made a tile of the vocabulary at a time, and are never all there at once.
    """
    import torch

    weight = model.get_output_embeddings().weight
    cap = getattr(model.config, "final_logit_softcapping", None)
    tile = VOCABULARY_TILE.get(states.device.type, len(weight))
    chosen: list[torch.Tensor] = []
    for chunk in torch.split(states, STATES):
        highest = torch.full((len(chunk),), -torch.inf, device=chunk.device)
        at = torch.zeros(len(chunk), dtype=torch.long, device=chunk.device)
        for start in range(0, len(weight), tile):
            logits = torch.nn.functional.linear(chunk, weight[start : start + tile])
            if cap is not None:
                logits = torch.tanh(logits / cap) * cap
            value, token = logits.float().max(dim=-1)
            at = torch.where(value > highest, token + start, at)
            highest = torch.maximum(highest, value)
        chosen.append(at)
    tokens: list[int] = torch.cat(chosen).tolist()
    return tokens


def _leave(batch: _Batch) -> list[tuple[int, Decoded]]:
    """Take out the rows that are done; the last row moves to each freed place."""
    done = []
    for place in reversed(range(len(batch.rows))):
        row = batch.rows[place]
        finished = row.tokens[-1] in batch.stop_ids
        if not finished and len(row.tokens) < batch.max_new_tokens:
            continue
        last = batch.rows.pop()
        if last is not row:
            assert batch.slots is not None
            batch.slots.move(len(batch.rows), place)
            batch.rows[place] = last
        done.append((row.index, Decoded(tuple(row.tokens), finished, row.passes, row.accepted)))
    return done
