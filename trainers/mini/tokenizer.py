"""The tokenizer: byte-level BPE trained on the corpus, with FunctionGemma's control tokens."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from harness.functiongemma import CONTROL_TOKENS, SPECIAL_TOKENS
from trainers.mini.compose import TRIGGER
from trainers.mini.mixture import CORPUS_SEED, rows
from trainers.mini.render import prompt_text, target_text

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VOCAB_SIZE = 6144
TRAINING_ROWS = 30_000

FIRST_PLAIN_ID = 107
CONTROL_IDS = {text: ident for text, ident in CONTROL_TOKENS.items() if ident < FIRST_PLAIN_ID}
SPECIAL_IDS = frozenset(CONTROL_IDS[text] for text in SPECIAL_TOKENS if text in CONTROL_IDS)

# Pieces of the format that never vary: one token each, so that a declaration stays short.
_LITERALS = (
    TRIGGER,
    ",parameters:{properties:{",
    "{description:",
    ":{description:",
    "}},required:[",
    "],type:",
    ",items:{type:",
    ",enum:[",
    ",type:",
    "}},type:",
    "},type:",
    "declaration:",
    "response:",
    "call:",
    "}},",
    "}}",
    "},",
    " of the ",
    " of ",
    " and ",
    " a ",
    ", ",
)
# A blank is a token of its own, so that a word has the same ids after a blank, inside a tool's
# name and after <escape>: copying is then copying of ids. Digits are single for the same reason.
_WORDS = r"[A-Z]?[a-z]+|\p{Lu}+|\p{L}+|\p{N}|\n+| |[^\s\p{L}\p{N}]|\s"


def control_tokens() -> list[str]:
    """All texts of the ids below `FIRST_PLAIN_ID`; ids without a meaning are fillers."""
    by_id = {number: text for text, number in CONTROL_IDS.items()}
    return [by_id.get(number, f"<unused{number}>") for number in range(FIRST_PLAIN_ID)]


def _pattern() -> str:
    escaped = ["".join("\\" + c if c in "{}[].?" else c for c in text) for text in _LITERALS]
    return "|".join([*escaped, _WORDS])


def train_tokenizer(seed: int = CORPUS_SEED, count: int = TRAINING_ROWS) -> Tokenizer:
    """Trains the tokenizer on `count` rows of the corpus."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE(unk_token=None))
    split = pre_tokenizers.Split(Regex(_pattern()), "isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=control_tokens(),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = (prompt_text(row) + target_text(row) for row in islice(rows(seed=seed), count))
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A",
        pair="<bos> $A <bos> $B",
        special_tokens=[("<bos>", CONTROL_IDS["<bos>"])],
    )
    return _with_flags(tokenizer)


def _with_flags(tokenizer: Tokenizer) -> Tokenizer:
    """The same tokenizer with `special` set for FunctionGemma's special ids only."""
    from tokenizers import Tokenizer

    state = json.loads(tokenizer.to_str())
    for added in state["added_tokens"]:
        added["special"] = added["id"] in SPECIAL_IDS
        added["normalized"] = False
    loaded: Tokenizer = Tokenizer.from_str(json.dumps(state, ensure_ascii=False))
    return loaded


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Writes tokenizer.json and tokenizer_config.json as transformers reads them."""
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "add_bos_token": True,
        "add_eos_token": False,
        "bos_token": "<bos>",
        "clean_up_tokenization_spaces": False,
        "eos_token": "<eos>",
        "model_max_length": 32768,
        "pad_token": "<pad>",
        "padding_side": "left",
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": "<unk>",
    }
    text = json.dumps(config, indent=2) + "\n"
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")


def load_tokenizer(folder: Path) -> Tokenizer:
    """Reads the tokenizer without transformers.

    Raises:
        Exception: the folder holds no tokenizer.json that can be read.
    """
    from tokenizers import Tokenizer

    loaded: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return loaded
