"""The pytest plugin: each case of a `*.spec.yaml` an item, each file closed by its gate.

The only source file that imports pytest. Inert until a spec file is collected. It judges nothing:
verdicts come from `harness.run`, decisions from `harness.gating`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from harness.errors import CallgateError, SpecError, printable
from harness.options import OPTIONS, flag

if TYPE_CHECKING:
    from harness.cases import Case, Spec
    from harness.gate_tests.gate_session import GateSession
    from harness.gating import Decision

SUFFIX: Final = ".spec.yaml"
PREFIX: Final = "gate-"

_session_key: pytest.StashKey[GateSession] = pytest.StashKey()
_names_key: pytest.StashKey[dict[str, str]] = pytest.StashKey()  # spec → its file
_files_key: pytest.StashKey[dict[str, str]] = pytest.StashKey()  # file → its first node id
_tags_key: pytest.StashKey[set[str]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Each of the gate's options as `--gate-NAME`."""
    group = parser.getgroup("callgate", "callgate: gates on FunctionGemma's calls")
    for option in OPTIONS:
        name = flag(option, PREFIX)
        if option.metavar is None:
            group.addoption(name, action="store_true", default=None, help=option.help)
        else:
            group.addoption(name, default=None, metavar=option.metavar, help=option.help)


def _gates(config: pytest.Config) -> GateSession:
    """The run's state; made when the first spec is collected."""
    if _session_key not in config.stash:
        from harness.gate_tests.gate_session import GateSession
        from harness.options import Settings, resolve, start_of

        here = [*([config.inipath.parent] if config.inipath else []), config.rootpath]
        given = {option.name: config.getoption(f"gate_{option.name}") for option in OPTIONS}
        try:
            start = start_of([*here, config.invocation_params.dir])
            settings = resolve(given, prefix=PREFIX, start=start)
        except CallgateError as error:
            if not _is_worker(config):
                raise _usage_error(error) from None
            settings = Settings(split="all")  # the process that reports refuses before items run
        config.stash[_session_key] = GateSession(settings)
    return config.stash[_session_key]


def _is_worker(config: pytest.Config) -> bool:
    """Whether this process only runs tests for another that reports them (pytest-xdist)."""
    return hasattr(config, "workerinput")


def _usage_error(error: Exception) -> pytest.UsageError:
    return pytest.UsageError(_safe(str(error)))


def _safe(text: str) -> str:
    """Lines of text, without anything that drives a terminal."""
    return "\n".join(map(printable, text.split("\n")))


class Told(pytest.fail.Exception):  # type: ignore[name-defined,misc]
    """What an item has to say, whole: it is shown without a traceback."""

    def __init__(self, text: str) -> None:
        super().__init__(text, pytrace=False)


class Missed(Told):
    """The model missed a case."""


class Broken(Told):
    """A back end or callgate itself broke: an error, never the model's miss."""


class NotMet(Told):
    """A gate's decision."""


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SpecFile | None:
    """Collect `*.spec.yaml`."""
    if not file_path.name.endswith(SUFFIX):
        return None
    place = os.path.relpath(file_path, parent.config.rootpath)  # pytest's own misleads outside it
    return SpecFile.from_parent(parent, path=file_path, nodeid=Path(place).as_posix())


class SpecFile(pytest.File):
    """A spec file: its cases in order, then its gate."""

    spec: Spec

    def collect(self) -> Iterator[pytest.Item]:
        """Read the file; all its problems at once are one collection error.

        A file that several names lead to is read under the first alone.
        """
        from harness.loading import load_specs

        known, real = self.config.stash.setdefault(_files_key, {}), os.path.realpath(self.path)
        if known.setdefault(real, self.nodeid) != self.nodeid:
            return
        try:
            (self.spec,) = load_specs([self.path])
        except SpecError as error:
            raise self.CollectError(_safe(str(error))) from None
        self._refuse_a_namesake()
        for case in self.spec.cases:
            item = CaseItem.from_parent(self, name=case.id)
            item.take(case)
            yield item
        yield GateItem.from_parent(self, name="gate")

    def _refuse_a_namesake(self) -> None:
        name, path = self.spec.name, self.spec.path
        other = self.config.stash.setdefault(_names_key, {}).setdefault(name, path)
        if other != path:
            raise self.CollectError(
                f"{path}:1:1: spec: {other} is called {name!r} too (names are unique among the "
                "files of a run: give one of them another `spec`)"
            )


class _Item(pytest.Item):
    """What case and gate items share: `found` travels to where reports arrive."""

    found: dict[str, Any] | None = None

    @property
    def spec(self) -> Spec:
        assert isinstance(self.parent, SpecFile)
        return self.parent.spec

    @property
    def gates(self) -> GateSession:
        return _gates(self.config)


class CaseItem(_Item):
    """One case."""

    case: Case

    def take(self, case: Case) -> None:
        """Bind the case; its tags become markers."""
        from harness.cases import NO_MARKERS

        self.case = case
        for tag in case.tags:
            if tag not in NO_MARKERS:
                _register(self.config, tag)
                self.add_marker(tag)

    def reportinfo(self) -> tuple[Path, int, str]:
        """The case's line in the YAML file; of a data set's row the file's first."""
        place = self.case.location
        line = place.line if place.path == self.spec.path else 1
        return self.path, line - 1, self.case.ref

    def setup(self) -> None:
        """Get the verdict; a skip and an error end here."""
        from harness.gate_tests.properties import case_properties, verdict_properties

        self.user_properties += case_properties(self.case)
        try:
            record = self.found = self.gates.record(self.case)
        except CallgateError as error:
            raise Broken(_safe(str(error))) from None
        self.user_properties += verdict_properties(record)
        if record["outcome"] == "skip":
            pytest.skip(_safe(record["reason"]))
        if record["outcome"] == "error":
            raise Broken(self.gates.case_text(self.case))

    def runtest(self) -> None:
        """Fail on a miss."""
        assert self.found is not None
        if self.found["outcome"] == "fail":
            raise Missed(self.gates.case_text(self.case))

    @property
    def forgiven(self) -> bool:
        """Whether a miss is left to the file's gate to weigh."""
        if self.case.critical or self.config.getoption("runxfail", True):
            return False
        return self.gates.selection(self.spec).gated


class GateItem(_Item):
    """The gate that closes a file: decides over all of its cases in the chosen split."""

    decision: Decision

    def reportinfo(self) -> tuple[Path, int, str]:
        """The file's first line."""
        return self.path, 0, f"{self.spec.name}::gate"

    def setup(self) -> None:
        """Decide, or say why there is nothing to decide."""
        from harness.gate_tests.properties import decision_properties, gate_properties
        from harness.summary import row_of

        selection = self.gates.selection(self.spec)
        self.user_properties += gate_properties(self.spec, self.gates.settings.split)
        if self.spec.owes(self.gates.settings.split):  # its data set gave none
            raise Broken(_safe(self.gates.nothing_text(self.spec)))
        if not selection.total:
            pytest.skip(f"{self.spec.name}: no case of split {self.gates.settings.split}")
        if not selection.gated:
            chosen = f"{len(selection.chosen)} of {selection.total} selected"
            pytest.skip(f"{self.spec.name}: {chosen}")
        try:
            self.decision = self.gates.decide(self.spec)
        except CallgateError as error:
            raise Broken(_safe(str(error))) from None
        row = row_of(self.decision)
        self.found = {"gate": asdict(row)}
        self.user_properties += decision_properties(row)
        if self.decision.broken:
            raise Broken(self.gates.gate_text(self.spec, self.decision))

    def runtest(self) -> None:
        """Fail where the gate is not met."""
        if not self.decision.met:
            raise NotMet(self.gates.gate_text(self.spec, self.decision))


def _register(config: pytest.Config, tag: str) -> None:
    """Make a tag a known marker, once."""
    known = config.stash.setdefault(_tags_key, set())
    if tag not in known:
        known.add(tag)
        config.addinivalue_line("markers", f"{tag}: a tag of callgate's cases")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the cases of other splits, of those that `-k` and `-m` have left."""
    if not any(isinstance(item, _Item) for item in items):
        return
    split = _gates(config).settings.split
    kept: list[pytest.Item] = []
    out: list[CaseItem] = []
    for item in items:
        if isinstance(item, CaseItem) and split not in ("all", item.case.split):
            out.append(item)
        else:
            kept.append(item)
    if out:
        items[:] = kept
        _gates(config).leave_out(item.case for item in out)
        config.hook.pytest_deselected(items=out)


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    """Say so where the split has left no case of those that were asked for."""
    if _session_key not in config.stash or any(isinstance(item, CaseItem) for item in items):
        return []
    return _gates(config).left_out()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Take down what is selected: a gate's verdict depends on nothing else."""
    for item in session.items:
        if isinstance(item, CaseItem):
            if not _is_skipped(item):
                item.gates.select(item.spec, item.case)
        elif isinstance(item, GateItem):
            item.gates.select_gate(item.spec)


def _is_skipped(item: pytest.Item) -> bool:
    """Whether pytest's own marks, of a conftest.py say, will skip it: then it is not judged."""
    conditions = [mark.args for mark in item.iter_markers("skipif")]
    decided = any(one is True for args in conditions for one in args)
    return decided or next(item.iter_markers("skip"), None) is not None


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Name the model and open the log before the first item runs."""
    config = session.config
    if config.option.collectonly or _is_worker(config):
        return
    if session.testsfailed and not config.option.continue_on_collection_errors:
        return
    if any(isinstance(item, _Item) for item in session.items):
        _start(config)
        from harness.gate_tests.terminal import Screen

        _gates(config).ask(Screen(config))


def _start(config: pytest.Config) -> None:
    try:
        _gates(config).start()
    except CallgateError as error:
        raise _usage_error(error) from None
    config.pluginmanager.register(Reporter(config), "callgate-reporter")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: Sequence[str]) -> None:
    """Under pytest-xdist, the process that reports learns from a worker what is selected."""
    config: pytest.Config = node.config
    named = [ident for ident in ids if ident.partition("::")[0].endswith(SUFFIX)]
    if not named or _session_key in config.stash:
        return
    try:
        _gates(config).select_named(config.rootpath, named)
    except SpecError as error:  # changed since the worker read it
        raise _usage_error(error) from None
    _start(config)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach what was found; turn a miss that its gate weighs into an expected failure."""
    report = yield
    if not isinstance(item, _Item) or call.when == "teardown":
        return report
    told = call.excinfo.value if call.excinfo is not None else None
    if isinstance(told, Told):
        report.longrepr = str(told)
    elif report.skipped and isinstance(report.longrepr, tuple):  # in the spec, not in this file
        path, line, _ = item.reportinfo()
        report.longrepr = (str(path), (line or 0) + 1, report.longrepr[2])
    if item.found is not None and (call.when == "call" or not report.passed):
        vars(report)["callgate"] = _carried(item, item.found)
    elif isinstance(item, CaseItem) and report.skipped:  # by pytest, or another plugin
        vars(report)["callgate"] = _carried(item, {"set_aside": item.case.ref})
    if isinstance(told, Missed) and isinstance(item, CaseItem) and item.forgiven:
        assert item.found is not None
        report.outcome = "skipped"
        report.wasxfail = _safe(f"{item.found['miss']}: {item.found['reason']}")
    return report


def _carried(item: _Item, found: Any) -> Any:
    """What was found, as text where a pipe carries it: none takes a lone surrogate."""
    return json.dumps(found) if _is_worker(item.config) else found


class Reporter:
    """Listens where reports arrive: registered once a run of specs has started."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.gates = _gates(config)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Log a verdict, and keep it for the summary."""
        found = getattr(report, "callgate", None)
        if found is None:
            return
        if isinstance(found, str):
            found = json.loads(found)
        if "gate" in found:
            self.gates.take_gate(found["gate"])
        elif "set_aside" in found:
            self.gates.set_aside(found["set_aside"])
        else:
            self.gates.take(report.nodeid, found)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Close the log; let `--lf` rerun the misses of red gates; never be green on nothing."""
        from harness.gate_tests.reruns import remember

        self.gates.finish()
        remember(self.config, self.gates.misses_of_red_gates())
        if session.exitstatus == pytest.ExitCode.OK and not self.gates.judged:
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """The summary of all specs, after pytest's own."""
        terminalreporter.section("callgate")
        for line in self.gates.summary():
            terminalreporter.line(_safe(line))
