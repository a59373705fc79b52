"""The metrics of a run, counted verdict by verdict from the records of its log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.gold import ANY_CALL
from harness.statistics import wilson


@dataclass
class Metrics:
    """The metrics of a run, counted verdict by verdict."""

    outcomes: Counter[str] = field(default_factory=Counter)
    misses: Counter[str] = field(default_factory=Counter)
    rates: dict[str, list[int]] = field(default_factory=lambda: {"tool": [0, 0], "schema": [0, 0]})
    confusion: dict[str, Counter[str]] = field(default_factory=dict)
    edits: float = 0.0
    gold_characters: int = 0
    gold_cases: int = 0
    decoding: Counter[str] = field(default_factory=Counter)

    def add(self, record: Mapping[str, Any]) -> None:
        """Count one verdict."""
        self.outcomes[record["outcome"]] += 1
        self._count_decoding(record)
        if record["outcome"] not in ("pass", "fail"):
            return
        if record["miss"]:
            self.misses[record["miss"]] += 1
        for key, value in (("tool", record["tool_match"]), ("schema", record["schema_valid"])):
            if value is not None:
                self.rates[key][0] += bool(value)
                self.rates[key][1] += 1
        expected = _tools(record["expected"], "(no call)")
        got = _tools(record["calls"], "(malformed)" if _unreadable(record) else "(no call)")
        if record["outcome"] == "pass" and expected != ANY_CALL:
            expected = got  # of several alternatives the one that was met: that is no confusion
        self.confusion.setdefault(expected, Counter())[got] += 1
        if record["cer"] is not None:  # `gold` itself may have lost a secret, and its length
            length = record.get("gold_characters") or len(record["gold"])
            self.edits += record["cer"] * length
            self.gold_characters += length
            self.gold_cases += 1

    def _count_decoding(self, record: Mapping[str, Any]) -> None:
        """What replies cost that were decoded in this run: cached and recorded ones nothing."""
        for reply in (record, record.get("answer") or {}):
            passes, tokens = reply.get("forward_passes"), reply.get("tokens") or {}
            if passes:
                self.decoding["replies"] += 1
                self.decoding["tokens"] += tokens.get("completion") or 0
                self.decoding["draft_tokens"] += tokens.get("draft") or 0
                self.decoding["forward_passes"] += passes

    def footer(self, seconds: float) -> dict[str, Any]:
        """The last line."""
        judged = self.outcomes["pass"] + self.outcomes["fail"]
        return {
            "kind": "end",
            "outcomes": {key: self.outcomes[key] for key in ("pass", "fail", "error", "skip")},
            "misses": dict(sorted(self.misses.items())),
            "metrics": {
                "pass_rate": _rate(self.outcomes["pass"], judged),
                "tool_accuracy": _rate(*self.rates["tool"]),
                "schema_valid_rate": _rate(*self.rates["schema"]),
                "tc_cer": self.tc_cer(),
            },
            "confusion": {key: dict(value) for key, value in sorted(self.confusion.items())},
            **({"decoding": dict(self.decoding)} if self.decoding else {}),
            "seconds": round(seconds, 3),
        }

    def tc_cer(self) -> dict[str, Any]:
        """The pooled character error rate of first call blocks, and the cases it covers."""
        rate = self.edits / self.gold_characters if self.gold_characters else None
        return {"value": rate, "n": self.gold_cases}


def _unreadable(record: Mapping[str, Any]) -> bool:
    return record["miss"] in ("malformed_call", "truncated")


def _tools(calls: Sequence[Mapping[str, Any]], none: str) -> str:
    return " + ".join(sorted(call["name"] for call in calls)) or none


def _rate(passed: int, n: int) -> dict[str, Any]:
    low, high = wilson(passed, n)
    return {"value": passed / n if n else None, "passed": passed, "n": n, "interval": [low, high]}
