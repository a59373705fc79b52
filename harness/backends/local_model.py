"""A model on this machine: replies kept from before, the others from one owner of the model."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from harness.cases import Reply, Request
from harness.checkpoints import Checkpoint, find_checkpoint, fingerprint
from harness.errors import BackendError
from harness.functiongemma import STOP_TOKENS
from harness.options import Settings
from harness.placement import Placement, place
from harness.progress import is_watched
from harness.reply_cache import ReplyCache

DECODER: Final = "exact-2"
"""Names how replies are decoded; changed whenever that could change a reply."""

CACHE_FILE: Final = "replies.sqlite"
MEMO_FILE: Final = "memo.json"
_RUN: Final = "PYTEST_XDIST_TESTRUNUID"
_STARTED_WITH: Final = Path("/proc/self/environ")
_WAIT_SECONDS: Final = 1.0
_DATED: Final = (
    "the model's chat template asks for the date (strftime_now), so prompts change and replies are "
    "not kept"
)


class LocalModel:
    """A checkpoint that answers through transformers. It is loaded when a reply is missing."""

    def __init__(self, settings: Settings) -> None:
        assert settings.model is not None
        self.settings = settings
        self.checkpoint: Checkpoint = find_checkpoint(settings.model, settings.adapter)
        self._problems: dict[str, None] = {}
        self._stamps: list[tuple[str, int, int]] = []
        self._memo = settings.home / MEMO_FILE
        self._model: Any = None
        if _run() is None:
            atexit.register(_sweep, os.getpid())

    @property
    def takes_drafts(self) -> bool:
        """Whether the gold replies are worth sending along."""
        return not self.settings.no_drafts

    @cached_property
    def placement(self) -> Placement:
        """The device and the precision."""
        return place(self.settings, self._memo)

    @property
    def label(self) -> str:
        """The model, its precision and its device."""
        where = self.placement
        return f"{self.checkpoint.label}, {where.dtype} on {where.device} ({where.why})"

    @property
    def details(self) -> Mapping[str, str]:
        """What the label says, for the run log."""
        return {"device": self.placement.device, "dtype": self.placement.dtype, "decoder": DECODER}

    @property
    def notes(self) -> list[str]:
        """What a summary should say besides the verdicts: why the cache is not in use."""
        if not self._problems and not self.settings.no_cache:
            self._cache()  # a process that asked nothing has not looked yet
        return list(self._problems)

    @cached_property
    def fingerprint(self) -> str:
        """A digest of every file of the checkpoint, as the files are when it is first asked for."""
        with suppress(OSError):  # which the digest itself will meet, and name
            self._stamps = self.checkpoint.stamps()
        return fingerprint(self.checkpoint, self._memo)

    @cached_property
    def _dated(self) -> bool:
        try:
            return self.checkpoint.tells_the_time()
        except OSError:  # which the digest will meet too, and name
            return False

    def replies(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        """Cached replies first, then the others as they are made, and kept."""
        cache = self._cache()
        keys = [self._key(request) for request in requests]
        waiting = dict(enumerate(keys))
        with ExitStack() as held:
            told = False
            while True:
                yield from self._kept(cache, waiting)
                if not waiting:
                    break
                if _own(cache, self.fingerprint, held):
                    yield from self._kept(cache, waiting)  # by the owner before us
                    held.callback(self._let_go)
                    yield from self._made(cache, requests, waiting)
                    break
                told = told or _tell_of_waiting()
        if cache is not None and cache.problem:
            self._problems[cache.problem] = None

    @staticmethod
    def _kept(cache: ReplyCache | None, waiting: dict[int, str]) -> Iterator[tuple[int, Reply]]:
        kept = cache.get(waiting.values()) if cache and waiting else {}
        for index, key in list(waiting.items()):
            if key in kept:
                del waiting[index]
                yield index, kept[key]

    def _made(
        self, cache: ReplyCache | None, requests: Sequence[Request], waiting: dict[int, str]
    ) -> Iterator[tuple[int, Reply]]:
        if not waiting:
            return
        from harness.backends.transformers import answer, load_encoder, load_model

        encoder = load_encoder(self.checkpoint)
        if self._model is not None:  # the template was read again: is it still that model's?
            self._check_unchanged()

        def model() -> Any:
            if self._model is None:
                loaded = load_model(self.checkpoint, self.placement, encoder)
                self._check_unchanged()
                self._model = loaded
            return self._model

        asked = list(waiting)
        for batch in answer(
            encoder,
            model,
            [requests[index] for index in asked],
            max_new_tokens=self.settings.max_new_tokens,
            batch_size=self.settings.batch_size,
            shared_prefix=not self.settings.no_shared_prefix,
        ):
            if cache is not None:
                cache.put({waiting[asked[place_]]: reply for place_, reply in batch})
            yield from ((asked[place_], reply) for place_, reply in batch)

    def _let_go(self) -> None:
        """Of the model, where another worker may own it next: errors are not kept, and it asks."""
        if _run() is not None:
            self._model = None

    def _check_unchanged(self) -> None:
        """What was loaded is what was fingerprinted: replies are kept under that name.

        Raises:
            BackendError: a file was written in between.
        """
        try:
            same = self.checkpoint.stamps() == self._stamps
        except OSError:  # one of them is gone
            same = False
        if not same:
            raise BackendError(
                f"model {self.checkpoint.name}: its files changed during the run; run again when "
                "nothing writes to them"
            )

    def _cache(self) -> ReplyCache | None:
        """The cache; without one, processes of one pytest-xdist run still share their replies."""
        cache = None
        if not self.settings.no_cache and self._dated:
            self._problems[_DATED] = None
        elif not self.settings.no_cache:
            cache = self._open(self.settings.home)
        if cache is None and (run := _run()) is not None:
            cache = self._open(_shared_folder(os.getppid(), run))
        return cache

    def _open(self, folder: Path) -> ReplyCache | None:
        cache = ReplyCache(folder / CACHE_FILE)
        if cache.problem is None:
            return cache
        self._problems[cache.problem] = None
        return None

    def _how(self) -> list[bool]:
        """The ways of decoding that rounding may tell apart, where it is coarse."""
        if self.placement.dtype != "bfloat16":
            return []
        return [self.settings.no_drafts, self.settings.no_shared_prefix]

    def _key(self, request: Request) -> str:
        libraries = ["torch", "transformers", *(["peft"] if self.checkpoint.adapter else [])]
        parts = {
            "model": self.fingerprint,
            "request": request.digest,
            "written": _as_written(request),
            "max_new_tokens": self.settings.max_new_tokens,
            "stop": STOP_TOKENS,
            "dtype": self.placement.dtype,
            "device": self.placement.device_type,
            "decoder": DECODER,
            "how": self._how(),
            "versions": [_version(name) for name in libraries],
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _as_written(request: Request) -> str:
    """The request with its keys in their order: the digest sorts them, a template need not.

    FunctionGemma's own sorts ignoring case, and leaves `unit` and `Unit` as they came.
    """
    return json.dumps([request.messages, [tool.declaration() for tool in request.tools]])


def _own(cache: ReplyCache | None, model: str, held: ExitStack) -> bool:
    """Become the one process that may load the model; False: another is it, after a short wait.

    The system frees the lock of a process that dies. Models share few locks: a collision only
    makes one wait for the other. Where no lock can be had, everybody loads.
    """
    if cache is None:
        return True
    from filelock import FileLock, Timeout

    lock = FileLock(cache.path.with_name(f"owner-{model[0]}.lock"), timeout=_WAIT_SECONDS)
    try:
        held.enter_context(lock)
    except Timeout:
        return False
    except OSError:
        return True
    return True


def _run() -> str | None:
    """The pytest-xdist run that this process is a worker of.

    A worker is told while it runs: who was started with the same in its environment is a child of
    one, and shares nothing. Where no system file tells that environment, it counts as a worker.
    """
    run = os.environ.get(_RUN)
    with suppress(OSError):
        if f"{_RUN}={run}".encode() in _STARTED_WITH.read_bytes().split(b"\0"):
            return None
    return run


def _tell_of_waiting() -> bool:
    if is_watched(sys.stderr):
        sys.stderr.write("waiting for another run that asks this model …\n")
    return True


def _shared_folder(controller: int, run: str) -> Path:
    """Where the workers of one pytest-xdist run share replies; its controller removes it."""
    folder = Path(tempfile.gettempdir()) / f"callgate-{controller}-{run}"
    with suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _sweep(controller: int) -> None:
    """Remove what the workers of this process shared: `--no-cache` leaves nothing behind."""
    for folder in Path(tempfile.gettempdir()).glob(f"callgate-{controller}-*"):
        shutil.rmtree(folder, ignore_errors=True)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
