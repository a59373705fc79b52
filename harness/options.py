"""Every option of the gate, once: its name, type, help, default, and where its value came from.

pytest shows them as `--gate-NAME`, `callgate run` as `--NAME`; `[tool.callgate]` in
`pyproject.toml` is read first, then `CALLGATE_NAME` variables, then flags.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from harness.errors import UsageError, nearest
from harness.json_values import shown

MODEL_CHOICES: Final = """\
  mini                          the small stand-in that callgate carries
  google/functiongemma-270m-it  any FunctionGemma checkpoint on the Hub (ID@REVISION for a
                                revision of it), or a folder with one
  replay:FILE                   replies from a file (JSON lines, or a run log)"""

NO_MODEL: Final = f"""\
no model is named, and none is built in; name one with a flag, with CALLGATE_MODEL, or with
`model = …` under [tool.callgate] in pyproject.toml:
{MODEL_CHOICES}"""


def _text(value: str) -> str:
    if not value.strip() or "\0" in value:
        raise ValueError
    return value


def _rate(value: str) -> float:
    rate = float(value)
    if not 0 <= rate <= 1:
        raise ValueError
    return rate


def _whole(least: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        number = int(value)
        if number < least:
            raise ValueError
        return number

    return parse


def _choice(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError
        return value

    return parse


def _switch(value: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True}
    words |= {"0": False, "false": False, "no": False, "off": False}
    try:
        return words[value.lower()]
    except KeyError:
        raise ValueError from None


@dataclass(frozen=True, slots=True)
class Option:
    """How one option is read: `parse` turns a text into its value or raises ValueError.

    `wanted` says what is; `toml` are the types that pyproject.toml may hold it in.
    """

    name: str
    parse: Callable[[str], Any]
    wanted: str
    help: str
    metavar: str | None
    default: Any
    toml: tuple[type, ...]


def _option(
    default: Any, parse: Callable[[str], Any], wanted: str, about: str, metavar: str,
    toml: tuple[type, ...] = (str,),
) -> Any:  # fmt: skip
    meta = {"parse": parse, "wanted": wanted, "help": about, "metavar": metavar, "toml": toml}
    return field(default=default, metadata=meta)


@dataclass(frozen=True)
class Settings:
    """The options of a run, resolved. `origins` says where each value came from."""

    model: str | None = _option(
        None, _text, "a model", "mini, a Hub id or folder, or replay:FILE", "M"
    )
    adapter: str | None = _option(None, _text, "a folder", "a PEFT adapter for the model", "DIR")
    split: str = _option(
        "test", _choice("test", "dev", "train", "all"), "test, dev, train or all",
        "which cases are judged (default: test)", "SPLIT",
    )  # fmt: skip
    min_pass_rate: float | None = _option(
        None, _rate, "a rate from 0 to 1",
        "the rate that every gate demands in place of its spec's (1: one miss closes it)", "R",
        (str, int, float),
    )  # fmt: skip
    run_log: str | None = _option(None, _text, "a file", "write the run log here as well", "FILE")
    baseline: str | None = _option(
        None, _text, "a run log",
        "a run log: a case that passed there and misses here is a regression", "FILE",
    )  # fmt: skip
    allow_regressions: int = _option(
        0, _whole(0), "a whole number from 0",
        "how many regressions a gate forgives (default: 0)", "N", (str, int),
    )  # fmt: skip
    max_new_tokens: int = _option(
        128, _whole(1), "a whole number from 1",
        "the longest reply, in tokens (default: 128)", "N", (str, int),
    )  # fmt: skip
    batch_size: int | None = _option(
        None, _whole(1), "a whole number from 1",
        "prompts at a time (default: as fits)", "N", (str, int),
    )  # fmt: skip
    device: str = _option("auto", _text, "a device", "auto, cpu, cuda, cuda:1, mps …", "D")
    dtype: str = _option(
        "auto", _choice("auto", "float32", "bfloat16"), "auto, float32 or bfloat16",
        "precision (default: bfloat16 on GPUs that have it, else float32)", "T",
    )  # fmt: skip
    no_cache: bool = _option(
        False, _switch, "true or false", "neither read nor keep replies", "", (bool,)
    )
    no_drafts: bool = _option(
        False, _switch, "true or false", "decode without reading the gold reply ahead", "", (bool,)
    )
    no_shared_prefix: bool = _option(
        False, _switch, "true or false",
        "decode every prompt from its first token, also where prompts begin alike", "", (bool,),
    )  # fmt: skip
    origins: Mapping[str, str] = field(default_factory=dict)
    home: Path = Path(".callgate")


OPTIONS: Final[tuple[Option, ...]] = tuple(
    Option(f.name, f.metadata["parse"], f.metadata["wanted"], f.metadata["help"],
           f.metadata["metavar"] or None, f.default, f.metadata["toml"])
    for f in fields(Settings) if f.metadata
)  # fmt: skip

_PATHS: Final = ("adapter", "run_log", "baseline")


def flag(option: Option, prefix: str = "") -> str:
    """The command line's spelling: `--gate-max-new-tokens` for the prefix `gate-`."""
    return f"--{prefix}{option.name.replace('_', '-')}"


def resolve(
    flags: Mapping[str, Any], *, prefix: str = "", environ: Mapping[str, str] | None = None,
    start: Path | None = None,
) -> Settings:  # fmt: skip
    """Resolve the options: pyproject.toml, then variables, then flags.

    `flags` maps option names to texts (or True for a switch), None where a flag was not given.
    `start` is the folder from which `pyproject.toml` is looked for upwards.

    Raises:
        UsageError: a value that cannot be read, or an unknown key under [tool.callgate].
    """
    environ = os.environ if environ is None else environ
    project = _find_project(start or Path.cwd())
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    if project:
        for name, value in _from_project(project).items():
            values[name], origins[name] = value, "pyproject.toml"
    for option in OPTIONS:
        variable = f"CALLGATE_{option.name.upper()}"
        if environ.get(variable):
            values[option.name] = _parse(option, environ[variable], f"the variable {variable}")
            origins[option.name] = variable
        given = flags.get(option.name)
        if given not in (None, False):
            name = flag(option, prefix)
            values[option.name] = given if given is True else _parse(option, str(given), name)
            origins[option.name] = name
        origins.setdefault(option.name, "default")
    settings = Settings(**values)
    folder = environ.get("CALLGATE_DIR")
    home = Path(folder) if folder else (project.parent if project else Path()) / ".callgate"
    return replace(settings, origins=origins, home=home)


def _find_project(start: Path) -> Path | None:
    """The nearest pyproject.toml at or above `start`."""
    for folder in (start.absolute(), *start.absolute().parents):
        if (folder / "pyproject.toml").is_file():
            return folder / "pyproject.toml"
    return None


def _from_project(file: Path) -> dict[str, Any]:
    """The values under [tool.callgate], paths taken from the file's folder."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from None
    except RecursionError:
        raise UsageError(f"{file}: cannot be read: nested too deeply") from None
    except ValueError as error:  # no UTF-8, or no TOML
        raise UsageError(f"{file}: cannot be read: {error}") from None
    tools = table.get("tool", {})
    section = tools.get("callgate", {}) if isinstance(tools, dict) else {}
    if not isinstance(section, dict):
        raise UsageError(f"{file}: tool.callgate: expected a table, found {shown(section)}")
    known = {option.name.replace("_", "-"): option for option in OPTIONS}
    values: dict[str, Any] = {}
    for key, value in section.items():
        if key not in known:
            hint = nearest(key, known, f"known are {', '.join(known)}")
            raise UsageError(f"{file}: [tool.callgate]: unknown key {key!r} ({hint})")
        option, where = known[key], f"{file}: [tool.callgate] {key}"
        if type(value) not in option.toml:  # exactly: a boolean is no number here
            raise UsageError(f"{where}: expected {option.wanted}, found {shown(value)}")
        parsed = _parse(option, str(value), where)
        values[option.name] = _from_folder(option.name, parsed, file.parent)
    return values


def _from_folder(name: str, value: Any, folder: Path) -> Any:
    """A path from pyproject.toml is relative to it; a model may be one."""
    if name in _PATHS:
        return str(folder / value)
    if name == "model" and value.startswith("replay:"):
        return f"replay:{folder / value.removeprefix('replay:')}"
    if name == "model" and value != "mini" and (folder / value).is_dir():
        return str(folder / value)
    return value


def _parse(option: Option, text: str, where: str) -> Any:
    try:
        return option.parse(text)
    except ValueError:
        hint = _hundredths(text) if option.parse is _rate else ""
        raise UsageError(f"{where}: expected {option.wanted}, found {shown(text)}{hint}") from None


def _hundredths(text: str) -> str:
    """The rate that `80`, or `80%`, is meant for, as a question."""
    with suppress(ValueError):
        number = float(text.removesuffix("%").strip())
        if 2 <= number <= 100:
            return f" ({number / 100:g}?)"
    return ""
