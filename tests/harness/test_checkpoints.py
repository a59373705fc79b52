"""From a name to a folder: folders, and the Hub as its own client meets it on the loopback."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.checkpoints import MINI, Checkpoint, find_checkpoint, fingerprint
from harness.errors import BackendError, UsageError
from harness.memo import read_memo
from harness.options import MODEL_CHOICES

SHA = "c" * 40
ID = "google/functiongemma-270m-it"


def folder_of(path: Path, *names: str) -> Path:
    """A folder with such files, each holding its own name."""
    path.mkdir(parents=True, exist_ok=True)
    for name in names:
        (path / name).write_text(name)
    return path


def said(model: str, adapter: str | None = None) -> str:
    """Why the model cannot be had."""
    with pytest.raises(BackendError) as raised:
        find_checkpoint(model, adapter)
    return str(raised.value)


PICKLED = (
    "callgate loads no other format (pickled weights can run code): save it again with "
    "save_pretrained"
)


def test_a_folder_is_a_model(tmp_path: Path) -> None:
    """A folder with a configuration and safetensors is found as it is named."""
    folder = folder_of(tmp_path / "m", "config.json", "model.safetensors")
    assert find_checkpoint(str(folder)) == Checkpoint(str(folder), str(folder), folder)


def test_the_home_folder_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` in a setting, which no shell has expanded, is the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = folder_of(tmp_path / "m", "config.json", "model.safetensors")
    assert find_checkpoint("~/m").folder == folder


def test_mini_is_called_a_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The label of mini says what it is, by whatever path it is named."""
    monkeypatch.setattr(
        "harness.checkpoints.MINI", folder_of(tmp_path, "config.json", "m.safetensors")
    )
    assert find_checkpoint("mini").label == "mini (stand-in for FunctionGemma)"
    monkeypatch.chdir(tmp_path.parent)
    for path in (tmp_path.name, f"./{tmp_path.name}/", str(tmp_path)):
        assert find_checkpoint(path).label == "mini (stand-in for FunctionGemma)"
    assert MINI.name == "mini"


def test_a_file_of_replies_wants_its_prefix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is named as the model is told how replies are named."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "replies.jsonl").write_text("")
    assert said("replies.jsonl") == (
        "model 'replies.jsonl' is a file: for the replies in it write replay:replies.jsonl; a "
        f"model is\n{MODEL_CHOICES}"
    )


@pytest.mark.parametrize(
    "model",
    ["gpt2", "./nowhere", "/nowhere/at/all", "~nobody-there/m", "a/b/c", "x" * 5000, "a\0b"],
)
def test_neither_a_folder_nor_an_id(model: str) -> None:
    """What cannot be on the Hub is not looked for there; the choices are listed."""
    assert said(model) == (
        f"model {model!r}: no such folder, and no Hub id; a model is\n{MODEL_CHOICES}"
    )


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    """A folder that holds something else says what it lacks."""
    folder = folder_of(tmp_path / "m", "notes.txt")
    assert said(str(folder)) == (
        f"model {folder}: {folder} holds no config.json, so it is no model"
    )


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    """A checkpoint with *.bin alone is not loaded."""
    folder = folder_of(tmp_path / "m", "config.json", "pytorch_model.bin")
    assert said(str(folder)) == f"model {folder}: {folder} holds no *.safetensors; {PICKLED}"


def test_an_adapter_named_as_model(tmp_path: Path) -> None:
    """Who names an adapter as the model is told where it belongs."""
    folder = folder_of(tmp_path / "a", "adapter_config.json", "adapter_model.safetensors")
    assert said(str(folder)) == (
        f"model {folder}: {folder} holds no config.json, so it is no model; it is a PEFT adapter: "
        "name it as the adapter, and the model it was made for as model"
    )


def test_a_model_with_an_adapter_inside(tmp_path: Path) -> None:
    """The library would load the adapter's own base model instead: refused."""
    names = ("config.json", "model.safetensors", "adapter_config.json", "adapter_model.safetensors")
    folder = folder_of(tmp_path / "m", *names)
    assert said(str(folder)) == (
        f"model {folder}: {folder} holds a model and an adapter (adapter_config.json), which may "
        "belong to another model: move the adapter to a folder of its own"
    )


def test_adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An adapter is a folder with its configuration and safetensors; it is in the label."""
    model = folder_of(tmp_path / "m", "config.json", "model.safetensors")
    good = folder_of(tmp_path / "a", "adapter_config.json", "adapter_model.safetensors")
    found = find_checkpoint(str(model), str(good))
    assert (found.adapter, found.label) == (good, f"{model} + adapter {good}")
    empty = folder_of(tmp_path / "b")
    assert said(str(model), str(empty)) == f"adapter {empty}: no folder with an adapter_config.json"
    assert said(str(model), "~/a") == "adapter ~/a: no folder with an adapter_config.json"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_checkpoint(str(model), "~/a").adapter == good
    pickled = folder_of(tmp_path / "c", "adapter_config.json", "adapter_model.bin")
    assert said(str(model), str(pickled)) == (
        f"adapter {pickled} holds no adapter_model.safetensors; {PICKLED}"
    )


def test_what_cannot_be_read_is_bad_usage() -> None:
    """Where the file system refuses a name or a folder: a sentence, for whoever asks."""
    with pytest.raises(UsageError) as raised:
        find_checkpoint("mini", "x" * 300)
    assert str(raised.value) == (
        f"model mini or adapter {'x' * 300}: cannot be read: File name too long"
    )


# The fingerprint


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with all files of a model, an hour old."""
    names = ("config.json", "model-00001.safetensors", "model-00002.safetensors")
    names += ("tokenizer.json", "chat_template.jinja", "generation_config.json", "README.md")
    return aged(folder_of(tmp_path / "m", *names))


def aged(folder: Path) -> Path:
    """The folder, its files an hour old."""
    for file in folder.iterdir():
        os.utime(file, (file.stat().st_mtime - 3600,) * 2)
    return folder


@pytest.mark.parametrize(
    "name",
    ["model-00002.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"],
)
def test_one_byte_changes_the_fingerprint(model: Path, tmp_path: Path, name: str) -> None:
    """A changed byte in weights, configuration, tokenizer or template changes the fingerprint."""
    memo = tmp_path / "memo.json"
    checkpoint = Checkpoint("m", "m", model)
    before = fingerprint(checkpoint, memo)
    content = bytearray((model / name).read_bytes())
    content[3] ^= 1
    (model / name).write_bytes(content)
    assert fingerprint(checkpoint, memo) != before


def test_the_card_changes_nothing(model: Path, tmp_path: Path) -> None:
    """What cannot change a reply does not change the fingerprint."""
    before = fingerprint(Checkpoint("m", "m", model), tmp_path / "memo.json")
    (model / "README.md").write_text("another card")
    assert fingerprint(Checkpoint("n", "n", model), tmp_path / "memo.json") == before
    assert len(before) == 16


def test_an_adapter_changes_the_fingerprint(model: Path, tmp_path: Path) -> None:
    """The adapter's weights count."""
    memo = tmp_path / "memo.json"
    adapter = folder_of(tmp_path / "a", "adapter_config.json", "adapter_model.safetensors")
    one = fingerprint(Checkpoint("m", "m", model, adapter), memo)
    (adapter / "adapter_model.safetensors").write_text("others")
    assert len({one, fingerprint(Checkpoint("m", "m", model, adapter), memo),
                fingerprint(Checkpoint("m", "m", model), memo)}) == 3  # fmt: skip


def test_weights_are_read_once(model: Path, tmp_path: Path) -> None:
    """A file of known path, size and time is not read again; another time is another file."""
    memo = tmp_path / "memo.json"
    checkpoint = Checkpoint("m", "m", model)
    before = fingerprint(checkpoint, memo)
    weights = model / "model-00001.safetensors"
    stat = weights.stat()
    weights.write_bytes(b"?" * stat.st_size)
    os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert fingerprint(checkpoint, memo) == before
    os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert fingerprint(checkpoint, memo) != before


def test_young_files_are_read_every_time(model: Path, tmp_path: Path) -> None:
    """A file written just now may change within its time stamp: nothing is kept of it."""
    memo = tmp_path / "memo.json"
    weights = model / "model-00001.safetensors"
    weights.write_text("just trained")
    stat = weights.stat()
    before = fingerprint(Checkpoint("m", "m", model), memo)
    weights.write_text("trained more")
    os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert fingerprint(Checkpoint("m", "m", model), memo) != before


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 3}', "\udcff", "[" * 100_000])
def test_a_broken_memo_costs_time_only(model: Path, tmp_path: Path, text: str) -> None:
    """Whatever the memo holds, the fingerprint is right, and the memo is whole afterwards."""
    memo = tmp_path / "memo.json"
    checkpoint = Checkpoint("m", "m", model)
    wanted = fingerprint(checkpoint, tmp_path / "other.json")
    memo.write_bytes(text.encode(errors="surrogateescape"))
    assert fingerprint(checkpoint, memo) == wanted
    assert len(read_memo(memo)) == 6


def test_a_memo_that_cannot_be_kept(model: Path, tmp_path: Path) -> None:
    """Below a file there is no folder: nothing is kept, and nothing breaks."""
    (tmp_path / "file").write_text("")
    memo = tmp_path / "file" / "memo.json"
    checkpoint = Checkpoint("m", "m", model)
    assert fingerprint(checkpoint, memo) == fingerprint(checkpoint, tmp_path / "memo.json")


def test_a_dangling_file_is_named(model: Path, tmp_path: Path) -> None:
    """A link to weights that are gone is told by its path."""
    link = model / "model-00003.safetensors"
    link.symlink_to(tmp_path / "gone")
    with pytest.raises(BackendError) as raised:
        fingerprint(Checkpoint("m", "m", model), tmp_path / "memo.json")
    assert str(raised.value) == f"{link} cannot be read: No such file or directory"


# The Hub


@dataclass
class Hub:
    """What the Hub answers on the loopback: files by revision, and refusals."""

    endpoint: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    status: int = 200
    code: str = ""
    message: str = ""
    files_gated: bool = False
    asked: list[str] = field(default_factory=list)

    def refuse(self, status: int, code: str = "", message: str = "") -> None:
        """Answer everything with this status, X-Error-Code and X-Error-Message."""
        self.status, self.code, self.message = status, code, message


class _Answering(BaseHTTPRequestHandler):
    """Answers as the Hub does, from what `hub` holds."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, content: object) -> None:
        self._send(200, json.dumps(content).encode(), Content_Type="application/json")

    def _refused(self, status: int, code: str, message: str) -> None:
        body = json.dumps({"error": message or code}).encode()
        self._send(status, body, X_Error_Code=code, X_Error_Message=message)

    def do_GET(self) -> None:
        hub = self.hub
        hub.asked.append(self.path)
        path = self.path.partition("?")[0]
        if hub.status != 200:
            self._refused(hub.status, hub.code, hub.message)
        elif path.startswith(f"/api/models/{ID}/tree/"):
            files = [
                {"type": "file", "path": name, "size": len(content), "oid": SHA}
                for name, content in hub.files.items()
            ]
            self._json(files)
        elif path in (f"/api/models/{ID}/revision/main", f"/api/models/{ID}/revision/v2"):
            self._json({"id": ID, "sha": SHA, "siblings": [{"rfilename": n} for n in hub.files]})
        elif path.startswith(f"/{ID}/resolve/"):
            self._file(path.removeprefix(f"/{ID}/resolve/").partition("/")[2])
        else:
            self._refused(404, "RevisionNotFound", "Invalid rev id")

    do_HEAD = do_GET  # noqa: N815

    def _file(self, name: str) -> None:
        if self.hub.files_gated:
            self._refused(403, "GatedRepo", "Access to model is restricted")
            return
        content = self.hub.files[name]
        etag = hashlib.sha256(content).hexdigest()
        self._send(200, content, X_Repo_Commit=SHA, ETag=f'"{etag}"')

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A stand-in of the Hub on the loopback."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Answering,), {"hub": hub}))
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield hub
    server.shutdown()
    server.server_close()


@dataclass(frozen=True)
class Machine:
    """A machine with a Hub cache of its own; the Hub's client reads its settings at import."""

    home: Path
    endpoint: str

    def find(self, model: str, **env: str) -> str:
        """The folder's files, or the error, as another process finds them."""
        code = (
            "import sys\n"
            "from harness.checkpoints import find_checkpoint\n"
            "from harness.errors import BackendError\n"
            "try:\n"
            "    found = find_checkpoint(sys.argv[1])\n"
            "    print(found.label, *[file.name for file in found.files()])\n"
            "except BackendError as error:\n"
            "    print(error)\n"
        )
        kept = {name: text for name, text in os.environ.items() if not name.startswith("HF_")}
        own = {"HF_HOME": str(self.home), "HF_ENDPOINT": self.endpoint, "NO_PROXY": "127.0.0.1"}
        done = subprocess.run(
            [sys.executable, "-c", code, model],
            env=kept | own | {"HF_HUB_DISABLE_XET": "1"} | env,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "Traceback" not in done.stderr
        return done.stdout.rstrip("\n")


@pytest.fixture
def machine(hub: Hub, tmp_path: Path) -> Machine:
    """A machine whose Hub is the stand-in."""
    pytest.importorskip("huggingface_hub")
    return Machine(tmp_path / "hf", hub.endpoint)


OFFLINE = (
    "is no folder here, and not (or not wholly) in the Hub's cache on this machine, and the Hub "
    "cannot be reached (no network, or HF_HUB_OFFLINE is set); download it once where there is a "
    f"network (`hf download {ID}`), or name the folder that holds it"
)
NOBODY = {"HF_ENDPOINT": "http://127.0.0.1:9"}
FILES = {
    "config.json": b"{}",
    "model.safetensors": b"weights",
    "chat_template.jinja": b"template",
    "pytorch_model.bin": b"pickled",
    "README.md": b"card",
    "additional_chat_templates/tool_use.jinja": b"template for tools",
    "checkpoint-500/model.safetensors": b"weights of a step",
    "onnx/config.json": b"{}",
}


def test_a_model_is_downloaded_once(hub: Hub, machine: Machine) -> None:
    """What is needed comes from the Hub, the rest does not; without a network it is still there."""
    hub.files = FILES
    wanted = f"{ID} config.json chat_template.jinja model.safetensors tool_use.jinja"
    assert machine.find(ID) == wanted
    unwanted = ("pytorch_model.bin", "README", "checkpoint-500", "onnx")
    assert not any(name in path for path in hub.asked for name in unwanted)
    assert machine.find(ID, HF_HUB_OFFLINE="1") == wanted
    assert machine.find(ID, **NOBODY) == wanted


def test_a_revision(hub: Hub, machine: Machine) -> None:
    """`ID@REVISION` asks for that revision, and the label keeps it; a slash in it is no matter."""
    hub.files = FILES
    found = machine.find(f"{ID}@v2")
    assert found == f"{ID}@v2 config.json chat_template.jinja model.safetensors tool_use.jinja"
    assert any("/revision/v2" in path for path in hub.asked)
    assert machine.find(f"{ID}@v3") == f"model {ID}@v3 has no revision 'v3'"
    assert machine.find(f"{ID}@pr/3") == f"model {ID}@pr/3 has no revision 'pr/3'"


def test_an_adapter_on_the_hub(hub: Hub, machine: Machine) -> None:
    """An adapter is named by its folder: who names one of the Hub's is told how to have it."""
    hub.files = {"adapter_config.json": b"{}", "adapter_model.safetensors": b"weights"}
    assert machine.find(ID).endswith(
        " holds no config.json, so it is no model; it is a PEFT adapter: name it as the adapter, "
        "and the model it was made for as model. An adapter is named by its folder: hf download "
        f"{ID} --local-dir DIR"
    )
    assert said("mini", ID) == (
        f"adapter {ID}: no folder with an adapter_config.json; from the Hub it is to be "
        f"downloaded first: hf download {ID} --local-dir DIR"
    )


GATED = (
    f"model {ID} is gated: accept its licence at https://huggingface.co/{ID} with your account, "
    "then log in with `hf auth login` (or set HF_TOKEN) and run again"
)


@pytest.mark.parametrize("status", [401, 403])
def test_a_gated_repository(hub: Hub, machine: Machine, status: int) -> None:
    """Not logged in, or not let in: accept the licence and log in."""
    hub.refuse(status, "GatedRepo", "Access to model is restricted")
    assert machine.find(ID) == GATED


def test_gated_files(hub: Hub, machine: Machine) -> None:
    """A gated repository lists its files for everybody, and refuses to send them: the same."""
    hub.files = FILES
    hub.files_gated = True
    assert machine.find(ID) == GATED


@pytest.mark.parametrize(("status", "code"), [(404, "RepoNotFound"), (401, "RepoNotFound")])
def test_no_such_repository(hub: Hub, machine: Machine, status: int, code: str) -> None:
    """A wrong id, or a private repository: the Hub does not tell which."""
    hub.refuse(status, code, "Repository not found")
    assert machine.find(ID) == (
        f"model {ID} is no folder here, and not on the Hub under this id, or is private and you "
        "are not logged in (`hf auth login`); look the id up on its page"
    )


def test_a_bad_token(hub: Hub, machine: Machine) -> None:
    """A token that the Hub does not know is told as that."""
    hub.refuse(401, message="Invalid credentials in Authorization header")
    assert machine.find(ID) == (
        f"model {ID} is refused by the Hub (401): the token in use (HF_TOKEN, or `hf auth login`) "
        "is not valid, or may not read it; `hf auth whoami` shows whose it is"
    )


def test_a_hub_in_trouble(hub: Hub, machine: Machine) -> None:
    """The Hub answers, but not with files."""
    hub.refuse(500, message="Internal error")
    assert machine.find(ID) == (
        f"model {ID} could not be downloaded: the Hub answered 500; try again later"
    )


def test_no_network(machine: Machine) -> None:
    """Nobody listens, or the client was told to stay offline: download it elsewhere."""
    assert machine.find(ID, **NOBODY) == f"model {ID} {OFFLINE}"
    assert machine.find(ID, HF_HUB_OFFLINE="1") == f"model {ID} {OFFLINE}"
    revised = OFFLINE.replace(f"download {ID}`", f"download {ID} --revision v2`")
    assert machine.find(f"{ID}@v2", HF_HUB_OFFLINE="1") == f"model {ID}@v2 {revised}"


def test_an_id_that_cannot_be_one(machine: Machine) -> None:
    """The Hub's rules for ids are the Hub's to tell."""
    found = machine.find("my models/gemma!")
    assert found.startswith("model my models/gemma! is no Hub id: ")
    assert "\n" not in found


def test_no_libraries(tmp_path: Path) -> None:
    """Without the Hub's client the message says what to install."""
    code = (
        "import sys; sys.modules['huggingface_hub'] = None\n"
        "from harness.checkpoints import find_checkpoint\n"
        "try: find_checkpoint('a/b')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "BackendError the libraries that run a model are not installed: "
        "pip install 'callgate[models]'\n"
    )
