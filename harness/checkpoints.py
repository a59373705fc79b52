"""From a model's name to the folder that holds it: mini, a folder, or a download from the Hub."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.errors import BackendError, UsageError, first_line
from harness.memo import read_memo, write_memo
from harness.options import MODEL_CHOICES

MINI: Final = Path(__file__).with_name("mini")
MISSING_LIBRARIES: Final = (
    "the libraries that run a model are not installed: pip install 'callgate[models]'"
)
_WANTED: Final = ("*.json", "*.jinja", "*.safetensors", "tokenizer.model")
_DEEPER: Final = ("*/*.json", "*/*.safetensors")
"""The Hub's patterns match across folders: checkpoints of a training, another format's weights."""
_DOWNLOAD: Final = "hf download {} --local-dir DIR"
TEMPLATES: Final = "additional_chat_templates"
"""A folder of further chat templates, of which transformers prefers `tool_use` for tools."""
_PICKLED: Final = (
    "callgate loads no other format (pickled weights can run code): save it again with "
    "save_pretrained"
)
_TOKENIZER_CONFIG: Final = "tokenizer_config.json"
_SETTLED_SECONDS: Final = 2
"""A file younger than this may be written again within one tick of its disk's clock."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model on this disk. `label` names it for people and says "stand-in" of mini."""

    name: str
    label: str
    folder: Path
    adapter: Path | None = None

    def files(self) -> list[Path]:
        """Every file that can change a reply, weights and adapter included, in a fixed order."""
        folders = [self.folder, *([self.adapter] if self.adapter else [])]
        wanted = (*_WANTED, f"{TEMPLATES}/*.jinja")
        return [file for folder in folders for w in wanted for file in sorted(folder.glob(w))]

    def stamps(self) -> list[tuple[str, int, int]]:
        """Every file's path, size and time: what differs where one was written anew."""
        stats = [(file, file.stat()) for file in self.files()]
        return [(str(file), stat.st_size, stat.st_mtime_ns) for file, stat in stats]

    def tells_the_time(self) -> bool:
        """Whether a chat template asks for the date: prompts then change from day to day."""
        named = [f for f in self.files() if f.suffix == ".jinja" or f.name == _TOKENIZER_CONFIG]
        return any(b"strftime_now" in file.read_bytes() for file in named)


def place_in_folder(file: Path) -> str:
    """A file's name in its checkpoint's folder, with `/` where it lies deeper."""
    return f"{TEMPLATES}/{file.name}" if file.parent.name == TEMPLATES else file.name


def find_checkpoint(model: str, adapter: str | None = None) -> Checkpoint:
    """Find the model, from the Hub if need be; `ID@REVISION` names a revision of a Hub model.

    Raises:
        BackendError: it cannot be had, and what to do about that.
        UsageError: what is named cannot be read.
    """
    try:
        return _found(model, adapter)
    except OSError as error:
        which = f"model {model}" + (f" or adapter {adapter}" if adapter else "")
        raise UsageError(f"{which}: cannot be read: {error.strerror or error}") from None


def _found(model: str, adapter: str | None) -> Checkpoint:
    folder = _folder(model)
    _check_model(model, folder)
    is_mini = folder.resolve() == MINI.resolve()  # by whatever path
    label = "mini (stand-in for FunctionGemma)" if is_mini else model
    if adapter is None:
        return Checkpoint(model, label, folder)
    return Checkpoint(model, f"{label} + adapter {adapter}", folder, _adapter_folder(adapter))


def _check_model(model: str, folder: Path) -> None:
    has_adapter = (folder / "adapter_config.json").is_file()
    if not (folder / "config.json").is_file():
        hint = (
            "; it is a PEFT adapter: name it as the adapter, and the model it was made for as model"
        )
        if Path(model).expanduser() != folder:
            hint += (
                f". An adapter is named by its folder: {_DOWNLOAD.format(model.partition('@')[0])}"
            )
        raise BackendError(
            f"model {model}: {folder} holds no config.json, so it is no model"
            f"{hint if has_adapter else ''}"
        )
    if has_adapter:
        raise BackendError(
            f"model {model}: {folder} holds a model and an adapter (adapter_config.json), which "
            "may belong to another model: move the adapter to a folder of its own"
        )
    if not any(folder.glob("*.safetensors")):
        raise BackendError(f"model {model}: {folder} holds no *.safetensors; {_PICKLED}")


def _adapter_folder(adapter: str) -> Path:
    folder = Path(adapter)
    with suppress(RuntimeError):  # nobody's home
        folder = folder.expanduser()
    if not (folder / "adapter_config.json").is_file():
        id_ = adapter.count("/") == 1 and not adapter.startswith((".", "/", "~"))
        hint = f"; from the Hub it is to be downloaded first: {_DOWNLOAD.format(adapter)}"
        raise BackendError(
            f"adapter {adapter}: no folder with an adapter_config.json{hint if id_ else ''}"
        )
    if not (folder / "adapter_model.safetensors").is_file():
        raise BackendError(f"adapter {adapter} holds no adapter_model.safetensors; {_PICKLED}")
    return folder


def _folder(model: str) -> Path:
    if model == "mini":
        return MINI
    with suppress(OSError, RuntimeError):  # a name longer than any file's; nobody's home
        folder = Path(model).expanduser()
        if folder.is_dir():
            return folder
        if folder.is_file():
            raise BackendError(
                f"model {model!r} is a file: for the replies in it write replay:{model}; a model "
                f"is\n{MODEL_CHOICES}"
            )
    repo, _, revision = model.partition("@")
    if model.startswith(("/", "./", "../", "~")) or repo.count("/") != 1:
        raise BackendError(
            f"model {model!r}: no such folder, and no Hub id; a model is\n{MODEL_CHOICES}"
        )
    return _from_hub(repo, revision)


def _from_hub(repo: str, revision: str) -> Path:
    """The snapshot of a Hub model, downloaded where it is not yet in the Hub's own cache."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise BackendError(MISSING_LIBRARIES) from None
    try:
        snapshot = snapshot_download(
            repo,
            revision=revision or None,
            allow_patterns=list(_WANTED),
            ignore_patterns=list(_DEEPER),
        )
        return Path(snapshot)
    except Exception as error:
        # Not narrower: below the Hub's own errors lie those of its HTTP client, of its download
        # threads and of the disk, and they change with its versions.
        name = f"model {repo}@{revision}" if revision else f"model {repo}"
        raise BackendError(f"{name} {_hub_reason(error, repo, revision)}") from None


def _hub_reason(error: BaseException, repo: str, revision: str) -> str:
    """What the Hub's client met, and what to do about it."""
    from huggingface_hub import errors

    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, errors.GatedRepoError):
            return (
                f"is gated: accept its licence at https://huggingface.co/{repo} with your account, "
                "then log in with `hf auth login` (or set HF_TOKEN) and run again"
            )
        if isinstance(cause, errors.RepositoryNotFoundError):
            return (
                "is no folder here, and not on the Hub under this id, or is private and you are "
                "not logged in (`hf auth login`); look the id up on its page"
            )
        if isinstance(cause, errors.RevisionNotFoundError):
            return f"has no revision {revision!r}"
        if isinstance(cause, errors.HFValidationError):
            return f"is no Hub id: {first_line(cause)}"
        if isinstance(cause, errors.HfHubHTTPError):
            return _refusal(cause)
    if any(_is_offline(cause) for cause in causes):
        version = f" --revision {revision}" if revision else ""
        return (
            "is no folder here, and not (or not wholly) in the Hub's cache on this machine, and "
            "the Hub cannot be reached (no network, or HF_HUB_OFFLINE is set); download it once "
            f"where there is a network (`hf download {repo}{version}`), or name the folder that "
            "holds it"
        )
    return f"could not be downloaded: {first_line(error)}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from, outermost first."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _refusal(error: Exception) -> str:
    """A status that the Hub has no error of its own for."""
    status = getattr(getattr(error, "response", None), "status_code", "an error")
    if status in (401, 403):
        return (
            f"is refused by the Hub ({status}): the token in use (HF_TOKEN, or `hf auth login`) is "
            "not valid, or may not read it; `hf auth whoami` shows whose it is"
        )
    return f"could not be downloaded: the Hub answered {status}; try again later"


def _is_offline(error: BaseException) -> bool:
    """Whether the error says that nobody answered; by name, as the HTTP client may change."""
    words = ("Connect", "Timeout", "OfflineMode", "LocalEntryNotFound", "IncompleteSnapshot")
    return isinstance(error, ConnectionError) or type(error).__name__.startswith(words)


def fingerprint(checkpoint: Checkpoint, memo: Path) -> str:
    """16 hex digits over the content of every file of the checkpoint.

    Digests are kept in the file `memo` by path, size and time, so that weights are read once.

    Raises:
        BackendError: a file cannot be read.
    """
    known = read_memo(memo)
    fresh: dict[str, str] = {}
    parts = []
    for file in checkpoint.files():
        try:
            stat = file.stat()
            key = f"{file.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
            digest = known.get(key) or _digest(file)
        except OSError as error:
            raise BackendError(f"{file} cannot be read: {error.strerror}") from None
        if key not in known and time.time() - stat.st_mtime > _SETTLED_SECONDS:
            fresh[key] = digest
        parts.append(f"{place_in_folder(file)}:{digest}")
    if fresh:
        write_memo(memo, fresh)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
