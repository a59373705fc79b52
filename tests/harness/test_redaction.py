"""Secrets of the environment never reach a log, and nothing else is touched."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.redaction import redact, redact_text

SECRET = "correct-horse"


@pytest.fixture(autouse=True)
def _only_these(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment with one secret."""
    for name in list(os.environ):
        if any(word in name.upper() for word in ("KEY", "TOKEN", "SECRET", "PASSWORD")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("My_Token", SECRET)


def test_values_are_replaced_wherever_they_stand() -> None:
    """In texts, lists, objects and their keys; the record says `redacted`."""
    record = {"reply": f"a {SECRET} b", "written": {SECRET: [SECRET, {"x": SECRET}]}, "n": 5}
    assert redact(record) == {
        "reply": "a [redacted: My_Token] b",
        "written": {
            "[redacted: My_Token]": ["[redacted: My_Token]", {"x": "[redacted: My_Token]"}]
        },
        "n": 5,
        "redacted": True,
    }
    assert redact_text(f"{SECRET}{SECRET}") == "[redacted: My_Token][redacted: My_Token]"


def test_a_record_without_a_secret_is_left_alone() -> None:
    """It is the same object, and does not say `redacted`."""
    record = {"reply": "Hello.", "calls": ({"name": "f", "arguments": {"a": [1, None]}},)}
    assert redact(record) is record


@pytest.mark.parametrize(
    ("name", "value", "hidden"),
    [
        ("API_KEY", "12345678", True),
        ("API_KEY", "1234567", False),
        ("api_key", "12345678", True),
        ("DB_PASSWORD_OLD", "12345678", True),
        ("SECRETS", "12345678", True),
        ("HF_TOKEN", "12345678", True),
        ("HOME_DIR", "12345678", False),
    ],
)
def test_what_counts_as_a_secret(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, hidden: bool
) -> None:
    """Eight characters or more, under a name that holds one of four words in any case."""
    monkeypatch.setenv(name, value)
    assert redact_text(f"<{value}>") == (f"<[redacted: {name}]>" if hidden else f"<{value}>")


def test_the_longer_secret_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one value begins like another, nothing of the longer one is left."""
    monkeypatch.setenv("A_KEY", SECRET + "-battery")
    assert redact_text(f"{SECRET}-battery {SECRET}") == "[redacted: A_KEY] [redacted: My_Token]"


def test_a_secret_set_later_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is read each time: a variable set while running is a secret too."""
    assert redact_text("later-than-that") == "later-than-that"
    monkeypatch.setenv("NEW_SECRET", "later-than-that")
    assert redact_text("later-than-that") == "[redacted: NEW_SECRET]"


@pytest.mark.parametrize("word", ["wrong_arguments", "arguments", "truncated", "completion"])
def test_callgates_own_words_stay(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    """A secret that is spelt like a word of the log leaves the log readable."""
    monkeypatch.setenv("ODD_KEY", word)
    record: dict[str, Any] = {
        "outcome": "fail",
        "miss": word,
        "calls": [{"name": "f", "arguments": {}}],
        "tokens": {"prompt": 1, "completion": 2},
        "reason": f"got {word}",
    }
    redacted = redact(record)
    assert redacted == {**record, "reason": "got [redacted: ODD_KEY]", "redacted": True}


def test_what_identifies_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids, places, and the names that a spec declares are no values, whatever they are spelt like.

    A name that nobody declared may be the secret itself.
    """
    monkeypatch.setenv("KEYCLOAK_REALM", "internal")
    kept: dict[str, Any] = {
        "case": "internal::internal.a",
        "spec": "internal",
        "location": "specs/internal.spec.yaml:5",
        "tags": ["internal"],
        "clause": "internal",
        "specs": {"internal": "abc"},
        "expected": [{"name": "internal", "arguments": {"internal_id": 1}}],
    }
    assert redact(kept, names=["internal", "internal_id"]) is kept
    made = {"calls": [{"name": "internals", "arguments": {"internals": "internal"}}]}
    hidden = "[redacted: KEYCLOAK_REALM]"
    assert redact(made, names=["internal"]) == {
        "calls": [{"name": f"{hidden}s", "arguments": {f"{hidden}s": hidden}}],
        "redacted": True,
    }
    odd = {"written": {"name": ["internal"]}}
    assert redact(odd) == {"written": {"name": [hidden]}, "redacted": True}


NESTED = st.recursive(
    st.none() | st.integers() | st.text(max_size=4) | st.just(f"x{SECRET}y"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["reply", "written", "prompt"]), NESTED))
@settings(max_examples=80, deadline=None)
def test_no_secret_is_left_and_the_mark_is_true(record: dict[str, Any]) -> None:
    """`redacted` is there if and only if something was replaced; nothing of it remains."""
    had = SECRET in repr(record)
    cleaned = redact(record)
    assert SECRET not in repr(cleaned)
    assert cleaned.get("redacted", False) is had
    assert had or cleaned is record
