"""Warnings about sound specs."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.loading import load_spec

HEAD = """\
tools:
  - {name: search, description: Finds., parameters: {query: {type: string}}}
  - {name: clock, description: Tells the time.}
"""
BALANCED = """\
  - {id: s, prompt: Find eggs., expect: {search: {query: eggs}}}
  - {id: c, prompt: The time?, expect: clock}
  - {id: n, prompt: Hello., expect: no_call}
"""


def warnings(tmp_path: Path, cases: str, head: str = HEAD) -> list[str]:
    """The warnings about a spec, without the excerpts."""
    file = tmp_path / "a.spec.yaml"
    file.write_text(f"{head}cases:\n{cases}", encoding="utf-8")
    loaded = load_spec(file, "a")
    assert loaded.problems == ()
    return [str(warning).split("\n")[0] for warning in loaded.warnings]


def test_a_balanced_spec_has_none(tmp_path: Path) -> None:
    """Every tool and a refusal expected, no prompt twice: nothing to say."""
    assert warnings(tmp_path, BALANCED) == []


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (
            "{id: d, prompt: find  EGGS, expect: {search: {query: eggs}}}",
            "a:8:5: case d: asks the same as case s on line 5 (it counts twice; remove one)",
        ),
        (
            "{id: d, prompt: Find eggs, expect: search}",
            "a:8:5: case d: asks the same as case s on line 5 (it counts twice; remove one)",
        ),
        (
            "{id: d, prompt: Find eggs!, expect: no_call}",
            "a:8:5: case d: asks the same as case s on line 5 and expects something else "
            "(no model can meet both)",
        ),
        (
            "{id: d, prompt: Find eggs., expect: {search: {query: ham}}}",
            "a:8:5: case d: asks the same as case s on line 5 and expects something else "
            "(no model can meet both)",
        ),
        (
            "{id: d, prompt: Find eggs., expect: {search: {query: eggs}}, split: train}",
            "a:8:5: case d: asks the same as case s on line 5: one is a train case, the other a "
            "test case (training on it makes the test meaningless; give both one `split` or "
            "`group`)",
        ),
        (
            '{id: d, prompt: "Say <escape>.", expect: no_call}',
            "a:8:5: case d: The text holds '<escape>', which the tokenizer reads as that control "
            "token (write it in other words)",
        ),
        (
            "{id: d, prompt: Be brief?, expect: clock, developer: Be brief.}",
            "a:8:58: case d, developer: The developer turn lacks the sentence 'You are a model "
            "that can do function calling with the following functions': without it FunctionGemma "
            "seldom calls a tool, and the template does not add it",
        ),
        (
            "{id: d, prompt: Find ham., expect: {search: {query: {$contains: ham, $gold: pork}}}}",
            "a:8:5: case d: the gold of search's query would not pass: expected a text containing "
            "'ham', got 'pork' (trained on it, the model misses this case)",
        ),
        (
            "{id: d, prompt: The $(a)?, expect: clock, each: [{a: date, b: 1}]}",
            "a:8:64: case d: nothing in the case uses the variable 'b'",
        ),
        (
            "{id: d, prompt: The $(a)?, expect: clock}",
            "a:8:21: case d, prompt: `$(a)` is a text like any other here: the case has no `each` "
            "(add `each: [{a: …}]`)",
        ),
        (
            "{prompt: Find ham., expect: {search: {query: $(ham)}}}",
            "a:8:33: case no. 4, expect: `$(ham)` is a text like any other here: the case has no "
            "`each` (add `each: [{ham: …}]`)",
        ),
    ],
)
def test_one_case_too_many(tmp_path: Path, case: str, expected: str) -> None:
    """One more case, one warning, at that case."""
    assert warnings(tmp_path, f"{BALANCED}  - {case}\n") == [expected]


def test_a_gold_that_is_not_judged_may_be_anything(tmp_path: Path) -> None:
    """Under `compare: tool` the operators are not applied, to the model or to the gold."""
    case = (
        "  - {id: d, prompt: Find ham., expect: {search: {query: {$contains: ham, $gold: pork}}}}\n"
    )
    assert warnings(tmp_path, BALANCED + case, f"{HEAD}compare: tool\n") == []


def test_the_same_prompt_with_other_tools_is_another_question(tmp_path: Path) -> None:
    """A refusal because a tool is missing contradicts nothing."""
    case = "  - {id: d, prompt: Find eggs., tools: [clock], expect: no_call}\n"
    assert warnings(tmp_path, BALANCED + case) == []


def test_one_sided_specs(tmp_path: Path) -> None:
    """A model that always does the same must not pass."""
    search = "  - {id: s, prompt: Find eggs., expect: {search: {query: eggs}}}\n"
    refusal = "  - {id: n, prompt: Hello., expect: no_call}\n"
    unused = [
        "a:3:5: tool clock: no case expects this tool (add one, or leave the tool out)",
    ]
    assert warnings(tmp_path, search) == [
        *unused,
        "a:4:1: cases: no case expects `no_call`: a model that never holds back can pass them all "
        "(add prompts that no tool is for)",
        "a:4:1: cases: every case with a call expects search: a model that knows no other passes "
        "them (add prompts that the other tools are for)",
    ]
    assert warnings(tmp_path, refusal) == [
        "a:2:5: tool search: no case expects this tool (add one, or leave the tool out)",
        *unused,
        "a:4:1: cases: every case expects `no_call`: a model that never calls passes them all "
        "(add prompts that a tool is for)",
    ]


def test_clauses_without_a_case(tmp_path: Path) -> None:
    """A clause that nothing tests is a promise that nobody keeps."""
    head = f"{HEAD}clauses: {{polite: Be polite.}}\n"
    assert warnings(tmp_path, BALANCED, head) == [
        "a:4:11: clauses.polite: no case tests this clause (add `clause: polite` to those that do)"
    ]


def test_what_the_template_drops_is_shown_where_it_is_written(tmp_path: Path) -> None:
    """In the short form and in the long one, at the schema's own line."""
    head = """\
tools:
  - name: clock
    parameters:
      type: {type: string}
  - name: search
    parameters:
      type: object
      properties:
        level: {type: integer, enum: [1, 2]}
"""
    cases = """\
  - {id: c, prompt: The time?, expect: {clock: {type: local}}}
  - {id: s, prompt: Find eggs., expect: {search: {level: 1}}}
  - {id: n, prompt: Hello., expect: no_call}
"""
    assert warnings(tmp_path, cases, head) == [
        "a:4:13: tool clock, parameters.type: The template skips every parameter named 'type': "
        "the model never sees it (rename it)",
        "a:9:38: tool search, parameters.properties.level.enum: The template shows an enum of "
        "type string alone: these values are not shown (name them in the description)",
    ]


def test_a_gate_that_so_few_cases_cannot_reach(tmp_path: Path) -> None:
    """The warning says how many it takes."""
    head = f"{HEAD}gate: {{pass_rate: 0.8, bound: lower}}\n"
    assert warnings(tmp_path, BALANCED, head) == [
        "a:4:31: gate.bound: 3 test cases cannot reach 0.8 at the lower end of the interval "
        "(it takes 16 that all pass)"
    ]
    head = f"{HEAD}gate: {{bound: lower}}\n"
    assert warnings(tmp_path, BALANCED, head) == [
        "a:4:15: gate.bound: the lower end of an interval never reaches a pass rate of 1 "
        "(lower `pass_rate`)"
    ]


def test_nothing_to_judge(tmp_path: Path) -> None:
    """A file whose test cases are all skipped cannot pass its gate."""
    cases = BALANCED.replace("}\n", ", skip: later}\n")
    assert warnings(tmp_path, cases) == [
        "a:4:1: cases: there is no test case to judge (the gate cannot pass on nothing)"
    ]


def test_groups_that_are_torn(tmp_path: Path) -> None:
    """Near-duplicates in two splits leak."""
    case = "  - {{id: {0}, prompt: {0}?, expect: no_call, group: g, split: {1}}}\n"
    cases = BALANCED + case.format("a", "train") + case.format("b", "test")
    assert warnings(tmp_path, cases) == [
        "a:9:5: case b: the group 'g' has cases in train and test (near-duplicates must share a "
        "split: name none, or the same one, for all of them)"
    ]


KEYWORDS = """\
tools:
  - name: search
    description: Finds.
    parameters:
      query: {type: string, descripton: what for}
      title: {type: string, description: the title, as in: Emma}
      pages: {type: array, items: {type: integer, foo: 1}, example: [1], x-unit: page}
  - {name: clock, description: Tells the time., parameters: {type: object, Required: []}}
"""


def test_keywords_that_say_nothing(tmp_path: Path) -> None:
    """At any depth, with the nearest known one; what other tools know of is left alone."""
    cases = BALANCED.replace("{search: {query: eggs}}", "search")
    assert warnings(tmp_path, cases, KEYWORDS) == [
        "a:5:29: tool search, parameters.query.descripton: unknown keyword 'descripton' (did you "
        "mean 'description'?)",
        "a:6:53: tool search, parameters.title.as in: unknown keyword 'as in' (a comma ends a text "
        "inside { }: quote the whole text)",
        "a:7:51: tool search, parameters.pages.items.foo: unknown keyword 'foo' (it says nothing: "
        "leave it out, or start its name with `x-`)",
        "a:8:76: tool clock, parameters.Required: unknown keyword 'Required' (did you mean "
        "'required'?)",
    ]


def test_bfcl_files_have_keywords_of_their_own(tmp_path: Path) -> None:
    """Under `rules: bfcl` an unknown keyword is nobody's slip."""
    cases = BALANCED.replace("{search: {query: eggs}}", "search")
    assert warnings(tmp_path, cases, f"rules: bfcl\n{KEYWORDS}") == []
