"""Reports as GitHub annotations."""

# ruff: noqa: E501 - commands stand here as they are written

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from reports.annotations import render
from reports.summary import Summary

DESK = """\
::error file=specs/desk.spec.yaml,line=8,title=desk%3A%3Ab%3A wrong_tool%2C passed before::expected find, got book (prompt: Question b?)
::error file=specs/desk.spec.yaml,line=11,title=desk%3A%3Ae%3A error::no reply (prompt: Question e?)
::error file=specs/desk.spec.yaml,line=9,title=desk%3A%3Ac%3A no_call::expected find, got text (prompt: Question c?)
::error file=specs/desk.spec.yaml,line=10,title=desk%3A%3Ad%3A wrong_tool::expected find, got book (prompt: Question d?)
::notice title=desk%3A two runs compared::Not distinguishable with 5 cases; the gate of desk is not met.
"""

ALONE = """\
::warning file=specs/desk.spec.yaml,line=8,title=desk%3A%3Ab%3A wrong_tool%2C critical::expected find, got book (prompt: Question b?)
::warning file=specs/desk.spec.yaml,line=9,title=desk%3A%3Ac%3A no_call::expected find, got text (prompt: Question c?)
::notice title=desk%3A one run::Gate met: 7 of 9 on test.
"""

COMMAND = re.compile(
    r"::(error|warning|notice) (?:(?:file|line|title)=[^:,\r\n]*(?:,(?=[a-z])|))*::[^\r\n]*"
)


def test_a_gate_not_met_whole(desk: Summary) -> None:
    """Every miss is an error: broken first, then what got no reply, then the rest."""
    assert render(desk) == DESK


def test_a_gate_that_is_met_whole(alone: Summary) -> None:
    """Its misses are warnings, the critical one first; the verdict comes last."""
    assert render(alone) == ALONE


def test_a_broken_case_of_a_met_gate_is_an_error(desk: Summary) -> None:
    """A regression shows red although enough cases pass; other misses stay warnings."""
    spec = desk.specs[0]
    whole = replace(spec.whole, after=replace(spec.whole.after, met=True))
    found = render(replace(desk, specs=(replace(spec, whole=whole),)))
    levels = [
        (line.split(" ")[0], line.split("line=")[1].split(",")[0])
        for line in found.splitlines()[:-1]
    ]
    assert levels == [("::error", "8"), ("::error", "11"), ("::warning", "9"), ("::warning", "10")]


def test_no_more_than_github_shows(desk: Summary) -> None:
    """Ten errors, and how many misses there are besides."""
    rows = tuple(replace(desk.cases[2], id=f"case-{n}") for n in range(40))
    found = render(replace(desk, cases=rows)).splitlines()
    assert len(found) == 11
    assert found[-1] == (
        "::notice title=desk%3A two runs compared::Not distinguishable with 5 cases; the gate of "
        "desk is not met. 30 more misses are in the report and not here: GitHub shows ten of a "
        "kind."
    )


def test_a_gate_over_nothing_is_an_error_at_its_file(desk: Summary) -> None:
    """A gate that is not met without a miss has its annotation too."""
    spec = desk.specs[0]
    side = replace(spec.whole.after, met=False, reasons=("nothing was judged",))
    specs = (replace(spec, whole=replace(spec.whole, after=side)),)
    found = render(replace(desk, cases=(), specs=specs))
    assert found.splitlines()[0] == (
        "::error file=specs/desk.spec.yaml,title=desk%3A gate not met::nothing was judged"
    )


@pytest.mark.parametrize(
    ("text", "title", "message"),
    [
        ("50 %, a: b", "50 %25%2C a%3A b", "50 %25, a: b"),
        ("a\r\n::error::b", "a\\r\\n%3A%3Aerror%3A%3Ab", "a\\r\\n::error::b"),
        ("%0A::warning::b", "%250A%3A%3Awarning%3A%3Ab", "%250A::warning::b"),
        ("##[group]x", "#\\x23[group]x", "#\\x23[group]x"),
        ("\x1b[2J\u2028", "\\x1b[2J\\u2028", "\\x1b[2J\\u2028"),
    ],
)
def test_escapes(desk: Summary, text: str, title: str, message: str) -> None:
    """What a runner would read is a percent code, what a terminal would is shown as an escape."""
    row = desk.cases[2]
    assert row.after is not None
    bad = replace(row, case=text, after=replace(row.after, reason=text), prompt="p")
    assert render(replace(desk, cases=(bad,))).splitlines()[0] == (
        f"::error file=specs/desk.spec.yaml,line=9,title={title}%3A no_call::{message} (prompt: p)"
    )


@pytest.mark.parametrize(
    ("location", "place"),
    [
        ("a:b.spec.yaml:12", "file=a%3Ab.spec.yaml,line=12,"),
        ("a,b.yaml:3", "file=a%2Cb.yaml,line=3,"),
        ("elsewhere", "file=elsewhere,"),
        ("x:y", "file=x%3Ay,"),
        ("", ""),
    ],
)
def test_places(desk: Summary, location: str, place: str) -> None:
    """A location without a line, or none at all, still gives a command."""
    found = render(replace(desk, cases=(replace(desk.cases[2], location=location),)))
    assert found.startswith(f"::error {place}title=")


@pytest.mark.parametrize(
    "text",
    ["::error::x\n::warning::y", "##[error]x", "\x1b[0m", "x" * 1_000_000, "\ud800", "", "%", "\r"],
    ids=repr,
)
def test_hostile_text_starts_no_command(text: str, filled: Callable[[str], Summary]) -> None:
    """Every line is one command of ours, and short."""
    found = render(filled(text)).split("\n")
    assert found.pop() == ""
    assert [line for line in found if not COMMAND.fullmatch(line)] == []
    assert max(map(len, found)) < 4000
    assert not [line for line in found if "##[" in line or "\x1b" in line]
