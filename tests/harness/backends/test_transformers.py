"""Replies of a real, tiny checkpoint: greedy, in batches, raw, and never anything half."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from harness.backends.transformers import (
    Encoder,
    answer,
    decode_greedily,
    encoder_for,
    load_encoder,
    load_model,
    tokenize,
)
from harness.cases import Reply, Request, Tool
from harness.checkpoints import Checkpoint
from harness.errors import BackendError
from harness.placement import Placement

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

Ask = Callable[..., Request]
Edit = Callable[..., None]

CPU = Placement("cpu", "float32", "")
STOPS = ("<end_of_turn>", "<start_function_response>", "<eos>")
WORDS = ("plan", "room", "menu", "stock", "weather", "Berlin", "team", "budget", "joke", "bus")
PROMPTS = [f"Where is the {word}? " * (1 + index % 5) for index, word in enumerate(WORDS)]
NEW_TOKENS = 20


@dataclass(frozen=True)
class Loaded:
    """A checkpoint with its parts loaded."""

    checkpoint: Checkpoint
    encoder: Encoder
    model: Any

    def answers(
        self, requests: list[Request], batch_size: int | None = None, most: int = NEW_TOKENS
    ) -> list[Reply]:
        """The replies in the order of the requests."""
        batches = answer(
            self.encoder,
            lambda: self.model,
            requests,
            max_new_tokens=most,
            batch_size=batch_size,
        )
        found = dict(pair for batch in batches for pair in batch)
        assert sorted(found) == list(range(len(requests)))
        return [found[index] for index in range(len(requests))]

    def texts(self, requests: list[Request], batch_size: int | None = None) -> list[str]:
        """The texts of the replies."""
        return [reply.text for reply in self.answers(requests, batch_size)]


def load(folder: Path, adapter: Path | None = None, placement: Placement = CPU) -> Loaded:
    """A folder, loaded as the gate loads it."""
    checkpoint = Checkpoint("the-model", "the-model", folder, adapter)
    encoder = load_encoder(checkpoint)
    return Loaded(checkpoint, encoder, load_model(checkpoint, placement, encoder))


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> Loaded:
    """The tiny model."""
    return load(tiny_model)


@pytest.fixture(scope="module")
def requests(ask: Ask) -> list[Request]:
    """Ragged prompts: 1 to 5 sentences, most of them longer than the sliding window."""
    return [ask(prompt) for prompt in PROMPTS]


@pytest.fixture(scope="module")
def singly(tiny_model: Path, requests: list[Request]) -> list[str]:
    """What plain transformers says, one prompt at a time, when told how to decode."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_model)
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny_model, dtype="float32").eval()
    model.generation_config = transformers.GenerationConfig()
    stops = [tokenizer.convert_tokens_to_ids(token) for token in STOPS]
    texts = []
    for request in requests:
        ids = tokenizer.apply_chat_template(
            [dict(message) for message in request.messages],
            tools=[tool.declaration() for tool in request.tools],
            add_generation_prompt=True,
            return_tensors="pt",
        )
        made = model.generate(
            **ids, do_sample=False, max_new_tokens=NEW_TOKENS, eos_token_id=stops, pad_token_id=0
        )
        texts.append(tokenizer.decode(made[0, ids["input_ids"].shape[1] :]))
    return texts


@pytest.mark.parametrize("batch_size", [1, 2, 7, None])
def test_batches_change_no_reply(
    loaded: Loaded, requests: list[Request], singly: list[str], batch_size: int | None
) -> None:
    """Left-padded greedy batches say what single sequences say in float32, whatever their size."""
    assert loaded.texts(requests, batch_size) == singly


def test_replies_vary(singly: list[str]) -> None:
    """The tiny model is no constant: equal replies above mean something."""
    assert len(set(singly)) > len(singly) // 2
    assert any(text.endswith(STOPS) for text in singly)
    assert not all(text.endswith(STOPS) for text in singly)


def test_a_sampling_checkpoint_is_decoded_greedily(
    tiny_model: Path, llama: Loaded, requests: list[Request]
) -> None:
    """The checkpoint samples, penalises, and stops at 30 tokens by default; callgate does not.

    A model that `generate` answers says the likeliest token at every step.
    """
    llama.model.generation_config = transformers.GenerationConfig.from_pretrained(tiny_model)
    assert llama.model.generation_config.do_sample
    decode_greedily(llama.model, llama.encoder)
    likeliest = []
    for request in requests:
        ids = list(tokenize(llama.encoder, request, NEW_TOKENS))
        start = len(ids)
        while len(ids) < start + NEW_TOKENS and ids[-1] not in llama.encoder.stop_ids:
            with torch.inference_mode():
                ids.append(int(llama.model(torch.tensor([ids])).logits[0, -1].argmax()))
        likeliest.append(llama.encoder.tokenizer.decode(ids[start:]))
    assert llama.texts(requests) == likeliest
    config = load(tiny_model).model.generation_config
    assert (config.do_sample, config.num_beams) == (False, 1)
    unset = ("top_k", "top_p", "temperature", "repetition_penalty", "cache_implementation")
    assert [getattr(config, name) for name in unset] == [None] * len(unset)


def test_replies_end_with_their_stop_token(loaded: Loaded, requests: list[Request]) -> None:
    """A reply is raw: it ends with its one stop token; one that was cut has none."""
    replies = loaded.answers(requests)
    for reply in replies:
        stops = [reply.text.count(token) for token in STOPS]
        assert sum(stops) == (1 if reply.finish == "stop" else 0)
        assert reply.text.endswith(STOPS) == (reply.finish == "stop")
    assert {reply.finish for reply in replies} == {"stop", "length"}


def test_tokens_are_counted(loaded: Loaded, requests: list[Request]) -> None:
    """A reply knows its tokens: a cut one has as many as were allowed, others at most that."""
    for request, reply in zip(requests, loaded.answers(requests, 5), strict=True):
        assert reply.prompt_tokens == len(tokenize(loaded.encoder, request, NEW_TOKENS))
        assert reply.completion_tokens is not None
        if reply.finish == "length":
            assert reply.completion_tokens == NEW_TOKENS
        else:
            assert 1 <= reply.completion_tokens <= NEW_TOKENS


@pytest.mark.parametrize("stop", STOPS)
def test_each_stop_token_is_found_by_its_text(
    tiny: Path, edit: Edit, requests: list[Request], stop: str
) -> None:
    """A generation config without stop ids, or none at all: replies end all the same."""
    (tiny / "generation_config.json").unlink()
    edit(tiny / "config.json", eos_token_id=None)
    one = load(tiny)
    ident = one.encoder.tokenizer.convert_tokens_to_ids(stop)
    assert ident in one.encoder.stop_ids
    with torch.no_grad():
        one.model.get_input_embeddings().weight[ident] *= 100
    texts = one.texts(requests[:8])
    assert any(text.endswith(stop) for text in texts)
    assert not any(stop in text[: -len(stop)] for text in texts)


def test_control_tokens_stay_in_the_text(loaded: Loaded) -> None:
    """Calls, escapes and stop tokens come back as they were made, blanks included."""
    text = "<start_function_call>call:find{query:<escape> a , b <escape>}<end_function_call>"
    text += "<start_function_response>"
    ids = loaded.encoder.tokenizer(text, add_special_tokens=False)["input_ids"]

    class Fixed:
        """A model that says one thing."""

        device = torch.device("cpu")
        config = None

        def generate(self, prompts: Any, **_: object) -> Any:
            return torch.cat([prompts, torch.tensor([[*ids, 0, 0]])], dim=1)

    fixed = Loaded(loaded.checkpoint, loaded.encoder, Fixed())
    (reply,) = fixed.answers([Request("s::c", ({"role": "user", "content": "Go"},), ())])
    assert (reply.text, reply.finish, reply.completion_tokens) == (text, "stop", len(ids))


@pytest.mark.parametrize("adds_bos", [True, False])
@pytest.mark.parametrize("writes_bos", [True, False])
def test_one_bos(tiny: Path, edit: Edit, ask: Ask, *, adds_bos: bool, writes_bos: bool) -> None:
    """Whether the template, the tokenizer, both or none of them adds `<bos>`: there is one."""
    edit(tiny / "tokenizer_config.json", add_bos_token=adds_bos)
    if not writes_bos:
        template = tiny / "chat_template.jinja"
        template.write_text(template.read_text().replace("{{- bos_token -}}", ""))
    ids = tokenize(load_encoder(Checkpoint("m", "m", tiny)), ask("Hello"), 8)
    assert ids[0] == 2
    assert ids.count(2) == 1


def test_a_prompt_longer_than_the_context_is_that_cases_error(loaded: Loaded, ask: Ask) -> None:
    """Nothing is cut: the case is an error that names the numbers; the others are answered."""
    long, short = loaded.answers([ask("word " * 2000), ask("Hello")])
    tokens = len(loaded.encoder.tokenizer("word " * 2000)["input_ids"])
    assert long.text == ""
    assert long.error is not None
    found = int(long.error.split()[3])
    assert found > tokens - 5
    assert long.error == (
        f"the prompt has {found} tokens; with 20 for the reply it does not fit the model's "
        "context of 1024, and callgate never cuts a prompt"
    )
    assert short.error is None
    assert short.text


def test_the_context_is_used_to_its_last_token(loaded: Loaded, ask: Ask) -> None:
    """A prompt that leaves just enough room is answered; one token more to say is an error."""
    request = ask("Hello")
    room = loaded.encoder.context - len(tokenize(loaded.encoder, request, 1))
    assert loaded.answers([request], most=room)[0].error is None
    assert "does not fit" in (loaded.answers([request], most=room + 1)[0].error or "")


def test_a_truncating_tokenizer_cuts_nothing(tiny: Path, edit: Edit, ask: Ask) -> None:
    """A tokenizer that was saved while it truncated and padded does neither here."""
    whole = tokenize(load_encoder(Checkpoint("m", "m", tiny)), ask("Where?"), 8)
    truncation = {"direction": "Right", "max_length": 9, "strategy": "LongestFirst", "stride": 0}
    padding = {
        "strategy": {"Fixed": 99},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "<pad>",
    }
    edit(tiny / "tokenizer.json", truncation=truncation, padding=padding)
    assert tokenize(load_encoder(Checkpoint("m", "m", tiny)), ask("Where?"), 8) == whole


def test_a_token_without_a_row_is_that_cases_error(tiny: Path, edit: Edit, ask: Ask) -> None:
    """A tokenizer longer than the embedding: a prompt with such a token cannot be read."""
    tokens = json.loads((tiny / "tokenizer.json").read_text())["added_tokens"]
    rows = json.loads((tiny / "config.json").read_text())["vocab_size"]
    image = {**tokens[0], "id": rows, "content": "<image_soft_token>"}
    edit(tiny / "tokenizer.json", added_tokens=[*tokens, image])
    one = load(tiny)
    bad, good = one.answers([ask("What is in <image_soft_token>?"), ask("Hello")])
    assert bad.error == (
        f"the prompt holds '<image_soft_token>', which is token {rows}; the model's embedding has "
        f"{rows} rows, so it cannot read it"
    )
    assert good.error is None


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ raise_exception('Roles must alternate') }}", "Roles must alternate"),
        ("{{ messages[7].content }}", "list object has no element 7"),
        ("{{ 1 // 0 }}", "integer division or modulo by zero"),
        ("{{ 'x' * 1.5 }}", "can't multiply sequence by non-int of type 'float'"),
        (
            "{{ ''.__class__.__mro__ }}",
            "access to attribute '__class__' of 'str' object is unsafe.",
        ),
    ],
)
def test_a_template_that_refuses_is_that_cases_error(
    tiny: Path, ask: Ask, template: str, reason: str
) -> None:
    """Whatever a template raises is the error of the case it was raised for."""
    file = tiny / "chat_template.jinja"
    head = f"{{% if 'odd' in messages[-1].content %}}{template}{{% endif %}}"
    file.write_text(head + file.read_text())
    one = load(tiny)
    odd, even = one.answers([ask("an odd one"), ask("Hello")])
    assert odd.error == f"the model's chat template refuses this case: {reason}"
    assert even.error is None


def test_errors_alone_need_no_weights(loaded: Loaded, ask: Ask) -> None:
    """Requests that all are errors do not load the model."""

    def never() -> Any:
        raise AssertionError("the model was asked for")

    batches = answer(loaded.encoder, never, [ask("word " * 2000)], max_new_tokens=8)
    assert [[index for index, _ in batch] for batch in batches] == [[0]]


@pytest.fixture
def small_memory(loaded: Loaded) -> Iterator[list[int]]:
    """The tiny model on a device that holds 3 prompts at a time; collects the batches it saw."""
    seen: list[int] = []

    def refuse(_: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        ids = named.get("input_ids", arguments[0] if arguments else None)
        if ids.shape[1] > 1:
            seen.append(ids.shape[0])
        if ids.shape[0] > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    hook = loaded.model.get_decoder().register_forward_pre_hook(refuse, with_kwargs=True)
    yield seen
    hook.remove()


def test_out_of_memory_halves_the_batch(
    loaded: Loaded, requests: list[Request], singly: list[str], small_memory: list[int]
) -> None:
    """A batch that does not fit is tried again in halves, and replies stay what they were."""
    assert loaded.texts(requests, 8) == singly
    refused = [place for place, rows in enumerate(small_memory) if rows > 3]
    assert refused
    assert len(small_memory) > refused[-1] + 1


def test_out_of_memory_on_one_prompt_is_that_cases_error(loaded: Loaded, ask: Ask) -> None:
    """A prompt too large for the device costs its own reply, no other."""

    def refuse(_: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        if named["input_ids"].shape[1] > 200:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")

    hook = loaded.model.get_decoder().register_forward_pre_hook(refuse, with_kwargs=True)
    try:
        short, long = loaded.answers([ask("Hello"), ask("word " * 200)])
    finally:
        hook.remove()
    assert short.error is None
    tokens = len(tokenize(loaded.encoder, ask("word " * 200), NEW_TOKENS))
    assert long.error == f"out of memory on a prompt of {tokens} tokens, alone in its batch"


def test_a_model_that_breaks_says_so(loaded: Loaded, ask: Ask) -> None:
    """Any other failure of the model ends the run with its reason, not with a traceback."""

    def refuse(*_: object) -> None:
        raise RuntimeError("device-side assert triggered\nCUDA kernel errors …")

    hook = loaded.model.get_decoder().register_forward_pre_hook(refuse)
    try:
        with pytest.raises(BackendError) as raised:
            loaded.answers([ask("Hello")])
    finally:
        hook.remove()
    assert str(raised.value) == "the model broke: device-side assert triggered"


@pytest.fixture
def llama(loaded: Loaded) -> Loaded:
    """A model whose layers the exact decoder does not know, with the same tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=loaded.encoder.rows,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=10_000,
        initializer_range=0.2,
    )
    encoder = replace(loaded.encoder, context=10_000)
    model = decode_greedily(LlamaForCausalLM(config), encoder)
    return Loaded(loaded.checkpoint, encoder, model)


def test_a_model_of_other_layers_is_asked_through_generate(
    llama: Loaded, requests: list[Request]
) -> None:
    """It answers in batches what it answers one by one, and no forward passes are counted."""
    together = llama.answers(requests)
    assert [reply.text for reply in together] == llama.texts(requests, 1)
    assert {reply.forward_passes for reply in together} == {None}


def test_long_prompts_go_in_smaller_batches(llama: Loaded, ask: Ask) -> None:
    """`generate` gets 16 prompts or 16,384 tokens at most on a CPU, or the size asked for."""
    seen: list[int] = []

    def note(_: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        if named["input_ids"].shape[1] > 1:
            seen.append(named["input_ids"].shape[0])

    llama.model.register_forward_pre_hook(note, with_kwargs=True)
    requests = [ask("word " * 3000) for _ in range(6)] + [ask("Hello") for _ in range(18)]
    llama.answers(requests, most=1)
    llama.answers(requests[:6], 6, most=1)
    longest = len(tokenize(llama.encoder, requests[0], 1))
    many = 16_384 // longest
    assert 2 <= many <= 5
    assert seen[0] == many
    assert sum(seen[:-1]) == 24
    assert max(seen[:-1]) == 16
    assert seen[-1] == 6


def test_a_draft_changes_what_a_reply_costs_and_nothing_else(
    loaded: Loaded, requests: list[Request]
) -> None:
    """With its own reply as draft a prompt takes one pass; with another's it says the same."""
    plain = loaded.answers(requests)
    right = [replace(one, draft=reply.text) for one, reply in zip(requests, plain, strict=True)]
    wrong = [replace(one, draft="<start_function_call>call:no{}") for one in requests]
    hoped, refused = loaded.answers(right), loaded.answers(wrong)
    assert [r.text for r in hoped] == [r.text for r in plain] == [r.text for r in refused]
    assert sum(r.forward_passes or 0 for r in hoped) < sum(r.forward_passes or 0 for r in plain)


def test_bfloat16_is_bfloat16(tiny_model: Path, ask: Ask) -> None:
    """The precision asked for is the precision of every weight."""
    one = load(tiny_model, placement=Placement("cpu", "bfloat16", ""))
    assert {weight.dtype for weight in one.model.parameters()} == {torch.bfloat16}
    assert one.answers([ask("Hello")])[0].error is None


BFLOAT16 = Placement("cpu", "bfloat16", "")


def logits(model: Any) -> Any:
    """What a model says to 200 tokens, further than its sliding window reaches."""
    with torch.inference_mode():
        return model(torch.arange(100, 300)[None]).logits


def test_bfloat16_is_what_transformers_makes_of_it(tiny_model: Path) -> None:
    """Buffers are no weights: the rotary frequencies stay in float32, and the logits are equal."""
    plain = transformers.AutoModelForCausalLM.from_pretrained(tiny_model, dtype="bfloat16").eval()
    ours = load(tiny_model, placement=BFLOAT16).model
    kept, found = dict(plain.named_buffers()), dict(ours.named_buffers())
    assert {name: one.dtype for name, one in found.items()} == {n: b.dtype for n, b in kept.items()}
    assert any(one.dtype == torch.float32 for one in found.values())
    assert torch.equal(logits(ours), logits(plain))


def test_a_merged_model_in_bfloat16_is_what_transformers_makes_of_it(
    tiny_model: Path, adapter: Path, tmp_path: Path
) -> None:
    """An adapter is merged in float32 and the sum is rounded: the weights, and nothing else."""
    folder = Path(shutil.copytree(tiny_model, tmp_path / "merged"))
    load(tiny_model, adapter).model.save_pretrained(folder)
    ours, saved = load(tiny_model, adapter, BFLOAT16), load(folder, placement=BFLOAT16)
    assert torch.equal(logits(ours.model), logits(saved.model))


def test_a_checkpoint_kept_in_bfloat16_runs_in_float32(tiny: Path, ask: Ask) -> None:
    """The precision of the file does not decide: on a CPU it is float32."""
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny, dtype="bfloat16")
    model.save_pretrained(tiny)
    one = load(tiny)
    assert {weight.dtype for weight in one.model.parameters()} == {torch.float32}


# Adapters


def save_adapter(model_folder: Path, folder: Path, **settings: Any) -> Path:
    """A LoRA adapter with weights large enough to be heard, as PEFT saves it."""
    import peft

    model = transformers.AutoModelForCausalLM.from_pretrained(model_folder, dtype="float32")
    settings = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear"} | settings
    adapted = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", **settings))
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_" in name:
                weight.normal_(0, 0.05)
            elif weight.requires_grad:  # saved whole, or tokens' own
                weight.add_(torch.randn_like(weight) * 0.05)
    adapted.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def adapter(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter of the tiny model."""
    pytest.importorskip("peft")
    return save_adapter(tiny_model, tmp_path_factory.mktemp("adapter"))


def test_an_adapter_changes_replies_as_peft_does(
    tiny_model: Path, adapter: Path, loaded: Loaded, requests: list[Request]
) -> None:
    """With its adapter folded in, the model says what PEFT's own model says with it beside."""
    import peft

    merged = load(tiny_model, adapter)
    base = transformers.AutoModelForCausalLM.from_pretrained(tiny_model, dtype="float32")
    beside = peft.PeftModel.from_pretrained(base, str(adapter)).eval()
    beside.base_model.model.generation_config = merged.model.generation_config
    texts = merged.texts(requests[:8], 4)
    assert texts == Loaded(merged.checkpoint, merged.encoder, beside).texts(requests[:8], 1)
    assert texts != loaded.texts(requests[:8])


def test_an_adapter_is_merged_in_float32(tiny_model: Path, adapter: Path) -> None:
    """Under bfloat16 the sum is made in float32 and rounded once."""
    name = "model.layers.0.mlp.up_proj.weight"
    exact = dict(load(tiny_model, adapter).model.named_parameters())[name]
    half = load(tiny_model, adapter, Placement("cpu", "bfloat16", ""))
    assert torch.equal(dict(half.model.named_parameters())[name], exact.bfloat16())


@pytest.mark.parametrize(
    "settings",
    [
        {"target_modules": ["lm_head"]},
        {"target_modules": ["embed_tokens"]},
        {"target_modules": ["embed_tokens", "lm_head", "q_proj"]},
        {"target_modules": ["embed_tokens"], "ensure_weight_tying": True},
        {"modules_to_save": ["lm_head"]},
        {"trainable_token_indices": [100, 101, 102]},
    ],
    ids=["head", "embedding", "both", "both as one", "a head of its own", "tokens"],
)
def test_an_adapter_of_tied_weights_says_what_peft_says(
    tiny_model: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    """One matrix serves as embedding and head: a change of one of them is not made to the other.

    Saved again, as tuning does, the model still says so.
    """
    peft = pytest.importorskip("peft")
    folder = save_adapter(tiny_model, tmp_path / "adapter", **settings)
    base = transformers.AutoModelForCausalLM.from_pretrained(tiny_model, dtype="float32")
    beside = peft.PeftModel.from_pretrained(base, str(folder)).eval()
    merged = load(tiny_model, folder).model
    assert (logits(merged) - logits(beside)).abs().max() < 1e-3
    assert (logits(merged) - logits(load(tiny_model).model)).abs().max() > 0.1
    saved = Path(shutil.copytree(tiny_model, tmp_path / "saved"))
    merged.save_pretrained(saved)
    assert torch.equal(logits(load(saved).model), logits(merged))


def test_an_adapter_of_another_model_is_refused(
    tiny_model: Path, adapter: Path, tmp_path: Path, edit: Edit
) -> None:
    """An adapter whose modules or weights the model lacks is refused, in words."""
    foreign = Path(shutil.copytree(adapter, tmp_path / "foreign"))
    edit(foreign / "adapter_config.json", target_modules=["query_key_value"])
    with pytest.raises(BackendError) as raised:
        load(tiny_model, foreign)
    head = f"adapter {foreign} does not fit: Target modules {{'query_key_value'}} not found in"
    assert str(raised.value).startswith(head)


def test_an_adapter_without_its_weights_is_refused(
    tiny_model: Path, adapter: Path, tmp_path: Path
) -> None:
    """PEFT only warns of missing weights and answers without them; here that is an error."""
    from safetensors.torch import load_file, save_file

    broken = Path(shutil.copytree(adapter, tmp_path / "broken"))
    weights = load_file(broken / "adapter_model.safetensors")
    kept = {name: weight for name, weight in weights.items() if ".0." not in name}
    save_file(kept, broken / "adapter_model.safetensors")
    with pytest.raises(BackendError) as raised:
        load(tiny_model, broken)
    head = f"adapter {broken} does not fit: Found missing adapter keys while loading"
    assert str(raised.value).startswith(head)


def test_an_adapter_of_a_deeper_model_is_refused(
    tiny_model: Path, adapter: Path, tmp_path: Path
) -> None:
    """PEFT passes over the weights of layers that the model lacks; here that is an error."""
    from safetensors.torch import load_file, save_file

    deeper = Path(shutil.copytree(adapter, tmp_path / "deeper"))
    weights = load_file(deeper / "adapter_model.safetensors")
    more = {name.replace(".1.", ".3."): one.clone() for name, one in weights.items()}
    save_file(weights | more, deeper / "adapter_model.safetensors")
    with pytest.raises(BackendError) as raised:
        load(tiny_model, deeper)
    head = f"adapter {deeper} does not fit: the model has no place for {len(weights) // 2} of its "
    assert str(raised.value).startswith(f"{head}weights (base_model.")


# What cannot be loaded


def test_a_tokenizer_that_is_not_functiongemmas(tiny: Path) -> None:
    """A stop token that the tokenizer does not know makes the model unusable, and says so."""
    file = tiny / "tokenizer.json"
    file.write_text(file.read_text().replace("<end_of_turn>", "<|im_end|>"))
    with pytest.raises(BackendError) as raised:
        load_encoder(Checkpoint("the-model", "the-model", tiny))
    assert str(raised.value) == (
        "model the-model: its tokenizer lacks <end_of_turn>, so it is not FunctionGemma's; "
        "callgate doctor compares the two"
    )


def test_a_model_without_a_template(tiny: Path) -> None:
    """It is one error of the model, not one of each case."""
    (tiny / "chat_template.jinja").unlink()
    with pytest.raises(BackendError) as raised:
        load_encoder(Checkpoint("the-model", "the-model", tiny))
    assert str(raised.value) == (
        "model the-model: it has no chat template, so nothing can be asked of it; save "
        "FunctionGemma's chat_template.jinja beside its weights"
    )


def _cut_weights(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])


def _other_shape(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_size": 48}))


def _lost_weights(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    kept = {name: weight for name, weight in weights.items() if "up_proj" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def _broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"version": "1.0", "model": 7}')


def _own_code(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    code = {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}
    config |= {"auto_map": code, "model_type": "evil"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text("raise SystemExit('code of a checkpoint was run')")


@pytest.mark.parametrize(
    "damage", [_cut_weights, _other_shape, _lost_weights, _broken_tokenizer, _own_code]
)
def test_a_damaged_model_is_refused(tiny: Path, damage: Callable[[Path], None]) -> None:
    """Truncated, misshapen or missing weights, a broken tokenizer, code: one sentence, no run."""
    damage(tiny)
    with pytest.raises(BackendError) as raised:
        load(tiny)
    assert str(raised.value).startswith("model the-model cannot be loaded: ")
    assert "\n" not in str(raised.value)


def test_missing_weights_are_named(tiny: Path) -> None:
    """The library would fill them with noise; the message names some of them."""
    _lost_weights(tiny)
    with pytest.raises(BackendError) as raised:
        load(tiny)
    assert str(raised.value) == (
        "model the-model cannot be loaded: its files lack 2 of its weights "
        "(model.layers.0.mlp.up_proj.weight, model.layers.1.mlp.up_proj.weight)"
    )


def test_weights_of_a_deeper_model_are_named(tiny: Path, edit: Edit) -> None:
    """The library would answer with the first layer alone."""
    edit(tiny / "config.json", num_hidden_layers=1, layer_types=["sliding_attention"])
    with pytest.raises(BackendError) as raised:
        load(tiny)
    assert str(raised.value) == (
        "model the-model cannot be loaded: its files hold 13 weights that config.json has no "
        "place for (model.layers.1.input_layernorm.weight, model.layers.1.mlp.down_proj.weight, "
        "model.layers.1.mlp.gate_proj.weight, …)"
    )


def test_a_tied_head_may_be_saved_too(tiny: Path) -> None:
    """A head that the embedding has already, and frequencies, are no foreign weights."""
    from safetensors.torch import load_file, save_file

    weights = load_file(tiny / "model.safetensors")
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()
    weights["model.rotary_emb.inv_freq"] = torch.zeros(8)
    save_file(weights, tiny / "model.safetensors", metadata={"format": "pt"})
    assert load(tiny).model.config.tie_word_embeddings


def test_a_device_that_is_not_there(tiny_model: Path) -> None:
    """A placement kept from when there was a GPU: the model cannot be put there, in words."""
    checkpoint = Checkpoint("the-model", "the-model", tiny_model)
    if torch.cuda.is_available():
        pytest.skip("a GPU is there")
    with pytest.raises(BackendError) as raised:
        load_model(checkpoint, Placement("cuda:0", "float32", ""), load_encoder(checkpoint))
    assert str(raised.value).startswith("model the-model cannot be put on cuda:0: ")


def test_loading_a_folder_asks_nobody(
    tiny_model: Path, adapter: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A local model with an adapter is loaded and asked without a single connection."""

    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert load(tiny_model, adapter).answers([ask("Hello")])[0].error is None


def test_warnings_as_errors_break_nothing(tiny_model: Path, ask: Ask) -> None:
    """A project whose pytest turns warnings into errors can ask a model."""
    import warnings

    with warnings.catch_warnings(action="error"):
        assert load(tiny_model).answers([ask("Hello")])[0].error is None


def test_a_tokenizer_and_a_model_in_memory(loaded: Loaded, ask: Ask) -> None:
    """What trains can be asked as it is: an encoder is made of a tokenizer and a config."""
    encoder = encoder_for(loaded.encoder.tokenizer, loaded.model.config, "in training")
    assert encoder == loaded.encoder
    tools = (Tool("a"), Tool("b", "B", {"type": "object"}))
    assert tokenize(encoder, ask("Hello", *tools), 8)[0] == 2
