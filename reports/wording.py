"""How the text formats put a Summary's numbers, and in which order they list its cases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from harness.sources.bfcl_scores import accuracy_text, card_text, passed_text
from harness.sources.guide_score import GuideScore
from harness.summary import interval_text, percent
from harness.wording import count
from reports.summary import (
    Answer,
    BoardRow,
    CaseRow,
    Comparison,
    Coverage,
    Floor,
    Group,
    Rate,
    Side,
    SpecSummary,
    Summary,
)

NONE: Final = "–"
RULES: Final = ("commonest tool", "bag of words")
"""The floors, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class CaseList:
    """Cases that fared alike: `head` says how, `open` whether there is something left to do."""

    kind: str
    head: str
    rows: tuple[CaseRow, ...]
    open: bool = True


def rate_text(rate: Rate) -> str:
    """`80 %`, or a dash for nothing."""
    return percent(rate.passed, rate.n) if rate.n else NONE


def of_text(rate: Rate) -> str:
    """`16 of 20`."""
    return f"{rate.passed} of {rate.n}" if rate.n else NONE


def interval(rate: Rate) -> str:
    """`58–92 %`, or a dash for nothing."""
    return interval_text((rate.low, rate.high)) if rate.n else NONE


def needed_text(side: Side) -> str:
    """The fewest passes that meet the gate, or a dash."""
    return NONE if side.needed is None or not side.rate.n else str(side.needed)


def gate_word(side: Side) -> str:
    """`met`, `NOT MET`, `error`, or a dash where no gate is known."""
    if side.met is None:
        return NONE
    return "met" if side.met else "error" if side.errors or not side.rate.n else "NOT MET"


def misses_text(side: Side) -> str:
    """`15 no_call, 2 extra_call, 1 error`, or `none`."""
    kinds = [f"{number} {kind}" for kind, number in side.misses.items() if number]
    kinds += [f"{side.errors} error"] if side.errors else []
    kinds += [f"{side.skipped} skip"] if side.skipped else []
    return ", ".join(kinds) or "none"


def metrics_text(before: Side | None, after: Side) -> list[str]:
    """Each metric that there is, before and after: `tool accuracy 20 % (n 20) → 80 % (n 20)`."""
    sides = [before, after] if before else [after]
    found = [
        ("tool accuracy", [_share(side.tool_accuracy) for side in sides]),
        ("valid calls", [_share(side.schema_valid) for side in sides]),
        ("TC-CER", [_tc_cer(side) for side in sides]),
    ]
    return [f"{name} {' → '.join(v)}" for name, v in found if any(one != NONE for one in v)]


def _share(rate: Rate) -> str:
    return f"{rate_text(rate)} (n {rate.n})" if rate.n else NONE


def _tc_cer(side: Side) -> str:
    return NONE if side.tc_cer is None else f"{side.tc_cer:.3f} (n {side.tc_cer_n})"


def compared_text(found: Comparison, *, alone: bool) -> str:
    """The comparison in words; of the only spec just the difference: the verdict has the rest."""
    if not alone or not found.n:
        return found.words
    ends = " to ".join(f"{100 * end:+.0f}" for end in (found.low, found.high))
    points = f"{100 * found.difference:+.0f}"
    return f"difference: {points} percentage points (95 % interval {ends})"


def floor_of(group: Group, rule: str) -> Floor | None:
    """The group's floor of that rule, where it has one."""
    return next((floor for floor in group.floors if floor.rule == rule), None)


def floors_text(floors: Sequence[Floor]) -> str:
    """What the floors are, in a sentence."""
    sizes = sorted({floor.trained_on for floor in floors})
    learned = " or ".join(count(size, "train case") for size in sizes)
    names = " and ".join(rule for rule in RULES if any(floor.rule == rule for floor in floors))
    return (
        f"{names}: simple rules, learned from {learned} and asked for the tools alone; a model "
        "that does not beat them has learned nothing"
    )


def coverage_texts(coverage: Coverage) -> list[str]:
    """What the cases do not test, a sentence each."""
    found = [
        ("clauses without a case that expects a call", coverage.clauses_without_call),
        ("clauses without a case that expects no call", coverage.clauses_without_refusal),
        ("tools that no case expects", coverage.tools_never_expected),
    ]
    return [f"{what}: {', '.join(names)}" for what, names in found if names]


def board_heads(compared: bool) -> list[str]:
    """The heads of BFCL's leaderboard."""
    sides = ["before", "after"] if compared else ["accuracy"]
    return ["BFCL's leaderboard", *sides, "passed", "model card"]


def board_cells(row: BoardRow, compared: bool) -> list[str]:
    """A line of it: `1 → 2 of 3` have passed."""
    sides = [row.before, row.after] if compared else [row.after]
    rates = [accuracy_text(side.value if side else None) for side in sides]
    counts = [(side.passed, side.n) for side in sides if side and side.n]
    passed = " → ".join(passed_text(*count) for count in counts) or NONE
    if len(counts) == 2 and counts[0][1] == counts[1][1]:
        passed = f"{counts[0][0]} → {passed_text(*counts[1])}"
    return [row.name, *rates, passed, card_text(row.card)]


def guide_scores(spec: SpecSummary, compared: bool) -> list[tuple[str, GuideScore]]:
    """What the guide's own score is, before and after, each with its name."""
    name = "the guide's own score"
    sides = [(f"{name} before", spec.guide_before), (f"{name} after", spec.guide)]
    found = sides if compared else [(name, spec.guide)]
    return [(name, score) for name, score in found if score is not None]


def id_of(case: str) -> str:
    """The id of a case by its SPEC::ID; a name without a spec is the id itself."""
    return case.partition("::")[2] or case


def miss_of(answer: Answer) -> str:
    """The kind of miss, or the outcome where there is none."""
    return answer.miss or answer.outcome


def turn(row: CaseRow) -> str:
    """`no_call → pass`; one word where nothing is compared or nothing changed."""
    words = [miss_of(answer) for answer in (row.before, row.after) if answer is not None]
    return words[0] if len(set(words)) == 1 else " → ".join(words)


def reason_of(row: CaseRow) -> str:
    """Why the case missed: now, or else before."""
    for answer in (row.after, row.before):
        if answer is not None and answer.outcome in ("fail", "error"):
            return answer.reason or f"expected {row.expected}, called {answer.called}"
    return ""


def case_lists(rows: Iterable[CaseRow], compared: bool) -> list[CaseList]:
    """The cases worth naming, the worst first; what passed both times is not among them."""
    kinds: dict[str, list[CaseRow]] = {}
    for row in rows:
        kind = _kind(row)
        if kind is not None:
            kinds.setdefault(kind, []).append(row)
    heads = {
        "broken": "broken: passed before, {miss} now",
        "error": "without a usable reply",
        "missing": "still missing, as before",
        "changed": "still missing, in another way",
        "new": "missing, with nothing to compare with" if compared else "missing",
        "fixed": "fixed: missed before, {pass} now",
    }
    return [
        CaseList(kind, _head(len(kinds[kind]), head), tuple(kinds[kind]), kind != "fixed")
        for kind, head in heads.items()
        if kind in kinds
    ]


def _head(n: int, head: str) -> str:
    verbs = {"miss": "misses", "pass": "passes"} if n == 1 else {"miss": "miss", "pass": "pass"}
    return f"{count(n, 'case')} {head.format(**verbs)}"


def _kind(row: CaseRow) -> str | None:
    if row.after is None:
        return None
    if row.after.outcome == "error":
        return "error"
    if row.change in ("broken", "missing", "changed", "fixed"):
        return row.change
    return "new" if row.after.outcome == "fail" else None


def rows_of(summary: Summary, spec: str) -> tuple[CaseRow, ...]:
    """The cases of one spec."""
    return tuple(row for row in summary.cases if row.spec == spec)


def disarmed(text: str) -> str:
    """The text without `##[`, which starts a command of GitHub's runner anywhere in a line."""
    return text.replace("##[", "#\\x23[")
