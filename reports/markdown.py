"""A report as Markdown, for a pull request and for `$GITHUB_STEP_SUMMARY`.

GitHub takes 65,536 characters for a comment and 1 MiB for a step's summary; a report keeps within
the first, and says what it left out for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from harness.json_values import shown
from harness.sources.bfcl_scores import CARD
from harness.sources.guide_score import GuideScore
from harness.wording import count
from reports.markdown_text import cell, code, head_of, line_of, prose
from reports.summary import (
    Answer,
    CaseRow,
    Confusion,
    Group,
    Rate,
    RunFacts,
    Side,
    SpecSummary,
    Summary,
    Training,
)
from reports.wording import (
    NONE,
    RULES,
    CaseList,
    board_cells,
    board_heads,
    case_lists,
    compared_text,
    coverage_texts,
    floor_of,
    floors_text,
    gate_word,
    guide_scores,
    id_of,
    interval,
    metrics_text,
    misses_text,
    needed_text,
    of_text,
    rate_text,
    rows_of,
)

LIMIT: Final = 60_000
"""Characters of a report: a comment's 65,536, less room for what is written around it."""
_FOLDED: Final = 10
"""A list of more lines is folded."""
_COLUMNS: Final = 12
"""Called tools that a confusion matrix names."""
_MORE: Final = "`--format html` and `--format json` have all of it."


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the report: lines before, `total` lines that may be left out, lines after.

    `what` says what the lines are, for those that are left out.
    """

    head: Sequence[str]
    lines: Iterable[str] = ()
    total: int = 0
    tail: Sequence[str] = ()
    what: str = "lines"


def render(summary: Summary, curves: str | None = None, limit: int = LIMIT) -> str:
    """The report; `curves` is the picture of the training, as a path relative to the report."""
    return _fitted(_parts(summary, curves), limit)


def _fitted(parts: Iterable[Part], limit: int) -> str:
    """The parts in their order, each with lines for at most half of the room that is left."""
    written: list[str] = []
    room, dropped = limit - 400, 0
    for part in parts:
        room -= sum(len(line) + 1 for line in (*part.head, *part.tail)) + 120
        if room < 0:
            dropped += 1
            continue
        lines = _some(part.lines, room // 2)
        room -= sum(len(line) + 1 for line in lines)
        written += [*part.head, *lines]
        if len(lines) < part.total:
            written += ["", f"… and {part.total - len(lines)} more {part.what}. {_MORE}"]
        written += [*part.tail, ""]
    if dropped:
        written += [f"{count(dropped, 'section')} left out, to keep within a comment. {_MORE}", ""]
    return "\n".join(written)


def _some(lines: Iterable[str], room: int) -> list[str]:
    taken = []
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        taken.append(line)
    return taken


def _parts(summary: Summary, curves: str | None) -> Iterator[Part]:
    yield Part([f"## {prose(summary.title, 200)}", "", f"**{prose(summary.verdict)}**"])
    if summary.notices:
        notices = [f"> - {prose(notice)}" for notice in summary.notices]
        yield Part(["> [!WARNING]"], notices, len(notices), what="notices")
    yield _overview(summary)
    for spec in summary.specs:
        yield from _spec(summary, spec)
    if curves is not None:
        yield Part([f"![Loss and dev rate by round]({quote(curves)})"])
    if summary.training is not None:
        yield _training(summary.training)
    if summary.seeds:
        yield _seeds(summary)
    yield _runs(summary)


def _overview(summary: Summary) -> Part:
    """Before and after, a spec to a line."""
    compared = summary.before is not None
    floors = [rule for rule in RULES if any(floor_of(s.whole, rule) for s in summary.specs)]
    heads = ["spec", *(["before"] if compared else []), "after" if compared else "passed"]
    heads += ["95 % interval", "needed", *floors, "gate", *(["comparison"] if compared else [])]
    groups = [spec.whole for spec in summary.specs]
    lines = [_overview_line(cell(g.name, 60), g, compared, floors) for g in groups]
    if len(groups) > 1:
        lines.append(_overview_line("all", summary.overall, compared, floors))
    right = len(heads) - (3 if compared else 2)
    return Part(head_of(heads, right), lines, len(lines), what="specs")


def _overview_line(name: str, group: Group, compared: bool, floors: Sequence[str]) -> str:
    cells = [name]
    if compared:
        cells.append(_rate(group.before.rate) if group.before else NONE)
    after = group.after
    cells += [f"**{_rate(after.rate)}**", interval(after.rate), needed_text(after)]
    cells += [_floor(group, rule) for rule in floors]
    words = [gate_word(side) for side in (group.before, after) if side]
    cells.append(" → ".join(dict.fromkeys(words)))
    if compared:
        cells.append(group.comparison.trend if group.comparison else NONE)
    return line_of(cells)


def _rate(rate: Rate) -> str:
    return f"{of_text(rate)}, {rate_text(rate)}" if rate.n else NONE


def _floor(group: Group, rule: str) -> str:
    floor = floor_of(group, rule)
    return rate_text(floor.rate) if floor else NONE


def _spec(summary: Summary, spec: SpecSummary) -> Iterator[Part]:
    whole, compared = spec.whole, summary.before is not None
    text = [prose(whole.text), ""] if whole.text else []
    yield Part(
        [f"### {code(whole.name, 80)}", "", *text, *_judgement(spec, alone=len(summary.specs) == 1)]
    )
    if spec.leaderboard:
        yield _board(spec, compared)
    for name, score in guide_scores(spec, compared):
        yield _guide(name, score)
    for some in case_lists(rows_of(summary, whole.name), compared):
        yield _cases(some, compared)
    for kind, groups in (("clause", spec.clauses), ("tag", spec.tags), ("tool", spec.tools)):
        if groups:
            yield _groups(kind, groups, compared)
    for name, side in (("before", whole.before), ("after", whole.after)):
        if side is not None and side.confusion.rows:
            yield _confusion(name if compared else "", side.confusion)


def _judgement(spec: SpecSummary, *, alone: bool) -> list[str]:
    whole = spec.whole
    found = whole.comparison
    lines = [f"- {prose(compared_text(found, alone=alone))}"] if found else []
    lines += [f"- gate not met: {prose(reason)}" for reason in whole.after.reasons]
    sides = [("misses before", whole.before), ("misses after", whole.after)]
    for name, side in sides if whole.before else [("misses", whole.after)]:
        lines += [f"- {name}: {prose(misses_text(side))}"] if side else []
    metrics = metrics_text(whole.before, whole.after)
    lines += [f"- {', '.join(metrics)}"] if metrics else []
    lines += [f"- {floors_text(whole.floors)}"] if whole.floors else []
    lines += [f"- {prose(text)}" for text in coverage_texts(spec.coverage)]
    for split, group in spec.other_splits.items():
        before = f"{_with_interval(group.before)} → " if group.before else ""
        lines.append(f"- split {prose(split)}: {before}{_with_interval(group.after)}")
    return lines


def _with_interval(side: Side) -> str:
    return f"{_rate(side.rate)} ({interval(side.rate)})" if side.rate.n else NONE


def _board(spec: SpecSummary, compared: bool) -> Part:
    """BFCL's leaderboard, beside the model card's figures."""
    heads = board_heads(compared)
    cells = [board_cells(row, compared) for row in spec.leaderboard]
    lines = [line_of([prose(name), *numbers]) for name, *numbers in cells]
    return Part(head_of(heads, len(heads)), lines, len(lines), ["", CARD], "columns")


def _guide(name: str, score: GuideScore) -> Part:
    """What Google's tuning guide would count, and where it says other than the verdict."""
    lines = [f"- {code(id_of(one.case), 80)}: {prose(one.words)}" for one in score.disagreements]
    head = [f"{name.capitalize()}: {prose(score.words)}", *([""] if lines else [])]
    start, end = _fold("Where it disagrees") if len(lines) > _FOLDED else ([], [])
    return Part([*head, *start], lines, len(lines), end, "cases")


def _list(head: str, total: int) -> tuple[list[str], list[str]]:
    """What stands around a list: its head alone, or a fold. `head` is no one's text but ours."""
    if total <= _FOLDED:
        return [f"**{head}**", ""], []
    return _fold(head)


def _fold(head: str) -> tuple[list[str], list[str]]:
    return [f"<details><summary>{head}</summary>", ""], ["", "</details>"]


def _cases(some: CaseList, compared: bool) -> Part:
    heads = ["case", "where", "prompt", "expected"]
    heads += ["before", "after"] if compared else ["called"]
    start, end = _list(some.head, len(some.rows))
    lines = (_case_line(row, compared) for row in some.rows)
    return Part([*start, *head_of(heads)], lines, len(some.rows), end, "cases")


def _case_line(row: CaseRow, compared: bool) -> str:
    critical = " **critical**" if row.critical else ""
    cells = [f"{cell(row.id, 80)}{critical}", cell(row.location, 120), cell(row.prompt)]
    cells.append(cell(row.expected, 120))
    cells += [_answer(row.before)] if compared else []
    return line_of([*cells, _answer(row.after)])


def _answer(answer: Answer | None) -> str:
    """The call that passed, or the miss and its reason."""
    if answer is None:
        return "not judged"
    if answer.outcome == "pass":
        return cell(answer.called)
    kind = cell(answer.miss or answer.outcome, 40)
    return f"{kind}: {cell(answer.reason)}" if answer.reason else kind


def _groups(kind: str, groups: Sequence[Group], compared: bool) -> Part:
    floors = [rule for rule in RULES if any(floor_of(group, rule) for group in groups)]
    heads = [kind, *(["before"] if compared else []), "after" if compared else "passed"]
    heads += ["95 % interval", *(["fixed", "broken"] if compared else []), *floors]
    right = len(heads) - 1
    heads += ["sentence"] if kind == "clause" else []
    start, end = _list(f"By {kind}", len(groups))
    lines = (_group_line(group, compared, floors, kind == "clause") for group in groups)
    return Part([*start, *head_of(heads, right)], lines, len(groups), end, f"{kind}s")


def _group_line(group: Group, compared: bool, floors: Sequence[str], text: bool) -> str:
    cells = [cell(group.name, 60)]
    if compared:
        cells.append(_rate(group.before.rate) if group.before else NONE)
    cells += [_rate(group.after.rate), interval(group.after.rate)]
    if compared:
        found = group.comparison
        cells += [str(len(found.fixed)), str(len(found.broken))] if found else [NONE, NONE]
    cells += [_floor(group, rule) for rule in floors]
    return line_of([*cells, prose(group.text, 300)] if text else cells)


def _confusion(when: str, found: Confusion) -> Part:
    """Expected tools by the line, called ones by the column."""
    columns = found.columns[:_COLUMNS]
    more = len(found.columns) - len(columns)
    heads = ["expected ↓ called →", *(cell(name, 40) for name in columns)]
    heads += [f"{more} others, not shown"] if more else []
    start, end = _fold(f"Tools expected and called{when and f', {when}'}")
    lines = (
        line_of([cell(name, 60), *map(_number, counts[:_COLUMNS]), *(["…"] if more else [])])
        for name, counts in zip(found.rows, found.counts, strict=True)
    )
    return Part([*start, *head_of(heads, len(heads))], lines, len(found.rows), end, "tools")


def _number(n: int) -> str:
    return str(n) if n else "·"


def _training(training: Training) -> Part:
    facts = [f"- rows: {training.rows}"]
    facts += [f"- seed: {training.seed}"] if training.seed is not None else []
    facts += [f"- until the dev rate is {training.until:.10g}"] if training.until else []
    facts += [f"- left out as leaks: {len(training.dropped)}"] if training.dropped else []
    facts += [f"- left out as unfit to train on: {training.unfit}"] if training.unfit else []
    given = ", ".join(f"{n} of {prose(name)}" for name, n in training.given_up.items() if n)
    facts += [f"- train cases that became dev cases: {given}"] if given else []
    facts += [f"- ended: {prose(training.ended)}"] if training.ended else []
    rounds = training.rounds
    if not rounds:
        return Part(["### Training", "", *facts])
    start, end = _list(count(len(rounds), "round"), len(rounds))
    table = head_of(["round", "epoch", "validation loss", "dev"], 3)
    lines = (
        line_of(
            [
                f"{found.round}{' (kept)' if found.best else ''}",
                f"{found.epoch:.4g}",
                NONE if found.validation_loss is None else f"{found.validation_loss:.4f}",
                _rate(found.dev) if found.dev else NONE,
            ]
        )
        for found in rounds
    )
    return Part(["### Training", "", *facts, "", *start, *table], lines, len(rounds), end, "rounds")


def _seeds(summary: Summary) -> Part:
    lines = [
        line_of(
            [
                str(found.seed),
                _rate(found.before),
                _rate(found.after),
                "met" if found.met else "NOT MET",
            ]
        )
        for found in summary.seeds
    ]
    head = ["### Seeds", "", *head_of(["seed", "before", "after", "gates"], 2)]
    return Part(head, lines, len(lines), what="seeds")


def _runs(summary: Summary) -> Part:
    """Who answered, when, how."""
    runs = [run for run in (summary.before, summary.after) if run is not None]
    names = ["before", "after"] if len(runs) > 1 else ["run"]
    start, end = _fold("The runs" if len(runs) > 1 else "The run")
    facts = [_facts(run) for run in runs]
    lines = [
        line_of([name, *(cell(fact.get(name, "")) for fact in facts)])
        for name in dict.fromkeys(name for fact in facts for name in fact)
    ]
    return Part([*start, *head_of(["", *names])], lines, len(lines), end)


def _facts(run: RunFacts) -> dict[str, str]:
    facts = {"model": run.label, "log": run.path, "start": run.start}
    facts |= {"finished": "yes" if run.finished else "NO", "fingerprint": run.fingerprint}
    facts |= {} if run.seconds is None else {"seconds": f"{run.seconds:.1f}"}
    facts["generation"] = ", ".join(f"{k}: {shown(v, 40)}" for k, v in run.generation.items())
    facts["versions"] = ", ".join(f"{key} {value}" for key, value in run.versions.items())
    return {name: fact for name, fact in facts.items() if fact}
