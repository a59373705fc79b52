"""The pytest plugin: each case of a `*.spec.yaml` an item, each file closed by its gate.

The only source file that imports pytest. Inert until a spec file is collected. It judges nothing:
verdicts come from `harness.run`, decisions from `harness.gating`.
"""

from __future__ import annotations

import shlex
from collections.abc import Generator, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.options import OPTIONS, flag

if TYPE_CHECKING:
    from harness.cases import Case, Spec
    from harness.gate_session import GateSession

SUFFIX = ".spec.yaml"
_session_key: pytest.StashKey[GateSession] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Each of the gate's options as `--gate-NAME`."""
    group = parser.getgroup("callgate", "callgate: gates on FunctionGemma's calls")
    for option in OPTIONS:
        name = flag(option, "gate-")
        if option.metavar is None:
            group.addoption(name, action="store_true", default=None, help=option.help)
        else:
            group.addoption(name, default=None, metavar=option.metavar, help=option.help)


def _gates(config: pytest.Config) -> GateSession:
    """The run's state; made when the first spec is collected."""
    if _session_key not in config.stash:
        from harness.errors import CallgateError
        from harness.gate_session import GateSession
        from harness.options import resolve

        given = {option.name: config.getoption(_dest(option.name)) for option in OPTIONS}
        try:
            settings = resolve(given, prefix="gate-", start=config.invocation_params.dir)
        except CallgateError as error:
            raise pytest.UsageError(str(error)) from None
        config.stash[_session_key] = GateSession(settings)
    return config.stash[_session_key]


def _dest(name: str) -> str:
    return f"gate_{name}"


def _is_worker(config: pytest.Config) -> bool:
    """Whether this process only runs tests for another that reports them (pytest-xdist)."""
    return hasattr(config, "workerinput")


class SpecProblems(Exception):
    """A spec file that cannot be used; its text is the whole message."""


class Missed(Exception):
    """The model missed a case."""


class Broken(Exception):
    """A back end or callgate itself broke: an error, never the model's miss."""


class GateNotMet(Exception):
    """A gate's decision, in words."""


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SpecFile | None:
    """Collect `*.spec.yaml`."""
    if not file_path.name.endswith(SUFFIX):
        return None
    return SpecFile.from_parent(parent, path=file_path)


class SpecFile(pytest.File):
    """A spec file: its cases in order, then its gate."""

    spec: Spec

    def collect(self) -> Iterator[pytest.Item]:
        """Read the file; all its problems at once are one collection error."""
        from harness.loading import load_spec

        loaded = load_spec(self.path)
        if loaded.spec is None or loaded.problems:
            raise SpecProblems("\n".join(map(str, loaded.problems)))
        self.spec = loaded.spec
        specs = self.config.stash.setdefault(_specs_key, {})
        other = specs.setdefault(self.spec.name, self.spec.path)
        if other != self.spec.path:
            name = self.spec.name
            raise SpecProblems(f"{self.spec.path}: spec {name!r} is also the name of {other}")
        for case in self.spec.cases:
            item = CaseItem.from_parent(self, name=case.id)
            item.take(case)
            yield item
        yield GateItem.from_parent(self, name="gate")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:  # type: ignore[override]
        """Spec problems as they are, without a traceback."""
        if isinstance(excinfo.value, SpecProblems):
            return str(excinfo.value)
        return super().repr_failure(excinfo)


_specs_key: pytest.StashKey[dict[str, str]] = pytest.StashKey()


class _Item(pytest.Item):
    """What case and gate items share."""

    callgate: dict[str, Any] | None = None

    @property
    def file(self) -> SpecFile:
        assert isinstance(self.parent, SpecFile)
        return self.parent

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Misses and decisions as they are, without a traceback."""
        if isinstance(excinfo.value, Missed | Broken | GateNotMet):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)


class CaseItem(_Item):
    """One case."""

    case: Case

    def take(self, case: Case) -> None:
        """Bind the case; its tags become markers."""
        self.case = case
        for tag in case.tags:
            _register(self.config, tag)
            self.add_marker(tag)

    def reportinfo(self) -> tuple[Path, int, str]:
        """The case's line in the YAML file."""
        return self.path, self.case.location.line - 1, self.case.ref

    def setup(self) -> None:
        """Get the verdict; a skip and an error end here."""
        record = self.callgate = _gates(self.config).record(self.case)
        self.user_properties += [
            (name, record[name]) for name in ("miss", "clause", "location") if record[name]
        ]
        if record["outcome"] == "skip":
            pytest.skip(record["reason"])
        if record["outcome"] == "error":
            raise Broken(self._text(record))

    def runtest(self) -> None:
        """Fail on a miss."""
        record = self.callgate
        assert record is not None
        if record["outcome"] == "fail":
            raise Missed(self._text(record))

    def _text(self, record: dict[str, Any]) -> str:
        from harness.summary import case_text

        model = _gates(self.config).settings.model or ""
        again = f"pytest {shlex.quote(self.nodeid)} --gate-model {shlex.quote(model)}"
        return case_text(record, again)

    @property
    def forgiven(self) -> bool:
        """Whether a miss is left to the file's gate to weigh."""
        if self.case.critical or self.config.getoption("runxfail"):
            return False
        return _gates(self.config).selection(self.file.spec).gated


class GateItem(_Item):
    """The gate that closes a file: decides over all of its cases in the chosen split."""

    def reportinfo(self) -> tuple[Path, int, str]:
        """The file's first line."""
        return self.path, 0, f"{self.file.spec.name}::gate"

    def setup(self) -> None:
        """Decide, or say why there is nothing to decide."""
        from harness.summary import row_of

        gates, spec = _gates(self.config), self.file.spec
        selection = gates.selection(spec)
        if not selection.total:
            pytest.skip(f"no case of split {gates.settings.split}")
        if len(selection.chosen) < selection.total:
            pytest.skip(f"{len(selection.chosen)} of {selection.total} selected")
        self.decision = gates.decide(spec)
        self.callgate = {"gate": asdict(row_of(self.decision))}
        if self.decision.broken:
            raise Broken(gates.gate_text(self.decision))

    def runtest(self) -> None:
        """Fail where the gate is not met."""
        if not self.decision.met:
            raise GateNotMet(_gates(self.config).gate_text(self.decision))


def _register(config: pytest.Config, tag: str) -> None:
    """Make a tag a known marker, once."""
    known = config.stash.setdefault(_tags_key, set())
    if tag not in known:
        known.add(tag)
        config.addinivalue_line("markers", f"{tag}: a tag of callgate's cases")


_tags_key: pytest.StashKey[set[str]] = pytest.StashKey()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the cases of other splits."""
    if not any(isinstance(item, _Item) for item in items):
        return
    split = _gates(config).settings.split
    if split == "all":
        return
    out = [item for item in items if isinstance(item, CaseItem) and item.case.split != split]
    if out:
        gone = set(map(id, out))
        items[:] = [item for item in items if id(item) not in gone]
        config.hook.pytest_deselected(items=out)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Take down what is selected: a gate's verdict depends on nothing else."""
    chosen = [item for item in session.items if isinstance(item, _Item)]
    if not chosen:
        return
    gates = _gates(session.config)
    for item in chosen:
        if isinstance(item, CaseItem):
            gates.select(item.file.spec, item.case)
        else:
            gates.select_gate(item.file.spec)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Name the model and open the log before the first item runs."""
    config = session.config
    if config.option.collectonly or _session_key not in config.stash or _is_worker(config):
        return
    if not any(isinstance(item, _Item) for item in session.items):
        return
    _start(config)


def _start(config: pytest.Config) -> None:
    from harness.errors import CallgateError

    try:
        _gates(config).start()
    except CallgateError as error:
        raise pytest.UsageError(str(error)) from None
    config.pluginmanager.register(Reporter(config), "callgate-reporter")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: list[str]) -> None:
    """Under pytest-xdist, the process that reports learns of the specs from a worker."""
    files = {ident.partition("::")[0] for ident in ids if f"{SUFFIX}::" in ident}
    if not files or (_session_key in node.config.stash and _gates(node.config).started):
        return
    from harness.loading import load_spec

    gates = _gates(node.config)
    for file in sorted(files):
        spec = load_spec(node.config.rootpath / file).spec
        if spec is not None:
            gates.know(spec)
    _start(node.config)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach what was found; turn a miss that its gate weighs into an expected failure."""
    report = yield
    if not isinstance(item, _Item) or item.callgate is None:
        return report
    if call.when == "call" or (call.when == "setup" and not report.passed):
        report.callgate = item.callgate
    missed = call.excinfo is not None and isinstance(call.excinfo.value, Missed)
    if missed and isinstance(item, CaseItem) and item.forgiven:
        report.outcome = "skipped"
        report.wasxfail = f"{item.callgate['miss']}: {item.callgate['reason']}"
    return report


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
        if "gate" in found:
            self.gates.take_gate(found["gate"])
        else:
            self.gates.take(report.nodeid, found)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Close the log; let `--lf` rerun the misses of red gates; never be green on nothing."""
        self.gates.finish()
        _remember_misses(self.config, self.gates.misses_of_red_gates())
        if session.exitstatus == pytest.ExitCode.OK and not self.gates.judged:
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """The summary of all specs, after pytest's own."""
        terminalreporter.section("callgate")
        for line in self.gates.summary():
            terminalreporter.line(line)


def _remember_misses(config: pytest.Config, nodeids: list[str]) -> None:
    cache = getattr(config, "cache", None)
    if cache is not None and nodeids:
        failed = cache.get("cache/lastfailed", {})
        cache.set("cache/lastfailed", {**failed, **dict.fromkeys(nodeids, True)})

