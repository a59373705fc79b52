"""Floors: what counting words is worth, on the guide's own data and at the edges."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from harness.cases import Case, Spec
from harness.loading import load_specs
from harness.run_log import Record
from reports.floors import MISSING_LIBRARY, floors, learn, together, tools_of
from reports.records import whole

SEARCH = Path(__file__).parents[2] / "specs" / "search_policy.spec.yaml"
EXPECTATIONS = """\
spec: s
tools: [{name: a, description: A.}, {name: b, description: B.}]
cases:
  - {id: one, prompt: First., expect: a}
  - {id: both, prompt: Second., expect: [b, a, a]}
  - {id: none, prompt: Third., expect: no_call}
  - {id: any, prompt: Fourth., expect: any_call}
  - {id: either, prompt: Fifth., expect: {one_of: [no_call, b]}}
"""


@pytest.fixture(scope="module")
def spec() -> Spec:
    """The guide's spec: its first 20 train cases are the guide's rows."""
    return load_specs([SEARCH])[0]


def records(cases: tuple[Case, ...], **more: Any) -> tuple[Record, ...]:
    """The records of cases of a spec, all passed."""
    return whole(
        {
            "case": case.ref,
            "prompt": case.prompt,
            "outcome": "pass",
            "expected": [] if (name := tools_of(case.expect)) == "(no call)" else [{"name": name}],
            **more,
        }
        for case in cases
    )


def named(spec: Spec, train: tuple[Case, ...]) -> dict[str, tuple[int, int, int]]:
    """Rule → hits, cases, train cases, on the spec's test cases."""
    asked = records(spec.in_split("test"))
    found = floors(learn(train, asked), asked)
    return {floor.rule: (floor.rate.passed, floor.rate.n, floor.trained_on) for floor in found}


def test_the_floors_of_the_guides_rows(spec: Spec) -> None:
    """A bag of words gets 17 of the guide's 20 test questions from its 20 train rows."""
    guide = spec.in_split("train")[:20]
    assert named(spec, guide) == {"commonest tool": (10, 20, 20), "bag of words": (17, 20, 20)}


def test_the_floors_of_all_train_cases(spec: Spec) -> None:
    """Forty more train cases, near no test question, lower it to 14."""
    found = named(spec, spec.in_split("train"))
    assert found == {"commonest tool": (10, 20, 60), "bag of words": (14, 20, 60)}


def test_learning_again_names_the_same(spec: Spec) -> None:
    """Nothing random is in it, whatever the order of the cases asked."""
    asked = records(spec.in_split("test"))
    once, again = (learn(spec.in_split("train"), part) for part in (asked, asked[::-1]))
    assert once.guesses == again.guesses


def test_one_class_needs_no_regression(spec: Spec) -> None:
    """Where every train case expects one tool, both rules name it."""
    train = tuple(c for c in spec.in_split("train") if tools_of(c.expect) == "search_google")
    found = named(spec, train)
    assert found["commonest tool"] == found["bag of words"] == (10, 20, len(train))


def test_there_are_no_floors_without_train_cases(spec: Spec) -> None:
    """Nor over cases of which none was judged."""
    assert named(spec, ()) == {}
    asked = records(spec.in_split("test"), outcome="error")
    assert floors(learn(spec.in_split("train"), asked), asked) == ()


def test_prompts_without_a_word_have_no_bag(tmp_path: Path) -> None:
    """Where no train prompt has a word of two letters, the other rule stands alone."""
    file = tmp_path / "s.spec.yaml"
    file.write_text(
        "spec: s\ntools: [{name: a, description: A.}]\ncases:\n"
        "  - {id: x, prompt: '?', expect: a, split: train}\n"
        "  - {id: y, prompt: '!', expect: no_call, split: train}\n"
        "  - {id: z, prompt: 'Do it.', expect: a}\n"
    )
    spec = load_specs([file])[0]
    assert list(named(spec, spec.in_split("train"))) == ["commonest tool"]


def test_without_the_library_there_is_one_floor(
    spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commonest tool needs none; the report says what to install."""
    for name in ("sklearn.feature_extraction.text", "sklearn.linear_model", "sklearn.pipeline"):
        monkeypatch.setitem(sys.modules, name, None)
    rules = learn(spec.in_split("train"), records(spec.in_split("test")))
    assert list(rules.guesses) == ["commonest tool"]
    assert (
        rules.problem
        == MISSING_LIBRARY
        == (
            "scikit-learn is not installed, so there is no bag of words to compare with: "
            "pip install 'callgate[train]'"
        )
    )


def test_the_tools_that_an_expectation_names(tmp_path: Path) -> None:
    """As the confusion names them: sorted, each as often as expected, of the first alternative."""
    file = tmp_path / "s.spec.yaml"
    file.write_text(EXPECTATIONS)
    found = {case.id: tools_of(case.expect) for case in load_specs([file])[0].cases}
    assert found == {
        "one": "a",
        "both": "a + a + b",
        "none": "(no call)",
        "any": "(any call)",
        "either": "(no call)",
    }


def test_floors_of_several_specs_add_up(spec: Spec) -> None:
    """The hits, cases and train cases of the rules that every spec has."""
    asked = records(spec.in_split("test"))
    mine = floors(learn(spec.in_split("train"), asked), asked)
    both = {floor.rule: floor for floor in together([mine, mine])}
    assert (both["bag of words"].rate.passed, both["bag of words"].rate.n) == (28, 40)
    assert both["bag of words"].trained_on == 120
    assert [floor.rule for floor in together([mine, mine[:1]])] == ["commonest tool"]
    assert together([mine, ()]) == together([]) == ()
