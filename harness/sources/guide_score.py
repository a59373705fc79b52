"""The score of Google's FunctionGemma tuning guide: is the right tool named, and no other?

It looks for names anywhere in the reply. So a refusal that names the right tool passes it, as
does a call that cannot be read, or whose arguments are invalid; and a right call whose text also
names the other tool fails it. It is counted from the verdicts of a run log alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.gold import ANY_CALL
from harness.sources.simple_tool_calling import FORMAT, TOOLS
from harness.wording import count

GUIDE: Final = FORMAT.name
_TOOLS: Final = frozenset(str(tool["name"]) for tool in TOOLS)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A case of which the guide's score says other than the verdict; `words` say why."""

    case: str
    passes: bool
    words: str


@dataclass(frozen=True, slots=True)
class GuideScore:
    """Of `n` replies, `passed` pass the guide's score and `ours` are right; `words` say both."""

    passed: int
    ours: int
    n: int
    disagreements: tuple[Disagreement, ...]
    words: str


def of_the_guide(source: str | None, tools: Collection[str]) -> bool:
    """Whether cases are the guide's: rows of its data set, or written for just its two tools."""
    return source == GUIDE or set(tools) == _TOOLS


def guide_passes(expected: Collection[str], declared: Collection[str], reply: str) -> bool:
    """Whether the reply names every expected tool and no other declared one, as a piece of text.

    The guide expects one tool of two; of several, or of none, this says the same.
    """
    others = set(declared).difference(expected)
    return all(name in reply for name in expected) and not any(name in reply for name in others)


def guide_score(
    records: Iterable[Mapping[str, Any]], declared: Collection[str]
) -> GuideScore | None:
    """The score of a run log's verdicts; None where it says nothing of any.

    It knows the names of one answer: a case with `one_of` or `any_call` is left out, as is one
    without a verdict or a reply. `declared` are the tools of the spec.
    """
    scored = [record for record in records if _scored(record)]
    if not scored:
        return None
    passes = [guide_passes(_expected(one), declared, one["reply"]) for one in scored]
    ours = [one["outcome"] == "pass" for one in scored]
    other = tuple(
        Disagreement(one["case"], guide, _why(one, guide, declared))
        for one, guide, right in zip(scored, passes, ours, strict=True)
        if guide != right
    )
    said = f"it disagrees in {count(len(other), 'case')}" if other else "both say the same of each"
    words = f"{sum(passes)} of {len(scored)} (ours: {sum(ours)}); {said}"
    return GuideScore(sum(passes), sum(ours), len(scored), other, words)


def _scored(record: Mapping[str, Any]) -> bool:
    written = record.get("written")
    return (
        record.get("outcome") in ("pass", "fail")
        and isinstance(record.get("reply"), str)
        and not (isinstance(written, Mapping) and "one_of" in written)
        and ANY_CALL not in _expected(record)
    )


def _expected(record: Mapping[str, Any]) -> Sequence[str]:
    return list(dict.fromkeys(call["name"] for call in record["expected"]))


def _why(record: Mapping[str, Any], passes: bool, declared: Collection[str]) -> str:
    expected, reply = _expected(record), record["reply"]
    if passes:
        named = " and ".join(expected) or "no tool"
        return f"the guide passes it, for it names {named}: {record['miss']}"
    more = [name for name in declared if name not in expected and name in reply]
    if more:
        return f"the guide fails it, for it names {' and '.join(more)} too: pass"
    lacking = [name for name in expected if name not in reply]
    return f"the guide fails it, for it does not name {' and '.join(lacking)}: pass"


def guide_lines(spec: str, found: GuideScore) -> list[str]:
    """The score of a spec for a run's summary: a sentence, and below it where it disagrees."""
    lines = [f"{spec}: the guide's own score: {found.words}"]
    return lines + [f"  {one.case.partition('::')[2]}: {one.words}" for one in found.disagreements]
