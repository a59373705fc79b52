"""What the tests of the formats share: damage to gold replies, and rows read through a spec."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harness.cases import Spec
from harness.loading import load_specs

SpecOf = Callable[..., Spec]


@pytest.fixture
def damage(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`damage.py` beside this file: gold replies, and ten and more ways to break them."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module("damage")


@pytest.fixture
def spec_of(tmp_path: Path) -> SpecOf:
    """`spec_of(format, rows, **settings)`: the spec that reads a file, or these rows, as source."""

    def load(form: str, rows: Path | Sequence[Any], **settings: Any) -> Spec:
        if not isinstance(rows, Path):
            written = "".join(f"{json.dumps(row)}\n" for row in rows)
            (tmp_path / "rows.jsonl").write_text(written, encoding="utf-8")
            rows = tmp_path / "rows.jsonl"
        source = {"format": form, "path": str(rows)}
        file = tmp_path / "rows.spec.yaml"
        file.write_text(json.dumps({**settings, "source": source}), encoding="utf-8")
        return load_specs([file])[0]

    return load
