"""The stand-in's chat template writes what the official template writes, byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "harness" / "mini"
GOLDENS = ROOT / "tests" / "data" / "prompt_goldens.jsonl"


def _goldens() -> list[dict[str, Any]]:
    with GOLDENS.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _raise(message: str) -> None:
    raise ValueError(message)


def test_plain_jinja_renders_every_golden() -> None:
    """Claim: the template alone, in the sandbox transformers uses, gives all 121 goldens."""
    sandbox = pytest.importorskip("jinja2.sandbox")
    environment = sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = _raise
    source = (FOLDER / "chat_template.jinja").read_text(encoding="utf-8")
    template = environment.from_string(source)
    goldens = _goldens()
    assert len(goldens) == 121
    for golden in goldens:
        text = template.render(
            bos_token="<bos>",
            messages=golden["messages"],
            tools=golden["tools"],
            add_generation_prompt=golden["add_generation_prompt"],
        )
        assert text == golden["text"], golden["kind"]


def test_the_tokenizer_renders_every_golden() -> None:
    """Claim: the shipped tokenizer finds the template and gives all 121 goldens."""
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(FOLDER)
    for golden in _goldens():
        text = tokenizer.apply_chat_template(
            golden["messages"],
            tools=golden["tools"],
            add_generation_prompt=golden["add_generation_prompt"],
            tokenize=False,
        )
        assert text == golden["text"], golden["kind"]
