"""What may be wrong with the gold of a sound case: values that miss, queries that do not find."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from harness.cases import NO_GOLD, Calls, Case, Expectation, ExpectedCall, Matcher, OneOf
from harness.gold import gold_calls
from harness.retrieval.following import found_by, not_found
from harness.values.safe_regex import RegexTimeout
from harness.values.schemas import UnusableSchema

_HINT: Final = "trained on it, the model misses this case"


def gold_warnings(case: Case) -> Iterator[tuple[str, str]]:
    """What is wrong, and a hint: a `$gold` that its own operators refuse, a page it cannot find."""
    for call in all_calls(case.expect) if case.compare != "tool" else ():
        for name, matcher in (call.arguments or {}).items():
            if problem := _misses(matcher):
                yield f"the gold of {call.tool}'s {name} would not pass: {problem}", _HINT
    gold = gold_calls(case.expect, case.tools) if case.finds is not None else None
    if gold and case.finds is not None:
        problem = not_found(case.finds, found_by(case, gold))
        if problem:
            yield f"the gold call does not find its page: {problem}", _HINT


def all_calls(expect: Expectation) -> Iterator[ExpectedCall]:
    """All calls that an expectation speaks of."""
    if isinstance(expect, OneOf):
        for option in expect.options:
            yield from all_calls(option)
    elif isinstance(expect, Calls):
        yield from expect.calls


def _misses(matcher: Matcher) -> str | None:
    if matcher.gold is NO_GOLD or matcher.absent:
        return None
    try:
        return matcher.problem(matcher.gold)
    except (RegexTimeout, UnusableSchema) as error:
        return str(error)
