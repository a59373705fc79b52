"""Reports as JSON, and the schema that describes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import reports.summary
from reports.as_json import render
from reports.summary import Summary

FILE = Path(reports.summary.__file__).with_name("summary.schema.json")
SCHEMA: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))


def problems(text: str) -> list[str]:
    """What the schema says against a report."""
    found = Draft202012Validator(SCHEMA).iter_errors(json.loads(text))
    return [f"{list(one.absolute_path)}: {one.message}" for one in found]


def test_a_report_fits_the_schema(desk: Summary, alone: Summary) -> None:
    """With a comparison and a training, and without either."""
    assert problems(render(desk)) == problems(render(alone)) == []


def test_every_field_is_there_by_its_name(desk: Summary) -> None:
    """The Summary itself: its fields, in their order, behind the version of the format."""
    found = json.loads(render(desk))
    assert list(found) == ["schema", *(one.name for one in fields(Summary))]
    assert found["schema"] == 1
    assert found["cases"][1]["after"]["reason"] == "expected find, got book"
    assert found["overall"]["comparison"]["broken"] == ["desk::b"]
    assert found["training"]["dropped"] == [["desk::x", "desk::a"]]
    assert found["training"]["steps"][1] == {"step": 2, "epoch": 1.0, "loss": None}


def test_the_schema_is_strict_and_whole() -> None:
    """Every dataclass of a Summary stands in it with all its fields, each described."""
    Draft202012Validator.check_schema(SCHEMA)
    classes = {
        name: kind
        for name, kind in vars(reports.summary).items()
        if isinstance(kind, type) and is_dataclass(kind)
    }
    assert set(SCHEMA["$defs"]) | {"Summary"} == set(classes)
    for name, kind in classes.items():
        part = SCHEMA if name == "Summary" else SCHEMA["$defs"][name]
        named = [one.name for one in fields(kind)]
        expected = ["schema", *named] if name == "Summary" else named
        assert list(part["properties"]) == part["required"] == expected
        assert part["additionalProperties"] is False
        assert all(one["description"] for one in part["properties"].values())


def test_what_does_not_fit_is_refused(desk: Summary) -> None:
    """A missing, an unknown and a mistyped key are found: the schema says something."""
    whole = json.loads(render(desk))
    assert problems(json.dumps({**whole, "more": 1}))
    assert problems(json.dumps({**whole, "split": None}))
    assert problems(json.dumps({key: whole[key] for key in whole if key != "cases"}))
    whole["cases"][0]["change"] = "lost"
    assert problems(json.dumps(whole))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_no_number_that_json_lacks(desk: Summary, number: float) -> None:
    """NaN and infinity are null: every reader of JSON can read a report."""
    facts = replace(desk.after, seconds=number, generation={"x": [number]})
    found = json.loads(render(replace(desk, after=facts)), parse_constant=pytest.fail)
    assert (found["after"]["seconds"], found["after"]["generation"]) == (None, {"x": [None]})


@given(st.text(max_size=30))
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_text_comes_back_as_it_was(filled: Callable[[str], Summary], text: str) -> None:
    """Plain ASCII, no command of GitHub's runner, and the same text after reading."""
    written = render(filled(text))
    assert written.isascii()
    assert "\x1b" not in written
    assert "##[" not in written
    assert json.loads(written)["title"] == text
    assert problems(written) == []


@pytest.mark.parametrize("text", ["##[error]x", "\ud800", "\x7f\x1b", "\u2028", "</script>"])
def test_hostile_text_comes_back_as_it_was(filled: Callable[[str], Summary], text: str) -> None:
    """Half a character, a terminal's escape and a runner's command are data."""
    written = render(filled(text))
    assert json.loads(written)["verdict"] == text
    assert written.isascii()
    assert "##[" not in written
    assert not set(written) - {"\n"} & set(map(chr, (*range(32), 127)))
