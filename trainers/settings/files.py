"""Settings files: those that ship here, and the `settings.yaml` that every run writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from harness.errors import SpecError, UsageError, nearest
from harness.options import Settings
from harness.spec_files.strict_yaml import read_yaml_file
from harness.wording import shown_path
from trainers.settings import SETTINGS, Layer, Tuning

SHIPPED: Final = Path(__file__).parent
GATE_OPTIONS: Final = ("model", "adapter", "max_new_tokens", "device", "dtype", "min_pass_rate")
"""The options of the gate that a training run depends on, and that its settings file holds."""

_HEAD: Final = "# The settings of a run of callgate-tune; `--settings` reads them back.\n"


def shipped_names() -> list[str]:
    """The names of the settings files that callgate carries."""
    return sorted(file.stem for file in SHIPPED.glob("*.yaml"))


def read_settings(name: str) -> Layer:
    """The values of a settings file: a path, or the name of one that callgate carries.

    Raises:
        UsageError: there is no such file, or it is no settings file.
    """
    file = Path(name)
    if not file.is_file():
        if name not in shipped_names():
            hint = nearest(name, shipped_names(), f"callgate carries {', '.join(shipped_names())}")
            raise UsageError(f"--settings: there is no file {name!r} ({hint})")
        file = SHIPPED / f"{name}.yaml"
    shown = file.name if file.parent == SHIPPED else shown_path(file)
    try:
        document = read_yaml_file(file, shown)
    except OSError as error:
        raise UsageError(f"{shown}: cannot be read: {error.strerror or error}") from None
    except SpecError as error:
        raise UsageError(str(error)) from None
    return Layer(shown, _values(document.value, shown))


def _values(content: Any, shown: str) -> Mapping[str, Any]:
    values = content.get("settings") if isinstance(content, dict) else None
    if not isinstance(values, dict):
        raise UsageError(f"{shown}: expected a mapping with `settings`, a mapping itself")
    known = [*GATE_OPTIONS, *(setting.name for setting in SETTINGS)]
    for key in values:
        if key not in known:
            hint = nearest(key, known, f"known are {', '.join(known)}")
            raise UsageError(f"{shown}: settings: unknown key {key!r} ({hint})")
    return values


def settings_text(tuning: Tuning, gate: Settings, facts: Mapping[str, Any]) -> str:
    """The content of `settings.yaml`: every setting, where it came from, and further facts."""
    import yaml

    values: dict[str, Any] = {name: getattr(gate, name) for name in GATE_OPTIONS}
    origins = {name: gate.origins.get(name, "default") for name in GATE_OPTIONS}
    for setting in SETTINGS:
        values[setting.name] = getattr(tuning, setting.name)
        origins[setting.name] = tuning.origins.get(setting.name, "default")
    content = {"settings": values, "origins": origins, **facts}
    return _HEAD + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
