"""Examples: the tokens of a row, what is learnt of it, and the rows that are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.backends.transformers import Encoder, tokenize
from harness.cases import Spec
from harness.errors import BackendError
from harness.loading import load_specs
from trainers.examples import (
    DEFAULT_REPLY,
    IGNORED,
    PreflightError,
    check_tokens,
    example_of,
    examples_of,
    masked_row,
    mix_lines,
)

Desk = Callable[..., Spec]
FIND = "<start_function_call>call:find{q:<escape>it<escape>}<end_function_call>"


def _learnt(example: object, encoder: Encoder) -> str:
    ids = [label for label in example.labels if label != IGNORED]  # type: ignore[attr-defined]
    return str(encoder.tokenizer.decode(ids, skip_special_tokens=False))


def test_the_target_alone_is_learnt(desk: Desk, encoder: Encoder) -> None:
    """The row begins with the ids that judging asks; the loss sees the calls and their stop."""
    case = desk("{id: a, prompt: p, expect: [{find: {q: it}}, {find: {q: it}}]}").cases[0]
    example = example_of(case, encoder)
    prompt = tokenize(encoder, case.request, 0)
    assert example.input_ids[: len(prompt)] == prompt
    assert example.labels[: len(prompt)] == (IGNORED,) * len(prompt)
    assert example.labels[len(prompt) :] == example.input_ids[len(prompt) :]
    assert _learnt(example, encoder) == FIND + FIND + "<start_function_response>"
    assert example.tools == ("find", "find")


def test_everything_is_learnt(desk: Desk, encoder: Encoder) -> None:
    """`--loss all`: every token of the row has a label, as in both guides."""
    case = desk("{id: a, prompt: p, expect: {find: {q: it}}}").cases[0]
    example = example_of(case, encoder, loss="all")
    assert example.labels == example.input_ids


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("expect: no_call", DEFAULT_REPLY),
        ("expect: no_call, reply: ' No, sorry. '", "No, sorry."),
        ("expect: {no_call: true, says: {$contains: no, $gold: no way}}", "no way"),
        ("expect: {one_of: [no_call, find]}", DEFAULT_REPLY),
    ],
)
def test_no_call_learns_a_text(desk: Desk, encoder: Encoder, written: str, text: str) -> None:
    """The case's reply, else the gold of `says`, else a sentence; then the end of the turn."""
    example = example_of(desk(f"{{id: a, prompt: p, {written}}}").cases[0], encoder)
    assert _learnt(example, encoder) == f"{text}<end_of_turn>"


def test_a_reply_that_does_not_meet_says(desk: Desk, encoder: Encoder) -> None:
    """The default sentence is not trained where the case wants another text."""
    case = desk(
        "{id: a, prompt: p, expect: {no_call: true, says: {$contains: 42}}}".replace("42", "'42'")
    ).cases[0]
    with pytest.raises(PreflightError, match=r"does not meet `says` \(.*\): add `reply`"):
        example_of(case, encoder)


def test_a_rows_gold_that_breaks_its_schema_is_learnt(tmp_path: Path, encoder: Encoder) -> None:
    """As it stands: the missing argument stays out, the undeclared one in, the text a text."""
    parameters = {
        "type": "object",
        "properties": {"q": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["q"],
    }
    call = {"function": {"name": "find", "arguments": '{"n": "5", "more": 1}'}}
    row = {
        "messages": [
            {"role": "user", "content": "p"},
            {"role": "assistant", "tool_calls": [call]},
        ],
        "tools": [{"type": "function", "function": {"name": "find", "parameters": parameters}}],
    }
    (tmp_path / "rows.jsonl").write_text(json.dumps(row), encoding="utf-8")
    file = tmp_path / "rows.spec.yaml"
    file.write_text("source: {format: openai, path: rows.jsonl, take: {train: 1}}")
    case = load_specs([file])[0].in_split("train")[0]
    learnt = _learnt(example_of(case, encoder), encoder)
    assert learnt == (
        "<start_function_call>call:find{more:1,n:<escape>5<escape>}<end_function_call>"
        "<start_function_response>"
    )


def test_nulls_are_those_that_the_spec_wrote(desk: Desk, encoder: Encoder) -> None:
    """An optional argument that a row leaves out stays out, beside rows that have it."""
    head = (
        "spec: desk\ntools:\n  - name: set\n    parameters: {type: object, properties: "
        "{at: {type: string}, on: {type: [string, 'null']}}}\ncases:\n"
    )
    cases = desk(
        "{id: a, prompt: p, expect: {set: {at: x}}, split: train}",
        "{id: b, prompt: q, expect: {set: {on: null}}, split: train}",
        "{id: c, prompt: r, expect: {set: {}}, split: train}",
        head=head,
    ).cases
    targets = [example.target.partition("<end")[0] for example in examples_of(cases, encoder)]
    start = "<start_function_call>call:set"
    assert targets == [f"{start}{{at:<escape>x<escape>}}", f"{start}{{on:None}}", f"{start}{{}}"]


def test_args_json_is_trained_as_it_is_judged(desk: Desk, encoder: Encoder) -> None:
    """`target: args_json` trains the tutorial's form."""
    case = desk("{id: a, prompt: p, expect: {find: {q: it}}}").cases[0]
    example = example_of(replace(case, target="args_json"), encoder)
    assert '{args:<escape>{"q": "it"}<escape>}' in example.target


TURNS = (
    "messages: [{role: user, content: Book a room}, "
    "{role: assistant, tool_calls: [{name: find, arguments: {q: rooms}}]}, "
    "{role: tool, name: find, content: {rooms: 3}}"
)
CONVERSATION = (
    "<start_of_turn>user\nBook a room<end_of_turn>\n<start_of_turn>model\n"
    "<start_function_call>call:find{q:<escape>rooms<escape>}<end_function_call>"
    "<start_function_response>response:find{rooms:3}<end_function_response>"
)
BOOK = "<start_function_call>call:book{room:3}<end_function_call><start_function_response>"


@pytest.mark.parametrize(
    ("turns", "written", "read", "learnt"),
    [
        ("]", "expect: {book: {room: 3}}", "", BOOK),
        ("]", "expect: no_call, reply: ' Three. '", "", "Three.<end_of_turn>"),
        (
            "]",
            "expect: {no_call: true, says: {$contains: three, $gold: All three.}}",
            "",
            "All three.<end_of_turn>",
        ),
        (
            ", {role: assistant, content: Three.}, {role: user, content: The last.}]",
            "expect: {book: {room: 3}}",
            "Three.<end_of_turn>\n<start_of_turn>user\nThe last.<end_of_turn>\n"
            "<start_of_turn>model\n",
            BOOK,
        ),
        (
            ", {role: user, content: The last.}]",
            "expect: {book: {room: 3}}",
            "The last.<end_of_turn>\n<start_of_turn>model\n",
            BOOK,
        ),
        (
            ", {role: assistant, tool_calls: [{name: book, arguments: {room: 1}}]}, "
            "{role: user, content: The last.}]",
            "expect: {book: {room: 3}}",
            "<start_function_call>call:book{room:1}<end_function_call>"
            "<start_of_turn>user\nThe last.<end_of_turn>\n<start_of_turn>model\n",
            BOOK,
        ),
    ],
)
def test_a_conversation_with_tool_results(
    desk: Desk, encoder: Encoder, turns: str, written: str, read: str, learnt: str
) -> None:
    """Calls, results and turns before the target are read, and the target alone is learnt."""
    case = desk(f"{{id: a, {written}, {TURNS}{turns}}}").cases[0]
    example = example_of(case, encoder)
    prompt = tokenize(encoder, case.request, 0)
    assert example.input_ids[: len(prompt)] == prompt
    assert example.labels == (IGNORED,) * len(prompt) + example.input_ids[len(prompt) :]
    assert _learnt(example, encoder) == learnt
    row = encoder.tokenizer.decode(list(example.input_ids), skip_special_tokens=False)
    assert row.endswith(CONVERSATION + read + learnt)


@pytest.mark.parametrize("expect", ["no_call", "{one_of: [no_call, find]}"])
def test_an_answer_to_a_result_has_no_default(desk: Desk, encoder: Encoder, expect: str) -> None:
    """The default is a refusal: after a result the case says itself what is to be learnt."""
    case = desk(f"{{id: a, expect: {expect}, {TURNS}]}}").cases[0]
    with pytest.raises(PreflightError) as refused:
        example_of(case, encoder)
    assert str(refused.value) == (
        "it expects an answer to a tool's result, and has none to train on: add `reply`"
    )


def test_rows_that_are_too_long_are_listed_and_never_cut(desk: Desk, encoder: Encoder) -> None:
    """Every row that is too long is named, with its length."""
    spec = desk(
        "{id: a, prompt: p, expect: {find: {q: it}}, split: train}",
        "{id: b, prompt: q, expect: no_call, split: train}",
    )
    lengths = [len(example.input_ids) for example in examples_of(spec.cases, encoder)]
    with pytest.raises(PreflightError) as refused:
        examples_of(spec.cases, encoder, max_length=20)
    assert str(refused.value) == (
        "2 rows cannot be trained on:\n"
        f"{spec.path}:8: case a: the row has {lengths[0]} tokens and max_length is 20; nothing is "
        "ever cut\n"
        f"{spec.path}:9: case b: the row has {lengths[1]} tokens and max_length is 20; nothing is "
        "ever cut"
    )


def test_a_template_that_writes_something_else(desk: Desk, encoder: Encoder) -> None:
    """A model whose own template writes calls differently is refused, with the place."""
    case = desk("{id: a, prompt: p, expect: {find: {q: it}}}").cases[0]
    template = encoder.tokenizer.chat_template
    try:
        encoder.tokenizer.chat_template = template.replace("call>call:", "call>CALL:")
        assert encoder.tokenizer.chat_template != template
        with pytest.raises(PreflightError, match=r"chat template writes '.*' where the row has '"):
            example_of(case, encoder)
    finally:
        encoder.tokenizer.chat_template = template


def test_an_open_expectation_is_refused(desk: Desk, encoder: Encoder) -> None:
    """A case without a whole call has nothing to train on."""
    case = desk("{id: a, prompt: p, expect: any_call}").cases[0]
    with pytest.raises(PreflightError, match="leaves values open"):
        example_of(case, encoder)


def test_a_tokenizer_without_the_call_tokens(tmp_path: Path, tiny_model: Path) -> None:
    """A base to which a control token is not one token is refused before anything is judged."""
    import shutil

    from harness.backends.transformers import load_encoder
    from harness.checkpoints import Checkpoint

    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    path = folder / "tokenizer.json"
    path.write_text(path.read_text("utf-8").replace("<escape>", "<escapo>"), encoding="utf-8")
    other = load_encoder(Checkpoint("other", "other", folder))
    with pytest.raises(BackendError) as refused:
        check_tokens(other, "other")
    assert str(refused.value) == (
        "model other: its tokenizer lacks <escape>, so its calls could not be trained; callgate "
        "doctor compares it with FunctionGemma's"
    )


def test_the_mix_and_the_masked_row(desk: Desk, encoder: Encoder) -> None:
    """What the preflight prints: how often each tool, how much is learnt, one row as it is."""
    spec = desk(
        "{id: a, prompt: p, expect: {find: {q: it}}, split: train}",
        "{id: b, prompt: q, expect: {find: {q: it}}, split: train}",
        "{id: c, prompt: r, expect: no_call, split: train}",
    )
    examples = examples_of(spec.cases, encoder)
    learnt = sum(label != IGNORED for example in examples for label in example.labels)
    total = sum(len(example.input_ids) for example in examples)
    longest = max(len(example.input_ids) for example in examples)
    assert mix_lines(examples) == [
        "3 rows: 2 find, 1 (no call)",
        f"{learnt} of {total} tokens are learnt; the longest row has {longest} tokens",
    ]
    row = masked_row(examples[0], encoder)
    assert row[0] == "one row, desk::a:"
    assert row[-1] == f"  learnt | {FIND}<start_function_response>"
    assert row[-2] == "  read   | <start_of_turn>model"


def test_the_shipped_policy_can_be_trained_on(encoder: Encoder) -> None:
    """Every train case of the guide's policy passes the preflight."""
    path = Path(__file__).parents[2] / "specs" / "search_policy.spec.yaml"
    train = load_specs([path])[0].in_split("train")
    examples = examples_of(train, encoder)
    assert len(examples) == len(train) == 60
    assert json.dumps(examples[0].input_ids)


def test_the_answer_to_what_is_found_is_a_row_of_its_own(
    desk: Desk, encoder: Encoder, tmp_path: Path
) -> None:
    """A `then` with a `reply` trains the answer to what the gold call finds; without, nothing."""
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "meals.md").write_text("# Meals\n\nUp to 46 euros.", encoding="utf-8")
    head = (
        "spec: desk\ntools:\n  - name: find\n    parameters: {q: {type: string}}\n"
        "    run: {search: pages}\ncases:\n"
    )
    asked = "prompt: p, expect: {find: {q: meals}}, split: train"
    cases = desk(
        f"{{id: a, {asked}, then: {{says: {{$contains: '46'}}, reply: 'It is 46 euros. '}}}}",
        f"{{id: b, {asked.replace('p,', 'q,')}, then: {{says: {{$contains: '46'}}}}}}",
        head=head,
    ).cases
    rows = examples_of(cases, encoder)
    assert [(row.case, row.tools) for row in rows] == [
        ("desk::a", ("find",)),
        ("desk::a", ()),
        ("desk::b", ("find",)),
    ]
    assert _learnt(rows[1], encoder) == "It is 46 euros.<end_of_turn>"
    read = encoder.tokenizer.decode(
        [i for i, label in zip(rows[1].input_ids, rows[1].labels, strict=True) if label == IGNORED]
    )
    assert read.endswith(
        "<end_function_call><start_function_response>response:find{results:[{page:<escape>meals.md"
        "<escape>,text:<escape>Meals\nUp to 46 euros.<escape>}]}<end_function_response>"
    )
