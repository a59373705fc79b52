"""The HTML page as text: what stands in it, and that nothing of a model's ever runs."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.cases import Miss
from reports.counting import summarise
from reports.html import bars, curves, figures, matrices, render
from reports.html.marking import difference
from reports.html.page import MISSES
from reports.html.shown import cut, room, shown
from reports.runs import open_run
from reports.sides import rate
from reports.summary import (
    Answer,
    CaseRow,
    Confusion,
    Floor,
    Group,
    Summary,
    Training,
    TrainingRound,
    TrainingStep,
)

HOSTILE = (
    "<script>window.ran = 1</script>",
    "</style></script></title><img src=x onerror=alert(1)>",
    "\"' onload='alert(1)' x=\"",
    "\x1b[31mred\x1b[0m \x00 \x07",
    "\u202egnp.exe\u2066",
    "{{ 7 * 7 }} {% raw %} {# x #}",
    "--></details></li></ol><h1>Passed</h1>",
    "\ud800 lone",
    "&lt;b&gt; & &amp;",
)
DEEP = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Page(HTMLParser):
    """What a browser would make of a page: how often each tag, all attributes, all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.values: list[str] = []
        self.text = ""
        self.inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag and its attributes."""
        self.tags[tag] += 1
        self.inside = tag
        self.attributes |= {name for name, _ in attrs}
        self.values += [value or "" for _, value in attrs]

    def handle_data(self, data: str) -> None:
        """Note text that is seen."""
        if self.inside not in ("style", "script"):
            self.text += data

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        """Go back to the text around a tag."""
        self.inside = ""


def test_the_page_is_one_file_that_may_load_nothing(desk: Summary) -> None:
    """Its policy allows its own style and script, known by their digests, and nothing else."""
    page = render(desk)
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert found
    policy = dict(part.split(" ", 1) for part in found[1].replace("&#39;", "'").split("; "))
    for kind in ("style", "script"):
        written = re.search(f"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        assert written
        digest = base64.b64encode(hashlib.sha256(written[1].encode()).digest()).decode()
        assert policy.pop(f"{kind}-src") == f"'sha256-{digest}'"
    assert policy == {
        "default-src": "'none'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert not re.search(r"https?://|url\(|@import|\bsrc=", page)


def test_what_stands_on_the_page(desk: Summary) -> None:
    """The verdict, the notices, what changed, what is not tested, how sure one can be."""
    text = " ".join(Page(render(desk)).text.split())
    for words in (
        "Not distinguishable with 5 cases; the gate of desk is not met.",
        "runs/after.jsonl: the run did not finish.",
        "Rooms are *booked*.",
        "before ✕ gate not met after ✕ gate not met",
        "gate 50 %: 5 needed",
        "bag of words 70 %",
        "No case expects a call under hours.",
        "No case expects cancel.",
        "desk::x is too near desk::a",
        "seed 40, 2 rounds. It ended because: the gates' rates hold on dev.",
        "Question b?",
        "specs/desk.spec.yaml:8",
        "NO: the log has no end",
        "model before",
    ):
        assert words in text


def test_a_run_alone_speaks_of_no_before(alone: Summary) -> None:
    """Nothing compared: no column, no mark and no word of it."""
    page = Page(render(alone))
    assert not re.search(r"\bbefore\b|McNemar|still", page.text)
    assert 'data-show="fixed"' not in render(alone)


def test_every_kind_of_miss_has_words() -> None:
    """A kind that is added to the vocabulary is explained on the page as well."""
    assert set(MISSES) == {miss.value for miss in Miss}


def test_the_same_summary_is_the_same_page(desk: Summary) -> None:
    """A report under version control does not change by itself."""
    assert render(desk) == render(desk)


def test_nothing_at_all(alone: Summary) -> None:
    """A run without a case is a page that says so, not a traceback."""
    nothing = replace(alone.overall.after, cases=0, rate=rate(0, 0), misses={}, needed=None)
    nothing = replace(nothing, confusion=Confusion((), (), ()), tc_cer=None)
    whole = replace(alone.overall, after=nothing)
    spec = replace(alone.specs[0], whole=whole)
    page = render(replace(alone, overall=whole, specs=(spec,), cases=()))
    assert "nothing judged" in page
    assert "0 of 0 shown" in page
    assert render(replace(alone, overall=whole, specs=(), cases=()))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(filled: Callable[[str], Summary], text: str) -> None:
    """In every field at once, it adds no tag and no attribute to those that a plain word gives."""
    _same_page(filled, text)


@DEEP
@given(st.text(st.characters(codec=None), min_size=1, max_size=60))
def test_any_text_stays_text(filled: Callable[[str], Summary], text: str) -> None:
    """Whatever a model or an author writes: surrogates, controls, markup."""
    _same_page(filled, text)


def _same_page(filled: Callable[[str], Summary], text: str) -> None:
    page, plain = Page(render(filled(text))), Page(render(filled("word")))
    ours = {"span", "dt", "dd", "wbr", "b", "details", "summary", "p"}
    assert set(page.tags) <= set(plain.tags) | ours
    assert page.attributes <= plain.attributes | {"class"}
    assert page.tags["script"] == page.tags["style"] == page.tags["title"] == 1
    assert not {name for name in page.attributes if name.startswith("on")}
    page_text = render(filled(text))
    page_text.encode("utf-8")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page_text)


def test_what_is_not_seen_is_shown() -> None:
    """Controls and turns of direction are marked escapes; line breaks, tabs and letters stay."""
    marked = '<span class="esc">{}</span>'
    assert shown("a\x1b[1m\nb\tc") == f"a{marked.format(chr(92) + 'x1b')}[1m\nb\tc"
    assert shown("\u202e\x00") == marked.format(r"\u202e\x00")
    assert shown("\ud83d") == marked.format(r"\ud83d")
    assert shown("日本 שלום é 🙂") == "日本 שלום é 🙂"
    assert shown("<b> & \"'") == "&lt;b> &amp; \"'"


def test_a_long_text_is_cut_in_the_middle() -> None:
    """Both ends stay, and how much is gone is said."""
    assert cut("abcdef" * 1000, 6) == (
        'abc<span class="cut"> … 5,994 characters left out … </span>def'
    )
    assert cut("short", 6) == "short"


def test_a_megabyte_of_reply_makes_no_megabyte_of_page(desk: Summary) -> None:
    """Every text of a case is cut, the reason too; the page stays small."""
    huge = "<x> " * 250_000
    answer = Answer("fail", "no_call", huge, huge, huge, huge)
    row = replace(desk.cases[1], before=answer, after=replace(answer, reply=huge + "!"))
    page = render(replace(desk, cases=(replace(row, prompt=huge, expected=huge, gold=huge),)))
    assert len(page) < 200_000
    assert "996,000 characters left out" in page


def test_many_cases_leave_less_room_for_each(desk: Summary) -> None:
    """With 10,000 cases a text has a few hundred characters, and the page says so."""
    assert (room(20), room(1000), room(10_000), room(10**6)) == (4000, 3000, 300, 300)
    rows = [replace(desk.cases[0], id=f"case-{n}") for n in range(3000)]
    page = render(replace(desk, cases=tuple(rows)))
    assert "With 3000 cases, texts are cut at 1,000 characters." in page
    assert "texts are cut" not in render(desk)


def test_what_is_wrong_stands_first(desk: Summary) -> None:
    """Broken before missing before errors, and what passed both times at the end."""
    page = render(desk)
    shows = re.findall(r'<li id="case-\d+" data-show="([^"]+)"', page)
    assert shows == ["broken", "missing", "missing changed", "error", "fixed", "passed"]


def _row(expected: str, gold: str | None = None) -> CaseRow:
    return CaseRow(
        "s::c", "s", "c", "f:1", None, (), False, "?", f"{{{expected}: …}}", expected, gold, None
    )


def _marks(row: CaseRow, miss: str, called: str, reply: str = "") -> tuple[str | None, str]:
    found = difference(row, Answer("fail", miss, "", called, reply), 4000)
    return found.expected, str(found.called)


def test_wrong_tools_are_marked_by_name() -> None:
    """Which tool lacks and which is too much; arguments, which nobody judged, are not marked."""
    row = _row("find")
    assert _marks(row, "wrong_tool", 'book(text="find me")') == (
        "<del>find</del>",
        '<ins>book</ins>(text="find me")',
    )
    assert _marks(row, "no_call", "no call") == ("<del>find</del>", "no call")
    assert _marks(row, "extra_call", 'find(q="a") + find(q="find(")') == (
        "find",
        'find(q="a") + <ins>find</ins>(q="find(")',
    )
    assert _marks(_row("a.b + c"), "missing_call", "a.b()") == ("a.b + <del>c</del>", "a.b()")
    assert _marks(_row("(no call)"), "unexpected_call", "find()") == (
        "<del>(no call)</del>",
        "<ins>find</ins>()",
    )


def test_wrong_arguments_are_marked_in_the_blocks() -> None:
    """The gold block against the reply's own: one order, one notation, so only values differ."""
    block = "<start_function_call>call:find{{eco:{},room:<escape>{}<escape>}}<end_function_call>"
    gold, reply = block.format("true", "red & blue"), block.format("<escape>true<escape>", "red")
    assert _marks(_row("find", gold), "invalid_arguments", "find()", f"Sure. {reply}") == (
        "&lt;start_function_call>call:find{eco:true,room:&lt;escape>red<del> & blue</del>"
        "&lt;escape>}&lt;end_function_call>".replace(" & ", " &amp; "),
        "&lt;start_function_call>call:find{eco:<ins>&lt;escape></ins>true<ins>&lt;escape></ins>,"
        "room:&lt;escape>red&lt;escape>}&lt;end_function_call>",
    )


def test_other_misses_are_not_marked() -> None:
    """A cut-off call, a refusal in other words, no gold: their reason says it."""
    for miss in ("truncated", "malformed_call", "wrong_text", "wrong_arguments", "a new kind"):
        assert _marks(_row("find"), miss, "book(q=1)") == (None, "book(q=1)")


def _training(steps: int, *losses: float | None) -> Training:
    rounds = tuple(
        TrainingRound(n + 1, n + 1, n + 1.0, loss, rate(n, 4), n == 1)
        for n, loss in enumerate(losses)
    )
    history = tuple(TrainingStep(n, n / steps, 1 + n / steps) for n in range(1, steps + 1))
    return Training(1, 8, (), 0, {}, 0.75, history, rounds, None)


def test_curves() -> None:
    """Losses on an axis from 0, rates on one from 0 to 100 %, the best round marked by name."""
    losses, rates = curves.curves(_training(2, 2.0, 1.0, 4.0))
    assert [line.points for line in losses.lines] == [
        "16.67,62.50 33.33,50.00",
        "33.33,50.00 66.67,75.00 100.00,0.00",
    ]
    assert [tick.words for tick in losses.rows] == ["0", "1", "2", "3", "4"]
    assert [(dot.kind, dot.words) for dot in losses.dots] == [
        ("loss", "2"),
        ("validation", "2"),
        ("best", "1"),
        ("validation", "4"),
    ]
    assert [(dot.kind, dot.words.replace("\N{NO-BREAK SPACE}", " ")) for dot in rates.dots] == [
        ("dev", "0 %"),
        ("best", "best 25 %"),
        ("dev", "50 %"),
    ]
    assert rates.level == curves.Tick(25.0, "stops at 75 %")


def test_a_loss_that_is_no_number_breaks_the_line() -> None:
    """A gap and a cross: no line is drawn through what is not known."""
    whole = _training(5)
    steps = [replace(s, loss=None if s.step == 3 else s.loss) for s in whole.steps]
    (losses,) = curves.curves(replace(whole, steps=tuple(steps)))
    assert [len(line.points.split()) for line in losses.lines] == [2, 2]
    assert [(dot.kind, dot.x) for dot in losses.dots if dot.kind == "broken"] == [("broken", 60.0)]


def test_a_training_without_numbers_draws_nothing() -> None:
    """No steps and no rounds, or none with a number."""
    assert curves.curves(_training(0)) == ()
    assert (
        curves.curves(Training(1, 0, (), 0, {}, None, (TrainingStep(1, 1, None),), (), None)) == ()
    )


def test_many_steps_are_thinned_to_their_means() -> None:
    """Ten thousand steps are a few hundred points; the last epoch is still the last."""
    found = curves.thinned(_training(10_000).steps)
    assert 300 < len(found) <= 600
    assert found[-1].step == 10_000
    assert found[0].loss == pytest.approx(1.0009, abs=1e-3)
    steps = (*_training(1000).steps[:-1], TrainingStep(1000, 1.0, None))
    assert curves.thinned(steps)[-1].loss is None


@DEEP
@given(
    st.lists(st.one_of(st.none(), st.floats(allow_nan=True)), max_size=30),
    st.floats(0, 1e6, allow_nan=False),
)
def test_any_history_is_drawn(losses: list[float | None], epoch: float) -> None:
    """Infinite, negative, tiny losses: places within the box, or nothing."""
    steps = tuple(TrainingStep(n, epoch, loss) for n, loss in enumerate(losses))
    for drawing in curves.curves(Training(None, 0, (), 0, {}, None, steps, (), None)):
        places = [float(n) for line in drawing.lines for n in re.split("[ ,]", line.points)]
        assert all(-0.01 <= place <= 100.01 for place in places)
        assert len(drawing.rows) < 12
        assert len(drawing.columns) < 12


def test_where_marks_stand(desk: Summary) -> None:
    """The gate at the rate that the fewest passes reach, floors at theirs, words where room is."""
    chart = bars.rate_chart(desk.overall)
    assert [(bar.when, bar.value) for bar in chart.bars] == [("before", 40.0), ("after", 66.67)]
    assert chart.gate
    assert (chart.gate.x, chart.gate.anchor) == (55.56, "end")
    assert [(mark.x, mark.anchor) for mark in chart.floors] == [(50.0, "start"), (70.0, "end")]
    assert chart.floors[0].y != chart.floors[1].y


def test_a_gate_out_of_reach(desk: Summary) -> None:
    """Not even all cases would do: the mark stands at the rate that is asked for."""
    after = replace(desk.overall.after, pass_rate=0.97, needed=None)
    mark = bars.gate_of(after)
    assert mark
    assert (mark.x, mark.words) == (97.0, "gate 97\N{NO-BREAK SPACE}%, out of reach")
    assert bars.gate_of(replace(after, pass_rate=None)) is None


def test_nothing_judged_draws_no_bar(desk: Summary) -> None:
    """No rate is not a rate of 0."""
    side = replace(desk.overall.after, rate=rate(0, 0))
    group = Group("tag", "s", "t", "", side, floors=(Floor("bag of words", rate(0, 0), 3),))
    chart = bars.rate_chart(group)
    assert (chart.bars[0].value, chart.floors) == (None, ())
    assert "passed nothing judged" in chart.words


def test_confusions_are_shaded_by_their_row() -> None:
    """The right column blue, others orange, the darker the more; any call is right by any call."""
    found = matrices.matrix(
        Confusion(("find", "(any call)"), ("find", "(no call)"), ((9, 1), (1, 1)))
    )
    looks = [[cell.look for cell in cells] for _, cells, _ in found.rows]
    assert looks == [["right shade-4", "wrong shade-1"], ["right shade-2", "wrong shade-2"]]
    empty = matrices.matrix(Confusion(("find",), ("find", "book"), ((0, 0),)))
    assert [cell.look for cell in empty.rows[0][1]] == ["none", "none"]


def test_figures() -> None:
    """Numbers and clauses as people write them."""
    space = "\N{NO-BREAK SPACE}"
    assert [figures.points(d) for d in (0.7, -0.05, 0.001, 0.0)] == ["+70", "−5", "0", "0"]
    assert figures.p_value(0.000122) == f"p{space}={space}0.00012"
    assert figures.p_value(1e-9) == f"p{space}<{space}0.00001"
    assert [figures.duration(s) for s in (None, 0.5, 42, 200, 4000)] == [
        "–", "0.5 s", "42 s", "3 min 20 s", "1 h 6 min",
    ]  # fmt: skip
    assert figures.sentence("better: 95 % (p < 0.1)") == (
        f"Better: 95{space}% (p{space}&lt;{space}0.1)."
    )
    assert figures.sentence("specs/a.yaml: changed.") == "specs/a.yaml: changed."
    assert figures.moment("2026-01-02T03:04:05Z") == "2026-01-02 03:04 UTC"
    assert figures.moment("soon") == "soon"


def test_a_printed_page_starts_no_workflow_command(tmp_path: Path) -> None:
    """A page printed in a build's log obeys nobody: no line begins with `::`, none holds `##[`."""
    attack = "\n::error::pwn\n  ::warning::pwn\n##[error]pwn"
    call = {"name": "find", "arguments": {"query": attack}}
    record = {
        "kind": "verdict", "case": "desk::a", "spec": "desk", "split": "test", "outcome": "fail",
        "miss": "wrong_arguments", "reason": attack, "note": attack, "reply": attack,
        "prompt": attack, "expected": [call], "calls": [call], "location": "desk.spec.yaml:1",
    }  # fmt: skip
    log = tmp_path / "run.jsonl"
    log.write_text(json.dumps(record) + "\n", encoding="utf-8")
    page = render(summarise(open_run(str(log))))
    assert "pwn" in page
    assert not re.search(r"^\s*::|##\[", page, re.MULTILINE)
