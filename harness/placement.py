"""Which device and which precision a model runs with, and why."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness.checkpoints import MISSING_LIBRARIES
from harness.errors import BackendError, first_line
from harness.memo import read_memo, write_memo
from harness.options import Settings

if TYPE_CHECKING:
    import torch

_VARIABLES: Final = (
    *("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES"),
    *("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"),
)
_NO_GPU: Final = "no GPU is visible"
_DRIVER: Final = Path("/proc/driver/nvidia")
"""What Linux tells of the driver, and of each card: its model and its UUID."""


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


def place(settings: Settings, memo: Path, *, again: bool = False) -> Placement:
    """Choose the device and the precision.

    What torch finds is kept in the file `memo` for this torch and these visible devices, so that
    a run whose replies are all cached need not import it; `again`: ask torch whatever is kept.

    Raises:
        BackendError: torch is not installed, or cannot use the device.
    """
    try:
        build = version("torch")
    except PackageNotFoundError:
        raise BackendError(MISSING_LIBRARIES) from None
    if settings.device == "cpu":
        return _precision(settings, "cpu", bf16=False, why="asked for")
    if settings.device == "auto" and build.endswith("+cpu"):
        return _precision(settings, "cpu", bf16=False, why="this torch is built without a GPU")
    key = _environment(settings, build)
    kept = None if again else _kept(read_memo(memo).get(key))
    if kept is not None:
        return kept
    found = _ask_torch(settings)
    if not (settings.device == "auto" and found.device == "cpu" and _has_a_gpu(found)):
        write_memo(memo, {key: json.dumps(asdict(found))})
    return found


def _has_a_gpu(found: Placement) -> bool:
    """Whether a GPU is there that could not be used: it may be busy now, and free the next time."""
    return not found.why.startswith(_NO_GPU) or bool(_cards())


def _cards() -> list[str]:
    """The system's files of NVIDIA's cards, by name."""
    return sorted(card.name for card in Path("/dev").glob("nvidia[0-9]*"))


def _environment(settings: Settings, build: str) -> str:
    """All that torch's answer depends on, as far as can be told without it."""
    visible = [os.environ.get(name, "") for name in _VARIABLES]
    others = [name for name in ("kfd", "dxg") if Path("/dev", name).exists()]
    told = [_DRIVER / "version", *sorted(_DRIVER.glob("gpus/*/information"))]
    driver = [file.read_text(errors="replace") for file in told if file.is_file()]
    facts = [settings.device, settings.dtype, build, *visible, *_cards(), *others, *driver]
    return "|".join(["device", *facts, sys.platform])


def _kept(text: str | None) -> Placement | None:
    """What an earlier run found, where the memo is whole."""
    try:
        kept = json.loads(text or "null")
        return Placement(str(kept["device"]), str(kept["dtype"]), str(kept["why"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _ask_torch(settings: Settings) -> Placement:
    try:
        import torch
    except (ImportError, OSError):  # OSError: a library that torch itself needs is not there
        raise BackendError(MISSING_LIBRARIES) from None
    if settings.device == "auto":
        return _best(settings)
    try:
        device = torch.device(settings.device)
        _try(device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = first_line(error)
        raise BackendError(f"device {settings.device!r} cannot be used: {reason}") from None
    return _precision(settings, str(device), bf16=_has_bfloat16(device), why="asked for")


def _best(settings: Settings) -> Placement:
    """The first GPU that works, else the CPU and why."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    names = [f"cuda:{number}" for number in range(count)]
    names += ["mps"] if torch.backends.mps.is_available() else []
    refused = []
    for name in names:
        device = torch.device(name)
        try:
            _try(device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            refused.append(f"{name} cannot be used: {first_line(error)}")
            continue
        why = torch.cuda.get_device_name(device) if device.type == "cuda" else "Apple GPU"
        return _precision(settings, name, bf16=_has_bfloat16(device), why=why)
    return _precision(settings, "cpu", bf16=False, why="; ".join(refused[:2]) or _NO_GPU)


def _try(device: torch.device) -> None:
    """A number there and back: a device may be visible and yet refuse every kernel."""
    import torch

    torch.zeros(1, device=device).add(1).item()


def _has_bfloat16(device: torch.device) -> bool:
    """Whether this GPU has it in hardware; torch answers for the current one."""
    import torch

    if device.type != "cuda":
        return False
    with torch.cuda.device(device):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def _precision(settings: Settings, device: str, *, bf16: bool, why: str) -> Placement:
    """Choose bfloat16 where the GPU has it; never float16, which Gemma 3's activations overflow."""
    if settings.dtype != "auto":
        return Placement(device, settings.dtype, f"{why}; precision asked for")
    if not device.startswith("cpu") and not bf16:
        why += "; no bfloat16 to rely on"
    return Placement(device, "bfloat16" if bf16 else "float32", why)
