"""The shipped model folder: loads as Gemma 3, is what its record says, and works."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

from trainers.mini.evalsets import evaluation_set  # noqa: E402
from trainers.mini.evaluate import SetResult, count, outputs  # noqa: E402
from trainers.mini.export import file_checksum  # noqa: E402

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "harness" / "mini"


def _record() -> dict[str, object]:
    record: dict[str, object] = json.loads((FOLDER / "recipe.json").read_text(encoding="utf-8"))
    return record


def test_it_loads_as_gemma_3() -> None:
    """Claim: the auto classes give Gemma3ForCausalLM, with Gemma's layer pattern and context."""
    model = transformers.AutoModelForCausalLM.from_pretrained(FOLDER)
    assert type(model).__name__ == "Gemma3ForCausalLM"
    kinds = model.config.layer_types
    assert kinds == ["sliding_attention"] * 5 + ["full_attention"]
    assert (model.config.sliding_window, model.config.max_position_embeddings) == (512, 32768)
    assert sum(p.numel() for p in model.parameters()) == _record()["parameters"]


def test_generation_is_greedy_and_stops_where_functiongemma_does() -> None:
    """Claim: generate() samples nothing and stops at <eos>, end of turn and response start."""
    config = transformers.GenerationConfig.from_pretrained(FOLDER)
    assert config.do_sample is False
    assert config.eos_token_id == [1, 106, 50]
    assert (config.bos_token_id, config.pad_token_id) == (2, 0)


def test_the_files_are_the_recorded_ones() -> None:
    """Claim: weights and tokenizer have the checksums of the record, and fit into git."""
    record = _record()
    assert file_checksum(FOLDER / "model.safetensors") == record["weights_sha256"]
    assert file_checksum(FOLDER / "tokenizer.json") == record["tokenizer_sha256"]
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 12e6


def test_the_card_names_the_recorded_weights() -> None:
    """Claim: the card was written for these weights."""
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert str(_record()["weights_sha256"]) in card


def test_a_prompt_far_beyond_training_length_is_no_error() -> None:
    """Claim: a prompt of 3,000 tokens runs, though rows in training had at most 512."""
    model = transformers.AutoModelForCausalLM.from_pretrained(FOLDER)
    ids = torch.randint(107, model.config.vocab_size, (1, 3000))
    found = model.generate(ids, max_new_tokens=2, attention_mask=torch.ones_like(ids))
    assert found.shape[1] > 3000


def test_the_package_is_light() -> None:
    """Claim: importing trainers.mini loads neither torch nor transformers."""
    code = "import sys, trainers.mini; sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "floor"),
    [
        ("seen_2", 0.7),
        ("names_1", 0.7),
        ("names_2", 0.65),
        ("names_4", 0.6),
        ("parallel_unseen", 0.45),
        ("copying", 0.75),
    ],
)
def test_it_calls_tools(name: str, floor: float) -> None:
    """Claim: transformers' own generate() shows what the card says, within wide bounds."""
    rows, result = evaluation_set(name)[:40], SetResult()
    for index, text in outputs(FOLDER, rows):
        count(result, rows[index], text)
    assert result.valid.hits >= 36
    assert result.exact.hits >= floor * len(rows)
