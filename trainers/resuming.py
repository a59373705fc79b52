"""What a run that goes on must have in common with its beginning: specs, guarded specs, base."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.backends.local_model import LocalModel
from harness.errors import UsageError
from harness.run_log import digests
from harness.wording import shown_path
from trainers.data import Order


def facts_of(order: Order, backend: LocalModel) -> dict[str, Any]:
    """What may not change while a run is resumed: digests by name."""
    return {
        "specs": digests(order.specs),
        "guard": digests(order.guard),
        "model": backend.fingerprint,
    }


def check_same(order: Order, backend: LocalModel) -> None:
    """A run goes on only with what it began with.

    Raises:
        UsageError: a spec or the base is another one, or the run's settings do not say.
    """
    if not order.folder.settings.exists():
        return
    import yaml

    try:
        began = yaml.safe_load(order.folder.settings.read_text(encoding="utf-8"))["digests"]
        specs = {kind: dict(began[kind]) for kind in ("specs", "guard")}
        model = began["model"]
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError):
        raise UsageError(
            f"{shown_path(order.folder.settings)}: has no `digests` of specs, guard and model, so "
            "it is not as the run wrote it: restore it, or begin again in another folder"
        ) from None
    now = facts_of(order, backend)
    where = shown_path(order.folder.root)
    for kind, flag in (("specs", "PATH"), ("guard", "--guard")):
        _check_same_files(specs[kind], now[kind], flag, where)
    if model != now["model"]:
        raise UsageError(
            f"the base model is not as it was when the run in {where} began: restore it, or begin "
            "again in another folder"
        )


def _check_same_files(
    began: Mapping[str, str], now: Mapping[str, str], flag: str, where: str
) -> None:
    for name in sorted(began.keys() | now.keys()):
        if name not in now:
            raise UsageError(
                f"--resume: the run in {where} began with the spec {name!r} too, which no {flag} "
                "names now: give the same ones again"
            )
        if name not in began:
            raise UsageError(
                f"--resume: the run in {where} began without the spec {name!r}, which a {flag} "
                "names now: give the same ones again, or begin again in another folder"
            )
        if began[name] != now[name]:
            raise UsageError(
                f"spec {name!r} is not as it was when the run in {where} began, so its before "
                "and after could not be compared: restore the file, or begin again in "
                "another folder"
            )
