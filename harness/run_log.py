"""The run log: JSON lines, written as the run goes, and read back with care.

A header (`kind: run`), one line a verdict, a footer (`kind: end`). No footer: the run did not
finish. `run_log.schema.json` beside this file describes every line.
"""

from __future__ import annotations

import contextlib
import json
import math
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any, Final, NoReturn

from harness import __version__
from harness.cases import (
    SPLITS,
    Case,
    Outcome,
    Reply,
    Spec,
    Verdict,
)
from harness.errors import UsageError
from harness.gold import expected_tools, gold_calls
from harness.json_values import shown
from harness.judging import follow_up
from harness.log_files import LAST_RUN, open_fresh, open_own, same_file
from harness.metrics import Metrics
from harness.options import OPTIONS, Settings
from harness.redaction import Secrets, redact
from harness.wording import shown_path

SCHEMA_VERSION: Final = 1

Record = dict[str, Any]
_KINDS: Final = ("run", "verdict", "end")
_OUTCOMES: Final = tuple(outcome.value for outcome in Outcome)


def record_of(verdict: Verdict, hidden: Secrets | None = None) -> Record:
    """A verdict as a line of the log, the secrets of the environment replaced.

    `hidden` are those secrets; who makes many records finds them once.
    """
    case, reply = verdict.case, verdict.reply
    record: Record = {
        "kind": "verdict",
        "case": case.ref,
        "spec": case.spec,
        "split": case.split,
        "tags": list(case.tags),
        "clause": case.clause,
        "critical": case.critical,
        "compare": case.compare,
        "location": str(case.location),
        "prompt": case.prompt,
        "request": case.request.digest,
        "expected": _expected(case),
        "written": case.written,
        "reply": None if reply.error is not None else reply.text,
        "finish": reply.finish,
        "calls": [{"name": call.name, "arguments": call.arguments} for call in verdict.calls],
        "outcome": verdict.outcome.value,
        "miss": verdict.miss and verdict.miss.value,
        "reason": verdict.reason,
        "tool_match": verdict.tool_match,
        "schema_valid": verdict.schema_valid,
        "gold": verdict.gold,
        "gold_characters": verdict.gold and len(verdict.gold),
        "cer": verdict.cer,
        **_cost(reply),
    }
    if verdict.note:
        record["note"] = verdict.note
    record |= _following(verdict)
    return redact(record, hidden, _declared(case))


def _cost(reply: Reply) -> Record:
    """What a reply took."""
    return {
        "tokens": {
            "prompt": reply.prompt_tokens,
            "completion": reply.completion_tokens,
            "draft": reply.draft_tokens,
        },
        "forward_passes": reply.forward_passes,
        "seconds": round(reply.seconds, 4),
        "cached": reply.cached,
    }


def _following(verdict: Verdict) -> Record:
    """What was to be found and answered, what the calls found, and the answer to that."""
    case, answer = verdict.case, verdict.reply.answer
    record: Record = {}
    if case.finds is not None:
        pages = {tool: list(named) for tool, named in case.finds.pages.items()}
        record["finds"] = {"pages": pages, "within": case.finds.within}
    if case.then is not None:
        record["then"] = case.then.written
    if verdict.found:
        record["found"] = [{"tool": one.tool, "pages": list(one.pages)} for one in verdict.found]
    if answer is not None:
        asked = follow_up(case, verdict.reply)
        record["answer"] = {
            "request": asked.digest if asked else None,
            "reply": None if answer.error is not None else answer.text,
            "finish": answer.finish,
            **_cost(answer),
        }
    return record


def _declared(case: Case) -> Iterator[str]:
    """The names of the tools and of their arguments: they are written in a spec."""
    for tool in case.tools:
        yield tool.name
        properties = tool.parameters.get("properties")
        yield from properties if isinstance(properties, Mapping) else ()


def _expected(case: Case) -> list[Record]:
    """The gold calls where they are complete, else the names with what is known of them."""
    gold = gold_calls(case.expect, case.tools)
    if gold is not None:
        return [{"name": call.name, "arguments": call.arguments} for call in gold]
    return [{"name": name, "arguments": None} for name in expected_tools(case.expect)]


def header(
    settings: Settings,
    label: str,
    fingerprint: str,
    specs: Sequence[Spec],
    details: Mapping[str, str] | None = None,
) -> Record:
    """The first line: what ran, with which settings, over which specs.

    `details` say how the model runs: device and precision, where there is one.
    """
    generation = {"max_new_tokens": settings.max_new_tokens, "do_sample": False}
    options = {
        option.name: {
            "value": getattr(settings, option.name),
            "from": settings.origins.get(option.name, "default"),
        }
        for option in OPTIONS
    }
    policies = {spec.name: _policy(spec) for spec in specs}
    return redact(
        {
            "kind": "run",
            "schema": SCHEMA_VERSION,
            "model": settings.model,
            "label": label,
            "fingerprint": fingerprint,
            "generation": {**generation, **(details or {})},
            "versions": _versions(),
            "specs": digests(specs),
            "policies": policies,
            "options": options,
            "start": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        },
        names=[*(option.name for option in OPTIONS), *_written_names(policies)],
    )


def _written_names(policies: Mapping[str, Record]) -> Iterator[str]:
    """What the authors of specs call things, and the words beside it in the header."""
    for name, policy in policies.items():
        yield name
        for key, value in policy.items():
            yield key
            yield from value if isinstance(value, dict | list) else ()


def _policy(spec: Spec) -> Record:
    """What a report has to know of a spec that may have changed, or be gone, by then."""
    tools = {tool.name: None for case in spec.cases for tool in case.tools}
    return {
        "file": spec.path,
        "description": spec.description,
        "clauses": dict(spec.clauses),
        "gate": {"pass_rate": spec.gate.pass_rate, "bound": spec.gate.bound},
        "tools": list(tools),
        "cases": {split: len(spec.in_split(split)) for split in SPLITS},
        **_rows(spec),
    }


def _rows(spec: Spec) -> Record:
    """Where the rows of a data set came from, and how many were dropped for which reason."""
    read = spec.source
    if read is None:
        return {}
    counts = {"rows": read.rows, "cases": read.cases, "left": read.left, "broken": read.broken}
    return {"source": {"format": read.format, "place": read.place, **counts}, "drops": read.drops}


def _versions() -> dict[str, str]:
    versions = {"callgate": __version__, "python": platform.python_version()}
    for name in ("pytest", "jsonschema", "jiwer", "torch", "transformers"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


class RunLog:
    """Writes one log to several files as the run goes.

    A file that its user asked for must open; after that, as for callgate's own copy, a disk that
    fails costs the log and never the run: `problems` says so. Nor is that copy written where it
    is the `replay_file` of the run.
    """

    def __init__(
        self, first: Record, asked: str | None, home: Path, replay_file: str | None = None
    ) -> None:
        self.paths: list[str] = []
        self.problems: list[str] = []
        self.metrics = Metrics()
        self._files: list[tuple[str, IO[str]]] = []
        self._started = time.monotonic()
        own = home / LAST_RUN
        if asked is not None:
            try:
                Path(asked).parent.mkdir(parents=True, exist_ok=True)
                self._keep(asked, open_fresh(Path(asked)))
            except OSError as error:
                raise UsageError(f"run log {asked}: cannot be written: {error.strerror}") from None
        if asked is None or not same_file(asked, own):
            self._open_own(own, replay_file)
        self._write(first)

    def _keep(self, path: str, file: IO[str]) -> None:
        self.paths.append(path)
        self._files.append((path, file))

    def _open_own(self, path: Path, replay_file: str | None) -> None:
        name = shown_path(path)
        try:
            self._keep(name, open_own(path, replay_file))
        except OSError as error:
            self.problems.append(f"run log {name}: cannot be written: {error.strerror}")
        except UsageError as error:
            self.problems.append(f"run log {error}")

    def _write(self, record: Record) -> None:
        line = _line(record)
        for path, file in list(self._files):
            try:
                file.write(line)
                file.flush()
            except OSError as error:
                self._give_up(path, error)
                self._files.remove((path, file))
                with contextlib.suppress(OSError):
                    file.close()

    def _give_up(self, path: str, error: OSError) -> None:
        self.paths.remove(path)
        self.problems.append(f"run log {path}: incomplete: {error.strerror}")

    def add(self, record: Record) -> None:
        """Log one verdict."""
        self.metrics.add(record)
        self._write(record)

    def finish(self) -> Record:
        """Write the footer, close the files, and give the footer back."""
        footer = self.metrics.footer(time.monotonic() - self._started)
        self._write(footer)
        self.abandon()
        return footer

    def abandon(self) -> None:
        """Close the files without a footer: the run did not finish."""
        for path, file in self._files:
            try:
                file.close()
            except OSError as error:
                self._give_up(path, error)
        self._files.clear()


def _line(record: Record) -> str:
    """One line of JSON: plain ASCII, and null for a number that JSON cannot hold."""
    try:
        return json.dumps(record, allow_nan=False, separators=(",", ":")) + "\n"
    except ValueError:
        return json.dumps(finite(record), separators=(",", ":")) + "\n"


def finite(value: Any) -> Any:
    """The value with null for each number that JSON cannot hold."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(held) for key, held in value.items()}
    return [finite(item) for item in value] if isinstance(value, list | tuple) else value


@dataclass(frozen=True)
class ReadLog:
    """A log as it was found: `end` is None where the run did not finish."""

    path: str
    run: Record | None
    verdicts: tuple[Record, ...]
    end: Record | None

    @property
    def passed(self) -> frozenset[str]:
        """The cases that passed."""
        return frozenset(v["case"] for v in self.verdicts if v.get("outcome") == "pass")


def read_log(path: str) -> ReadLog:
    """Read a run log; a last line cut off by a crash is left out.

    Raises:
        UsageError: the file is missing, a line of it is not of a run log, or it holds two.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"run log {path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"run log {path}: not UTF-8 at byte {error.start}") from None
    run: Record | None = None
    end: Record | None = None
    verdicts: list[Record] = []
    for number, record in _records(path, text):
        if end is not None or (run is not None and record["kind"] == "run"):
            raise UsageError(f"{path}:{number}: a second run begins here; keep one run to a file")
        if record["kind"] == "run":
            run = record
        elif record["kind"] == "end":
            end = record
        else:
            verdicts.append(record)
    if not verdicts and run is None:
        raise UsageError(f"{path}: not a run log: it holds neither a header nor a verdict")
    return ReadLog(path, run, tuple(verdicts), end)


def _records(path: str, text: str) -> Iterator[tuple[int, Record]]:
    """Each line that is not blank, with its number; a last one without a line break may be cut."""
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        record = _read_line(line) if line.strip() else None
        if record is not None:
            yield number, record
        elif line.strip() and not 1 < number == len(lines):
            raise UsageError(f"{path}:{number}: not a line of a run log: {shown(line, 80)}")


def _read_line(line: str) -> Record | None:
    try:
        record = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or record.get("kind") not in _KINDS:
        return None
    if record["kind"] == "verdict" and not (
        isinstance(record.get("case"), str) and record.get("outcome") in _OUTCOMES
    ):
        return None
    return record


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not in JSON")


def digests(specs: Sequence[Spec]) -> dict[str, str]:
    """The digest of each spec, by name."""
    return {spec.name: spec.digest for spec in specs}
