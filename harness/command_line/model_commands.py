"""What `callgate doctor` and `callgate cache` do; each gives its exit code."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from harness.backends.local_model import CACHE_FILE, MEMO_FILE
from harness.errors import BackendError, UsageError
from harness.options import OPTIONS, Settings, no_model, resolve
from harness.output import print_lines
from harness.reply_cache import MOST_BYTES, ReplyCache
from harness.wording import count, shown_path

if TYPE_CHECKING:
    from harness.backends.transformers import Encoder
    from harness.cases import Request
    from harness.decoding import Job

DIFFERS: Final = 1
_MEGABYTE: Final = 1024 * 1024


def doctor(given: argparse.Namespace) -> int:
    """`callgate doctor`: what would run where, and whether the model is FunctionGemma's kind.

    0: it is; 1: it differs; 3, as BackendError: it cannot be had or run; 2: no model is named.
    The options and the versions are shown in every case.
    """
    from harness.command_line.doctor import option_lines, version_line

    settings = resolve({option.name: getattr(given, option.name) for option in OPTIONS})
    try:
        code = _examined(settings)
        return max(code, _compared(settings, given.paths)) if given.exact else code
    finally:
        found = [*option_lines(settings), "", version_line()]
        if settings.model is None or not settings.model.startswith("replay:"):
            found.append(_cache_line(settings))
        print_lines(found)


def _examined(settings: Settings) -> int:
    """Print what the model is and where it would run."""
    from harness.backends.replay import Replay
    from harness.checkpoints import find_checkpoint
    from harness.command_line.doctor import check_lines, examine
    from harness.placement import place

    if settings.model is None:
        raise UsageError(no_model(settings))
    if settings.model.startswith("replay:"):
        replay = Replay.read(settings.model.removeprefix("replay:"))
        print_lines(
            [f"{replay.label}: {count(len(replay.lines), 'reply')}, no model to examine", ""]
        )
        return 0
    checkpoint = find_checkpoint(settings.model, settings.adapter)
    checks = examine(checkpoint)
    print_lines([f"model: {checkpoint.label}", "", *check_lines(checks), ""])
    where = place(settings, settings.home / MEMO_FILE, again=True)
    print_lines([f"would run in {where.dtype} on {where.device} ({where.why})", ""])
    return DIFFERS if any(check.good is False for check in checks) else 0


def _compared(settings: Settings, paths: Sequence[str]) -> int:
    """Print whether replies decoded together are those of each prompt alone."""
    from harness.backends.transformers import load_encoder, load_model
    from harness.checkpoints import find_checkpoint
    from harness.command_line.commands import spec_files
    from harness.command_line.exactness import compare_exact
    from harness.loading import load_specs
    from harness.placement import place
    from harness.run import requests_of
    from harness.slots import supported

    assert settings.model is not None
    if settings.model.startswith("replay:"):
        raise UsageError("--exact: a replay holds replies and decodes nothing; name a model")
    specs = load_specs(spec_files(paths))
    cases = [case for spec in specs for case in spec.in_split(settings.split)]
    if not cases:
        raise UsageError(f"--exact: the specs have no case of split {settings.split!r} to decode")
    checkpoint = find_checkpoint(settings.model, settings.adapter)
    encoder = load_encoder(checkpoint)
    requests = requests_of(cases, drafts=not settings.no_drafts)
    jobs = _jobs(encoder, requests, settings.max_new_tokens)
    model = load_model(checkpoint, place(settings, settings.home / MEMO_FILE), encoder)
    if not supported(model):
        print_lines(["exact: this model is decoded by transformers' generate alone", ""])
        return 0
    found = compare_exact(
        model,
        jobs,
        stop_ids=encoder.stop_ids,
        max_new_tokens=settings.max_new_tokens,
        shared_prefix=not settings.no_shared_prefix,
    )
    how = f"exact: {found.replies} replies of {found.tokens} tokens, decoded together and alone: "
    if found.exact:
        print_lines([f"{how}all equal", ""])
        return 0
    ties = f"{found.ties} of them where two logits are within rounding"
    print_lines([f"{how}{len(found.partings)} part, {ties}", ""])
    return DIFFERS if found.ties < len(found.partings) else 0


def _jobs(encoder: Encoder, requests: Sequence[Request], max_new_tokens: int) -> list[Job]:
    """Prompts to decode; those that cannot be given to the model are told and passed over."""
    from harness.backends.transformers import jobs_of

    jobs: list[Job] = []
    skipped = []
    for request in requests:
        try:
            jobs += jobs_of(encoder, [request], max_new_tokens)
        except BackendError as error:
            skipped.append(f"{request.case}: {error}")
    if skipped and not jobs:
        raise BackendError(f"--exact: no prompt can be decoded; {skipped[0]}")
    if skipped:
        print_lines([f"exact: {count(len(skipped), 'prompt')} passed over; {skipped[0]}"])
    return jobs


def _cache_line(settings: Settings) -> str:
    path = settings.home / CACHE_FILE
    if settings.no_cache:
        return "reply cache: off"
    if not os.path.exists(path):  # noqa: PTH110 - Path's raises where it may not look
        return f"reply cache: {shown_path(path)}: nothing kept yet"
    return _kept(ReplyCache(path))


def cache(given: argparse.Namespace) -> int:
    """`callgate cache`: how many replies are kept; `--prune` forgets those used longest ago."""
    settings = resolve({})
    path = settings.home / CACHE_FILE
    if not os.path.exists(path):  # noqa: PTH110 - as above
        print_lines([f"reply cache: {shown_path(path)}: nothing kept yet"])
        return 0
    kept = ReplyCache(path)
    if given.prune is not None and kept.problem is None:
        gone = kept.prune(int(given.prune * _MEGABYTE))
        print_lines([f"forgotten: {count(gone, 'reply')}"])
    line = _kept(kept)
    if kept.problem:
        raise BackendError(kept.problem)
    print_lines([line])
    return 0


def megabytes(text: str) -> float:
    """A number of megabytes from 0, as an argument of a command."""
    with suppress(ValueError):
        number = float(text)
        if 0 <= number < float("inf"):
            return number
    raise argparse.ArgumentTypeError(f"expected a number of megabytes from 0, found {text!r}")


BOUND: Final = MOST_BYTES / _MEGABYTE
"""The size, in megabytes, that the cache is kept under by itself."""


def _kept(cache: ReplyCache) -> str:
    replies, size = cache.size()
    if cache.problem:
        return cache.problem
    size_text = f"{size / _MEGABYTE:.1f} MB of at most {BOUND:.0f} MB"
    return f"reply cache: {shown_path(cache.path)}: {count(replies, 'reply')}, {size_text}"
