"""Which versions of what a run was made with."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from harness import __version__

_PACKAGES: Final = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "rapidfuzz")


def versions() -> dict[str, str]:
    """Version by name, of what is installed."""
    found = {"callgate": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
