"""Where replies come from: one file per kind of back end.

A back end is addressed by a text: `replay:FILE`, `mini`, a Hub id, a folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from harness.cases import Reply, Request
from harness.errors import UsageError
from harness.options import Settings, no_model


class Backend(Protocol):
    """What answers requests. It never judges, and knows nothing of expectations."""

    @property
    def label(self) -> str:
        """The model's name for people; says "stand-in" of mini."""

    @property
    def fingerprint(self) -> str:
        """What changes when the replies could: a digest of weights, or of the file."""

    def replies(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        """Each request's index with its reply, once each, in the order in which they come."""


def backend_for(settings: Settings) -> Backend:
    """The back end that `settings.model` names, not yet loaded.

    Raises:
        UsageError: no model, or one that cannot be used.
        BackendError: a model that cannot be had.
    """
    if settings.model is None:
        raise UsageError(no_model(settings))
    if settings.replay_file is not None:
        from harness.backends.replay import Replay

        return Replay.read(settings.replay_file)
    from harness.backends.local_model import LocalModel

    return LocalModel(settings)


def details_of(backend: Backend) -> Mapping[str, str]:
    """How the back end runs its model, for the run log: device, precision; often nothing."""
    from harness.backends.local_model import LocalModel

    return backend.details if isinstance(backend, LocalModel) else {}


def notes_of(backend: Backend) -> list[str]:
    """What the summary should say of the back end, such as a reply cache that is not in use."""
    from harness.backends.local_model import LocalModel

    return backend.notes if isinstance(backend, LocalModel) else []


def takes_drafts(backend: Backend) -> bool:
    """Whether requests should carry drafts: only to a decoder are they of use."""
    return bool(getattr(backend, "takes_drafts", False))
