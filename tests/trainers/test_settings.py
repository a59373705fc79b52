"""The settings: where values come from, how they are checked, what a file holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.options import Settings
from trainers.settings import SETTINGS, Layer, Tuning, tuning_from
from trainers.settings.files import read_settings, settings_text, shipped_names


def test_later_layers_win_and_origins_say_so() -> None:
    """A flag beats a file, a file beats the default, and each value says where it came from."""
    tuning = tuning_from(
        [
            Layer("mini.yaml", {"learning_rate": 5e-4, "patience": 5}),
            Layer("flags", {"patience": "7"}),
        ]
    )
    assert (tuning.learning_rate, tuning.patience, tuning.batch_size) == (5e-4, 7, 4)
    assert tuning.origins["learning_rate"] == "mini.yaml"
    assert tuning.origins["patience"] == "--patience"
    assert tuning.origins["batch_size"] == "default"


@pytest.mark.parametrize(
    ("origin", "name", "given", "message"),
    [
        ("flags", "epochs", "0", "--epochs: expected a whole number from 1, found '0'"),
        (
            "flags",
            "learning_rate",
            "nan",
            "--learning-rate: expected a number above 0, found 'nan'",
        ),
        ("flags", "warmup", "inf", "--warmup: expected a number from 0, found 'inf'"),
        ("flags", "loss", "half", "--loss: expected target or all, found 'half'"),
        ("x.yaml", "lora", "yes", "x.yaml: lora: expected true or false, found 'yes'"),
        (
            "x.yaml",
            "seed",
            [1],
            "x.yaml: seed: expected a whole number from 0 to 4294967295, found [1]",
        ),
        (
            "x.yaml",
            "batch_size",
            2.5,
            "x.yaml: batch_size: expected a whole number from 1, found 2.5",
        ),
    ],
)
def test_a_value_that_cannot_be_read(origin: str, name: str, given: object, message: str) -> None:
    """The message names the place, what is expected, and what was found."""
    with pytest.raises(UsageError) as refused:
        tuning_from([Layer(origin, {name: given})])
    assert str(refused.value) == message


def test_a_run_reads_back_what_a_run_wrote(tmp_path: Path) -> None:
    """`settings.yaml` gives the same settings again, nulls, switches and small numbers included."""
    written = Tuning(
        learning_rate=3e-7, lora=True, max_minutes=None, until=0.75, scheduler="cosine"
    )
    gate = Settings(model="some/model", max_new_tokens=64)
    path = tmp_path / "settings.yaml"
    path.write_text(settings_text(written, gate, {"versions": {"torch": "2"}}), encoding="utf-8")
    layer = read_settings(str(path))
    assert tuning_from([layer]) == written
    assert (layer.values["model"], layer.values["max_new_tokens"]) == ("some/model", 64)


def test_every_shipped_file_can_be_used() -> None:
    """Each file that callgate carries is found by its name and holds only known settings."""
    assert shipped_names() == ["datacamp", "google-guide", "mini"]
    for name in shipped_names():
        tuning_from([read_settings(name)])


def test_the_guides_settings_are_theirs() -> None:
    """The two guides' numbers: epochs, batch, rate, schedule, warm-up, length, loss."""
    google = tuning_from([read_settings("google-guide")])
    assert (google.epochs, google.batch_size, google.accumulation) == (8, 4, 1)
    assert (google.learning_rate, google.scheduler, google.max_length) == (5e-5, "constant", 512)
    assert (google.loss, google.attention, google.optimizer) == (
        "all",
        "eager",
        "adamw_torch_fused",
    )
    camp = tuning_from([read_settings("datacamp")])
    assert (camp.epochs, camp.batch_size, camp.accumulation) == (1, 2, 8)
    assert (camp.learning_rate, camp.scheduler, camp.warmup) == (5e-5, "cosine", 0.03)
    assert (camp.max_length, camp.loss, camp.gradient_checkpointing) == (512, "all", True)


def test_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    """A misspelt setting is refused, and the right one proposed."""
    path = tmp_path / "mine.yaml"
    path.write_text("settings: {learning_rat: 1}\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"settings: unknown key 'learning_rat' \(did you mean"):
        read_settings(str(path))


@pytest.mark.parametrize("content", ["", "[]", "settings: 3", "a: 1", "settings: {a: ", "\0"])
def test_what_is_no_settings_file(tmp_path: Path, content: str) -> None:
    """Whatever else a file holds, it is a usage error, never a traceback."""
    path = tmp_path / "mine.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError):
        read_settings(str(path))


def test_a_file_that_is_not_there() -> None:
    """An unknown name lists those that callgate carries, or the nearest."""
    with pytest.raises(UsageError) as refused:
        read_settings("google-guid")
    assert str(refused.value) == (
        "--settings: there is no file 'google-guid' (did you mean 'google-guide'?)"
    )


def test_every_setting_has_a_help_and_can_read_its_default() -> None:
    """The table is whole: a help for each, and a default that its own parser accepts."""
    for setting in SETTINGS:
        assert setting.help
        layer = Layer("x", {setting.name: setting.default})
        assert getattr(tuning_from([layer]), setting.name) == setting.default
