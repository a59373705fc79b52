"""How much faster training is with logits at the learnt positions only, on FunctionGemma's shape.

Random weights, made on the spot, and the 60 training rows of the shipped policy; nothing is
downloaded. Both trainers in one run, on the same batches, in float32 on a CPU:

    python benchmarks/training.py --steps 3 --batch-size 2 --threads 2
    python benchmarks/training.py --device cuda --rows 2000 --tools 12 [--lora]

With `--rows`, an epoch over that many rows, each with `--tools` tools, is timed instead: seconds
and the most memory, as on a GPU with the real model.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, TrainerCallback
from trl import SFTTrainer

from harness.backends.transformers import Encoder, encoder_for
from harness.cases import Calls, Case, ExpectedCall, Location, Request, Tool
from harness.checkpoints import MINI
from harness.loading import load_specs
from harness.matchers import compile_arguments
from trainers import sft
from trainers.examples import Example, examples_of
from trainers.settings import Tuning

ROOT = Path(__file__).parents[1]


def functiongemma_shape(device: str) -> Any:
    """A model of FunctionGemma's size: 268 million random weights, in float32."""
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
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=1,
    )
    torch.manual_seed(0)
    return Gemma3ForCausalLM(config).to(device)


def tokenizer_of(model: Any) -> Encoder:
    """The stand-in's tokenizer, whose ids all are rows of the model's embedding."""
    from transformers import AutoTokenizer

    return encoder_for(AutoTokenizer.from_pretrained(MINI), model.config, "random")


def policy_rows(encoder: Encoder) -> tuple[Example, ...]:
    """The training rows of the shipped policy."""
    spec = load_specs([ROOT / "specs" / "search_policy.spec.yaml"])[0]
    return examples_of(spec.in_split("train"), encoder)


def made_rows(encoder: Encoder, count: int, tools: int) -> tuple[Example, ...]:
    """Rows with many tools, of which each calls one."""
    text = {"type": "string", "description": "what to look for"}
    schema = {"type": "object", "properties": {"query": text}, "required": ["query"]}
    declared = tuple(
        Tool(f"search_{n}", f"Search the documents of department number {n}.", schema)
        for n in range(tools)
    )
    cases = []
    for n in range(count):
        prompt = f"What did department {n % tools} write about item {n * 7919 % 100_003}?"
        arguments = compile_arguments({"query": f"item {n * 7919 % 100_003}"})
        expected = ExpectedCall(f"search_{n % tools}", arguments)
        request = Request(f"made::{n}", ({"role": "user", "content": prompt},), declared)
        cases.append(
            Case(str(n), "made", request, prompt, Calls((expected,)), Location("made", n + 1))
        )
    return examples_of(cases, encoder)


class Clock(TrainerCallback):
    """Notes when each step ended."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.ends = [time.perf_counter()]

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """A step ended."""
        if self.device != "cpu":
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())


def timed(
    kind: Any, model: Any, encoder: Encoder, rows: Sequence[Example], given: argparse.Namespace
) -> list[float]:
    """Seconds of each step of one epoch over the rows."""
    tuning = replace(Tuning(), epochs=1, batch_size=given.batch_size, lora=given.lora)
    clock = Clock(given.device)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):
        trained = sft.with_adapter(model, tuning) if given.lora else model
        bfloat16 = given.device != "cpu"
        job = sft.Job(trained, encoder, rows, (), tuning, bfloat16, Path(folder))
        sft.trainer_for(job, [clock], kind).train()
    return [after - before for before, after in zip(clock.ends, clock.ends[1:], strict=False)]


def compare(given: argparse.Namespace) -> dict[str, Any]:
    """TRL's own trainer and ours, on the same batches; the first step of each is not counted."""
    model = functiongemma_shape(given.device)
    encoder = tokenizer_of(model)
    rows = policy_rows(encoder)[: (given.steps + 1) * given.batch_size]
    seconds = {}
    for name, kind in (("stock", SFTTrainer), ("target only", sft.TargetOnlyTrainer)):
        steps = timed(kind, model, encoder, rows, given)[1:]
        seconds[name] = sorted(steps)[len(steps) // 2]
        print(f"{name:<12} {seconds[name]:6.2f} s a step (median of {len(steps)})")
    found = {"seconds": seconds, "speed_up": seconds["stock"] / seconds["target only"]}
    print(f"speed-up     {found['speed_up']:6.2f}")
    return found


def epoch(given: argparse.Namespace) -> dict[str, Any]:
    """One epoch over many rows: its seconds, and the most memory."""
    model = functiongemma_shape(given.device)
    encoder = tokenizer_of(model)
    rows = made_rows(encoder, given.rows, given.tools)
    seconds = sum(timed(sft.TargetOnlyTrainer, model, encoder, rows, given))
    on_gpu = given.device != "cpu"
    peak = torch.cuda.max_memory_allocated() if on_gpu else _resident_bytes()
    tokens = sum(len(row.input_ids) for row in rows)
    print(f"{given.rows} rows of {given.tools} tools, {tokens} tokens: {seconds:.1f} s an epoch")
    print(f"most memory: {peak / 1e9:.2f} GB on {given.device}")
    return {"seconds": seconds, "tokens": tokens, "bytes": peak}


def _resident_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Measure, print, and write the figures where asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rows", type=int, help="time an epoch over so many rows instead")
    parser.add_argument("--tools", type=int, default=12)
    parser.add_argument("--lora", action="store_true")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {given.device}")
    found = epoch(given) if given.rows else compare(given)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
