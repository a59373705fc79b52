"""Replies from a file: JSON lines of `{"case": "SPEC::ID", "reply": "…"}`, or a run log."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.cases import Reply, Request
from harness.errors import UsageError

_MOST_PROBLEMS = 10


@dataclass(frozen=True, slots=True)
class Line:
    """One recorded reply; `request` is the digest of the request it answered, if recorded."""

    number: int
    reply: Reply
    request: str | None


@dataclass(frozen=True)
class Replay:
    """A back end that answers from a file."""

    path: str
    fingerprint: str
    lines: dict[str, Line]

    @property
    def label(self) -> str:
        """The file, and that nothing was asked."""
        return f"replay:{self.path} (replies from a file)"

    @classmethod
    def read(cls, path: str) -> Replay:
        """Read a replay file.

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
        lines: dict[str, Line] = {}
        problems: list[str] = []
        for number, source in enumerate(text.split("\n"), start=1):
            if source.strip():
                try:
                    _add(lines, number, source)
                except ValueError as error:
                    problems.append(f"{path}:{number}: {error}")
        if problems:
            more = len(problems) - _MOST_PROBLEMS
            shown = problems[:_MOST_PROBLEMS] + ([f"… and {more} more"] if more > 0 else [])
            raise UsageError("the replay file cannot be used:\n" + "\n".join(shown))
        return cls(path, hashlib.sha256(content).hexdigest()[:16], lines)

    def replies(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        """Answer each request from the file; a missing or a stale line is an error reply."""
        for index, request in enumerate(requests):
            yield index, self._reply(request)

    def _reply(self, request: Request) -> Reply:
        line = self.lines.get(request.case)
        if line is None:
            return Reply("", error=f"{self.path} holds no reply for {request.case}")
        if line.request is not None and line.request != request.digest:
            reason = (
                f"{self.path}:{line.number} is stale: it answers request {line.request}, and the "
                f"case now asks {request.digest} (its prompt or its tools changed; record again)"
            )
            return Reply("", error=reason)
        return line.reply

    def foreign(self, cases: set[str]) -> list[str]:
        """The cases in the file that none of the specs holds."""
        return [case for case in self.lines if case not in cases]


def _add(lines: dict[str, Line], number: int, source: str) -> None:
    """Read one line into `lines`; ValueError says what is wrong with it."""
    entry = _json(source)
    if not isinstance(entry, dict):
        raise ValueError(f"expected an object, found {type(entry).__name__}")
    if entry.get("kind", "verdict") in ("run", "end") or entry.get("outcome") == "skip":
        return
    case, text, finish = entry.get("case"), entry.get("reply"), entry.get("finish") or "stop"
    if not isinstance(case, str) or not case:
        raise ValueError('expected "case": "SPEC::ID"')
    error = None
    if text is None and entry.get("outcome") == "error":
        error = f"the recorded run had an error here: {entry.get('reason') or 'no reason given'}"
    elif not isinstance(text, str):
        raise ValueError(f'{case}: expected "reply" to be a text, found {text!r:.80}')
    if finish not in ("stop", "length"):
        raise ValueError(f'{case}: expected "finish" to be stop or length, found {finish!r:.80}')
    request = entry.get("request")
    line = Line(number, Reply(text or "", finish=finish, error=error), request)
    before = lines.setdefault(case, line)
    if before is not line and before.reply != line.reply:
        raise ValueError(f"{case} has another reply in line {before.number}; keep one of them")


def _json(source: str) -> Any:
    try:
        return json.loads(source)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from None
