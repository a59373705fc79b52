"""The model folder: weights as transformers saves them, and the record of the training."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from trainers.mini.batches import BATCH_TOKENS, DECIDING_WEIGHT, PASSING_WEIGHT, SWAP_CHANCE
from trainers.mini.evalsets import EVAL_SEED, SETS, SIZE, checksum
from trainers.mini.mixture import CORPUS_SEED, STAGES, corpus_checksum
from trainers.mini.model import Network
from trainers.mini.train import Training

RECORD = "recipe.json"


def file_checksum(path: Path) -> str:
    """sha256 of a file.

    Raises:
        FileNotFoundError: there is no such file.
    """
    return hashlib.sha256(path.read_bytes()).hexdigest()


def reference_model(network: Network) -> Any:
    """The Gemma3ForCausalLM of transformers with the network's weights, in float32."""
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    model = Gemma3ForCausalLM(Gemma3TextConfig(**network.shape.config()))
    weights = {name: value.detach().cpu() for name, value in network.state_dict().items()}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    if unexpected or set(missing) - {"lm_head.weight"}:
        raise ValueError(f"weights do not fit: {missing}, {unexpected}")
    model.tie_weights()
    model.train(False)
    return model


def write_model(training: Training, folder: Path) -> None:
    """Writes config, weights in bfloat16, generation settings and the record."""
    from transformers import GenerationConfig

    model = reference_model(training.network).to(torch.bfloat16)
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=False, bos_token_id=2, pad_token_id=0, eos_token_id=[1, 106, 50]
    )
    model.save_pretrained(folder)
    record = json.dumps(recipe(training, folder), indent=2) + "\n"
    (folder / RECORD).write_text(record, encoding="utf-8")


def recipe(training: Training, folder: Path) -> dict[str, Any]:
    """The record of a training: what went in, how long it took, and checksums."""
    place, plan = training.place, training.plan
    count = sum(parameter.numel() for parameter in training.network.parameters())
    return {
        "parameters": count,
        "device": plan.device,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "minutes": round(place.seconds / 60, 1),
        "steps": place.steps,
        "tokens": place.tokens,
        "seed": plan.seed,
        "branches": plan.branches,
        "rates": asdict(plan.rates),
        "batch_tokens_padded": BATCH_TOKENS,
        "deciding_weight": DECIDING_WEIGHT,
        "passing_weight": PASSING_WEIGHT,
        "swap_chance": SWAP_CHANCE,
        "corpus_seed": CORPUS_SEED,
        "corpus_chunks": place.chunk + 1,
        "corpus_sha256": corpus_checksum(),
        "stages": [asdict(stage) for stage in STAGES],
        "weights_sha256": file_checksum(folder / "model.safetensors"),
        "tokenizer_sha256": file_checksum(folder / "tokenizer.json"),
        "evaluation_seed": EVAL_SEED,
        "evaluation_rows_per_set": SIZE,
        "evaluation_sha256": {name: checksum(name) for name in SETS},
        "history": training.history,
    }
