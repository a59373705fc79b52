"""The tokenizer carries FunctionGemma's control tokens under FunctionGemma's ids."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

transformers = pytest.importorskip("transformers")

from trainers.mini.mixture import chunk_rows  # noqa: E402
from trainers.mini.render import prompt_text, target_text  # noqa: E402
from trainers.mini.tokenizer import CONTROL_IDS, SPECIAL_IDS  # noqa: E402

FOLDER = Path(__file__).parents[3] / "harness" / "mini"


@pytest.fixture(scope="module")
def tokenizer() -> transformers.PreTrainedTokenizerBase:
    """The tokenizer as transformers loads it."""
    return transformers.AutoTokenizer.from_pretrained(FOLDER)


def test_control_tokens_are_single_and_have_their_ids(tokenizer) -> None:  # type: ignore[no-untyped-def]
    """Claim: each control token is one id, alone and inside a text, and it is the right one."""
    for text, number in CONTROL_IDS.items():
        assert tokenizer.convert_tokens_to_ids(text) == number
        assert tokenizer.encode(text, add_special_tokens=False) == [number]
        assert number in tokenizer.encode(f"a{text}b", add_special_tokens=False)


def test_special_flags_are_functiongemmas() -> None:
    """Claim: special is set for pad, eos, bos, unk, the response start and the turns only."""
    state = json.loads((FOLDER / "tokenizer.json").read_text(encoding="utf-8"))
    assert {t["id"] for t in state["added_tokens"] if t["special"]} == SPECIAL_IDS


def test_decoding_without_special_tokens_keeps_calls(tokenizer) -> None:  # type: ignore[no-untyped-def]
    """Claim: as with FunctionGemma, skip_special_tokens keeps call and escape tokens."""
    text = "<start_function_call>call:f{a:<escape>b c<escape>}<end_function_call>"
    ids = tokenizer.encode(text + "<start_function_response>", add_special_tokens=False)
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_defaults_are_functiongemmas(tokenizer) -> None:  # type: ignore[no-untyped-def]
    """Claim: pad, eos, bos and unk are set, and encoding puts <bos> in front by default."""
    ids = (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.bos_token_id)
    assert ids == (0, 1, 2)
    assert tokenizer.unk_token_id == 3
    assert tokenizer("hi")["input_ids"][0] == 2


def test_any_text_comes_back(tokenizer) -> None:  # type: ignore[no-untyped-def]
    """Claim: decoding gives back corpus rows and texts the tokenizer never saw."""
    texts = [prompt_text(row) + target_text(row) for row in chunk_rows(9, draws=100)]
    texts += ["naïve café — 日本語 🙂\n\ttab", "  two  blanks ", "x" * 500, '{"a": [1, 2]}']
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=False)
        assert tokenizer.decode(ids, skip_special_tokens=False) == text
        assert 3 not in ids
