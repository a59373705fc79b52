"""How the cases are divided, and what a spec without dev cases gives up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.cases import Case, Spec
from harness.errors import UsageError
from trainers.splits import Division, divide, learnt_from

Desk = Callable[..., Spec]
WORDS = re.findall(
    r"\w+",
    "alpha bravo candle desert engine flower garden hammer island jacket kettle lemon mirror "
    "needle orange pencil rabbit saddle table umbrella violin window yellow zebra anchor basket "
    "copper dragon eleven forest gravel helmet iguana jungle kitten ladder magnet nickel oyster "
    "palace quartz ribbon silver tunnel urchin velvet walnut xenon",
)


def _cases(count: int, *, more: str = "") -> list[str]:
    """Cases with prompts far apart: three of four expect `find`, the others `book`."""
    return [
        f"{{id: c{n}, prompt: {WORDS[n]} {WORDS[-n - 1]} {WORDS[(7 * n) % 48]}, split: train, "
        + (f"expect: {{book: {{room: {n}}}}}" if n % 4 == 0 else "expect: {find: {q: it}}")
        + f"{more}}}"
        for n in range(count)
    ]


def _divided(*specs: Spec, similarity: float = 90, stop_rule: bool = True) -> Division:
    """All their train cases divided."""
    return divide(specs, learnt_from(specs), similarity, stop_rule=stop_rule)


def test_a_fifth_is_given_up_by_tool(desk: Desk) -> None:
    """Of 48 train cases 9 become dev cases, the tools among them as among all; none is in both."""
    division = _divided(desk(*_cases(48)))
    dev = division.held_out("dev")
    assert (len(division.train), len(dev), dict(division.given_up)) == (39, 9, {"desk": 9})
    assert {case.id for case in dev}.isdisjoint(case.id for case in division.train)
    assert Counter(str(case.written).split("'")[1] for case in dev)["book"] in (2, 3)
    assert all(case.split == "dev" for case in dev)


def test_at_least_eight_are_given_up(desk: Desk) -> None:
    """A fifth of 20 is 4, which decides nothing: 8 are given up."""
    division = _divided(desk(*_cases(20)))
    assert (len(division.train), len(division.held_out("dev"))) == (12, 8)


def test_the_choice_is_stable(desk: Desk) -> None:
    """The same cases in another order give up the same ones."""
    chosen = [
        {case.id for case in _divided(desk(*cases)).held_out("dev")}
        for cases in (_cases(30), _cases(30)[::-1])
    ]
    assert chosen[0] == chosen[1]


def test_groups_and_near_duplicates_stay_together(desk: Desk) -> None:
    """Cases of one group, and cases whose prompts are nearly the same, never end up apart."""
    cases = _cases(32)
    cases = [
        case.replace("}}}", "}}, group: g}") if n < 4 else case for n, case in enumerate(cases)
    ]
    twins = [
        case.replace("id: c", "id: t").replace("prompt: ", "prompt: The ") for case in cases[8:20]
    ]
    division = _divided(desk(*cases, *twins), similarity=85)
    dev = {case.id for case in division.held_out("dev")}
    assert len(dev) >= 8
    assert len({f"c{n}" in dev for n in range(4)}) == 1
    assert all((f"c{n}" in dev) == (f"t{n}" in dev) for n in range(8, 20))


def test_own_dev_cases_are_used_as_they_are(desk: Desk) -> None:
    """A spec that has dev cases gives up nothing."""
    spec = desk(*_cases(20), "{id: d, prompt: a dev case, expect: no_call, split: dev}")
    division = _divided(spec)
    assert (len(division.train), len(division.held_out("dev")), division.given_up) == (20, 1, {})


def test_without_a_stop_rule_nothing_is_given_up(desk: Desk) -> None:
    """With `--epochs` every train case trains."""
    division = _divided(desk(*_cases(10)), stop_rule=False)
    assert (len(division.train), division.held_out("dev")) == (10, ())


def test_too_few_to_give_up(desk: Desk) -> None:
    """Fewer than 16 train cases cannot spare 8: the message says what can be done."""
    spec = desk(*_cases(15))
    with pytest.raises(UsageError) as refused:
        _divided(spec)
    assert str(refused.value) == (
        f"{spec.path}: no dev cases, and 15 train cases are too few to give up 8 of them for the "
        "stop rule: add cases with `split: dev`, or train a fixed number of epochs with --epochs"
    )


def test_one_group_cannot_be_divided(desk: Desk) -> None:
    """Cases that all belong together cannot be split."""
    with pytest.raises(UsageError, match="most of them near-duplicates or one group, too few"):
        _divided(desk(*_cases(20, more=", group: g")))


def test_nothing_to_train_on(desk: Desk) -> None:
    """Zero train cases, or only skipped ones, are a usage error."""
    spec = desk("{id: a, prompt: x, expect: no_call, split: train, skip: later}")
    with pytest.raises(UsageError) as refused:
        _divided(spec)
    assert str(refused.value) == (
        f"there is nothing to train on: no case of {spec.path} is in the split train (write "
        "`split: train` into the cases to learn from)"
    )


def test_what_may_not_be_learnt_is_not_given_up(desk: Desk) -> None:
    """A train case that is left out, for it is a test prompt, does not become a dev case."""
    spec = desk(*_cases(24))
    train = [case for case in learnt_from([spec]) if case.id not in ("c1", "c2")]
    division = divide([spec], train, 90, stop_rule=True)
    used = {case.id for case in (*division.train, *division.held_out("dev"))}
    assert used == {f"c{n}" for n in range(24)} - {"c1", "c2"}


def _twin(spec: Spec, *, dev: tuple[Case, ...] = ()) -> Spec:
    """The same cases in a spec of another name."""
    named = (replace(case, spec="twin") for case in (*spec.cases, *dev))
    return replace(spec, name="twin", cases=tuple(named))


def test_near_duplicates_of_several_specs_stay_together(desk: Desk) -> None:
    """What two specs both ask is given up by both, or by none."""
    one = desk(*_cases(40))
    division = _divided(one, _twin(one))
    dev = Counter(case.id for case in division.held_out("dev"))
    assert set(dev.values()) == {2}
    assert division.given_up == {"desk": len(dev), "twin": len(dev)}
    assert not dev.keys() & {case.id for case in division.train}


def test_what_another_spec_trains_on_is_not_given_up(desk: Desk) -> None:
    """A spec with dev cases of its own gives up nothing, nor do others what it trains on."""
    one = desk(*_cases(40))
    own = replace(one.cases[0], id="own", split="dev")
    twin = _twin(replace(one, cases=one.cases[:20]), dev=(own,))
    division = _divided(one, twin)
    dev = {case.id for case in division.held_out("dev") if case.spec == "desk"}
    assert len(dev) == 8
    assert not dev & {case.id for case in twin.cases}
    assert [case.id for case in division.held_out("dev") if case.spec == "twin"] == ["own"]
