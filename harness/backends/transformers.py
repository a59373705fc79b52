"""Replies of a FunctionGemma checkpoint through transformers: loaded once, decoded greedily."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from harness.backends.adapters import cast, merged, some_of
from harness.cases import Finish, Reply, Request
from harness.checkpoints import MISSING_LIBRARIES, Checkpoint
from harness.decoding import Decoded, Job, decode
from harness.errors import BackendError, first_line
from harness.functiongemma import STOP_TOKENS
from harness.placement import Placement
from harness.slots import supported

_BATCH: Final = {"cpu": (16, 16_384), "cuda": (64, 262_144)}
"""Prompts and prompt tokens at a time by device type; others as on a CPU."""
_AT_A_TIME: Final = 16
"""Decoded replies that are handed on, and kept, together."""
_OUT_OF_MEMORY: Final = ("out of memory", "can't allocate memory", "not enough memory")
_NO_TEMPLATE: Final = (
    "it has no chat template, so nothing can be asked of it; save FunctionGemma's "
    "chat_template.jinja beside its weights"
)

Numbered = tuple[int, Reply]
"""The index of a request, and its reply."""


@dataclass(frozen=True)
class Encoder:
    """Requests to token ids and back: a tokenizer, and the limits of the model it belongs to.

    `stop_ids` end a reply, `context` is in tokens, `rows` the height of the embedding.
    """

    tokenizer: Any
    stop_ids: tuple[int, ...]
    bos_id: int | None
    pad_id: int
    context: int
    rows: int


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request, rendered and tokenized: its index, its token ids, those of its draft."""

    index: int
    ids: tuple[int, ...]
    draft: tuple[int, ...] = ()


def load_encoder(checkpoint: Checkpoint) -> Encoder:
    """Load the tokenizer and the limits of the model; the weights stay on the disk.

    Raises:
        BackendError: the folder holds no model, or no FunctionGemma tokenizer.
    """
    transformers = _library()
    folder = str(checkpoint.folder)
    try:
        with warnings.catch_warnings(action="ignore"):
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
            if not tokenizer.chat_template:
                raise BackendError(f"model {checkpoint.name}: {_NO_TEMPLATE}")
            return encoder_for(tokenizer, config, checkpoint.name)
    except BackendError:
        raise
    except Exception as error:
        # Not narrower: tokenizers and safetensors raise errors of their own, Exception itself too.
        raise BackendError(
            f"model {checkpoint.name} cannot be loaded: {first_line(error)}"
        ) from None


def encoder_for(tokenizer: Any, config: Any, name: str) -> Encoder:
    """The encoder of a tokenizer and a model's configuration.

    Raises:
        BackendError: the tokenizer is not FunctionGemma's: a stop token is none of its tokens.
    """
    known = tokenizer.get_vocab()
    missing = [token for token in STOP_TOKENS if token not in known]
    if missing:
        raise BackendError(
            f"model {name}: its tokenizer lacks {', '.join(missing)}, so it is not "
            "FunctionGemma's; callgate doctor compares the two"
        )
    text_config = config.get_text_config()
    return Encoder(
        tokenizer,
        stop_ids=tuple(known[token] for token in STOP_TOKENS),
        bos_id=known.get("<bos>", tokenizer.bos_token_id),
        pad_id=tokenizer.pad_token_id or 0,
        context=text_config.max_position_embeddings,
        rows=text_config.vocab_size,
    )


def load_model(checkpoint: Checkpoint, placement: Placement, encoder: Encoder) -> Any:
    """Load the weights, fold the adapter in, and put the model where it will run.

    Raises:
        BackendError: the weights do not fit the model, or the model does not fit the device.
    """
    transformers = _library()
    try:
        with warnings.catch_warnings(action="ignore"):
            model, info = transformers.AutoModelForCausalLM.from_pretrained(
                str(checkpoint.folder),
                dtype="float32" if checkpoint.adapter else placement.torch_dtype(),
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except Exception as error:
        # Not narrower: see load_encoder.
        raise BackendError(
            f"model {checkpoint.name} cannot be loaded: {first_line(error)}"
        ) from None
    _check_names(checkpoint, model, info)
    if checkpoint.adapter:
        model = merged(model, checkpoint.adapter)
        cast(model, placement.torch_dtype())
    try:
        model = model.to(placement.device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts that it has it
        raise BackendError(
            f"model {checkpoint.name} cannot be put on {placement.device}: {first_line(error)}"
        ) from None
    return decode_greedily(model, encoder)


def _check_names(checkpoint: Checkpoint, model: Any, info: Mapping[str, Any]) -> None:
    """The files hold the model's weights, all of them and no others.

    The library fills the missing with noise, and passes over those that have no place. So do we
    over a tied head, which is there twice, and frequencies, which old versions saved.
    """
    head = f"model {checkpoint.name} cannot be loaded: its files"
    if missing := sorted(info["missing_keys"]):
        raise BackendError(f"{head} lack {len(missing)} of its weights {some_of(missing)}")
    passed = ("inv_freq", *(["lm_head.weight"] if model.config.tie_word_embeddings else []))
    if spare := sorted(n for n in info["unexpected_keys"] if not n.endswith(passed)):
        what = f"{len(spare)} weights that config.json has no place for"
        raise BackendError(f"{head} hold {what} {some_of(spare)}")


def _library() -> Any:
    """The transformers library, quiet; untyped, as its published types are for its own use."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        with warnings.catch_warnings(action="ignore"):
            import transformers
    except ImportError:
        raise BackendError(MISSING_LIBRARIES) from None
    library: Any = transformers
    library.utils.logging.set_verbosity_error()
    library.utils.logging.disable_progress_bar()
    return library


def decode_greedily(model: Any, encoder: Encoder) -> Any:
    """Give a model a generation config that inherits nothing: checkpoints ship ones that sample."""
    model.generation_config = _library().GenerationConfig(
        do_sample=False,
        num_beams=1,
        eos_token_id=list(encoder.stop_ids),
        pad_token_id=encoder.pad_id,
        bos_token_id=encoder.bos_id,
        use_cache=True,
    )
    return model.eval()


def render(encoder: Encoder, request: Request) -> str:
    """The prompt as text, by the model's own chat template."""
    text: str = encoder.tokenizer.apply_chat_template(
        [dict(message) for message in request.messages],
        tools=[tool.declaration() for tool in request.tools] or None,
        add_generation_prompt=True,
        tokenize=False,
    )
    return text


def tokenize(encoder: Encoder, request: Request, max_new_tokens: int) -> tuple[int, ...]:
    """The prompt's token ids, `<bos>` once and first.

    Raises:
        BackendError: the template refuses the conversation, or the prompt does not fit.
    """
    try:
        text = render(encoder, request)
    except Exception as error:
        # Not narrower: the template is the model's, and may raise whatever Python does.
        raise BackendError(
            f"the model's chat template refuses this case: {first_line(error)}"
        ) from None
    ids = tuple(encoder.tokenizer(text, add_special_tokens=False)["input_ids"])
    if encoder.bos_id is not None and ids[:1] != (encoder.bos_id,):
        ids = (encoder.bos_id, *ids)
    highest = max(ids, default=0)
    if highest >= encoder.rows:
        token = encoder.tokenizer.convert_ids_to_tokens(highest)
        raise BackendError(
            f"the prompt holds {token!r}, which is token {highest}; the model's embedding has "
            f"{encoder.rows} rows, so it cannot read it"
        )
    if len(ids) + max_new_tokens > encoder.context:
        raise BackendError(
            f"the prompt has {len(ids)} tokens; with {max_new_tokens} for the reply it does not "
            f"fit the model's context of {encoder.context}, and callgate never cuts a prompt"
        )
    return ids


def answer(
    encoder: Encoder,
    model: Callable[[], Any],
    requests: Sequence[Request],
    *,
    max_new_tokens: int,
    batch_size: int | None = None,
    shared_prefix: bool = True,
) -> Iterator[list[Numbered]]:
    """Each request's index with its reply, some at a time; a request's draft is read ahead.

    `model` is called when the first prompt is ready: requests that all are errors need no weights.

    Raises:
        BackendError: the model broke.
    """
    prompts: list[Prompt] = []
    for index, request in enumerate(requests):
        try:
            prompts.append(_prompt(encoder, index, request, max_new_tokens))
        except BackendError as error:
            yield [(index, Reply("", error=str(error)))]
    left = dict(enumerate(prompts))
    if prompts and supported(model()):
        try:
            yield from _decoded(encoder, model(), left, max_new_tokens, batch_size, shared_prefix)
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise BackendError(f"the model broke: {first_line(error)}") from None
    yield from _generated(encoder, model, list(left.values()), max_new_tokens, batch_size)


def jobs_of(encoder: Encoder, requests: Sequence[Request], max_new_tokens: int) -> list[Job]:
    """What `harness.decoding` takes for the requests.

    Raises:
        BackendError: a prompt cannot be rendered, or does not fit.
    """
    prompts = [_prompt(encoder, n, one, max_new_tokens) for n, one in enumerate(requests)]
    return [Job(prompt.ids, prompt.draft) for prompt in prompts]


def _prompt(encoder: Encoder, index: int, request: Request, max_new_tokens: int) -> Prompt:
    ids = tokenize(encoder, request, max_new_tokens)
    return Prompt(index, ids, _draft_ids(encoder, request))


def _draft_ids(encoder: Encoder, request: Request) -> tuple[int, ...]:
    """The draft's token ids; none beyond the embedding, which no reply could hold."""
    if request.draft is None:
        return ()
    ids = tuple(encoder.tokenizer(request.draft, add_special_tokens=False)["input_ids"])
    return ids if max(ids, default=0) < encoder.rows else ()


def _decoded(
    encoder: Encoder,
    model: Any,
    left: dict[int, Prompt],
    max_new_tokens: int,
    batch_size: int | None,
    shared_prefix: bool,
) -> Iterator[list[Numbered]]:
    """The replies by `harness.decoding`, taken out of `left` as they come."""
    jobs = [Job(prompt.ids, prompt.draft) for prompt in left.values()]
    at_a_time = min(_AT_A_TIME, batch_size or _AT_A_TIME)
    started = time.perf_counter()
    ready: list[tuple[int, Decoded]] = []
    for place, decoded in decode(
        model,
        jobs,
        stop_ids=encoder.stop_ids,
        max_new_tokens=max_new_tokens,
        batch_size=batch_size,
        shared_prefix=shared_prefix,
    ):
        ready.append((place, decoded))
        if len(ready) < at_a_time and len(ready) < len(left):
            continue
        seconds = (time.perf_counter() - started) / len(ready)
        yield [_decoded_reply(encoder, left.pop(n), made, seconds) for n, made in ready]
        ready, started = [], time.perf_counter()


def _decoded_reply(encoder: Encoder, prompt: Prompt, made: Decoded, seconds: float) -> Numbered:
    reply = _reply(encoder, prompt, list(made.tokens), seconds)
    counted = replace(reply, forward_passes=made.forward_passes, draft_tokens=made.accepted)
    return prompt.index, counted


def _generated(
    encoder: Encoder,
    model: Callable[[], Any],
    prompts: list[Prompt],
    max_new_tokens: int,
    batch_size: int | None,
) -> Iterator[list[Numbered]]:
    """Replies by transformers' own `generate`, longest prompts first.

    For models whose layers `harness.decoding` does not know, and for what did not fit in memory.
    """
    prompts.sort(key=lambda prompt: -len(prompt.ids))
    most = batch_size
    while prompts:
        longest = len(prompts[0].ids)
        batch = prompts[: _batch_length(model().device.type, longest, batch_size, most)]
        try:
            replies = _generate(encoder, model(), batch, max_new_tokens)
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise BackendError(f"the model broke: {first_line(error)}") from None
            if len(batch) > 1:
                most = len(batch) // 2
                continue
            reason = f"out of memory on a prompt of {longest} tokens, alone in its batch"
            replies = [(batch[0].index, Reply("", error=reason))]
        yield replies
        prompts = prompts[len(batch) :]


def _batch_length(device_type: str, longest: int, asked: int | None, most: int | None) -> int:
    """How many prompts go at a time; `most` is what memory was found to hold."""
    prompts, tokens = _BATCH.get(device_type, _BATCH["cpu"])
    fits = asked or min(prompts, max(1, tokens // longest))
    return min(fits, most or fits)


def _is_out_of_memory(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(words in text for words in _OUT_OF_MEMORY)


def _generate(
    encoder: Encoder, model: Any, prompts: Sequence[Prompt], max_new_tokens: int
) -> list[Numbered]:
    """One left-padded batch through `generate`."""
    import torch

    started = time.perf_counter()
    width = max(len(prompt.ids) for prompt in prompts)
    pads = [width - len(prompt.ids) for prompt in prompts]
    rows = [[encoder.pad_id] * n + list(p.ids) for n, p in zip(pads, prompts, strict=True)]
    seen = [[0] * n + [1] * len(p.ids) for n, p in zip(pads, prompts, strict=True)]
    ids = torch.tensor(rows, device=model.device)
    mask = torch.tensor(seen, device=model.device)
    with torch.inference_mode(), warnings.catch_warnings(action="ignore"):
        made = model.generate(ids, attention_mask=mask, max_new_tokens=max_new_tokens)
    new = made[:, width:].tolist()
    seconds = (time.perf_counter() - started) / len(prompts)
    return [
        (prompt.index, _reply(encoder, prompt, row, seconds))
        for prompt, row in zip(prompts, new, strict=True)
    ]


def _reply(encoder: Encoder, prompt: Prompt, ids: list[int], seconds: float) -> Reply:
    """A row of new ids as a reply, cut behind its stop token."""
    end = next((place for place, token in enumerate(ids) if token in encoder.stop_ids), None)
    finish: Finish = "length" if end is None else "stop"
    ids = ids if end is None else ids[: end + 1]
    text = encoder.tokenizer.decode(
        ids, skip_special_tokens=False, clean_up_tokenization_spaces=False
    )
    return Reply(text, finish, None, len(prompt.ids), len(ids), seconds=seconds)
