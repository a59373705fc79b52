"""Replies taken apart: which blocks are calls, and what the others lack."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.call_grammar import is_name
from harness.cases import Call, Json
from harness.functiongemma import STOP_TOKENS, parse_reply, write_call, write_calls

START, END, ESCAPE = "<start_function_call>", "<end_function_call>", "<escape>"

fragments = st.lists(
    st.sampled_from(
        [
            *(START, END, ESCAPE, *STOP_TOKENS, "<start_of_turn>", "call:", "f", "a", "call:f{a:"),
            *("{", "}", "[", "]", ":", ",", " ", "\n", '"', "1", "-1.5e3", "true", "None", "é"),
        ]
    )
    | st.text(max_size=3),
    max_size=40,
).map("".join)


calls_made = st.builds(
    Call,
    st.sampled_from(["f", "g.h", "i-j"]),
    st.dictionaries(
        st.sampled_from(["a", "b", "c"]),
        st.none() | st.integers() | st.sampled_from(["", "x", END, "}", f"{START}call:f{END}"]),
    ),
)


def _block(body: str) -> str:
    return f"{START}{body}{END}"


def _typed(value: Json) -> Json:
    """The value with its types: `1`, `1.0` and `True` are told apart, and so are zeros."""
    if isinstance(value, dict):
        return {key: _typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed(item) for item in value]
    return (type(value).__name__, str(value))


def _the_defect(text: str) -> str:
    parsed = parse_reply(text)
    assert parsed.calls == ()
    (defect,) = parsed.defects
    assert 0 <= defect.offset <= len(text)
    return defect.reason


@pytest.mark.parametrize(
    ("body", "arguments"),
    [
        ("call:f", {}),
        ("call:f{}", {}),
        (" call: f { } ", {}),
        ("call:f{a:<escape>Tokyo, Japan<escape>}", {"a": "Tokyo, Japan"}),
        ("call:f{a:<escape><escape>}", {"a": ""}),
        ("call:f{\n  a: 1,\n  b: [ 1 , 2 ]\n}\n", {"a": 1, "b": [1, 2]}),
        ("call:f{a:1000,b:1000.0,c:1e3,d:-0.5}", {"a": 1000, "b": 1000.0, "c": 1000.0, "d": -0.5}),
        ("call:f{a:true,b:false,c:null,d:None}", {"a": True, "b": False, "c": None, "d": None}),
        ("call:f{a:{k1:{},k2:[[],[{}]]}}", {"a": {"k1": {}, "k2": [[], [{}]]}}),
        ("call:f{to:1,subject:2}", {"to": 1, "subject": 2}),
        ("call:f{a:1,a:2,o:{k:1,k:2}}", {"a": 1, "o": {"k": 1}}),
        ("call:f{user-id.x:1,@type:2,$k:3,a/b:4,名:5,की:6}", {"user-id.x": 1, "@type": 2}
         | {"$k": 3, "a/b": 4, "名": 5, "की": 6}),
        (f"call:f{{a:<escape>}}{END}{START}<eos>\n\"{{<escape>}}", {"a": f'}}{END}{START}'
         '<eos>\n"{'}),
    ],
)  # fmt: skip
def test_a_well_formed_block_is_a_call(body: str, arguments: dict[str, Json]) -> None:
    """Claim: the grammar's forms are read, with the types of their values."""
    parsed = parse_reply(_block(body))
    assert parsed.defects == ()
    (call,) = parsed.calls
    assert call.name == "f"
    assert _typed(call.arguments) == _typed(arguments)
    assert parsed.first_block == _block(body)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("call:f{a:1,}", "expected the name of an argument, got '}'"),
        ("call:f{a:[1,]}", "expected a value, got ']'"),
        ("call:", f"expected the name of a tool, got {END!r}"),
        ("call:{a:1}", "expected the name of a tool, got '{'"),
        ("", f"expected 'call:', got {END!r}"),
        ("response:f{}", "expected 'call:', got 'response'"),
        ('{"name": "f"}', "expected 'call:', got '{'"),
        ('call:f{a:"x"}', "expected a value, got '\"'"),
        ('call:f{"a":1}', "expected the name of an argument, got '\"'"),
        ("call:f{<escape>a<escape>:1}", "expected the name of an argument, got '<escape>'"),
        ("call:f{a}", "expected ':', got '}'"),
        ("call:f{a:}", "expected a value, got '}'"),
        ("call:f{a:red}", "'red' is no value; a text stands between '<escape>' tokens"),
        ("call:f{a:True}", "'True' is no value; a text stands between '<escape>' tokens"),
        ("call:f{a:01}", "'01' is no value; a text stands between '<escape>' tokens"),
        ("call:f{a:NaN}", "'NaN' is no value; a text stands between '<escape>' tokens"),
        ("call:f{a:٣}", "'٣' is no value; a text stands between '<escape>' tokens"),
        ("call:f{a:1 2}", "expected ',' or '}', got '2'"),
        ("call:f{a:[1 2]}", "expected ',' or ']', got '2'"),
        ("call:f{a:1e999}", "the number '1e999' is too large"),
        (f"call:f{{a:{'7' * 5000}}}", "an integer of more than 4300 digits"),
        ("call:f{a:1", f"expected ',' or '}}', got {END!r}"),
        ("call:f{a:1}}", f"expected {END!r}, got '}}'"),
        ("call:f(a=1)", "expected '{' or '<end_function_call>', got '('"),
        ("call: turn off\n\nprose", "expected '{' or '<end_function_call>', got 'off'"),
        ("call:f{a:<escape>x}", "a text that opens with '<escape>' and is never closed"),
        (f"call:f{{a:{'[' * 101}", "lists and objects nested more than 100 deep"),
    ],
)
def test_a_malformed_block_is_a_defect(body: str, reason: str) -> None:
    """Claim: what leaves the grammar is no call, and the reason says what stood there."""
    assert _the_defect(_block(body)) == reason
    assert parse_reply(_block(body)).first_block == _block(body)
    assert not parse_reply(_block(body)).defects[0].unterminated


@pytest.mark.parametrize(
    "cut", ["", "call", "call:f", "call:f{a:", "call:f{a:<escape>x", "call:f{a:1}", 'call:f{a:"x']
)
@pytest.mark.parametrize("after", ["", *STOP_TOKENS])
def test_a_block_without_an_end_is_unterminated(cut: str, after: str) -> None:
    """Claim: a block cut by the end of the reply is an unterminated defect, never a call."""
    parsed = parse_reply(START + cut + after)
    assert parsed.calls == ()
    assert [defect.unterminated for defect in parsed.defects] == [True]
    assert parsed.first_block == START + cut
    assert parsed.text == ""


def test_an_unclosed_text_is_cut_by_the_stop_token() -> None:
    """Claim: the reference's `</h1>` reply is one unterminated defect, without text or call."""
    reply = f"{START}call:f{{body:{ESCAPE}<h1>Hi</h1><end_of_turn>"
    parsed = parse_reply(reply)
    assert _the_defect(reply) == "a text that opens with '<escape>' and is never closed"
    assert parsed.first_block == reply.removesuffix("<end_of_turn>")
    assert parsed.text == ""


def test_reading_goes_on_after_a_defect() -> None:
    """Claim: a defect costs its own block; the ones after it are calls."""
    good = _block("call:g{a:1}")
    for bad in (_block('call:f{a:"x"}'), f"{START}call:f{{a:1", f"{START}call:f{{a:{ESCAPE}x"):
        parsed = parse_reply(bad + good)
        assert parsed.calls == (Call("g", {"a": 1}),)
        assert len(parsed.defects) == 1
        assert parsed.first_block == bad
        assert parsed.blocks == (bad, good)


def test_a_stray_end_is_a_defect() -> None:
    """Claim: an end token without a start is a defect, and no text."""
    parsed = parse_reply(f"Sure. {END} Done. {_block('call:f')}")
    assert parsed.calls == (Call("f"),)
    (defect,) = parsed.defects
    assert defect.offset == 6
    assert defect.reason == "'<end_function_call>' without a '<start_function_call>'"
    assert not defect.unterminated
    assert parsed.text == "Sure.  Done."


@pytest.mark.parametrize("stop", STOP_TOKENS)
def test_a_reply_ends_at_its_first_stop_token(stop: str) -> None:
    """Claim: nothing behind a stop token counts; a stop token inside an escaped text is text."""
    call = Call("f", {"a": f"x{stop}y"})
    parsed = parse_reply(f" Hm. {write_call(call)}{stop} Ignored. {_block('call:g')}")
    assert parsed.calls == (call,)
    assert parsed.defects == ()
    assert parsed.text == "Hm."


def test_text_and_parallel_calls_stand_side_by_side() -> None:
    """Claim: blocks come in order, text is what is outside of them, and a tool need not exist."""
    parsed = parse_reply(f"<think>no</think>{_block('call:f{a:1}')}{_block('call:g')}\n")
    assert parsed.calls == (Call("f", {"a": 1}), Call("g"))
    assert parsed.text == "<think>no</think>"
    assert parsed.first_block == _block("call:f{a:1}")
    assert parsed.blocks == (_block("call:f{a:1}"), _block("call:g"))
    assert parse_reply("").calls == ()
    assert parse_reply("I cannot help.<end_of_turn>\n").text == "I cannot help."


@given(st.text() | fragments)
@example("\ud800" + START + "call:\ud800")
@example(START + "call:f{a:\0}")
@example(ESCAPE + START + ESCAPE)
@settings(max_examples=400)
def test_reading_is_total(text: str) -> None:
    """Claim: any text is taken apart; offsets lie inside it; each call has a block of its own."""
    parsed = parse_reply(text)
    assert all(0 <= defect.offset <= len(text) for defect in parsed.defects)
    assert len(parsed.calls) <= min(text.count(START), text.count(END))
    assert all(block in text for block in parsed.blocks)
    assert sum(map(len, parsed.blocks)) <= len(text)
    assert parsed.first_block == "".join(parsed.blocks[:1])
    stops = [text.index(stop) for stop in STOP_TOKENS if stop in text]
    assert bool(parsed.first_block) == (
        START in text and text.index(START) < min(stops, default=1e9)
    )
    assert parse_reply(write_calls(parsed.calls)).calls == parsed.calls


@given(st.lists(calls_made, max_size=3), st.data())
def test_a_call_lies_in_a_block_that_is_well_formed_alone(made: list[Call], data: Any) -> None:
    """Claim: a reply damaged in one place has only calls that some block of it holds by itself."""
    text = write_calls(made)
    at = data.draw(st.integers(0, len(text)))
    damage = data.draw(st.sampled_from(["", '"', "}", ESCAPE, END, START, "<eos>", ","]))
    reply = text[:at] + damage + text[at + data.draw(st.integers(0, 3)) :]
    starts = [n for n in range(len(reply)) if reply.startswith(START, n)]
    alone = [parse_reply(reply[start:]) for start in starts]
    firsts = [write_call(parsed.calls[0]) for parsed in alone if parsed.calls]
    for call in parse_reply(reply).calls:
        assert write_call(call) in firsts


@pytest.mark.parametrize(
    "text",
    [
        START * 50_000,
        END * 50_000,
        START + "call:f{a:" + "[" * 1_000_000,
        START + "call:f{a:" + "{a:" * 300_000,
        (START + "call:f{a:" + "[" * 120) * 5_000,
        (START + "call:f{a:" + ESCAPE) * 30_001,
        START + "call:f{a:" + "9" * 1_000_000,
        START + "call:f{a:0." + "1" * 1_000_000 + "}" + END,
        START + "call:f{a:1." + "1" * 1_000_000 + "x",
        START + "call:" + "f" * 1_000_000,
        START + " \n" * 500_000,
        START + "call:f{" + "a:1," * 250_000,
        "<" * 1_000_000,
        "\0" * 1_000_000,
        (START + "call:f{a:1}" + END) * 25_000,
    ],
    ids=lambda text: f"{text[:40]!r}",
)
def test_long_hostile_replies_are_read(text: str) -> None:
    """Claim: a megabyte of one thing, or very deep nesting, is read to its end."""
    parsed = parse_reply(text)
    assert len(parsed.calls) + len(parsed.defects) >= (START in text or END in text)
    assert all(len(defect.reason) < 200 for defect in parsed.defects)


@given(
    st.text(
        alphabet=st.characters(codec="utf-8") | st.sampled_from("a_.$@/-\u0301\u0903²"), max_size=4
    )
)
def test_a_name_is_letters_marks_and_digits_of_any_script(text: str) -> None:
    """What the grammar says of names, character by character."""
    good = [c in "_.$@/-" or unicodedata.category(c)[0] in "LMN" for c in text]
    assert is_name(text) is (bool(text) and all(good))
