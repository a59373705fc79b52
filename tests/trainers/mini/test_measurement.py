"""How outputs are counted, and how rates are written."""

from __future__ import annotations

import pytest

from trainers.mini.evalsets import SETS, evaluation_set
from trainers.mini.evaluate import SetResult, count
from trainers.mini.render import prompt_text, target_text
from trainers.mini.schema import Call, Param, Row, Slot, Tool
from trainers.mini.table import table_text, wilson

TOOL = Tool("f", "D", (Param("n", Slot("int"), "N"), Param("s", Slot("title"), "S")))
ROW = Row("single", "", (TOOL, Tool("g", "E")), "do", (Call("f", {"n": 3, "s": "a b"}),))
END = "<end_function_call><start_function_response>"


@pytest.mark.parametrize(
    ("output", "valid", "tool", "exact"),
    [
        (f"<start_function_call>call:f{{n:3,s:<escape>a b<escape>}}{END}", 1, 1, 1),
        (f"<start_function_call>call:f{{s:<escape>a b<escape>,n:3}}{END}", 1, 1, 1),
        (f"<start_function_call>call:f{{n:3.0,s:<escape>a b<escape>}}{END}", 1, 1, 0),
        (f"<start_function_call>call:f{{n:3}}{END}", 1, 1, 0),
        (f"<start_function_call>call:g{{}}{END}", 1, 0, 0),
        ("no<end_of_turn>", 1, 0, 0),
        ("<start_function_call>call:f{n:3", 0, 0, 0),
    ],
)
def test_outputs_are_counted(output: str, valid: int, tool: int, exact: int) -> None:
    """Claim: order of arguments does not count; types, values and the ending do."""
    result = SetResult()
    count(result, ROW, output)
    assert (result.valid.hits, result.right_tool.hits, result.exact.hits) == (valid, tool, exact)


def test_right_outputs_count_fully() -> None:
    """Claim: the targets themselves score 100 % on every set, so no set is unwinnable."""
    for name in SETS:
        result = SetResult()
        for row in evaluation_set(name, size=30):
            count(result, row, target_text(row))
        assert result.valid.hits == result.right_tool.hits == result.exact.hits == 30


def test_another_seed_gives_other_rows() -> None:
    """Claim: sets of another seed share no prompt with the recorded ones, and repeat exactly."""
    for name in ("schemas_procedural", "parallel_seen", "refuse_unseen"):
        other = evaluation_set(name, size=30, seed=7)
        assert other == evaluation_set(name, size=30, seed=7)
        assert not set(map(prompt_text, other)) & set(map(prompt_text, evaluation_set(name)))


def test_wilson_intervals() -> None:
    """Claim: the interval is Wilson's, also at the borders (values from the literature)."""
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_the_table_has_a_row_per_set() -> None:
    """Claim: every set appears with its n, and sets without trials are not made up."""
    result = SetResult()
    count(result, ROW, "no<end_of_turn>")
    text = table_text(dict.fromkeys(SETS, result))
    assert all(f"| {name} | 1 |" in text for name in SETS)
    assert "| calls that name a declared tool | 0 | – |" in text
