"""Sheets: rows that share their declarations teach what they would teach one by one."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

torch = pytest.importorskip("torch")

from trainers.mini.batches import BUCKETS, Encoder, make_batch, sheets  # noqa: E402
from trainers.mini.mixture import FULL, chunk_rows  # noqa: E402
from trainers.mini.model import Network, Shape  # noqa: E402
from trainers.mini.tokenizer import load_tokenizer  # noqa: E402

FOLDER = Path(__file__).parents[3] / "harness" / "mini"
TINY = Shape(
    hidden_size=32,
    intermediate_size=48,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,
    sliding_window=200,
)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    """The shipped tokenizer's encoder."""
    return Encoder(load_tokenizer(FOLDER))


def test_a_row_on_a_sheet_is_read_as_if_it_stood_alone(encoder: Encoder) -> None:
    """Claim: on a sheet every token of every row has the logits that it has in its own row."""
    torch.manual_seed(2)
    network = Network(TINY)
    made = [sheet for _, sheet in sheets(chunk_rows(0, draws=40), encoder)]
    shared = [sheet for sheet in made if len(sheet.examples) > 2][:6]
    assert any(len(sheet) > TINY.sliding_window for sheet in shared)
    batch = make_batch(shared, BUCKETS[-1], Random(1), encoder, 0.1)
    ids, positions, parts = (torch.from_numpy(array) for array in batch.arrays()[:3])
    with torch.no_grad():
        together = network.head(network.model(ids, torch.float32, positions, parts))
        for row, sheet in enumerate(shared):
            for number, example in enumerate(sheet.examples):
                alone = network(torch.tensor([example.ids]))[0]
                places = [sheet.place(number, at) for at in range(len(example.ids))]
                assert torch.allclose(together[row, places], alone, atol=1e-4)


def test_a_batch_foretells_every_target_of_every_row(encoder: Encoder) -> None:
    """Claim: at the places scored as targets, the next tokens are the rows' targets, no more."""
    made = [sheet for _, sheet in sheets(chunk_rows(0, draws=40), encoder)][:8]
    batch = make_batch(made, BUCKETS[-1], Random(1), encoder, 0.1)
    flat = batch.ids.flatten()
    scored = batch.places[batch.weights >= 1]
    wanted = [
        number
        for sheet in made
        for example in sheet.examples
        for number in example.ids[example.start :]
    ]
    assert flat[scored + 1].tolist() == wanted
    weak = batch.places[(batch.weights > 0) & (batch.weights < 1)]
    parts = batch.parts.flatten()
    assert (flat[weak + 1] != 0).all(), "padding is foretold"
    assert ((parts[weak] == 0) | (parts[weak] == parts[weak + 1])).all(), "another row's token is"
    begins = parts[weak] != parts[weak + 1]
    assert set(parts[weak + 1][begins]) <= {1}, "a further row's first token is"
    assert len(set(weak)) == len(weak)
    assert not set(weak) & set(scored)


def test_rows_of_one_draw_share_a_sheet(encoder: Encoder) -> None:
    """Claim: all rows but those too long by themselves are there, for about half of the cost."""
    rows = chunk_rows(0, FULL, draws=400)
    made = [sheet for _, sheet in sheets(rows, encoder)]
    placed = [example for sheet in made for example in sheet.examples]
    assert all(len(sheet) <= BUCKETS[-1] for sheet in made)
    fitting = [one.ids for one in encoder.encode(rows) if len(one.ids) <= BUCKETS[-1]]
    assert sorted(one.ids for one in placed) == sorted(fitting)
    assert len(placed) > 0.93 * len(rows)
    assert sum(map(len, made)) < 0.6 * sum(len(example.ids) for example in placed)
