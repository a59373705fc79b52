"""The command's last resort: what stops or breaks a training is no verdict of the model's."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainers import __main__ as command

WORDS = ["desk rules.spec.yaml", "--out", "run", "--seeds", "3"]


def _ends(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def broken(_: object) -> int:
        raise error

    monkeypatch.setattr(command, "_tune", broken)


def test_a_bug_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 3: 1 would say that the gates are not met."""
    monkeypatch.delenv("CALLGATE_DEBUG", raising=False)
    _ends(monkeypatch, ZeroDivisionError("by zero"))
    assert command.main(WORDS) == 3
    assert capsys.readouterr().err == (
        "callgate itself broke: ZeroDivisionError: by zero; please report it "
        "(CALLGATE_DEBUG=1 shows where)\n"
    )


@pytest.mark.parametrize("more", [[], ["--resume"]])
def test_a_stop_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    more: list[str],
) -> None:
    """Ctrl-C ends with 130 and the whole command that goes on, fit for a shell."""
    monkeypatch.chdir(tmp_path)
    _ends(monkeypatch, KeyboardInterrupt())
    assert command.main([*WORDS, *more]) == 130
    assert capsys.readouterr().err == "stopped\n"
    Path("run").mkdir()
    Path("run/settings.yaml").touch()
    assert command.main([*WORDS, *more]) == 130
    assert capsys.readouterr().err == (
        "stopped; go on with: callgate-tune 'desk rules.spec.yaml' --out run --seeds 3 --resume\n"
    )


def test_private_asks_for_a_repository(capsys: pytest.CaptureFixture[str]) -> None:
    """`--private` alone would promise what it does not do."""
    assert command.main([*WORDS, "--private"]) == 2
    assert capsys.readouterr().err == ("--private: is for a repository that --push-to-hub names\n")
