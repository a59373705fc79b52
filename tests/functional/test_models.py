"""Models in real processes: the gate asks one, keeps its replies, and says what it cannot do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

QUIET = ("-p", "no:cacheprovider")
SPEC = """\
spec: desk
tools:
  - {name: find, parameters: {query: {type: string}}}
gate: {pass_rate: 0}
cases:
"""
NO_LIBRARIES = "import sys\nsys.modules['torch'] = sys.modules['transformers'] = None\n"
LIST_IMPORTS = """\
import os, sys
def note(event, arguments):
    name = str(arguments[0]) if event in ("import", "open") else ""
    model = event == "open" and "__pycache__/modeling_gemma3." in name
    if model or (event == "import" and name == "torch"):
        out = os.open(os.environ["IMPORTS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(out, f"{'model' if model else name} {os.getpid()}\\n".encode())
        os.close(out)
sys.addaudithook(note)
"""
MISSING = "the libraries that run a model are not installed: pip install 'callgate[models]'"


class Desk:
    """A project whose model is the tiny one, with as many cases as asked for."""

    def __init__(self, project: Any, model: Path) -> None:
        self.project = project
        self.model = model
        project.settings(model=str(model), device="cpu", max_new_tokens=4)
        self.cases(4)

    def cases(self, n: int, *more: str) -> None:
        """Write the spec."""
        words = ["Who is it", "Book 3 rooms in Graz", "alpha beta gamma", "7", "Now what"]
        rows = [f"  - {{id: c{i}, prompt: '{words[i]}?', expect: find}}" for i in range(n)]
        self.project.write("specs/desk.spec.yaml", SPEC + "\n".join([*rows, *more, ""]))

    def startup(self, code: str) -> dict[str, str]:
        """The environment in which every python runs this code first."""
        folder = self.project.write("startup/sitecustomize.py", code).parent
        return {"PYTHONPATH": str(folder)}

    def run(self, *args: str, env: dict[str, str] | None = None) -> Any:
        """Run `callgate …`."""
        return self.project.python("-m", "harness", *args, env=env)

    def cached(self) -> list[bool]:
        """Which replies of the last run's log came from the cache."""
        return [line["cached"] for line in self.project.log() if line["kind"] == "verdict"]


@pytest.fixture
def desk(project: Any, tiny_model: Path) -> Desk:
    """A project of the test's own."""
    return Desk(project, tiny_model)


@pytest.mark.slow
def test_a_model_is_judged_and_its_replies_are_kept(desk: Desk) -> None:
    """`callgate run` asks the model; `pytest` after it finds every reply kept, without torch."""
    ran = desk.run("run")
    assert (ran.code, ran.err) == (0, "")
    where = "float32 on cpu (asked for)"
    assert ran.out.startswith(f"model: {desk.model}, {where}; split: test\n")
    assert desk.cached() == [False] * 4

    without = desk.startup(NO_LIBRARIES)
    again = desk.run("run", env=without)
    assert (again.code, again.err, desk.cached()) == (0, "", [True] * 4)
    under_pytest = desk.project.pytest(*QUIET, env=without)
    assert (under_pytest.code, under_pytest.counts) == (0, "1 passed, 4 xfailed")
    assert desk.cached() == [True] * 4
    verdicts = [line["reply"] for line in desk.project.log() if line["kind"] == "verdict"]
    assert len(set(verdicts)) > 1

    desk.cases(5)
    broken = desk.run("run", env=without)
    assert broken.code == 3
    assert f"c4: error: {MISSING}" in broken.out
    assert sum(desk.cached()) == 4


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--gate-no-cache",)], ids=["cache", "no cache"])
def test_workers_load_one_model(desk: Desk, tmp_path: Path, options: tuple[str, ...]) -> None:
    """Of two workers and their controller one imports the model; nothing shared is left behind.

    With a case that is an error, which is never kept, the other tokenizes that case alone.
    """
    pytest.importorskip("xdist")
    imports, shared = tmp_path / "imports", tmp_path / "tmp"
    shared.mkdir()
    env = desk.startup(LIST_IMPORTS) | {"IMPORTS": str(imports), "TMPDIR": str(shared)}

    def count() -> Counter[str]:
        once = set(imports.read_text().splitlines())
        imports.unlink()
        return Counter(line.split()[0] for line in once)

    ran = desk.project.pytest(*QUIET, "-n", "2", *options, env=env)
    assert ran.counts == "1 passed, 4 xfailed"
    assert count() == {"torch": 1, "model": 1}
    desk.cases(5, f"  - {{id: long, prompt: {'word ' * 2000}, expect: find}}")
    ran = desk.project.pytest(*QUIET, "-n", "2", *options, env=env)
    assert ran.counts == "5 xfailed, 2 errors"
    assert count() == {"torch": 2, "model": 1}
    assert not list(shared.glob("callgate-*"))
    assert (desk.project.root / ".callgate/replies.sqlite").exists() == (not options)


@pytest.mark.slow
def test_a_cache_that_cannot_be_used_stops_nothing(desk: Desk) -> None:
    """A cache that is no database: the model is asked and judged all the same, and it is said."""
    desk.project.write(".callgate/replies.sqlite", "no database at all" * 100)
    ran = desk.run("run")
    assert (ran.code, ran.err) == (0, "")
    note = (
        "reply cache .callgate/replies.sqlite: not in use: file is not a database; delete the file"
    )
    assert note in ran.out.splitlines()
    assert desk.cached() == [False] * 4
    assert desk.project.log()[0]["generation"]["device"] == "cpu"
    assert desk.project.log()[0]["generation"]["dtype"] == "float32"


@pytest.mark.slow
def test_a_folder_that_cannot_be_is_said_under_workers(desk: Desk) -> None:
    """Below a file there is no folder: the workers share one model, and the summary says why."""
    pytest.importorskip("xdist")
    desk.project.write("file", "")
    env = {"CALLGATE_DIR": "file/home"}
    ran = desk.project.pytest(*QUIET, "-n", "2", "--gate-run-log", "log.jsonl", env=env)
    assert (ran.code, ran.counts) == (0, "1 passed, 4 xfailed")
    note = "reply cache file/home/replies.sqlite: not in use: Not a directory"
    assert note in ran.out.splitlines()


def test_a_model_that_cannot_be_had(desk: Desk) -> None:
    """A missing model is said in words: exit 3 from `callgate run`, a usage error from pytest."""
    ran = desk.run("run", "--model", "./nowhere")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith("model './nowhere': no such folder, and no Hub id; a model is\n")
    under_pytest = desk.project.pytest(*QUIET, "--gate-model", "nobody/nothing",
                                       env={"HF_HUB_OFFLINE": "1", "HF_HOME": "hf"})  # fmt: skip
    assert under_pytest.code == 4
    assert under_pytest.err.startswith("ERROR: model nobody/nothing is no folder here, and not")


# doctor


def test_the_doctor_on_functiongemmas_kind(desk: Desk) -> None:
    """Checks, device, options with origins, versions, cache: all there, exit 0, no torch."""
    ran = desk.run("doctor", "--split", "dev", env=desk.startup(NO_LIBRARIES))
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0] == f"model: {desk.model}"
    assert "chat template   ok  renders FunctionGemma's bytes on all probes" in lines
    assert "would run in float32 on cpu (asked for)" in lines
    rows = [line.split() for line in lines]
    assert ["split", "dev", "--split"] in rows
    assert ["device", "cpu", "pyproject.toml"] in rows
    assert ["dtype", "auto", "default"] in rows
    assert lines[-1] == "reply cache: .callgate/replies.sqlite: nothing kept yet"


def test_the_doctor_on_another_kind(desk: Desk, tiny: Path) -> None:
    """A template that differs is exit 1, and the row says where."""
    file = tiny / "chat_template.jinja"
    file.write_text(file.read_text().replace("<start_of_turn>developer", "<start_of_turn>system"))
    ran = desk.run("doctor", "--model", str(tiny))
    assert ran.code == 1
    assert "chat template   DIFFERS  renders 'system" in ran.out


def test_the_doctor_compares_decoding_together_with_alone(desk: Desk) -> None:
    """`--exact` decodes the cases both ways, with nothing from the cache, and counts."""
    ran = desk.run("doctor", "--exact", "specs")
    assert ran.code == 0
    equal = r"^exact: 4 replies of \d+ tokens, decoded together and alone: all equal$"
    assert re.search(equal, ran.out, re.MULTILINE)
    refused = desk.run("doctor", "--exact", "--model", "replay:none.jsonl")
    assert refused.code == 2


def test_a_model_of_other_layers_has_nothing_to_compare(desk: Desk, tiny: Path) -> None:
    """What generate alone decodes is said so, and is no fault; the doctor tells it apart above."""
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    rows = len(AutoTokenizer.from_pretrained(tiny))
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    LlamaForCausalLM(LlamaConfig(vocab_size=rows, num_attention_heads=2, **sizes)).save_pretrained(
        tiny
    )
    ran = desk.run("doctor", "--exact", "specs", "--model", str(tiny))
    assert ran.code == 1
    assert "exact: this model is decoded by transformers' generate alone\n" in ran.out
    assert "itself broke" not in ran.err


def test_a_folder_of_our_own_that_cannot_be(desk: Desk) -> None:
    """A name that no file can have is no bug of ours: the options are shown all the same."""
    ran = desk.run("cache", env={"CALLGATE_DIR": "x" * 300})
    assert (ran.code, ran.err) == (0, "")
    told = desk.run("doctor", env={"CALLGATE_DIR": "x" * 300})
    assert "itself broke" not in told.err
    assert "CALLGATE_DIR" in told.out or "max-new-tokens" in told.out


def test_decoding_that_compares_nothing_is_not_exact(desk: Desk) -> None:
    """No case of the split, or no prompt that fits, is an error; one that does not fit is told."""
    none = desk.run("doctor", "--exact", "specs", "--split", "train")
    assert none.code == 2
    assert "--exact: the specs have no case of split 'train' to decode\n" in none.err
    desk.cases(1, f"  - {{id: long, prompt: {'word ' * 2000}, expect: find}}")
    some = desk.run("doctor", "--exact", "specs")
    assert some.code == 0
    passed = r"^exact: 1 prompt passed over; desk::long: the prompt has \d+ tokens; with "
    assert re.search(passed, some.out, re.MULTILINE)
    assert re.search(r"^exact: 1 replies of \d+ tokens, ", some.out, re.MULTILINE)
    full = desk.run("doctor", "--exact", "specs", "--max-new-tokens", "100000")
    assert full.code == 3
    assert "--exact: no prompt can be decoded; desk::c0: the prompt has " in full.err


def test_the_summary_says_what_decoding_took(desk: Desk) -> None:
    """Once: a cached run decodes nothing, and has nothing to say of it."""
    first, second = desk.run("run"), desk.run("run")
    assert re.search(r"^decoded: 4 replies of \d+ tokens, ", first.out, re.MULTILINE)
    assert "decoded:" not in second.out


@pytest.mark.parametrize(
    ("options", "code", "error"),
    [
        (("--model", "./nowhere"), 3, "model './nowhere': no such folder, and no Hub id; a model"),
        (("--model", "nobody/nothing"), 3, "model nobody/nothing is no folder here, and not (or"),
        (("--device", "banana"), 3, "device 'banana' cannot be used: "),
        (("--model", "replay:nowhere.jsonl"), 2, "replay file nowhere.jsonl: cannot be read: "),
        (("--dtype", "float16"), 2, "--dtype: expected auto, float32 or bfloat16, found 'float16'"),
    ],
)
def test_the_doctor_on_what_cannot_be_had(
    desk: Desk, options: tuple[str, ...], code: int, error: str
) -> None:
    """What cannot be had or run is told in words on stderr; the options are shown all the same."""
    ran = desk.run("doctor", *options, env={"HF_HUB_OFFLINE": "1", "HF_HOME": "hf"})
    assert ran.code == code
    assert ran.err.startswith(error)
    assert ("max-new-tokens" in ran.out) == (options[0] != "--dtype")


def test_the_doctor_without_a_model(desk: Desk) -> None:
    """No model is bad usage, and lists the choices."""
    desk.project.settings()
    ran = desk.run("doctor")
    assert ran.code == 2
    assert ran.err.startswith("no model is named, and none is built in; ")
    assert "mini" in ran.err


def test_the_doctor_on_a_replay_file(desk: Desk) -> None:
    """Replies from a file have no model to examine."""
    desk.project.answers(a="find", b="book")
    ran = desk.run("doctor", "--model", "replay:replies.jsonl")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(
        "replay:replies.jsonl (replies from a file): 2 replies, no model to examine\n"
    )


# cache


def test_the_cache_command(desk: Desk) -> None:
    """How many replies and bytes; `--prune 0` forgets them all, `--prune` only what is too much."""
    from harness.cases import Reply
    from harness.reply_cache import ReplyCache

    assert desk.run("cache").out == "reply cache: .callgate/replies.sqlite: nothing kept yet\n"
    cache = ReplyCache(desk.project.root / ".callgate/replies.sqlite")
    cache.put({str(n): Reply("x" * 60_000) for n in range(10)})
    kept = "reply cache: .callgate/replies.sqlite: 10 replies, 0.6 MB of at most 256 MB\n"
    assert desk.run("cache").out == kept
    assert desk.run("cache", "--prune").out == f"forgotten: 0 replies\n{kept}"
    some = desk.run("cache", "--prune", "0.1").out
    assert some == (
        "forgotten: 9 replies\n"
        "reply cache: .callgate/replies.sqlite: 1 reply, 0.1 MB of at most 256 MB\n"
    )
    assert desk.run("cache", "--prune", "0").out.startswith("forgotten: 1 reply\n")


def test_the_cache_command_on_what_is_no_cache(desk: Desk) -> None:
    """A file that is no database: exit 3, and what to do."""
    desk.project.write(".callgate/replies.sqlite", "no database at all" * 100)
    ran = desk.run("cache", "--prune")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err == (
        "reply cache .callgate/replies.sqlite: not in use: file is not a database; delete the "
        "file\n"
    )


@pytest.mark.parametrize("size", ["-1", "x", "inf", "nan"])
def test_a_size_that_is_none(desk: Desk, size: str) -> None:
    """The bound is a number from 0."""
    ran = desk.run("cache", f"--prune={size}")
    assert ran.code == 2
    assert ran.err.splitlines()[-1] == (
        "callgate cache: error: argument --prune: expected a number of megabytes from 0, found "
        f"{size!r}"
    )


@pytest.mark.skipif(os.name != "posix", reason="a terminal is something else here")
@pytest.mark.slow
def test_a_run_into_a_pipe_shows_no_progress(desk: Desk) -> None:
    """Nothing of progress, downloads or libraries reaches a stderr that is no terminal."""
    ran = desk.run("run", "--batch-size", "1")
    assert ran.err == ""
    assert "\r" not in ran.out


@pytest.mark.slow
def test_decoding_is_exact_on_mini(tmp_path: Path) -> None:
    """All cases of the specs are answered together as they are alone, ties in rounding apart."""
    command = [sys.executable, "-m", "harness", "doctor", "--exact", "specs", "--split", "all"]
    ran = subprocess.run(
        [*command, "--model", "mini", "--device", "cpu"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "CALLGATE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"^exact: \d{3} replies of \d{4} tokens", ran.stdout, re.MULTILINE)
