"""Every option of the gate, once: its name, type, help, default, and where its value came from.

pytest shows them as `--gate-NAME`, `callgate run` as `--NAME`; `[tool.callgate]` in
`pyproject.toml` is read first, then `CALLGATE_NAME` variables, then flags.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
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


_REPLAY: Final = "replay:"
_WHOLE: Final = re.compile(r"[+-]?[0-9]+")


def _text(value: str) -> str:
    if not value.strip() or "\0" in value:
        raise ValueError
    return value


def _model(value: str) -> str:
    if value.startswith(_REPLAY) and not value.removeprefix(_REPLAY).strip():
        raise ValueError
    return _text(value)


def _rate(value: str) -> float:
    rate = float(value)
    if "_" in value or not value.isascii() or not 0 <= rate <= 1:
        raise ValueError
    return rate


def _whole(least: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not _WHOLE.fullmatch(value.strip()):  # int() takes 1_000 and every script's digits
            raise ValueError
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
    """The options of a run, resolved. `origins` says where each value came from.

    `searched` is the pyproject.toml that was read, or the folder from which none was found.
    """

    model: str | None = _option(
        None, _model, "a model", "mini, a Hub id or folder, or replay:FILE", "M"
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
    searched: Path | None = None

    @property
    def replay_file(self) -> str | None:
        """The file that replies come from, where the model is one."""
        replayed = self.model is not None and self.model.startswith(_REPLAY)
        return self.model.removeprefix(_REPLAY) if self.model and replayed else None


OPTIONS: Final[tuple[Option, ...]] = tuple(
    Option(f.name, f.metadata["parse"], f.metadata["wanted"], f.metadata["help"],
           f.metadata["metavar"] or None, f.default, f.metadata["toml"])
    for f in fields(Settings) if f.metadata
)  # fmt: skip

_PATHS: Final = ("adapter", "run_log", "baseline")
_PROJECT: Final = "pyproject.toml"


def no_model(settings: Settings) -> str:
    """What to say where no model is named: the choices, and where one was looked for."""
    searched = settings.searched
    if searched is None:
        return NO_MODEL
    if searched.name == _PROJECT:
        return f"{NO_MODEL}\n(read: {searched}, which names none)"
    return f"{NO_MODEL}\n(there is no {_PROJECT} in {searched} or above)"


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
    start = start or Path.cwd()
    project = _find_project(start)
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
    home = (project.parent if project else Path()) / ".callgate"
    if folder:
        home = Path(os.path.expanduser(folder))  # noqa: PTH111 - Path's raises without a home
    return replace(settings, origins=origins, home=home, searched=project or start)


def start_of(folders: Sequence[Path]) -> Path:
    """Of folders to look from, the first with settings of ours at or above it.

    Where there are none: the first with a pyproject.toml, or the first.
    """
    found = [(folder, project) for folder in folders if (project := _find_project(folder))]
    ours = [folder for folder, project in found if _has_table(project)]
    return [*ours, *(folder for folder, _ in found), *folders][0]


def _has_table(project: Path) -> bool:
    """Whether there is a [tool.callgate], or no telling."""
    try:
        return bool(tomllib.loads(project.read_text(encoding="utf-8"))["tool"]["callgate"])
    except (KeyError, TypeError):
        return False
    except (OSError, RecursionError, ValueError):
        return True


def _find_project(start: Path) -> Path | None:
    """The nearest pyproject.toml at or above `start`."""
    for folder in (start.absolute(), *start.absolute().parents):
        if os.path.isfile(folder / _PROJECT):  # noqa: PTH113 - Path's raises where it may not look
            return folder / _PROJECT
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
    if name == "model" and value.startswith(_REPLAY):
        return f"{_REPLAY}{folder / value.removeprefix(_REPLAY)}"
    local = name == "model" and value != "mini"
    if local and os.path.isdir(folder / value):  # noqa: PTH112 - Path's raises on a long name
        return str(folder / value)
    return value


def _at_home(name: str, value: Any) -> Any:
    """A path that begins with `~`, which no shell expands behind `=` or `replay:`."""
    if name in _PATHS:
        return os.path.expanduser(value)  # noqa: PTH111 - Path's raises without a home
    if name == "model" and value.startswith(_REPLAY):
        return _REPLAY + os.path.expanduser(value.removeprefix(_REPLAY))  # noqa: PTH111
    return value


def _parse(option: Option, text: str, where: str) -> Any:
    try:
        return _at_home(option.name, option.parse(text))
    except ValueError:
        hint = _hundredths(text) if option.parse is _rate else ""
        hint = " (replay:FILE?)" if text.strip() == _REPLAY else hint
        raise UsageError(f"{where}: expected {option.wanted}, found {shown(text)}{hint}") from None


def _hundredths(text: str) -> str:
    """The rate that `80`, or `80%`, is meant for, as a question."""
    with suppress(ValueError):
        number = float(text.removesuffix("%").strip())
        if 2 <= number <= 100:
            return f" ({number / 100:g}?)"
    return ""
