"""Device and precision: chosen with a reason, kept for cached runs, refused in words."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from harness.errors import BackendError, UsageError
from harness.memo import read_memo, write_memo
from harness.options import Settings, resolve
from harness.placement import Placement, place

torch = pytest.importorskip("torch")

CPU_ONLY = pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")


def settings(**given: str) -> Settings:
    """Settings of a model with these options."""
    return Settings(model="m", **given)  # type: ignore[arg-type]


@CPU_ONLY
def test_a_cpu_runs_in_float32(tmp_path: Path) -> None:
    """Without a GPU: the CPU, float32, and why."""
    found = place(settings(), tmp_path / "memo.json")
    assert (found.device, found.dtype, found.device_type) == ("cpu", "float32", "cpu")
    assert found.why in ("this torch is built without a GPU", "no GPU is visible")
    assert found.torch_dtype() is torch.float32


def test_a_cpu_that_was_asked_for(tmp_path: Path) -> None:
    """`device: cpu` is float32 whatever else is there; bfloat16 only where it is asked for."""
    memo = tmp_path / "memo.json"
    assert place(settings(device="cpu"), memo) == Placement("cpu", "float32", "asked for")
    half = place(settings(device="cpu", dtype="bfloat16"), memo)
    assert half == Placement("cpu", "bfloat16", "asked for; precision asked for")
    assert half.torch_dtype() is torch.bfloat16


@pytest.mark.parametrize("dtype", ["float16", "fp16", "half"])
def test_float16_cannot_be_asked_for(dtype: str) -> None:
    """Gemma 3's activations overflow float16: no option leads there."""
    with pytest.raises(UsageError) as raised:
        resolve({"dtype": dtype}, environ={}, start=Path("/"))
    assert str(raised.value) == f"--dtype: expected auto, float32 or bfloat16, found {dtype!r}"


@pytest.mark.parametrize("device", ["banana", "cuda:99", "meta", "cpu:x"])
@CPU_ONLY
def test_a_device_that_cannot_be_used(tmp_path: Path, device: str) -> None:
    """A device that torch does not know or have, or that holds no numbers: one sentence."""
    with pytest.raises(BackendError) as raised:
        place(settings(device=device), tmp_path / "memo.json")
    head, _, reason = str(raised.value).partition(": ")
    assert head == f"device {device!r} cannot be used"
    assert reason
    assert "\n" not in reason
    assert read_memo(tmp_path / "memo.json") == {}


def test_what_torch_found_is_kept(tmp_path: Path) -> None:
    """A device is looked for once: the second time nobody imports torch."""
    memo = tmp_path / "memo.json"
    found = place(settings(device="cpu:0"), memo)
    assert found == Placement("cpu:0", "float32", "asked for")
    code = (
        "import sys; from pathlib import Path\n"
        "from harness.options import Settings; from harness.placement import place\n"
        f"print(place(Settings(model='m', device='cpu:0'), Path({str(memo)!r})))\n"
        "print('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{found}\nFalse\n"


def test_other_visible_devices_are_looked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept holds for this torch and these visible devices only; `again` asks anew."""
    memo = tmp_path / "memo.json"
    place(settings(device="cpu:0"), memo)
    ((key, _),) = read_memo(memo).items()
    assert version("torch") in key
    write_memo(memo, {key: '{"device": "cuda:7", "dtype": "bfloat16", "why": "kept"}'})
    assert place(settings(device="cpu:0"), memo).device == "cuda:7"
    for name, other in (("CUDA_VISIBLE_DEVICES", "3"), ("CUDA_DEVICE_ORDER", "PCI_BUS_ID")):
        monkeypatch.setenv(name, other)
        assert place(settings(device="cpu:0"), memo).device == "cpu:0"
        monkeypatch.delenv(name)
    assert place(settings(device="cpu:0"), memo, again=True).device == "cpu:0"
    assert place(settings(device="cpu:0"), memo).device == "cpu:0"


def test_another_card_is_looked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver tells each card's model and UUID: another card in the same slot is asked anew."""
    told = tmp_path / "nvidia/gpus/0000:01:00.0/information"
    told.parent.mkdir(parents=True)
    monkeypatch.setattr("harness.placement._DRIVER", tmp_path / "nvidia")
    for card in ("Model: H200\nGPU UUID: GPU-1", "Model: T4\nGPU UUID: GPU-2"):
        told.write_text(card)
        place(settings(device="cpu:0"), tmp_path / "memo.json")
    assert ["T4" in key for key in read_memo(tmp_path / "memo.json")] == [False, True]


@CPU_ONLY
def test_a_gpu_that_refuses_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU may be visible and yet not work: `auto` takes the CPU then and says why.

    Nothing is kept of it: it may be busy now and free the next time. The next GPU is tried before
    the CPU is taken.
    """
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("harness.placement.version", lambda _: "2.0+cu1")
    found = place(settings(), tmp_path / "memo.json")
    assert (found.device, found.dtype) == ("cpu", "float32")
    assert found.why.startswith("cuda:0 cannot be used: ")
    assert "; cuda:1 cannot be used: " in found.why
    assert read_memo(tmp_path / "memo.json") == {}


@pytest.mark.parametrize("kept", ["", "7", "[]", "{}", '{"device": 1}', "{"])
def test_a_broken_memo_is_no_answer(tmp_path: Path, kept: str) -> None:
    """Whatever the memo holds, the device is one that torch has."""
    memo = tmp_path / "memo.json"
    place(settings(device="cpu:0"), memo)
    ((key, _),) = read_memo(memo).items()
    write_memo(memo, {key: kept})
    assert place(settings(device="cpu:0"), memo).device == "cpu:0"


def test_no_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without torch the message says what to install."""
    code = (
        "import importlib.metadata as metadata; from pathlib import Path\n"
        "def missing(name): raise metadata.PackageNotFoundError(name)\n"
        "metadata.version = missing\n"
        "from harness.options import Settings; from harness.placement import place\n"
        "try: place(Settings(model='m'), Path('memo.json'))\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == (
        "BackendError the libraries that run a model are not installed: "
        "pip install 'callgate[models]'\n"
    )
