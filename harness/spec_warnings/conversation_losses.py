"""What FunctionGemma's chat template garbles of a conversation: found before a model is asked.

The rules are those that the official template (13,792 bytes) shows when it is rendered. A model's
turn stays open from its calls through their results; whatever comes next closes it, or does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from harness.cases import Json
from harness.json_values import shown
from harness.spec_warnings.template_losses import Loss, prompt_losses
from harness.wording import cut

Turn = Mapping[str, Any]
_OTHER_WORDS: Final = "write it in other words"


def conversation_losses(messages: Sequence[Turn]) -> Iterator[Loss]:
    """The losses of a conversation; the path of each starts with the index of a turn."""
    for place, turn in enumerate(messages):
        yield from _turn_losses(messages, place)
        if turn.get("tool_calls"):
            yield from _call_losses(messages, place)
        for key in ("content", "tool_calls"):
            for path, text in _texts(turn.get(key), (place, key)):
                for what in prompt_losses(text) if "<" in text else ():
                    yield Loss(path, what, _OTHER_WORDS, "control-token")


def _turn_losses(messages: Sequence[Turn], place: int) -> Iterator[Loss]:
    """What is lost of a turn by what it holds, and by the turn before it."""
    turn = messages[place]
    role, content = turn["role"], turn.get("content")
    if role == "tool" and not content:
        what = "The template shows nothing of an empty result."
        hint = "say what came back, in words or as a mapping: `{found: 0}`"
        yield Loss((place, "content"), what, hint, "empty-result")
    if role in ("user", "assistant") and not turn.get("tool_calls") and not _filled(content):
        speaker = "model" if role == "assistant" else "user"
        what = f"The turn is empty: the {speaker} is shown as saying nothing."
        yield Loss((place, "content"), what, "leave it out, or write what was said", "empty-turn")
    if role == "user" and place and messages[place - 1]["role"] == "tool":
        what = (
            "The template glues a user turn right after a result to that result, inside the "
            "model's turn: the model sees no user speak."
        )
        hint = "write between the two what the assistant answered to the result"
        yield Loss((place,), what, hint, "glued-turn")


def _filled(content: Json) -> bool:
    return bool(content.strip()) if isinstance(content, str) else bool(content)


def _call_losses(messages: Sequence[Turn], place: int) -> Iterator[Loss]:
    """The calls of a turn held against the results that follow it, tool by tool."""
    calls = [call["function"]["name"] for call in messages[place]["tool_calls"]]
    results: dict[int, str] = {}
    for after in range(place + 1, len(messages)):
        if messages[after]["role"] != "tool":
            break
        results[after] = messages[after]["name"]
    if not results:
        what = (
            "No result follows the call, so the template leaves the turn open, with neither "
            "'<start_function_response>' nor '<end_of_turn>' behind it."
        )
        hint = "add the tool's result, and what the assistant answered to it"
        yield Loss((place, "tool_calls"), what, hint, "unanswered-call")
        return
    open_calls = Counter(calls)
    for after, name in results.items():
        if not open_calls[name]:
            what = f"The result is of {shown(name)}, and no call of it is left to answer."
            made = cut(" and ".join(calls), 200)
            yield Loss((after, "name"), what, f"called are: {made}", "stray-result")
        open_calls[name] -= open_calls[name] > 0
    for at, name in enumerate(calls):
        if open_calls[name] and calls[at + 1 :].count(name) < open_calls[name]:
            what = f"The call of {shown(name)} is left without a result."
            yield Loss((place, "tool_calls", at), what, "give every call one", "unanswered-call")


def _texts(value: Json, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every text inside a JSON value, keys too, and where it stands."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, member in value.items():
            yield (*path, name), name
            yield from _texts(member, (*path, name))
    elif isinstance(value, list):
        for at, member in enumerate(value):
            yield from _texts(member, (*path, at))
