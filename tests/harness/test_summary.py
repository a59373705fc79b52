"""What a run says at its end: the table, the misses, and one case in full."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cases import Gate, Miss
from harness.gating import decide
from harness.metrics import Metrics
from harness.spec_files.strict_yaml import read_yaml
from harness.summary import case_text, interval_text, miss_line, percent, row_of, summary_lines
from harness.wording import expectation_text, opening


def record(name: str, outcome: str, miss: str | None = None, **more: Any) -> dict[str, Any]:
    """A record of the log."""
    return {
        "case": name,
        "spec": name.partition("::")[0],
        "location": "specs/s.spec.yaml:7",
        "outcome": outcome,
        "miss": miss,
        "reason": "",
        "compare": "arguments",
        "critical": False,
        "tool_match": None,
        "schema_valid": None,
        "expected": [],
        "calls": [],
        "cer": None,
        **more,
    }


def summary(records: list[dict[str, Any]], gates: dict[str, Gate], *footnotes: str) -> list[str]:
    """The summary of a run over these records."""
    metrics = Metrics()
    for one in records:
        metrics.add(one)
    rows = []
    for name, gate in gates.items():
        own = [one for one in records if one["spec"] == name]
        baseline = {"s::back"}
        rows.append(row_of(decide(name, gate, own, baseline=baseline)))
    return summary_lines("a model", "test", rows, records, metrics.footer(1.0), footnotes)


def test_a_summary_whole() -> None:
    """Model, table, gates not met, kinds, metrics, regressions, every miss, footnotes."""
    records = [
        record("s::a", "pass", tool_match=True, schema_valid=True),
        record("s::back", "fail", "wrong_tool", reason="expected f, got g", tool_match=False),
        record("s::c", "error", reason="no reply"),
        record("s::d", "skip", reason="not yet"),
        record("t::a", "fail", "no_call", reason="expected f, got text: 'No.'", critical=True),
        record("t::b", "pass", compare="tool"),
    ]
    found = summary(records, {"s": Gate(0.5), "t": Gate(0.5), "u": Gate()}, "run log: x")
    assert "\n".join(found) == SUMMARY


SUMMARY = """\
model: a model; split: test

spec      cases    passed    rate    95 % interval    needed  gate
------  -------  --------  ------  ---------------  --------  -------
s             4         1    50 %           9–91 %         1  error
t             2         1    50 %           9–91 %         1  NOT MET
u             0         0       –                –         –  error

s: gate not met: 1 case is an error, and no gate is met with one
s: gate not met: 1 case passed in the baseline and misses now
t: gate not met: critical case missed: a
u: gate not met: nothing was judged

s: 1 wrong_tool, 1 error, 1 skip
t: 1 no_call
tool accuracy 50 % (n 2), valid calls 100 % (n 1)
argument values are not judged, only whether they fit the tool's schema: t

passed in the baseline, misses now: s::back

specs/s.spec.yaml:7 back: wrong_tool: expected f, got g
specs/s.spec.yaml:7 c: error: no reply
specs/s.spec.yaml:7 a: no_call (critical): expected f, got text: 'No.'

run log: x"""


def test_a_run_in_which_all_is_well() -> None:
    """Model, table, footnotes: nothing else to say."""
    found = summary([record("s::a", "pass")], {"s": Gate()}, "run log: x")
    assert len([line for line in found if line]) == 5


def test_kinds_come_by_number_then_in_the_order_of_the_table() -> None:
    """Errors and skips last, however many."""
    kinds = ["not_exact", "truncated", "no_call", "no_call"]
    records = [record(f"s::{n}", "fail", kind) for n, kind in enumerate(kinds)]
    records += [record(f"s::s{n}", "skip") for n in range(5)]
    records.append(record("s::e", "error"))
    found = summary(records, {"s": Gate()})
    assert "s: 2 no_call, 1 truncated, 1 not_exact, 1 error, 5 skip" in found


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 0, "–"),
        (16, 20, "80 %"),
        (0, 5, "0 %"),
        (1, 3, "33 %"),
        (21, 34, "61.8 %"),
        (199, 200, "99.5 %"),
        (9999, 10000, "99.9 %"),
        (1, 10000, "0.1 %"),
        (10000, 10000, "100 %"),
    ],
)
def test_percent(part: int, whole: int, text: str) -> None:
    """Never all or nothing by rounding."""
    assert percent(part, whole) == text


def test_interval() -> None:
    """Both ends, in whole per cent."""
    assert interval_text((0.584, 0.9193)) == "58–92 %"


def test_a_miss_stays_on_one_line() -> None:
    """Line breaks and control characters are escaped, a long reason is cut in the middle."""
    found = miss_line(record("s::a", "fail", "no_call", reason="\x1b[2J\nx" + "y" * 1_000_000))
    assert found.isprintable()
    assert found.startswith("specs/s.spec.yaml:7 a: no_call: \\x1b[2J\\nxyyy")
    assert len(found) < 250


def test_every_kind_of_miss_has_its_place() -> None:
    """A miss added to the vocabulary cannot break the summary."""
    for miss in Miss:
        assert f"s: 1 {miss}" in summary([record("s::a", "fail", miss.value)], {"s": Gate()})


def test_a_case_in_full() -> None:
    """What was asked, expected and got, and how to run it again; empty rows left out."""
    one = record("s::a", "fail", "wrong_text", reason="text: expected 'x', got 'y'", compare="tool")
    one |= {"prompt": "Say\nx.", "written": {"no_call": True, "says": "x"}, "clause": "c"}
    one |= {"reply": "y\x07", "note": "BFCL says so"}
    assert case_text(one, "callgate show s::a") == (
        "wrong_text: text: expected 'x', got 'y'\n"
        "  case      a, specs/s.spec.yaml:7\n"
        "  prompt    Say\\nx.\n"
        "  expected  {no_call: true, says: x}  (written values are not judged: compare: tool)\n"
        "  clause    c\n"
        "  note      BFCL says so\n"
        "  reply     y\\x07\n"
        "  again     callgate show s::a"
    )


TEXTS = st.one_of(
    st.text(st.characters(blacklist_categories=["Cs"]), max_size=8),
    st.sampled_from(
        ["true", "null", "~", "1", "-1.5e3", ".5", "- a", "? a", "a: b", "a #b", "yes"]
    ),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-99, 99), st.floats(-9, 9), TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@given(VALUES)
@settings(max_examples=150, deadline=None)
def test_an_expectation_is_shown_as_yaml_would_read_it(value: Any) -> None:
    """What `show` prints can be pasted into a spec: it reads as the same value, types too."""
    text = expectation_text({"x": value})
    assert "\n" not in text
    assert read_yaml(text, "x").value == {"x": value}
    assert repr(read_yaml(text, "x").value) == repr({"x": value})


def test_how_a_text_begins(tmp_path: Path) -> None:
    """Quoted, escaped, and cut at its end."""
    assert opening("No.") == "'No.'"
    assert opening("a\x1bb\n") == "'a\\x1bb\\n'"
    assert opening("x" * 100) == "'" + "x" * 71 + "…'"
