"""The metrics of a run, counted from its records."""

from __future__ import annotations

from typing import Any

from harness.metrics import Metrics
from harness.statistics import wilson


def record(outcome: str = "pass", **more: Any) -> dict[str, Any]:
    """A record with what is counted."""
    plain: dict[str, Any] = {"miss": None, "tool_match": True, "schema_valid": True, "cer": None}
    plain |= {"gold": None, "gold_characters": None, "expected": [], "calls": []}
    return {"outcome": outcome, **plain, **more}


def footer(*some: dict[str, Any]) -> dict[str, Any]:
    """The footer after these records."""
    metrics = Metrics()
    for one in some:
        metrics.add(one)
    return metrics.footer(1.23456)


def call(name: str) -> dict[str, Any]:
    """A call without arguments."""
    return {"name": name, "arguments": {}}


def test_nothing_counted() -> None:
    """Of nothing there is no rate, and the interval is everything."""
    none = {"value": None, "passed": 0, "n": 0, "interval": [0.0, 1.0]}
    assert footer() == {
        "kind": "end",
        "outcomes": {"pass": 0, "fail": 0, "error": 0, "skip": 0},
        "misses": {},
        "metrics": {
            "pass_rate": none,
            "tool_accuracy": none,
            "schema_valid_rate": none,
            "tc_cer": {"value": None, "n": 0},
        },
        "confusion": {},
        "seconds": 1.235,
    }


def test_rates_are_of_what_they_apply_to() -> None:
    """Errors and skips count for no rate; a reply without calls for no schema rate."""
    found = footer(
        record(),
        record("fail", miss="wrong_tool", tool_match=False, schema_valid=None),
        record("error", tool_match=None, schema_valid=None),
        record("skip", tool_match=None, schema_valid=None),
    )
    assert found["outcomes"] == {"pass": 1, "fail": 1, "error": 1, "skip": 1}
    assert found["misses"] == {"wrong_tool": 1}
    half = {"value": 0.5, "passed": 1, "n": 2, "interval": list(wilson(1, 2))}
    assert found["metrics"]["pass_rate"] == found["metrics"]["tool_accuracy"] == half
    assert found["metrics"]["schema_valid_rate"]["n"] == 1


def test_the_error_rate_is_pooled() -> None:
    """Edits of all blocks by characters of all gold blocks: a long block weighs more."""
    found = footer(
        record(cer=0.5, gold="x" * 10, gold_characters=10),
        record(cer=0.0, gold="[redacted: K]", gold_characters=90),
        record(cer=None),
    )
    assert found["metrics"]["tc_cer"] == {"value": 0.05, "n": 2}


def test_the_confusion_of_tools() -> None:
    """Expected against called names, sorted, with words for no call and an unreadable one.

    A case that passed confused nothing, whichever of its alternatives was met.
    """
    found = footer(
        record(expected=[call("b"), call("a")], calls=[call("a"), call("b")]),
        record("fail", miss="no_call", expected=[call("a")]),
        record("fail", miss="malformed_call", expected=[call("a")]),
        record("fail", miss="truncated", expected=[call("a")], calls=[call("a")]),
        record("fail", miss="unexpected_call", calls=[call("a")]),
        record("error", expected=[call("a")]),
        record(expected=[call("c")], calls=[call("a")]),  # one_of: [c, a], met by its second
        record(expected=[call("(any call)")], calls=[call("a")]),
    )
    assert found["confusion"] == {
        "(any call)": {"a": 1},
        "(no call)": {"a": 1},
        "a": {"(no call)": 1, "(malformed)": 1, "a": 2},
        "a + b": {"a + b": 1},
    }


def test_what_decoding_took() -> None:
    """Replies decoded in this run are counted with tokens and passes; recorded ones are not."""
    tokens = {"prompt": 9, "completion": 20, "draft": 12}
    found = footer(
        record(forward_passes=3, tokens=tokens), record(forward_passes=None, tokens=tokens)
    )
    assert found["decoding"] == {
        "replies": 1,
        "tokens": 20,
        "draft_tokens": 12,
        "forward_passes": 3,
    }
