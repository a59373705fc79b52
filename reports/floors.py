"""What needs no language model: simple rules that learn from the train cases which tool to call.

A model that does not beat them has learned nothing that counting words does not tell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.cases import Case, Expectation
from harness.gold import expected_tools
from harness.run_log import Record
from reports.policies import Policy, SpecFiles, train_cases
from reports.records import NO_TOOL, judged, tools
from reports.sides import rate
from reports.splits import ALL, Pair
from reports.summary import Floor, Training

MISSING_LIBRARY: Final = (
    "scikit-learn is not installed, so there is no bag of words to compare with: "
    "pip install 'callgate[train]'"
)
_COMMONEST: Final = "commonest tool"
_BAG: Final = "bag of words"


@dataclass(frozen=True, slots=True)
class Rules:
    """What each rule names for each case of a spec: rule → case → tools; from `trained_on` cases.

    `problem` says why a rule is not there.
    """

    guesses: Mapping[Any, Mapping[str, str]]
    trained_on: int
    problem: str | None = None


NO_RULES: Final = Rules({}, 0)


def rules_for(pair: Pair, name: str, training: Training | None, files: SpecFiles) -> Rules:
    """The rules of one spec, learned from its file where that is still what was judged.

    None of them where the spec has no train cases, or the report is of train cases.
    """
    policy = pair.policy(name)
    said = policy.cases.get("train") if training is None else None
    if said == 0 or pair.after.split in ("train", ALL):
        return NO_RULES
    spec = files.unchanged(policy)
    if spec is None:
        known = said is not None or training is not None
        return Rules({}, 0, _not_known(policy, files) if known else None)
    records = [r for r in pair.after.log.records if r["spec"] == name and r["split"] != "train"]
    dropped = [case for case, _ in training.dropped] if training else []
    return learn(train_cases(spec, [r["case"] for r in records], dropped), records)


def _not_known(policy: Policy, files: SpecFiles) -> str:
    there = files.found(policy) is not None
    why = "is not what it was when the run was judged" if there else "is not there any more"
    return f"{policy.name}: {policy.file} {why}, so its train cases are not known: no floors"


def learn(train: Sequence[Case], records: Sequence[Record]) -> Rules:
    """Both rules from the train cases of a spec, and what they name for its records.

    The prompt is the last user turn; the tools to name are those of the first alternative.
    """
    if not train:
        return NO_RULES
    asked = [record for record in records if judged(record)]
    classes = [tools_of(case.expect) for case in train]
    counts = Counter(classes)
    commonest = min(counts, key=lambda name: (-counts[name], name))
    guesses = {_COMMONEST: {record["case"]: commonest for record in asked}}
    try:
        named = _bag_of_words([case.prompt for case in train], classes, asked)
    except ImportError:
        return Rules(guesses, len(train), MISSING_LIBRARY)
    if named is not None:
        guesses[_BAG] = named
    return Rules(guesses, len(train))


def floors(rules: Rules, records: Sequence[Record]) -> tuple[Floor, ...]:
    """How many of the judged records each rule names the expected tools of; () for none judged."""
    asked = [record for record in records if judged(record)]
    found = []
    for rule, named in rules.guesses.items() if asked else ():
        hits = sum(named[record["case"]] == tools(record) for record in asked)
        found.append(Floor(rule, rate(hits, len(asked)), rules.trained_on))
    return tuple(found)


def together(parts: Sequence[tuple[Floor, ...]]) -> tuple[Floor, ...]:
    """The floors of several specs as one, each learned from its own: those that all have."""
    shared = [floor.rule for floor in parts[0]] if parts else []
    found = []
    for rule in shared:
        mine = [floor for part in parts for floor in part if floor.rule == rule]
        if len(mine) == len(parts):
            hits, n = (sum(getattr(floor.rate, key) for floor in mine) for key in ("passed", "n"))
            found.append(Floor(rule, rate(hits, n), sum(floor.trained_on for floor in mine)))
    return tuple(found)


def tools_of(expect: Expectation) -> str:
    """The tools that an expectation's first alternative names, as a record's `tools` does."""
    return " + ".join(sorted(expected_tools(expect))) or NO_TOOL


def _bag_of_words(
    prompts: Sequence[str], classes: Sequence[str], asked: Sequence[Record]
) -> dict[str, str] | None:
    """What logistic regression on weighted words names for each; None where no prompt has a word.

    Scikit-learn's defaults: words of two letters or more, weighted by their rarity (tf-idf), and
    an L2 penalty with C = 1. One class needs no regression.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]

    if not asked or len(set(classes)) == 1:
        return {record["case"]: classes[0] for record in asked}
    model = make_pipeline(TfidfVectorizer(), LogisticRegression())
    try:
        model.fit(list(prompts), list(classes))
    except ValueError:  # an empty vocabulary
        return None
    named = model.predict([record["prompt"] for record in asked])
    return {record["case"]: str(name) for record, name in zip(asked, named, strict=True)}
