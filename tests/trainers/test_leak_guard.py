"""The leak guard: which prompts are the same, or nearly."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest

from harness.cases import Spec
from trainers.leak_guard import find_leaks, normalised, pairs, refusal

Desk = Callable[..., Spec]


def _leaks(
    spec: Spec, threshold: float = 90, *, earlier: bool = False
) -> list[tuple[str, str, str]]:
    leaks = find_leaks(spec.in_split("train"), spec.in_split("test"), threshold, earlier=earlier)
    return [(leak.train.id, leak.held_out.id, leak.how) for leak in leaks]


def test_the_same_prompt_is_a_leak(desk: Desk) -> None:
    """Word for word the same, the same but for case and punctuation, and words in another order."""
    spec = desk(
        "{id: a, prompt: Where is the plan?, expect: no_call, split: train}",
        '{id: b, prompt: "ROOM three, booked.", expect: no_call, split: train}',
        "{id: c, prompt: please find my own badge, expect: no_call, split: train}",
        "{id: d, prompt: something else entirely, expect: no_call, split: train}",
        "{id: e, prompt: Where is the plan?, expect: no_call}",
        "{id: f, prompt: room three booked, expect: no_call}",
        "{id: g, prompt: please find my own badges, expect: no_call}",
    )
    assert _leaks(spec) == [
        ("a", "e", "the same"),
        ("b", "f", "the same words"),
        ("c", "g", "98 % alike"),
    ]


def test_the_threshold_can_be_moved(desk: Desk) -> None:
    """What is no near-duplicate at 90 is one at a lower threshold."""
    spec = desk(
        "{id: a, prompt: book room three, expect: no_call, split: train}",
        "{id: b, prompt: book room seven, expect: no_call}",
    )
    assert _leaks(spec) == []
    assert _leaks(spec, 70) == [("a", "b", "80 % alike")]


def test_two_conversations_that_only_end_alike_are_no_leak(desk: Desk) -> None:
    """The whole conversation is compared: a last turn of `yes` says nothing by itself."""
    turns = "messages: [{role: user, content: %s}, {role: assistant, content: Sure?}, %s]"
    yes = "{role: user, content: yes}"
    spec = desk(
        "{id: a, " + turns % ("Book the room upstairs", yes) + ", expect: no_call, split: train}",
        "{id: b, " + turns % ("Find where lunch is", yes) + ", expect: no_call}",
    )
    assert _leaks(spec) == []


def test_earlier_turns_count_where_they_are_learnt(desk: Desk) -> None:
    """A test prompt within a train conversation is a leak if the answer to it is trained on."""
    turns = "messages: [{role: user, content: %s}, {role: assistant, content: Sure.}, %s]"
    spec = desk(
        "{id: a, "
        + turns % ("Book the room upstairs", "{role: user, content: and find the lamp}")
        + ", expect: no_call, split: train}",
        "{id: b, prompt: book the room upstairs!, expect: no_call}",
    )
    assert _leaks(spec) == []
    assert _leaks(spec, earlier=True) == [("a", "b", "the same words")]


def test_one_group_is_a_leak_whatever_its_words(desk: Desk) -> None:
    """Near-duplicates by their author's word may not be trained on and tested."""
    spec = desk(
        "{id: a, prompt: give me my money back, expect: no_call, split: train, group: refund}",
        "{id: b, prompt: a refund please, expect: no_call, group: refund}",
        "{id: c, prompt: where is the plan, expect: no_call, split: train, group: plan}",
        "{id: d, prompt: something else entirely, expect: no_call}",
    )
    assert _leaks(spec) == [("a", "b", "one group, refund")]


def test_the_developer_turn_does_not_make_prompts_alike(desk: Desk) -> None:
    """Every case shares the developer turn, so it is left out of the comparison."""
    spec = desk(
        "{id: a, prompt: find it, expect: no_call, split: train}",
        "{id: b, prompt: tell a joke, expect: no_call}",
    )
    assert _leaks(spec) == []


def test_the_refusal_names_the_pairs(desk: Desk) -> None:
    """The message: both places, both prompts, how alike, and what can be done."""
    spec = desk(
        "{id: a, prompt: Where is it?, expect: no_call, split: train}",
        "{id: b, prompt: Where is it, expect: no_call}",
    )
    leaks = find_leaks(spec.in_split("train"), spec.in_split("test"), 90)
    path = spec.path
    assert refusal(leaks) == (
        "1 training prompt is, or nearly, among the dev and test prompts:\n"
        f"  {path}:8 a (train) and {path}:9 b (test): the same words\n"
        "    'Where is it?' / 'Where is it'\n"
        "Reword or move them; or leave these training cases out with --leaks drop."
    )


def test_prompts_without_a_word_are_compared_as_they_are(desk: Desk) -> None:
    """Prompts of punctuation alone have no words in common, and are leaks only when equal."""
    spec = desk(
        '{id: a, prompt: "???", expect: no_call, split: train}',
        '{id: b, prompt: "!!!", expect: no_call}',
    )
    assert _leaks(spec) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  A-b, C! ", "a b c"),
        ("Straße", "strasse"),
        (" … ", "…"),
        ("日本", "日本"),
        ("की", "की"),
        ("Ở đa\u0302u?", "ở đâu"),
        ("snake_case", "snake_case"),
    ],
)
def test_normalised(text: str, words: str) -> None:
    """Case, punctuation and runs of white space go; letters of every script stay."""
    assert normalised(text) == words


def test_letters_composed_in_another_way_are_the_same(desk: Desk) -> None:
    """The same prompt, its letters composed or decomposed, is a leak; other vowel signs are not."""
    composed = "Chính sách nghỉ phép ở đâu?"
    spec = desk(
        f'{{id: a, prompt: "{composed}", expect: no_call, split: train}}',
        '{id: b, prompt: "\u0915\u0940", expect: no_call, split: train}',
        f'{{id: c, prompt: "{unicodedata.normalize("NFD", composed)}", expect: no_call}}',
        '{id: d, prompt: "\u0915\u093f", expect: no_call}',
    )
    assert _leaks(spec) == [("a", "c", "the same words")]


def test_pairs_cover_more_texts_than_one_block() -> None:
    """Near-duplicates are found across the blocks in which the comparison is made."""
    texts = [f"{n * n * 7919} {n}" for n in range(1100)]
    texts[1050] = texts[3]
    assert (3, 1050) in set(pairs(texts, 100))
