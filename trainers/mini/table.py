"""The table of an evaluation: rates with their 95 % Wilson intervals."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import sqrt
from pathlib import Path

from trainers.mini.evaluate import Counted, SetResult

_Z = 1.959964
_REFUSALS = ("refuse_seen", "refuse_unseen", "refuse_procedural")
_PARALLEL = ("parallel_seen", "parallel_unseen")
_SCHEMAS = ("schemas_written", "schemas_procedural")


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """The 95 % Wilson interval of a rate; (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    rate, square = hits / trials, _Z * _Z
    centre = (rate + square / (2 * trials)) / (1 + square / trials)
    half = sqrt(rate * (1 - rate) / trials + square / (4 * trials**2)) * _Z / (1 + square / trials)
    return max(0.0, centre - half), min(1.0, centre + half)


def _cell(counted: Counted) -> str:
    if counted.trials == 0:
        return "–"
    low, high = wilson(counted.hits, counted.trials)
    rate = counted.hits / counted.trials
    return f"{rate:.1%} [{low:.1%}, {high:.1%}]"


def _sum(parts: Iterable[Counted]) -> Counted:
    total = Counted()
    for part in parts:
        total.hits += part.hits
        total.trials += part.trials
    return total


def _types(results: Mapping[str, SetResult]) -> dict[str, Counted]:
    kinds = sorted({kind for result in results.values() for kind in result.by_type})
    return {
        kind: _sum(r.by_type[kind] for r in results.values() if kind in r.by_type) for kind in kinds
    }


def _pooled(results: Mapping[str, SetResult]) -> dict[str, Counted]:
    everything = results.values()
    return {
        "valid syntax, all sets": _sum(r.valid for r in everything),
        "calls that name a declared tool": _sum(r.declared for r in everything),
        "exact call, unseen schemas": _sum(results[name].exact for name in _SCHEMAS),
        "refusals": _sum(results[name].exact for name in _REFUSALS),
        "exact parallel calls": _sum(results[name].exact for name in _PARALLEL),
    }


def table_text(results: Mapping[str, SetResult]) -> str:
    """The results as Markdown tables."""
    lines = ["| set | n | valid syntax | right tools | exact |", "|---|---|---|---|---|"]
    for name, r in results.items():
        cells = " | ".join(map(_cell, (r.valid, r.right_tool, r.exact)))
        lines.append(f"| {name} | {r.valid.trials} | {cells} |")
    lines += ["", "| together | n | rate |", "|---|---|---|"]
    lines += [f"| {name} | {c.trials} | {_cell(c)} |" for name, c in _pooled(results).items()]
    lines += ["", "| argument, right tool called | n | right |", "|---|---|---|"]
    lines += [f"| {kind} | {c.trials} | {_cell(c)} |" for kind, c in _types(results).items()]
    return "\n".join(lines)


def write_json(results: Mapping[str, SetResult], path: Path) -> None:
    """Writes hits and trials of all rows of the tables."""

    def pair(counted: Counted) -> list[int]:
        return [counted.hits, counted.trials]

    sets = {
        name: {"valid": pair(r.valid), "right_tools": pair(r.right_tool), "exact": pair(r.exact)}
        for name, r in results.items()
    }
    pooled = {name: pair(c) for name, c in _pooled(results).items()}
    types = {name: pair(c) for name, c in _types(results).items()}
    content = {"sets": sets, "together": pooled, "arguments": types}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
