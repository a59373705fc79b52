"""A PEFT adapter folded into its model: the weights say then what the two said side by side."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.checkpoints import MISSING_LIBRARIES
from harness.errors import BackendError, first_line


def merged(model: Any, folder: Path) -> Any:
    """The model with its adapter folded in, in float32: bfloat16 would round the sum away.

    Raises:
        BackendError: PEFT is not installed, or the adapter does not fit the model.
    """
    try:
        from peft import PeftModel
    except ImportError:
        raise BackendError(MISSING_LIBRARIES) from None
    try:
        with warnings.catch_warnings(record=True, action="always") as said:
            adapted = PeftModel.from_pretrained(model, str(folder), torch_device="cpu")
            # PEFT only warns of an adapter whose weights are not there, and answers without them.
            lacking = [str(w.message) for w in said if "missing adapter keys" in str(w.message)]
            if lacking:
                raise ValueError(lacking[0][:200])
            # Of weights that have no place it says nothing, but asked again it lists them.
            loaded = adapted.load_adapter(str(folder), "default", torch_device="cpu")
            if spare := sorted(loaded.unexpected_keys):
                reason = f"the model has no place for {len(spare)} of its weights"
                raise ValueError(f"{reason} {some_of(spare)}")
            _untie(adapted.get_base_model())
            return adapted.merge_and_unload()
    except Exception as error:
        # Not narrower: what cannot be merged fails in as many ways as there are kinds of adapters.
        reason = first_line(error)
        raise BackendError(f"adapter {folder} does not fit: {reason}") from None


def _untie(model: Any) -> None:
    """Give the head weights of its own where an adapter lies on it, or on the embedding.

    Gemma 3 has one matrix for both, and folding adds a layer's change to the matrix: the other
    layer would get it too, which PEFT warns of and does. The configuration tells who saves it.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer
    from torch.nn import Parameter

    table, head = model.get_input_embeddings(), model.get_output_embeddings()
    if not isinstance(table, BaseTunerLayer) and not isinstance(head, BaseTunerLayer):
        return
    inner = head.get_base_layer() if isinstance(head, BaseTunerLayer) else head
    if inner.weight is table.weight:
        inner.weight = Parameter(inner.weight.detach().clone(), inner.weight.requires_grad)
        model.config.tie_word_embeddings = False


def some_of(names: Sequence[str]) -> str:
    """The first names in brackets, for a message that has counted them."""
    return f"({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"


def cast(model: Any, dtype: Any) -> None:
    """Put the parameters into a precision, as `from_pretrained` does.

    Not `model.to`: that rounds the buffers too, among them the rotary frequencies.
    """
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)
