"""What a run says at its end, for people: specs, metrics, every miss, where the log went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.cases import Miss
from harness.gating import Decision, Record
from harness.redaction import redact_text
from harness.wording import cut, expectation_text, finds_text, found_text, one_line

_LAST: Final = ("error", "skip")
_KINDS: Final = tuple(miss.value for miss in Miss)


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
    scores: Sequence[Sequence[str]] = (),
) -> list[str]:
    """The summary, line by line; the first names the model.

    `metrics` is the log's footer; `scores` are blocks of lines of `harness.published`.
    """
    shown = [record for record in records if record["outcome"] in ("fail", "error")]
    blocks = [
        [f"model: {one_line(redact_text(label))}; split: {split}"],
        _table(rows),
        [f"{row.spec}: gate not met: {reason}" for row in rows for reason in row.reasons],
        [*_by_kind(records), *_metrics_lines(metrics["metrics"]), *_unjudged(records)],
        _decoding_lines(metrics.get("decoding")),
        _regressions(records, {case for row in rows for case in row.regressions}),
        list(map(miss_line, shown)),
        *scores,
        list(map(one_line, footnotes)),
    ]
    lines = [line for block in blocks if block for line in (*block, "")]
    return lines[:-1]


def _table(rows: Sequence[Row]) -> list[str]:
    from tabulate import tabulate

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
    return lines.split("\n")


def _by_kind(records: Sequence[Record]) -> list[str]:
    """Of each spec, how many cases missed in which way, or were errors or skipped."""
    kinds: dict[str, Counter[str]] = {}
    for record in records:
        if record["outcome"] != "pass":
            kind = record["miss"] or record["outcome"]
            kinds.setdefault(record["spec"], Counter())[kind] += 1
    lines = []
    for name, counts in kinds.items():
        some = sorted(
            set(counts) - set(_LAST), key=lambda kind: (-counts[kind], _KINDS.index(kind))
        )
        some += [kind for kind in _LAST if kind in counts]
        lines.append(f"{name}: {', '.join(f'{counts[kind]} {kind}' for kind in some)}")
    return lines


def _unjudged(records: Sequence[Record]) -> list[str]:
    names = sorted({record["spec"] for record in records if record.get("compare") == "tool"})
    what = "argument values are not judged, only whether they fit the tool's schema"
    return [f"{what}: {cut(', '.join(names))}"] if names else []


def percent(part: int, whole: int) -> str:
    """`16 of 20` as `80 %`; a rate that only looks whole when rounded keeps a decimal.

    Never `0 %` or `100 %` unless it is none or all.
    """
    if not whole:
        return "–"
    value = 100 * part / whole
    if value == round(value) or whole < 20:
        return f"{value:.0f} %"
    return f"{min(max(value, 0.1), 99.9):.1f} %"


def interval_text(interval: tuple[float, float]) -> str:
    """Both ends in per cent: `58–92 %`."""
    return f"{100 * interval[0]:.0f}–{100 * interval[1]:.0f} %"


def _metrics_lines(metrics: Mapping[str, Any]) -> list[str]:
    parts = []
    for key, name in (("tool_accuracy", "tool accuracy"), ("schema_valid_rate", "valid calls")):
        rate = metrics[key]
        if rate["n"]:
            parts.append(f"{name} {percent(rate['passed'], rate['n'])} (n {rate['n']})")
    if metrics["tc_cer"]["n"]:
        parts.append(f"TC-CER {metrics['tc_cer']['value']:.3f} (n {metrics['tc_cer']['n']})")
    return [", ".join(parts)] if parts else []


def _decoding_lines(decoding: Mapping[str, int] | None) -> list[str]:
    """What decoding took, and what drafts saved of one pass a token."""
    if not decoding:
        return []
    replies, tokens = decoding["replies"], decoding["tokens"]
    each = decoding["forward_passes"] / replies
    drafts = percent(decoding["draft_tokens"], tokens)
    return [
        f"decoded: {replies} replies of {tokens} tokens, {drafts} of them read from drafts; "
        f"{each:.1f} forward passes a reply instead of {tokens / replies:.1f}"
    ]


def miss_line(record: Record) -> str:
    """One miss or error on one line: place, id, kind, expected and got."""
    ident = record["case"].partition("::")[2]
    kind = record["miss"] or record["outcome"]
    critical = " (critical)" if record.get("critical") else ""
    return f"{record['location']} {ident}: {kind}{critical}: {one_line(record['reason'], 160)}"


def _regressions(records: Sequence[Record], cases: set[str]) -> list[str]:
    chosen = [record for record in records if record["case"] in cases]
    return [f"passed in the baseline, misses now: {record['case']}" for record in chosen]


def following_rows(record: Record) -> list[tuple[str, str]]:
    """What was to be found and answered, what was: a word for each, and a line of text."""
    finds, answer = record.get("finds"), record.get("answer")
    said = (answer["reply"] or "(none)") if answer else ""
    then = expectation_text({"says": record["then"]}) if "then" in record else ""
    found = found_text(record.get("found", ()))
    wanted = finds_text(finds) if finds else ""
    rows = [("finds", wanted), ("found", found), ("then", then), ("answer", said)]
    return [(name, one_line(text, 1200)) for name, text in rows if text]


def case_text(record: Record, again: str = "") -> str:
    """One case in full: what was found, where it is, what was asked, and how to ask again."""
    kind = record["miss"] or record["outcome"]
    head = f"{kind}: {one_line(record['reason'], 1200)}" if record["reason"] else kind
    ident = record["case"].partition("::")[2]
    expected = one_line(expectation_text(record["written"]), 600)
    if record.get("compare") == "tool":
        expected += "  (written values are not judged: compare: tool)"
    rows = [
        ("case", f"{ident}, {record['location']}"),
        ("prompt", one_line(record["prompt"], 600)),
        ("expected", expected),
        ("clause", record.get("clause") or ""),
        ("note", record.get("note", "")),
        ("reply", one_line(record["reply"] or "(none)", 1200)),
        *following_rows(record),
        ("again", again),
    ]
    body = "\n".join(f"  {name:<9} {text}" for name, text in rows if text)
    return f"{head}\n{body}"
