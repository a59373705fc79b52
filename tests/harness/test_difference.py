"""The gold block over the reply's: rows that fit a terminal, marks where they differ."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cases import Call
from harness.difference import block_difference
from harness.functiongemma import write_call

GOLD = write_call(Call("search", {"query": "AAPL stock price"}))


def test_words_are_marked_whole_and_rows_are_aligned() -> None:
    """What one side lacks is blank there; every row fits 78 columns."""
    got = write_call(Call("search", {"limit": 5, "query": "Apple stock price"}))
    assert block_difference(GOLD, f"Sure. {got}<start_function_response>") == [
        "  gold      <start_function_call>call:search{        query:<escape>AAPL  stock",
        "  got       <start_function_call>call:search{limit:5,query:<escape>Apple stock",
        "                                             ^^^^^^^^              ^^^^^",
        "  gold       price<escape>}<end_function_call>",
        "  got        price<escape>}<end_function_call>",
    ]


def test_the_same_block_has_no_difference() -> None:
    """Whatever surrounds it."""
    assert block_difference(GOLD, f"Sure. {GOLD}") == []


def test_no_call() -> None:
    """Nothing to compare with: the gold block and the fact."""
    assert block_difference(GOLD, "No.") == [f"  gold      {GOLD}", "  got       (no call)"]


def test_control_characters_are_escaped() -> None:
    """A block that would drive the terminal is shown escaped, without marks."""
    got = write_call(Call("search", {"query": "\x1b[2J"}))
    lines = block_difference(GOLD, got)
    assert len(lines) == 2
    assert "\\x1b[2J" in lines[1]
    assert all(line.isprintable() for line in lines)


def test_long_blocks_are_cut() -> None:
    """A block of a megabyte takes two lines, and no time to compare."""
    lines = block_difference(GOLD, write_call(Call("search", {"query": "x " * 500_000})))
    assert len(lines) == 2
    assert len(lines[1]) < 700


@given(st.text("ab ,é", min_size=1, max_size=90), st.text("ab ,é", max_size=90))
@settings(max_examples=80, deadline=None)
def test_rows_hold_both_blocks_and_marks_tell_the_truth(one: str, other: str) -> None:
    """Put together again, a column without a mark holds the same character on both sides."""
    gold, got = (write_call(Call("f", {"a": text})) for text in (one, other))
    lines = block_difference(gold, got)
    assert (lines == []) is (gold == got)
    above = below = marks = ""
    for line in lines:
        label, text = line[:12].strip(), line[12:].ljust(66)
        assert len(line) <= 78
        if label == "gold":
            above += text
            marks = marks.ljust(len(above) - 66)
        elif label == "got":
            below += text
        else:
            marks += text
    marks = marks.ljust(len(above))
    assert all(a == b for a, b, mark in zip(above, below, marks, strict=True) if mark == " ")
    assert "".join(above.split()) == "".join(gold.split() if lines else [])
    assert "".join(below.split()) == "".join(got.split() if lines else [])
