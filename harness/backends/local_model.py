"""A model on this machine: replies kept from before, the others from one owner of the model."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from harness.cases import Reply, Request
from harness.checkpoints import Checkpoint, find_checkpoint, fingerprint
from harness.functiongemma import STOP_TOKENS
from harness.options import Settings
from harness.placement import Placement, place
from harness.reply_cache import ReplyCache

DECODER: Final = "generate-1"
"""Names how replies are decoded; changed whenever that could change a reply."""

CACHE_FILE: Final = "replies.sqlite"
_RUN: Final = "PYTEST_XDIST_TESTRUNUID"


class LocalModel:
    """A checkpoint that answers through transformers. It is loaded when a reply is missing."""

    def __init__(self, settings: Settings) -> None:
        assert settings.model is not None
        self.settings = settings
        self.checkpoint: Checkpoint = find_checkpoint(settings.model, settings.adapter)
        self._memo = settings.home / "memo.json"
        self._loaded: Any = None

    @cached_property
    def placement(self) -> Placement:
        """The device and the precision."""
        return place(self.settings, self._memo)

    @property
    def label(self) -> str:
        """The model, its precision and its device."""
        where = self.placement
        return f"{self.checkpoint.label}, {where.dtype} on {where.device} ({where.why})"

    @cached_property
    def fingerprint(self) -> str:
        """A digest of every file of the checkpoint."""
        return fingerprint(self.checkpoint, self._memo)

    def replies(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        """Cached replies first, then the others as they are made, and kept."""
        cache = self._cache()
        keys = [self._key(request) for request in requests]
        waiting = dict(enumerate(keys))
        yield from self._kept(cache, waiting)
        if not waiting:
            return
        with self._owner(cache):
            yield from self._kept(cache, waiting)  # by the owner before us
            asked = list(waiting)
            for place_, reply in self._made([requests[index] for index in asked]):
                index = asked[place_]
                if cache is not None:
                    cache.put({keys[index]: reply})
                yield index, reply

    @staticmethod
    def _kept(cache: ReplyCache | None, waiting: dict[int, str]) -> Iterator[tuple[int, Reply]]:
        kept = cache.get(waiting.values()) if cache and waiting else {}
        for index, key in list(waiting.items()):
            if key in kept:
                del waiting[index]
                yield index, kept[key]

    def _made(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        if not requests:
            return
        from harness.backends.transformers import answer, load

        self._loaded = self._loaded or load(self.checkpoint, self.placement)
        yield from answer(
            self._loaded,
            requests,
            max_new_tokens=self.settings.max_new_tokens,
            batch_size=self.settings.batch_size,
        )

    def _cache(self) -> ReplyCache | None:
        """The cache; without one, processes of one pytest-xdist run still share their replies."""
        if not self.settings.no_cache:
            cache = ReplyCache(self.settings.home / CACHE_FILE)
            if cache.problem is None:
                return cache
        if _RUN in os.environ:
            return ReplyCache(Path(tempfile.gettempdir()) / f"callgate-{os.environ[_RUN]}.sqlite")
        return None

    @staticmethod
    def _owner(cache: ReplyCache | None) -> AbstractContextManager[Any]:
        """Held by the one process that may load the model; the others wait, and find replies."""
        if cache is None:
            return nullcontext()
        from filelock import FileLock

        return FileLock(cache.path.with_suffix(".lock"))

    def _key(self, request: Request) -> str:
        parts = {
            "model": self.fingerprint,
            "request": request.digest,
            "max_new_tokens": self.settings.max_new_tokens,
            "stop": STOP_TOKENS,
            "dtype": self.placement.dtype,
            "device": self.placement.device_type,
            "decoder": DECODER,
            "versions": [_version("torch"), _version("transformers")],
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
