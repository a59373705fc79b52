"""From a model's name to the folder that holds it: mini, a folder, or a download from the Hub."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.errors import BackendError
from harness.options import MODEL_CHOICES

MINI: Final = Path(__file__).with_name("mini")
_WANTED: Final = ("*.json", "*.jinja", "*.safetensors", "tokenizer.model")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model on this disk. `label` names it for people and says "stand-in" of mini."""

    name: str
    label: str
    folder: Path
    adapter: Path | None = None

    def files(self) -> list[Path]:
        """Every file that can change a reply, weights and adapter included, sorted."""
        folders = [self.folder, *([self.adapter] if self.adapter else [])]
        return [file for folder in folders for w in _WANTED for file in sorted(folder.glob(w))]


def find_checkpoint(model: str, adapter: str | None = None) -> Checkpoint:
    """Find the model, from the Hub if need be; `ID@REVISION` names a revision of a Hub model.

    Raises:
        BackendError: it cannot be had, and what to do about that.
    """
    folder = _folder(model)
    if not (folder / "config.json").is_file():
        raise BackendError(f"model {model}: {folder} holds no config.json, so it is no model")
    if not any(folder.glob("*.safetensors")):
        raise BackendError(
            f"model {model}: {folder} holds no *.safetensors; callgate loads no other format "
            "(pickled weights can run code): save the model again with save_pretrained"
        )
    label = "mini (stand-in for FunctionGemma)" if folder == MINI else model
    if adapter is None:
        return Checkpoint(model, label, folder)
    if not (Path(adapter) / "adapter_config.json").is_file():
        raise BackendError(f"adapter {adapter}: no folder with an adapter_config.json")
    return Checkpoint(model, f"{label} + adapter {adapter}", folder, Path(adapter))


def _folder(model: str) -> Path:
    if model == "mini":
        return MINI
    if Path(model).is_dir():
        return Path(model)
    if model.startswith(("/", "./", "../", "~")) or model.count("/") != 1:
        raise BackendError(
            f"model {model!r}: no such folder, and no Hub id; a model is\n{MODEL_CHOICES}"
        )
    return _from_hub(model)


def _from_hub(model: str) -> Path:
    """The snapshot of a Hub model, downloaded where it is not yet in the Hub's own cache."""
    try:
        from huggingface_hub import errors, snapshot_download
    except ImportError:
        raise BackendError(MISSING_LIBRARIES) from None
    repo, _, revision = model.partition("@")
    try:
        return Path(
            snapshot_download(repo, revision=revision or None, allow_patterns=list(_WANTED))
        )
    except errors.GatedRepoError:
        reason = (
            f"is gated: accept its licence at https://huggingface.co/{repo} with your account, "
            "then log in with `hf auth login` (or set HF_TOKEN) and run again"
        )
    except errors.RepositoryNotFoundError:
        reason = (
            "is not on the Hub under this id, or is private and you are not logged in "
            "(`hf auth login`); look the id up on its page"
        )
    except errors.RevisionNotFoundError:
        reason = f"has no revision {revision!r}"
    except errors.HFValidationError as error:
        reason = f"is no Hub id: {error}"
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, OSError):
        reason = (
            "is not in the Hub's cache on this machine, and the Hub cannot be reached "
            "(no network, or HF_HUB_OFFLINE is set); download it once where there is a network "
            f"(`hf download {repo}`), or name the folder that holds it"
        )
    except errors.HfHubHTTPError as error:
        reason = f"could not be downloaded: {error}"
    raise BackendError(f"model {model} {reason}")


MISSING_LIBRARIES: Final = (
    "the libraries that run a model are not installed: pip install 'callgate[models]'"
)


def fingerprint(checkpoint: Checkpoint, memo: Path) -> str:
    """16 hex digits over the content of every file of the checkpoint.

    Digests are kept in the file `memo` by path, size and time, so that weights are read once.
    """
    known = read_memo(memo)
    fresh: dict[str, str] = {}
    parts = []
    for file in checkpoint.files():
        stat = file.stat()
        key = f"{file.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
        fresh[key] = known.get(key) or _digest(file)
        parts.append(f"{file.name}:{fresh[key]}")
    if any(key not in known for key in fresh):
        write_memo(memo, {**known, **fresh})
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def read_memo(memo: Path) -> dict[str, str]:
    """What was found out before, by key; empty where nothing was kept."""
    try:
        known = json.loads(memo.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def write_memo(memo: Path, found: dict[str, str]) -> None:
    """Keep what was found out, if the disk lets us; without it only time is lost."""
    part = memo.with_suffix(f".{os.getpid()}.part")
    try:
        memo.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(found), encoding="utf-8")
        part.replace(memo)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
