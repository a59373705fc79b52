"""Every setting of a training run, once: its name, type, help, default, where its value came from.

`callgate-tune` shows them as flags. A value comes from the table below, then from `mini.yaml`
where the model is mini, then from the file of `--settings`, then from a flag.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from harness.errors import UsageError

MOST_SEED: Final = 2**32 - 1
"""What NumPy's generators take."""


def _at_least(least: float, *, whole: bool = False, above: bool = False) -> Callable[[str], Any]:
    def parse(text: str) -> float:
        number = int(text) if whole else float(text)
        if not (number > least if above else number >= least) or number == float("inf"):
            raise ValueError
        return number

    return parse


def _seed(text: str) -> int:
    number = int(text)
    if not 0 <= number <= MOST_SEED:
        raise ValueError
    return number


def _up_to(most: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        number = float(text)
        if not 0 <= number <= most:
            raise ValueError
        return number

    return parse


def _choice(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError
        return text

    return parse


def _word(text: str) -> str:
    if not text.strip():
        raise ValueError
    return text


def _switch(text: str) -> bool:
    return {"true": True, "false": False}[text]


_WHOLE = (_at_least(1, whole=True), "a whole number from 1")
_SEED = (_seed, f"a whole number from 0 to {MOST_SEED}")
_NUMBER = (_at_least(0), "a number from 0")
_ABOVE_0 = (_at_least(0, above=True), "a number above 0")
_RATE = (_up_to(1), "a rate from 0 to 1")
_SWITCH = (_switch, "true or false")


def _setting(default: Any, kind: tuple[Callable[[str], Any], str], about: str, metavar: str) -> Any:
    meta = {"parse": kind[0], "wanted": kind[1], "help": about, "metavar": metavar}
    return field(default=default, metadata=meta)


@dataclass(frozen=True)
class Tuning:
    """How to train, resolved. `origins` says where each value came from."""

    until: float | None = _setting(
        None, _RATE, "the rate on dev that ends the training (default: each gate's own)", "R"
    )
    epochs: int | None = _setting(
        None, _WHOLE, "train so many epochs, without a stop rule", "N"
    )  # fmt: skip
    max_epochs: int = _setting(20, _WHOLE, "epochs at most", "N")
    max_minutes: float | None = _setting(None, _ABOVE_0, "minutes of training at most", "N")
    patience: int = _setting(
        4, _WHOLE, "end after so many rounds in a row that improve nothing on dev", "N"
    )
    seed: int = _setting(
        40, _SEED, "of the order of the rows and of the adapter", "N"
    )  # fmt: skip
    seeds: int = _setting(1, _WHOLE, "repeat the whole with so many seeds, SEED and upwards", "K")
    loss: str = _setting(
        "target", (_choice("target", "all"), "target or all"),
        "what is learnt: the target alone, or every token of the row, as both guides do", "WHAT",
    )  # fmt: skip
    learning_rate: float = _setting(5e-5, _ABOVE_0, "the highest learning rate", "R")
    scheduler: str = _setting(
        "constant",
        (_choice("constant", "constant_with_warmup", "linear", "cosine"),
         "constant, constant_with_warmup, linear or cosine"),
        "how the learning rate goes on", "NAME",
    )  # fmt: skip
    warmup: float = _setting(
        0.0, _NUMBER, "steps of warm-up; below 1: that share of all steps", "N"
    )
    batch_size: int = _setting(4, _WHOLE, "rows at a time", "N")
    accumulation: int = _setting(1, _WHOLE, "batches to a step", "N")
    optimizer: str = _setting(
        "adamw_torch", (_word, "a name"), "the optimizer, as transformers calls it", "NAME"
    )
    weight_decay: float = _setting(0.0, _NUMBER, "weight decay", "R")
    max_grad_norm: float = _setting(1.0, _NUMBER, "gradients are clipped there; 0: never", "R")
    max_length: int | None = _setting(
        None, _WHOLE,
        "the longest row, in tokens; a longer one is an error, never cut "
        "(default: the model's context)", "N",
    )  # fmt: skip
    precision: str = _setting(
        "auto", (_choice("auto", "float32", "bfloat16"), "auto, float32 or bfloat16"),
        "of the arithmetic while training; the weights stay in float32 "
        "(default: bfloat16 on GPUs that have it)", "T",
    )  # fmt: skip
    save_dtype: str = _setting(
        "auto", (_choice("auto", "float32", "bfloat16"), "auto, float32 or bfloat16"),
        "of the weights that are saved, and judged (default: that of the base)", "T",
    )  # fmt: skip
    attention: str = _setting(
        "auto", (_word, "a name"), "attention implementation: auto, eager, sdpa …", "NAME"
    )
    gradient_checkpointing: bool = _setting(
        False, _SWITCH, "less memory, more time", ""
    )  # fmt: skip
    lora: bool = _setting(False, _SWITCH, "train a LoRA adapter and merge it", "")
    lora_rank: int = _setting(8, _WHOLE, "the adapter's rank", "N")
    lora_alpha: float = _setting(16.0, _ABOVE_0, "the adapter's scale is alpha / rank", "R")
    lora_dropout: float = _setting(0.0, _RATE, "dropout before the adapter", "R")
    leaks: str = _setting(
        "refuse", (_choice("refuse", "drop"), "refuse or drop"),
        "what to do when a training prompt is a dev or test prompt too", "WHAT",
    )  # fmt: skip
    similarity: float = _setting(
        90.0, (_up_to(100), "a number from 0 to 100"),
        "prompts whose token_sort_ratio is at least this are near-duplicates", "R",
    )  # fmt: skip
    checkpoint_minutes: float = _setting(
        10.0, _NUMBER, "save the state so often within a round, for --resume", "N"
    )
    tensorboard: bool = _setting(False, _SWITCH, "log for TensorBoard too", "")
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Setting:
    """How one setting is read: `parse` turns a text into its value or raises ValueError."""

    name: str
    parse: Callable[[str], Any]
    wanted: str
    help: str
    metavar: str | None
    default: Any

    @property
    def flag(self) -> str:
        """The command line's spelling."""
        return f"--{self.name.replace('_', '-')}"


SETTINGS: Final[tuple[Setting, ...]] = tuple(
    Setting(f.name, f.metadata["parse"], f.metadata["wanted"], f.metadata["help"],
            f.metadata["metavar"] or None, f.default)
    for f in fields(Tuning) if f.metadata
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layer:
    """Values from one place; `origin` names it for people, per value where they differ."""

    origin: str
    values: Mapping[str, Any]


def tuning_from(layers: list[Layer]) -> Tuning:
    """The settings with the layers' values, the later ones over the earlier.

    Values are texts, or what YAML holds; None stands for the default.

    Raises:
        UsageError: a value that cannot be read.
    """
    values: dict[str, Any] = {}
    origins = {setting.name: "default" for setting in SETTINGS}
    for layer in layers:
        for setting in SETTINGS:
            if setting.name not in layer.values:
                continue
            flags = layer.origin == "flags"
            where = setting.flag if flags else f"{layer.origin}: {setting.name}"
            values[setting.name] = read_value(setting, layer.values[setting.name], where)
            origins[setting.name] = setting.flag if flags else layer.origin
    return replace(Tuning(**values), origins=origins)


def read_value(setting: Setting, given: Any, where: str) -> Any:
    """One value, checked.

    Raises:
        UsageError: it is not what the setting takes.
    """
    if given is None:
        return setting.default
    text = str(given).lower() if isinstance(given, bool) else str(given)
    try:
        if isinstance(given, list | dict):
            raise ValueError
        return setting.parse(text)
    except (ValueError, KeyError, OverflowError):
        raise UsageError(f"{where}: expected {setting.wanted}, found {given!r}") from None
