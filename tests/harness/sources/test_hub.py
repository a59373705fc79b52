"""Data sets of the Hub, as its own client meets them on the loopback, and the files of a split."""

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
from typing import Any

import pytest

from harness.sources.hub import hub_files, split_files
from harness.spec_files.strict_yaml import FileRefused

SHA = "d" * 40
ID = "someone/asks"
NOBODY = {"HF_ENDPOINT": "http://127.0.0.1:9"}


@dataclass
class Hub:
    """What the Hub answers: files, the card's configurations, and refusals."""

    endpoint: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    configs: Any = None
    status: int = 200
    code: str = ""
    asked: list[str] = field(default_factory=list)


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refused(self, status: int, code: str) -> None:
        self._send(status, json.dumps({"error": code}).encode(), X_Error_Code=code)

    def do_GET(self) -> None:
        hub, path = self.hub, self.path.partition("?")[0]
        hub.asked.append(path)
        if hub.status != 200:
            self._refused(hub.status, hub.code)
        elif path in (f"/api/datasets/{ID}", f"/api/datasets/{ID}/revision/v2"):
            card = {"configs": hub.configs} if hub.configs else {}
            siblings = [{"rfilename": name} for name in hub.files]
            body = {"id": ID, "sha": SHA, "siblings": siblings, "cardData": card}
            self._send(200, json.dumps(body).encode(), Content_Type="application/json")
        elif path.startswith(f"/datasets/{ID}/resolve/{SHA}/"):
            content = hub.files[path.removeprefix(f"/datasets/{ID}/resolve/{SHA}/")]
            etag = hashlib.sha256(content).hexdigest()
            self._send(200, content, X_Repo_Commit=SHA, ETag=f'"{etag}"')
        else:
            self._refused(404, "RevisionNotFound")

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A stand-in of the Hub on the loopback."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Answering,), {"hub": hub}))
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield hub
    server.shutdown()
    server.server_close()


def row(prompt: str) -> bytes:
    """A row with a question and an answer."""
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": "No."}]
    return json.dumps({"messages": turns}).encode() + b"\n"


CODE = """
import sys
from pathlib import Path
from harness.loading import load_spec
found = load_spec(Path("a.spec.yaml"))
for problem in found.problems:
    print(str(problem).split("\\n")[0])
if found.spec:
    print(found.spec.digest, found.spec.source.place)
    print([(case.prompt, str(case.location)) for case in found.spec.cases])
"""


@dataclass(frozen=True)
class Machine:
    """A machine with a Hub cache of its own; the Hub's client reads its settings at import."""

    home: Path
    endpoint: str

    def load(self, more: str = "", **env: str) -> list[str]:
        """What another process finds with this `source:`: problems, or digest, place and cases."""
        text = f"source: {{format: openai, hub: {ID}{more}}}\n"
        (self.home / "a.spec.yaml").write_text(text)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        own = {"HF_HOME": str(self.home / "hf"), "HF_ENDPOINT": self.endpoint}
        own |= {"NO_PROXY": "127.0.0.1", "HF_HUB_DISABLE_XET": "1"}
        done = subprocess.run(
            [sys.executable, "-c", CODE], cwd=self.home, env=kept | own | env,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        return done.stdout.splitlines()


@pytest.fixture
def machine(hub: Hub, tmp_path: Path) -> Machine:
    """A machine whose Hub is the stand-in."""
    pytest.importorskip("huggingface_hub")
    return Machine(tmp_path, hub.endpoint)


def test_a_data_set_is_downloaded_once(hub: Hub, machine: Machine) -> None:
    """Only the split's files are fetched; offline, and with nobody there, they are read again."""
    hub.files = {
        "data/train-00000.jsonl": row("a"),
        "data/train-00001.jsonl": row("b"),
        "data/test.jsonl": row("c"),
        "README.md": b"card",
    }
    online = machine.load()
    place = f"hub:{ID}/data/train"
    assert online[0].endswith(f" hub:{ID}@{SHA[:12]}")
    assert online[1] == str([("a", f"{place}-00000.jsonl:1"), ("b", f"{place}-00001.jsonl:1")])
    assert not any("test" in path or "README" in path for path in hub.asked)
    assert machine.load(HF_HUB_OFFLINE="1") == online
    assert machine.load(**NOBODY) == online
    assert machine.load(f", revision: {SHA}", HF_HUB_OFFLINE="1")[1] == online[1]
    assert machine.load(", hub_split: test")[1] == str([("c", f"hub:{ID}/data/test.jsonl:1")])


def test_the_card_says_which_files_are_a_splits(hub: Hub, machine: Machine) -> None:
    """Its patterns come first, online and from the cache; the digest knows which were read."""
    card = "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n"
    card += "    path: raw/x*.jsonl\n---\n"
    hub.files = {"raw/x1.jsonl": row("a"), "train.jsonl": row("b"), "README.md": card.encode()}
    files = [{"split": "train", "path": "raw/x*.jsonl"}]
    hub.configs = [{"config_name": "default", "data_files": files}]
    online = machine.load()
    assert online[1] == str([("a", f"hub:{ID}/raw/x1.jsonl:1")])
    assert machine.load(HF_HUB_OFFLINE="1") == online


def said(what: str, hint: str) -> list[str]:
    """The problem of the spec's data set, in full."""
    return [f"a.spec.yaml:1:31: source.hub: the data set '{ID}' {what} ({hint})"]


PAGE = f"https://huggingface.co/datasets/{ID}"
LOGIN = "log in with `hf auth login` (or set HF_TOKEN) and run again"


def test_revisions(hub: Hub, machine: Machine) -> None:
    """A revision is asked for by name; one that is not there is said."""
    hub.files = {"train.jsonl": row("a")}
    assert machine.load(", revision: v2")[1] == str([("a", f"hub:{ID}/train.jsonl:1")])
    assert machine.load(", revision: v3") == said("has no revision 'v3'", f"look it up at {PAGE}")


@pytest.mark.parametrize("revision", ["../../x", "/etc", "a/../../b", "..", "a\\..\\b", "\\\\x"])
def test_a_revision_is_no_way_out_of_the_cache(revision: str) -> None:
    """One that would make a path outside the data set's folder is refused before it is used."""
    with pytest.raises(FileRefused) as raised:
        hub_files(ID, revision, "train")
    assert raised.value.what == f"has no revision {revision!r}"
    assert raised.value.hint == f"look it up at {PAGE}"


@pytest.mark.parametrize(
    ("status", "code", "what", "hint"),
    [
        (
            403,
            "GatedRepo",
            "is gated",
            f"accept its terms at {PAGE} with your account, then {LOGIN}",
        ),
        (
            404,
            "RepoNotFound",
            "is not on the Hub under this id, or is private and you are not logged in",
            f"look it up at {PAGE}, or {LOGIN}",
        ),
        (403, "", "could not be downloaded: the Hub answered 403", LOGIN),
        (500, "", "could not be downloaded: the Hub answered 500", "try again later"),
    ],
)  # fmt: skip
def test_refusals(hub: Hub, machine: Machine, status: int, code: str, what: str, hint: str) -> None:
    """Gated, unknown, refused, broken: each in words, with what to do."""
    hub.status, hub.code = status, code
    assert machine.load() == said(what, hint)


def test_nobody_answers_and_nothing_is_cached(machine: Machine) -> None:
    """Without a network a data set that was never fetched is said to be missing."""
    hint = (
        "no network, or HF_HUB_OFFLINE is set: download it once where there is a network "
        f"(`hf download --repo-type dataset {ID}`), or name its file by `path`"
    )
    what = "is not in the Hub's cache on this machine, and the Hub cannot be reached"
    assert machine.load(HF_HUB_OFFLINE="1") == said(what, hint)
    assert machine.load(**NOBODY) == said(what, hint)


# The files of a split


@pytest.mark.parametrize(
    ("names", "split", "files"),
    [
        (["dataset.jsonl", "README.md"], "train", ["dataset.jsonl"]),
        (["a.jsonl", "b.jsonl"], "train", ["a.jsonl", "b.jsonl"]),
        (["train.csv", "test.csv"], "train", ["train.csv"]),
        (["train.csv", "eval.csv"], "test", ["eval.csv"]),
        (["data/training-1.parquet", ".x/train.json"], "train", ["data/training-1.parquet"]),
        (["train2.jsonl", "constraint.jsonl"], "train", ["train2.jsonl"]),
        (["extra.json", "my_extra.json"], "extra", ["extra.json", "my_extra.json"]),
    ],
)
def test_files_by_their_names(names: list[str], split: str, files: list[str]) -> None:
    """A split's word in the name; without any such word all files are the training split."""
    assert split_files(names, None, split) == files


@pytest.mark.parametrize(
    ("configs", "files"),
    [
        ([{"config_name": "a", "data_files": "x/*.json"}], ["x/1.json"]),
        ([{"config_name": "a", "data_files": [{"split": "train", "path": ["x/*", "y.json"]}]}],
         ["x/1.json", "y.json"]),
        ([{"config_name": "a", "data_files": "y.json"},
          {"config_name": "b", "default": True, "data_files": "x/1.json"}], ["x/1.json"]),
        ([{"config_name": "a", "data_files": "y.json"}, {"config_name": "b"}],
         ["x/1.json", "y.json"]),
        ("nonsense", ["x/1.json", "y.json"]),
    ],
)  # fmt: skip
def test_files_by_the_card(configs: Any, files: list[str]) -> None:
    """The default configuration's patterns; two without a default say nothing."""
    assert split_files(["x/1.json", "y.json"], configs, "train") == files


def test_splits_that_are_not_there() -> None:
    """The data files are listed."""
    with pytest.raises(FileRefused) as raised:
        split_files(["train.csv", "README.md"], None, "test")
    assert raised.value.what == "has no data file of the split 'test'"
    assert raised.value.hint == "its data files: train.csv"
    with pytest.raises(FileRefused) as raised:
        split_files(["a.csv", "a.jsonl"], None, "train")
    assert raised.value.what == "has files of several kinds for the split 'train'"
