"""Fake back ends with one personality each, for tests of what stands around a back end.

Each satisfies `harness.backends.Backend`. The replies are fixed texts, or come from gold calls.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.cases import Case, Reply, Request
from harness.errors import BackendError
from harness.functiongemma import wrap_args_json, write_calls
from harness.gold import gold_calls

Replies = Callable[[Sequence[Request]], Iterator[tuple[int, Reply]]]


@dataclass(frozen=True)
class Miniature:
    """A back end made of one function."""

    label: str
    replies: Replies
    fingerprint: str = "miniature"


def gold_reply(case: Case) -> str:
    """What a model that knows the spec would answer: the gold calls, or the case's own text."""
    gold = gold_calls(case.expect, case.tools)
    if not gold:
        return f"{case.reply or 'There is nothing to call.'}<end_of_turn>"
    calls = [wrap_args_json(call) for call in gold] if case.target == "args_json" else gold
    return f"{write_calls(calls)}<start_function_response>"


def always_right(cases: Iterable[Case]) -> Miniature:
    """Answers each case with its gold."""
    texts = {case.ref: gold_reply(case) for case in cases}
    return Miniature("always right", _each(lambda request: Reply(texts[request.case])))


def says(text: str, label: str = "says the same") -> Miniature:
    """Answers every request with this text."""
    return Miniature(label, _each(lambda _: Reply(text)))


def says_nothing() -> Miniature:
    """Answers every request with an empty text."""
    return says("", "says nothing")


def malformed() -> Miniature:
    """Opens a call and never ends it."""
    return says("<start_function_call>call:search{query:<escape>", "malformed")


def crashes(after: int) -> Miniature:
    """Gives up with a BackendError after so many replies."""

    def replies(requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        yield from ((index, Reply("Hello.")) for index in range(min(after, len(requests))))
        raise BackendError("the accelerator ran out of memory")

    return Miniature("crashes", replies)


def raises_bug(after: int) -> Miniature:
    """Breaks with an exception that nobody planned, after so many replies."""

    def replies(requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        yield from ((index, Reply("Hello.")) for index in range(min(after, len(requests))))
        raise ZeroDivisionError("division by zero")

    return Miniature("raises a bug", replies)


def forgets(index_kept: int) -> Miniature:
    """Answers one request only, and ends as if all were well."""

    def replies(requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        yield index_kept, Reply("Hello.")

    return Miniature("forgets", replies)


def repeats() -> Miniature:
    """Answers the first request twice."""

    def replies(requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        yield 0, Reply("Hello.")
        yield 0, Reply("Hello again.")

    return Miniature("repeats", replies)


def backwards() -> Miniature:
    """Answers the last request first, and names each in its answer."""

    def replies(requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        for index in reversed(range(len(requests))):
            yield index, Reply(f"{requests[index].case}<end_of_turn>")

    return Miniature("backwards", replies)


def slow(seconds: float, inner: Miniature) -> Miniature:
    """Thinks for a while before each reply of another back end."""

    def replies(requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        for index, reply in inner.replies(requests):
            time.sleep(seconds)
            yield index, reply

    return Miniature(f"slow: {inner.label}", replies)


def _each(answer: Callable[[Request], Reply]) -> Replies:
    def replies(requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        for index, request in enumerate(requests):
            yield index, answer(request)

    return replies
