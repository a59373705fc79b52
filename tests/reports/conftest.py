"""Summaries for the tests of formats: one that a person wrote, and hostile ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from reports.sides import rate
from reports.summary import (
    Answer,
    CaseRow,
    Change,
    Comparison,
    Confusion,
    Coverage,
    Floor,
    Group,
    RunFacts,
    SeedResult,
    Side,
    SpecSummary,
    Summary,
    Training,
    TrainingRound,
    TrainingStep,
)

_MATRIX = Confusion(("find", "(no call)"), ("find", "book", "(no call)"), ((5, 1, 2), (0, 0, 2)))


def side(passed: int, n: int, errors: int = 0, **more: Any) -> Side:
    """One run's numbers."""
    values: dict[str, Any] = {
        "cases": n + errors,
        "errors": errors,
        "skipped": 0,
        "rate": rate(passed, n),
        "misses": {"no_call": n - passed},
        "tool_accuracy": rate(passed, n),
        "schema_valid": rate(n - 2, n - 2),
        "tc_cer": 0.25,
        "tc_cer_n": n,
        "confusion": _MATRIX,
    }
    return Side(**(values | more))


def _answer(miss: str | None, reason: str = "", called: str = "no call") -> Answer:
    outcome = "pass" if miss is None else "error" if miss == "error" else "fail"
    kind = None if miss in (None, "error") else miss
    return Answer(outcome, kind, reason, called, None if outcome == "error" else "Which room?")


def _row(ident: str, line: int, change: Change | None, before: Answer, after: Answer) -> CaseRow:
    return CaseRow(
        case=f"desk::{ident}",
        spec="desk",
        id=ident,
        location=f"specs/desk.spec.yaml:{line}",
        clause="rooms",
        tags=(),
        critical=ident == "b",
        prompt=f"Question {ident}?",
        expected="find",
        expected_tools="find",
        gold=None,
        after=after,
        before=before,
        change=change,
    )


def _facts(name: str, finished: bool = True) -> RunFacts:
    return RunFacts(
        path=f"runs/{name}.jsonl",
        label=f"model {name}",
        model=name,
        fingerprint="f00",
        start="2026-11-20T12:00:00Z",
        finished=finished,
        seconds=2.5,
        versions={"callgate": "0.1.0"},
        generation={"do_sample": False},
    )


def _rows() -> tuple[CaseRow, ...]:
    passed, prose = _answer(None, called="find()"), _answer("no_call", "expected find, got text")
    wrong = _answer("wrong_tool", "expected find, got book")
    return (
        _row("a", 7, "fixed", prose, passed),
        _row("b", 8, "broken", passed, wrong),
        _row("c", 9, "missing", prose, prose),
        _row("d", 10, "changed", prose, wrong),
        _row("e", 11, "unpaired", passed, _answer("error", "no reply")),
        _row("f", 12, "passed", passed, passed),
    )


def _comparison() -> Comparison:
    return Comparison(
        n=5,
        fixed=("desk::a",),
        broken=("desk::b",),
        changed=("desk::d",),
        difference=0.0,
        low=-0.5,
        high=0.5,
        p=1.0,
        trend="not distinguishable",
        enough=None,
        words="not distinguishable with 5 cases: 2 → 2 of 5 (1 fixed, 1 broken)",
        passed_before=2,
        passed_after=2,
    )


def _training() -> Training:
    steps = tuple(TrainingStep(n, n / 2, None if n == 2 else 1 / n) for n in (1, 2, 3, 4))
    rounds = (
        TrainingRound(1, 2, 1.0, 0.5, rate(5, 10), best=False),
        TrainingRound(2, 4, 2.0, None, rate(8, 10), best=True),
    )
    return Training(
        seed=40,
        rows=16,
        dropped=(("desk::x", "desk::a"),),
        unfit=0,
        given_up={"desk": 8},
        until=0.8,
        steps=steps,
        rounds=rounds,
        ended="the gates' rates hold on dev",
    )


@pytest.fixture
def desk() -> Summary:
    """A spec before and after a training: every part of a report has something to say."""
    floors = (
        Floor("commonest tool", rate(5, 10), 16),
        Floor("bag of words", rate(7, 10), 16),
    )
    before = side(4, 10, pass_rate=0.5, needed=5, met=False, reasons=("4 of 10 passed",))
    after = side(6, 9, 1, pass_rate=0.5, needed=5, met=False, reasons=("1 case is an error",))
    comparison = _comparison()
    whole = Group("spec", "desk", "desk", "Rooms are found.", after, before, comparison, floors)
    part = replace(whole, kind="clause", name="rooms", text="Rooms are *booked*.")
    spec = SpecSummary(
        whole=whole,
        clauses=(part,),
        tags=(replace(part, kind="tag", name="urgent", text=""),),
        tools=(replace(part, kind="tool", name="find", text=""),),
        coverage=Coverage(("hours",), ("rooms",), ("cancel",)),
        other_splits={"dev": replace(whole, after=side(8, 10), before=side(5, 10))},
        file="specs/desk.spec.yaml",
    )
    return Summary(
        title="desk: two runs compared",
        verdict="Not distinguishable with 5 cases; the gate of desk is not met.",
        notices=("runs/after.jsonl: the run did not finish.",),
        split="test",
        after=_facts("after", finished=False),
        before=_facts("before"),
        overall=whole,
        specs=(spec,),
        cases=_rows(),
        training=_training(),
        seeds=(
            SeedResult(40, rate(4, 10), rate(6, 9), met=False),
            SeedResult(41, rate(4, 10), rate(9, 10), met=True),
        ),
    )


@pytest.fixture
def alone(desk: Summary) -> Summary:
    """The same run with nothing to compare it with, its gate met, and no training."""
    whole = replace(
        desk.overall,
        before=None,
        comparison=None,
        floors=(),
        after=side(7, 9, misses={"no_call": 2}, pass_rate=0.5, needed=5, met=True),
    )
    spec = replace(
        desk.specs[0], whole=whole, clauses=(), tags=(), tools=(), other_splits={},
        coverage=Coverage(),
    )  # fmt: skip
    rows = tuple(
        replace(row, before=None, change=None) for row in desk.cases if row.id in ("b", "c", "f")
    )
    return replace(
        desk, title="desk: one run", verdict="Gate met: 7 of 9 on test.", notices=(), before=None,
        after=_facts("after"), overall=whole, specs=(spec,), cases=rows, training=None, seeds=(),
    )  # fmt: skip


@pytest.fixture
def filled() -> Callable[[str], Summary]:
    """Makes summaries whose every text, the names of mappings included, is one and the same."""
    return _filled


def _filled(text: str) -> Summary:
    summary: Summary = _made(Summary, text)
    answers = {
        one: replace(summary.cases[0].after, outcome=one) for one in ("pass", "fail", "error")
    }  # type: ignore[type-var]
    fates: tuple[tuple[Change | None, str], ...] = (
        ("fixed", "pass"), ("broken", "fail"), ("changed", "fail"), ("missing", "fail"),
        ("unpaired", "error"), ("unpaired", "fail"), (None, "fail"),
    )  # fmt: skip
    rows = tuple(
        replace(summary.cases[0], change=change, after=answers[outcome])
        for change, outcome in fates
    )
    return replace(summary, cases=rows)


def _made(kind: Any, text: str) -> Any:
    """A value of a type."""
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(**{one.name: _made(hints[one.name], text) for one in fields(kind)})
    if origin is Literal:
        return inner[0]
    if origin is UnionType:
        return _made(next(one for one in inner if one is not NoneType), text)
    if origin is tuple:
        return tuple(_made(one, text) for one in (inner[:1] if inner[-1] is ... else inner))
    if origin is Mapping:
        return {text: _made(inner[1], text)}
    return {str: text, int: 3, float: 0.5, bool: True}.get(kind, text)
