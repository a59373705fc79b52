"""The Summary: counted from real logs, compared with plain counting, said in whole sentences."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jiwer
import pytest

from harness.backends import backend_for
from harness.bulk import judge_specs
from harness.functiongemma import parse_reply
from harness.loading import load_specs
from harness.options import resolve
from reports.counting import summarise
from reports.runs import open_run
from reports.summary import Coverage, SeedResult, Summary

ROOT = Path(__file__).parents[2]
SEARCH = ROOT / "specs" / "search_policy.spec.yaml"
TRAPS = ROOT / "specs" / "everyday_traps.spec.yaml"
Judge = Callable[..., Path]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """Judges recorded replies into a run log."""

    def judge(name: str, *specs: Path, **options: Any) -> Path:
        folder = tmp_path_factory.mktemp("judged")
        replies = ROOT / "docs" / "replies" / f"{name}.jsonl"
        flags = {"model": f"replay:{replies}", "run_log": str(folder / f"{name}.jsonl"), **options}
        judging = resolve(flags, environ={}, start=folder)
        judge_specs(load_specs(specs), backend_for(judging), judging)
        return folder / f"{name}.jsonl"

    return judge


@pytest.fixture(scope="module")
def before(judged: Judge) -> Path:
    """What FunctionGemma answered before the guide's tuning."""
    return judged("guide-before", SEARCH)


@pytest.fixture(scope="module")
def after(judged: Judge) -> Path:
    """What it answered afterwards."""
    return judged("guide-after", SEARCH)


@pytest.fixture(scope="module")
def guide(before: Path, after: Path) -> Summary:
    """The guide's runs compared."""
    return summarise(open_run(str(after), str(before)))


def edited(log: Path, into: Path, edit: Callable[[list[dict[str, Any]]], Any]) -> str:
    """A copy of a log, its lines edited in place; or what `edit` gives back."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    lines = edit(lines) or lines
    into.parent.mkdir(parents=True, exist_ok=True)
    into.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(into)


def test_the_guides_tuning(guide: Summary) -> None:
    """2 → 16 of 20, 14 fixed, none broken: all numbers of the whole, and the sentence on top."""
    assert guide.verdict == (
        "Better: 2 → 16 of 20 on test (14 fixed, 0 broken, exact McNemar p = 0.00012); the gate "
        "of search-policy (at least 16 of 20) is met."
    )
    assert guide.title == "search-policy: two runs compared"
    whole_spec = guide.specs[0].whole
    assert guide.overall == whole_spec
    then, now, found = whole_spec.before, whole_spec.after, whole_spec.comparison
    assert then is not None
    assert found is not None
    assert (then.rate.passed, now.rate.passed, now.rate.n) == (2, 16, 20)
    assert then.misses == {"no_call": 15, "extra_call": 2, "wrong_tool": 1}
    assert list(then.misses) == ["no_call", "extra_call", "wrong_tool"]
    assert (len(found.fixed), len(found.broken), len(found.changed)) == (14, 0, 4)
    assert (now.pass_rate, now.needed, now.met, now.reasons) == (0.8, 16, True, ())
    assert (then.met, then.reasons) == (
        False,
        ("2 of 20 passed; the gate asks for a rate of 0.8: at least 16",),
    )
    assert [(one.rule, one.rate.passed) for one in whole_spec.floors] == [
        ("commonest tool", 10),
        ("bag of words", 14),
    ]


def test_the_guides_parts(guide: Summary) -> None:
    """Clauses, tools, confusion and coverage of the same."""
    spec = guide.specs[0]
    clauses = {one.name: (one.after.rate.passed, one.after.rate.n) for one in spec.clauses}
    assert clauses == {"internal-first": (8, 8), "public": (6, 10), "one-search": (2, 2)}
    assert [one.name for one in spec.tools] == ["search_knowledge_base", "search_google"]
    assert [one.floors[1].rate.passed for one in spec.tools] == [8, 6]
    then = spec.whole.before
    assert then is not None
    google, base, none = "search_google", "search_knowledge_base", "(no call)"
    assert then.confusion.rows == (google, base)
    assert then.confusion.columns == (google, base, f"{google} + {base}", none)
    assert then.confusion.counts == ((1, 1, 0, 8), (0, 1, 2, 7))
    assert spec.coverage == Coverage((), ("internal-first", "public", "one-search"), ())
    assert spec.other_splits == {}


def test_the_guides_cases(guide: Summary) -> None:
    """A row has the prompt, the expectation as written, both answers, and what became of it."""
    row = guide.cases[0]
    assert (row.case, row.id, row.clause) == (
        "search-policy::paystubs",
        "paystubs",
        "internal-first",
    )
    assert row.expected == "{search_knowledge_base: {query: access paystubs ADP portal guide}}"
    assert row.expected_tools == "search_knowledge_base"
    assert row.change == "fixed"
    assert row.before is not None
    assert row.after is not None
    assert (row.before.called, row.before.miss) == ("no call", "no_call")
    assert row.after.called == 'search_knowledge_base(query="paystubs API portal access codes")'
    assert Counter(one.change for one in guide.cases) == {"fixed": 14, "passed": 2, "changed": 4}


def test_the_character_error_rate_is_jiwers_on_the_whole_set(
    guide: Summary, before: Path, after: Path
) -> None:
    """Pooled from the cases' own rates, it is what jiwer finds over all of them at once."""
    for log, side in ((before, guide.overall.before), (after, guide.overall.after)):
        assert side is not None
        records = [json.loads(line) for line in log.read_text().splitlines()[1:-1]]
        scored = [record for record in records if record["gold"]]
        blocks = [parse_reply(record["reply"]).blocks for record in scored]
        firsts = [found[0] if found else "" for found in blocks]
        theirs = jiwer.cer([record["gold"] for record in scored], firsts)
        assert side.tc_cer == pytest.approx(theirs, abs=1e-12)
        assert side.tc_cer_n == len(scored) == 20


def test_one_log(before: Path, after: Path, judged: Judge) -> None:
    """Alone, a run is held against its gate; nothing is compared."""
    met, missed = (summarise(open_run(str(log))) for log in (after, before))
    assert met.verdict == "Gate met: 16 of 20 pass on test; search-policy asks for at least 16."
    assert missed.verdict == (
        "Gate not met: 2 of 20 pass on test; search-policy asks for at least 16."
    )
    assert met.before is met.overall.comparison is met.overall.before is None
    assert {row.change for row in met.cases} == {None}
    assert met.notices == (
        "argument values are not judged, only whether they fit the tool's schema: search-policy",
        "20 cases and one run: the true rate may be anywhere in 58–92 %",
    )
    assert missed.notices[0] == (
        "search-policy: a bag of words learned from its 60 train cases names the expected tools "
        "of 14 of 20 cases, the model those of 2: it shows nothing that the words of the prompts "
        "alone do not tell"
    )
    asked = summarise(open_run(str(judged("guide-after", SEARCH, min_pass_rate="0.9"))))
    assert (
        asked.verdict == "Gate not met: 16 of 20 pass on test; search-policy asks for at least 18."
    )
    assert asked.notices[0] == "the run asked for a pass rate of 0.9 in place of the specs' own"


def test_a_spec_of_which_nothing_was_judged_is_never_passed_over(
    after: Path, tmp_path: Path
) -> None:
    """Its gate counts as not decided, on top and in a notice, also where it never had a case."""

    def more(lines: list[dict[str, Any]]) -> None:
        policy = lines[0]["policies"]["search-policy"]
        lines[0]["policies"] |= {
            "away": policy | {"cases": {"test": 7}},
            "empty": policy | {"cases": {"train": 0, "dev": 0, "test": 0}},
            "train-only": policy | {"cases": {"train": 3}},
        }

    found = summarise(open_run(edited(after, tmp_path / "more.jsonl", more)))
    assert found.verdict == (
        "16 of 20 pass on test; 1 of 3 gates is met; not decided: away, empty."
    )
    assert found.notices[:2] == (
        "away: none of its 7 test cases is in the log, so its gate is not decided",
        "empty: it had no case, so its gate is not decided",
    )


def test_two_specs(judged: Judge) -> None:
    """Errors, skips and several gates: each spec for itself, and all of them together."""
    found = summarise(open_run(str(judged("everyday-traps", SEARCH, TRAPS))))
    assert found.verdict == "21 of 34 pass on test; 1 of 2 gates is met; not met: search-policy."
    search, traps = found.specs
    assert (search.whole.after.errors, search.whole.after.met) == (20, False)
    assert traps.whole.after.skipped == 1
    assert (found.overall.name, found.overall.after.met) == ("all specs", None)
    assert found.overall.after.cases == 55
    assert found.overall.after.errors == 20
    assert (search.whole.floors, found.overall.floors) == ((), ())
    assert found.notices[0].endswith(
        ": 20 cases are errors, left out of every rate; no gate is met with one"
    )


def test_a_log_that_was_cut_off(before: Path, after: Path, tmp_path: Path) -> None:
    """It is said, its gate is not decided, and only what both runs have is compared."""
    cut = edited(after, tmp_path / "cut.jsonl", lambda lines: lines[:9])
    found = summarise(open_run(cut, str(before)))
    assert found.verdict == (
        "Better: 1 → 7 of 8 on test (6 fixed, 0 broken, exact McNemar p = 0.031); the gate of "
        "search-policy is not decided."
    )
    assert found.notices[:3] == (
        f"{cut}: that run did not finish: 8 verdicts, and no footer",
        f"{cut}: 8 of the 20 test cases of search-policy are in the log, so its gate is not "
        "decided",
        f"the runs judged different cases: 12 only in {before}, 0 only in {cut}; the 8 that both "
        "have are compared",
    )
    assert Counter(row.change for row in found.cases)["unpaired"] == 12
    assert found.overall.before is not None
    assert found.overall.before.cases == 20


def test_what_changed_between_the_runs(before: Path, after: Path, tmp_path: Path) -> None:
    """Prompts, expectations, the spec, the settings: said, and other prompts are not compared."""

    def change(lines: list[dict[str, Any]]) -> None:
        lines[0]["specs"]["search-policy"] = "0" * 16
        lines[0]["generation"]["max_new_tokens"] = 64
        lines[1]["request"] = "f" * 16
        lines[2]["written"] = "search_google"
        lines[3]["outcome"] = "error"

    other = edited(before, tmp_path / "other.jsonl", change)
    found = summarise(open_run(str(after), other))
    assert found.overall.comparison is not None
    assert found.overall.comparison.n == 18
    assert [row.change for row in found.cases[:3]] == ["unpaired", "fixed", "unpaired"]
    digest = open_run(str(after)).after.header["specs"]["search-policy"]
    for notice in (
        f"{other}: 1 case is an error, left out of every rate; no gate is met with one",
        f"the spec search-policy changed between the runs (digest {'0' * 16}, then {digest})",
        "1 case has another prompt or other tools than before: not compared",
        "1 case was judged in one run alone: not compared",
        "1 case expects something else than before: their verdicts are compared as they were given "
        "(`callgate-report rescore` judges the old replies by today's specs)",
        "the settings differ between the runs: max_new_tokens 64, then 128",
        f"two models answered: {found.before and found.before.label}, then {found.after.label}",
    ):
        assert notice in found.notices


def test_a_run_compared_with_itself(after: Path) -> None:
    """No case changed sides, and the report says why."""
    found = summarise(open_run(str(after), str(after)))
    assert found.verdict == (
        "The same: 16 of 20 on test both times, no case changed sides; the gate of search-policy "
        "(at least 16 of 20) is met."
    )
    assert f"{after} is compared with itself" in found.notices


def test_a_gate_that_nobody_knows_is_never_met(after: Path, tmp_path: Path) -> None:
    """Without a policy in the log, the spec file stands for it where it is what was judged."""

    def strip(lines: list[dict[str, Any]]) -> None:
        del lines[0]["policies"]

    def change(lines: list[dict[str, Any]]) -> None:
        strip(lines)
        lines[0]["specs"]["search-policy"] = "0" * 16

    once = summarise(open_run(*[edited(after, tmp_path / "other.jsonl", change)] * 2))
    assert sum("is not known: the log" in notice for notice in once.notices) == 1
    old = summarise(open_run(edited(after, tmp_path / "old.jsonl", strip)))
    assert old.overall.after.met is True
    assert (
        old.overall.text == "Company questions go to the knowledge base; public ones go to Google."
    )
    other = summarise(open_run(edited(after, tmp_path / "other.jsonl", change)))
    assert (other.overall.after.pass_rate, other.overall.after.met) == (None, None)
    assert other.verdict == "16 of 20 pass on test; the gate of search-policy is not known."
    assert other.notices[0] == (
        "the gate of search-policy is not known: the log does not have it, and "
        f"{other.specs[0].file} is not there as it was judged"
    )
    assert other.overall.floors == ()


def test_a_spec_that_changed_since_gives_no_floors(after: Path, tmp_path: Path) -> None:
    """Its train cases may be others than those that were learned from; the gate is in the log."""

    def change(lines: list[dict[str, Any]]) -> None:
        lines[0]["specs"]["search-policy"] = "0" * 16

    def lose(lines: list[dict[str, Any]]) -> None:
        lines[0]["policies"]["search-policy"]["file"] = "gone.spec.yaml"

    found = summarise(open_run(edited(after, tmp_path / "other.jsonl", change)))
    assert (found.overall.after.met, found.overall.floors) == (True, ())
    assert found.notices[0] == (
        f"search-policy: {found.specs[0].file} is not what it was when the run was judged, so its "
        "train cases are not known: no floors"
    )
    gone = summarise(open_run(edited(after, tmp_path / "gone.jsonl", lose)))
    assert gone.notices[0] == (
        "search-policy: gone.spec.yaml is not there any more, so its train cases are not known: no "
        "floors"
    )


def test_a_baseline_counts_as_it_did_in_the_run(
    before: Path, after: Path, judged: Judge, tmp_path: Path
) -> None:
    """Its regressions speak against the gate; where it cannot be read, no gate is met."""
    all_pass = edited(after, tmp_path / "base.jsonl", lambda lines: [
        line | {"outcome": "pass"} if line["kind"] == "verdict" else line for line in lines
    ])  # fmt: skip
    held = judged("guide-after", SEARCH, baseline=all_pass)
    assert summarise(open_run(str(held))).verdict == (
        "Gate not met: 16 of 20 pass on test; search-policy asks for at least 16: 4 cases passed "
        "in the baseline and miss now."
    )
    Path(all_pass).unlink()
    found = summarise(open_run(str(held)))
    assert found.verdict == "16 of 20 pass on test; the gate of search-policy is not decided."
    assert found.notices[0] == (
        "the baseline that the run was held against cannot be read, so no gate is said to be met"
    )


def test_a_blessed_baseline_says_less_and_is_compared_all_the_same(
    after: Path, tmp_path: Path
) -> None:
    """Outcomes and misses are enough to compare; nothing else is missed in it."""

    def bless(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        kept = ("kind", "case", "split", "outcome", "miss")
        head = {"kind": "run", "schema": 1, "blessed": True, "specs": lines[0]["specs"]}
        forced = {"reason": "the release"}
        return [
            {**head, "forced": forced},
            *({k: v[k] for k in kept} for v in lines[1:-1]),
            lines[-1],
        ]

    base = edited(after, tmp_path / "base.jsonl", bless)
    found = summarise(open_run(str(after), base))
    assert found.verdict.startswith("The same: 16 of 20 on test both times")
    assert found.notices[:-1] == (
        f"{base} is a baseline: it holds outcomes and misses, no prompts and no replies",
        f"{base} was blessed by force: the release",
        "argument values are not judged, only whether they fit the tool's schema: search-policy",
    )


def training(root: Path, before: Path, after: Path, **start: Any) -> str:
    """The folder of a training that made the second run of the first."""
    edited(before, root / "before.jsonl", list)
    edited(after, root / "after.jsonl", list)
    history = [{"kind": "start", "seed": 42, "rows": 58, **start}, {"kind": "end", "ended": "so"}]
    (root / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in history))
    return str(root)


def test_a_training(before: Path, after: Path, tmp_path: Path) -> None:
    """Leaks and what was given up are said, and are not what the floors learn from."""
    leaks = [["search-policy::travel-meals", "search-policy::paystubs"]]
    folder = training(
        tmp_path / "run", before, after, dropped=leaks, given_up={"search-policy": 12}
    )
    found = summarise(open_run(folder))
    assert found.title == "search-policy: before and after tuning"
    assert found.training is not None
    assert found.notices == (
        "1 train case was left out of the training: its prompt is, or nearly, that of a held-out "
        "case",
        "search-policy: 12 train cases decided when to stop, for want of dev cases, and trained "
        "nothing",
        "argument values are not judged, only whether they fit the tool's schema: search-policy",
        "20 cases and one training with one seed: the true rate may be anywhere in 58–92 %",
    )
    assert [floor.trained_on for floor in found.overall.floors] == [59, 59]


def test_several_seeds_are_never_averaged_away(before: Path, after: Path, tmp_path: Path) -> None:
    """Each stands for itself; the numbers are the first one's, and the notice says so."""
    folder = training(tmp_path / "run", before, after)
    training(tmp_path / "run" / "seeds" / "43", before, before)
    edited(after, tmp_path / "run" / "seeds" / "44" / "after.jsonl", lambda lines: lines[:5])
    found = summarise(open_run(folder))
    assert [(one.seed, one.before.passed, one.after.passed, one.met) for one in found.seeds] == [
        (42, 2, 16, True),
        (43, 2, 2, False),
    ]
    assert all(isinstance(one, SeedResult) for one in found.seeds)
    assert found.overall.after.rate.passed == 16
    assert found.notices[:2] == (
        "seed 44: not come to an end, and left out",
        "2 seeds: 2 to 16 of 20 passed on test, 1 of 2 met; all other numbers are those of seed 42",
    )
