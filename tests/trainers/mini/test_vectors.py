"""The word vectors that the embeddings start from: what they know, and what they must not."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")

from trainers.mini.lookups import Side, core_domains, domains  # noqa: E402
from trainers.mini.model import LIKENESS, Network, Shape  # noqa: E402
from trainers.mini.procedural import verbs  # noqa: E402
from trainers.mini.tokenizer import load_tokenizer  # noqa: E402
from trainers.mini.vectors import DIMENSIONS, documents, word_vectors  # noqa: E402
from trainers.mini.words import split_of  # noqa: E402
from trainers.mini.written import written_tools  # noqa: E402

SIDES: tuple[Side, ...] = ("departments", "topics")
FOLDER = Path(__file__).parents[3] / "harness" / "mini"
TINY = Shape(hidden_size=96, intermediate_size=48, num_attention_heads=2, num_key_value_heads=2)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """Vectors for the shipped tokenizer."""
    return word_vectors(load_tokenizer(FOLDER))


def test_words_of_one_domain_lie_together(vectors: np.ndarray) -> None:
    """Claim: words that one domain alone has are more alike than words of two domains."""
    tokenizer = load_tokenizer(FOLDER)
    words: dict[str, set[str]] = {}
    for one in (*core_domains("departments"), *core_domains("topics")):
        words[one.key] = set(re.findall(r"[a-z]{4,}", " ".join(one.subjects)))
    means = {}
    for key, own in words.items():
        shared = set[str]().union(*(other for name, other in words.items() if name != key))
        encoded = (tokenizer.encode(word).ids[1:] for word in sorted(own - shared))
        rows = [vectors[ids[0]] for ids in encoded if len(ids) == 1]
        if len(rows) > 5:
            means[key] = rows
    assert len(means) > 20
    within = [np.mean([a @ b for a, b in combinations(rows, 2)]) for rows in means.values()]
    pairs = combinations(means.values(), 2)
    across = [np.mean(np.array(rows) @ np.array(others).T) for rows, others in pairs]
    assert np.mean(within) > 3 * abs(np.mean(across))


def test_a_vector_has_length_one_or_none(vectors: np.ndarray) -> None:
    """Claim: every token has a vector of length one, or stands in no text and has none."""
    lengths = np.linalg.norm(vectors, axis=1)
    assert vectors.shape == (load_tokenizer(FOLDER).get_vocab_size(), DIMENSIONS)
    assert (np.isclose(lengths, 1.0, atol=1e-4) | (lengths == 0)).all()
    assert (lengths[:107] == 0).all(), "control tokens mean nothing"
    assert (lengths > 0).sum() > 1000


def test_no_text_tells_what_the_evaluation_asks() -> None:
    """Claim: kept subjects stand with no domain of their side; kept tools and verbs nowhere."""
    texts = [{text.casefold() for text in found} for found in documents()]
    start = 0
    for side in SIDES:
        end = start + len(domains(side, more=True))
        trained = set[str]().union(*texts[start:end])
        start = end
        known = [text for one in domains(side) for text in (*one.subjects, *one.tasks)]
        kept = {text.casefold() for text in known if split_of(text) != "train"}
        assert len(kept) > 50
        assert not kept & trained
    every = set[str]().union(*texts)
    tools = [one.tool for split in ("dev", "eval") for one in written_tools(split)]
    assert len(tools) > 20
    assert not every & {tool.description.casefold() for tool in tools}
    assert not every & {tool.name.replace("_", " ") for tool in tools}
    trained_verbs = {verb.plain for verb in verbs("train", more=True)}
    kept_verbs = {verb.plain for split in ("dev", "eval") for verb in verbs(split)}
    assert not trained_verbs & kept_verbs


def test_no_text_holds_two_domains() -> None:
    """Claim: nothing says what departments have in common, or topics: each is a text of its own."""
    known = {
        side: {one.key: set(one.glosses) for one in domains(side, more=True)} for side in SIDES
    }
    keys = [(side, key) for side, own in known.items() for key in own]
    for found in documents():
        assert sum(known[side][key] <= set(found) for side, key in keys) <= 1


def test_embeddings_start_with_what_words_have_in_common() -> None:
    """Claim: tokens with one vector become alike, lengths stay, and others keep their start."""
    torch.manual_seed(0)
    network = Network(TINY)
    weight = network.model.embed_tokens.weight
    before = weight.detach().clone()
    vectors = torch.zeros(len(weight), 8)
    vectors[200:400, 0] = 1.0
    network.start_with(vectors)
    after = weight.detach()
    assert torch.equal(after[400:], before[400:])
    lengths = after[200:400].norm(dim=1)
    assert abs(lengths.mean() - before.norm(dim=1).mean()) < 0.05
    unit = after[200:400] / lengths[:, None]
    likeness = (unit @ unit.T)[~torch.eye(200, dtype=torch.bool)].mean()
    assert abs(likeness - LIKENESS**2 / (1 + LIKENESS**2)) < 0.05
