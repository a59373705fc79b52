"""Options and files that cannot be used are refused in a sentence, before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

from harness.options import NO_MODEL, OPTIONS

QUIET = ("-p", "no:cacheprovider")


@pytest.fixture
def one(project: Any) -> Any:
    """A project with one case, which passes."""
    project.desk("id: a, expect: find")
    project.answers(a="find")
    return project


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "workers"])
def test_no_model_is_a_usage_error_that_lists_the_choices(one: Any, workers: list[str]) -> None:
    """Exit code 4, what can be named, no log, and no traceback of a worker."""
    one.settings()
    ran = one.pytest(*QUIET, *workers)
    assert ran.code == 4
    sentence = f"{NO_MODEL}\n(read: pyproject.toml, which names none)"
    assert (ran.out + ran.err).partition("ERROR: ")[2].rstrip() == sentence
    assert not (one.root / ".callgate").exists()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("split", "tset", "--gate-split: expected test, dev, train or all, found 'tset'"),
        (
            "min-pass-rate",
            "80",
            "--gate-min-pass-rate: expected a rate from 0 to 1, found '80' (0.8?)",
        ),
        ("run-log", "specs", "run log specs: cannot be written: Is a directory"),
        ("baseline", "gone", "run log gone: cannot be read: No such file or directory"),
        ("model", "replay:gone", "replay file gone: cannot be read: No such file or directory"),
    ],
)
def test_bad_flags_are_usage_errors(one: Any, name: str, value: str, sentence: str) -> None:
    """Exit code 4 and one sentence that names the flag or the file."""
    ran = one.pytest(*QUIET, f"--gate-{name}", value)
    assert (ran.code, ran.err) == (4, f"ERROR: {sentence}\n\n")


def test_unknown_settings_are_usage_errors(one: Any) -> None:
    """An unknown key of [tool.callgate] is refused, and the nearest known one named."""
    one.settings(model="replay:replies.jsonl", spilt="dev")
    ran = one.pytest(*QUIET)
    said = "ERROR: pyproject.toml: [tool.callgate]: unknown key 'spilt' (did you mean 'split'?)"
    assert (ran.code, ran.err) == (4, f"{said}\n\n")


def test_lines_that_are_no_replies_are_all_named(one: Any) -> None:
    """Each broken line of a replay file with its number; exit code 4."""
    one.write("bad.jsonl", '{"case": "desk::a"}\nnonsense\n')
    ran = one.pytest(*QUIET, "--gate-model", "replay:bad.jsonl")
    assert (ran.code, ran.err) == (
        4,
        "ERROR: the replay file cannot be used:\n"
        'bad.jsonl:1: desk::a: expected "reply" to be a text, found nothing\n'
        "bad.jsonl:2: not JSON: Expecting value at column 1\n\n",
    )


def test_flags_win_over_variables_and_variables_over_pyproject(one: Any) -> None:
    """Each of three options comes from its strongest source, and the log says from where."""
    one.settings(model="replay:replies.jsonl", split="dev", max_new_tokens=1, min_pass_rate=0.1)
    variables = {"CALLGATE_SPLIT": "train", "CALLGATE_MAX_NEW_TOKENS": "2"}
    one.pytest(*QUIET, "--gate-split", "test", env=variables)
    options = one.log()[0]["options"]
    assert {name: options[name] for name in ("split", "max_new_tokens", "min_pass_rate")} == {
        "split": {"value": "test", "from": "--gate-split"},
        "max_new_tokens": {"value": 2, "from": "CALLGATE_MAX_NEW_TOKENS"},
        "min_pass_rate": {"value": 0.1, "from": "pyproject.toml"},
    }


def test_options_are_listed_in_the_help(project: Any) -> None:
    """`pytest --help` has one group with every option."""
    text = project.pytest("--help").out
    group = text.partition("callgate: gates on FunctionGemma's calls:\n")[2].partition("\n\n")[0]
    for option in OPTIONS:
        assert f"  --gate-{option.name.replace('_', '-')}" in group
