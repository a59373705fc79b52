"""The one loop: every case gets its verdict, whatever the back end does."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from harness.backends import Backend
from harness.cases import Spec, Verdict
from harness.loading import load_specs
from harness.run import verdicts

SPEC = """\
tools: [{name: search, parameters: {query: {type: string}}}]
cases:
  - {id: a, prompt: A., expect: no_call}
  - {id: b, prompt: B., expect: {search: {query: x}}}
  - {id: c, prompt: C., expect: search, skip: not yet}
  - {id: d, prompt: D., expect: no_call}
"""


@pytest.fixture
def miniatures(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The fake back ends of `tests/miniatures.py`."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))
    return importlib.import_module("miniatures")


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    """The spec above, loaded."""
    (tmp_path / "s.spec.yaml").write_text(SPEC, encoding="utf-8")
    return load_specs([tmp_path / "s.spec.yaml"])[0]


def outcomes(spec: Spec, backend: Backend) -> dict[str, str]:
    """What became of each case."""
    return {verdict.case.id: verdict.outcome.value for verdict in verdicts(spec.cases, backend)}


def reasons(spec: Spec, backend: Backend) -> dict[str, str]:
    """Why each error is one."""
    found: list[Verdict] = list(verdicts(spec.cases, backend))
    return {one.case.id: one.reason for one in found if one.outcome.value == "error"}


def test_each_personality_gets_the_verdicts_that_it_deserves(
    spec: Spec, miniatures: ModuleType
) -> None:
    """Right, silent and malformed answers, also slow ones; a skipped case is never asked."""
    right = miniatures.always_right(spec.cases)
    assert outcomes(spec, right) == {"a": "pass", "b": "pass", "c": "skip", "d": "pass"}
    assert outcomes(spec, miniatures.slow(0.001, right)) == outcomes(spec, right)
    silent = {"a": "pass", "b": "fail", "c": "skip", "d": "pass"}
    assert outcomes(spec, miniatures.says_nothing()) == silent
    wrong = {"a": "fail", "b": "fail", "c": "skip", "d": "fail"}
    assert outcomes(spec, miniatures.malformed()) == wrong


@pytest.mark.parametrize(
    ("name", "number", "answered", "reason"),
    [
        ("crashes", 2, {"a", "b"}, "the accelerator ran out of memory"),
        ("crashes", 0, set(), "the accelerator ran out of memory"),
        ("raises_bug", 1, {"a"}, "the back end broke: ZeroDivisionError: division by zero"),
        ("forgets", 2, {"d"}, "the back end gave no reply"),
        ("forgets", 7, set(), "the back end answered request 7 twice, or was never asked it"),
    ],
)
def test_what_is_not_answered_is_an_error(
    spec: Spec, miniatures: ModuleType, name: str, number: int, answered: set[str], reason: str
) -> None:
    """Cases answered before a crash keep their verdicts; the others say why they have none."""
    found = reasons(spec, getattr(miniatures, name)(number))
    assert found == dict.fromkeys({"a", "b", "d"} - answered, reason)


def test_an_answer_given_twice_is_a_bug(spec: Spec, miniatures: ModuleType) -> None:
    """The first answer counts, and no case is judged twice."""
    found = reasons(spec, miniatures.repeats())
    reason = "the back end answered request 0 twice, or was never asked it"
    assert found == dict.fromkeys("bd", reason)


def test_answers_may_come_in_any_order(spec: Spec, miniatures: ModuleType) -> None:
    """Each reply reaches its own case."""
    found = [
        verdict for verdict in verdicts(spec.cases, miniatures.backwards()) if verdict.calls == ()
    ]
    assert [verdict.case.id for verdict in found] == ["c", "d", "b", "a"]
    assert all(one.reply.text.startswith(one.case.ref) for one in found[1:])
