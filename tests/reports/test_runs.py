"""What a report is made from: logs and training folders, whole, broken, and from elsewhere."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from reports.counting import summarise
from reports.records import whole
from reports.runs import Opened, open_run
from reports.summary import TrainingRound, TrainingStep

END = {"kind": "end", "seconds": 2.5}
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3),
        st.sampled_from(["\ud800", 10**400, "no_call", "test", "\x1b[31m"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abn"), inner, max_size=2)
    ),
    max_leaves=4,
)  # fmt: skip
KEYS = {
    *("spec", "split", "tags", "clause", "critical", "compare", "location", "prompt", "request"),
    *("expected", "written", "reply", "calls", "miss", "reason", "tool_match", "schema_valid"),
    *("gold", "gold_characters", "cer", "note"),
}
HEAD = ["label", "policies", "specs", "generation", "versions", "options", "start"]
VERDICTS = st.fixed_dictionaries(
    {
        "case": st.one_of(st.sampled_from(["s::a", "s::b", "::", "a"]), st.text(max_size=4)),
        "outcome": st.sampled_from(["pass", "fail", "error", "skip"]),
    },
    optional=dict.fromkeys(sorted(KEYS), VALUES),
)


def log(file: Path, *records: dict[str, Any], end: bool = True, **head: Any) -> Path:
    """A run log: its header, the verdicts, the footer."""
    first = {"kind": "run", "schema": 1, "label": "a model", **head}
    verdicts = [{"kind": "verdict", **record} for record in records]
    lines = [first, *verdicts, *([END] if end else [])]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def passed(*ids: str) -> list[dict[str, Any]]:
    """Verdicts of test cases that passed."""
    return [{"case": f"s::{one}", "outcome": "pass"} for one in ids]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a training run."""
    log(tmp_path / "run" / "before.jsonl", {"case": "s::a", "outcome": "fail"})
    log(tmp_path / "run" / "after.jsonl", *passed("a"))
    lines = [
        {"kind": "start", "rows": 8, "dropped": [["s::x", "s::a"], "?"], "given_up": {"s": 9},
         "seed": 7, "until": 0.9},
        {"kind": "step", "step": 1, "epoch": 0.5, "loss": 2.0},
        {"kind": "step", "step": 2, "epoch": 1.0, "loss": None},
        {"kind": "round", "round": 1, "step": 2, "epoch": 1.0, "validation_loss": 0.5,
         "dev_passed": 3, "dev_judged": 4, "best": True},
        {"kind": "round", "round": 2, "step": 4, "epoch": 2.0, "best": True},
        {"kind": "end", "ended": "all 2 epochs are trained", "best_round": 1},
    ]  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "run" / "history.jsonl").write_text(text)
    return tmp_path / "run"


def refusal(path: object, against: object = None) -> str:
    """What opening it is refused with."""
    with pytest.raises(UsageError) as caught:
        open_run(str(path), None if against is None else str(against))
    return str(caught.value)


def test_a_log(tmp_path: Path) -> None:
    """A log alone: nothing to compare with, no training, nothing to be said."""
    found = open_run(str(log(tmp_path / "a.jsonl", *passed("a", "b"))))
    assert isinstance(found, Opened)
    assert [record["id"] for record in found.after.records] == ["a", "b"]
    assert (found.before, found.training, found.seeds, found.notices) == (None, None, (), ())


def test_a_training_folder(folder: Path) -> None:
    """Its base is compared with, and its history read; the best round is the one that was kept."""
    found = open_run(str(folder))
    assert found.before is not None
    assert found.before.path == str(folder / "before.jsonl")
    training = found.training
    assert training is not None
    assert (training.seed, training.rows, training.until) == (7, 8, 0.9)
    assert training.dropped == (("s::x", "s::a"),)
    assert training.given_up == {"s": 9}
    assert training.steps == (TrainingStep(1, 0.5, 2.0), TrainingStep(2, 1.0, None))
    assert [one.best for one in training.rounds] == [True, False]
    first, second = training.rounds
    assert isinstance(second, TrainingRound)
    assert first.dev is not None
    assert (first.dev.passed, first.dev.n) == (3, 4)
    assert (second.dev, second.validation_loss) == (None, None)
    assert training.ended == "all 2 epochs are trained"


def test_what_it_is_compared_with_may_be_named(folder: Path, tmp_path: Path) -> None:
    """A log in the place of a folder's base, or a folder, for which its `after.jsonl` stands."""
    other = log(tmp_path / "other.jsonl", *passed("b"))
    one, two = open_run(str(folder), str(other)), open_run(str(other), str(folder))
    assert one.before is not None
    assert two.before is not None
    assert one.before.path == str(other)
    assert two.before.path == str(folder / "after.jsonl")
    assert two.training is None


def test_a_folder_without_a_history(folder: Path) -> None:
    """The logs are enough for a report; it says what it does not know."""
    (folder / "history.jsonl").unlink()
    (folder / "before.jsonl").unlink()
    found = open_run(str(folder))
    assert (found.before, found.training) == (None, None)
    assert found.notices == (
        f"{folder}/history.jsonl is not there: nothing is known of the training.",
    )


def test_a_history_that_was_cut_off(folder: Path) -> None:
    """The last line of a killed run is left out; a broken one before it is refused."""
    history = folder / "history.jsonl"
    whole_text = history.read_text()
    history.write_text(whole_text.rpartition('{"kind": "end"')[0] + '{"kind": "st')
    training = open_run(str(folder)).training
    assert training is not None
    assert training.ended is None
    assert [one.best for one in training.rounds] == [False, True]
    history.write_text("[]\n" + whole_text)
    assert refusal(folder) == (
        f"{history}:1: not a line of a training's history: '[]'; restore the file, or name the "
        "run's after.jsonl instead"
    )


def test_further_seeds(folder: Path) -> None:
    """The run itself and those in `seeds/`, by number, and whether they have come to an end."""
    log(folder / "seeds" / "10" / "before.jsonl", *passed("a"))
    for name in ("9", "10"):
        log(folder / "seeds" / name / "after.jsonl", *passed("a"), end=name == "10")
    (folder / "seeds" / "notes").mkdir()
    found = open_run(str(folder)).seeds
    assert [(one.seed, one.before is not None, one.ended) for one in found] == [
        (7, True, True),
        (9, False, False),
        (10, True, True),
    ]


WRITE_ONE = (
    "name a run log (`callgate run SPECS --run-log FILE` writes one) or the folder of a training "
    "run"
)


def test_what_is_no_run_is_refused_in_words(tmp_path: Path) -> None:
    """Nothing there, an empty folder, a device, an unfinished training: what to do is said."""
    missing = tmp_path / "none.jsonl"
    assert refusal(missing) == f"There is no file or folder {str(missing)!r}; {WRITE_ONE}."
    assert refusal(tmp_path) == f"{tmp_path}: a folder without after.jsonl; {WRITE_ONE}"
    assert refusal(os.devnull) == f"{os.devnull!r} is no file; {WRITE_ONE}."
    long = "x" * 300
    assert refusal(long) == f"{long}: cannot be read: File name too long; {WRITE_ONE}"
    good = log(tmp_path / "before.jsonl", *passed("a"))
    assert refusal(good, missing) == f"There is no file or folder {str(missing)!r}; {WRITE_ONE}."
    assert refusal(tmp_path) == (
        f"{tmp_path}: holds no after.jsonl, so that training has not come to its end: go on with "
        "it with `callgate-tune … --resume`, or name its before.jsonl"
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a run log: it holds neither a header nor a verdict"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        (b"PK\x03\x04\n\n{}\n", "not a line of a run log"),
        (b'{"case": "s::a", "reply": "replay file"}\n\n', "not a line of a run log"),
        (b'{"kind": "run", "schema": 1}\n', "holds no verdict: that run broke off before"),
        (b'{"kind": "run", "schema": 2}\n', "a run log of schema 2, and this version of callgate"),
        (b'{"kind": "verdict", "case": "a", "outcome": "pass", "cer": NaN}\n\n', "not a line of a"),
    ],
)
def test_files_that_are_no_log(content: bytes, words: str, tmp_path: Path) -> None:
    """Empty, binary, another format, a header alone, a newer schema, NaN: words, no traceback."""
    file = tmp_path / "x.jsonl"
    file.write_bytes(content)
    assert words in refusal(file)


def test_verdicts_by_hand_need_no_more_than_a_case_and_an_outcome(tmp_path: Path) -> None:
    """What they do not say is said to be missing; their gate is not known."""
    file = tmp_path / "hand.jsonl"
    lines = [
        {"kind": "verdict", "case": c, "outcome": o} for c, o in (("a", "pass"), ("b", "fail"))
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = summarise(open_run(str(file), str(file)))
    assert found.after.label == "an unknown model"
    assert found.overall.after.misses == {"(not said)": 1}
    assert found.overall.after.confusion.counts == ((2,),)
    assert found.overall.after.met is None
    assert [row.change for row in found.cases] == ["passed", "missing"]
    assert found.notices[:3] == (
        f"{file}: that run did not finish: 2 verdicts, and no footer",
        f"{file}: has no header, so its model, its settings and its gates are not known",
        f"{file}: 2 verdicts do not say which tools were expected, or called",
    )


@given(
    st.lists(VERDICTS, min_size=1, max_size=6),
    st.dictionaries(st.sampled_from(HEAD), VALUES),
)
@settings(max_examples=80, deadline=None)
def test_any_values_make_a_summary(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]], head: dict[str, Any]
) -> None:
    """Whatever types the keys of a log have, every case is counted once, and texts are texts."""
    file = tmp_path_factory.mktemp("any") / "x.jsonl"
    found = whole(records)
    lines = [{"kind": "run", **head}, *({"kind": "verdict", **record} for record in records)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    if "NaN" in text or "Infinity" in text:
        return
    file.write_text(text)
    summary = summarise(open_run(str(file), str(file)), split="all")
    assert len(summary.cases) == len(found) == summary.overall.after.cases
    assert len({row.case for row in summary.cases}) == len(found)
    for row in summary.cases:
        "".join([row.case, row.prompt, row.expected, *row.tags]).encode()
