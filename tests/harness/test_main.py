"""The command's last resort: a bug of callgate's is no verdict, and no screen of code."""

from __future__ import annotations

import pytest

from harness.__main__ import main
from harness.command_line import commands


@pytest.mark.parametrize("debug", [False, True])
def test_a_bug_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], debug: bool
) -> None:
    """Exit code 3, which says nothing of the model; the traceback only for who asks."""

    def broken(_: object) -> int:
        raise ZeroDivisionError("by \x1b[31mzero")

    monkeypatch.setattr(commands, "run", broken)
    monkeypatch.delenv("CALLGATE_DEBUG", raising=False)
    if debug:
        monkeypatch.setenv("CALLGATE_DEBUG", "1")
    assert main(["run"]) == 3
    said = capsys.readouterr().err
    sentence = (
        r"callgate itself broke: ZeroDivisionError: by \x1b[31mzero; please report it "
        "(CALLGATE_DEBUG=1 shows where)\n"
    )
    assert said == sentence if not debug else said.endswith(sentence)
    assert ("Traceback (most recent call last):" in said) is debug
    assert "\x1b" not in said


@pytest.mark.parametrize("command", ["run", "lint"])
def test_an_empty_path_is_bad_usage(capsys: pytest.CaptureFixture[str], command: str) -> None:
    """It is not taken for the current folder."""
    assert main([command, "", *(["--model", "mini"] if command == "run" else [])]) == 2
    assert capsys.readouterr().err == "'' is no path: name a spec file or a folder.\n"


def test_a_case_at_a_path_that_cannot_be(capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence where the file system refuses the name; the middle of it is left out."""
    assert main(["show", "x" * 300 + "::a", "--model", "replay:x"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("'xxx")
    assert said.endswith("xxx': cannot be read: File name too long\n")
    assert len(said) < 300
