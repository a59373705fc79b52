"""The Summary: every number and every word of judgement that a report shows.

All of it is computed once, by `reports.counting`; a format renders it and computes nothing. Plain
frozen dataclasses: `reports/summary.schema.json` is their JSON form.

Rates run from 0 to 1. "Before" is the run that `--against` names, or a training run's base;
"after" is the run reported on, and the only one where there is nothing to compare it with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.sources.guide_score import Disagreement as Disagreement
from harness.sources.guide_score import GuideScore as GuideScore

Change = Literal["fixed", "broken", "changed", "missing", "passed", "unpaired"]
"""What became of a case: missed and passes now; passed and misses now; misses in another way;
misses in the same way; passes both times; judged on one side only."""

Trend = Literal["better", "worse", "not distinguishable", "the same"]
"""What a comparison shows: a difference that chance does not explain, or not; "the same" where no
case changed sides."""

GroupKind = Literal["spec", "clause", "tag", "tool"]


@dataclass(frozen=True, slots=True)
class Rate:
    """`passed` of `n`; `low` and `high` end its 95 % Wilson interval. `value` is None for n = 0."""

    passed: int
    n: int
    value: float | None
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Floor:
    """What needs no language model: the rate of a simple rule, learned from the train cases.

    `rule` is "commonest tool" or "bag of words"; `rate` counts the judged cases whose expected
    tools it names; `trained_on` says from how many train cases. Arguments are not asked of it.
    """

    rule: Literal["commonest tool", "bag of words"]
    rate: Rate
    trained_on: int


@dataclass(frozen=True, slots=True)
class Confusion:
    """Expected against called tools: `counts[i][j]` cases expected `rows[i]`, got `columns[j]`.

    Of more than 40 names the rarest stand together as "(other tools)".
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Side:
    """One run's numbers for one group of cases.

    `rate` is of the judged cases, errors and skips left out. `misses` goes by kind, the commonest
    first. `tc_cer` is None where no case of the group has a gold block; `tc_cer_n` counts those
    that have. `pass_rate`, `needed`, `met` and `reasons` are the gate's and stand at specs alone:
    the rate asked for, the fewest passes that reach it (None: not even all would), the decision
    and why it is not met.
    """

    cases: int
    errors: int
    skipped: int
    rate: Rate
    misses: Mapping[str, int]
    tool_accuracy: Rate
    schema_valid: Rate
    tc_cer: float | None
    tc_cer_n: int
    confusion: Confusion
    pass_rate: float | None = None
    needed: int | None = None
    met: bool | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same cases before and after.

    `n` cases were judged both times; `fixed`, `broken` and `changed` name some of them (SPEC::ID).
    `difference` is the rate after less the rate before, `low` to `high` its 95 % interval, `p` the
    exact two-sided McNemar test's. `enough` is how many cases would show a difference of this
    size, None where there is none or it is shown already. `words` says all of it in a sentence.
    `passed_before` and `passed_after` are of the `n`.
    """

    n: int
    fixed: tuple[str, ...]
    broken: tuple[str, ...]
    changed: tuple[str, ...]
    difference: float
    low: float
    high: float
    p: float
    trend: Trend
    enough: int | None
    words: str
    passed_before: int = 0
    passed_after: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """A spec, or the cases of it that share a clause, a tag or an expected tool.

    `name` is the spec's, the clause's id, the tag or the tool ("(no call)" where none is
    expected); `text` is the description or the clause's sentence. `before` and `comparison` are
    None without a run to compare with. `floors` is empty where nothing could be learned.
    """

    kind: GroupKind
    spec: str
    name: str
    text: str
    after: Side
    before: Side | None = None
    comparison: Comparison | None = None
    floors: tuple[Floor, ...] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a spec's cases do not test.

    Clauses without a case that expects a call, clauses without one that expects none, and
    declared tools that no case expects.
    """

    clauses_without_call: tuple[str, ...] = ()
    clauses_without_refusal: tuple[str, ...] = ()
    tools_never_expected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A rate as BFCL's leaderboard counts it, which may be a mean of rates: no interval goes by it.

    `value` is None where a category that it is made of has no judged case; `passed` and `n` count
    those of all of them.
    """

    value: float | None
    passed: int
    n: int


@dataclass(frozen=True, slots=True)
class BoardRow:
    """A column of BFCL's leaderboard; `card` is what FunctionGemma's model card reports of it.

    A side is None where nothing of the spec was judged, or there is no such run.
    """

    name: str
    after: Accuracy | None
    before: Accuracy | None
    card: float | None


@dataclass(frozen=True, slots=True)
class SpecSummary:
    """One spec: its whole, its parts, and how its other splits stand (split → group).

    `leaderboard` has rows where the cases are BFCL's, `guide` and `guide_before` are there where
    they are those of Google's tuning guide.
    """

    whole: Group
    clauses: tuple[Group, ...]
    tags: tuple[Group, ...]
    tools: tuple[Group, ...]
    coverage: Coverage
    other_splits: Mapping[str, Group]
    file: str | None = None
    leaderboard: tuple[BoardRow, ...] = ()
    guide: GuideScore | None = None
    guide_before: GuideScore | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What one run made of one case. `called` is the calls as people read them, or "no call".

    `reply` is the raw text, None where there is none (an error). `found` is what the calls found
    and `answered` the raw text that followed, for a case that asks for them.
    """

    outcome: str
    miss: str | None
    reason: str
    called: str
    reply: str | None
    note: str = ""
    found: str = ""
    answered: str = ""


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One case of the reported split, before and after.

    `case` is SPEC::ID, `location` FILE:LINE, `expected` the expectation as its author wrote it,
    `gold` the block to write, where there is one. `change` is None where nothing is compared.
    """

    case: str
    spec: str
    id: str
    location: str
    clause: str | None
    tags: tuple[str, ...]
    critical: bool
    prompt: str
    expected: str
    expected_tools: str
    gold: str | None
    after: Answer | None
    before: Answer | None = None
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A run, for people: who answered, when, from which file."""

    path: str
    label: str
    model: str | None
    fingerprint: str
    start: str
    finished: bool
    seconds: float | None
    versions: Mapping[str, str]
    generation: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """The loss at a step, and the epoch that it belongs to; the loss None: not a finite number."""

    step: int
    epoch: float
    loss: float | None


@dataclass(frozen=True, slots=True)
class TrainingRound:
    """What followed a round of training; None where it was not measured."""

    round: int
    step: int
    epoch: float
    validation_loss: float | None
    dev: Rate | None
    best: bool


@dataclass(frozen=True, slots=True)
class Training:
    """A training run's history. `until` is the dev rate that ends it, where one rate does.

    `rows` were trained on, `dropped` (train case, held-out case) left out as leaks, `unfit` rows of
    data sets left out because they cannot be trained on, and `given_up` train cases of each spec
    became dev cases.
    """

    seed: int | None
    rows: int
    dropped: tuple[tuple[str, str], ...]
    unfit: int
    given_up: Mapping[str, int]
    until: float | None
    steps: tuple[TrainingStep, ...]
    rounds: tuple[TrainingRound, ...]
    ended: str | None


@dataclass(frozen=True, slots=True)
class SeedResult:
    """One seed of a run with several: the test cases that passed before and after."""

    seed: int
    before: Rate
    after: Rate
    met: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """A report's whole content.

    `verdict` is the one sentence that stands on top; `notices` say what a reader must know before
    believing any number: an unfinished log, other cases, a changed spec, several seeds, dropped
    leaks. `overall` is over all specs of `split`.
    """

    title: str
    verdict: str
    notices: tuple[str, ...]
    split: str
    after: RunFacts
    before: RunFacts | None
    overall: Group
    specs: tuple[SpecSummary, ...]
    cases: tuple[CaseRow, ...]
    training: Training | None = None
    seeds: tuple[SeedResult, ...] = field(default=())
