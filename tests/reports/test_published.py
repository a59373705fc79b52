"""Scores that a published data set has of its own: counted from logs, and in every format."""

# ruff: noqa: E501 - the report stands here as it is written

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import reports.as_json
import reports.html
import reports.markdown
import reports.terminal
from harness.sources.guide_score import Disagreement, GuideScore
from reports.counting import summarise
from reports.runs import open_run
from reports.summary import Accuracy, BoardRow, Summary

SCHEMA = json.loads(Path(reports.as_json.__file__).with_name("summary.schema.json").read_text())
BOARD = (
    BoardRow("Non-Live AST Acc", Accuracy(None, 2, 3), Accuracy(None, 1, 3), None),
    BoardRow("Non-Live Multiple AST", Accuracy(2 / 3, 2, 3), Accuracy(1 / 3, 1, 3), 0.635),
    BoardRow("Live Acc", Accuracy(0.5, 1, 2), Accuracy(1.0, 1, 1), None),
    BoardRow("Relevance Detection", Accuracy(None, 0, 0), None, 0.611),
)
WRONG = Disagreement("desk::who", True, "the guide passes it, for it names find: no_call")
GUIDE = GuideScore(2, 1, 2, (WRONG,), "2 of 2 (ours: 1); it disagrees in 1 case")
SAME = GuideScore(0, 0, 2, (), "0 of 2 (ours: 0); both say the same of each")


@pytest.fixture
def compared(desk: Summary) -> Summary:
    """A comparison with both scores."""
    spec = replace(desk.specs[0], leaderboard=BOARD, guide=GUIDE, guide_before=SAME)
    return replace(desk, specs=(spec,))


@pytest.fixture
def single(alone: Summary) -> Summary:
    """One run with both scores."""
    rows = tuple(replace(row, before=None) for row in BOARD)
    return replace(alone, specs=(replace(alone.specs[0], leaderboard=rows, guide=GUIDE),))


def log(path: Path, header: dict[str, Any], *verdicts: dict[str, Any]) -> str:
    """A run log of the spec `s`."""
    head = {"kind": "run", "policies": {"s": header}, "specs": {"s": "0"}}
    lines = [head, *({"kind": "verdict", "spec": "s", **one} for one in verdicts)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return str(path)


def verdict(name: str, outcome: str, *tags: str, **more: Any) -> dict[str, Any]:
    """A verdict."""
    miss = "no_call" if outcome == "fail" else None
    return {"case": f"s::{name}", "outcome": outcome, "miss": miss, "tags": tags, **more}


def test_bfcls_rows_have_a_leaderboard(tmp_path: Path) -> None:
    """Each run's accuracy beside the card's; None for a run in which nothing was judged."""
    header = {"source": {"format": "bfcl"}}
    cases = [verdict("a", "pass", "multiple"), verdict("b", "fail", "multiple")]
    after = log(tmp_path / "after", header, *cases)
    before = log(tmp_path / "before", header, verdict("b", "pass", "multiple"))
    board = summarise(open_run(after, before)).specs[0].leaderboard
    assert len(board) == 14
    assert board[0] == BoardRow(
        "Non-Live AST Acc", Accuracy(None, 1, 2), Accuracy(None, 1, 1), None
    )
    assert board[2] == BoardRow(
        "Non-Live Multiple AST", Accuracy(0.5, 1, 2), Accuracy(1.0, 1, 1), 0.635
    )
    nothing = log(tmp_path / "nothing", header, verdict("a", "error", "multiple"))
    assert summarise(open_run(nothing)).specs[0].leaderboard == ()
    (_, _, row, *_) = summarise(open_run(nothing, before)).specs[0].leaderboard
    assert (row.after, row.before) == (None, Accuracy(1.0, 1, 1))


def test_other_cases_have_none(tmp_path: Path) -> None:
    """A tag that is called like a category makes no leaderboard, nor does a broken header."""
    for header in (
        {},
        {"source": {"format": "hermes"}},
        {"source": "bfcl"},
        {"source": {"format": []}},
    ):
        found = summarise(open_run(log(tmp_path / "a", header, verdict("a", "pass", "multiple"))))
        assert found.specs[0].leaderboard == ()
        assert found.specs[0].guide is None


@pytest.mark.parametrize(
    "header",
    [
        {"source": {"format": "simple_tool_calling"}, "tools": ["find", "book"]},
        {"tools": ["search_google", "search_knowledge_base"]},
    ],
    ids=["rows", "written"],
)
def test_the_guides_cases_have_its_score(header: dict[str, Any], tmp_path: Path) -> None:
    """Of each run; a verdict that does not say its reply, or what was expected, counts nowhere."""
    first, second = header["tools"]
    expected = [{"name": first, "arguments": None}]
    refusal = verdict("a", "fail", expected=expected, reply=f"No {first}.")
    right = verdict("b", "pass", expected=expected, reply=f"{first} not {second}")
    unsaid = [verdict("c", "pass", reply="x"), verdict("d", "pass", expected=expected)]
    after = log(tmp_path / "after", header, refusal, right, *unsaid)
    before = log(tmp_path / "before", header, refusal, *unsaid)
    passes = Disagreement("s::a", True, f"the guide passes it, for it names {first}: no_call")
    fails = Disagreement("s::b", False, f"the guide fails it, for it names {second} too: pass")
    spec = summarise(open_run(after, before)).specs[0]
    assert spec.guide == GuideScore(
        1, 1, 2, (passes, fails), "1 of 2 (ours: 1); it disagrees in 2 cases"
    )
    assert spec.guide_before == GuideScore(
        1, 0, 1, (passes,), "1 of 1 (ours: 0); it disagrees in 1 case"
    )
    blessed = log(tmp_path / "blessed", header, verdict("a", "pass"))
    assert summarise(open_run(after, blessed)).specs[0].guide_before is None


def test_a_comparison_on_a_terminal(compared: Summary) -> None:
    """Between what was judged and the parts of the spec: both columns, both scores."""
    blocks = reports.terminal.render(compared).split("\n\n")
    start = next(n for n, block in enumerate(blocks) if block.startswith("BFCL"))
    assert "\n\n".join(blocks[start : start + 4]).startswith(
        """\
BFCL's leaderboard       before    after           passed  model card
---------------------  --------  -------  ---------------  ----------
Non-Live AST Acc              –        –       1 → 2 of 3           –
Non-Live Multiple AST   33.33 %  66.67 %       1 → 2 of 3      63.5 %
Live Acc               100.00 %  50.00 %  1 of 1 → 1 of 2           –
Relevance Detection           –        –                –      61.1 %
The model card is that of google/functiongemma-270m-it, which does not say which
  version of BFCL it means, nor how its figures were had.

the guide's own score before: 0 of 2 (ours: 0); both say the same of each

the guide's own score after: 2 of 2 (ours: 1); it disagrees in 1 case
  who: the guide passes it, for it names find: no_call

clause  before"""
    )


def test_one_run_on_a_terminal(single: Summary) -> None:
    """One column, one score, and no word of a before."""
    found = reports.terminal.render(single)
    assert (
        """\
BFCL's leaderboard     accuracy  passed  model card
---------------------  --------  ------  ----------
Non-Live AST Acc              –  2 of 3           –
Non-Live Multiple AST   66.67 %  2 of 3      63.5 %
Live Acc                50.00 %  1 of 2           –
Relevance Detection           –       –      61.1 %
The model card is that of google/functiongemma-270m-it, which does not say which
  version of BFCL it means, nor how its figures were had.

the guide's own score: 2 of 2 (ours: 1); it disagrees in 1 case
  who: the guide passes it, for it names find: no_call

2 cases missing"""
        in found
    )
    assert "before" not in found


def test_long_lists_of_disagreements(single: Summary) -> None:
    """A terminal names 50 and counts the others; Markdown folds more than 10."""
    many = replace(GUIDE, disagreements=(WRONG,) * 60)
    shown = replace(single, specs=(replace(single.specs[0], guide=many),))
    assert "\n… and 10 more: --format json has all of them\n" in reports.terminal.render(shown)
    page = reports.markdown.render(shown)
    assert "\n\n<details><summary>Where it disagrees</summary>\n\n- `who`: the" in page
    assert page.count("- `who`: the guide passes it") == 60


def test_as_markdown(compared: Summary, single: Summary) -> None:
    """Two tables of the same cells, the card's origin below, then the guide's score."""
    assert """\
| BFCL's leaderboard | before | after | passed | model card |
| --- | --: | --: | --: | --: |
| Non-Live AST Acc | – | – | 1 → 2 of 3 | – |
| Non-Live Multiple AST | 33.33 % | 66.67 % | 1 → 2 of 3 | 63.5 % |
| Live Acc | 100.00 % | 50.00 % | 1 of 1 → 1 of 2 | – |
| Relevance Detection | – | – | – | 61.1 % |

The model card is that of google/functiongemma-270m-it, which does not say which version of BFCL it means, nor how its figures were had.

The guide's own score before: 0 of 2 (ours: 0); both say the same of each

The guide's own score after: 2 of 2 (ours: 1); it disagrees in 1 case

- `who`: the guide passes it, for it names find: no_call

**1 case broken""" in reports.markdown.render(compared)
    page = reports.markdown.render(single)
    assert (
        "| BFCL's leaderboard | accuracy | passed | model card |\n| --- | --: | --: | --: |\n"
        in page
    )
    assert "\nThe guide's own score: 2 of 2 (ours: 1); it disagrees in 1 case\n\n- `who`: " in page


def test_as_html(compared: Summary, single: Summary) -> None:
    """The same cells as a table, the score as a sentence, its disagreements to unfold."""
    page = reports.html.render(compared)
    cells = ("33.33 %", "66.67 %", "1 → 2 of 3", "63.5 %")
    glued = (cell.replace(" ", "\N{NO-BREAK SPACE}") for cell in cells)
    row = "".join(f'<td class="number">{cell}</td>' for cell in glued)
    assert f'<tr><th scope="row">Non-Live Multiple AST</th>{row}</tr>' in page
    assert "which does not say which version of BFCL it means" in page
    assert page.index("score before</h3>\n<p>0 of 2 (ours: 0);") < page.index("score after</h3>")
    assert "<li><code>who</code> the guide passes it, for it names find: no_call</li>" in page
    page = reports.html.render(single)
    heads = "".join(
        f'<th scope="col" class="number">{head}</th>'
        for head in ("accuracy", "passed", "model card")
    )
    assert f'<th scope="col">column</th>{heads}' in page
    assert "score</h3>\n<p>2 of 2 (ours: 1); it disagrees in 1 case.</p>" in page


def test_as_json(compared: Summary, single: Summary) -> None:
    """As counted, and as the schema says."""
    found = json.loads(reports.as_json.render(compared))
    for one in (found, json.loads(reports.as_json.render(single))):
        assert list(Draft202012Validator(SCHEMA).iter_errors(one)) == []
    spec = found["specs"][0]
    assert spec["leaderboard"][1] == {
        "name": "Non-Live Multiple AST",
        "after": {"value": 2 / 3, "passed": 2, "n": 3},
        "before": {"value": 1 / 3, "passed": 1, "n": 3},
        "card": 0.635,
    }
    assert spec["guide"] == {
        "passed": 2,
        "ours": 1,
        "n": 2,
        "disagreements": [{"case": "desk::who", "passes": True, "words": WRONG.words}],
        "words": "2 of 2 (ours: 1); it disagrees in 1 case",
    }
    assert spec["guide_before"]["disagreements"] == []


def test_reports_without_such_cases_say_nothing_of_them(desk: Summary) -> None:
    """No heading without a score."""
    for render in (reports.terminal.render, reports.markdown.render, reports.html.render):
        found = render(desk)
        assert "leaderboard" not in found
        assert "own score" not in found
