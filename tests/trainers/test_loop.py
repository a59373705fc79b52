"""The loop on a tiny random model: what is judged, kept, told, and what the command ends with.

In this process, to load the libraries once; `tests/functional/test_tune.py` runs the command.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.cases import Gate
from harness.gating import decide
from harness.run_log import read_log
from trainers import loop
from trainers.__main__ import main
from trainers.seeds import spread

CASES = """\
  - {id: a, prompt: find the lamp, expect: {find: {}}, split: train}
  - {id: b, prompt: find a chair for me, expect: {find: {}}, split: train}
  - {id: c, prompt: what a day it is, expect: no_call, split: train}
  - {id: d, prompt: tell me more about it, expect: no_call, split: train}
  - {id: e, prompt: find some paper, expect: {find: {}}, split: dev}
  - {id: f, prompt: nothing to say, expect: no_call, split: dev}
  - {id: g, prompt: find out who came, expect: {find: {}}}
  - {id: h, prompt: a fine morning, expect: no_call}
"""
TOOLS = "tools: [{name: find, parameters: {type: object, properties: {}}}]\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder, the current one; with the spec `desk`."""
    monkeypatch.chdir(tmp_path)
    for name in ("CALLGATE_MODEL", "CALLGATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    spec("desk.spec.yaml")
    return tmp_path


def spec(path: str, *, gate: float = 0.8, cases: str = CASES, name: str = "desk") -> None:
    """Write a spec file."""
    head = f"spec: {name}\n{TOOLS}compare: tool\ngate: {{pass_rate: {gate}}}\ncases:\n"
    Path(path).write_text(head + cases, encoding="utf-8")


@pytest.fixture
def tune(here: Path, tiny_model: Path) -> Callable[..., int]:
    """Runs `callgate-tune desk.spec.yaml --out run` with two rounds at most, and more flags."""

    def run(*flags: str, out: str = "run", paths: Sequence[str] = ("desk.spec.yaml",)) -> int:
        short = ["--max-epochs", "2", "--max-new-tokens", "8", "--learning-rate", "0.01"]
        return main([*paths, "--model", str(tiny_model), "--out", out, *short, *flags])

    return run


Tune = Callable[..., int]


def history(kind: str, out: str = "run") -> list[dict[str, Any]]:
    """The lines of a kind in a run's history."""
    lines = map(json.loads, (Path(out) / "history.jsonl").read_text("utf-8").splitlines())
    return [line for line in lines if line["kind"] == kind]


def weights(out: str) -> bytes:
    """The bytes of a run's weights."""
    return (Path(out) / "model" / "model.safetensors").read_bytes()


def test_a_run_and_its_folder(tune: Tune, capsys: pytest.CaptureFixture[str]) -> None:
    """A random model does not get there: exit 1; the folder holds what the contract says."""
    assert tune() == 1
    assert sorted(entry.name for entry in Path("run").iterdir()) == [
        *("after.jsonl", "before.jsonl", "curves.svg", "history.jsonl", "model"),
        *("report.html", "report.md", "settings.yaml"),
    ]
    before, after = read_log("run/before.jsonl"), read_log("run/after.jsonl")
    assert before.end is not None
    assert after.end is not None
    judged = [(verdict["case"], verdict["split"]) for verdict in after.verdicts]
    assert sorted(judged) == [
        *(("desk::e", "dev"), ("desk::f", "dev"), ("desk::g", "test"), ("desk::h", "test")),
    ]
    assert sorted((v["case"], v["split"]) for v in before.verdicts) == sorted(judged)
    assert before.run is not None
    assert after.run is not None
    assert before.run["fingerprint"] != after.run["fingerprint"]
    assert after.run["model"] == "run/model"
    out = capsys.readouterr().out
    assert out.endswith("reports: run/curves.svg, run/report.md, run/report.html\n")
    assert "desk: 4 train, 2 dev, 2 test\n" in out
    assert "4 rows: 2 find, 2 (no call)\n" in out
    assert "training ended: all 2 epochs are trained; the weights of round 2 are kept\n" in out
    assert "desk: gate not met: " in out


def test_the_history(tune: Tune) -> None:
    """A line a step and a line a round; the loss goes down on two batches of the same rows."""
    tune("--max-epochs", "6")
    assert [line["step"] for line in history("step")] == [1, 2, 3, 4, 5, 6]
    rounds = history("round")
    assert [line["round"] for line in rounds] == [1, 2, 3, 4, 5, 6]
    assert all({"epoch", "validation_loss", "token_accuracy"} <= line.keys() for line in rounds)
    assert all({"dev_pass_rate", "seconds"} <= line.keys() for line in rounds)
    losses = [line["loss"] for line in history("step")]
    assert losses[-1] < losses[0]
    assert history("start")[0]["rows"] == 4
    assert history("end")[0]["best_round"] in range(1, 7)


@pytest.mark.parametrize("flags", [(), ("--lora", "--lora-dropout", "0.5")])
def test_the_same_seed_gives_the_same_weights(tune: Tune, flags: tuple[str, ...]) -> None:
    """Two runs give the same bytes; another seed, in another order of rows, other ones."""
    batch = ("--batch-size", "1", *flags)
    tune(*batch, out="one")
    tune(*batch, out="two")
    tune(*batch, "--seed", "41", out="other")
    assert weights("one") == weights("two") != weights("other")


def test_already_met(tune: Tune, tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Gates that hold already: nothing is trained, that is said, and the model is the base."""
    spec("desk.spec.yaml", gate=0)
    assert tune() == 0
    assert "The gates hold already: nothing is trained.\n" in capsys.readouterr().out
    assert history("step") == history("round") == []
    assert weights("run") == (tiny_model / "model.safetensors").read_bytes()
    assert read_log("run/after.jsonl").end is not None


def test_an_adapter_whose_gates_hold_already(tune: Tune, tiny_model: Path) -> None:
    """The run's model is the base with the adapter merged: it answers as both did."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(tiny_model)
    get_peft_model(base, LoraConfig(target_modules="all-linear")).save_pretrained("adapter")
    spec("desk.spec.yaml", gate=0)
    assert tune("--adapter", "adapter") == 0
    assert not list(Path("run/model").glob("adapter*"))
    logs = [read_log(f"run/{when}.jsonl") for when in ("before", "after")]
    replies = [sorted((v["case"], v["reply"]) for v in log.verdicts) for log in logs]
    assert replies[0] == replies[1]


def test_the_stop_rule_ends_the_training(tune: Tune, capsys: pytest.CaptureFixture[str]) -> None:
    """As soon as the rate of `--until` holds on dev, no further round is trained."""
    assert tune("--until", "0", "--max-epochs", "9") == 1
    assert len(history("round")) == 1
    assert "training ended: the stop rule holds on dev; " in capsys.readouterr().out


def test_patience_ends_the_training(tune: Tune) -> None:
    """A learning rate of nothing improves nothing: two rounds after the first it is over."""
    tune("--learning-rate", "1e-30", "--patience", "2", "--max-epochs", "9")
    assert [line["best"] for line in history("round")] == [True, False, False]
    assert history("end")[0]["ended"] == "nothing improved on dev for 2 rounds"


def test_time_ends_the_training(tune: Tune) -> None:
    """When the time is over, the round is judged as far as it came, and kept."""
    tune("--max-minutes", "0.0001", "--batch-size", "1")
    assert history("end")[0]["ended"] == "the time is over (0.0001 minutes)"
    assert [line["epoch"] for line in history("round")] == [0.25]
    assert Path("run/model/model.safetensors").exists()


def test_fixed_epochs_without_dev(tune: Tune, capsys: pytest.CaptureFixture[str]) -> None:
    """`--epochs N` trains on every train case, without a stop rule; the last round is kept."""
    spec("desk.spec.yaml", cases=CASES.replace("split: dev", "split: train"))
    assert tune("--epochs", "3") == 1
    assert "desk: 6 train, 0 dev, 2 test\n" in capsys.readouterr().out
    assert history("end")[0]["best_round"] == 3
    assert "dev_pass_rate" not in history("round")[0]


def test_a_loss_that_is_no_number_keeps_the_best(tune: Tune) -> None:
    """A NaN in the second round ends the training; the first round's weights are saved, judged."""
    code = tune("--learning-rate", "1e30", "--max-grad-norm", "0")
    assert code == 1
    ended = history("end")[0]["ended"]
    assert ended.endswith(
        " is not a finite number at step 2: the learning rate (1e+30) is too high, or the base is "
        "broken"
    )
    assert None in (history("step")[-1]["loss"], history("step")[-1]["grad_norm"])
    assert history("end")[0]["best_round"] == 1


def test_a_loss_that_is_no_number_at_once(tune: Tune, capsys: pytest.CaptureFixture[str]) -> None:
    """Where no round was finished, there is nothing to keep: exit 3, and why."""
    assert tune("--learning-rate", "1e30", "--max-grad-norm", "0", "--batch-size", "1") == 3
    error = capsys.readouterr().err
    assert error.startswith("Nothing was trained: the ")
    assert error.endswith(
        " is not a finite number at step 2: the learning rate (1e+30) is too high, or the base is "
        "broken.\n"
    )


def test_leaks_refuse_the_run(tune: Tune, capsys: pytest.CaptureFixture[str]) -> None:
    """A training prompt among the test prompts: exit 2, the pair named, no folder made."""
    spec("desk.spec.yaml", cases=CASES.replace("a fine morning", "What a day it is!"))
    assert tune() == 2
    assert "c (train) and desk.spec.yaml:13 h (test): the same words" in capsys.readouterr().err
    assert not Path("run").exists()


def test_leaks_are_dropped(tune: Tune, capsys: pytest.CaptureFixture[str]) -> None:
    """`--leaks drop` trains without them, and says how many, also in the history."""
    spec("desk.spec.yaml", cases=CASES.replace("a fine morning", "What a day it is!"))
    assert tune("--leaks", "drop") == 1
    out = capsys.readouterr().out
    assert "1 training prompt left out: it is, or nearly is, a dev or test prompt\n" in out
    assert history("start")[0]["dropped"] == [["desk::c", "desk::h"]]
    assert history("start")[0]["rows"] == 3


def test_no_test_cases(tune: Tune, capsys: pytest.CaptureFixture[str]) -> None:
    """Without test cases nothing can be proved: exit 3 before anything is trained."""
    spec("desk.spec.yaml", cases="\n".join(CASES.splitlines()[:6]) + "\n")
    assert tune() == 3
    assert capsys.readouterr().err == (
        "desk.spec.yaml: no test cases, so nothing could be proved\n"
    )


def test_only_skipped_test_cases(tune: Tune, capsys: pytest.CaptureFixture[str]) -> None:
    """Test cases that are not run prove nothing either."""
    cases = CASES.replace("expect: {find: {}}}", "expect: {find: {}}, skip: later}")
    cases = cases.replace("morning, expect: no_call}", "morning, expect: no_call, skip: later}")
    spec("desk.spec.yaml", cases=cases)
    assert tune() == 3
    assert capsys.readouterr().err == (
        "desk.spec.yaml: no test cases, so nothing could be proved\n"
    )


def test_a_test_prompt_does_not_choose_the_round(
    tune: Tune, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without dev cases, a train case that is a test prompt is refused before any is given up."""
    words = ("lamp", "chair", "paper", "badge", "phone", "coffee", "window", "garden", "ticket")
    words += ("river", "copper", "anchor", "kettle", "magnet", "oyster", "pepper", "quartz")
    line = "  - {id: %s, prompt: %s, expect: {find: {}}%s}\n"
    train = "".join(line % (word, word, ", split: train") for word in words)
    for word in words:
        spec("desk.spec.yaml", cases=train + line % ("proof", word, ""))
        assert tune() == 2
        assert f"{word} (train) and desk.spec.yaml:23 proof (test)" in capsys.readouterr().err


def test_dev_prompts_among_the_test_prompts_are_told(
    tune: Tune, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dev cases of the user's own may be test prompts: they steer, and that is said."""
    cases = CASES + "  - {id: i, prompt: Nothing to say!, expect: no_call}\n"
    spec("desk.spec.yaml", cases=cases)
    tune("--max-epochs", "1")
    assert (
        "1 dev prompt is, or nearly, among the test prompts, and will choose the round:\n"
        "  desk.spec.yaml:11 f (dev) and desk.spec.yaml:14 i (test): the same words\n"
    ) in capsys.readouterr().out


def test_a_guard_that_judges_nothing(tune: Tune, capsys: pytest.CaptureFixture[str]) -> None:
    """A guarded spec of train cases alone could not get worse, so it guards nothing."""
    cases = "  - {id: a, prompt: seek it, expect: no_call, split: train}\n"
    spec("other.spec.yaml", cases=cases, name="other")
    assert tune("--guard", "other.spec.yaml") == 2
    assert capsys.readouterr().err == (
        "--guard other.spec.yaml: it has no dev or test cases, so it could not get worse: leave "
        "it out, or add cases to judge\n"
    )
    assert not Path("run").exists()


def test_a_replay_cannot_be_trained(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Replies from a file are no model."""
    Path("r.jsonl").write_text('{"case": "desk::a", "reply": "x"}\n', encoding="utf-8")
    assert main(["desk.spec.yaml", "--model", "replay:r.jsonl", "--out", "run"]) == 2
    assert capsys.readouterr().err == (
        "model replay:r.jsonl: replies cannot be trained; name mini or a model\n"
    )


def test_no_model(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No model named is the gate's usage error, with the choices."""
    assert main(["desk.spec.yaml", "--out", "run"]) == 2
    assert capsys.readouterr().err.startswith("no model is named, and none is built in")


def test_resuming_a_finished_run_tells_it_again(
    tune: Tune, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--resume` on a run that ended judges and trains nothing, and ends with the same code."""
    assert tune() == 1
    first = capsys.readouterr().out.split("\n\n")[-2:]
    then = weights("run")
    assert tune("--resume") == 1
    assert capsys.readouterr().out.split("\n\n")[-2:] == first
    assert weights("run") == then


def test_resuming_with_another_spec(tune: Tune, capsys: pytest.CaptureFixture[str]) -> None:
    """A spec that changed in between: its before and after could not be compared."""
    tune()
    spec("desk.spec.yaml", cases=CASES + "  - {id: i, prompt: one more, expect: no_call}\n")
    capsys.readouterr()
    assert tune("--resume") == 2
    assert capsys.readouterr().err == (
        "spec 'desk' is not as it was when the run in run began, so its before and after could "
        "not be compared: restore the file, or begin again in another folder\n"
    )


def test_resuming_without_the_guard(tune: Tune, capsys: pytest.CaptureFixture[str]) -> None:
    """The specs of a run are named again when it goes on, none fewer and none more."""
    spec("other.spec.yaml", cases=CASES.replace("find ", "seek "), name="other")
    tune("--guard", "other.spec.yaml")
    tune(out="alone")
    capsys.readouterr()
    assert tune("--resume") == 2
    assert capsys.readouterr().err == (
        "--resume: the run in run began with the spec 'other' too, which no --guard names now: "
        "give the same ones again\n"
    )
    assert tune("--resume", "--guard", "other.spec.yaml", out="alone") == 2
    assert capsys.readouterr().err == (
        "--resume: the run in alone began without the spec 'other', which a --guard names now: "
        "give the same ones again, or begin again in another folder\n"
    )


@pytest.mark.parametrize("digests", ["", "digests: 3\n", "digests: {specs: {}}\n"])
def test_settings_that_no_run_wrote(
    tune: Tune, digests: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A settings file put into the folder by hand does not say what the run began with."""
    tune()
    settings = Path("run/settings.yaml")
    kept = settings.read_text("utf-8").split("digests:")[0]
    settings.write_text(kept + digests, encoding="utf-8")
    capsys.readouterr()
    assert tune("--resume") == 2
    assert capsys.readouterr().err == (
        "run/settings.yaml: has no `digests` of specs, guard and model, so it is not as the run "
        "wrote it: restore it, or begin again in another folder\n"
    )


def test_a_training_that_had_ended_is_concluded(tune: Tune) -> None:
    """Killed between the last round's state and its end: the end is noted, the rest is done."""
    from trainers.run_folder import Progress, RunFolder, write_progress

    tune("--max-epochs", "1", out="whole")
    tune("--max-epochs", "1")
    lines = Path("run/history.jsonl").read_text("utf-8").splitlines(keepends=True)
    folder = RunFolder(Path("run"))
    (folder.state / "best-1").mkdir(parents=True)
    for file in folder.model.iterdir():
        file.rename(folder.state / "best-1" / file.name)
    folder.model.rmdir()
    folder.log("after").unlink()
    ended = "all 1 epochs are trained"
    write_progress(
        folder,
        Progress(
            rounds=tuple(history("round")),
            best="best-1",
            best_round=1,
            checkpoint="checkpoint-1",
            history_lines=len(lines) - 1,
            seconds=1.5,
            ended=ended,
        ),
    )
    assert tune("--max-epochs", "1", "--resume") == 1
    assert history("end") == [
        {"kind": "end", "ended": ended, "best_round": 1, "seconds": 1.5},
    ]
    assert weights("run") == weights("whole")


def test_resuming_with_another_setting(tune: Tune, capsys: pytest.CaptureFixture[str]) -> None:
    """A setting that changed would make another model."""
    tune()
    capsys.readouterr()
    assert tune("--resume", "--seed", "7") == 2
    assert capsys.readouterr().err == (
        "--resume: the run began with seed: 40, and now it is 7; leave the settings as they were, "
        "or begin again in another folder\n"
    )


def test_resuming_nothing(tune: Tune, capsys: pytest.CaptureFixture[str]) -> None:
    """There is no run to go on with."""
    assert tune("--resume") == 2
    assert capsys.readouterr().err == (
        "--resume: there is no run in run, for it has no settings.yaml\n"
    )


def test_a_settings_file_of_a_run_trains_the_same(tune: Tune, here: Path) -> None:
    """`--settings run/settings.yaml` alone gives the same model again."""
    tune("--seed", "43")
    code = main(["desk.spec.yaml", "--settings", "run/settings.yaml", "--out", "again"])
    assert code == 1
    assert weights("again") == weights("run")


@pytest.mark.parametrize(
    "flags",
    [
        ("--settings", "google-guide", "--epochs", "1"),
        ("--settings", "datacamp"),
        ("--settings", "mini", "--max-epochs", "1"),
        ("--lora", "--gradient-checkpointing", "--accumulation", "2", "--loss", "all"),
    ],
)
def test_the_settings_of_the_guides_train(tune: Tune, flags: tuple[str, ...]) -> None:
    """Each shipped file, and what none of them combines, trains a model that is judged."""
    assert tune(*flags) in (0, 1)
    assert len(history("step")) >= 1
    assert read_log("run/after.jsonl").end is not None


def test_the_guard(tune: Tune) -> None:
    """Guarded specs are judged before and after, into logs of their own, and never trained on."""
    cases = "  - {id: a, prompt: seek it, expect: no_call}\n"
    cases += "  - {id: b, prompt: why not, expect: no_call, split: dev}\n"
    cases += "  - {id: c, prompt: not mine, expect: no_call, split: train}\n"
    spec("other.spec.yaml", cases=cases, name="other")
    assert tune("--guard", "other.spec.yaml") == 1
    logs = [read_log(f"run/guard-{when}.jsonl") for when in ("before", "after")]
    guarded = ["other::a", "other::b"]
    assert [sorted(v["case"] for v in log.verdicts) for log in logs] == [guarded, guarded]
    assert history("start")[0]["rows"] == 4


def test_seeds(tune: Tune, capsys: pytest.CaptureFixture[str]) -> None:
    """Each seed has a run of its own; the first decides; the spread is told and written."""
    assert tune("--seeds", "2", "--batch-size", "1", "--max-epochs", "1") == 1
    assert history("start")[0]["seed"] == 40
    assert history("start", "run/seeds/41")[0]["seed"] == 41
    assert weights("run") != weights("run/seeds/41")
    told = Path("run/seeds.txt").read_text("utf-8")
    assert told.splitlines()[-1] == "The first seed's run decides, whatever the others came to."
    assert told in capsys.readouterr().out
    first, second = (Path(f"{run}/report.md").read_text("utf-8") for run in ("run", "run/seeds/41"))
    assert "| 41 |" in first
    assert "| 41 |" not in second


def test_a_further_seed_that_breaks(tune: Tune, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told among the others; the first seed's run decides, and the third is run."""
    assert tune("--max-epochs", "1") == 1
    Path("run/seeds").mkdir()
    Path("run/seeds/41").write_text("no folder", encoding="utf-8")
    assert tune("--max-epochs", "1", "--resume", "--seeds", "3") == 1
    told = Path("run/seeds.txt").read_text("utf-8").splitlines()
    assert told[2:] == [
        "seed 41: broke: --out run/seeds/41: Not a directory",
        *told[3:],
    ]
    assert [line.split(":")[0] for line in told[:2]] == ["seed 40", "seed 42"]
    assert told[3].startswith("2 seeds: ")
    assert "seed 41: broke: --out run/seeds/41: Not a directory\n" in capsys.readouterr().out


def test_the_mean_of_the_spread_is_not_rounded_first() -> None:
    """Of 20 each, 17, 17, 12, 15 and 17 are 78 %: 80 % was not reached."""
    outcomes = []
    for seed, passed in enumerate((17, 17, 12, 15, 17)):
        records = [{"outcome": "pass" if n < passed else "fail", "case": f"{n}"} for n in range(20)]
        standing = loop.Standing((decide("desk", Gate(0.8), records),))
        outcomes.append((seed, loop.Outcome(standing, standing, standing, standing, trained=True)))
    assert spread(outcomes)[-2:] == [
        "5 seeds: 12 to 17 of 20 passed, 15.6 on average (78 %); 3 of 5 met",
        "The first seed's run decides, whatever the others came to.",
    ]


def test_tensorboard(tune: Tune) -> None:
    """`--tensorboard` logs the losses for TensorBoard as well, into the run's folder."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tune("--tensorboard", "--max-epochs", "2")
    events = EventAccumulator("run/tensorboard").Reload()
    losses = [(event.step, event.value) for event in events.Scalars("train/loss")]
    assert losses == [(line["step"], pytest.approx(line["loss"])) for line in history("step")]


def test_tensorboard_that_is_not_there(
    tune: Tune, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where it is not installed, that is said before anything is judged."""
    for name in ("tensorboard", "tensorboardX"):
        monkeypatch.setitem(sys.modules, name, None)
    assert tune("--tensorboard") == 2
    assert capsys.readouterr().err == (
        "--tensorboard: TensorBoard is not installed: pip install tensorboard\n"
    )
    assert not Path("run").exists()


def test_a_baseline_is_read_before_anything_is_judged(
    tune: Tune, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that cannot be read, or that every run replaces, ends the command at its start."""
    monkeypatch.setenv("CALLGATE_BASELINE", "nowhere.jsonl")
    assert tune() == 2
    assert capsys.readouterr().err == (
        "run log nowhere.jsonl: cannot be read: No such file or directory\n"
    )
    monkeypatch.setenv("CALLGATE_BASELINE", ".callgate/last-run.jsonl")
    assert tune() == 2
    assert capsys.readouterr().err.startswith(
        "baseline .callgate/last-run.jsonl: this is the log of the last run, which every run "
        "replaces; "
    )
    assert not Path("run").exists()


def test_a_case_of_the_baseline_that_misses(
    tune: Tune, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A test case that passed in the baseline is a regression, also where the rate is enough.

    The file is read once: that it is gone by the end of the run changes nothing.
    """
    spec("desk.spec.yaml", gate=0)
    lines = [{"kind": "run"}, {"kind": "verdict", "case": "desk::g", "outcome": "pass"}]
    Path("old.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    monkeypatch.setenv("CALLGATE_BASELINE", "old.jsonl")
    judge, gone = loop.judge_all, Path("old.jsonl")

    def judge_and_remove(*given: Any) -> Any:
        gone.unlink(missing_ok=True)
        return judge(*given)

    monkeypatch.setattr(loop, "judge_all", judge_and_remove)
    assert tune("--max-epochs", "1") == 1
    reason = "desk: gate not met: 1 case passed in the baseline and misses now\n"
    assert reason in capsys.readouterr().out


def test_a_report_that_cannot_be_written(tune: Tune, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said, and changes neither the exit code nor what the run has made."""
    spec("desk.spec.yaml", gate=0)
    assert tune() == 0
    capsys.readouterr()
    Path("run/report.md").unlink()
    Path("run/report.md").mkdir()
    assert tune("--resume") == 0
    assert capsys.readouterr().out.endswith(
        "the reports are not written: run/report.md: cannot be written: Is a directory\n"
    )
    assert read_log("run/after.jsonl").end is not None


def test_two_specs_at_once(tune: Tune) -> None:
    """Several specs train one model; each is judged by its own gate."""
    spec("other.spec.yaml", cases=CASES.replace("find ", "seek "), name="other")
    assert tune(paths=("desk.spec.yaml", "other.spec.yaml")) == 1
    assert history("start")[0]["rows"] == 8
    assert set(history("round")[0]["dev"]) == {"desk", "other"}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--epochs", "x"), "--epochs: expected a whole number from 1, found 'x'\n"),
        (("--settings", "nope.yaml"), "--settings: there is no file 'nope.yaml' (callgate "
         "carries datacamp, google-guide, mini)\n"),
        (("--attention", "warp"), "--attention warp: cannot be used: "),
        (("--optimizer", "warp"), "--optimizer warp: warp is not a valid OptimizerNames"),
        (("--seed", "4294967296"), "--seed: expected a whole number from 0 to 4294967295, found"),
        (("--push-to-hub", "a b/c d"), "--push-to-hub: Repo id must use alphanumeric chars"),
    ],
)  # fmt: skip
def test_usage_errors(
    tune: Tune, flags: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be used is exit 2, and says what it is, before anything is judged."""
    assert tune(*flags) == 2
    told = capsys.readouterr()
    assert told.err.startswith(message)
    assert flags[0] == "--attention" or "judging before" not in told.out


def test_a_quantized_base(tune: Tune, tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Weights that are not there in full cannot be trained."""
    import shutil

    shutil.copytree(tiny_model, "small")
    config = Path("small/config.json")
    content = json.loads(config.read_text("utf-8")) | {"quantization_config": {}}
    config.write_text(json.dumps(content), encoding="utf-8")
    assert main(["desk.spec.yaml", "--model", "small", "--out", "run"]) == 3
    assert capsys.readouterr().err == (
        "model small is quantized, and its weights cannot be trained: name the model that it was "
        "made from\n"
    )


def test_bfloat16_bases_are_saved_in_bfloat16(tune: Tune, tiny_model: Path) -> None:
    """The model is saved in the base's precision, with the base's own other files."""
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.bfloat16)
    model.save_pretrained("base")
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        Path("base", name).write_bytes((tiny_model / name).read_bytes())
    assert tune("--model", "base", "--max-epochs", "1") == 1
    tensors = load_file("run/model/model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
    assert json.loads(Path("run/model/config.json").read_text("utf-8"))["dtype"] == "bfloat16"
    for name in ("tokenizer.json", "chat_template.jinja", "generation_config.json"):
        assert Path("run/model", name).read_bytes() == Path("base", name).read_bytes()
