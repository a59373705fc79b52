"""Replies from a file: JSON lines of `{"case": "SPEC::ID", "reply": "…"}`, or a run log."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from harness.cases import Finish, Reply, Request
from harness.errors import UsageError
from harness.json_values import cut, shown
from harness.redaction import MARK
from harness.wording import shown_path

_MOST_PROBLEMS: Final = 10
_FINISHES: Final[Mapping[str, Finish]] = {"stop": "stop", "length": "length"}


@dataclass(frozen=True, slots=True)
class Line:
    """One recorded reply; `request` is the digest of the request it answered, if recorded.

    `answer` is the reply that followed when the model was given what its calls found; its own
    `number` is 0.
    """

    number: int
    reply: Reply
    request: str | None
    answer: Line | None = None


@dataclass(frozen=True)
class Replay:
    """A back end that answers from a file; `cut_off`: a run log without its footer."""

    path: str
    fingerprint: str
    lines: dict[str, Line]
    cut_off: bool = False

    @property
    def label(self) -> str:
        """The file, and that nothing was asked."""
        what = "a run that did not finish" if self.cut_off else "a file"
        return f"replay:{self.path} (replies from {what})"

    @classmethod
    def read(cls, path: str) -> Replay:
        """Read a replay file. Of a run log, a last line cut off by a crash is left out.

        Raises:
            UsageError: the file is missing, or lines of it are no replies; names each line.
        """
        try:
            content = Path(path).read_bytes()
            text = content.decode("utf-8-sig")
        except OSError as error:
            raise UsageError(f"replay file {path}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise UsageError(f"replay file {path}: not UTF-8 at byte {error.start}") from None
        reading = _Reading()
        problems: list[str] = []
        rows = text.split("\n")
        for number, source in enumerate(rows, start=1):
            try:
                if source.strip():
                    reading.add(number, source, whole=number < len(rows))
            except ValueError as error:
                problems.append(f"{path}:{number}: {error}")
        if problems:
            more = len(problems) - _MOST_PROBLEMS
            some = problems[:_MOST_PROBLEMS] + ([f"… and {more} more"] if more > 0 else [])
            raise UsageError("the replay file cannot be used:\n" + "\n".join(some))
        cut_off = "run" in reading.kinds and "end" not in reading.kinds
        return cls(
            shown_path(Path(path)), hashlib.sha256(content).hexdigest()[:16], reading.lines, cut_off
        )

    def replies(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        """Answer each request from the file; a missing or a stale line is an error reply."""
        for index, request in enumerate(requests):
            yield index, self._reply(request)

    def _reply(self, request: Request) -> Reply:
        line, what = self.lines.get(request.case), "reply"
        number = line.number if line else 0
        if request.turn == "answer":
            line, what = line and line.answer, "answer"
        if line is None:
            return Reply("", error=f"{self.path} holds no {what} for {request.case}")
        if line.request is not None and line.request != request.digest:
            reason = (
                f"{self.path}:{number} is stale: it answers request {line.request}, and the "
                f"case now asks {request.digest} ({_changed(request)} changed; record again)"
            )
            return Reply("", error=reason)
        return line.reply

    def foreign(self, cases: set[str]) -> list[str]:
        """The cases in the file that none of the specs holds."""
        return [case for case in self.lines if case not in cases]


def _changed(request: Request) -> str:
    return "its prompt or its tools" if request.turn == "call" else "what its calls find"


class _Reading:
    """The lines read so far, and the kinds of a run log's lines that were met."""

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}
        self.kinds: set[str] = set()
        self.second = False

    def add(self, number: int, source: str, *, whole: bool) -> None:
        """Read one line; ValueError says what is wrong with it.

        `whole`: a line break ends it. One without, of a run log, was cut off while written.
        """
        try:
            entry = _json(source)
        except ValueError:
            if "run" in self.kinds and not whole:
                return
            raise
        if not isinstance(entry, dict):
            raise ValueError(f"expected an object, found {shown(entry, 80)}")
        kind = entry.get("kind", "verdict")
        if kind not in ("run", "verdict", "end"):
            raise ValueError(f'expected "kind" to be that of a run log, found {shown(kind, 80)}')
        self._refuse_a_second(entry)
        self.kinds.add(kind)
        if not self.second and kind == "verdict" and entry.get("outcome") != "skip":
            self._keep(_case(entry), _line(number, entry))

    def _refuse_a_second(self, entry: Mapping[str, Any]) -> None:
        """Of two logs in one file, who knows which is meant? Said once, where the second begins."""
        begins = entry.get("kind") == "run" and "run" in self.kinds
        begins |= "kind" in entry and "end" in self.kinds
        if begins and not self.second:
            self.second = True
            raise ValueError("a second run begins here; keep one run to a file")

    def _keep(self, case: str, line: Line) -> None:
        before = self.lines.setdefault(case, line)
        if before is not line and replace(before, number=0) != replace(line, number=0):
            raise ValueError(f"{case} has another reply in line {before.number}; keep one of them")


def _case(entry: Mapping[str, Any]) -> str:
    case = entry.get("case")
    if isinstance(case, str) and case:
        return case
    found = f", found {shown(case, 80)}" if "case" in entry else ""
    raise ValueError(f'expected "case": "SPEC::ID"{found}')


def _line(number: int, entry: Mapping[str, Any]) -> Line:
    """The reply of a line, with the answer that followed it, if one did."""
    line, answer = _reply_of(number, entry), entry.get("answer")
    if answer is None:
        return line
    if isinstance(answer, str):
        answer = {"reply": answer}
    if not isinstance(answer, Mapping):
        found = shown(answer, 80)
        what = 'expected "answer" to be a text, or an object with "reply"'
        raise ValueError(f"{entry['case']}: {what}, found {found}")
    shared = {key: entry.get(key) for key in ("outcome", "reason", "redacted")}
    named = {**shared, **answer, "case": f"{entry['case']}, answer"}
    return replace(line, answer=replace(_reply_of(number, named), number=0))


def _reply_of(number: int, entry: Mapping[str, Any]) -> Line:
    case, text, request = entry["case"], entry.get("reply"), entry.get("request")
    finish = _FINISHES.get("stop" if entry.get("finish") is None else str(entry["finish"]))
    if finish is None:
        found = shown(entry["finish"], 80)
        raise ValueError(f'{case}: expected "finish" to be stop or length, found {found}')
    if request is not None and not isinstance(request, str):
        found = shown(request, 80)
        raise ValueError(f'{case}: expected "request" to be a digest, found {found}')
    if text is None and entry.get("outcome") == "error":
        why = cut(str(entry.get("reason") or "no reason given"))
        return Line(number, Reply("", error=f"the recorded run had an error here: {why}"), request)
    if not isinstance(text, str):
        found = shown(text, 80) if "reply" in entry else "nothing"
        raise ValueError(f'{case}: expected "reply" to be a text, found {found}')
    if entry.get("redacted") is True and MARK in text:
        reason = "the recorded reply is not whole: a secret of the environment was taken out of it"
        return Line(number, Reply("", error=reason), request)
    return Line(number, Reply(text, finish=finish), request)


def _json(source: str) -> Any:
    try:
        return json.loads(source)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from None
    except ValueError:
        raise ValueError("not JSON: a number of too many digits") from None
