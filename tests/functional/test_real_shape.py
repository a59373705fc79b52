"""A checkpoint of FunctionGemma's real shape and quirks, with random weights."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.checkpoints import MINI
from harness.command_line.doctor import ROWS

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.slow

HIDDEN, FFN, HEADS, HEAD, LAYERS = 640, 2048, 4, 256, 18
IMAGES = {"<image_soft_token>": ROWS, "<end_of_image>": ROWS + 1}
CONFIG = {
    "architectures": ["Gemma3ForCausalLM"],
    "model_type": "gemma3_text",
    "dtype": "bfloat16",
    "hidden_size": HIDDEN,
    "intermediate_size": FFN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": 1,
    "head_dim": HEAD,
    "vocab_size": ROWS,
    "max_position_embeddings": 32_768,
    "sliding_window": 512,
    "layer_types": ["full_attention" if n % 6 == 5 else "sliding_attention" for n in range(LAYERS)],
    "rms_norm_eps": 1e-6,
    "query_pre_attn_scalar": HEAD,
    "hidden_activation": "gelu_pytorch_tanh",
    "tie_word_embeddings": True,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 1,
}
GENERATION = {
    "cache_implementation": "hybrid",
    "do_sample": True,
    "eos_token_id": [1, 106],
    "top_k": 64,
    "top_p": 0.95,
    "transformers_version": "4.57.3",
}
SPEC = """\
spec: shape
gate: {pass_rate: 0}
tools:
  - {name: find, parameters: {query: {type: string}}}
cases:
  - {id: one, prompt: Where is the plan?, expect: find}
  - {id: two, prompt: Tell me a joke about the plan of the building., expect: no_call}
"""

TUNED = """\
spec: shape
compare: tool
tools:
  - {name: find, parameters: {query: {type: string}}}
cases:
  - {id: one, prompt: Where is the plan?, expect: {find: {query: plan}}, split: train}
  - {id: two, prompt: Who keeps the keys?, expect: {find: {query: keys}}, split: train}
  - {id: three, prompt: Tell me a joke., expect: no_call, split: train}
  - {id: four, prompt: Sing a song of sixpence., expect: no_call, split: train}
  - {id: five, prompt: When does the shop in the hall open?, expect: find}
"""


def shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every weight's name and shape; the head is tied to the embedding."""
    yield "model.embed_tokens.weight", (ROWS, HIDDEN)
    for n in range(LAYERS):
        layer = f"model.layers.{n}"
        for norm in ("input", "post_attention", "pre_feedforward", "post_feedforward"):
            yield f"{layer}.{norm}_layernorm.weight", (HIDDEN,)
        for norm in ("q_norm", "k_norm"):
            yield f"{layer}.self_attn.{norm}.weight", (HEAD,)
        yield f"{layer}.self_attn.q_proj.weight", (HEADS * HEAD, HIDDEN)
        yield f"{layer}.self_attn.k_proj.weight", (HEAD, HIDDEN)
        yield f"{layer}.self_attn.v_proj.weight", (HEAD, HIDDEN)
        yield f"{layer}.self_attn.o_proj.weight", (HIDDEN, HEADS * HEAD)
        yield f"{layer}.mlp.gate_proj.weight", (FFN, HIDDEN)
        yield f"{layer}.mlp.up_proj.weight", (FFN, HIDDEN)
        yield f"{layer}.mlp.down_proj.weight", (HIDDEN, FFN)
    yield "model.norm.weight", (HIDDEN,)


def write_weights(file: Path) -> int:
    """Write random bfloat16 weights piece by piece, never all in memory; gives how many."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes():
        start, end = end, end + 2 * int(torch.Size(shape).numel())
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    generator = torch.Generator().manual_seed(0)
    with file.open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for _, shape in shapes():
            left = torch.Size(shape).numel()
            while left:
                n = min(left, 1 << 22)
                piece = torch.randn(n, generator=generator).mul_(0.02).bfloat16()
                out.write(piece.view(torch.uint8).numpy().tobytes())
                left -= n
    return end // 2


def write_tokenizer(folder: Path) -> None:
    """mini's tokenizer, filled up to the real size: two entries more than the embedding's rows."""  # noqa: D403
    content = json.loads((MINI / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = content["model"]["vocab"]
    taken = set(vocabulary.values()) | {token["id"] for token in content["added_tokens"]}
    for ident in range(ROWS):
        if ident not in taken:
            vocabulary[f"<filler{ident}>"] = ident
    likeness = content["added_tokens"][0]
    content["added_tokens"] += [
        {**likeness, "content": text, "id": ident, "special": True}
        for text, ident in IMAGES.items()
    ]
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    settings = json.loads((MINI / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings |= {
        "add_bos_token": True,
        "padding_side": "right",
        "processor_class": "Gemma3Processor",
        "sfr_token": "<start_function_response>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder, 0.5 GB, gone when the tests of this file are done."""
    folder = tmp_path_factory.mktemp("real") / "shape"
    folder.mkdir()
    assert write_weights(folder / "model.safetensors") == 268_098_176
    write_tokenizer(folder)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "generation_config.json").write_text(json.dumps(GENERATION))
    shutil.copy(MINI / "chat_template.jinja", folder)
    yield folder
    shutil.rmtree(folder)


def test_the_real_shape_is_examined_asked_and_kept(
    checkpoint: Path, project: Any, edit: Any
) -> None:
    """The doctor finds nothing but quirks; two cases are judged in float32, then found kept."""
    project.settings(model=str(checkpoint), device="cpu", max_new_tokens=4)
    project.write("specs/shape.spec.yaml", SPEC)

    doctor = project.python("-m", "harness", "doctor")
    assert (doctor.code, doctor.err) == (0, "")
    assert "architecture    ok  Gemma3ForCausalLM, 18 layers, hidden 640" in doctor.out
    sizes = "262146 entries, embedding of 262144 rows (FunctionGemma's: two entries more than rows"
    assert sizes in doctor.out
    assert "context             32768 tokens" in doctor.out
    assert "stored as           bfloat16" in doctor.out
    assert "processor           a left-over 'Gemma3Processor'" in doctor.out
    assert "callgate decodes greedily" in doctor.out
    assert "generation_config.json lacks 50: plain generate() would run past" in doctor.out
    assert "would run in float32 on cpu (asked for)" in doctor.out

    first = project.python("-m", "harness", "run")
    assert (first.code, first.err) == (0, "")
    verdicts = [line for line in project.log() if line["kind"] == "verdict"]
    assert [line["cached"] for line in verdicts] == [False, False]
    assert {line["outcome"] for line in verdicts} <= {"pass", "fail"}
    assert all(1 <= line["tokens"]["completion"] <= 4 for line in verdicts)

    again = project.python("-m", "harness", "run")
    assert again.code == 0
    kept = [line for line in project.log() if line["kind"] == "verdict"]
    assert [line["cached"] for line in kept] == [True, True]
    replies = [{line["case"]: line["reply"] for line in log} for log in (verdicts, kept)]
    assert replies[0] == replies[1]


def test_the_real_shape_is_tuned_in_eight_gigabytes(checkpoint: Path, project: Any) -> None:
    """Two steps of training, the weights saved, loaded again and judged: under 8 GB at most."""
    project.settings(device="cpu", max_new_tokens=4)
    project.write("specs/shape.spec.yaml", TUNED)
    options = ["--model", str(checkpoint), "--epochs", "1", "--batch-size", "2"]
    code, peak = watched(project, "-m", "trainers", "specs", "--out", "runs/shape", *options)

    told = (project.root / "told.txt").read_text(encoding="utf-8")
    assert code == 1, told
    assert peak < 8e9
    history = project.log("runs/shape/history.jsonl")
    steps = [line for line in history if line["kind"] == "step"]
    assert [step["step"] for step in steps] == [1, 2]
    assert all(step["loss"] > 0 for step in steps)
    first, *verdicts, end = project.log("runs/shape/after.jsonl")
    assert first["model"].endswith("runs/shape/model")
    assert [line["outcome"] for line in verdicts] == ["fail"]
    assert end["kind"] == "end"


def watched(project: Any, *args: str) -> tuple[int, int]:
    """Run python in the project, what it tells in `told.txt`: exit code, most bytes of memory."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("CALLGATE", "PYTEST"))}
    with (project.root / "told.txt").open("wb") as told:
        process = subprocess.Popen(
            [sys.executable, *args], cwd=project.root, env=environ, stdout=told, stderr=told
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss * 1024
