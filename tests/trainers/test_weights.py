"""A tuned model's folder: new weights among the base's own files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.backends.transformers import Encoder, load_model
from harness.checkpoints import Checkpoint
from harness.placement import Placement
from trainers.weights import copy_model, write_model

torch = pytest.importorskip("torch")


def test_the_template_for_tools_goes_along(
    tiny_model: Path, encoder: Encoder, tmp_path: Path
) -> None:
    """Without it the tuned model would be asked by another template than its base."""
    folder = Path(shutil.copytree(tiny_model, tmp_path / "base"))
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tool_use.jinja").write_text("{{ tools }}")
    base = Checkpoint("base", "base", folder)
    copy_model(base, tmp_path / "copied")
    model = load_model(base, Placement("cpu", "float32", ""), encoder)
    write_model(model, torch.float32, base, tmp_path / "written")
    for made in ("copied", "written"):
        template = tmp_path / made / "additional_chat_templates" / "tool_use.jinja"
        assert template.read_text() == "{{ tools }}"
