"""A data set of the Hub → the files of one split, in the Hub's own cache, and their commit.

Which files are a split's: what the data set's card says (`configs`), else their names, as
https://huggingface.co/docs/hub/datasets-data-files-configuration has it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from harness.cases import Json
from harness.errors import first_line
from harness.spec_files.strict_yaml import FileRefused

SUFFIXES: Final = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
"""The ends of the names of data files that callgate reads."""
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_NOT_INSTALLED: Final = "pip install 'callgate[models]', or download its file and name it by `path`"


@dataclass(frozen=True)
class HubFiles:
    """The files of a split: their names in the repository and where they lie on this disk."""

    repo: str
    commit: str
    files: tuple[tuple[str, Path], ...]


@dataclass(frozen=True)
class _Listing:
    """What a repository holds at a commit."""

    commit: str
    names: tuple[str, ...]
    configs: Json


def hub_files(repo: str, revision: str | None, split: str) -> HubFiles:
    """The files of a split of a data set, downloaded where they are not in the Hub's cache yet.

    Raises FileRefused where they cannot be had, with what to do about it.
    """
    if revision is not None and _leads_away(revision):
        raise _no_revision(repo, revision)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        what = "is on the Hub, and huggingface_hub is not installed"
        raise FileRefused(what, _NOT_INSTALLED) from None
    try:
        listing = _listing(repo, revision)
        names = split_files(listing.names, listing.configs, split)
        files = [
            (name, hf_hub_download(repo, name, repo_type="dataset", revision=listing.commit))
            for name in names
        ]
        _remember(repo, revision, listing.commit)
    except FileRefused:
        raise
    except Exception as error:
        # Not narrower: below the Hub's own errors lie those of its HTTP client and of the disk,
        # and they change with its versions.
        raise _refused(error, repo, revision) from None
    return HubFiles(repo, listing.commit, tuple((name, Path(path)) for name, path in files))


def _listing(repo: str, revision: str | None) -> _Listing:
    """The repository as the Hub lists it, or as the cache has it where nobody answers."""
    from huggingface_hub import HfApi, hf_hub_download

    try:
        info = HfApi().dataset_info(repo, revision=revision)
    except Exception as error:
        cached = _cached(repo, revision) if any(map(_is_offline, _causes(error))) else None
        if cached is None:
            raise
        return cached
    names = tuple(sibling.rfilename for sibling in info.siblings or ())
    configs = getattr(info.card_data, "configs", None)
    if configs and "README.md" in names:  # so that the split is found without a network
        hf_hub_download(repo, "README.md", repo_type="dataset", revision=info.sha)
    return _Listing(str(info.sha), names, configs)


def _in_cache(repo: str) -> Path:
    """The folder of a data set in the Hub's cache, whose layout huggingface_hub documents."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"datasets--{repo.replace('/', '--')}"


def _remember(repo: str, revision: str | None, commit: str) -> None:
    """Note in the cache which commit a revision was, as a download by its name does."""
    if revision == commit:
        return
    ref = _in_cache(repo) / "refs" / (revision or "main")
    with suppress(OSError):  # a cache that is read-only costs the way back offline, no more
        if not ref.is_file() or ref.read_text() != commit:
            ref.parent.mkdir(parents=True, exist_ok=True)
            ref.write_text(commit)


def _cached(repo: str, revision: str | None) -> _Listing | None:
    """What the Hub's cache holds of a data set."""
    from huggingface_hub import DatasetCard

    folder, name = _in_cache(repo), revision or "main"
    ref = folder / "refs" / name
    commit = ref.read_text().strip() if ref.is_file() else name
    snapshot = folder / "snapshots" / commit
    if not snapshot.is_dir():
        return None
    names = [file.relative_to(snapshot).as_posix() for file in sorted(snapshot.rglob("*"))]
    card = snapshot / "README.md"
    configs = getattr(DatasetCard.load(card).data, "configs", None) if card.is_file() else None
    return _Listing(commit, tuple(names), configs)


def split_files(names: Sequence[str], configs: Json, split: str) -> list[str]:
    """The data files of a split, by the card's `configs`, else by their names; sorted.

    Raises FileRefused where there is none.
    """
    data = sorted(name for name in names if name.lower().endswith(SUFFIXES) and _visible(name))
    chosen = [
        name for name in data if any(fnmatch(name, p) for p in _patterns(configs, split))
    ] or _by_name(data, split)
    if not chosen:
        listed = ", ".join(data[:12]) + (", …" if len(data) > 12 else "")
        hint = f"its data files: {listed}" if data else f"data files end in {', '.join(SUFFIXES)}"
        raise FileRefused(f"has no data file of the split {split!r}", hint, "hub")
    kinds = {Path(name).suffix.lower() for name in chosen}
    if len(kinds) > 1:
        hint = f"download one of them and name it by `path`: {', '.join(chosen[:12])}"
        raise FileRefused(f"has files of several kinds for the split {split!r}", hint, "hub")
    return chosen


def _visible(name: str) -> bool:
    return not any(part.startswith((".", "_")) for part in name.split("/"))


def _patterns(configs: Json, split: str) -> Iterator[str]:
    """The patterns of the split's files in the default configuration of a card."""
    known = [one for one in configs or () if isinstance(one, Mapping)]
    default = [one for one in known if one.get("default")] or [
        one for one in known if one.get("config_name") == "default"
    ]
    files = (default or known)[0].get("data_files") if default or len(known) == 1 else None
    for one in [files] if isinstance(files, str | Mapping) else files or ():
        if isinstance(one, str):
            one = {"split": "train", "path": one}
        if isinstance(one, Mapping) and one.get("split") == split:
            path = one.get("path")
            yield from (str(part) for part in (path if isinstance(path, list) else [path]))


def _by_name(data: Sequence[str], split: str) -> list[str]:
    """The files whose names hold the split's word; all of them where none holds any."""
    words = next((words for words in _WORDS.values() if split in words), (split,))
    named = [name for name in data if _holds(name, words)]
    every = [word for known in _WORDS.values() for word in known]
    if named or split not in _WORDS["train"] or any(_holds(name, every) for name in data):
        return named
    return list(data)


def _holds(name: str, words: Sequence[str]) -> bool:
    parts = re.split(r"[^a-z0-9]+|(?<=[a-z])(?=[0-9])", name.lower())
    return any(word in parts for word in words)


def _leads_away(revision: str) -> bool:
    """Whether a revision, which is part of paths in the cache, would leave its folder there."""
    return revision.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", revision)


def _no_revision(repo: str, revision: str | None) -> FileRefused:
    return FileRefused(f"has no revision {revision!r}", f"look it up at {_page(repo)}", "hub")


def _page(repo: str) -> str:
    return f"https://huggingface.co/datasets/{repo}"


def _refused(error: Exception, repo: str, revision: str | None) -> FileRefused:
    """What the Hub's client met, and what to do about it."""
    from huggingface_hub import errors

    causes = list(_causes(error))
    page = _page(repo)
    login = "log in with `hf auth login` (or set HF_TOKEN) and run again"
    for cause in causes:
        if isinstance(cause, errors.GatedRepoError):
            hint = f"accept its terms at {page} with your account, then {login}"
            return FileRefused("is gated", hint, "hub")
        if isinstance(cause, errors.RepositoryNotFoundError):
            what = "is not on the Hub under this id, or is private and you are not logged in"
            return FileRefused(what, f"look it up at {page}, or {login}", "hub")
        if isinstance(cause, errors.RevisionNotFoundError):
            return _no_revision(repo, revision)
        if isinstance(cause, errors.HFValidationError):
            return FileRefused("is no Hub id", "expected OWNER/NAME", "hub")
        if isinstance(cause, errors.HfHubHTTPError):
            status = getattr(getattr(cause, "response", None), "status_code", "an error")
            hint = login if status in (401, 403) else "try again later"
            return FileRefused(f"could not be downloaded: the Hub answered {status}", hint, "hub")
    if any(map(_is_offline, causes)):
        what = "is not in the Hub's cache on this machine, and the Hub cannot be reached"
        hint = (
            "no network, or HF_HUB_OFFLINE is set: download it once where there is a network "
            f"(`hf download --repo-type dataset {repo}`), or name its file by `path`"
        )
        return FileRefused(what, hint, "hub")
    return FileRefused(f"could not be downloaded: {first_line(error)}", "try again later", "hub")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from, outermost first."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _is_offline(error: BaseException) -> bool:
    """Whether the error says that nobody answered; by name, as the HTTP client may change."""
    words = ("Connect", "Timeout", "OfflineMode", "LocalEntryNotFound")
    return isinstance(error, ConnectionError) or type(error).__name__.startswith(words)
