"""Which device and which precision a model runs with, and why."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from harness.checkpoints import MISSING_LIBRARIES, read_memo, write_memo
from harness.errors import BackendError
from harness.options import Settings

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Placement:
    """A torch device (`cpu`, `cuda:0`), a precision by name, and the reason in words."""

    device: str
    dtype: str
    why: str

    @property
    def device_type(self) -> str:
        """`cpu`, `cuda`, `mps`: what replies may depend on, unlike the device's number."""
        return self.device.partition(":")[0]

    def torch_dtype(self) -> torch.dtype:
        """The precision as torch has it."""
        import torch

        return torch.bfloat16 if self.dtype == "bfloat16" else torch.float32


def place(settings: Settings, memo: Path) -> Placement:
    """Choose the device and the precision.

    What torch finds is kept in the file `memo` for this torch and these visible devices, so that
    a run whose replies are all cached need not import it.

    Raises:
        BackendError: torch is not installed, or does not know the device.
    """
    try:
        build = version("torch")
    except PackageNotFoundError:
        raise BackendError(MISSING_LIBRARIES) from None
    if settings.device == "cpu" or (settings.device == "auto" and build.endswith("+cpu")):
        asked = settings.device == "cpu"
        return _precision(settings, "cpu", bf16=False, why="asked for" if asked else "no GPU build")
    key = _environment(settings, build)
    kept = read_memo(memo).get(key)
    if kept is not None:
        return Placement(**json.loads(kept))
    found = _ask_torch(settings)
    write_memo(memo, {**read_memo(memo), key: json.dumps(asdict(found))})
    return found


def _environment(settings: Settings, build: str) -> str:
    """All that torch's answer depends on, as far as can be told without it."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "all")
    cards = len(list(Path("/dev").glob("nvidia[0-9]*")))
    return f"device|{settings.device}|{settings.dtype}|{build}|{visible}|{cards}|{sys.platform}"


def _ask_torch(settings: Settings) -> Placement:
    try:
        import torch
    except ImportError:
        raise BackendError(MISSING_LIBRARIES) from None
    if settings.device == "auto":
        if torch.cuda.is_available():
            bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
            name = torch.cuda.get_device_name(0)
            return _precision(settings, "cuda:0", bf16=bf16, why=name)
        if torch.backends.mps.is_available():
            return _precision(settings, "mps", bf16=False, why="Apple GPU")
        return _precision(settings, "cpu", bf16=False, why="no GPU is visible")
    try:
        device = torch.device(settings.device)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).split("\n")[0]
        raise BackendError(f"device {settings.device!r} cannot be used: {reason}") from None
    bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return _precision(settings, str(device), bf16=bf16, why="asked for")


def _precision(settings: Settings, device: str, *, bf16: bool, why: str) -> Placement:
    """Choose bfloat16 where the GPU has it; never float16, which Gemma 3's activations overflow."""
    if settings.dtype != "auto":
        return Placement(device, settings.dtype, why)
    return Placement(device, "bfloat16" if bf16 else "float32", why)
