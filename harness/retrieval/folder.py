"""A folder of Markdown or text files → its pages, read once, bounded, with a digest."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.json_values import shown

SUFFIXES: Final = (".md", ".markdown", ".txt")
_WANTED: Final = "a folder of Markdown or text files"
MAX_PAGES: Final = 20_000
MAX_BYTES: Final = 64 * 1024 * 1024
"""Bounds on a folder: it is read whole when a spec is."""


class FolderRefused(Exception):  # noqa: N818 - it says what happened
    """A folder that cannot be searched: `what` is wrong with it, `hint` what to do."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


@dataclass(frozen=True, slots=True)
class Page:
    """One file: its path relative to the folder, with `/` between its parts, and its text."""

    name: str
    text: str


@dataclass(frozen=True)
class Folder:
    """The pages of a folder, sorted by name; `digest` changes when any name or text does."""

    pages: tuple[Page, ...]
    digest: str

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the pages."""
        return tuple(page.name for page in self.pages)


def read_folder(path: Path) -> Folder:
    """Read the pages in a folder and below it, hidden files and folders left out.

    Links to files are followed, those to folders are not.

    Raises:
        FolderRefused: no such folder, no page in it, one that is not UTF-8, or too much of them.
    """
    pages: list[Page] = []
    total = 0
    for name in sorted(_names(path)):
        content = _content(path, name)
        total += len(content)
        if len(pages) == MAX_PAGES or total > MAX_BYTES:
            bound = f"{MAX_PAGES:,} pages and {MAX_BYTES // 2**20} MiB"
            raise FolderRefused(f"holds more than {bound} of text", "search a smaller folder")
        pages.append(Page(name, _text(content, name)))
    if not pages:
        raise FolderRefused("holds no page", f"pages are files that end in {', '.join(SUFFIXES)}")
    digest = hashlib.sha256()
    for page in pages:
        for part in (page.name, page.text):
            digest.update(hashlib.sha256(part.encode()).digest())
    return Folder(tuple(pages), digest.hexdigest()[:16])


def _names(path: Path) -> Iterator[str]:
    try:
        kind = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise FolderRefused("is not there", _WANTED) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise FolderRefused(f"cannot be read: {why}") from None
    if not stat.S_ISDIR(kind):
        raise FolderRefused("is no folder", _WANTED)
    for place, folders, files in os.walk(path, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                yield _name(Path(place, name).relative_to(path).as_posix())


def _name(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        what = f"holds {shown(name)}, a name that is not UTF-8"
        raise FolderRefused(what, "rename the file") from None
    return name


def _refuse(error: OSError) -> None:
    raise FolderRefused(f"cannot be read: {error.strerror}")


def _content(path: Path, name: str) -> bytes:
    file = path / name
    try:
        if not file.is_file():
            raise FolderRefused(f"holds {shown(name)}, which is no regular file")
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except OSError as error:
        what = f"holds {shown(name)}, which cannot be read: {error.strerror}"
        raise FolderRefused(what) from None


def _text(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = f"holds {shown(name)}, which is not UTF-8 at byte {error.start}"
        raise FolderRefused(what, "save it as UTF-8") from None
