"""What the template garbles of a conversation is said where it stands, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cases import DEVELOPER
from harness.loading import load_spec

HEAD = """\
tools:
  - {name: find, parameters: {q: {type: string}}}
  - {name: clock}
cases:
  - {id: f, prompt: Find eggs., expect: find}
  - {id: c, prompt: The time?, expect: clock}
  - id: a
    expect: no_call
    messages:
      - {role: user, content: Find it.}
"""
CALL = "{role: assistant, tool_calls: [{name: find, arguments: {q: it}}]}"
TWO = "{role: assistant, tool_calls: [{name: find, arguments: {q: it}}, {name: find}]}"
RESULT = "{role: tool, name: find, content: It.}"
ANSWER = "{role: assistant, content: Here.}"
MORE = "{role: user, content: More.}"
OPEN = (
    "No result follows the call, so the template leaves the turn open, with neither "
    "'<start_function_response>' nor '<end_of_turn>' behind it (add the tool's result, and what "
    "the assistant answered to it)"
)
GLUED = (
    "The template glues a user turn right after a result to that result, inside the model's turn: "
    "the model sees no user speak (write between the two what the assistant answered to the result)"
)
EMPTY = (
    "The template shows nothing of an empty result (say what came back, in words or as a mapping: "
    "`{found: 0}`)"
)


def loaded(folder: Path, *turns: str, head: str = HEAD) -> tuple[list[str], list[str]]:
    """The problems and the warnings of a spec whose last case has these turns, without excerpts."""
    file = folder / "a.spec.yaml"
    file.write_text(head + "".join(f"      - {turn}\n" for turn in turns), encoding="utf-8")
    read = load_spec(file, "a")
    return tuple(  # type: ignore[return-value]
        [str(one).split("\n")[0] for one in found] for found in (read.problems, read.warnings)
    )


@pytest.mark.parametrize(
    "turns",
    [
        [CALL, RESULT],
        [TWO, RESULT, RESULT],
        [CALL, RESULT, ANSWER, MORE],
        [CALL, RESULT, CALL, RESULT],
        [CALL.replace("tool_calls", "content: '', tool_calls"), RESULT],
        [ANSWER, MORE],
        [CALL, "{role: tool, name: find, content: {n: null, l: [], b: <b>}}"],
    ],
)
def test_a_sound_conversation_has_no_warning(tmp_path: Path, turns: list[str]) -> None:
    """One result a call, an answer before the user speaks again: nothing to say."""
    assert loaded(tmp_path, *turns) == ([], [])


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ([CALL, RESULT, MORE], [f"a:13:9: case a, messages[3]: {GLUED}"]),
        ([CALL, MORE], [f"a:11:39: case a, messages[1].tool_calls: {OPEN}"]),
        ([CALL, CALL, RESULT], [f"a:11:39: case a, messages[1].tool_calls: {OPEN}"]),
        ([CALL, ANSWER, MORE], [f"a:11:39: case a, messages[1].tool_calls: {OPEN}"]),
        (
            [TWO, RESULT],
            [
                "a:11:74: case a, messages[1].tool_calls[1]: The call of 'find' is left without a "
                "result (give every call one)"
            ],
        ),
        (
            [CALL, "{role: tool, name: clock, content: nine}"],
            [
                "a:11:40: case a, messages[1].tool_calls[0]: The call of 'find' is left without a "
                "result (give every call one)",
                "a:12:28: case a, messages[2].name: The result is of 'clock', and no call of it is "
                "left to answer (called are: find)",
            ],
        ),
        (
            [CALL, RESULT, RESULT],
            [
                "a:13:28: case a, messages[3].name: The result is of 'find', and no call of it is "
                "left to answer (called are: find)"
            ],
        ),
        (
            [CALL, "{role: tool, name: find, content: ''}"],
            [f"a:12:43: case a, messages[2].content: {EMPTY}"],
        ),
        (
            [CALL, "{role: tool, name: find, content: {}}"],
            [f"a:12:43: case a, messages[2].content: {EMPTY}"],
        ),
        (
            ["{role: assistant, content: ''}", "{role: user, content: ' '}"],
            [
                "a:11:36: case a, messages[1].content: The turn is empty: the model is shown as "
                "saying nothing (leave it out, or write what was said)",
                "a:12:31: case a, messages[2].content: The turn is empty: the user is shown as "
                "saying nothing (leave it out, or write what was said)",
            ],
        ),
    ],
)
def test_a_loss_is_told_at_its_turn(tmp_path: Path, turns: list[str], expected: list[str]) -> None:
    """Each has its sentence, its advice and its place."""
    assert loaded(tmp_path, *turns) == ([], expected)


@pytest.mark.parametrize(
    ("turns", "place"),
    [
        (
            [CALL, "{role: tool, name: find, content: a <eos>}"],
            "12:43: case a, messages[2].content",
        ),
        (
            [CALL, "{role: tool, name: find, content: {a: [b, {c: <eos>}]}}"],
            "12:55: case a, messages[2].content.a[1].c",
        ),
        (
            [CALL, "{role: tool, name: find, content: {<eos>: 1}}"],
            "12:51: case a, messages[2].content.<eos>",
        ),
        (
            [CALL.replace("it", "<eos>"), RESULT],
            "11:68: case a, messages[1].tool_calls[0].arguments.q",
        ),
        (
            [CALL.replace("[{", "[{function: {").replace("it}}", "<eos>}}}"), RESULT],
            "11:79: case a, messages[1].tool_calls[0].function.arguments.q",
        ),
        ([ANSWER, "{role: user, content: <eos>}"], "12:31: case a, messages[2].content"),
    ],
)
def test_control_tokens_are_found_anywhere(tmp_path: Path, turns: list[str], place: str) -> None:
    """In texts, in the values and the keys of results, and in the arguments of calls."""
    what = (
        "The text holds '<eos>', which the tokenizer reads as that control token (write it in "
        "other words)"
    )
    assert loaded(tmp_path, *turns) == ([], [f"a:{place}: {what}"])


def test_turns_that_variables_made(tmp_path: Path) -> None:
    """What `each` filled in is told at the place that it was filled into."""
    head = HEAD.replace(
        "    messages:",
        "    each: [{t: {role: user, content: Hi.}, c: [{name: find, arguments: {q: <eos>}}]}]\n"
        "    messages:",
    )
    turns = ["{role: assistant, tool_calls: $(c)}", RESULT, ANSWER, "$(t)"]
    (problems, (warning,)) = loaded(tmp_path, *turns, head=head)
    assert problems == []
    assert warning.startswith("a:12:39: case a.")
    assert ", messages[1].tool_calls: The text holds '<eos>'" in warning


def test_a_developer_turn_of_ones_own(tmp_path: Path) -> None:
    """The places are right with a developer turn in the messages, too."""
    head = HEAD.removesuffix("      - {role: user, content: Find it.}\n")
    turns = [
        f"{{role: developer, content: {DEVELOPER}}}",
        "{role: user, content: Find it.}",
        CALL,
        RESULT,
        MORE,
    ]
    assert loaded(tmp_path, *turns, head=head) == ([], [f"a:14:9: case a, messages[4]: {GLUED}"])


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        (
            [RESULT],
            "a:11:16: case a, messages[1].role: a result of no call: the turn before it makes none "
            "(put the assistant's turn with the call before it)",
        ),
        (
            [ANSWER, RESULT],
            "a:12:16: case a, messages[2].role: a result of no call: the turn before it makes none "
            "(put the assistant's turn with the call before it)",
        ),
        (
            [CALL, "{role: tool, name: find, content: {name: Ann, response: {n: 1}}}"],
            "a:12:43: case a, messages[2].content: chat templates take `name` and `response` for a "
            "tool's name and its result (put the result inside: `{value: {name: …, response: …}}`)",
        ),
        (
            [CALL, "{role: tool, name: find, content: {name: find, response: yes}}"],
            "a:12:43: case a, messages[2].content: chat templates take `name` and `response` for a "
            "tool's name and its result (put the result inside: `{value: {name: …, response: …}}`)",
        ),
        (
            [CALL, "{role: tool, name: find, content: [a]}"],
            "a:12:43: case a, messages[2].content: found ['a'], expected a text, or for `tool` a "
            "text or a mapping",
        ),
        (
            [CALL, "{role: tool, name: find, content: null}"],
            "a:12:43: case a, messages[2].content: found null, expected a text, or for `tool` a "
            "text or a mapping",
        ),
    ],
)
def test_what_can_only_be_nonsense(tmp_path: Path, turns: list[str], expected: str) -> None:
    """A result in nobody's turn, and a result that no template would show, are errors."""
    assert loaded(tmp_path, *turns) == ([expected], [])


def test_the_same_words_after_other_calls_are_another_question(tmp_path: Path) -> None:
    """Two conversations that differ in a call or in a result's tool are no duplicates."""
    case = "  - id: {}\n    expect: no_call\n    messages:\n"
    asked = "      - {{role: user, content: Find it.}}\n"
    looked = "      - {{role: assistant, content: I look., tool_calls: [{{name: {}}}]}}\n"
    result = "      - {{role: tool, name: {}, content: It.}}\n"
    more = "".join(
        (case + asked + looked + result).format(name, tool, tool)
        for name, tool in (("x", "find"), ("y", "clock"))
    )
    head = HEAD.partition("  - id: a")[0] + more
    assert loaded(tmp_path, head=head) == ([], [])
