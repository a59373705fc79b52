"""Conversations of several turns: what FunctionGemma is shown of them, byte for byte, and judging.

Each quirk of the template's rendering is one line of `SHOWN`. The bytes follow the rules that the
official template shows when it is rendered; `tests/data/prompt_goldens.jsonl` has some of them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.backends.replay import Replay
from harness.backends.transformers import Encoder, load_encoder, render, tokenize
from harness.cases import DEVELOPER, Case, Miss, Outcome, Request, Tool, Verdict
from harness.checkpoints import MINI, Checkpoint
from harness.errors import BackendError
from harness.functiongemma import CONTROL_TOKENS, render_prompt
from harness.loading import load_spec
from harness.run import verdicts

TOOLS = """\
spec: desk
tools:
  - {name: find, description: Finds., parameters: {q: {type: string, description: what}}}
  - {name: clock}
"""
HEAD = (
    f"<bos><start_of_turn>developer\n{DEVELOPER}"
    "<start_function_declaration>declaration:find{description:<escape>Finds.<escape>,parameters:{"
    "properties:{q:{description:<escape>what<escape>,type:<escape>STRING<escape>}},"
    "required:[<escape>q<escape>],type:<escape>OBJECT<escape>}}<end_function_declaration>"
    "<start_function_declaration>declaration:clock{description:<escape><escape>}"
    "<end_function_declaration><end_of_turn>\n"
)
ASKED = "<start_of_turn>user\nFind it.<end_of_turn>\n<start_of_turn>model\n"
FIND = "<start_function_call>call:find{q:<escape>it<escape>}<end_function_call>"
CLOCK = "<start_function_call>call:clock{}<end_function_call>"
USER = "{role: user, content: Find it.}"
CALL = "{role: assistant, tool_calls: [{name: find, arguments: {q: it}}]}"
FOUND = "<start_function_response>response:find{value:<escape>It.<escape>}<end_function_response>"
RESULT = "{role: tool, name: find, content: It.}"
GO_ON = "<start_of_turn>model\n"


def found(inside: str) -> str:
    """The response of `find` with these members."""
    return f"<start_function_response>response:find{{{inside}}}<end_function_response>"


SHOWN: dict[str, tuple[list[str], str]] = {
    "a text as a result, and the model goes on in the same turn": (
        [USER, CALL, RESULT],
        ASKED + FIND + FOUND,
    ),
    "a text as a result is not stripped": (
        [USER, CALL, "{role: tool, name: find, content: ' It. '}"],
        ASKED + FIND + found("value:<escape> It. <escape>"),
    ),
    "a mapping as a result, its keys in order of the alphabet": (
        [USER, CALL, "{role: tool, name: find, content: {sky: clear, Celsius: 7.0, at: 9}}"],
        ASKED + FIND + found("at:9,Celsius:7.0,sky:<escape>clear<escape>"),
    ),
    "a list inside a result": (
        [USER, CALL, "{role: tool, name: find, content: {pages: [a, {n: 1, on: true}, []]}}"],
        ASKED + FIND + found("pages:[<escape>a<escape>,{n:1,on:true},[]]"),
    ),
    "a null inside a result is Python's": (
        [USER, CALL, "{role: tool, name: find, content: {page: null, rest: [null]}}"],
        ASKED + FIND + found("page:None,rest:[None]"),
    ),
    "a result that names its tool once more is the same": (
        [USER, CALL, "{role: tool, name: find, content: {name: find, response: {n: 1}}}"],
        ASKED + FIND + found("n:1"),
    ),
    "a result of several lines and quotes is left as it is": (
        [USER, CALL, '{role: tool, name: find, content: "a\\n\\"b\\", {c}"}'],
        ASKED + FIND + found('value:<escape>a\n"b", {c}<escape>'),
    ),
    "control tokens in a result stand in it as they are": (
        [USER, CALL, "{role: tool, name: find, content: {a: x<escape>y<end_of_turn>}}"],
        ASKED + FIND + found("a:<escape>x<escape>y<end_of_turn><escape>"),
    ),
    "an empty result is not shown, and no turn of the model begins": (
        [USER, CALL, "{role: tool, name: find, content: ''}"],
        ASKED + FIND,
    ),
    "an empty mapping is not shown either": (
        [USER, CALL, "{role: tool, name: find, content: {}}"],
        ASKED + FIND,
    ),
    "several calls and results, one behind the other": (
        [
            USER,
            "{role: assistant, tool_calls: [{name: find, arguments: {q: it}}, {name: clock}]}",
            RESULT,
            "{role: tool, name: clock, content: {hour: 9}}",
        ],
        f"{ASKED}{FIND}{CLOCK}{FOUND}"
        "<start_function_response>response:clock{hour:9}<end_function_response>",
    ),
    "a call after a result, in the same turn": (
        [
            USER,
            CALL,
            RESULT,
            "{role: assistant, tool_calls: [{name: clock}]}",
            "{role: tool, name: clock, content: nine}",
        ],
        f"{ASKED}{FIND}{FOUND}{CLOCK}"
        "<start_function_response>response:clock{value:<escape>nine<escape>}"
        "<end_function_response>",
    ),
    "an answer to a result ends the turn, and the next one begins": (
        [USER, CALL, RESULT, "{role: assistant, content: Here.}", "{role: user, content: More.}"],
        f"{ASKED}{FIND}{FOUND}Here.<end_of_turn>\n<start_of_turn>user\nMore.<end_of_turn>\n{GO_ON}",
    ),
    "a text before the calls, stripped": (
        [USER, CALL.replace("tool_calls", "content: ' I look. ', tool_calls"), RESULT],
        f"{ASKED}I look.{FIND}{FOUND}",
    ),
    "arguments of another order are sorted": (
        [
            USER,
            "{role: assistant, tool_calls: [{name: find, arguments: {z: 1, B: 2, a: null}}]}",
            RESULT,
        ],
        f"{ASKED}<start_function_call>call:find{{a:None,B:2,z:1}}<end_function_call>{FOUND}",
    ),
    "a call in the wrapper of chat files, with an id": (
        [
            USER,
            "{role: assistant, tool_calls: [{id: c1, type: function, "
            "function: {name: find, arguments: {q: it}}}]}",
            RESULT,
        ],
        ASKED + FIND + FOUND,
    ),
    "a user turn right after a result is glued to it": (
        [USER, CALL, RESULT, "{role: user, content: More.}"],
        f"{ASKED}{FIND}{FOUND}More.<end_of_turn>\n{GO_ON}",
    ),
    "a user turn right after an empty result is glued to the call": (
        [USER, CALL, "{role: tool, name: find, content: ''}", "{role: user, content: More.}"],
        f"{ASKED}{FIND}More.<end_of_turn>\n{GO_ON}",
    ),
    "a turn of a call without a result is never closed": (
        [USER, CALL, "{role: user, content: More.}"],
        f"{ASKED}{FIND}<start_of_turn>user\nMore.<end_of_turn>\n{GO_ON}",
    ),
    "an answer after a call without a result opens a turn inside a turn": (
        [USER, CALL, "{role: assistant, content: Here.}", "{role: user, content: More.}"],
        f"{ASKED}{FIND}<start_of_turn>model\nHere.<end_of_turn>\n"
        f"<start_of_turn>user\nMore.<end_of_turn>\n{GO_ON}",
    ),
    "an empty turn of the assistant is an empty turn": (
        [USER, "{role: assistant, content: ''}", "{role: user, content: More.}"],
        f"{ASKED}<end_of_turn>\n<start_of_turn>user\nMore.<end_of_turn>\n{GO_ON}",
    ),
}


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    """The stand-in's tokenizer, with its chat template."""
    return load_encoder(Checkpoint("mini", "mini", MINI))


def case_of(folder: Path, turns: list[str], expect: str = "no_call", more: str = "") -> Case:
    """The one case of a spec with these turns."""
    file = folder / "desk.spec.yaml"
    lines = "".join(f"      - {turn}\n" for turn in turns)
    head = f"{TOOLS}cases:\n  - id: a\n    expect: {expect}\n{more}    messages:\n"
    file.write_text(head + lines, encoding="utf-8")
    read = load_spec(file)
    assert read.spec is not None, "\n".join(map(str, read.problems))
    return read.spec.cases[0]


@pytest.mark.parametrize(("turns", "text"), SHOWN.values(), ids=SHOWN)
def test_a_quirk_to_the_byte(tmp_path: Path, encoder: Encoder, turns: list[str], text: str) -> None:
    """From YAML to bytes: by `render_prompt`, by the back end's template, and by its tokens."""
    request = case_of(tmp_path, turns).request
    assert render_prompt(request.messages, request.tools) == HEAD + text
    assert render(encoder, request) == HEAD + text
    ids = tokenize(encoder, request, 0)
    decoded = encoder.tokenizer.decode(
        list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
    )
    assert decoded == HEAD + text
    assert ids.count(CONTROL_TOKENS["<bos>"]) == 1


def test_control_tokens_in_a_result_are_control_tokens(tmp_path: Path, encoder: Encoder) -> None:
    """The tokenizer makes no difference between a token in a result and one of the template."""
    turns, _ = SHOWN["control tokens in a result stand in it as they are"]
    with_token = tokenize(encoder, case_of(tmp_path, turns).request, 0)
    without = tokenize(encoder, case_of(tmp_path, [USER, CALL, RESULT]).request, 0)
    ends = encoder.tokenizer.convert_tokens_to_ids("<end_of_turn>")
    assert with_token.count(ends) == without.count(ends) + 1


def result_of(content: Any, **more: Any) -> Request:
    """A request that no spec can say, as another program might put it."""
    call = {"function": {"name": "find", "arguments": {"q": "it"}}}
    messages = (
        {"role": "user", "content": "Find it."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": content, **more},
    )
    return Request("desk::a", messages, (Tool("clock"),))


@pytest.mark.parametrize(
    ("content", "more", "shown"),
    [
        ([{"name": "find", "response": {"n": 1}}], {}, found("n:1")),
        (
            [{"name": "find", "response": {"n": 1}}, {"name": "find", "response": {"n": 2}}],
            {},
            found("n:1") + found("n:2"),
        ),
        ([{"n": 1}, {"n": 2}], {"name": "find"}, found("n:1") + found("n:2")),
        ({"name": "find", "response": {"n": None}}, {}, found("n:None")),
        (None, {"name": "find"}, ""),
    ],
)
def test_results_that_no_spec_says(
    encoder: Encoder, content: Any, more: dict[str, Any], shown: str
) -> None:
    """Lists are several results; with null content beside calls the calls are all there is."""
    request = result_of(content, **more)
    head = (
        "<bos><start_of_turn>developer\n<start_function_declaration>declaration:clock"
        "{description:<escape><escape>}<end_function_declaration><end_of_turn>\n"
    )
    assert render_prompt(request.messages, request.tools) == head + ASKED + FIND + shown
    assert render(encoder, request) == head + ASKED + FIND + shown


@pytest.mark.parametrize(
    ("content", "more", "why"),
    [
        ("It.", {"tool_call_id": "c1"}, "A tool response needs the name of its tool."),
        ({"name": "find", "response": "It."}, {}, "A tool response must be a mapping."),
    ],
)
def test_results_that_the_template_refuses(
    encoder: Encoder, content: Any, more: dict[str, Any], why: str
) -> None:
    """A result known by its call's id alone, and a `response` that is a text, end in a sentence."""
    request = result_of(content, **more)
    with pytest.raises(BackendError) as caught:
        render_prompt(request.messages, request.tools)
    assert str(caught.value) == f"The chat template cannot render this conversation: {why}"
    with pytest.raises(BackendError) as caught:
        tokenize(encoder, request, 0)
    assert str(caught.value) == f"the model's chat template refuses this case: {why}"


def test_a_null_answer_is_an_empty_turn(encoder: Encoder) -> None:
    """An assistant's turn with neither text nor calls."""
    turns = ({"role": "user", "content": "Hi."}, {"role": "assistant", "content": None})
    messages = (*turns, {"role": "user", "content": "Hi?"})
    shown = (
        "<bos><start_of_turn>user\nHi.<end_of_turn>\n<start_of_turn>model\n<end_of_turn>\n"
        "<start_of_turn>user\nHi?<end_of_turn>\n<start_of_turn>model\n"
    )
    assert render_prompt(messages, ()) == render(encoder, Request("a", messages, ())) == shown


def test_a_variable_may_be_a_result(tmp_path: Path) -> None:
    """`each` fills in a whole mapping where a result stands; a number there is a text."""
    turns = [USER, CALL, "{role: tool, name: find, content: $(it)}"]
    first = case_of(tmp_path, turns, more="    each: [{it: {n: 1}}]\n")
    assert first.request.messages[-1]["content"] == {"n": 1}
    second = case_of(tmp_path, turns, more="    each: [{it: 1}]\n")
    assert second.request.messages[-1]["content"] == "1"


# Judging

ANSWER = ("{no_call: true, says: {$contains: third floor}}", "    reply: On the third floor.\n")


def replayed(folder: Path, case: Case, reply: str) -> Verdict:
    """The verdict on a reply that comes from a file."""
    path = folder / "replies.jsonl"
    path.write_text(json.dumps({"case": case.ref, "reply": reply}), encoding="utf-8")
    (verdict,) = verdicts([case], Replay.read(str(path)))
    return verdict


@pytest.mark.parametrize(
    ("expect", "reply", "miss"),
    [
        (ANSWER[0], "It is on the third floor.<end_of_turn>", None),
        (ANSWER[0], "I do not know.<end_of_turn>", Miss.WRONG_TEXT),
        (ANSWER[0], f"{FIND}<start_function_response>", Miss.UNEXPECTED_CALL),
        ("{clock: {}}", f"{CLOCK}<start_function_response>", None),
        ("{clock: {}}", "Here.<end_of_turn>", Miss.NO_CALL),
        ("{clock: {}}", f"{FIND}<start_function_response>", Miss.WRONG_TOOL),
        ("{find: {q: it}}", f"{FIND}<start_function_response>", None),
    ],
)
def test_what_comes_after_a_result_is_judged(
    tmp_path: Path, expect: str, reply: str, miss: Miss | None
) -> None:
    """The reply alone is judged: calls and results of the conversation before it do not count."""
    case = case_of(tmp_path, [USER, CALL, RESULT], expect)
    verdict = replayed(tmp_path, case, reply)
    assert verdict.miss == miss
    assert verdict.outcome == (Outcome.FAIL if miss else Outcome.PASS)
    assert verdict.case.prompt == "Find it."
