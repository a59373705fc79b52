"""`--junitxml`: what the XML says of cases and gates, whole, and that any reader can parse it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

FILE = "specs/desk.spec.yaml"
VARYING = {"time", "timestamp", "hostname"}

Node = tuple[str, dict[str, str], list[Any]]


def read(project: Any, *arguments: str) -> dict[str, Node]:
    """Run pytest with `--junitxml`; name → the tree of its testcase, without times."""
    project.pytest("-p", "no:cacheprovider", "--junitxml=report/junit.xml", *arguments)
    root = ElementTree.parse(project.root / "report" / "junit.xml").getroot()
    return {case.attrib["name"]: tree(case, project.root) for case in root.iter("testcase")}


def tree(element: ElementTree.Element, root: Path) -> Node:
    """An element with all that is in it; its text stands among its attributes."""
    held = {name: value for name, value in element.attrib.items() if name not in VARYING}
    if element.text:
        held["text"] = element.text.replace(f"{root}/", "")
    return element.tag, held, [tree(child, root) for child in element]


def case(name: str, properties: dict[str, str], *children: Node) -> Node:
    """A testcase as pytest writes it."""
    listed = [("property", {"name": key, "value": value}, []) for key, value in properties.items()]
    held = {"classname": "specs.desk.spec.yaml", "name": name}
    return "testcase", held, [("properties", {}, listed), *children]


def of(line: int, outcome: str, **more: str) -> dict[str, str]:
    """A case's properties; those that `more` names stand where they belong."""
    found = {"spec": "desk", "split": "test", "clause": "", "file": FILE, "line": str(line)}
    found |= {"outcome": outcome, "miss": ""} | more
    return {name: value for name, value in found.items() if value}


def gate(**numbers: str) -> dict[str, str]:
    """The gate's properties."""
    return {"spec": "desk", "split": "test", "file": FILE} | numbers


RED = """\
desk: 2 of 4 passed; the gate asks for a rate of 0.8: at least 4
specs/desk.spec.yaml:11 c: wrong_tool: expected find, got book
specs/desk.spec.yaml:12 d: no_call: expected book, got text: 'Which room?'"""
WEIGHED = {
    "a": case("a", of(9, "pass")),
    "b": case("b", of(10, "pass", clause="rooms")),
    "c": case(
        "c",
        of(11, "fail", miss="wrong_tool"),
        (
            "skipped",
            {"type": "pytest.xfail", "message": "wrong_tool: expected find, got book"},
            [],
        ),
    ),
    "d": case(
        "d",
        of(12, "fail", clause="rooms", miss="no_call"),
        (
            "skipped",
            {"type": "pytest.xfail", "message": "no_call: expected book, got text: 'Which room?'"},
            [],
        ),
    ),
    "gate": case(
        "gate",
        gate(passed="2", judged="4", needed="4", rate="0.5"),
        ("failure", {"message": RED, "text": RED}, []),
    ),
}


def test_the_whole_of_a_red_gate(desk: Any) -> None:
    """Cases say what became of them and where they stand; a weighed miss is an expected failure.

    The gate alone is a failure, and carries the numbers that it decided by.
    """
    assert read(desk) == WEIGHED


def test_workers_write_the_same(desk: Any) -> None:
    """Properties travel from pytest-xdist's workers."""
    pytest.importorskip("xdist")
    assert read(desk, "-n", "2") == WEIGHED


def test_a_gate_that_is_met_has_its_numbers_too(desk: Any) -> None:
    """A green gate is a plain testcase; the rate asked for is the option's."""
    found = read(desk, "--gate-min-pass-rate=0.25")
    assert found["gate"] == case("gate", gate(passed="2", judged="4", needed="1", rate="0.5"))


def test_a_miss_that_no_gate_weighs_is_a_failure(desk: Any) -> None:
    """Of a part of the spec each miss fails by itself, and the gate is skipped, without numbers."""
    found = read(desk, "-k", "finding or gate")
    reason = "desk: 2 of 4 selected"
    skipped = {"type": "pytest.skip", "message": reason, "text": f"{FILE}:1: {reason}"}
    assert found["gate"] == case("gate", gate(), ("skipped", skipped, []))
    tag, held, children = found["c"]
    properties, (kind, failure, _) = children
    assert (tag, held["name"], kind) == ("testcase", "c", "failure")
    assert properties == WEIGHED["c"][2][0]
    assert failure["message"].startswith("wrong_tool: expected find, got book\n")


def test_errors_and_skips_and_critical_misses(project: Any) -> None:
    """An error is an error, a skip is skipped with its reason, a critical miss fails by itself."""
    project.desk(
        "id: a, expect: find",
        "id: b, expect: find",
        "id: c, expect: find, skip: not sold any more",
        "id: d, expect: find, critical: true",
    )
    project.answers(a="find", d="book")
    found = read(project)
    skip = {
        "type": "pytest.skip",
        "message": "not sold any more",
        "text": f"{FILE}:10: not sold any more",
    }
    kinds = {name: node[2][1][0] for name, node in found.items() if len(node[2]) > 1}
    assert found["c"] == case("c", of(10, "skip"), ("skipped", skip, []))
    assert kinds == {"b": "error", "c": "skipped", "d": "failure", "gate": "error"}
    assert {name: node[2][0] for name, node in found.items()} == {
        name: case("", properties)[2][0]
        for name, properties in {
            "a": of(8, "pass"),
            "b": of(9, "error"),
            "c": of(10, "skip"),
            "d": of(11, "fail", miss="wrong_tool"),
            "gate": gate(passed="1", judged="2", needed="1", rate="0.5"),
        }.items()
    }


def test_a_gate_over_nothing_has_no_rate(project: Any) -> None:
    """Where nothing was judged there is no rate to tell, and where nothing is enough no need."""
    project.desk("id: a, expect: find, skip: later")
    project.answers()
    assert read(project)["gate"][2][0] == case("", gate(passed="0", judged="0"))[2][0]
    project.desk("id: a, expect: find", head="gate: {pass_rate: 0.9, bound: lower}")
    project.answers(a="find")
    assert read(project)["gate"][2][0] == case("", gate(passed="1", judged="1", rate="1.0"))[2][0]


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])
def test_what_xml_cannot_hold_does_not_break_the_file(
    project: Any, workers: tuple[str, ...]
) -> None:
    """Control characters and markup in a file's name, a skip's reason and replies: it parses.

    Properties show control characters as escapes, as the terminal does.
    """
    if workers:
        pytest.importorskip("xdist")
    odd = "\x1b[31m\x00<b>&]]>\ufffe\ud800"
    project.write(
        "specs/<b>&]]>\x85.spec.yaml",
        "spec: odd\ntools: [{name: find}]\ncompare: tool\ncases:\n"
        "  - {id: a, prompt: One, expect: find}\n"
        '  - {id: b, prompt: "Two \\e[31m", expect: find, critical: true}\n'
        '  - {id: c, prompt: Three, expect: find, skip: "no \\e[31m <b>"}\n',
    )
    lines = [{"case": f"odd::{name}", "reply": odd} for name in "ab"]
    project.write("replies.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    found = read(project, *workers)
    assert sorted(found) == ["a", "b", "c", "gate"]
    properties = {p[1]["name"]: p[1]["value"] for p in found["a"][2][0][2]}
    assert properties == {
        "spec": "odd",
        "split": "test",
        "file": "specs/<b>&]]>\\x85.spec.yaml",
        "line": "5",
        "outcome": "fail",
        "miss": "no_call",
    }
