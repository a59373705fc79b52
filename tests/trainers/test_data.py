"""What is trained on and judged: rows that are left out, stop rules that cannot hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.backends.transformers import Encoder
from harness.cases import Spec
from harness.errors import UsageError
from harness.loading import load_specs
from harness.options import Settings
from trainers.data import Data, Order, prepare
from trainers.examples import PreflightError
from trainers.judge import NothingJudgedError
from trainers.run_folder import RunFolder
from trainers.settings import Tuning
from trainers.splits import divide, learnt_from
from trainers.telling import Teller

HEAD = """\
tools:
  - {name: find, parameters: {q: {type: string}}}
gate: {pass_rate: 0.8}
compare: tool
"""
LONG = " ".join(["really"] * 90)


def _write(path: Path, rows: list[tuple[str, str]], *, more: str = "", take: str = "") -> Spec:
    """A spec over a csv of (prompt, split); every row is a call of `find`."""
    lines = ["prompt,tool,q,split", *(f"{prompt},find,it,{split}" for prompt, split in rows)]
    path.with_suffix(".csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    source = f"source: {{format: csv, path: {path.stem}.csv{take}}}\n"
    spec = path.with_suffix(".spec.yaml")
    spec.write_text(HEAD + more + source, encoding="utf-8")
    [loaded] = load_specs([spec])
    return loaded


def _prepared(encoder: Encoder, folder: Path, *specs: Spec, **more: object) -> Data:
    tuning = Tuning(**{"epochs": 1, "max_length": 150, **more})  # type: ignore[arg-type]
    order = Order(specs, (), Settings(), tuning, RunFolder(folder / "run"))
    return prepare(order, encoder, Teller())


def test_a_row_of_a_data_set_that_cannot_be_trained_on_is_left_out(
    encoder: Encoder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is counted, named and told, and the others are trained on."""
    rows = [("find the lamp", "train"), (f"find {LONG}", "train"), ("find a chair", "test")]
    data = _prepared(encoder, tmp_path, _write(tmp_path / "desk", rows))
    assert len(data.examples) == 1
    assert [one.case.split for one in data.unfit] == ["train"]
    told = capsys.readouterr().out
    assert "1 row of data sets left out, which cannot be trained on:\n" in told
    assert "desk.csv:3: case " in told
    assert "max_length is 150; nothing is ever cut\n" in told


def test_a_data_set_without_a_row_to_train_on_is_refused(encoder: Encoder, tmp_path: Path) -> None:
    """Where every row is unfit, they are listed: there is nothing to train."""
    rows = [(f"find {LONG}", "train"), ("find a chair", "test")]
    with pytest.raises(PreflightError, match=r"1 row cannot be trained on:\n.*csv:2"):
        _prepared(encoder, tmp_path, _write(tmp_path / "desk", rows))


def test_a_written_case_that_cannot_be_trained_on_is_refused(
    encoder: Encoder, tmp_path: Path
) -> None:
    """What somebody wrote is theirs to mend; the row of the data set beside it is not the cause."""
    case = f"cases: [{{id: mine, prompt: {LONG}, expect: {{find: {{q: it}}}}, split: train}}]\n"
    rows = [("find the lamp", "train"), (f"find {LONG}", "train"), ("find a chair", "test")]
    spec = _write(tmp_path / "desk", rows, more=case)
    with pytest.raises(PreflightError) as refused:
        _prepared(encoder, tmp_path, spec, leaks="drop", similarity=100.0)
    assert "case mine" in str(refused.value)
    assert "desk.csv" not in str(refused.value)


def test_a_gate_that_lost_its_test_rows_is_not_left_out(encoder: Encoder, tmp_path: Path) -> None:
    """A spec that asks its data set for test cases and got none ends the run: its gate is red."""
    good = _write(tmp_path / "good", [("find the lamp", "train"), ("find a chair", "test")])
    rows = [("find the door", ""), ("", ""), ("", "")]
    spec = _write(tmp_path / "lost", rows, take=", take: {train: 1, test: 2}")
    assert spec.in_split("test") == ()
    with pytest.raises(
        NothingJudgedError, match=r"lost\.spec\.yaml: its data set should give test"
    ):
        _prepared(encoder, tmp_path, good, spec)


def test_skipped_dev_cases_decide_nothing(desk: Callable[..., Spec]) -> None:
    """A spec whose dev cases are all skipped gives up train cases, as one without any does."""
    cases = [
        f"{{id: t{n}, prompt: {'ab'[n % 2]} {n}, expect: no_call, split: train}}" for n in range(20)
    ]
    spec = desk(*cases, "{id: d, prompt: some day, expect: no_call, split: dev, skip: not now}")
    division = divide([spec], learnt_from([spec]), 100.0, stop_rule=True)
    assert division.given_up == {"desk": 8}
    few = desk(*cases[:9], "{id: d, prompt: some day, expect: no_call, split: dev, skip: not now}")
    with pytest.raises(UsageError, match="no dev cases, and 9 train cases are too few"):
        divide([few], learnt_from([few]), 100.0, stop_rule=True)


@pytest.mark.parametrize(("count", "told"), [(12, True), (16, False)])
def test_an_interval_that_dev_cannot_reach_is_told(
    encoder: Encoder, tmp_path: Path, capsys: pytest.CaptureFixture[str], count: int, told: bool
) -> None:
    """`bound: lower` at 0.8 takes 16 dev cases: with fewer, no round can end the training."""
    letters = "abcdefghijklmnop"
    rows = [(f"find {letters[n] * 5}", "dev") for n in range(count)]
    rows += [("find the lamp", "train"), ("find my chair", "test")]
    spec = _write(tmp_path / "desk", rows)
    path = tmp_path / "desk.spec.yaml"
    path.write_text(path.read_text().replace("{pass_rate: 0.8}", "{pass_rate: 0.8, bound: lower}"))
    [spec] = load_specs([path])
    _prepared(encoder, tmp_path, spec, epochs=None)
    line = (
        f"  the gate's interval (bound: lower) cannot reach 0.8 on {count} dev cases: the training "
        "ends by its budget or by --patience\n"
    )
    assert (line in capsys.readouterr().out) is told


def test_what_was_left_out_is_in_the_history(tmp_path: Path, tiny_model: Path) -> None:
    """The first line of the history is there whole, and names the rows."""
    from trainers.__main__ import main

    rows = [("find the lamp", "train"), (f"find {LONG}", "train"), ("find a chair", "test")]
    _write(tmp_path / "desk", rows)
    words = ["--epochs", "1", "--max-length", "150", "--max-new-tokens", "4"]
    paths = [str(tmp_path / "desk.spec.yaml"), "--out", str(tmp_path / "run")]
    assert main([*paths, "--model", str(tiny_model), *words]) == 1
    start = json.loads((tmp_path / "run" / "history.jsonl").read_text().splitlines()[0])
    assert (start["kind"], start["rows"], len(start["unfit"])) == ("start", 1, 1)
    report = (tmp_path / "run" / "report.md").read_text()
    assert "- left out as unfit to train on: 1" in report
    page = (tmp_path / "run" / "report.html").read_text()
    assert "1 row of data sets left out, which cannot be trained on." in page
    assert "1 row of data sets left out of the training, which cannot be trained on" in page
