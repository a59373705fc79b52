"""A model folder of our own: the base's files, with other weights in them."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from harness.checkpoints import TEMPLATES, Checkpoint, place_in_folder
from harness.errors import BackendError
from trainers.run_folder import disk_error, settle

if TYPE_CHECKING:
    import torch

_AS_THEY_ARE: Final = (
    *("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json"),
    *("added_tokens.json", "chat_template.jinja", "chat_template.json", "generation_config.json"),
)
"""Files that training does not change, and no library need write anew."""


def saved_dtype(checkpoint: Checkpoint, asked: str) -> torch.dtype:
    """The precision to save in: as asked, or that of the base."""
    import torch

    name = asked
    if asked == "auto":
        config = json.loads((checkpoint.folder / "config.json").read_text(encoding="utf-8"))
        name = config.get("dtype") or config.get("torch_dtype") or "float32"
    return torch.bfloat16 if name == "bfloat16" else torch.float32


def write_model(model: Any, dtype: torch.dtype, base: Checkpoint, target: Path) -> None:
    """Write the model and the base's other files; the folder is there whole, or not at all.

    Raises:
        DiskError: it cannot be written.
    """
    import transformers

    library: Any = transformers
    library.utils.logging.disable_progress_bar()
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        copy.deepcopy(model).to(dtype).save_pretrained(part)
        for name in _AS_THEY_ARE:
            (part / name).unlink(missing_ok=True)
            if (base.folder / name).is_file():
                shutil.copyfile(base.folder / name, part / name)
        for file in base.folder.glob(f"{TEMPLATES}/*.jinja"):
            _copy(file, part / place_in_folder(file))
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise disk_error(target, error) from None
    except Exception as error:
        # Not narrower: safetensors tells of a full disk with an error of its own.
        shutil.rmtree(part, ignore_errors=True)
        raise disk_error(target, OSError(f"{type(error).__name__}: {error}")) from None
    settle(part, target)


def copy_model(base: Checkpoint, target: Path) -> None:
    """Copy the base as it is: what is published when there is nothing to train."""
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        for file in base.files():
            _copy(file, part / place_in_folder(file))
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise disk_error(target, error) from None
    settle(part, target)


def _copy(file: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(file, target)


def check_base(checkpoint: Checkpoint) -> None:
    """Raises BackendError for a base that cannot be trained as it is: a quantized one."""
    config = json.loads((checkpoint.folder / "config.json").read_text(encoding="utf-8"))
    if "quantization_config" in config:
        raise BackendError(
            f"model {checkpoint.name} is quantized, and its weights cannot be trained: name the "
            "model that it was made from"
        )
