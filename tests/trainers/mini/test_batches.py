"""Encoding, swapping and batching of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

pytest.importorskip("tokenizers")
np = pytest.importorskip("numpy")

from trainers.mini.batches import (  # noqa: E402
    BATCH_TOKENS,
    DECIDING_WEIGHT,
    PASSING_WEIGHT,
    Encoder,
    Example,
    batches,
    filled,
    make_batch,
    sheets,
)
from trainers.mini.drills import foretell, recall, stemmed  # noqa: E402
from trainers.mini.marks import labels  # noqa: E402
from trainers.mini.mixture import FULL, STAGES, chunk_rows, make_rows  # noqa: E402
from trainers.mini.parse import parse_output  # noqa: E402
from trainers.mini.schema import Call, Param, Row, Slot, Tool  # noqa: E402
from trainers.mini.tokenizer import load_tokenizer  # noqa: E402

FOLDER = Path(__file__).parents[3] / "harness" / "mini"


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    """The shipped tokenizer's encoder."""
    return Encoder(load_tokenizer(FOLDER))


def test_swapping_keeps_targets_copyable(encoder: Encoder) -> None:
    """Claim: with words replaced, every target still parses and calls declared tools."""
    tokenizer = load_tokenizer(FOLDER)
    rng, changed, count, drills = Random(5), 0, 0, 0
    for swap, sheet in sheets(chunk_rows(0, draws=400), encoder):
        if swap == "none":
            continue
        is_drill = swap == "all"
        if not (is_drill or any(example.values for example in sheet.examples)):
            continue
        swapped = encoder.scrambled(sheet, rng) if is_drill else encoder.swapped(sheet, rng, 1)
        changed, count = changed + (swapped.columns() != sheet.columns()), count + 1
        drills += is_drill
        for example in swapped.examples:
            prompt = tokenizer.decode(example.ids[: example.start], skip_special_tokens=False)
            target = tokenizer.decode(example.ids[example.start :], skip_special_tokens=False)
            assert "<start_of_turn>user\n" in prompt
            for call in parse_output(target):
                assert f"declaration:{call.name}{{" in prompt
    assert changed > 0.7 * count > 0
    assert drills > 5


def test_all_rows_of_a_sheet_get_the_same_new_words(encoder: Encoder) -> None:
    """Claim: a word that is replaced is replaced alike in the tools and in every request."""
    for swap, sheet in sheets(chunk_rows(0, draws=200), encoder):
        if swap != "values":
            continue
        swapped = encoder.swapped(sheet, Random(1), 1.0)
        heads = {tuple(example.ids[: example.head]) for example in swapped.examples}
        assert len(heads) == 1
        pairs = {
            pair
            for old, new in zip(sheet.examples, swapped.examples, strict=True)
            for pair in zip(old.ids, new.ids, strict=True)
        }
        assert len(pairs) == len({old for old, _ in pairs})


def test_rows_without_a_fitting_tool_get_strange_words_as_often(encoder: Encoder) -> None:
    """Claim: words are replaced in refused requests as in others, so that none gives it away."""
    rng, changed = Random(7), dict[bool, list[bool]]()
    rows = [row for number in range(400) for row in make_rows("more", Random(number), FULL)]
    for swap, sheet in sheets(rows, encoder):
        varied = encoder.varied(swap, sheet, rng)
        for old, new in zip(sheet.examples, varied.examples, strict=True):
            called = encoder.form.call in old.ids[old.start :]
            turns = old.ids[old.head : old.start], new.ids[new.head : new.start]
            changed.setdefault(called, []).append(turns[0] != turns[1])
    shares = [sum(found) / len(found) for found in changed.values()]
    assert len(shares) == 2
    assert min(shares) > 0.15
    assert max(shares) - min(shares) < 0.08


def test_only_words_of_values_are_replaced(encoder: Encoder) -> None:
    """Claim: what says which tool is meant stays: a word outside of all values is never swapped."""
    rows = [row for number in range(60) for row in make_rows("more", Random(number), FULL)]
    for _, sheet in sheets(rows, encoder):
        values = {word for example in sheet.examples for word in example.values}
        swapped = encoder.swapped(sheet, Random(1), 1.0)
        for old, new in zip(sheet.examples, swapped.examples, strict=True):
            pairs = zip(old.ids, new.ids, strict=True)
            assert {before for before, after in pairs if before != after} <= values


def test_a_scrambled_drill_keeps_what_is_equal_and_what_differs(encoder: Encoder) -> None:
    """Claim: two tokens of a drill are equal after scrambling exactly if they were before."""
    for _, sheet in sheets(chunk_rows(0, STAGES[1], draws=60), encoder):
        scrambled = encoder.scrambled(sheet, Random(2))
        pairs = set(zip(sheet.columns()[0], scrambled.columns()[0], strict=True))
        assert len(pairs) == len({old for old, _ in pairs}) == len({new for _, new in pairs})
        assert any(old != new for old, new in pairs)


def _texts(encoder: Encoder, row: Row) -> list[str]:
    """The deciding tokens of a row, those of the format left out."""
    tokenizer = load_tokenizer(FOLDER)
    [example] = encoder.encode([row])
    texts = [tokenizer.id_to_token(example.ids[at]) for at in sorted(encoder.deciding(example))]
    return [text for text in texts if not text.startswith("<")]


def test_the_tokens_that_choose_are_found(encoder: Encoder) -> None:
    """Claim: they are the first, the one after each call, and where a name leaves another's."""
    tools = tuple(Tool(name, "A bridge.") for name in ("get_ring", "get_road", "order"))
    row = Row("single", "", tools, "get", (Call("get_road", {}), Call("order", {})))
    [example] = encoder.encode([row])
    assert _texts(encoder, row) == ["get", "road", "order"]
    assert len(encoder.deciding(example)) == 6
    refusal = replace(row, calls=(), reply="No.")
    [example] = encoder.encode([refusal])
    assert encoder.deciding(example) == {example.start}


def test_the_tokens_that_choose_a_label_are_found(encoder: Encoder) -> None:
    """Claim: they are where an enum's value parts from its others, also from a longer one."""
    area = Param("area", Slot("enum", "red car/red cart/blue"), "An area")
    size = Param("size", Slot("enum", "small/large"), "A size")
    tools = (Tool("ring", "A bridge.", (area, size), ("area", "size")),)
    row = Row("single", "", tools, "ring", (Call("ring", {"area": "red car", "size": "large"}),))
    [example] = encoder.encode([row])
    tokenizer = load_tokenizer(FOLDER)
    found = labels(example.ids, example.start, encoder.form)
    assert found <= encoder.deciding(example)
    alone = labels(example.ids[: example.start], example.start, encoder.form)
    assert alone == set()
    rests = [tokenizer.decode(example.ids[at:]) for at in sorted(found)]
    assert rests[0].startswith("red car"), "it leaves blue"
    assert not rests[1].startswith("red"), "what follows car leaves cart"
    assert rests[-1].startswith("large")
    assert len(rests) == 3


def test_a_batch_that_could_not_score_all_targets_is_made_two(encoder: Encoder) -> None:
    """Claim: sheets of long targets go into as many batches as it takes, and none is lost."""
    asked = [row for number in range(60) for row in make_rows("subjects", Random(number), FULL)]
    found = [sheet for _, sheet in sheets(asked, encoder)]
    longest = sorted(found, key=lambda sheet: sheet.targets)[-16:]
    room = 2 * longest[-1].targets
    groups = list(filled(longest, 8, room))
    assert len(groups) > 2
    assert [sheet for group in groups for sheet in group] == longest
    assert all(sum(sheet.targets for sheet in group) <= room for group in groups)


def test_the_tokens_that_choose_arguments_are_found(encoder: Encoder) -> None:
    """Claim: they are the first of every argument's name, and what follows a value."""
    tools = (Tool("ring", "A bridge."),)
    given = {
        "color": "red, blue",
        "count": 7,
        "names": ["Anna", "Ben"],
        "place": {"city": "Rome"},
        "quick": True,
    }
    row = Row("single", "", tools, "ring", (Call("ring", given), Call("ring", {})))
    [example] = encoder.encode([row])
    tokenizer = load_tokenizer(FOLDER)
    found = [tokenizer.id_to_token(example.ids[at]) for at in sorted(encoder.passing(example))]
    names = ["color", ",", "count", ",", "names", ",", "place", "},", "quick"]
    assert found == [*names, "}", "}"]
    refusal = replace(row, calls=(), reply="No, {a}.")
    [example] = encoder.encode([refusal])
    assert encoder.passing(example) == set()


@pytest.mark.parametrize(
    ("maker", "echo", "named"),
    [(recall, 0.0, (0, 3)), (recall, 1.0, (3, 3)), (foretell, None, (3, 3))],
)
def test_recall_drills_score_every_name(
    encoder: Encoder, maker: Callable[..., Row], echo: float | None, named: tuple[int, int]
) -> None:
    """Claim: each name behind a description counts more, in the prompt and in the target."""
    row = maker(3, Random(4)) if echo is None else maker(3, Random(4), echo)
    [example] = encoder.encode([row])
    found = encoder.choices(example)
    assert found <= encoder.deciding(example)
    before = {place for place in found if place < example.start}
    assert (len(before), len(found - before)) == named


def test_with_one_beginning_the_later_part_is_scored(encoder: Encoder) -> None:
    """Claim: where all names begin alike, recall drills score the token that tells them apart."""
    row = stemmed(recall(3, Random(4), 0.0), Random(1))
    [example] = encoder.encode([row])
    found = sorted(encoder.choices(example))
    tokens = [load_tokenizer(FOLDER).id_to_token(example.ids[place]) for place in found]
    parts = sorted(tool.name.split("_")[1] for tool in row.tools)
    assert len(set(tokens)) == len(parts) == 3
    assert all(map(str.startswith, parts, sorted(tokens)))


def _weight(encoder: Encoder, one: Example, place: int) -> float:
    if place in encoder.deciding(one):
        return DECIDING_WEIGHT
    return PASSING_WEIGHT if place in encoder.passing(one) else 1.0


def test_a_batch_scores_every_target_token(encoder: Encoder) -> None:
    """Claim: all target tokens count, those that choose more, and no padding counts."""
    found = [sheet for _, sheet in sheets(chunk_rows(0, draws=90), encoder)]
    chosen = [sheet for sheet in found if len(sheet) <= 256][: BATCH_TOKENS // 256]
    assert len(chosen) == BATCH_TOKENS // 256
    batch = make_batch(chosen, 256, Random(1), encoder, 0.1)
    wanted = {
        row * 256 + sheet.place(number, place) - 1: _weight(encoder, one, place)
        for row, sheet in enumerate(chosen)
        for number, one in enumerate(sheet.examples)
        for place in range(one.start, len(one.ids))
    }
    scored = dict(zip(batch.places.tolist(), batch.weights.tolist(), strict=True))
    assert {place: weight for place, weight in scored.items() if weight >= 1.0} == wanted
    rest = batch.places[(batch.weights > 0) & (batch.weights < 1)]
    assert (batch.ids.flatten()[rest] != 0).all()


def test_batches_resume_where_they_stopped(encoder: Encoder) -> None:
    """Claim: the batches after a place are those a run from the start has after it."""
    source = batches(encoder, STAGES[0])
    seen = [next(source) for _ in range(5)]
    chunk, used, _ = seen[2]
    resumed = next(batches(encoder, STAGES[0], chunk, used))
    assert resumed[:2] == seen[3][:2]
    assert (resumed[2].ids == seen[3][2].ids).all()
