"""One owner of the model, replies kept by all that they depend on, and nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.backends import backend_for, details_of, notes_of
from harness.backends.local_model import DECODER, LocalModel
from harness.backends.replay import Replay
from harness.cases import Reply, Request, Tool
from harness.errors import BackendError
from harness.options import Settings

pytest.importorskip("torch")

Ask = Callable[..., Request]
FLAWS = {
    "model.safetensors": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    "chat_template.jinja": lambda content: content + b"{# #}",
    "tokenizer_config.json": lambda content: content + b" ",
    "generation_config.json": lambda content: content + b" ",
}


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are no worker's, though pytest-xdist may run them."""
    monkeypatch.delenv("PYTEST_XDIST_TESTRUNUID", raising=False)


@pytest.fixture
def settings(tiny_model: Path, tmp_path: Path) -> Settings:
    """The tiny model, and a folder of its own for what is kept."""
    home = tmp_path / ".callgate"
    return Settings(model=str(tiny_model), device="cpu", max_new_tokens=4, home=home)


def run(settings: Settings, requests: list[Request]) -> list[Reply]:
    """The replies of a fresh process's back end, in the order of the requests."""
    found = dict(LocalModel(settings).replies(requests))
    return [found[index] for index in range(len(requests))]


def test_replies_are_kept(settings: Settings, ask: Ask) -> None:
    """The second run gets the same replies from the cache; only new requests are made."""
    first = run(settings, [ask("Hello"), ask("Goodbye")])
    second = run(settings, [ask("Goodbye"), ask("Hello"), ask("Who?")])
    assert [reply.cached for reply in first] == [False, False]
    assert [reply.cached for reply in second] == [True, True, False]
    kept = [replace(one, cached=True, forward_passes=None, draft_tokens=None) for one in first]
    assert second[:2] == kept[::-1]


def test_equal_requests_have_equal_replies(settings: Settings, ask: Ask) -> None:
    """Two cases that ask the same, with or without a cache: both are answered."""
    for no_cache in (False, True):
        own = replace(settings, no_cache=no_cache)
        one, other = run(own, [ask("Hello", case="s::a"), ask("Hello", case="s::b")])
        assert one.text == other.text


def test_no_requests(settings: Settings) -> None:
    """Nothing asked, nothing answered."""
    assert run(settings, []) == []


@pytest.mark.parametrize("name", FLAWS)
def test_a_changed_file_is_another_model(
    settings: Settings, ask: Ask, tiny: Path, name: str
) -> None:
    """One byte of weights, template, tokenizer or generation config: asked anew."""
    one = replace(settings, model=str(tiny))
    run(one, [ask("Hello")])
    assert run(one, [ask("Hello")])[0].cached
    file = tiny / name
    file.write_bytes(FLAWS[name](file.read_bytes()))
    assert not run(one, [ask("Hello")])[0].cached


def test_a_moved_model_is_the_same(settings: Settings, ask: Ask, tiny: Path) -> None:
    """The name and the place of a model do not matter, its content does."""
    run(settings, [ask("Hello")])
    assert run(replace(settings, model=str(tiny)), [ask("Hello")])[0].cached


@pytest.mark.parametrize("other", [{"max_new_tokens": 5}, {"dtype": "bfloat16"}])
def test_other_settings_are_other_replies(
    settings: Settings, ask: Ask, other: dict[str, Any]
) -> None:
    """Another limit or precision is asked anew; another batch size is not."""
    run(settings, [ask("Hello")])
    assert not run(replace(settings, **other), [ask("Hello")])[0].cached
    assert run(replace(settings, batch_size=1), [ask("Hello")])[0].cached


@pytest.mark.parametrize("library", ["torch", "transformers", "decoder"])
def test_another_version_is_asked_anew(
    settings: Settings, ask: Ask, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    """Replies of another torch, transformers or decoder are not taken for this one's."""
    from harness.backends import local_model

    run(settings, [ask("Hello")])
    before = local_model._version
    if library == "decoder":
        monkeypatch.setattr(local_model, "DECODER", "another")
    else:
        monkeypatch.setattr(
            local_model, "_version", lambda name: "0" if name == library else before(name)
        )
    assert not run(settings, [ask("Hello")])[0].cached


def test_errors_are_asked_again(settings: Settings, ask: Ask) -> None:
    """A case that was an error is not kept, and does not keep the others from it."""
    for cached in (False, True):
        long, short = run(settings, [ask("word " * 2000), ask("Hello")])
        assert long.error is not None
        assert (short.error, short.cached) == (None, cached)


def test_no_cache_keeps_nothing(settings: Settings, ask: Ask) -> None:
    """With `no-cache` nothing is read, and nothing but the digests of files is kept."""
    run(settings, [ask("Hello")])
    kept = (settings.home / "replies.sqlite").read_bytes()
    assert not run(replace(settings, no_cache=True), [ask("Hello")])[0].cached
    run(replace(settings, no_cache=True), [ask("Other")])
    assert (settings.home / "replies.sqlite").read_bytes() == kept


def test_a_cache_that_is_not_in_use_is_noted(settings: Settings, ask: Ask, tmp_path: Path) -> None:
    """The run goes on without a cache, and its notes say why; a process that only looks, too."""
    (tmp_path / "file").write_text("")
    broken = replace(settings, home=tmp_path / "file" / "home")
    backend = LocalModel(broken)
    (pair,) = backend.replies([ask("Hello")])
    assert pair[1].error is None
    path = broken.home / "replies.sqlite"
    note = f"reply cache {path}: not in use: Not a directory"
    assert notes_of(backend) == [note]
    assert notes_of(LocalModel(broken)) == [note]
    assert notes_of(LocalModel(replace(broken, no_cache=True))) == []
    assert notes_of(LocalModel(settings)) == []


def test_what_the_label_and_the_details_say(settings: Settings) -> None:
    """Model, precision, device and why; the same for the log."""
    backend = backend_for(replace(settings, dtype="bfloat16"))
    where = "bfloat16 on cpu (asked for; precision asked for)"
    assert backend.label == f"{settings.model}, {where}"
    assert details_of(backend) == {"device": "cpu", "dtype": "bfloat16", "decoder": DECODER}
    assert details_of(Replay("f", "0", {})) == {}
    assert notes_of(Replay("f", "0", {})) == []


def test_a_model_that_cannot_be_had(settings: Settings, tmp_path: Path) -> None:
    """The back end of a missing model is an error before anything is asked."""
    with pytest.raises(BackendError, match="no such folder, and no Hub id"):
        backend_for(replace(settings, model="./nowhere"))


def test_a_worker_lets_go_of_the_model_with_the_lock(
    settings: Settings, ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Errors are asked again by the next worker, which loads the model: the first holds none."""
    backend = LocalModel(settings)
    list(backend.replies([ask("Hello")]))
    assert backend._model is not None
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", "test")
    worker = LocalModel(settings)
    list(worker.replies([ask("Goodbye")]))
    assert worker._model is None


def test_files_changed_while_they_are_loaded(settings: Settings, ask: Ask, tiny: Path) -> None:
    """Replies of new weights are not kept under the digest of the old: the run ends instead."""
    backend = LocalModel(replace(settings, model=str(tiny)))
    assert backend.fingerprint
    flaw = FLAWS["model.safetensors"]
    (tiny / "model.safetensors").write_bytes(flaw((tiny / "model.safetensors").read_bytes()))
    with pytest.raises(BackendError) as raised:
        list(backend.replies([ask("Hello")]))
    assert str(raised.value) == (
        f"model {tiny}: its files changed during the run; run again when nothing writes to them"
    )
    assert not run(replace(settings, model=str(tiny)), [ask("Hello")])[0].cached


def test_files_changed_between_two_askings(settings: Settings, ask: Ask, tiny: Path) -> None:
    """A second asking reads the template again: with the weights of before it is no model."""
    backend = LocalModel(replace(settings, model=str(tiny), no_cache=True))
    assert backend.fingerprint
    list(backend.replies([ask("Hello")]))
    template = tiny / "chat_template.jinja"
    template.write_bytes(FLAWS[template.name](template.read_bytes()))
    with pytest.raises(BackendError, match="its files changed during the run"):
        list(backend.replies([ask("Hello")]))


def test_a_model_that_changed_is_not_held(settings: Settings, ask: Ask, tiny: Path) -> None:
    """What was refused once is refused again, and never answers under the old digest."""
    backend = LocalModel(replace(settings, model=str(tiny)))
    assert backend.fingerprint
    weights = tiny / "model.safetensors"
    weights.write_bytes(FLAWS[weights.name](weights.read_bytes()))
    for _ in range(2):
        with pytest.raises(BackendError, match="its files changed during the run"):
            list(backend.replies([ask("Hello")]))


def test_ways_of_decoding_are_told_apart_where_rounding_is_coarse(
    settings: Settings, ask: Ask
) -> None:
    """In bfloat16 a run without drafts is asked anew; in float32 replies are the same."""
    for dtype, cached in (("float32", True), ("bfloat16", False)):
        one = replace(settings, dtype=dtype)
        run(one, [ask("Hello")])
        assert run(one, [ask("Hello")])[0].cached
        assert run(replace(one, no_drafts=True), [ask("Hello")])[0].cached is cached
        assert run(replace(one, no_shared_prefix=True), [ask("Hello")])[0].cached is cached


def test_a_template_for_tools_is_part_of_the_model(
    settings: Settings, ask: Ask, tiny: Path
) -> None:
    """It is preferred by transformers, and counts: with `tool_use.jinja` there, asked anew."""
    one = replace(settings, model=str(tiny))
    (before,) = run(one, [ask("Hello")])
    (tiny / "additional_chat_templates").mkdir()
    template = (tiny / "chat_template.jinja").read_text()
    (tiny / "additional_chat_templates" / "tool_use.jinja").write_text(f"{template}Well:")
    (after,) = run(one, [ask("Hello")])
    assert not after.cached
    assert after.prompt_tokens != before.prompt_tokens


def test_the_order_of_keys_is_part_of_the_request(settings: Settings, ask: Ask) -> None:
    """Names that differ in case alone stay in their order in a prompt: both are asked."""

    def tool(*names: str) -> Tool:
        return Tool(
            "a", "A", {"type": "object", "properties": {n: {"type": "string"} for n in names}}
        )

    one, other = ask("Hello", tool("unit", "Unit")), ask("Hello", tool("Unit", "unit"))
    assert one.digest == other.digest
    assert [reply.cached for n in (one, other) for reply in run(settings, [n])] == [False, False]


def test_a_template_that_asks_for_the_date(settings: Settings, ask: Ask, tiny: Path) -> None:
    """Prompts change from day to day: nothing is kept, and the notes say why."""
    file = tiny / "chat_template.jinja"
    file.write_text("{%- set today = strftime_now('%d %B') %}" + file.read_text())
    dated = replace(settings, model=str(tiny))
    run(dated, [ask("Hello")])
    assert not run(dated, [ask("Hello")])[0].cached
    assert notes_of(LocalModel(dated)) == [
        "the model's chat template asks for the date (strftime_now), so prompts change and "
        "replies are not kept"
    ]
    assert notes_of(LocalModel(replace(dated, no_cache=True))) == []


# Several processes

ASK = """
import json, os, sys, time
from pathlib import Path
from harness.backends.local_model import DECODER, LocalModel
from harness.cases import Request
from harness.options import Settings

model, home, prompts, hold = sys.argv[1], Path(sys.argv[2]), sys.argv[3].split(","), sys.argv[4]
os.environ.update(json.loads(sys.argv[5]))
settings = Settings(model=model, device="cpu", max_new_tokens=4, home=home, batch_size=1)
settings = Settings(**{**vars(settings), "no_cache": "no-cache" in sys.argv})
backend = LocalModel(settings)
requests = [Request("s::c", ({"role": "user", "content": text},), ()) for text in prompts]
made = 0
for index, reply in backend.replies(requests):
    made += not reply.cached
    if hold == "hold":
        print("held", flush=True)
        time.sleep(600)
print(made, "torch" in sys.modules)
"""


def start(
    settings: Settings, prompts: str, hold: str = "go", *more: str, **told: str
) -> subprocess.Popen[str]:
    """A process that asks the model, and prints how many replies it made itself.

    Its environment has `told` from when it runs, as pytest-xdist does it.
    """
    command = [sys.executable, "-c", ASK, str(settings.model), str(settings.home), prompts, hold]
    return subprocess.Popen(
        [*command, json.dumps(told), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def end(process: subprocess.Popen[str]) -> tuple[int, bool]:
    """How many replies the process made itself, and whether it imported torch."""
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    made, torch = out.split()[-2:]
    return int(made), torch == "True"


@pytest.mark.slow
def test_four_processes_ask_one_model_once(settings: Settings) -> None:
    """Four runs of the same cases at once: each reply is made by one of them, none twice."""
    ends = [end(p) for p in [start(settings, "a,b,c,d,e,f") for _ in range(4)]]
    assert sum(made for made, _ in ends) == 6
    assert sorted(made for made, _ in ends) == [0, 0, 0, 6]
    assert [torch for made, torch in ends if made == 0] == [False] * 3


@pytest.mark.slow
def test_workers_of_one_run_share_without_a_cache(settings: Settings) -> None:
    """With `no-cache` too the workers of a pytest-xdist run load one model."""
    run_id = {"PYTEST_XDIST_TESTRUNUID": f"test{os.getpid()}{time.time_ns()}"}
    made = [
        end(p)[0] for p in [start(settings, "a,b,c", "go", "no-cache", **run_id) for _ in range(2)]
    ]
    assert sorted(made) == [0, 3]
    assert not (settings.home / "replies.sqlite").exists()
    (shared,) = Path(tempfile.gettempdir()).glob(f"callgate-*-{run_id['PYTEST_XDIST_TESTRUNUID']}")
    assert shared.stat().st_mode & 0o077 == 0
    shutil.rmtree(shared)


@pytest.mark.skipif(sys.platform != "linux", reason="no file tells the environment at the start")
def test_a_child_of_a_worker_is_none() -> None:
    """What a worker starts inherits the run's name, and still shares nothing; a new name counts."""
    name = "PYTEST_XDIST_TESTRUNUID"
    code = (
        "import os; from harness.backends.local_model import _run; print(_run())\n"
        f"os.environ[{name!r}] = 'own'; print(_run())\n"
    )
    told = {**os.environ, name: "inherited"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=told, capture_output=True, text=True, check=True
    )
    assert done.stdout == "None\nown\n"


@pytest.mark.slow
def test_a_killed_owner_blocks_nobody(settings: Settings) -> None:
    """A process killed while it holds the model leaves its replies, and the way free."""
    owner = start(settings, "a,b,c,d", "hold")
    assert owner.stdout is not None
    assert owner.stdout.readline() == "held\n"
    waiting = start(settings, "a,b,c,d,e")
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(timeout=3)
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    made, torch = end(waiting)
    assert (made, torch) == (4, True)


@pytest.mark.slow
def test_who_waits_gets_replies_as_they_come(settings: Settings) -> None:
    """A run whose replies another run has made goes on without the lock, and without torch."""
    owner = start(settings, "a,b,c,d", "hold")
    assert owner.stdout is not None
    assert owner.stdout.readline() == "held\n"
    try:
        assert end(start(settings, "a")) == (0, False)
    finally:
        owner.kill()
        owner.communicate()
