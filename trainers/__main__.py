"""The command `callgate-tune`: fine-tune until the specs pass."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from harness import __version__
from harness.errors import UsageError
from harness.options import OPTIONS, Settings, flag, resolve
from harness.output import BROKEN, complain, guarded
from trainers.settings import MOST_SEED, SETTINGS, Layer, Tuning, tuning_from
from trainers.settings.files import GATE_OPTIONS, read_settings

_GATE_FLAGS: Final = (*GATE_OPTIONS, "no_cache")
_MAY_CHANGE: Final = ("device", "max_minutes", "checkpoint_minutes", "tensorboard", "seeds")
"""Settings that a resumed run may have other values of."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and give its exit code: 0 met, 1 not met, 2 bad usage, 3 errors."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    given = _parser().parse_args(words)
    return guarded(lambda: _until_stopped(given, words))


def _until_stopped(given: argparse.Namespace, words: Sequence[str]) -> int:
    try:
        return _tune(given)
    except BrokenPipeError:  # the reader of our output has left, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN
    except KeyboardInterrupt:
        begun = (Path(given.out) / "settings.yaml").is_file()
        again = shlex.join([*(word for word in words if word != "--resume"), "--resume"])
        complain(f"stopped; go on with: callgate-tune {again}" if begun else "stopped")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="callgate-tune",
        description="Fine-tune FunctionGemma until the specs pass, and prove it.",
    )
    parser.add_argument("--version", action="version", version=f"callgate {__version__}")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="spec files or folders")
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder of the run")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
    parser.add_argument(
        "--settings", metavar="FILE", help="a settings file, or google-guide, datacamp or mini"
    )
    parser.add_argument(
        "--guard", action="append", default=[], metavar="PATH",
        help="specs that must not get worse; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--push-to-hub", metavar="REPO", help="upload the model when the gates are met"
    )
    parser.add_argument(
        "--private", action="store_true", help="make a new repository on the Hub a private one"
    )
    judging = parser.add_argument_group("judging, as by the gate")
    for option in OPTIONS:
        if option.name in _GATE_FLAGS and option.metavar:
            judging.add_argument(
                flag(option), metavar=option.metavar, help=option.help, dest=option.name
            )
        elif option.name in _GATE_FLAGS:
            judging.add_argument(
                flag(option), action="store_true", default=None, help=option.help, dest=option.name
            )
    training = parser.add_argument_group("training")
    for setting in SETTINGS:
        about = setting.help
        if setting.default not in (None, False):
            about += f" (default: {setting.default:g})" if isinstance(
                setting.default, int | float
            ) else f" (default: {setting.default})"  # fmt: skip
        about = about.replace("%", "%%")
        if setting.metavar:
            training.add_argument(
                setting.flag, metavar=setting.metavar, help=about, dest=setting.name
            )
        else:
            training.add_argument(
                setting.flag, action=argparse.BooleanOptionalAction, help=about, dest=setting.name
            )
    return parser


def _tune(given: argparse.Namespace) -> int:
    from harness.loading import find_spec_files, load_specs
    from harness.log_files import check_log_files
    from harness.run_log import read_log
    from trainers.run_folder import RunFolder, new_folder

    root = Path(given.out)
    if given.push_to_hub:
        _check_repository(given.push_to_hub)
    elif given.private:
        raise UsageError("--private: is for a repository that --push-to-hub names")
    asked, tuning = _settings(given, root)
    gate = _one_gpu(asked)
    files = find_spec_files(given.paths)
    guarded = find_spec_files(given.guard) if given.guard else []
    specs = load_specs([*files, *(file for file in guarded if file not in files)])
    check_log_files(gate, specs)
    baseline = read_log(gate.baseline).passed if gate.baseline else frozenset()
    folder = RunFolder(root) if given.resume else new_folder(root)
    from trainers.data import Order
    from trainers.seeds import tune_seeds

    mine, others = specs[: len(files)], specs[len(files) :]
    order = Order(tuple(mine), tuple(others), gate, tuning, folder, baseline, asked.device)
    return tune_seeds(order, given.push_to_hub, given.private)


def _settings(given: argparse.Namespace, root: Path) -> tuple[Settings, Tuning]:
    """The options of the gate and the settings of the training, from all their places.

    Raises:
        UsageError: a value that cannot be read, or a run to go on with that differs.
    """
    flags = {name: value for name, value in vars(given).items() if value is not None}
    layers = []
    began = None
    if given.resume:
        if not (root / "settings.yaml").is_file():
            raise UsageError(
                f"--resume: there is no run in {given.out}, for it has no settings.yaml"
            )
        began = read_settings(str(root / "settings.yaml"))
        layers.append(began)
    if given.settings:
        layers.append(read_settings(given.settings))
    gate = _gate([*layers, Layer("flags", flags)])
    if gate.model == "mini":
        layers.insert(0, read_settings("mini"))
    tuning = tuning_from([*layers, Layer("flags", flags)])
    if tuning.tensorboard:
        _check_tensorboard()
    if tuning.seed + tuning.seeds - 1 > MOST_SEED:
        raise UsageError(
            f"--seeds {tuning.seeds}: the last seed would be {tuning.seed + tuning.seeds - 1}, "
            f"and seeds go up to {MOST_SEED}: begin with a smaller --seed"
        )
    if began is not None:
        _check_same(began, gate, tuning)
    return gate, tuning


def _gate(layers: Sequence[Layer]) -> Settings:
    """The gate's options; settings files and flags come before what it finds by itself."""
    texts: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        for name in _GATE_FLAGS:
            if layer.values.get(name) is not None:
                texts[name] = layer.values[name]
                origins[name] = layer.origin
    found = resolve(texts)
    named = {name: origin for name, origin in origins.items() if origin != "flags"}
    return replace(found, origins={**found.origins, **named})


def _check_same(began: Layer, gate: Settings, tuning: Tuning) -> None:
    for name, value in began.values.items():
        now = getattr(tuning, name) if hasattr(tuning, name) else getattr(gate, name)
        if now != value and name not in _MAY_CHANGE:
            raise UsageError(
                f"--resume: the run began with {name}: {value!r}, and now it is {now!r}; leave "
                "the settings as they were, or begin again in another folder"
            )


def _check_repository(name: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise UsageError(f"--push-to-hub: {error}") from None


def _check_tensorboard() -> None:
    from importlib.util import find_spec

    if not find_spec("tensorboard") and not find_spec("tensorboardX"):
        raise UsageError("--tensorboard: TensorBoard is not installed: pip install tensorboard")


def _one_gpu(gate: Settings) -> Settings:
    from trainers.devices import one_gpu, one_process

    one_process(os.environ)
    # cuBLAS reads it at its first call, which is when the base is judged.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    visible, device = one_gpu(os.environ.get("CUDA_VISIBLE_DEVICES"), gate.device)
    if visible is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible
    return replace(gate, device=device)


if __name__ == "__main__":
    sys.exit(main())
