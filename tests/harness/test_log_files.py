"""A log never takes the place of what its run reads, nor of what is no log."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.cases import Spec
from harness.errors import UsageError
from harness.log_files import check_log_files, is_free, open_own, same_file
from harness.options import Settings

LOG = '{"kind":"run"}\n'


def refusal(tmp_path: Path, **more: Any) -> str:
    """The sentence that refuses a run of `a.spec.yaml`; empty where there is none."""
    settings = replace(Settings(home=tmp_path / ".callgate"), **more)
    spec = Spec("a", str(tmp_path / "a.spec.yaml"), "", ())
    try:
        check_log_files(settings, [spec])
    except UsageError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("how", ["plain", "link", "hard link", "spelling"])
@pytest.mark.parametrize("what", ["a spec", "the replay file", "the baseline"])
def test_what_the_run_reads_is_not_written(tmp_path: Path, what: str, how: str) -> None:
    """Under whatever name, and though it may be a log itself."""
    file = tmp_path / ("a.spec.yaml" if what == "a spec" else "old.jsonl")
    file.write_text(LOG)
    asked = tmp_path / "asked"
    if how == "link":
        asked.symlink_to(file)
    elif how == "hard link":
        os.link(file, asked)
    else:
        asked = file if how == "plain" else tmp_path / "below" / ".." / file.name
        (tmp_path / "below").mkdir()
    more: dict[str, Any] = {"the baseline": {"baseline": str(file)}}.get(what, {})
    more |= {"the replay file": {"model": f"replay:{file}"}}.get(what, {})
    said = refusal(tmp_path, run_log=str(asked), **more)
    assert said == f"run log {asked}: is {what} of this run; name another file"


def test_the_log_of_every_run_is_no_baseline(tmp_path: Path) -> None:
    """A red run would replace what it was held against, and the next would be green."""
    own = tmp_path / ".callgate" / "last-run.jsonl"
    assert refusal(tmp_path, baseline=str(own)) == (
        f"baseline {own}: this is the log of the last run, which every run replaces; name a copy "
        "of it, or the --run-log of an earlier run"
    )
    assert refusal(tmp_path, baseline=str(tmp_path / "copy.jsonl")) == ""


@pytest.mark.parametrize(
    ("content", "free"),
    [
        (None, True),
        ("", True),
        (LOG, True),
        ('\ufeff { "kind": "run", "model"', True),
        ("[tool.callgate]\n", False),
        ('{"case":"s::a","reply":"run"}\n', False),
        ("\0" * 1000, False),
    ],
)
def test_only_logs_are_replaced(tmp_path: Path, content: str | None, free: bool) -> None:
    """An older log goes, also one cut off in its first line; any other file stays."""
    file = tmp_path / "file"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    assert is_free(file) is free
    said = f"run log {file}: this file is there and is no run log; name another, or remove it"
    assert refusal(tmp_path, run_log=str(file)) == ("" if free else said)


def test_what_is_no_plain_file_may_be_written(tmp_path: Path) -> None:
    """Devices and pipes take a log; what is wrong with a path is said when it is opened."""
    (tmp_path / "circle").symlink_to("circle")
    for name in ("/dev/null", str(tmp_path), str(tmp_path / "circle"), "x" * 300):
        assert is_free(Path(name))
        assert refusal(tmp_path, run_log=name) == ""


def test_files_are_the_same_by_name_or_by_place(tmp_path: Path) -> None:
    """Also where neither is there yet; circles and endless names are only not the same."""
    assert same_file(tmp_path / "new", tmp_path / "x" / ".." / "new")
    assert not same_file(tmp_path / "new", tmp_path / "newer")
    (tmp_path / "circle").symlink_to("circle")
    assert not same_file(tmp_path / "circle", tmp_path / "new")
    assert not same_file("x" * 300, "y" * 5000)


def test_callgates_own_folder_is_made_once(tmp_path: Path) -> None:
    """With a `.gitignore`; a folder that was there gets none."""
    for home, ignored in ((tmp_path / "new", True), (tmp_path, False)):
        with open_own(home / "last-run.jsonl", None):
            assert (home / ".gitignore").exists() is ignored
