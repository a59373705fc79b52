"""The charts: what is drawn, that it is the same each time, and that nothing in it runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from xml.etree import ElementTree

import pytest

from harness.errors import UsageError
from harness.statistics import wilson
from reports.charts import BLUE, MISSING, ORANGE, curves_svg, rates_svg
from reports.summary import (
    Confusion,
    Coverage,
    Floor,
    Group,
    Rate,
    RunFacts,
    Side,
    SpecSummary,
    Summary,
    Training,
    TrainingRound,
    TrainingStep,
)

pytest.importorskip("matplotlib")


def _rate(passed: int, n: int) -> Rate:
    low, high = wilson(passed, n)
    return Rate(passed, n, passed / n if n else None, low, high)


def _training(
    losses: Sequence[float | None] = (2.0, 1.5, 1.2, 1.0),
    dev: Sequence[int | None] = (5, 7),
    until: float | None = 0.9,
    best: int = 2,
) -> Training:
    """A training of two steps a round, on 10 dev cases."""
    rounds = [
        TrainingRound(
            n, 2 * n, float(n), 1.5 / n, None if one is None else _rate(one, 10), n == best
        )
        for n, one in enumerate(dev, start=1)
    ]
    steps = [TrainingStep(n, n / 2, loss) for n, loss in enumerate(losses, start=1)]
    return Training(40, 4, (), 0, {}, until, tuple(steps), tuple(rounds), "all epochs are trained")


def _side(passed: int, n: int, pass_rate: float | None) -> Side:
    rate, met = _rate(passed, n), None if pass_rate is None else passed >= pass_rate * n
    confusion = Confusion((), (), ())
    return Side(n, 0, 0, rate, {}, rate, rate, None, 0, confusion, pass_rate, None, met)


def _group(
    name: str,
    after: tuple[int, int],
    before: tuple[int, int] | None = None,
    floors: tuple[Floor, ...] = (),
    gate: float | None = 0.8,
) -> Group:
    was = None if before is None else _side(*before, gate)
    return Group("spec", name, name, "", _side(*after, gate), was, None, floors)


def _summary(*groups: Group, split: str = "test") -> Summary:
    facts = RunFacts("after.jsonl", "mini", None, "0", "", True, None, {}, {})
    specs = tuple(SpecSummary(group, (), (), (), Coverage(), {}) for group in groups)
    return Summary("", "", (), split, facts, None, groups[0], specs, ())


def _texts(svg: str) -> list[str]:
    """Every text that a drawing shows."""
    root = ElementTree.fromstring(svg)
    return ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]


def test_the_course_of_a_training() -> None:
    """Both losses, each round's number, the dev rates, the rate that is enough, the kept round."""
    texts = _texts(curves_svg(_training()))
    assert {"training loss", "validation loss", "1.5", "0.75"} <= set(texts)
    assert {"50 %", "70 %", "enough: 90 %", "round 2 is kept", "step", "round"} <= set(texts)
    assert {"dev cases that pass", "(n 10)"} <= set(texts)


def test_the_guides_rates() -> None:
    """2 → 16 of 20 with what needs no model, and the gate: each number is printed at its mark."""
    floors = (Floor("commonest tool", _rate(10, 20), 60), Floor("bag of words", _rate(17, 20), 60))
    svg = rates_svg(_summary(_group("search-policy", (16, 20), (2, 20), floors)))
    texts = set(_texts(svg))
    assert {"10 % (2 of 20)", "80 % (16 of 20)", "50 % (10 of 20)", "85 % (17 of 20)"} <= texts
    assert {"before", "after", "commonest tool", "bag of words", "gate 80 %, met"} <= texts
    assert "test cases that pass" in texts
    assert ORANGE in svg
    assert BLUE in svg


def test_one_run_alone() -> None:
    """Without a run before there is one line, and a gate that is not known is not drawn."""
    texts = _texts(rates_svg(_summary(_group("desk", (3, 10), gate=None))))
    assert "30 % (3 of 10)" in texts
    assert "rate" in texts
    assert not [text for text in texts if text in ("before", "after") or "gate" in text]


def test_a_spec_of_nothing_has_no_mark() -> None:
    """A rate of no case is not drawn at 0 %."""
    texts = _texts(rates_svg(_summary(_group("none", (0, 0)), _group("desk", (1, 2)))))
    assert " none" in texts
    assert [text for text in texts if " of " in text] == ["50 % (1 of 2)"]


def test_many_specs_are_cut_and_said() -> None:
    """30 specs are drawn; the others are counted."""
    svg = rates_svg(_summary(*(_group(f"spec-{n}", (1, 2)) for n in range(33))))
    texts = _texts(svg)
    assert " spec-29" in texts
    assert " spec-30" not in texts
    assert "test cases that pass; 3 more specs are not drawn" in texts


def test_the_same_content_gives_the_same_bytes() -> None:
    """Two drawings are one and the same text, in another process too, and hold no date."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_charts as t\n"
        "sys.stdout.write(t.curves_svg(t._training()))"
    )
    folder = __file__.rpartition("/")[0]
    other = subprocess.run(
        [sys.executable, "-c", program, folder], capture_output=True, text=True, check=True
    )
    here = curves_svg(_training())
    assert here == curves_svg(_training()) == other.stdout
    assert "<dc:date>" not in here
    assert "matplotlib.org" not in here


def test_a_background_of_its_own() -> None:
    """A white panel lies under everything: black text is read on a dark page as well."""
    root = ElementTree.fromstring(curves_svg(_training()))
    first = next(iter(root.iter("{http://www.w3.org/2000/svg}path")))
    assert "fill: #ffffff" in first.attrib["style"]


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        "$\\frac{1}{2}$ & $x_",
        "\x1b[31mred\x00\x07\n::error::",
        "\ud800 💥 日本語",
        "x" * 5000,
    ],
)
def test_names_are_text_and_nothing_else(name: str) -> None:
    """Markup, mathematics, control characters, lone surrogates, long names: still well-formed."""
    svg = rates_svg(_summary(_group(name, (1, 2)), split=name))
    assert "<script" not in svg
    assert "\x1b" not in svg
    svg.encode()
    assert any(text.startswith(" ") for text in _texts(svg))


@pytest.mark.parametrize(
    "training",
    [
        _training(losses=(None,), dev=()),
        _training(losses=(2.0, None, 1.7e308), dev=(None, None), until=None),
        _training(losses=(), dev=(0,), best=9),
        _training(losses=(1e-300, 5.0), dev=tuple([3] * 60), best=30),
        _training(losses=(0.0, 0.0), dev=()),
    ],
)
def test_trainings_that_went_otherwise(training: Training) -> None:
    """No number, no round, no dev case, sixty rounds: something true is drawn."""
    texts = _texts(curves_svg(training))
    assert ("loss is no number" in texts) == any(
        one.loss is None or one.loss > 1e30 for one in training.steps
    )
    assert "step" in texts
    assert not [text for text in texts if "mathdefault" in text]


def test_of_many_rounds_three_have_their_number() -> None:
    """The first, the kept one and the last."""
    dev = [1, *[5] * 28, 8, *[5] * 29, 3]
    texts = _texts(curves_svg(_training(dev=dev, best=30, until=None)))
    assert [text for text in texts if text.endswith(" %") and text != "100 %"] == [
        "10 %", "80 %", "30 %",
    ]  # fmt: skip


def test_an_empty_training_cannot_be_drawn() -> None:
    """Gates that held already: there is no curve."""
    with pytest.raises(UsageError) as refused:
        curves_svg(_training(losses=(), dev=()))
    assert str(refused.value) == (
        "this training has neither a step nor a round: there is nothing to draw"
    )


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is missing, the message says how it is installed."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for draw in (lambda: curves_svg(_training()), lambda: rates_svg(_summary(_group("a", (1, 2))))):
        with pytest.raises(UsageError) as refused:
            draw()
        assert str(refused.value) == MISSING
    assert MISSING == "charts need matplotlib: pip install 'callgate[train]'"
