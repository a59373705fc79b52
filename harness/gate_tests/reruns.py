"""What pytest's `--lf` and `--sw` go on with after a red gate: its misses, which did not fail."""

from __future__ import annotations

from typing import Any


def remember(config: Any, misses: list[str]) -> None:
    """Make `--lf` rerun these, and `--sw` go on with the first where it stopped at their gate."""
    cache = getattr(config, "cache", None)
    if cache is None or not misses:
        return
    failed = cache.get("cache/lastfailed", {})
    cache.set("cache/lastfailed", {**failed, **dict.fromkeys(misses, True)})
    stepwise = cache.get("cache/stepwise", None)
    stopped = stepwise.get("last_failed") if isinstance(stepwise, dict) else None
    of_gate = [miss for miss in misses if f"{miss.partition('::')[0]}::gate" == stopped]
    if of_gate and config.getoption("stepwise", False):
        cache.set("cache/stepwise", {**stepwise, "last_failed": of_gate[0]})
