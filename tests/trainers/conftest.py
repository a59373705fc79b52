"""A tiny random Gemma 3 with the stand-in's tokenizer, and specs to train it on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.backends.transformers import Encoder, load_encoder
from harness.cases import Spec
from harness.checkpoints import MINI, Checkpoint
from harness.loading import load_specs

_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
HEAD = """\
spec: desk
tools:
  - {name: find, parameters: {q: {type: string}}}
  - {name: book, parameters: {room: {type: integer}}}
compare: tool
gate: {pass_rate: 0.8}
cases:
"""


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random model of two layers, 32 wide; its vocabulary is the stand-in's."""
    import torch
    from transformers import AutoTokenizer, Gemma3ForCausalLM, Gemma3TextConfig

    torch.set_num_threads(1)  # on a busy machine, threads of tiny layers only wait for each other
    folder = tmp_path_factory.mktemp("tiny") / "model"
    folder.mkdir()
    for name in _TOKENIZER:
        shutil.copy(MINI / name, folder)
    torch.manual_seed(1)
    config = Gemma3TextConfig(
        vocab_size=len(AutoTokenizer.from_pretrained(folder)),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        sliding_window=32,
        layer_types=["sliding_attention", "full_attention"],
        max_position_embeddings=2048,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
    )
    Gemma3ForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_model: Path) -> Checkpoint:
    """The tiny model as the harness finds it."""
    return Checkpoint(str(tiny_model), "tiny", tiny_model)


@pytest.fixture(scope="session")
def encoder(tiny_checkpoint: Checkpoint) -> Encoder:
    """Its tokenizer."""
    return load_encoder(tiny_checkpoint)


@pytest.fixture
def desk(tmp_path: Path) -> Callable[..., Spec]:
    """Makes the spec `desk` of the given cases, each a flow mapping; tools `find` and `book`."""

    def make(*cases: str, head: str = HEAD) -> Spec:
        path = tmp_path / "desk.spec.yaml"
        path.write_text(head + "\n".join(f"  - {case}" for case in cases) + "\n", encoding="utf-8")
        return load_specs([path])[0]

    return make
