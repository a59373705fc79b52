"""The run log: written as the run goes, whole to its readers only with its footer."""

from __future__ import annotations

import errno
import importlib
import json
import os
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import harness.run_log
from harness.backends.replay import Replay
from harness.bulk import judge_specs
from harness.cases import Calls, Case, ExpectedCall, Reply, Spec
from harness.errors import UsageError
from harness.judging import judge, skipped
from harness.loading import load_specs
from harness.options import Settings, resolve
from harness.run import verdicts
from harness.run_log import RunLog, header, read_log, record_of

SPEC = """\
spec: s
clauses: {c: A clause.}
tools:
  - name: search
    parameters: {query: {type: string}}
cases:
  - {id: one, prompt: Find x., expect: {search: {query: x}}, clause: c, tags: [t], critical: true}
  - {id: two, prompt: Find y., expect: {search: {query: {$regex: y}}}}
  - {id: any, prompt: Do it., expect: any_call}
  - {id: talk, prompt: Hello., expect: {no_call: true, says: {$any: true}}}
  - {id: out, prompt: Later., expect: search, skip: not yet}
"""
SECRET = "hunter2-hunter2"


@pytest.fixture
def miniatures(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The fake back ends of `tests/miniatures.py`."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))
    return importlib.import_module("miniatures")


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    """The spec above, loaded."""
    file = tmp_path / "s.spec.yaml"
    file.write_text(SPEC, encoding="utf-8")
    return load_specs([file])[0]


def of(folder: Path, **more: Any) -> Settings:
    """Settings whose home is in a folder."""
    return replace(Settings(model="mini", home=folder / ".callgate"), **more)


def first(settings: Settings, *specs: Spec) -> dict[str, Any]:
    """A header."""
    return header(settings, "a model", "abc", specs)


def lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a log."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_line_fits_the_schema(tmp_path: Path, spec: Spec, miniatures: ModuleType) -> None:
    """Header, verdicts of each outcome and each shape, and footer are as the JSON Schema says."""
    schema = json.loads(Path(harness.run_log.__file__).with_name("run_log.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    checker = Draft202012Validator(schema)
    settings = resolve({"model": "mini"}, environ={}, start=tmp_path)
    some = [miniatures.always_right(spec.cases[:3]), miniatures.says_nothing()]
    some += [miniatures.malformed(), miniatures.crashes(1), miniatures.raises_bug(2)]
    outcomes = set()
    for backend in some:
        settings = replace(settings, home=tmp_path / "home", run_log=str(tmp_path / "log.jsonl"))
        judge_specs([spec], backend, settings)
        written = lines(tmp_path / "log.jsonl")
        assert [line["kind"] for line in written] == ["run", *["verdict"] * 5, "end"]
        for line in written:
            assert [error.message for error in checker.iter_errors(line)] == []
        outcomes |= {line["outcome"] for line in written[1:-1]}
    assert outcomes == {"pass", "fail", "error", "skip"}
    broken = {**written[1], "miss": "no_call"}
    assert list(checker.iter_errors(broken)), "a miss without a fail is no verdict"


def test_a_verdict_holds_what_the_contract_lists(spec: Spec) -> None:
    """Each field has its value from the case, the reply or the verdict."""
    case = spec.cases[0]
    text = "<start_function_call>call:search{query:<escape>z<escape>}<end_function_call>"
    reply = Reply(text, "stop", None, 12, 7, 0.123456, cached=True)
    gold = text.replace("z", "x", 1)
    assert record_of(judge(case, reply)) == {
        "kind": "verdict",
        "case": "s::one",
        "spec": "s",
        "split": "test",
        "tags": ["t"],
        "clause": "c",
        "critical": True,
        "compare": "arguments",
        "location": f"{spec.path}:7",
        "prompt": "Find x.",
        "request": case.request.digest,
        "expected": [{"name": "search", "arguments": {"query": "x"}}],
        "written": {"search": {"query": "x"}},
        "reply": text,
        "finish": "stop",
        "calls": [{"name": "search", "arguments": {"query": "z"}}],
        "outcome": "fail",
        "miss": "wrong_arguments",
        "reason": "search: argument 'query': expected 'x', got 'z'",
        "tool_match": True,
        "schema_valid": True,
        "gold": gold,
        "gold_characters": len(gold),
        "cer": 1 / len(gold),
        "tokens": {"prompt": 12, "completion": 7, "draft": None},
        "forward_passes": None,
        "seconds": 0.1235,
        "cached": True,
    }


def test_expected_calls_that_are_not_whole(spec: Spec) -> None:
    """Names without arguments where values are open; a word for any call; nothing for no call."""
    by_id = {case.id: record_of(judge(case, Reply("")))["expected"] for case in spec.cases}
    assert by_id["two"] == by_id["out"] == [{"name": "search", "arguments": None}]
    assert by_id["any"] == [{"name": "(any call)", "arguments": None}]
    assert by_id["talk"] == []


def test_errors_have_no_reply(spec: Spec) -> None:
    """The reply of an error is null, that of a skip the empty text."""
    assert record_of(judge(spec.cases[0], Reply("", error="gone")))["reply"] is None
    assert record_of(skipped(spec.cases[4]))["reply"] == ""


def test_the_header_says_what_ran_and_where_options_came_from(tmp_path: Path, spec: Spec) -> None:
    """Model, generation, versions, spec digests, and each option with its origin."""
    (tmp_path / "pyproject.toml").write_text('[tool.callgate]\nmodel = "mini"\n')
    environ = {"CALLGATE_MAX_NEW_TOKENS": "64"}
    settings = resolve({"split": "all"}, environ=environ, start=tmp_path)
    found = first(settings, spec)
    assert (found["kind"], found["model"], found["label"]) == ("run", "mini", "a model")
    assert found["generation"] == {"max_new_tokens": 64, "do_sample": False}
    assert found["specs"] == {"s": spec.digest}
    assert {"callgate", "python", "pytest"} <= found["versions"].keys()
    origins = {name: option["from"] for name, option in found["options"].items()}
    assert origins["model"] == "pyproject.toml"
    assert origins["max_new_tokens"] == "CALLGATE_MAX_NEW_TOKENS"
    assert origins["split"] == "--split"
    assert set(origins.values()) == {*origins.values(), "default"}


def test_lines_are_there_before_the_run_ends(
    tmp_path: Path, spec: Spec, miniatures: ModuleType
) -> None:
    """After each verdict a reader finds it on disk, in both logs."""
    asked = tmp_path / "deep" / "er" / "log.jsonl"
    log = RunLog(first(of(tmp_path), spec), str(asked), tmp_path / ".callgate")
    own = tmp_path / ".callgate" / "last-run.jsonl"
    for count, verdict in enumerate(verdicts(spec.cases, miniatures.says_nothing()), start=1):
        log.add(record_of(verdict))
        for path in (asked, own):
            found = read_log(str(path))
            assert (len(found.verdicts), found.end) == (count, None)
    footer = log.finish()
    assert read_log(str(asked)).end == read_log(str(own)).end == footer
    assert (tmp_path / ".callgate" / ".gitignore").read_text() == "*\n"
    assert log.problems == []
    assert log.paths == [str(asked), str(own)]


def test_an_abandoned_log_has_no_footer(tmp_path: Path, spec: Spec) -> None:
    """A run that broke off reads as one that did not finish."""
    log = RunLog(first(of(tmp_path), spec), None, tmp_path)
    log.add(record_of(skipped(spec.cases[4])))
    log.abandon()
    found = read_log(str(tmp_path / "last-run.jsonl"))
    assert (found.run is not None, len(found.verdicts), found.end) == (True, 1, None)


def test_a_bug_in_the_run_leaves_no_footer(
    tmp_path: Path, spec: Spec, miniatures: ModuleType
) -> None:
    """Whatever stops the run from outside, the log says that it is not whole."""

    class Stop(BaseException):
        pass

    def stops(requests: Any) -> Any:
        yield 0, Reply("Hello.")
        raise Stop

    with pytest.raises(Stop):
        judge_specs([spec], miniatures.Miniature("stops", stops), of(tmp_path))
    found = read_log(str(tmp_path / ".callgate" / "last-run.jsonl"))
    assert (len(found.verdicts), found.end) == (2, None)


@pytest.mark.parametrize("asked", [True, False])
def test_two_runs_at_once_do_not_garble_each_other(tmp_path: Path, spec: Spec, asked: bool) -> None:
    """The name is the later run's; the earlier goes on in its own file, and neither is mixed."""
    path = tmp_path / "last-run.jsonl"
    name = str(path) if asked else None
    record = record_of(skipped(spec.cases[4]))
    one = RunLog({"kind": "run", "label": "one"}, name, tmp_path)
    one.add(record)
    other = RunLog({"kind": "run", "label": "other"}, name, tmp_path)
    one.add(record)
    other.add(record)
    one.finish()
    other.finish()
    found = read_log(str(path))
    assert found.run == {"kind": "run", "label": "other"}
    assert (len(found.verdicts), found.end is not None) == (1, True)
    assert [file.name for file in tmp_path.glob("*.part")] == []


def test_a_run_may_log_to_its_own_home(tmp_path: Path) -> None:
    """A log asked for under callgate's own name is written once, and listed once."""
    own = tmp_path / "last-run.jsonl"
    log = RunLog({"kind": "run"}, str(own), tmp_path)
    log.finish()
    assert log.paths == [str(own)]
    assert [line["kind"] for line in lines(own)] == ["run", "end"]


def test_a_log_through_a_link_keeps_the_link(tmp_path: Path) -> None:
    """What the name points to is replaced, not the name."""
    (tmp_path / "real").mkdir()
    link = tmp_path / "log.jsonl"
    link.symlink_to(tmp_path / "real" / "log.jsonl")
    RunLog({"kind": "run"}, str(link), tmp_path / "home").finish()
    assert link.is_symlink()
    assert len(lines(tmp_path / "real" / "log.jsonl")) == 2


def test_a_log_through_a_link_in_a_circle(tmp_path: Path) -> None:
    """It is a usage error that names the link, and the link stays."""
    link = tmp_path / "log.jsonl"
    link.symlink_to(link)
    with pytest.raises(UsageError) as caught:
        RunLog({"kind": "run"}, str(link), tmp_path / "home")
    too_many = os.strerror(errno.ELOOP)
    assert str(caught.value) == f"run log {link}: cannot be written: {too_many}"
    assert link.is_symlink()


def test_callgates_own_log_takes_nobodys_place(tmp_path: Path) -> None:
    """Not that of the replay file, not that of a text; the summary says so, the run goes on."""
    own = tmp_path / "last-run.jsonl"
    for content, replay, why in (
        ('{"kind":"run"}\n', str(own), "left as it is: this run's replies come from it"),
        ("A text.\n", None, "not written: the file there is no run log"),
    ):
        own.write_text(content)
        log = RunLog({"kind": "run"}, None, tmp_path, replay)
        log.finish()
        assert (log.paths, log.problems) == ([], [f"run log {own}: {why}"])
        assert own.read_text() == content


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
def test_a_full_disk_costs_the_log_and_not_the_run(
    tmp_path: Path, spec: Spec, miniatures: ModuleType
) -> None:
    """The run is judged to its end, and the summary says which log is not whole."""
    judged = judge_specs([spec], miniatures.says_nothing(), of(tmp_path, run_log="/dev/full"))
    assert len(judged.records) == 5
    assert "run log /dev/full: incomplete: No space left on device" in judged.lines
    assert "run log: /dev/full" not in judged.lines


def test_a_home_that_cannot_be_written(tmp_path: Path, spec: Spec, miniatures: ModuleType) -> None:
    """A file where the folder should be costs callgate's own copy and nothing else."""
    (tmp_path / ".callgate").write_text("")
    judged = judge_specs([spec], miniatures.says_nothing(), of(tmp_path))
    own = tmp_path / ".callgate" / "last-run.jsonl"
    assert judged.lines[-1] == f"run log {own}: cannot be written: Not a directory"


def test_a_folder_that_was_there_is_not_ignored(tmp_path: Path) -> None:
    """`.gitignore` is written into a home that callgate made, never into anybody's folder."""
    RunLog({"kind": "run"}, None, tmp_path).finish()
    assert not (tmp_path / ".gitignore").exists()


def test_a_log_that_is_asked_for_must_open(tmp_path: Path) -> None:
    """A folder in the file's place is a usage error, before anything is judged."""
    with pytest.raises(UsageError) as caught:
        RunLog({"kind": "run"}, str(tmp_path), tmp_path / "home")
    assert str(caught.value) == f"run log {tmp_path}: cannot be written: Is a directory"


def test_secrets_are_replaced(
    tmp_path: Path, spec: Spec, monkeypatch: pytest.MonkeyPatch, miniatures: ModuleType
) -> None:
    """No secret of the environment reaches the log, nor the summary; the lines say so."""
    monkeypatch.setenv("HF_TOKEN", SECRET)
    asked = tmp_path / f"{SECRET}.jsonl"
    backend = miniatures.says(f"My password is {SECRET}.", label=f"model at {SECRET}")
    judged = judge_specs([spec], backend, of(tmp_path, model=SECRET, run_log=str(asked)))
    text = asked.read_text(encoding="utf-8")
    assert SECRET not in text
    assert '"reply":"My password is [redacted: HF_TOKEN]."' in text
    marked = [line["kind"] for line in lines(asked) if line.get("redacted")]
    assert marked == ["run", *["verdict"] * 4]
    assert SECRET not in "\n".join(line for line in judged.lines if "run log" not in line)


def test_a_secret_spelt_like_a_name_changes_no_decision(
    tmp_path: Path, spec: Spec, monkeypatch: pytest.MonkeyPatch, miniatures: ModuleType
) -> None:
    """Cases, tools, arguments and options are told apart by their names, also against a baseline.

    Only texts are without it; the reply is one.
    """
    log = str(tmp_path / "log.jsonl")
    judge_specs([spec], miniatures.always_right(spec.cases), of(tmp_path, run_log=log))
    for name, value in (("A_KEY", "s::one--"), ("B_KEY", "baseline"), ("C_KEY", "Find x. ")):
        monkeypatch.setenv(name, value)
    cases = tuple(replace(case, spec="s", id=f"{case.id}--") for case in spec.cases)
    longer = replace(
        spec,
        cases=tuple(replace(case, request=replace(case.request, case=case.ref)) for case in cases),
    )
    judge_specs([longer], miniatures.always_right(longer.cases), of(tmp_path, run_log=log))
    judged = judge_specs([longer], miniatures.says("s::one-- "), of(tmp_path, baseline=log))
    assert judged.decisions[0].regressions == ("s::one--",)
    first = lines(tmp_path / ".callgate" / "last-run.jsonl")[0]
    assert "baseline" in first["options"]
    (record,) = [record for record in judged.records if record["case"] == "s::one--"]
    assert (record["reply"], record["redacted"]) == ("[redacted: A_KEY] ", True)


def test_the_names_of_tools_and_arguments_stay(spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call to a declared tool keeps the names; in the prose beside it they are gone."""
    monkeypatch.setenv("OTHER_KEY", "searches")
    tool = replace(spec.cases[0].tools[0], name="searches")
    request = replace(spec.cases[0].request, tools=(tool,))
    case = replace(spec.cases[0], request=request, expect=Calls((ExpectedCall("searches"),)))
    text = "<start_function_call>call:searches{query:<escape>x<escape>}<end_function_call>"
    record = record_of(judge(case, Reply(text)))
    assert record["calls"] == [{"name": "searches", "arguments": {"query": "x"}}]
    assert record["expected"] == [{"name": "searches", "arguments": None}]
    assert "call:[redacted: OTHER_KEY]{query" in record["reply"]


def test_numbers_that_json_cannot_hold(tmp_path: Path, spec: Spec) -> None:
    """Not-a-number and the infinities are written as null: the log stays JSON."""
    log = RunLog({"kind": "run"}, None, tmp_path)
    reply = Reply("", seconds=float("nan"))
    log.add({**record_of(judge(spec.cases[0], reply)), "more": [float("inf"), {"x": 1.5}]})
    log.finish()
    text = (tmp_path / "last-run.jsonl").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert read_log(str(tmp_path / "last-run.jsonl")).verdicts[0]["more"] == [None, {"x": 1.5}]


def test_any_text_survives_the_log(tmp_path: Path, spec: Spec) -> None:
    """Control characters, lone surrogates and line separators come back as they went in."""
    log = RunLog({"kind": "run"}, None, tmp_path)
    text = "\x00\x1b[2J\u2028\ud800\r\n\U0001f600" + "x" * 1_000_000
    log.add(record_of(judge(spec.cases[0], Reply(text))))
    log.finish()
    assert read_log(str(tmp_path / "last-run.jsonl")).verdicts[0]["reply"] == text


HEADER = '{"kind":"run"}\n'
VERDICT = '{"kind":"verdict","case":"s::one","outcome":"pass"}\n'
FOOTER = '{"kind":"end"}\n'


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (HEADER + VERDICT + FOOTER, (True, 1, True)),
        (HEADER + VERDICT, (True, 1, False)),
        (HEADER + VERDICT + FOOTER[:-4], (True, 1, False)),
        (HEADER + VERDICT[:-20], (True, 0, False)),
        (HEADER + "\n" + VERDICT + "  \n", (True, 1, False)),
        (VERDICT, (False, 1, False)),
        (HEADER + FOOTER, (True, 0, True)),
        ("\ufeff" + HEADER + VERDICT + FOOTER, (True, 1, True)),
    ],
)
def test_logs_that_can_be_read(tmp_path: Path, text: str, found: tuple[bool, int, bool]) -> None:
    """Whole ones, ones that broke off, also in the middle of a line; without a footer no end."""
    path = tmp_path / "log.jsonl"
    path.write_text(text)
    log = read_log(str(path))
    assert (log.run is not None, len(log.verdicts), log.end is not None) == found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "{path}: not a run log: it holds neither a header nor a verdict"),
        ("hello", "{path}:1: not a line of a run log: 'hello'"),
        (HEADER + "hello\n" + VERDICT, "{path}:2: not a line of a run log: 'hello'"),
        (HEADER + "hello\n", "{path}:2: not a line of a run log: 'hello'"),
        (HEADER + "[1]\n", "{path}:2: not a line of a run log: '[1]'"),
        (HEADER + '{"kind":"x"}\n', '{path}:2: not a line of a run log: \'{"kind":"x"}\''),
        (
            HEADER + '{"kind":"verdict","case":5,"outcome":"pass"}\n',
            '{path}:2: not a line of a run log: \'{"kind":"verdict","case":5,"outcome":"pass"}\'',
        ),
        (
            HEADER + '{"kind":"verdict","case":"s::a","outcome":"ok"}\n',
            "{path}:2: not a line of a run log: "
            '\'{"kind":"verdict","case":"s::a","outcome":"ok"}\'',
        ),
        (HEADER + '{"kind":NaN}\n', "{path}:2: not a line of a run log: '{\"kind\":NaN}'"),
        (HEADER + HEADER, "{path}:2: a second run begins here; keep one run to a file"),
        (HEADER + FOOTER + VERDICT, "{path}:3: a second run begins here; keep one run to a file"),
        (
            HEADER + "[" * 100_000 + "\n",
            "{path}:2: not a line of a run log: '" + "[" * 37 + " … " + "[" * 37 + "'",
        ),
    ],
)
def test_what_is_no_log(tmp_path: Path, text: str, problem: str) -> None:
    """Garbage is refused with its file and line, whatever it is."""
    path = tmp_path / "log.jsonl"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_log(str(path))
    assert str(caught.value) == problem.replace("{path}", str(path))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Missing, a folder, or bytes that are no text: one sentence each."""
    path = tmp_path / "log.jsonl"
    with pytest.raises(UsageError, match="cannot be read: No such file or directory"):
        read_log(str(path))
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        read_log(str(tmp_path))
    path.write_bytes(b'{"kind":"run"}\n\xff')
    with pytest.raises(UsageError) as caught:
        read_log(str(path))
    assert str(caught.value) == f"run log {path}: not UTF-8 at byte 15"


def test_a_replayed_log_gives_the_same_verdicts(
    tmp_path: Path, spec: Spec, miniatures: ModuleType
) -> None:
    """Run, replay the log, replay that log: each verdict is the same but for what it cost."""

    def judged(backend: Any) -> list[dict[str, Any]]:
        found = judge_specs([spec], backend, of(tmp_path, run_log=str(tmp_path / "log.jsonl")))
        return [{**record, "reason": ""} for record in found.records]

    some = [miniatures.always_right(spec.cases[:2]), miniatures.malformed()]
    some += [miniatures.says_nothing(), miniatures.crashes(2)]
    for backend in some:
        before = judged(backend)
        assert judged(Replay.read(str(tmp_path / "log.jsonl"))) == before
        assert judged(Replay.read(str(tmp_path / "log.jsonl"))) == before


def test_the_baseline_is_what_passed(tmp_path: Path, spec: Spec, miniatures: ModuleType) -> None:
    """Cases that passed there and miss here are regressions; an unfinished baseline is named."""
    log = str(tmp_path / "before.jsonl")
    judge_specs([spec], miniatures.always_right(spec.cases), of(tmp_path, run_log=log))
    settings = of(tmp_path, baseline=log, min_pass_rate=0.0)
    judged = judge_specs([spec], miniatures.says_nothing(), settings)
    assert judged.decisions[0].regressions == ("s::one",)
    assert "s: gate not met: 1 case passed in the baseline and misses now" in judged.lines
    assert "passed in the baseline, misses now: s::one" in judged.lines
    Path(log).write_text("\n".join(Path(log).read_text().splitlines()[:-1]) + "\n")
    judged = judge_specs([spec], miniatures.says_nothing(), settings)
    assert f"baseline {log}: that run did not finish" in judged.lines


def test_a_spec_without_a_case_in_the_split(
    tmp_path: Path, spec: Spec, miniatures: ModuleType
) -> None:
    """It has no decision and a line that says so; alone, nothing was judged."""
    dev = replace(spec, name="d", cases=tuple(_as_dev(case) for case in spec.cases))
    judged = judge_specs([spec, dev], miniatures.always_right(dev.cases), of(tmp_path, split="dev"))
    assert [decision.spec for decision in judged.decisions] == ["d"]
    assert any(line.startswith("s ") and line.endswith("no case is dev") for line in judged.lines)
    judged = judge_specs([spec], miniatures.says_nothing(), of(tmp_path, split="dev"))
    assert judged.decisions == ()
    assert "nothing was judged" in judged.lines


def _as_dev(case: Case) -> Case:
    request = replace(case.request, case=f"d::{case.id}")
    return replace(case, spec="d", split="dev", request=request)
