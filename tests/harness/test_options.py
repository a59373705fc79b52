"""Options: where each value comes from, and what is said of one that cannot be used."""

# ruff: noqa: E501 - tables of cases read best with one case to a line

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.json_values import shown
from harness.options import NO_MODEL, OPTIONS, Settings, flag, no_model, resolve, start_of


def project(folder: Path, text: str) -> Path:
    """A folder with a pyproject.toml."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return folder


def of(folder: Path, environ: dict[str, str] | None = None, **flags: Any) -> Settings:
    """The settings resolved from a folder, with flags as pytest has them."""
    return resolve(flags, prefix="gate-", environ=environ or {}, start=folder)


def complaint(folder: Path, environ: dict[str, str] | None = None, **flags: Any) -> str:
    """The sentence that refuses a value."""
    with pytest.raises(UsageError) as caught:
        of(folder, environ, **flags)
    return str(caught.value)


def test_later_sources_win_and_are_named(tmp_path: Path) -> None:
    """pyproject.toml, then variables, then flags; each value knows where it came from."""
    text = '[tool.callgate]\nmodel = "a"\nsplit = "dev"\nmax-new-tokens = 1\nmin-pass-rate = 1\n'
    environ = {"CALLGATE_SPLIT": "train", "CALLGATE_MAX_NEW_TOKENS": "2", "CALLGATE_DEVICE": ""}
    found = of(project(tmp_path, text), environ, max_new_tokens="3", no_cache=True, dtype=None)
    assert (found.model, found.split, found.max_new_tokens) == ("a", "train", 3)
    assert (found.min_pass_rate, found.no_cache, found.device) == (1.0, True, "auto")
    assert found.origins == {
        **dict.fromkeys([option.name for option in OPTIONS], "default"),
        "model": "pyproject.toml",
        "min_pass_rate": "pyproject.toml",
        "split": "CALLGATE_SPLIT",
        "max_new_tokens": "--gate-max-new-tokens",
        "no_cache": "--gate-no-cache",
    }


def test_defaults(tmp_path: Path) -> None:
    """Without any source: no model, the test split, every gate by its own rate."""
    found = of(tmp_path)
    values = {option.name: getattr(found, option.name) for option in OPTIONS}
    assert values == {
        "model": None,
        "adapter": None,
        "split": "test",
        "min_pass_rate": None,
        "run_log": None,
        "baseline": None,
        "allow_regressions": 0,
        "max_new_tokens": 128,
        "batch_size": None,
        "device": "auto",
        "dtype": "auto",
        "no_cache": False,
        "no_drafts": False,
        "no_shared_prefix": False,
    }


def test_flags_are_spelt_alike() -> None:
    """`callgate run` has them plain, pytest with its prefix."""
    option = next(option for option in OPTIONS if option.name == "max_new_tokens")
    assert (flag(option), flag(option, "gate-")) == ("--max-new-tokens", "--gate-max-new-tokens")


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("model", " ", "a model"),
        ("model", "a\0b", "a model"),
        ("model", "replay:", "a model"),
        ("model", "replay: ", "a model"),
        ("split", "tset", "test, dev, train or all"),
        ("min_pass_rate", "1.5", "a rate from 0 to 1"),
        ("min_pass_rate", "nan", "a rate from 0 to 1"),
        ("min_pass_rate", "80", "a rate from 0 to 1"),
        ("min_pass_rate", "80%", "a rate from 0 to 1"),
        ("min_pass_rate", "0_1", "a rate from 0 to 1"),
        ("min_pass_rate", "٠.٥", "a rate from 0 to 1"),
        ("allow_regressions", "-1", "a whole number from 0"),
        ("allow_regressions", "1_000", "a whole number from 0"),
        ("allow_regressions", "٣", "a whole number from 0"),
        ("max_new_tokens", "0", "a whole number from 1"),
        ("max_new_tokens", "1.5", "a whole number from 1"),
        ("batch_size", "many", "a whole number from 1"),
        ("dtype", "float16", "auto, float32 or bfloat16"),
        ("run_log", "", "a file"),
        ("baseline", "", "a run log"),
        ("adapter", "", "a folder"),
        ("device", "", "a device"),
    ],
)
def test_values_that_cannot_be_read(tmp_path: Path, name: str, value: str, wanted: str) -> None:
    """The sentence names the source, what was expected, and what was found, from each source."""
    found = f"expected {wanted}, found {shown(value)}"
    found += " (0.8?)" if value in ("80", "80%") else ""
    found += " (replay:FILE?)" if value.startswith("replay:") else ""
    dashed = name.replace("_", "-")
    assert complaint(tmp_path, **{name: value}) == f"--gate-{dashed}: {found}"
    if value:
        variable = f"CALLGATE_{name.upper()}"
        assert complaint(tmp_path, {variable: value}) == f"the variable {variable}: {found}"
    quoted = value.replace("\0", "\\u0000")
    folder = project(tmp_path, f'[tool.callgate]\n{dashed} = "{quoted}"\n')
    file = folder / "pyproject.toml"
    assert complaint(folder) == f"{file}: [tool.callgate] {dashed}: {found}"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("model = 5", "[tool.callgate] model: expected a model, found 5"),
        ('model = ["mini"]', "[tool.callgate] model: expected a model, found ['mini']"),
        ("max-new-tokens = true", "[tool.callgate] max-new-tokens: expected a whole number from 1, found true"),
        ("max-new-tokens = 1.0", "[tool.callgate] max-new-tokens: expected a whole number from 1, found 1.0"),
        ("no-cache = 1", "[tool.callgate] no-cache: expected true or false, found 1"),
        ("min-pass-rate = nan", "[tool.callgate] min-pass-rate: expected a rate from 0 to 1, found 'nan'"),
        ("modle = 5", "[tool.callgate]: unknown key 'modle' (did you mean 'model'?)"),
        ("max_new_tokens = 5", "[tool.callgate]: unknown key 'max_new_tokens' (did you mean 'max-new-tokens'?)"),
        (
            "zzz = 5",
            "[tool.callgate]: unknown key 'zzz' (known are model, adapter, split, min-pass-rate, run-log, "
            "baseline, allow-regressions, max-new-tokens, batch-size, device, dtype, no-cache, "
            "no-drafts, no-shared-prefix)",
        ),
    ],
)  # fmt: skip
def test_what_pyproject_may_not_hold(tmp_path: Path, line: str, sentence: str) -> None:
    """A value of another type and an unknown key are refused, the nearest known one named."""
    folder = project(tmp_path, f"[tool.callgate]\n{line}\n")
    assert complaint(folder) == f"{folder / 'pyproject.toml'}: {sentence}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[tool]\ncallgate = 5\n", "tool.callgate: expected a table, found 5"),
        ("[tool\n", "cannot be read: Expected ']' at the end of a table declaration"),
        ("x = " + "[" * 5000, "cannot be read: nested too deeply"),
    ],
)  # fmt: skip
def test_a_pyproject_that_cannot_be_read(tmp_path: Path, text: str, sentence: str) -> None:
    """It is a usage error, not a traceback; and a file without our table is none."""
    folder = project(tmp_path, text)
    assert complaint(folder).startswith(f"{folder / 'pyproject.toml'}: {sentence}")
    assert of(project(tmp_path, "tool = 5\n")).model is None


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    """A pyproject.toml in another encoding is named."""
    (tmp_path / "pyproject.toml").write_bytes(b"x = '\xff'")
    assert re.fullmatch(
        re.escape(str(tmp_path / "pyproject.toml")) + r": cannot be read: 'utf-8' codec .*",
        complaint(tmp_path),
    )


def test_paths_from_pyproject_are_relative_to_it(tmp_path: Path) -> None:
    """From a folder further down, files and folders are still those beside pyproject.toml."""
    text = '[tool.callgate]\nrun-log = "log.jsonl"\nbaseline = "/b.jsonl"\nadapter = "runs/a"\n'
    folder = project(tmp_path, text)
    below = folder / "specs" / "deep"
    below.mkdir(parents=True)
    found = of(below)
    assert found.run_log == str(folder / "log.jsonl")
    assert found.baseline == "/b.jsonl"
    assert found.adapter == str(folder / "runs" / "a")
    assert found.home == folder / ".callgate"
    assert of(below, run_log="x.jsonl").run_log == "x.jsonl"


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("mini", "mini"),
        ("replay:r.jsonl", "replay:{folder}/r.jsonl"),
        ("replay:/r.jsonl", "replay:/r.jsonl"),
        ("models/x", "{folder}/models/x"),
        ("google/functiongemma-270m-it", "google/functiongemma-270m-it"),
    ],
)
def test_a_model_from_pyproject(tmp_path: Path, model: str, expected: str) -> None:
    """A folder that is there and a replay file are paths; every other name stays."""
    (tmp_path / "models" / "x").mkdir(parents=True)
    (tmp_path / "mini").mkdir()
    found = of(project(tmp_path, f'[tool.callgate]\nmodel = "{model}"\n')).model
    assert found == expected.replace("{folder}", str(tmp_path))


def test_the_nearest_pyproject_counts(tmp_path: Path) -> None:
    """One further down hides one further up, even where it has no table of ours."""
    project(tmp_path, '[tool.callgate]\nmodel = "a"\n')
    inner = project(tmp_path / "inner", "")
    assert of(inner).model is None
    assert of(inner).home == inner / ".callgate"


def test_a_path_at_home(tmp_path: Path) -> None:
    """`~` is the home folder also where no shell expands it: behind `=`, `replay:`, in a file."""
    text = '[tool.callgate]\nmodel = "replay:~/r.jsonl"\nadapter = "~/a"\nrun-log = "~/l"\n'
    found = of(project(tmp_path, text))
    home = Path.home()
    assert (found.model, found.adapter, found.run_log) == (
        f"replay:{home}/r.jsonl",
        f"{home}/a",
        f"{home}/l",
    )
    given = of(tmp_path, {"CALLGATE_BASELINE": "~/b"}, model="replay:~/x", run_log="~/y")
    assert (given.model, given.run_log, given.baseline) == (
        f"replay:{home}/x",
        f"{home}/y",
        f"{home}/b",
    )


def test_home(tmp_path: Path) -> None:
    """`CALLGATE_DIR` moves callgate's own files."""
    assert of(tmp_path, {"CALLGATE_DIR": "/elsewhere"}).home == Path("/elsewhere")
    assert of(tmp_path, {"CALLGATE_DIR": "~/mine"}).home == Path.home() / "mine"


def test_where_settings_are_looked_for(tmp_path: Path) -> None:
    """In the first of some folders that leads to a table of ours, else to any pyproject.toml."""
    bare, other = project(tmp_path / "bare", ""), project(tmp_path / "other", "x = 1\n")
    ours = project(tmp_path / "ours", '[tool.callgate]\nmodel = "a"\n')
    broken = project(tmp_path / "broken", "[tool\n")
    (ours / "specs").mkdir()
    assert start_of([bare, ours / "specs", broken]) == ours / "specs"
    assert start_of([broken, ours]) == broken  # which is refused, rather than passed over
    assert start_of([tmp_path, other, bare]) == other
    assert start_of([tmp_path, tmp_path / "nowhere"]) == tmp_path


def test_no_model_says_where_it_was_looked_for(tmp_path: Path) -> None:
    """The file that names none, or the folder from which upwards there is none."""
    assert (
        no_model(of(tmp_path)) == f"{NO_MODEL}\n(there is no pyproject.toml in {tmp_path} or above)"
    )
    file = project(tmp_path, "") / "pyproject.toml"
    assert no_model(of(tmp_path)) == f"{NO_MODEL}\n(read: {file}, which names none)"
    assert no_model(Settings()) == NO_MODEL


@pytest.mark.parametrize(
    ("word", "value"), [("1", True), ("Yes", True), ("off", False), ("0", False)]
)
def test_switches(tmp_path: Path, word: str, value: bool) -> None:
    """A switch reads the usual words from a variable, so that one can be turned off again."""
    folder = project(tmp_path, "[tool.callgate]\nno-cache = true\n")
    found = of(folder, {"CALLGATE_NO_CACHE": word})
    assert (found.no_cache, found.origins["no_cache"]) == (value, "CALLGATE_NO_CACHE")
    sentence = "the variable CALLGATE_NO_CACHE: expected true or false, found 'maybe'"
    assert complaint(folder, {"CALLGATE_NO_CACHE": "maybe"}) == sentence
