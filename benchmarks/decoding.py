"""How much faster `harness.decoding` is than the usual loops, on FunctionGemma's shape.

Random weights, made on the spot; nothing is downloaded. In one run and one precision:

    python benchmarks/decoding.py --cases 100 --dtype float32 --threads 2 --json figures.json

Calls: prompts of 170 shared tokens and 12 to 28 own, replies of 30. Text: replies of 40, and
drafts that are wrong from the first token. A random model never says what anybody would expect,
so its own replies serve as right drafts.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import random
import resource
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, DynamicCache, Gemma3TextConfig, GenerationConfig

from harness.decoding import Decoded, Job, decode
from harness.slots import row_bytes

SHARED, OWN, CALL, TEXT = 170, (12, 28), 30, 40
Replies = list[tuple[int, ...]]


def functiongemma_shape(dtype: torch.dtype, device: str) -> Any:
    """A model of FunctionGemma's size: 268 million random weights."""
    layers = 18
    config = Gemma3TextConfig(
        vocab_size=262_144,
        hidden_size=640,
        intermediate_size=2048,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=256,
        query_pre_attn_scalar=256,
        sliding_window=512,
        max_position_embeddings=32_768,
        layer_types=[
            "sliding_attention" if (n + 1) % 6 else "full_attention" for n in range(layers)
        ],
        dtype=dtype,
    )
    torch.manual_seed(0)
    with torch.device(device):
        # Not `.to(dtype)`: that rounds the rotary frequencies too, as loading never does.
        return AutoModelForCausalLM.from_config(config, dtype=dtype).eval()


def prompts(cases: int) -> Replies:
    """Token ids as the search policy's cases have them: one developer turn, many questions."""
    rng = random.Random(0)
    ids = range(1000, 200_000)
    shared = rng.choices(ids, k=SHARED)
    return [(*shared, *rng.choices(ids, k=rng.randint(*OWN))) for _ in range(cases)]


def spoilt(right: Replies, share_right: float) -> Replies:
    """Drafts of which a share is right; the others part at a random position, for good."""
    rng = random.Random(1)
    wrong = set(rng.sample(range(len(right)), k=round(len(right) * (1 - share_right))))
    cuts = [rng.randrange(len(reply)) if n in wrong else None for n, reply in enumerate(right)]
    return [
        reply if cut is None else (*reply[:cut], *(token ^ 1 for token in reply[cut:]))
        for reply, cut in zip(right, cuts, strict=True)
    ]


def generate(model: Any, batch: Sequence[tuple[int, ...]], length: int) -> Replies:
    """Greedy `generate` over a left-padded batch; of one, it is the guides' loop."""
    width = max(map(len, batch))
    ids = torch.tensor([[0] * (width - len(p)) + list(p) for p in batch], device=model.device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in batch])
    greedy = GenerationConfig(do_sample=False, max_new_tokens=length, pad_token_id=0)
    with torch.inference_mode():
        made = model.generate(ids, attention_mask=mask.to(model.device), generation_config=greedy)
    return [tuple(row) for row in made[:, width:].tolist()]


def in_batches(model: Any, asked: Replies, length: int, size: int) -> Replies:
    """`generate`, `size` prompts at a time."""
    parts = [asked[n : n + size] for n in range(0, len(asked), size)]
    return [reply for part in parts for reply in generate(model, part, length)]


def bare_pass(model: Any, asked: Replies, replies: Replies, size: int = 64) -> None:
    """One forward pass over all tokens: the prefix once, the head where replies are, no loop."""
    with torch.inference_mode():
        shared = torch.tensor([asked[0][:SHARED]], device=model.device)
        prefix = model.model(shared, use_cache=True, past_key_values=DynamicCache())
        known = [(layer.keys, layer.values) for layer in prefix.past_key_values.layers]
        rows = sorted(range(len(asked)), key=lambda n: -len(asked[n]))
        for chosen in (rows[n : n + size] for n in range(0, len(rows), size)):
            cache = DynamicCache()
            for layer, pair in enumerate(known):
                cache.update(*(half.expand(len(chosen), -1, -1, -1) for half in pair), layer)
            feeds = [[*asked[n][SHARED:], *replies[n][:-1]] for n in chosen]
            width = max(map(len, feeds))
            ids = torch.tensor([f + [0] * (width - len(f)) for f in feeds], device=model.device)
            states = model.model(ids, past_key_values=cache, use_cache=True).last_hidden_state
            wanted = [
                states[row, len(feed) - len(replies[n]) : len(feed)]
                for row, (n, feed) in enumerate(zip(chosen, feeds, strict=True))
            ]
            for part in torch.cat(wanted).split(128):
                model.lm_head(part)


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
clock = CLOCKS["wall"]


def timed(model: Any, work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what came of it."""
    _wait(model)
    started = clock()
    result = work()
    _wait(model)
    return clock() - started, result


def _wait(model: Any) -> None:
    if model.device.type == "cuda":
        torch.cuda.synchronize()


@contextmanager
def watched(model: Any) -> Iterator[dict[str, float]]:
    """Seconds in the layers, by the kind of work; the hooks wait for the device."""
    spent: dict[str, float] = defaultdict(float)
    begun: list[float] = []

    def enter(*_: Any) -> None:
        _wait(model)
        begun.append(clock())

    def leave(_: Any, __: Any, kwargs: Any, ___: Any) -> None:
        _wait(model)
        rows, tokens = kwargs["input_ids"].shape
        kind = "decoding steps" if tokens == 1 else "prompts and drafts"
        kind = "the shared prefix" if tokens > 1 == rows else kind
        spent[f"layers, {kind}"] += clock() - begun.pop()

    hooks = [
        model.model.register_forward_pre_hook(enter),
        model.model.register_forward_hook(leave, with_kwargs=True),
    ]
    try:
        yield spent
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def peak_memory(model: Any) -> Iterator[list[int]]:
    """The most bytes in use meanwhile beside what was there before; on the CPU every 5 ms."""
    peak = [0]
    if model.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        yield peak
        peak[0] = torch.cuda.max_memory_allocated() - before
        return
    done = threading.Event()
    with suppress(AttributeError):  # let go of what is free, where the C library can
        ctypes.CDLL(None).malloc_trim(0)
    before = _resident()

    def sample() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], _resident() - before)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def _resident() -> int:
    """Bytes of this process in memory, as Linux counts them."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def ours(
    model: Any, asked: Replies, hoped: Replies, length: int, **how: Any
) -> Callable[[], list[Decoded]]:
    """`decode` over all cases, as something to be timed."""
    jobs = [Job(prompt, draft) for prompt, draft in zip(asked, hoped, strict=True)]

    def work() -> list[Decoded]:
        found = dict(decode(model, jobs, stop_ids=(), max_new_tokens=length, **how))
        return [found[n] for n in range(len(jobs))]

    return work


def own_replies(model: Any, asked: Replies, length: int, how: dict[str, Any]) -> Replies:
    """Drafts that are right: what the model says, until it says the same again.

    In bfloat16 a random model, whose best logits lie close together, needs more than one round.
    """
    said: Replies = [()] * len(asked)
    for _ in range(6):
        found = ours(model, asked, said, length, **how)()
        said = [reply.tokens for reply in found]
        if all(reply.accepted == length for reply in found):
            break
    return said


def measure(model: Any, asked: Replies, length: int, options: argparse.Namespace) -> dict[str, Any]:
    """One table: the two loops, then `decode` with drafts of all kinds, on the same prompts."""
    alone = asked[: options.single or len(asked)]
    size = options.batch_size or 64
    first, singles = timed(model, lambda: [generate(model, [p], length)[0] for p in alone])
    one_by_one = first * len(asked) / len(alone)
    padded, _ = timed(model, lambda: in_batches(model, asked, length, size))
    rows = [
        {"name": "generate, one by one", "seconds": one_by_one, "measured": len(alone)},
        {"name": "generate, left-padded", "seconds": padded},
    ]
    how = {"batch_size": options.batch_size}
    right = own_replies(model, asked, length, how)
    kinds: dict[str, tuple[Replies, dict[str, bool]]] = {
        "decode, no drafts, no shared prefix": (right, {"drafts": False, "shared_prefix": False}),
        "decode, no drafts": (right, {"drafts": False}),
        "decode, drafts wrong at once": ([(t[0] ^ 1, *t[1:CALL]) for t in right], {}),
        "decode, drafts 80 % right": (spoilt(right, 0.8), {}),
        "decode, drafts all right": (right, {}),
    }
    for name, (hoped, switches) in kinds.items():
        if length == TEXT and "right" in name:
            continue  # no draft of a call is right where text comes
        with peak_memory(model) as peak:
            runs = [
                timed(model, ours(model, asked, hoped, length, **how, **switches))
                for _ in range(options.repeat)
            ]
        seconds, found = min(runs, key=lambda run: run[0])
        rows.append(
            {
                "name": name,
                "seconds": seconds,
                "accepted": sum(reply.accepted for reply in found) / (len(found) * length),
                "passes": sum(reply.forward_passes for reply in found) / len(found),
                "same": sum(a.tokens == b for a, b in zip(found, singles, strict=False)),
                "peak_bytes": peak[0],
            }
        )
    if length == CALL:
        bare = min(timed(model, lambda: bare_pass(model, asked, right))[0] for _ in range(2))
        rows.append({"name": "one bare forward pass", "seconds": bare})
    for row in rows:
        row["times"] = one_by_one / row["seconds"]
        row["replies_per_second"] = len(asked) / row["seconds"]
    last = right if length == CALL else [(t[0] ^ 1, *t[1:CALL]) for t in right]
    with watched(model) as spent:
        whole, _ = timed(model, ours(model, asked, last, length, **how))
    spent["vocabulary and all else"] = whole - sum(spent.values())
    return {"rows": rows, "where": {"name": rows[-2 if length == CALL else -1]["name"], **spent}}


def show(title: str, found: dict[str, Any]) -> None:
    """A table for people; its cells are Markdown's."""
    print(f"\n### {title}\n")
    print("| | s | replies/s | × one by one | accepted | passes | same | GB beside weights |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for row in found["rows"]:
        cells = [
            row["name"],
            f"{row['seconds']:.1f}",
            f"{row['replies_per_second']:.2f}",
            f"{row['times']:.1f}",
            f"{row['accepted']:.0%}" if "accepted" in row else "",
            f"{row['passes']:.1f}" if "passes" in row else "",
            f"{row['same']}" if "same" in row else "",
            f"{row['peak_bytes'] / 1e9:.2f}" if "peak_bytes" in row else "",
        ]
        print(f"| {' | '.join(cells)} |")
    where = dict(found["where"])
    print(f"\nWhere the time of “{where.pop('name')}” goes: ", end="")
    whole = sum(where.values())
    print(", ".join(f"{kind} {spent / whole:.0%}" for kind, spent in where.items()) + ".")


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--single", type=int, help="cases of the loop, scaled up (default: all)")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--clock", choices=[*CLOCKS], default="wall", help="cpu: on a busy machine, one thread"
    )
    parser.add_argument("--batch-size", type=int, help="rows (default: what memory allows)")
    parser.add_argument("--repeat", type=int, default=2, help="of each decode run; the best counts")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    global clock
    clock = CLOCKS[options.clock]
    torch.set_num_threads(options.threads)
    model = functiongemma_shape(getattr(torch, options.dtype), options.device)
    asked = prompts(options.cases)
    generate(model, asked[:1], 2)  # what is done once, such as choosing kernels, is not counted
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    head = {
        **{key: value for key, value in vars(options).items() if key != "json"},
        "torch": torch.__version__,
        "weights_bytes": weights,
        "row_bytes": row_bytes(model, max(map(len, asked)) + CALL),
    }
    print(", ".join(f"{key} {value}" for key, value in head.items()))
    calls = measure(model, asked, CALL, options)
    show(f"Calls: {CALL} tokens each", calls)
    texts = measure(model, asked, TEXT, options)
    show(f"Text: {TEXT} tokens each, every draft wrong at once", texts)
    if options.json:
        options.json.write_text(json.dumps({**head, "calls": calls, "texts": texts}, indent=2))


if __name__ == "__main__":
    main()
