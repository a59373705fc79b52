"""Safetensors files as their headers tell them: whole or cut off, without loading a weight.

A file is 8 bytes, the length of the header; the header, JSON; the tensors, whose last one ends
the file (the format's own documentation).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

_INDEX: Final = "model.safetensors.index.json"
_MOST_HEADER_BYTES: Final = 1 << 24


def weight_faults(folder: Path) -> Iterator[str]:
    """What keeps the weights of a folder from being loaded, a sentence part for each file."""
    for file in sorted({*folder.glob("*.safetensors"), *_shards(folder)}):
        try:
            size = file.stat().st_size
        except (OSError, ValueError) as error:  # ValueError: a name that none can be
            yield f"{file.name}: {getattr(error, 'strerror', None) or error}"
            continue
        length, tensors = _header(file)
        entries = [tensor for name, tensor in tensors.items() if name != "__metadata__"]
        ends = [_number(tensor, "data_offsets", 1) for tensor in entries]
        told = [8 + length + end for end in ends if end is not None]
        if not ends or len(told) < len(ends):
            yield f"{file.name} has no header of a safetensors file"
        elif size != max(told):
            yield f"{file.name} has {size} bytes of {max(told)}"


def embedding_rows(folder: Path) -> int | None:
    """Rows of the embedding; None where no header tells."""
    for file in sorted(folder.glob("*.safetensors")):
        for name, tensor in _header(file)[1].items():
            if name.endswith("embed_tokens.weight") and (rows := _number(tensor, "shape", 0)):
                return rows
    return None


def _header(file: Path) -> tuple[int, Mapping[str, Any]]:
    """The header's length in bytes, and the tensors by name; 0 and none where there is none."""
    try:
        with file.open("rb") as content:
            (length,) = struct.unpack("<Q", content.read(8))
            found = json.loads(content.read(min(length, _MOST_HEADER_BYTES)))
    except (OSError, struct.error, ValueError, RecursionError):
        return 0, {}
    return (length, found) if isinstance(found, dict) else (0, {})


def _number(tensor: Any, key: str, place: int) -> int | None:
    """A whole number of a list that a tensor's entry holds; None where there is none."""
    try:
        found = tensor[key][place]
    except (TypeError, LookupError):
        return None
    return found if isinstance(found, int) else None


def _shards(folder: Path) -> Iterator[Path]:
    """The files that the index of a model in several files names."""
    try:
        names = json.loads((folder / _INDEX).read_text(encoding="utf-8"))["weight_map"].values()
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return
    yield from (folder / name for name in names if isinstance(name, str) and "/" not in name)
