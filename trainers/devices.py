"""One GPU where several are visible: the trainer would spread over all of them, and refuse."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.errors import UsageError


def one_process(environ: Mapping[str, str]) -> None:
    """Raises UsageError where a launcher has started several processes of one training."""
    count = environ.get("WORLD_SIZE", "1")
    if count != "1":
        raise UsageError(
            f"callgate-tune trains in one process, and was started as one of {count} (WORLD_SIZE): "
            "run it without torchrun or accelerate"
        )


def one_gpu(visible: str | None, device: str, cards: int | None = None) -> tuple[str | None, str]:
    """What `CUDA_VISIBLE_DEVICES` is to be (None: leave it), and the device's name then.

    `visible` is what it is now, `cards` the number of GPUs in the machine. Of several, the one
    that `device` names (`cuda:1`: the second of the visible ones), else the first.

    Raises:
        UsageError: the named one is not there.
    """
    if device != "auto" and not device.startswith("cuda"):
        return None, device
    count = len(list(Path("/dev").glob("nvidia[0-9]*"))) if cards is None else cards
    names = visible.split(",") if visible is not None else [str(n) for n in range(count)]
    if len(names) < 2:
        return None, device
    number = device.partition(":")[2] or "0"
    if not number.isdigit() or int(number) >= len(names):
        raise UsageError(f"--device {device}: {len(names)} GPUs are visible ({', '.join(names)})")
    chosen = names[int(number)].strip()
    return chosen, "cuda:0" if ":" in device else device
