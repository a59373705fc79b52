"""`callgate-tune` as a real process: the two commands, kills, disks that fail, the Hub."""

from __future__ import annotations

import base64
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

MINI = Path(__file__).parents[2] / "harness" / "mini"
HEAD = """\
spec: desk
description: One tool, for everything.
clauses: {always: Every question is looked up.}
tools: [{name: find, parameters: {type: object, properties: {}}}]
compare: tool
gate: {pass_rate: %s}
cases:
"""
WORDS = ("lamp", "chair", "paper", "badge", "phone", "coffee", "window", "garden", "ticket")
WORDS += ("river", "copper", "anchor")
OFF = "HF_HUB_DISABLE_TELEMETRY"
SHORT = ("--max-new-tokens", "10", "--learning-rate", "0.01", "--batch-size", "2")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model of two layers, 32 wide, with the stand-in's tokenizer."""
    import torch
    from transformers import AutoTokenizer, Gemma3ForCausalLM, Gemma3TextConfig

    folder = tmp_path_factory.mktemp("base") / "tiny"
    folder.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(MINI / name, folder)
    torch.manual_seed(1)
    config = Gemma3TextConfig(
        vocab_size=len(AutoTokenizer.from_pretrained(folder)),
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, sliding_window=32, max_position_embeddings=2048,
        layer_types=["sliding_attention", "full_attention"],
        pad_token_id=0, eos_token_id=1, bos_token_id=2,
    )  # fmt: skip
    Gemma3ForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with the spec `desk`: every prompt is for the one tool there is."""
    splits = ["train"] * 8 + ["dev"] * 2 + ["test"] * 2
    cases = [
        f"  - {{id: c{n}, prompt: {word} {word[::-1]}, expect: {{find: {{}}}}, split: {split}}}"
        for n, (word, split) in enumerate(zip(WORDS, splits, strict=True))
    ]
    text = HEAD % 0.8 + "\n".join(cases) + "\n"
    (tmp_path / "desk.spec.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def environment(**more: str) -> dict[str, str]:
    """Ours without callgate's variables; one thread, which on a busy machine is quicker."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CALLGATE_", "PYTEST_"))}
    return kept | {"OMP_NUM_THREADS": "1", "COLUMNS": "80"} | more


def command(tiny: Path, *flags: str) -> list[str]:
    """`callgate-tune desk.spec.yaml` on the tiny model."""
    start = [sys.executable, "-m", "trainers", "desk.spec.yaml", "--model", str(tiny)]
    return [*start, *SHORT, *flags]


def run(
    args: Sequence[str], cwd: Path, preexec: Callable[[], None] | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        args, cwd=cwd, env=environment(**more), capture_output=True, text=True, check=False,
        timeout=600, preexec_fn=preexec,
    )  # fmt: skip


def without_times(path: Path) -> list[dict[str, Any]]:
    """The history without what a clock said."""
    lines = map(json.loads, path.read_text("utf-8").splitlines())
    return [{k: v for k, v in line.items() if "seconds" not in k} for line in lines]


@pytest.mark.slow
def test_from_a_failing_gate_to_a_passing_one(here: Path, tiny: Path) -> None:
    """Tuning ends with 0 exactly when pytest on the tuned model is green: before no, after yes."""
    gate = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "desk.spec.yaml"]
    gate += ["--gate-max-new-tokens", "10", "--gate-model"]
    assert run([*gate, str(tiny)], here).returncode == 1
    failed = run(
        command(tiny, "--out", "short", "--max-epochs", "1", "--learning-rate", "1e-9"), here
    )
    assert failed.returncode == 1, failed.stderr
    assert run([*gate, "short/model"], here).returncode == 1
    met = run(command(tiny, "--out", "long", "--max-epochs", "60", "--patience", "60"), here)
    assert met.returncode == 0, met.stdout + met.stderr
    assert "training ended: the stop rule holds on dev; " in met.stdout
    assert run([*gate, "long/model"], here).returncode == 0


AT_THE_END = '"kind":"end"'


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kill_at", "flags"),
    [
        ('"step":6', ()),
        ('"step":3', ("--checkpoint-minutes", "0", "--lora", "--lora-dropout", "0.3")),
        ('"step":8', ("--checkpoint-minutes", "0")),
        (AT_THE_END, ()),
    ],
    ids=["within a round", "within a round, the last step saved", "while dev is judged", "after"],
)
def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    here: Path, tiny: Path, kill_at: str, flags: tuple[str, ...]
) -> None:
    """SIGKILL, then `--resume`: the weights and the history of an unkilled run.

    A round has four steps: the eighth is followed by the second round's judgement, and the end is
    noted before the state says so.
    """
    args = ("--max-epochs", "3", "--epochs", "3", *flags)
    whole = run(command(tiny, "--out", "whole", *args), here)
    assert whole.returncode in (0, 1), whole.stderr
    history = here / "killed" / "history.jsonl"
    process = subprocess.Popen(
        command(tiny, "--out", "killed", *args),
        cwd=here, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not (history.exists() and kill_at in history.read_text("utf-8")):
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert kill_at == AT_THE_END or not (here / "killed" / "model").exists()
    resumed = run(command(tiny, "--out", "killed", "--resume", *args), here)
    assert resumed.returncode == whole.returncode, resumed.stderr
    name = "model/model.safetensors"
    assert (here / "killed" / name).read_bytes() == (here / "whole" / name).read_bytes()
    assert without_times(history) == without_times(here / "whole" / "history.jsonl")
    assert not (here / "killed" / "state").exists()


@pytest.mark.slow
@pytest.mark.parametrize("most_bytes", [300_000, 900_000])
def test_a_disk_that_fills(here: Path, tiny: Path, most_bytes: int) -> None:
    """Where weights or state cannot be written, the run ends with 3, keeps the logs, can go on.

    The weights take 600 kB, the optimizer's state twice that.
    """

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))

    args = ("--out", "run", "--epochs", "1")
    full = run(command(tiny, *args), here, small_files)
    assert full.returncode == 3, full.stdout + full.stderr
    assert "Traceback" not in full.stderr
    assert full.stderr.endswith(
        "What the run had reached is kept; make room, and go on with --resume.\n"
    )
    before = (here / "run" / "before.jsonl").read_bytes()
    resumed = run(command(tiny, *args, "--resume"), here)
    assert resumed.returncode in (0, 1), resumed.stderr
    assert (here / "run" / "before.jsonl").read_bytes() == before
    assert (here / "run" / "model" / "model.safetensors").exists()


def test_help_and_usage_errors_load_no_library(here: Path) -> None:
    """`--help`, and a spec that is not there, import neither torch nor transformers."""
    program = (
        "import sys; from trainers.__main__ import main\n"
        "code = 0\n"
        "try: code = main(sys.argv[1:])\n"
        "except SystemExit as end: code = end.code\n"
        "print(code, [m for m in ('torch', 'transformers', 'trl', 'datasets') if m in sys.modules])"
    )
    for args, code in ((["--help"], 0), (["nope", "--out", "run"], 2), (["desk.spec.yaml"], 2)):
        ended = run([sys.executable, "-c", program, *args], here)
        assert ended.stdout.endswith(f"{code} []\n"), ended.stdout + ended.stderr


@dataclass
class Hub:
    """A stand-in of the Hub: takes repositories and commits, and remembers them."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    created: dict[str, object] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A local server with the Hub's endpoints for uploading."""
    state = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            state.asked.append(self.path)
            if self.path.endswith("/preupload/main"):
                names = [file["path"] for file in json.loads(body)["files"]]
                modes = [{"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names]
                self._answer({"files": modes})
            elif self.path.endswith("/commit/main"):
                for line in map(json.loads, body.splitlines()):
                    if line["key"] == "file":
                        value = line["value"]
                        state.files[value["path"]] = base64.b64decode(value["content"])
                self._answer({"commitUrl": f"{state.url}/me/desk/commit/1", "commitOid": "1" * 40})
            else:
                if self.path == "/api/repos/create":
                    state.created = json.loads(body)
                self._answer({"url": f"{state.url}/me/desk", "name": "me/desk"})

        def do_GET(self) -> None:
            state.asked.append(self.path)
            self._answer({"siblings": [], "sha": "0" * 40, "id": "me/desk", "tags": []})

        def _answer(self, content: object) -> None:
            text = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield state
    server.shutdown()
    server.server_close()


def _push(here: Path, tiny: Path, hub: Hub, *flags: str) -> subprocess.CompletedProcess[str]:
    more = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_" + "x" * 20, "HF_HUB_OFFLINE": "0"}
    return run(command(tiny, "--out", "run", "--max-epochs", "1", *flags), here, **more)


def _gate_of_zero(here: Path) -> None:
    spec = here / "desk.spec.yaml"
    spec.write_text(spec.read_text("utf-8").replace("pass_rate: 0.8", "pass_rate: 0"))


LONG = ("--epochs", "30")


@pytest.mark.slow
def test_a_model_is_uploaded_with_its_card(here: Path, tiny: Path, hub: Hub) -> None:
    """`--push-to-hub`: the model's files as they are, and a card with the before and after."""
    ended = _push(here, tiny, hub, *LONG, "--push-to-hub", "me/desk")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.endswith(f"uploaded: {hub.url}/me/desk\n")
    saved = {file.name: file.read_bytes() for file in (here / "run" / "model").iterdir()}
    card = hub.files.pop("README.md").decode()
    assert hub.files == saved
    assert "| desk   | test    | 0 of 2 (0–66 %) | 2 of 2 (34–100 %) |" in card
    assert "Tuned from a local checkpoint with callgate" in card
    assert "- `always`: Every question is looked up." in card
    assert str(here) not in card
    assert str(tiny) not in card
    assert not _is_private(hub)  # but as the Hub does it by default
    again = _push(here, tiny, hub, *LONG, "--push-to-hub", "me/desk", "--private", "--resume")
    assert again.returncode == 0, again.stdout + again.stderr
    assert _is_private(hub)


def _is_private(hub: Hub) -> bool:
    """Whether the repository was asked for as a private one, by today's word or the older one."""
    return hub.created.get("visibility") == "private" or hub.created.get("private") is True


@pytest.mark.slow
def test_a_base_that_was_not_trained_is_not_uploaded(here: Path, tiny: Path, hub: Hub) -> None:
    """Where the gates held already, the model is the base: that is no model to publish."""
    _gate_of_zero(here)
    ended = _push(here, tiny, hub, "--push-to-hub", "me/desk")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.endswith(
        "not uploaded: nothing was trained, so the model is the base as it was\n"
    )
    assert hub.asked == []


LISTENING = """\
import socket, sys, threading

asked = []


def getaddrinfo(host, *args, **more):
    asked.append(host)
    raise OSError("no network")


socket.getaddrinfo = getaddrinfo
socket.socket.connect = lambda _, address: asked.append(address)
from trainers.__main__ import main

code = main(sys.argv[1:])
for thread in threading.enumerate():
    if thread is not threading.current_thread():
        thread.join(10)
print(code, asked)
"""


@pytest.mark.slow
@pytest.mark.parametrize("telemetry", [None, "0"], ids=["as it is", "let on"])
def test_training_sends_nothing(here: Path, tiny: Path, telemetry: str | None) -> None:
    """No host is looked up or connected to while a model is trained; TRL would, if it were let."""
    more = {"HF_HUB_OFFLINE": "0"} | ({} if telemetry is None else {OFF: telemetry})
    args = command(tiny, "--out", "run", "--epochs", "1")[3:]
    environ = {k: v for k, v in environment(**more).items() if k not in {"CI", OFF} or k in more}
    ended = subprocess.run(
        [sys.executable, "-c", LISTENING, *args], cwd=here, env=environ, capture_output=True,
        text=True, check=False, timeout=600,
    )  # fmt: skip
    last = ended.stdout.splitlines()[-1]
    if telemetry is None:
        assert last in ("0 []", "1 []"), ended.stdout + ended.stderr
    else:
        assert "huggingface.co" in last, ended.stdout + ended.stderr


@pytest.mark.slow
def test_nothing_is_uploaded_unasked(here: Path, tiny: Path, hub: Hub) -> None:
    """Without the flag the Hub hears nothing, and a model that fails its gates stays here."""
    assert _push(here, tiny, hub).returncode == 1
    assert hub.asked == []
    ended = _push(here, tiny, hub, "--push-to-hub", "me/desk", "--resume")
    assert ended.returncode == 1
    assert ended.stdout.endswith(
        "not uploaded: the gates are not met (by hand: hf upload me/desk run/model)\n"
    )
    assert hub.asked == []


@pytest.mark.slow
def test_a_hub_that_does_not_answer(here: Path, tiny: Path) -> None:
    """The model is there all the same; exit 3, and how to upload it by hand."""
    ended = _push(here, tiny, Hub("http://127.0.0.1:9"), *LONG, "--push-to-hub", "me/desk")
    assert ended.returncode == 3
    assert ended.stderr.startswith("not uploaded to me/desk: ")
    assert ended.stderr.endswith(
        "The model is in run/model; once logged in (hf auth login): hf upload me/desk run/model\n"
    )
    assert (here / "run" / "model" / "model.safetensors").exists()
