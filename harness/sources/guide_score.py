"""The score of Google's FunctionGemma tuning guide: is the right tool named, and no other?

It looks for names anywhere in the reply. So a refusal that names the right tool passes it, as
does a call that cannot be read, or whose arguments are invalid; and a right call whose text also
names the other tool fails it. `disagreements` lists where it says other than the verdict.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.cases import AnyCall, Calls, Case, Expectation, NoCall, OneOf, Outcome, Reply, Verdict


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A verdict that the guide's score contradicts: `guide` is what the score says of the reply."""

    verdict: Verdict
    guide: bool

    def __str__(self) -> str:
        ours, case = self.verdict, self.verdict.case
        if self.guide:
            names = " and ".join(_expected(case.expect)) or "no tool"
            what = ours.miss.value if ours.miss else ours.outcome.value
            return f"{case.id}: the guide's score passes it, as it names {names}: {what}"
        return f"{case.id}: the guide's score fails it for the names in it, and it is right"


def guide_score(case: Case, reply: Reply) -> bool:
    """Whether the reply names every expected tool and no other declared one, as a piece of text.

    The guide expects one tool of two. For other cases this says the same of all tools: of
    `one_of` any alternative will do, for `any_call` any tool.
    """
    declared = {tool.name for tool in case.tools}
    return _scored(case.expect, declared, reply.text)


def disagreements(verdicts: Iterable[Verdict]) -> list[Disagreement]:
    """The verdicts that the score contradicts, in order; errors and skips are no verdicts."""
    judged = [one for one in verdicts if one.outcome in (Outcome.PASS, Outcome.FAIL)]
    scored = [(one, guide_score(one.case, one.reply)) for one in judged]
    return [Disagreement(one, guide) for one, guide in scored if guide != _passed(one)]


def _passed(verdict: Verdict) -> bool:
    return verdict.outcome is Outcome.PASS


def _scored(expect: Expectation, declared: set[str], text: str) -> bool:
    if isinstance(expect, OneOf):
        return any(_scored(option, declared, text) for option in expect.options)
    if isinstance(expect, AnyCall):
        return any(name in text for name in declared)
    wanted = set(_expected(expect))
    return all(name in text for name in wanted) and not any(
        name in text for name in declared - wanted
    )


def _expected(expect: Expectation) -> tuple[str, ...]:
    """The names of the expected tools, of the first alternative."""
    if isinstance(expect, OneOf):
        return _expected(expect.options[0])
    if isinstance(expect, NoCall | AnyCall):
        return ()
    calls: Calls = expect
    return tuple(dict.fromkeys(call.tool for call in calls.calls))
