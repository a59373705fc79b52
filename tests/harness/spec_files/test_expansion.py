"""What one written case becomes: ids, variables, splits."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cases import SPLITS
from harness.spec_files.expansion import (
    Room,
    hex_digits,
    share_of,
    slug,
    unused_variables,
    variants,
    written_path,
)
from harness.spec_files.keys import IDENTIFIER_SCHEMA
from harness.spec_files.nodes import Path, fits


def expand(node: dict[str, Any]) -> list[Any]:
    """The variants of a case that has no problems."""

    def refuse(path: Path, what: str, hint: str = "", *, key: bool = False) -> None:
        raise AssertionError(f"{path}: {what}")

    return list(variants(node, refuse))


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Tell me a joke.", "tell-me-a-joke"),
        ("What's the café's menu?", "whats-the-cafes-menu"),
        ("gate", f"gate-{hex_digits('gate')}"),
        ("東京の天気は?", hex_digits("東京の天気は?")),
        ("1 + 2?", hex_digits("1 + 2?")),
        (
            "What is the reimbursement limit for travel meals?",
            "what-is-the-reimbursement-limit-"
            + hex_digits("What is the reimbursement limit for travel meals?"),
        ),
        ("x" * 100, "x" * 33 + "-" + hex_digits("x" * 100)),
    ],
)
def test_the_default_id_is_a_slug_of_the_prompt(prompt: str, expected: str) -> None:
    """Words in lower case; long ones cut at a word's end and marked; digits where no word is."""
    assert slug(prompt) == expected


@settings(max_examples=200)
@given(prompt=st.text(min_size=1))
def test_every_prompt_has_a_usable_id(prompt: str) -> None:
    """At most 40 characters of the pattern for ids, and never `gate`."""
    for name in (slug(prompt), slug(prompt, marked=True)):
        assert fits(name, IDENTIFIER_SCHEMA)
        assert len(name) <= 40
        assert name != "gate"


def test_ids_of_several_cases_in_one() -> None:
    """A mapping's names, or the digits of the prompt; the slug where the case has no id."""
    named = {"id": "a", "prompts": {"x": "One?", "y": "Two?"}}
    listed = {"id": "a", "prompts": ["One?", "Two?"]}
    nameless = {"prompts": ["One?"]}
    each = {"id": "a", "prompt": "$(n)?", "each": [{"n": "One"}]}
    both = {"id": "a", "prompts": {"x": "$(n)?"}, "each": [{"n": "One"}]}
    assert [v.id for v in expand(named)] == ["a.x", "a.y"]
    assert [v.id for v in expand(listed)] == [f"a.{hex_digits('One?')}", f"a.{hex_digits('Two?')}"]
    assert [v.id for v in expand(nameless)] == [f"one-{hex_digits('One?')}"]
    assert [v.id for v in expand(each)] == [f"a.{hex_digits('One?')}"]
    assert [v.id for v in expand(both)] == [f"a.x.{hex_digits('One?')}"]


def test_variables_keep_their_types() -> None:
    """A value that is only `$(name)` is the variable; inside a text it is written out."""
    case = {
        "prompt": "Set $(n), $(on) and $(x).",
        "reply": "$(n)",
        "expect": {"$(tool)": {"n": "$(n)", "on": "$(on)", "list": ["$(l)"], "text": "at $(n)"}},
        "each": [{"n": 5, "on": True, "x": 1.5, "l": [1, None], "tool": "set"}],
    }
    (variant,) = expand(case)
    assert variant.prompt == "Set 5, true and 1.5."
    assert variant.reply == "5"
    assert variant.expect == {"set": {"n": 5, "on": True, "list": [[1, None]], "text": "at 5"}}


def test_without_each_a_variable_is_plain_text() -> None:
    """`$(name)` means nothing in a case that has no `each`."""
    (variant,) = expand({"prompt": "Echo $(name)", "expect": "no_call"})
    assert variant.prompt == "Echo $(name)"


def test_variables_reach_messages() -> None:
    """Contents are texts, whatever the variable; arguments keep its type."""
    call = {"name": "f", "arguments": {"n": "$(n)"}}
    case = {
        "messages": [
            {"role": "assistant", "tool_calls": [call]},
            {"role": "user", "content": "$(n)"},
        ],
        "expect": "no_call",
        "each": [{"n": 5}],
    }
    (variant,) = expand(case)
    assert variant.messages[0]["tool_calls"][0]["arguments"] == {"n": 5}
    assert variant.messages[1]["content"] == "5"


def test_unused_variables_are_found_once() -> None:
    """The first place of each variable that nothing names."""
    case = {"prompt": "$(a)", "expect": "no_call", "each": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]}
    assert unused_variables(case) == [(("each", 0, "b"), "b")]


def test_a_path_leads_back_to_what_was_written() -> None:
    """Keys with variables are found again, and a variable's inside ends at the variable."""
    written = {"expect": {"set_$(kind)": {"n": ["$(n)"]}}}
    assert written_path(written, ("expect", "set_timer", "n", 0, "deep")) == (
        "expect",
        "set_$(kind)",
        "n",
        0,
    )


def test_a_case_cannot_stand_for_millions() -> None:
    """`each` times `prompts` is bounded, before anything is filled in."""
    problems = []

    def note(path: Path, what: str, hint: str = "", *, key: bool = False) -> None:
        problems.append((path, what, hint))

    case = {"prompts": ["$(n)"] * 1000, "expect": "no_call", "each": [{"n": 1}] * 1000}
    assert list(variants(case, note)) == []
    assert problems == [
        (
            ("each",),
            "stands for more than 100,000 cases, or for very long ones",
            "write several cases",
        )
    ]


def test_shares_hold_and_nothing_moves() -> None:
    """The split of a text depends on it and the seed alone, and the shares come out."""
    shares = {"train": 0.5, "dev": 0.1, "test": 0.4}
    texts = [f"prompt {number}" for number in range(4000)]
    counts = Counter(share_of(text, shares, 40) for text in texts)
    for name in SPLITS:
        assert counts[name] / len(texts) == pytest.approx(shares[name], abs=0.03)
    assert [share_of(text, shares, 40) for text in texts[:5]] == [
        share_of(text, shares, 40) for text in texts[:5]
    ]
    assert any(share_of(t, shares, 40) != share_of(t, shares, 41) for t in texts[:20])


def test_a_share_of_nothing_gets_nothing() -> None:
    """A split without a share has no cases, and one share of 1 has all."""
    assert {share_of(str(n), {"dev": 1}, 0) for n in range(50)} == {"dev"}
    assert "dev" not in {share_of(str(n), {"train": 0.5, "test": 0.5}, 0) for n in range(200)}


def test_the_split_of_a_prompt_never_changes() -> None:
    """A release that moved cases between splits would leak tests into training."""
    shares = {"train": 0.5, "dev": 0.1, "test": 0.4}
    assert [share_of(text, shares, 40) for text in ("Paris?", "Rome?", "clock")] == GOLDEN


GOLDEN = ["train", "test", "train"]


def test_what_variables_write_out_is_bounded() -> None:
    """Neither one text nor all the texts of a file grow without end; each bound is said once."""
    problems: list[tuple[Path, str, str]] = []

    def note(path: Path, what: str, hint: str = "", *, key: bool = False) -> None:
        problems.append((path, what, hint))

    bomb = {"prompt": "$(a)" * 20_000, "expect": "no_call", "each": [{"a": "z" * 1_000_000}]}
    assert list(variants(bomb, note)) == []
    what = "its variables come to 20,000,000,000 characters, expected at most 1,000,000"
    assert problems.pop() == (("prompt",), what, "")
    long = "z" * 999_000
    case = {
        "prompt": "$(n) $(a)",
        "expect": "no_call",
        "each": [{"n": n, "a": long} for n in range(999)],
    }
    room = Room()
    assert len(list(variants(case, note, room))) == 64
    what = "the variables of this file come to more than 64,000,000 characters"
    assert problems == [(("prompt",), what, "shorten them, or make several files")]
    assert list(variants(case, note, room)) == []
    assert len(problems) == 1


def test_an_unknown_variable_is_named_once_a_text() -> None:
    """A text that names an unknown variable often has one problem."""
    problems = []

    def note(path: Path, what: str, hint: str = "", *, key: bool = False) -> None:
        problems.append(what)

    case = {"prompt": "$(b) $(b)", "expect": "no_call", "each": [{"a": "x"}]}
    assert list(variants(case, note)) == []
    assert problems == ["each[0] has no variable 'b'"]
