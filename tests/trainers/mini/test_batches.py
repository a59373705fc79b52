"""Encoding, swapping and batching of rows."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

pytest.importorskip("tokenizers")
np = pytest.importorskip("numpy")

from trainers.mini.batches import (  # noqa: E402
    BATCH_TOKENS,
    BUCKETS,
    Encoder,
    batches,
    chunk_examples,
    make_batch,
)
from trainers.mini.mixture import chunk_rows  # noqa: E402
from trainers.mini.parse import parse_output  # noqa: E402
from trainers.mini.tokenizer import load_tokenizer  # noqa: E402

FOLDER = Path(__file__).parents[3] / "harness" / "mini"


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    """The shipped tokenizer's encoder."""
    return Encoder(load_tokenizer(FOLDER))


def test_swapping_keeps_targets_copyable(encoder: Encoder) -> None:
    """Claim: after a swap the target still parses and names a declared tool."""
    tokenizer = load_tokenizer(FOLDER)
    rng, changed = Random(5), 0
    rows = [row for row in chunk_rows(0, size=400) if row.swappable]
    for example in encoder.encode(rows):
        swapped = encoder.swapped(example, rng)
        changed += swapped.ids != example.ids
        prompt = tokenizer.decode(swapped.ids[: swapped.start], skip_special_tokens=False)
        target = tokenizer.decode(swapped.ids[swapped.start :], skip_special_tokens=False)
        for call in parse_output(target):
            assert f"declaration:{call.name}{{" in prompt
    assert changed > 0.8 * len(rows)


def test_a_batch_scores_every_target_token(encoder: Encoder) -> None:
    """Claim: all target tokens have weight one, the last one included, and no padding counts."""
    examples = [x for x in encoder.encode(chunk_rows(0, size=40)) if len(x.ids) <= 256]
    examples = examples[: BATCH_TOKENS // 256]
    batch = make_batch(examples, 256, Random(1))
    scored = set(batch.places[batch.weights == 1.0].tolist())
    wanted = {
        row * 256 + place
        for row, one in enumerate(examples)
        for place in range(one.start - 1, len(one.ids) - 1)
    }
    assert scored == wanted
    rest = batch.places[(batch.weights > 0) & (batch.weights < 1)]
    assert (batch.ids.flatten()[rest] != 0).all()


def test_batches_resume_where_they_stopped(encoder: Encoder) -> None:
    """Claim: the batches after a place are those a run from the start has after it."""
    source = batches(encoder)
    seen = [next(source) for _ in range(5)]
    chunk, used, _ = seen[2]
    resumed = next(batches(encoder, chunk, used))
    assert resumed[:2] == seen[3][:2]
    assert (resumed[2].ids == seen[3][2].ids).all()


def test_no_example_is_longer_than_the_last_bucket(encoder: Encoder) -> None:
    """Claim: rows that do not fit are left out, and they are few."""
    examples = chunk_examples(encoder, 0)
    assert max(len(example.ids) for example in examples) <= BUCKETS[-1]
    assert len(examples) > 0.97 * len(chunk_rows(0))
