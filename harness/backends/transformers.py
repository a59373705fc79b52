"""Replies of a FunctionGemma checkpoint through transformers: loaded once, greedy, in batches."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.cases import Finish, Reply, Request
from harness.checkpoints import MISSING_LIBRARIES, Checkpoint
from harness.errors import BackendError
from harness.functiongemma import STOP_TOKENS
from harness.placement import Placement

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Loaded:
    """A model ready to answer: `stop_ids` end a reply; `rows` is the height of its embedding."""

    model: Any
    tokenizer: Any
    stop_ids: tuple[int, ...]
    pad_id: int
    context: int
    rows: int


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request, rendered and tokenized: the index of the request and its token ids."""

    index: int
    ids: tuple[int, ...]


def load(checkpoint: Checkpoint, placement: Placement) -> Loaded:
    """Load the model, its adapter and its tokenizer.

    Raises:
        BackendError: the folder holds no such model, or no FunctionGemma tokenizer.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    transformers = _library()
    folder = str(checkpoint.folder)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            folder,
            dtype="float32" if checkpoint.adapter else placement.torch_dtype(),
            use_safetensors=True,
            trust_remote_code=False,
        )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise BackendError(f"model {checkpoint.name} cannot be loaded: {reason}") from None
    if checkpoint.adapter:
        model = _merged(model, checkpoint)
    model = model.to(device=placement.device, dtype=placement.torch_dtype()).eval()
    loaded = Loaded(
        model,
        tokenizer,
        _stop_ids(tokenizer, checkpoint),
        pad_id=tokenizer.pad_token_id or 0,
        context=model.config.max_position_embeddings,
        rows=model.get_input_embeddings().weight.shape[0],
    )
    model.generation_config = _greedy(loaded)
    return loaded


def _library() -> Any:
    """The transformers library, quiet; untyped, as its published types are for its own use."""
    try:
        import transformers
    except ImportError:
        raise BackendError(MISSING_LIBRARIES) from None
    library: Any = transformers
    library.utils.logging.set_verbosity_error()
    library.utils.logging.disable_progress_bar()
    return library


def _merged(model: Any, checkpoint: Checkpoint) -> Any:
    """The model with its adapter folded in, in float32: bfloat16 would round the sum away."""
    try:
        from peft import PeftModel
    except ImportError:
        raise BackendError(MISSING_LIBRARIES) from None
    try:
        return PeftModel.from_pretrained(model, str(checkpoint.adapter)).merge_and_unload()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise BackendError(f"adapter {checkpoint.adapter} does not fit: {reason}") from None


def _stop_ids(tokenizer: Any, checkpoint: Checkpoint) -> tuple[int, ...]:
    """The ids of the stop tokens, found by their text; each must be one token."""
    known = tokenizer.get_vocab()
    missing = [token for token in STOP_TOKENS if token not in known]
    if missing:
        raise BackendError(
            f"model {checkpoint.name}: its tokenizer lacks {', '.join(missing)}, so it is not "
            "FunctionGemma's; callgate doctor compares the two"
        )
    return tuple(known[token] for token in STOP_TOKENS)


def _greedy(loaded: Loaded) -> Any:
    """A generation config that inherits nothing: checkpoints ship ones that sample."""
    return _library().GenerationConfig(
        do_sample=False,
        num_beams=1,
        eos_token_id=list(loaded.stop_ids),
        pad_token_id=loaded.pad_id,
        bos_token_id=loaded.tokenizer.bos_token_id,
        use_cache=True,
    )


def render(loaded: Loaded, request: Request) -> str:
    """The prompt as text, by the model's own chat template."""
    text: str = loaded.tokenizer.apply_chat_template(
        [dict(message) for message in request.messages],
        tools=[tool.declaration() for tool in request.tools] or None,
        add_generation_prompt=True,
        tokenize=False,
    )
    return text


def tokenize(loaded: Loaded, request: Request, max_new_tokens: int) -> tuple[int, ...]:
    """The prompt's token ids, `<bos>` once and first.

    Raises:
        BackendError: the template refuses the conversation, or the prompt does not fit.
    """
    from jinja2 import TemplateError

    try:
        text = render(loaded, request)
    except (TemplateError, TypeError, ValueError, KeyError) as error:
        raise BackendError(f"the model's chat template refuses this case: {error}") from None
    ids = tuple(loaded.tokenizer(text, add_special_tokens=False)["input_ids"])
    bos = loaded.tokenizer.bos_token_id
    if ids[:1] != (bos,):
        ids = (bos, *ids)
    if max(ids) >= loaded.rows:
        raise BackendError(
            f"the prompt holds token {max(ids)}, and the model's embedding has {loaded.rows} rows"
        )
    if len(ids) + max_new_tokens > loaded.context:
        raise BackendError(
            f"the prompt has {len(ids)} tokens; with {max_new_tokens} for the reply it does not "
            f"fit the model's context of {loaded.context}, and callgate never cuts a prompt"
        )
    return ids


def answer(
    loaded: Loaded, requests: Sequence[Request], *, max_new_tokens: int, batch_size: int | None
) -> Iterator[tuple[int, Reply]]:
    """Each request's index with its reply, longest prompts first."""
    prompts: list[Prompt] = []
    for index, request in enumerate(requests):
        try:
            prompts.append(Prompt(index, tokenize(loaded, request, max_new_tokens)))
        except BackendError as error:
            yield index, Reply("", error=str(error))
    prompts.sort(key=lambda prompt: -len(prompt.ids))
    size = batch_size or (64 if loaded.model.device.type == "cuda" else 16)
    while prompts:
        try:
            replies = _generate(loaded, prompts[:size], max_new_tokens)
        except RuntimeError as error:
            if "out of memory" not in str(error).lower() or size == 1:
                raise BackendError(f"the model broke: {str(error).splitlines()[0]}") from None
            size = max(1, size // 2)
            continue
        yield from replies
        prompts = prompts[size:]


def _generate(
    loaded: Loaded, prompts: Sequence[Prompt], max_new_tokens: int
) -> list[tuple[int, Reply]]:
    """One left-padded batch through `generate`."""
    import torch

    started = time.perf_counter()
    width = max(len(prompt.ids) for prompt in prompts)
    device = loaded.model.device
    ids = torch.tensor(
        [[loaded.pad_id] * (width - len(p.ids)) + list(p.ids) for p in prompts], device=device
    )
    mask = torch.tensor(
        [[0] * (width - len(p.ids)) + [1] * len(p.ids) for p in prompts], device=device
    )
    with torch.inference_mode():
        made = loaded.model.generate(ids, attention_mask=mask, max_new_tokens=max_new_tokens)
    seconds = (time.perf_counter() - started) / len(prompts)
    return [
        (prompt.index, _reply(loaded, prompt, row, seconds))
        for prompt, row in zip(prompts, made[:, width:], strict=True)
    ]


def _reply(loaded: Loaded, prompt: Prompt, row: torch.Tensor, seconds: float) -> Reply:
    """A row of new ids as a reply, cut behind its stop token."""
    ids = row.tolist()
    end = next((place for place, token in enumerate(ids) if token in loaded.stop_ids), None)
    finish: Finish = "length" if end is None else "stop"
    ids = ids if end is None else ids[: end + 1]
    text = loaded.tokenizer.decode(
        ids, skip_special_tokens=False, clean_up_tokenization_spaces=False
    )
    return Reply(text, finish, None, len(prompt.ids), len(ids), seconds)
