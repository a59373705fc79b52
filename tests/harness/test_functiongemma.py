"""Calls read and written, prompts rendered: the one place that knows the control tokens."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import functiongemma
from harness.cases import DEVELOPER, Call, Json, Tool
from harness.errors import BackendError
from harness.functiongemma import (
    CONTROL_TOKENS,
    MAX_DEPTH,
    SPECIAL_TOKENS,
    STOP_TOKENS,
    CodecError,
    is_name,
    parse_reply,
    render_prompt,
    unwrap_args_json,
    wrap_args_json,
    write_call,
    write_calls,
)

START, END, ESCAPE = "<start_function_call>", "<end_function_call>", "<escape>"
GOLDENS = Path(__file__).parents[1] / "data" / "prompt_goldens.jsonl"

names = st.from_regex(r"[\w.$@/-]{1,8}", fullmatch=True).filter(is_name)
texts = st.text(st.characters(), max_size=12) | st.sampled_from([*CONTROL_TOKENS, "}", '"', ",\n"])
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts.filter(lambda text: ESCAPE not in text),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
calls_made = st.builds(Call, names, st.dictionaries(names, values, max_size=5))


def _block(body: str) -> str:
    return f"{START}{body}{END}"


def _typed(value: Json) -> Json:
    """The value with its types: `1`, `1.0` and `True` are told apart, and so are zeros."""
    if isinstance(value, dict):
        return {key: _typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed(item) for item in value]
    return (type(value).__name__, str(value))


def test_the_writer_has_the_spelling_of_the_template() -> None:
    """Claim: the reference's golden call, its keys given in another order, is written to the byte.

    The order ignores case and is stable: `b` before `B` only where it was given so.
    """
    arguments = {"obj": {"k2": "v", "K1": 1}, "n": 3, "f": 3.0, "es": "", "eo": {}, "e": []}
    arguments |= {"b": True, "arr": [1, "a", None, [True]]}
    assert write_call(Call("f", arguments)) == (
        "<start_function_call>call:f{arr:[1,<escape>a<escape>,None,[true]],b:true,e:[],eo:{},"
        "es:<escape><escape>,f:3.0,n:3,obj:{K1:1,k2:<escape>v<escape>}}<end_function_call>"
    )
    assert write_call(Call("f")) == _block("call:f{}")
    assert write_call(Call("f", {"userId": 1, "user_id": 2})) == _block(
        "call:f{user_id:2,userId:1}"
    )
    assert write_call(Call("f", {"C": 1, "B": 2, "b": 3, "a": 1e20})) == (
        _block("call:f{a:1e+20,B:2,b:3,C:1}")
    )


def test_the_writer_agrees_with_the_template_on_every_golden_call() -> None:
    """Claim: the calls of the recorded prompts stand in them as the writer writes them."""
    written = 0
    for golden in _goldens():
        for message in golden["messages"]:
            made = [entry["function"] for entry in message.get("tool_calls") or ()]
            if made and all(isinstance(call["arguments"], dict) for call in made):
                text = write_calls(Call(call["name"], call["arguments"]) for call in made)
                assert text in golden["text"]
                written += 1
    assert written > 40


@given(st.lists(calls_made, max_size=3))
def test_what_is_written_is_read_back(made: list[Call]) -> None:
    """Claim: reading undoes writing for every JSON value, types and all."""
    parsed = parse_reply(write_calls(made))
    assert parsed.defects == ()
    assert parsed.text == ""
    assert parsed.calls == tuple(made)
    assert [_typed(call.arguments) for call in parsed.calls] == [
        _typed(call.arguments) for call in made
    ]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (Call("f x"), "The tool name 'f x' cannot be written: a name is made of letters, digits "
         "and any of _ . $ @ / -."),
        (Call(""), "The tool name '' cannot be written: a name is made of letters, digits and any "
         "of _ . $ @ / -."),
        (Call("f", {"a": {"b c": 1}}), "f.a has the key 'b c': a name is made of letters, digits "
         "and any of _ . $ @ / -."),
        (Call("f", {"a": {1: 1}}), "f.a has a key of type 'int': a name is made of letters, "
         "digits and any of _ . $ @ / -."),
        (Call("f", {"a": ["x", "y<escape>"]}), "f.a[1] holds '<escape>', the token that would end "
         "its text."),
        (Call("f", {"a": math.inf}), "f.a is inf, which is no JSON value."),
        (Call("f", {"a": [math.nan]}), "f.a[0] is nan, which is no JSON value."),
        (Call("f", {"a": (1, 2)}), "f.a is of type 'tuple', which is no JSON value."),
        (Call("f", {"a": b"x"}), "f.a is of type 'bytes', which is no JSON value."),
        (Call("f", {"a": -(10**4300)}), "f.a is an integer of more than 4300 digits."),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)  # fmt: skip
def test_what_cannot_be_written_is_refused(call: Call, message: str) -> None:
    """Claim: the writer refuses what would not be read back, and names the argument."""
    with pytest.raises(CodecError) as caught:
        write_call(call)
    assert str(caught.value) == message


def test_depth_is_bounded_alike_in_reading_and_writing() -> None:
    """Claim: 100 levels are read and written, 101 are neither."""
    deepest: Json = []
    for _ in range(MAX_DEPTH - 1):
        deepest = [deepest]
    call = Call("f", {"a": deepest})
    assert parse_reply(write_call(call)).calls == (call,)
    with pytest.raises(CodecError) as caught:
        write_call(Call("f", {"a": [deepest]}))
    path = "f.a" + "[0]" * 100
    shown = f"{path[:49]}…{path[-50:]}"
    assert str(caught.value) == f"{shown} nests lists and objects more than 100 deep."


def test_the_longest_integer_is_written_and_read() -> None:
    """Claim: 4300 digits go both ways, with either sign."""
    call = Call("f", {"a": 10**4300 - 1, "b": 1 - 10**4300})
    assert parse_reply(write_call(call)).calls == (call,)


# Arguments as one JSON text


PLAIN = Tool("f", "F", {"type": "object", "properties": {"query": {"type": "string"}}})
OWN_ARGS = Tool("g", "G", {"type": "object", "properties": {"args": {"type": "string"}}})


@given(calls_made)
def test_unwrapping_undoes_wrapping(call: Call) -> None:
    """Claim: arguments come back the same from their JSON text, through a written reply too."""
    wrapped = wrap_args_json(call)
    (read,) = parse_reply(write_call(wrapped)).calls
    kept, defects = unwrap_args_json([read], [Tool(call.name)])
    assert kept == (call,)
    assert _typed(kept[0].arguments) == _typed(call.arguments)
    assert defects == ()


def test_the_args_json_form_is_that_of_the_guide() -> None:
    """Claim: one argument `args` holds plain JSON, other scripts unescaped."""
    wrapped = wrap_args_json(Call("search_google", {"query": "café 名", "n": [1, None, True]}))
    assert write_call(wrapped) == _block(
        'call:search_google{args:<escape>{"query": "café 名", "n": [1, null, true]}<escape>}'
    )


def test_other_calls_are_not_unwrapped() -> None:
    """Claim: a tool's own `args`, an undeclared tool, and other arguments pass as they are."""
    other = (
        Call("g", {"args": "{}"}),
        Call("unknown", {"args": "{}"}),
        Call("f", {"args": "{}", "query": "x"}),
        Call("f", {"args": {"query": "x"}}),
        Call("f", {"query": "x"}),
        Call("f"),
    )
    assert unwrap_args_json(other, [PLAIN, OWN_ARGS]) == (other, ())


@pytest.mark.parametrize(
    ("text", "offset", "what"),
    [
        ("", 0, "Expecting value"),
        ('{"a": 1,}', 8, "Expecting property name enclosed in double quotes"),
        ('{"a": 1} {}', 9, "Extra data"),
        ('{"a": NaN}', 0, "NaN is not in JSON"),
        ('{"a": -Infinity}', 0, "-Infinity is not in JSON"),
        ('{"a": 1e999}', 0, "the number '1e999' is too large"),
        ('{"a": ' + "7" * 5000 + "}", 0, "an integer of more than 4300 digits"),
        ("[1]", 0, "got a value of type 'list'"),
        ("null", 0, "got a value of type 'NoneType'"),
        ('"x"', 0, "got a value of type 'str'"),
        ('{"a": ' + "[" * 101 + "]" * 101 + "}", 0, "nested more than 100 deep"),
        ("[" * 500_000, 0, "nested more than 100 deep"),
        ('{"a":' * 200_000, 0, "nested more than 100 deep"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_a_text_that_is_no_json_object_is_a_defect(text: str, offset: int, what: str) -> None:
    """Claim: strict JSON objects alone are arguments; the rest is a defect and no call."""
    kept, (defect,) = unwrap_args_json([Call("f", {"args": text})], [PLAIN])
    assert kept == ()
    assert defect.offset == offset
    assert defect.reason == f"the args of 'f' are no JSON object: {what}"


def test_the_first_of_equal_keys_is_kept_in_json_too() -> None:
    """Claim: duplicate keys are treated as in a native call, nested ones as well."""
    text = '{"a": 1, "a": 2, "o": {"k": 1, "k": 2}}'
    kept, _ = unwrap_args_json([Call("f", {"args": text})], [PLAIN])
    assert kept == (Call("f", {"a": 1, "o": {"k": 1}}),)


@given(st.text() | st.text('{}[]":,0123eE.-truefalsn \\u', max_size=30))
def test_unwrapping_is_total(text: str) -> None:
    """Claim: any text of `args` ends as a call or as a defect with an offset inside the text."""
    kept, defects = unwrap_args_json([Call("f", {"args": text})], [PLAIN])
    assert len(kept) + len(defects) == 1
    assert all(0 <= defect.offset <= len(text) for defect in defects)


@pytest.mark.parametrize(
    "value", [math.nan, {1: 2}, (1,), object(), 10**4300], ids=lambda value: type(value).__name__
)
def test_what_json_would_change_is_not_wrapped(value: Any) -> None:
    """Claim: arguments that would not come back the same are refused."""
    with pytest.raises(CodecError, match=r"^The arguments of f are no JSON: "):
        wrap_args_json(Call("f", {"a": value}))


# Tokens and prompts


def test_the_stop_and_special_tokens_are_control_tokens() -> None:
    """Claim: the stop ids are 106, 50 and 1; the call and escape tokens are not special."""
    assert [CONTROL_TOKENS[token] for token in STOP_TOKENS] == [106, 50, 1]
    assert sorted(CONTROL_TOKENS[token] for token in SPECIAL_TOKENS) == (
        [0, 1, 2, 3, 50, 105, 106, 262144, 262145]
    )


def _goldens() -> list[dict[str, Any]]:
    with GOLDENS.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def test_prompts_are_rendered_as_recorded() -> None:
    """Claim: the default template gives the recorded prompts that end in the model's turn."""
    rendered = 0
    for golden in _goldens():
        declared = [entry["function"] for entry in golden["tools"] or ()]
        fields = {"name", "description", "parameters"}
        if golden["add_generation_prompt"] and all(set(tool) == fields for tool in declared):
            tools = [Tool(**tool) for tool in declared]
            assert render_prompt(golden["messages"], tools) == golden["text"]
            rendered += 1
    assert rendered > 40


def test_a_prompt_without_tools_has_no_declarations() -> None:
    """Claim: the developer turn and the user's are all there is."""
    messages = [{"role": "developer", "content": DEVELOPER}, {"role": "user", "content": "hi"}]
    assert render_prompt(messages, []) == (
        f"<bos><start_of_turn>developer\n{DEVELOPER}<end_of_turn>\n"
        "<start_of_turn>user\nhi<end_of_turn>\n<start_of_turn>model\n"
    )


def test_a_template_has_what_transformers_gives_it() -> None:
    """Claim: the tokens, the filter and the functions are there, and JSON is not escaped."""
    template = "{{ bos_token }}{{ eos_token }}{{ {'k': 'é<'} | tojson }}{{ strftime_now('%%') }}"
    assert render_prompt([], [], template) == '<bos><eos>{"k": "é<"}%'


@pytest.mark.parametrize(
    ("template", "what"),
    [
        ("{{ raise_exception('No tools here.') }}", "No tools here."),
        ("{{ 1 // 0 }}", "integer division or modulo by zero"),
        ("{% if %}", "Expected an expression, got 'end of statement block'"),
        ("{{ messages.append(1) }}", "<class 'list'>.append is not safely callable"),
        ("{{ nothing.there }}", "'nothing' is undefined"),
    ],
)
def test_a_failing_template_is_a_sentence(template: str, what: str) -> None:
    """Claim: whatever a template raises becomes a BackendError that says it."""
    with pytest.raises(BackendError) as caught:
        render_prompt([], [], template)
    assert str(caught.value).startswith("The chat template cannot render this conversation: ")
    assert what.split("<")[0] in str(caught.value)


def test_what_a_template_marks_for_training_is_rendered() -> None:
    """`{% generation %}`, which transformers adds, is passed through; its variables stay inside."""
    template = "{% set a = 1 %}{% generation %}{% set a = 2 %}{{ a }}{% endgeneration %}{{ a }}"
    assert render_prompt([], [], template) == "21"


def test_a_missing_template_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: without its file the default template is an error that names the file."""
    gone = tmp_path / "chat_template.jinja"
    monkeypatch.setattr(functiongemma, "TEMPLATE", gone)
    with pytest.raises(BackendError) as caught:
        render_prompt([], [])
    assert str(caught.value) == (
        f"The chat template {gone} cannot be read: "
        f"[Errno 2] No such file or directory: {str(gone)!r}."
    )
