"""Which GPU is trained on, where there are several; and that one process trains."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from trainers.devices import one_gpu, one_process


@pytest.mark.parametrize(
    ("visible", "device", "cards", "expected"),
    [
        (None, "auto", 0, (None, "auto")),
        (None, "auto", 1, (None, "auto")),
        (None, "auto", 2, ("0", "auto")),
        (None, "cuda:1", 2, ("1", "cuda:0")),
        ("2,3", "cuda:1", 4, ("3", "cuda:0")),
        ("GPU-aa, GPU-bb", "cuda", 2, ("GPU-aa", "cuda")),
        ("1", "auto", 2, (None, "auto")),
        ("", "auto", 2, (None, "auto")),
        ("0,1", "cpu", 2, (None, "cpu")),
        (None, "mps", 0, (None, "mps")),
    ],
)
def test_one_is_chosen(
    visible: str | None, device: str, cards: int, expected: tuple[str | None, str]
) -> None:
    """Of several visible GPUs the named one is left visible, else the first; one is left alone."""
    assert one_gpu(visible, device, cards) == expected


def test_a_gpu_that_is_not_there() -> None:
    """A number beyond the visible ones is a usage error."""
    with pytest.raises(UsageError) as refused:
        one_gpu("4,5", "cuda:2", 8)
    assert str(refused.value) == "--device cuda:2: 2 GPUs are visible (4, 5)"


def test_a_launcher_is_refused() -> None:
    """Several processes would each train a model of their own into one folder."""
    one_process({})
    one_process({"WORLD_SIZE": "1"})
    with pytest.raises(UsageError, match="trains in one process, and was started as one of 2"):
        one_process({"WORLD_SIZE": "2"})
