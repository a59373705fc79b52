"""What a reader must know before believing any number: about the runs, the gates, the training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from harness.json_values import shown
from harness.run_log import SCHEMA_VERSION
from harness.summary import interval_text
from harness.wording import count, cut, errors_text
from reports.differences import differences, models
from reports.floors import Rules
from reports.gates import cases_of
from reports.policies import absent
from reports.records import UNSAID, judged, mapping, text, tools, whole_number
from reports.runs import Log, Opened
from reports.splits import ALL, Pair, Run
from reports.summary import Floor, Group, Rate, SeedResult, SpecSummary, Training

FEW: Final = 50
"""Fewer judged cases than these are said to be few."""
LONGEST: Final = 800
"""Characters of a notice: names in a log from elsewhere may be endless."""


def notices(
    opened: Opened,
    pair: Pair,
    overall: Group,
    specs: Sequence[SpecSummary],
    rules: Mapping[str, Rules],
    seeds: Sequence[SeedResult],
) -> tuple[str, ...]:
    """All notices, each once, the gravest first."""
    runs = [run for run in (pair.after, pair.before) if run is not None]
    found = [notice for run in runs for notice in _log(run.log)]
    found += [notice for run in runs for notice in _unjudged(run)]
    found += [notice for run in runs for notice in _rows(run)]
    found += _unknown(pair)
    found += [notice for run in runs for notice in _gates(run, named=len(runs) > 1)]
    found += differences(pair)
    if pair.before is not None and not opened.tuned:
        found += models(pair.before, pair.after)
    found += opened.notices
    found += _seeds(opened, seeds, pair.after.split)
    found += _training(opened.training) if opened.training else []
    found += [rule.problem for rule in rules.values() if rule.problem]
    found += [
        notice for spec in specs for notice in _floors(spec.whole, pair.after.of(spec.whole.spec))
    ]
    found += _values(pair.after)
    found += _few(opened, overall.after.rate)
    return tuple(dict.fromkeys(cut(one, LONGEST) for one in found))


def _values(run: Run) -> list[str]:
    """The specs whose written values say what to train on, and are not judged."""
    specs = dict.fromkeys(one["spec"] for one in run.records if one["compare"] == "tool")
    what = "argument values are not judged, only whether they fit the tool's schema"
    return [f"{what}: {', '.join(specs)}"] if specs else []


def _log(log: Log) -> Iterator[str]:
    if log.end is None:
        yield f"{log.name}: that run did not finish: {count(log.lines, 'verdict')}, and no footer"
    if not log.header:
        yield f"{log.name}: has no header, so its model, its settings and its gates are not known"
    elif log.header.get("schema") != SCHEMA_VERSION:
        schema = shown(log.header.get("schema"), 40)
        yield (
            f"{log.name}: its schema is {schema}, not {SCHEMA_VERSION}: what it says otherwise "
            "than this version of callgate may be missing here"
        )
    if log.blessed:
        yield f"{log.name} is a baseline: it holds outcomes and misses, no prompts and no replies"
        reason = text(mapping(log.header.get("forced")).get("reason"))
        yield from [f"{log.name} was blessed by force: {reason}"] if reason else []
    if log.lines > len(log.records):
        twice = count(log.lines - len(log.records), "verdict")
        yield f"{log.name}: {twice} of a case that came before: the first one of a case counts"


def _unjudged(run: Run) -> Iterator[str]:
    """Errors, skips, and verdicts that do not say all."""
    outcomes = [record["outcome"] for record in run.records]
    errors, skips = outcomes.count("error"), outcomes.count("skip")
    if errors:
        what = errors_text(errors)
        yield f"{run.log.name}: {what}, left out of every rate; no gate is met with one"
    if skips:
        what = "1 case was" if skips == 1 else f"{skips} cases were"
        yield f"{run.log.name}: {what} skipped, and left out of every rate"
    silent = 0 if run.log.blessed else sum(map(_silent, run.records))
    if silent:
        what = "1 verdict does" if silent == 1 else f"{silent} verdicts do"
        yield f"{run.log.name}: {what} not say which tools were expected, or called"


def _rows(run: Run) -> Iterator[str]:
    """Rows of data sets that became no case, and verdicts that a rule's own defect decided."""
    for name, said in mapping(run.log.header.get("policies")).items():
        source, drops = mapping(mapping(said).get("source")), mapping(mapping(said).get("drops"))
        rows, cases, broken = (_number(source, key) for key in ("rows", "cases", "broken"))
        if drops:
            reasons = ", ".join(f"{_number(drops, reason)} {text(reason)}" for reason in drops)
            yield f"{text(name)}: {cases} of {count(rows, 'row')} are cases; dropped: {reasons}"
        if broken:
            what = "1 case expects a call that breaks"
            what = what if broken == 1 else f"{broken} cases expect calls that break"
            yield f"{text(name)}: {what} its tool's schema; replies are not held to that"
    noted = sum(bool(record["note"]) for record in run.records)
    if noted:
        what = "1 verdict has" if noted == 1 else f"{noted} verdicts have"
        yield f"{run.log.name}: {what} a note on the rule that decided: see `note` of the case"


def _number(said: Mapping[str, Any], key: str) -> int:
    return whole_number(said.get(key)) or 0


def _silent(record: Mapping[str, Any]) -> bool:
    calls = [*record["expected"], *record["calls"]]
    return judged(record) and any(call["name"] == UNSAID for call in calls)


def _unknown(pair: Pair) -> Iterator[str]:
    """Gates that nobody knows; of the run before only those that are known by now."""
    runs = [run for run in (pair.after, pair.before) if run is not None and not run.log.blessed]
    told: set[str] = set()
    for run in runs:
        unknown = [name for name in run.policies if run.policies[name].gate is None]
        for name in (name for name in unknown if run.of(name) and name not in told):
            told.add(name)
            where = f"{run.log.name}: " if run is pair.before else ""
            yield (
                f"{where}the gate of {name} is not known: the log does not have it, and "
                f"{run.policies[name].file or 'its spec file'} is not there as it was judged"
            )


def _gates(run: Run, *, named: bool) -> Iterator[str]:
    """Why a gate is not decided, and which terms were not the spec's own."""
    where = f"{run.log.name}: " if named else ""
    for name, policy in run.policies.items():
        records = run.of(name)
        total = cases_of(policy.cases, run.split, len(records))
        if 0 < len(records) < total and policy.gate is not None:
            yield (
                f"{where}{len(records)} of the {count(total, _cases(run.split))} of {name} are in "
                "the log, so its gate is not decided"
            )
    for name, total in absent(run.log, run.split).items():
        why = f"none of its {count(total, _cases(run.split))} is" if total else "it had no case"
        yield f"{where}{name}: {why}{' in the log' if total else ''}, so its gate is not decided"
    if run.terms.baseline is None:
        yield (
            f"{where}the baseline that the run was held against cannot be read, so no gate is "
            "said to be met"
        )
    if run.terms.min_pass_rate is not None:
        rate = f"{run.terms.min_pass_rate:.10g}"
        yield f"{where}the run asked for a pass rate of {rate} in place of the specs' own"


def _cases(split: str) -> str:
    return "case" if split == ALL else f"{split} case"


def _seeds(opened: Opened, seeds: Sequence[SeedResult], split: str) -> Iterator[str]:
    missing = [str(one.seed) for one in opened.seeds if not one.ended]
    if missing:
        word = "seed" if len(missing) == 1 else "seeds"
        yield f"{word} {', '.join(missing)}: not come to an end, and left out"
    if seeds:
        low, high = (pick(seeds, key=lambda one: one.after.passed).after for pick in (min, max))
        least = f"{low.passed}" if low.n == high.n else f"{low.passed} of {low.n}"
        seed = opened.training.seed if opened.training else None
        mine = "the first" if seed is None else f"seed {seed}"
        met = sum(one.met for one in seeds)
        yield (
            f"{len(seeds)} seeds: {least} to {high.passed} of {high.n} passed on "
            f"{split}, {met} of {len(seeds)} met; all other numbers are those of {mine}"
        )


def _training(training: Training) -> Iterator[str]:
    dropped = len(training.dropped)
    if dropped:
        what = "1 train case was" if dropped == 1 else f"{dropped} train cases were"
        whose = "its prompt is" if dropped == 1 else "their prompts are"
        yield f"{what} left out of the training: {whose}, or nearly, that of a held-out case"
    if training.unfit:
        rows = count(training.unfit, "row")
        yield f"{rows} of data sets left out of the training, which cannot be trained on"
    for spec, number in training.given_up.items():
        if number:
            yield (
                f"{spec}: {count(number, 'train case')} decided when to stop, for want of dev "
                "cases, and trained nothing"
            )
    if training.ended is None:
        yield "the history of the training has no end: it broke off, or is still going on"


def _floors(whole: Group, records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Where a rule that cannot read names the tools as well as the model."""
    if not whole.floors or any(map(_silent, records)):
        return
    best = max(whole.floors, key=lambda floor: floor.rate.passed)
    right = sum(
        judged(record) and (record["outcome"] == "pass" or tools(record) == tools(record, "calls"))
        for record in records
    )
    if best.rate.passed >= right:
        yield (
            f"{whole.spec}: {_rule(best)} names the expected tools of {best.rate.passed} of "
            f"{best.rate.n} cases, the model those of {right}: it shows nothing that the words "
            "of the prompts alone do not tell"
        )


def _rule(floor: Floor) -> str:
    cases = count(floor.trained_on, "train case")
    if floor.rule == "commonest tool":
        return f"always calling the commonest tool of its {cases}"
    return f"a bag of words learned from its {cases}"


def _few(opened: Opened, rate: Rate) -> Iterator[str]:
    """How far a rate is from certain, where it rests on little."""
    if not 0 < rate.n < FEW:
        return
    seed = opened.training is not None and not opened.seeds
    run = "one training with one seed" if seed else "one run"
    ends = interval_text((rate.low, rate.high))
    yield f"{count(rate.n, 'case')} and {run}: the true rate may be anywhere in {ends}"
