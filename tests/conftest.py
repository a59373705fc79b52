"""A model for tests: Gemma 3's architecture, a few thousand random weights, mini's tokenizer."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.cases import DEVELOPER, Request, Tool
from harness.checkpoints import MINI

collect_ignore = ["samples"]
"""Spec files to read, many of them broken on purpose: nothing to gate on."""

TOOL = Tool(
    "find",
    "Find a page.",
    {
        "type": "object",
        "properties": {"query": {"type": "string", "description": "what to look for"}},
        "required": ["query"],
    },
)
SAMPLING = {
    "do_sample": True,
    "top_k": 64,
    "top_p": 0.95,
    "temperature": 4.0,
    "repetition_penalty": 2.0,
    "max_length": 30,
    "eos_token_id": [1],
    "cache_implementation": "hybrid",
}
"""A generation config as checkpoints ship it, or worse: it samples, and lacks stop tokens."""


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny model. Tests leave it as it is.

    Its layers outweigh its embedding, so that replies vary; the rows of the stop tokens are
    tripled, so that some replies end and others reach the limit.
    """
    folder = tmp_path_factory.mktemp("models") / "tiny"
    folder.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(MINI / name, folder)
    _save_tiny(folder)
    (folder / "generation_config.json").write_text(json.dumps(SAMPLING))
    settle(folder)
    return folder


def _save_tiny(folder: Path) -> None:
    import torch
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.set_num_threads(1)  # several threads wait for one another where tests run side by side
    tokens = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    ids = [t["id"] for t in tokens["added_tokens"]] + list(tokens["model"]["vocab"].values())
    config = Gemma3TextConfig(
        vocab_size=max(ids) + 1,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        layer_types=["sliding_attention", "full_attention"],
        sliding_window=32,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        query_pre_attn_scalar=16,
        max_position_embeddings=1024,
        initializer_range=0.2,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
    )
    torch.manual_seed(0)
    model = Gemma3ForCausalLM(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "layernorm" in name and "post_" in name:
                weight.fill_(4.0)
        model.get_input_embeddings().weight[[1, 50, 106]] *= 3
    model.save_pretrained(folder)


def settle(folder: Path) -> None:
    """Make every file an hour old, as a model's are: digests of younger ones are not kept."""
    then = time.time() - 3600
    for file in folder.iterdir():
        os.utime(file, (then, then))


@pytest.fixture
def tiny(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model to change."""
    return Path(shutil.copytree(tiny_model, tmp_path / "tiny"))


def edit_json(file: Path, **changes: Any) -> None:
    """Set members of a JSON file; None removes one."""
    content = json.loads(file.read_text(encoding="utf-8")) | changes
    kept = {key: value for key, value in content.items() if value is not None}
    file.write_text(json.dumps(kept), encoding="utf-8")


@pytest.fixture(scope="session")
def edit() -> Callable[..., None]:
    """Sets members of a JSON file; None removes one."""
    return edit_json


def request_for(prompt: str, *tools: Tool, case: str = "s::c") -> Request:
    """A request of one user turn."""
    messages = ({"role": "developer", "content": DEVELOPER}, {"role": "user", "content": prompt})
    return Request(case, messages, tools or (TOOL,))


@pytest.fixture(scope="session")
def ask() -> Callable[..., Request]:
    """Makes requests of one user turn."""
    return request_for
