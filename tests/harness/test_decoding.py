"""Decoding many prompts at once gives the replies of `generate` on each alone, for less work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from harness.command_line.exactness import Exactness, compare_exact, generate_alone
from harness.decoding import TRIAL, Decoded, Job, decode
from harness.prefixes import WORTH, prefix_groups
from harness.slots import CHUNK, empty_slots, read, supported

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

VOCABULARY, WINDOW = 64, 32
STOPS = (1, 3, 5)
LAYERS = {"F": "full_attention", "s": "sliding_attention"}
KINDS = ["ssFs", "FsF", "s", "F"]


@lru_cache(maxsize=8)
def tiny(seed: int) -> Any:
    """A random Gemma 3 with a window of 32 whose replies vary, and end now and then."""
    torch.manual_seed(seed)
    kinds = [LAYERS[letter] for letter in KINDS[seed % len(KINDS)]]
    config = transformers.Gemma3TextConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=len(kinds),
        num_attention_heads=4,
        num_key_value_heads=1 if seed % 2 else 2,
        head_dim=8,
        query_pre_attn_scalar=8,
        sliding_window=WINDOW,
        layer_types=kinds,
        max_position_embeddings=2048,
        initializer_range=0.3,
        final_logit_softcapping=9.0 if seed == 4 else None,
        tie_word_embeddings=False,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
    )
    model = transformers.Gemma3ForCausalLM(config).eval()
    with torch.no_grad():
        # Large, and not the head's: a model that hears itself repeats one token for ever.
        model.get_input_embeddings().weight.normal_()
        model.get_output_embeddings().weight.normal_()
    return model


def prompts_of(lengths: list[int], seed: int = 0) -> list[tuple[int, ...]]:
    """Random prompts, alike as far as they go in their first 90 tokens."""
    generator = torch.Generator().manual_seed(seed)

    def random_ids(length: int) -> list[int]:
        return torch.randint(VOCABULARY, (length,), generator=generator).tolist()

    shared = random_ids(90)
    return [
        (*shared[: length - 5], *random_ids(length - len(shared[: length - 5])))
        for length in lengths
    ]


def decoded(model: Any, jobs: list[Job], limit: int, **how: Any) -> list[Decoded]:
    """All replies, in the order of the jobs."""
    found = dict(decode(model, jobs, stop_ids=STOPS, max_new_tokens=limit, **how))
    assert sorted(found) == list(range(len(jobs)))
    return [found[index] for index in range(len(jobs))]


def alone(model: Any, prompt: tuple[int, ...], limit: int) -> tuple[int, ...]:
    """The reply of `generate` on one prompt."""
    return generate_alone(model, prompt, STOPS, limit)[0]


@contextmanager
def counting(model: Any) -> Iterator[dict[str, int]]:
    """Passes, tokens read, the most rows of a pass, and positions scored over the vocabulary."""
    seen = {"passes": 0, "tokens": 0, "rows": 0, "scored": 0}

    def read(_: Any, __: Any, kwargs: Any) -> None:
        ids = kwargs["input_ids"]
        seen["passes"] += 1
        seen["tokens"] += ids.numel()
        seen["rows"] = max(seen["rows"], len(ids))

    head = model.get_output_embeddings().weight.data_ptr()

    class Scoring(torch.overrides.TorchFunctionMode):
        def __torch_function__(
            self, function: Any, _: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if function is torch.nn.functional.linear and args[1].data_ptr() == head:
                seen["scored"] += len(args[0])
            return function(*args, **(kwargs or {}))

    hook = model.get_decoder().register_forward_pre_hook(read, with_kwargs=True)
    try:
        with Scoring():
            yield seen
    finally:
        hook.remove()


@st.composite
def prompt_sets(draw: st.DrawFn) -> list[tuple[int, ...]]:
    """Up to seven prompts of 1 to 200 tokens: some alike at the start, some twice."""
    ids = st.integers(0, VOCABULARY - 1)
    shared = draw(st.lists(ids, max_size=150))
    prompts: list[tuple[int, ...]] = []
    for _ in range(draw(st.integers(1, 6))):
        start = shared[: draw(st.sampled_from([len(shared), len(shared), len(shared) // 2, 0]))]
        prompts.append((*start, *draw(st.lists(ids, min_size=1, max_size=50))))
    return prompts + prompts[: draw(st.integers(0, 1))]


def drafts_of(reply: tuple[int, ...], other: list[int]) -> st.SearchStrategy[tuple[int, ...]]:
    """Drafts right, wrong from some token on, short, empty, and running on behind the end."""
    place = st.integers(0, len(reply))
    return st.one_of(
        st.just(reply),
        st.just(()),
        place.map(lambda cut: reply[:cut]),
        place.map(lambda cut: (*reply[:cut], *other)),
        st.just((*reply, *other)),
        st.just(tuple(other)),
    )


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_replies_are_those_of_generate_whatever_the_prompts_drafts_and_batches(
    data: st.DataObject,
) -> None:
    """In float32, decode equals `generate` on each prompt alone, token for token.

    A difference is excused only where the reference's own logits tie within 1e-5: sums in another
    order. A fault would part elsewhere too.
    """
    model = tiny(data.draw(st.integers(0, 4), label="model"))
    prompts = data.draw(prompt_sets(), label="prompts")
    limit = data.draw(st.sampled_from([1, 2, 7, 20]), label="limit")
    replies = [alone(model, prompt, limit) for prompt in prompts]
    other = data.draw(st.lists(st.integers(0, VOCABULARY - 1), max_size=25), label="other")
    drafts = [data.draw(drafts_of(reply, other), label="draft") for reply in replies]
    found = compare_exact(
        model,
        [Job(prompt, draft) for prompt, draft in zip(prompts, drafts, strict=True)],
        stop_ids=STOPS,
        max_new_tokens=limit,
        batch_size=data.draw(st.sampled_from([None, 1, 2, 3, 5]), label="batch size"),
        drafts=data.draw(st.booleans(), label="drafts"),
        shared_prefix=data.draw(st.booleans(), label="shared prefix"),
    )
    note(str(found))
    assert [parting for parting in found.partings if parting.margin > 1e-5] == []


def test_layers_that_all_are_full_need_no_window() -> None:
    """A configuration may say `sliding_window: null` then: replies are those of any window.

    transformers' own forward pass refuses such a configuration, so it is no reference here.
    """
    config = transformers.Gemma3TextConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        sliding_window=WINDOW,
        layer_types=["full_attention"] * 2,
    )
    torch.manual_seed(0)
    model = transformers.Gemma3ForCausalLM(config).eval()
    jobs = [Job(prompt) for prompt in prompts_of([40, 7])]
    windowed = dict(decode(model, jobs, stop_ids=(), max_new_tokens=5))
    model.config.sliding_window = None
    assert dict(decode(model, jobs, stop_ids=(), max_new_tokens=5)) == windowed


def test_each_stop_token_ends_a_reply_and_is_its_last() -> None:
    """A reply ends with whichever stop token comes; without one it is not finished."""
    model = tiny(0)
    prompt = prompts_of([40])[0]
    free = generate_alone(model, prompt, (), 20)[0]
    jobs = [Job(prompt), Job(prompt, free), Job(prompt, free[:3])]
    for place in (0, 4, 19):
        stops = (VOCABULARY + 1, free[place])
        end = free.index(free[place]) + 1
        for _, reply in decode(model, jobs, stop_ids=stops, max_new_tokens=20):
            assert (reply.tokens, reply.finished) == (free[:end], True)
    for _, reply in decode(model, jobs, stop_ids=(), max_new_tokens=20):
        assert (reply.tokens, reply.finished) == (free, False)


def test_a_right_draft_costs_one_pass_and_no_decoding_step() -> None:
    """Right drafts: one pass for the prefix, one for all, the head once for every token said."""
    model = tiny(0)
    prompts = [p for p in prompts_of([*range(96, 105)] * 2) if len(alone(model, p, 20)) > 15]
    replies = [alone(model, prompt, 20) for prompt in prompts]
    assert len(prompts) > 3
    with counting(model) as seen:
        found = decoded(model, [Job(*pair) for pair in zip(prompts, replies, strict=True)], 20)
    assert [reply.tokens for reply in found] == replies
    assert [(reply.forward_passes, reply.accepted) for reply in found] == [
        (1, len(reply)) for reply in replies
    ]
    assert seen["passes"] == 2
    assert seen["scored"] == sum(map(len, replies))


def test_a_draft_saves_what_it_gets_right() -> None:
    """Parting at token k costs one pass for k + 1 tokens, then one for each that follows."""
    model = tiny(0)
    prompt = next(p for p in prompts_of([60] * 9) if len(alone(model, p, 20)) == 20)
    reply = alone(model, prompt, 20)
    for k in (0, 1, 12, 18):
        draft = (*reply[:k], *((token + 1) % VOCABULARY for token in reply[k:]))
        (found,) = decoded(model, [Job(prompt, draft)], 20)
        assert found == Decoded(reply, False, 20 - k, k)


def test_a_shared_prefix_is_read_once() -> None:
    """Of four prompts that share 90 tokens, 90 are read once; switched off, every time."""
    model = tiny(0)
    jobs = [Job(prompt) for prompt in prompts_of([100] * 4)]
    with counting(model) as seen:
        decoded(model, jobs, 1)
    assert seen["tokens"] == 90 + 4 * 10
    with counting(model) as seen:
        decoded(model, jobs, 1, shared_prefix=False)
    assert seen["tokens"] == 400


def test_drafts_that_keep_failing_are_no_longer_read() -> None:
    """Past a trial, drafts that are wrong at once cost nothing more, and are scored once only."""
    model = tiny(0)
    prompts = prompts_of([100] * 40)
    replies = [alone(model, prompt, 1) for prompt in prompts]
    jobs = [
        Job(prompt, ((reply[0] + 1) % VOCABULARY, *range(6, 30)))
        for prompt, reply in zip(prompts, replies, strict=True)
    ]
    with counting(model) as seen:
        assert [reply.tokens for reply in decoded(model, jobs, 1, batch_size=40)] == replies
    assert seen["scored"] == 40
    assert seen["tokens"] == 90 + 40 * 10
    with counting(model) as seen:
        decoded(model, jobs, 25, batch_size=40)
    with counting(model) as without:
        decoded(model, jobs, 25, batch_size=40, drafts=False)
    assert seen["tokens"] == without["tokens"] + TRIAL * 24


def test_batches_keep_to_their_size_and_stay_full() -> None:
    """No pass has more rows than asked for, and rows that finish make room for others."""
    model = tiny(0)
    jobs = [Job(prompt) for prompt in prompts_of([50] * 30)]
    with counting(model) as seen:
        found = decoded(model, jobs, 20, batch_size=4)
    steps = sum(len(reply.tokens) for reply in found)
    assert seen["rows"] == 4
    assert seen["passes"] < steps / 4 * 1.5


@pytest.mark.parametrize(
    "message",
    ["CUDA out of memory. Tried to allocate 2 GiB", "DefaultCPUAllocator: can't allocate memory"],
)
def test_where_memory_runs_out_the_batch_is_halved_and_nothing_is_lost(message: str) -> None:
    """Replies stay the same when passes of more than two rows fail, also in the middle."""
    model = tiny(0)
    prompts = prompts_of([50, 100, 98, 97, 60, 33, 120])
    replies = [alone(model, prompt, 20) for prompt in prompts]
    jobs = [Job(prompt, reply[:2]) for prompt, reply in zip(prompts, replies, strict=True)]
    calls = 0

    def scarce(_: Any, __: Any, kwargs: Any) -> None:
        nonlocal calls
        calls += 1
        if calls > 6 and len(kwargs["input_ids"]) > 2:
            raise RuntimeError(message)

    hook = model.get_decoder().register_forward_pre_hook(scarce, with_kwargs=True)
    try:
        found = decoded(model, jobs, 20)
    finally:
        hook.remove()
    assert [reply.tokens for reply in found] == replies


def test_what_is_no_lack_of_memory_or_cannot_be_halved_is_raised() -> None:
    """Other errors pass through, and so does a lack of memory for a single row."""
    model = tiny(0)
    for message in ("expected scalar type Float", "CUDA out of memory"):

        def broken(*_: Any, message: str = message) -> None:
            raise RuntimeError(message)

        hook = model.get_decoder().register_forward_pre_hook(broken)
        try:
            with pytest.raises(RuntimeError, match=message):
                decoded(model, [Job((7, 8)), Job((9,))], 5)
        finally:
            hook.remove()


def test_prompts_longer_than_a_pass_are_read_in_several() -> None:
    """Prompts of many windows, read in pieces of 512, some with a draft across the border."""
    model = tiny(0)
    lengths = [CHUNK - 3, CHUNK, CHUNK + 1, 2 * CHUNK + 5]
    prompts = prompts_of(lengths)
    replies = [alone(model, prompt, 12) for prompt in prompts]
    for drafts in (replies, [()] * 4):
        jobs = [Job(*pair) for pair in zip(prompts, drafts, strict=True)]
        for how in ({}, {"shared_prefix": False, "batch_size": 2}):
            assert [reply.tokens for reply in decoded(model, jobs, 12, **how)] == replies


@pytest.mark.parametrize("length", [1, WINDOW - 1, WINDOW, WINDOW + 1, WINDOW + 2, 70])
def test_states_are_those_of_the_model_itself_around_the_edge_of_its_window(length: int) -> None:
    """Both kinds of layers see what they see in the model's own forward pass, in any pieces."""
    model = tiny(0)
    ids = prompts_of([70])[0][:length]
    with torch.inference_mode():
        expected = model.get_decoder()(torch.tensor([ids])).last_hidden_state[0]
        for first in {1, length // 2, length - 1, length} - {0}:
            slots = empty_slots(model, 1, length + 1)
            pieces = read(model, slots, 0, [ids[:first]], [0], [first])
            if first < length:
                pieces += read(model, slots, 0, [ids[first:]], [first], [length - first])
            torch.testing.assert_close(torch.cat(pieces), expected, rtol=1e-4, atol=1e-4)


def test_padding_lands_on_no_token() -> None:
    """A short piece at a row's end, padded far beyond it by a wide one, reads as if alone."""
    model = tiny(0)
    ids = prompts_of([20])[0]
    with torch.inference_mode():
        slots = empty_slots(model, 2, 21)
        read(model, slots, 1, [ids[:16]], [0], [0])
        whole, end = read(model, slots, 0, [ids, ids[16:]], [0, 16], [20, 4])
    torch.testing.assert_close(end, whole[16:], rtol=1e-4, atol=1e-4)


def test_the_vocabulary_in_tiles_gives_the_first_of_the_best(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However the vocabulary is cut, equal logits go to the lowest id, as in `generate`."""
    model = tiny(0)
    prompts = prompts_of([30, 60, 100])
    weight = model.get_output_embeddings().weight
    try:
        with torch.no_grad():
            weight[32:] = weight[:32]
        replies = [alone(model, prompt, 20) for prompt in prompts]
        assert {token < 32 for reply in replies for token in reply} == {True}
        for tile in (1, 16, 32, 64):
            monkeypatch.setattr("harness.decoding.VOCABULARY_TILE", {"cpu": tile})
            found = decoded(model, [Job(prompt) for prompt in prompts], 20)
            assert [reply.tokens for reply in found] == replies
    finally:
        tiny.cache_clear()


def test_the_model_is_left_as_it_was() -> None:
    """Decoding changes no weight, no setting and no later `generate`."""
    model = tiny(0)
    prompt = prompts_of([70])[0]
    before = alone(model, prompt, 10), model.config.to_dict()
    decoded(model, [Job(prompt, (4, 5)), Job(prompt)], 10)
    assert (alone(model, prompt, 10), model.config.to_dict()) == before


def test_impossible_jobs_are_refused() -> None:
    """An empty prompt and a limit of 0 are the caller's mistakes."""
    expected = "decode needs prompts of at least one token, and max_new_tokens ≥ 1"
    for jobs, limit in (([Job(())], 5), ([Job((1,))], 0)):
        with pytest.raises(ValueError) as caught:
            decoded(tiny(0), jobs, limit)
        assert str(caught.value) == expected


def test_nothing_to_decode_is_nothing() -> None:
    """No jobs, no replies."""
    assert decoded(tiny(0), [], 5) == []


def test_bfloat16_parts_from_generate_only_in_ties() -> None:
    """Every difference in bfloat16 lies within rounding, and is counted."""
    model = tiny(1).to(torch.bfloat16)
    try:
        jobs = [Job(prompt) for prompt in prompts_of([20, 60, 100, 100, 130, 90, 40, 120])]
        found = compare_exact(model, jobs, stop_ids=STOPS, max_new_tokens=20)
    finally:
        tiny.cache_clear()
    assert found.replies == 8
    assert found.ties == len(found.partings)


def test_a_difference_that_no_rounding_explains_is_told_from_a_tie() -> None:
    """A model that answers `generate` otherwise is caught: place, tokens and margin."""
    model = tiny(2)
    jobs = [Job(prompt) for prompt in prompts_of([40, 50])]
    calls = 0

    def other(_: Any, __: Any, logits: Any) -> Any:
        nonlocal calls
        calls += 1
        return -logits if calls == 1 else logits

    hook = model.get_output_embeddings().register_forward_hook(other)
    try:
        found = compare_exact(model, jobs, stop_ids=(), max_new_tokens=5)
    finally:
        hook.remove()
    assert (found.replies, found.tokens, found.exact, found.ties) == (2, 10, False, 0)
    assert [(parting.job, parting.place) for parting in found.partings] == [(0, 0)]
    assert found.partings[0].margin > 1
    assert Exactness(2, 10, ()).exact


@given(
    st.lists(
        st.tuples(
            st.sampled_from([(), (7,) * 80, (7,) * 40 + (8,) * 60, (9,) * 300]),
            st.lists(st.integers(0, 2), min_size=1, max_size=4),
        ).map(lambda parts: (*parts[0], *parts[1])),
        max_size=12,
    )
)
def test_prefix_groups_hold_every_prompt_once_with_what_it_really_shares(
    prompts: list[tuple[int, ...]],
) -> None:
    """A group's prefix is common to it, shorter than each prompt, and worth its pass."""
    groups = prefix_groups(prompts)
    assert sorted(n for _, members in groups for n in members) == list(range(len(prompts)))
    for length, members in groups:
        assert len({prompts[n][:length] for n in members}) == 1
        assert length == 0 or length < min(len(prompts[n]) for n in members)
        assert length == 0 or length * (len(members) - 1) >= WORTH


def test_the_groups_that_save_the_most_are_chosen() -> None:
    """Two specs with a common first sentence make two groups; pairs within them make none."""
    sentence, first, second = (1,) * 20, (2,) * 150, (3,) * 150
    prompts = [(*sentence, *(first if n < 4 else second), n % 2, 9, n) for n in range(8)]
    assert prefix_groups(prompts) == [(170, [0, 2, 1, 3]), (170, [4, 6, 5, 7])]
    assert prefix_groups([(*sentence, n) for n in range(8)]) == [(20, list(range(8)))]
    assert prefix_groups([(n, *first) for n in range(3)]) == [(0, [0, 1, 2])]


def test_only_known_kinds_of_layers_are_supported() -> None:
    """Gemma 3's layers are; a model that does not say what its layers see is not."""
    assert supported(tiny(0))
    other = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(vocab_size=8, n_embd=8, n_layer=1, n_head=1)
    )
    assert not supported(other)
