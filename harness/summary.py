"""What a run says at its end, for people: specs, metrics, every miss, where the log went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.cases import Gate
from harness.gating import Decision, Record
from harness.wording import cut, expectation_text, one_line


@dataclass(frozen=True)
class Row:
    """One spec in the summary: `verdict` is the gate's word, `reasons` why it is not met."""

    spec: str
    total: int
    passed: int
    judged: int
    interval: tuple[float, float]
    needed: int | None
    verdict: str
    reasons: tuple[str, ...] = ()
    regressions: tuple[str, ...] = ()


def row_of(decision: Decision, verdict: str | None = None) -> Row:
    """The row of a decided gate, or of one that was not asked, for which `verdict` says why."""
    tally = decision.tally
    return Row(
        decision.spec,
        decision.total,
        tally.passed,
        tally.judged,
        decision.interval,
        decision.needed,
        verdict or ("met" if decision.met else "error" if decision.broken else "NOT MET"),
        () if verdict else decision.reasons,
        decision.regressions,
    )


def summary_lines(
    label: str,
    split: str,
    rows: Sequence[Row],
    records: Sequence[Record],
    metrics: Mapping[str, Any],
    footnotes: Sequence[str],
) -> list[str]:
    """The summary, line by line; the first names the model. `metrics` is the log's footer."""
    lines = [f"model: {one_line(label)}; split: {split}", ""]
    lines += [*_table(rows, records), "", _metrics_line(metrics["metrics"])]
    unjudged = sorted({r["spec"] for r in records if r.get("compare") == "tool"})
    if unjudged:
        names = cut(", ".join(unjudged))
        lines.append(f"argument values are checked against the schema only: {names}")
    for row in rows:
        lines += [f"{row.spec}: gate not met: {reason}" for reason in row.reasons]
    lines += _listing("regression", records, {case for row in rows for case in row.regressions})
    lines += _misses(records)
    return lines + list(footnotes)


def _table(rows: Sequence[Row], records: Sequence[Record]) -> list[str]:
    from tabulate import tabulate

    misses: dict[str, Counter[str]] = {}
    for record in records:
        kind = record["miss"] or (record["outcome"] if record["outcome"] != "pass" else None)
        misses.setdefault(record["spec"], Counter()).update([kind] if kind else [])
    table = [
        [
            one_line(row.spec, 40),
            row.total,
            row.passed,
            percent(row.passed, row.judged),
            interval_text(row.interval) if row.judged else "–",
            "–" if row.needed is None or not row.judged else row.needed,
            row.verdict,
        ]
        for row in rows
    ]
    heads = ["spec", "cases", "passed", "rate", "95 % interval", "needed", "gate"]
    align = ("left", "right", "right", "right", "right", "right", "left")
    lines = tabulate(table, heads, tablefmt="simple", colalign=align, disable_numparse=True)
    counted = [
        f"{name}: " + ", ".join(f"{n} {kind}" for kind, n in counter.most_common())
        for name, counter in misses.items()
        if counter
    ]
    return [*lines.split("\n"), *([""] if counted else []), *counted]


def percent(part: int, whole: int) -> str:
    """`16 of 20` as `80 %`; a rate that only looks whole when rounded keeps a decimal."""
    if not whole:
        return "–"
    value = 100 * part / whole
    return f"{value:.0f} %" if value == round(value) or whole < 20 else f"{value:.1f} %"


def interval_text(interval: tuple[float, float]) -> str:
    """Both ends in per cent: `58–92 %`."""
    return f"{100 * interval[0]:.0f}–{100 * interval[1]:.0f} %"


def needed_text(gate: Gate, needed: int | None, judged: int) -> str:
    """What the gate asks for, in passes."""
    bound = " (lower bound)" if gate.bound == "lower" else ""
    return f"{needed if needed is not None else 'more than'} of {judged}{bound}"


def _metrics_line(metrics: Mapping[str, Any]) -> str:
    parts = []
    for key, name in (("tool_accuracy", "tool accuracy"), ("schema_valid_rate", "valid calls")):
        rate = metrics[key]
        if rate["n"]:
            parts.append(f"{name} {percent(rate['passed'], rate['n'])} (n {rate['n']})")
    if metrics["tc_cer"]["n"]:
        parts.append(f"TC-CER {metrics['tc_cer']['value']:.3f} (n {metrics['tc_cer']['n']})")
    return ", ".join(parts)


def miss_line(record: Record) -> str:
    """One miss or error on one line: place, id, kind, expected and got."""
    ident = record["case"].partition("::")[2]
    kind = record["miss"] or record["outcome"]
    critical = " (critical)" if record.get("critical") else ""
    return f"{record['location']} {ident}: {kind}{critical}: {one_line(record['reason'], 160)}"


def _misses(records: Sequence[Record]) -> list[str]:
    shown = [record for record in records if record["outcome"] in ("fail", "error")]
    return ["", *map(miss_line, shown), ""] if shown else [""]


def _listing(head: str, records: Sequence[Record], cases: set[str]) -> list[str]:
    chosen = [record for record in records if record["case"] in cases]
    return [f"{head}: passed in the baseline: {miss_line(record)}" for record in chosen]


def case_text(record: Record, again: str = "") -> str:
    """One case in full: where it is, what was asked, expected and got, and how to run it again."""
    ident = record["case"].partition("::")[2]
    expected = one_line(expectation_text(record["written"]), 600)
    if record.get("compare") == "tool":
        expected += "  (written values are not judged: compare: tool)"
    rows = [
        ("prompt", one_line(record["prompt"], 600)),
        ("expected", expected),
        ("clause", record.get("clause") or ""),
        ("verdict", f"{record['outcome']}{': ' + record['miss'] if record['miss'] else ''}"),
        ("reason", one_line(record["reason"], 1200)),
        ("note", record.get("note", "")),
        ("reply", one_line(record["reply"] or "(none)", 1200)),
        ("again", again),
    ]
    body = "\n".join(f"  {name:<9} {text}" for name, text in rows if text)
    return f"{record['location']}: case {ident}\n{body}"
