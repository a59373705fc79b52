"""Slips in spec files that nothing else would say: each is told where it is, and all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.loading import load_spec

HEAD = """\
clauses: {look: Questions are looked up.}
tools:
  - name: f
    parameters:
      type: object
      properties:
        q: {type: string}
        a: {type: object, properties: {s: {type: string}, c: {type: string}}, required: [s]}
        n: {type: array, items: {type: integer}}
      required: [q]
  - name: g
    parameters: {type: object, properties: {}}
cases:
"""


def problems(folder: Path, cases: str, *, head: str = HEAD) -> list[str]:
    """What is wrong with a spec: `LINE: what (hint)`."""
    file = folder / "it.spec.yaml"
    file.write_text(head + cases, encoding="utf-8")
    loaded = load_spec(file, "it")
    return [f"{p.location.line}: {p.what}" + f" ({p.hint})" * bool(p.hint) for p in loaded.problems]


FILLED = """\
  - prompt: $(q)
    expect: g
    each:
      - q: %s
"""


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (
            "What happened to parcel #16?",
            "the text ends at this '#', which starts a comment in YAML "
            '(write: q: "What happened to parcel #16?")',
        ),
        ("", "is null, expected a text (write one, in double quotes)"),
        ("0042", 'YAML reads this as the number 42 (if it is a text, write: "0042")'),
        ("1.50", 'YAML reads this as the number 1.5 (if it is a text, write: "1.50")'),
    ],
)
def test_prose_in_a_variable_is_as_it_was_written(tmp_path: Path, value: str, what: str) -> None:
    """A prompt that `each` fills in is guarded as one that is written out."""
    assert problems(tmp_path, FILLED % value) == [f"17: {what}"]


@pytest.mark.parametrize("value", ['"What of #16?"', "plain words", "7", "true", "a#b"])
def test_what_is_read_as_written_is_taken(tmp_path: Path, value: str) -> None:
    """Quoted prose, and numbers that are spelled as they come out."""
    assert problems(tmp_path, FILLED % value) == []


def test_a_variable_within_a_prompt_may_have_a_comment(tmp_path: Path) -> None:
    """Only where the variable is the whole prompt has its end been the end of the prompt."""
    case = "  - prompt: Weather in $(city)?\n    expect: g\n    each:\n      - city: Oslo # cold\n"
    assert problems(tmp_path, case) == []


def test_a_variable_that_is_one_prompt_and_part_of_another(tmp_path: Path) -> None:
    """Whichever comes first, the one it fills alone is guarded, and told once."""
    for prompts in ("{a: About $(q), b: $(q)}", "{b: $(q), a: About $(q)}"):
        case = f"  - prompts: {prompts}\n    expect: g\n    each:\n      - q: parcel #16\n"
        [found] = problems(tmp_path, case)
        assert found.startswith("17: the text ends at this '#'")


def test_a_prompt_that_comes_out_empty(tmp_path: Path) -> None:
    """As a prompt that is written empty."""
    assert problems(tmp_path, FILLED % '" "') == [
        "17: makes an empty prompt (fill in its variables)"
    ]


def test_a_reply_after_a_search_is_prose(tmp_path: Path) -> None:
    """`then.reply` is trained on, so a comment must not cut it short."""
    case = "  - prompt: Find it.\n    expect: g\n    then:\n      reply: The thing #16 costs 5.\n"
    found = problems(tmp_path, case)
    assert found[0].startswith("17: the text ends at this '#'")


SECOND = {
    "messages: [{role: usr, content: hi}], expect: g": "usr",
    "prompt: p, expect: {f: {qq: b, q: a}}": "f has no argument 'qq'",
    "prompt: p, split: train, expect: f": "a train case needs the whole call",
    "prompt: p, reply: hi, expect: f": "`reply` is only for cases that expect `no_call`",
    "prompt: $(v), each: [{v: a}], expect: {f: {qq: b, q: a}}": "f has no argument 'qq'",
}


@pytest.mark.parametrize("slip", ["clause: lok", "tags: [no good tag]", "claus: look"])
@pytest.mark.parametrize("case", SECOND)
def test_one_slip_hides_no_other(tmp_path: Path, slip: str, case: str) -> None:
    """Every problem of a case at once, also behind one that does not bear on the others."""
    found = problems(tmp_path, f"  - {{id: a, {slip}, {case}}}\n")
    assert len(found) >= 2, found
    assert any(SECOND[case] in what for what in found), found


def test_an_id_is_told_to_be_taken_whatever_else_is_wrong(tmp_path: Path) -> None:
    """Two cases of one id, one of them with a slip besides."""
    cases = "  - {id: a, clause: lok, prompt: p, expect: g}\n  - {id: a, prompt: q, expect: g}\n"
    found = problems(tmp_path, cases)
    assert [what.partition(":")[0] for what in found] == ["14", "15"]
    assert "two cases are called 'a', the first on line 14" in found[1]


@pytest.mark.parametrize(
    ("expect", "what"),
    [
        ("{f: {q: a, a: {s: {$regex: ^E}, c: 5}}}", "expected a text, got 5"),
        ("{f: {q: a, a: {c: {$contains: x}}}}", "'s' is required, so a call without it is never"),
        ("{f: {q: a, n: [{$min: 1}, two]}}", "expected an integer, got 'two'"),
    ],
)
def test_what_stands_beside_an_open_match_is_checked(
    tmp_path: Path, expect: str, what: str
) -> None:
    """No reply could pass: the literal breaks the schema, and the match keeps it from the gold."""
    [found] = problems(tmp_path, f"  - {{id: a, prompt: p, expect: {expect}}}\n")
    assert what in found


def test_open_members_that_fit_are_taken(tmp_path: Path) -> None:
    """A match beside literals of the right types."""
    expect = "{f: {q: a, a: {s: {$regex: ^E}, c: five}, n: [{$min: 1}, 2]}}"
    assert problems(tmp_path, f"  - {{id: a, prompt: p, expect: {expect}}}\n") == []


@pytest.mark.parametrize(
    ("schema", "right"),
    [
        ("{type: object, required: [city]}", True),
        ("{type: object, properties: {city: {}}, required: [city, zip]}", True),
        ("{type: object, properties: {city: {}}, required: [citty]}", False),
        ("{type: object, properties: {a: {}}, required: [z], additionalProperties: false}", False),
    ],
)
def test_required_names_what_may_be_there(tmp_path: Path, schema: str, right: bool) -> None:
    """JSON Schema lets `required` name what `properties` does not, unless nothing else may come."""
    expect = f"{{f: {{q: {{$schema: {schema}}}}}}}"
    found = problems(tmp_path, f"  - {{id: a, prompt: p, expect: {expect}}}\n")
    assert (found == []) is right, found


@pytest.mark.parametrize(("more", "right"), [("", False), (", additionalProperties: true", True)])
def test_a_tool_takes_what_it_declares(tmp_path: Path, more: str, right: bool) -> None:
    """At a tool's root nothing undeclared is valid, unless its schema says so."""
    head = f"tools: [{{name: t, parameters: {{type: object, required: [z]{more}}}}}]\ncases:\n"
    found = problems(tmp_path, "  - {id: a, prompt: p, expect: any_call}\n", head=head)
    assert (found == []) is right, found


@pytest.mark.parametrize(
    ("one", "other", "contradicts"),
    [
        ("{one_of: [f, g]}", "g", False),
        ("any_call", "g", False),
        ("{f: {q: a}}, compare: tool", "{f: {q: b}}, compare: tool", False),
        ("{f: {q: a}}", "{f: {q: b}}", True),
        ("g", "no_call", True),
    ],
)
def test_only_what_no_reply_meets_is_a_contradiction(
    tmp_path: Path, one: str, other: str, contradicts: bool
) -> None:
    """Two cases that ask the same may expect differently worded things of one reply."""
    file = tmp_path / "it.spec.yaml"
    cases = f"  - {{id: a, prompt: p, expect: {one}}}\n  - {{id: b, prompt: p, expect: {other}}}\n"
    file.write_text(HEAD + cases, encoding="utf-8")
    codes = {warning.code for warning in load_spec(file, "it").warnings}
    assert ("contradiction" in codes) is contradicts
    assert ("duplicate" in codes) is not contradicts


def test_a_mend_in_brackets_is_yaml(tmp_path: Path) -> None:
    """The line that is offered can be read, and the case behind it is not blamed."""
    cases = (
        "  - {id: a, messages: [{role: user, content: What of #5?}], expect: g}\n"
        "  - {id: b, prompt: q, expect: g}\n"
    )
    [found] = problems(tmp_path, cases)
    assert found.startswith("14: the text ends at this '#'")
    mended = found.partition("write: ")[2].removesuffix(")")
    assert problems(tmp_path, f"  {mended}\n") == []
