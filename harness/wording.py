"""How calls and expectations are written for people: one line, safe for a terminal."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from harness.cases import Call, Json
from harness.errors import printable

_SIGNS: Final = frozenset(",:{}[]#\"'&*!|>%@`")
_NO_TEXT: Final = re.compile(r"null|~|true|false|[-+]?[.\d][\d._]*(e[-+]?\d+)?", re.IGNORECASE)
"""What YAML may read as another type than text."""

MOST_NAMED: Final = 12
"""Names that a sentence lists."""
WIDTH: Final = 200
"""Characters after which a value is cut in the middle."""


def cut(text: str, width: int = WIDTH) -> str:
    """The text, its middle replaced by the number of characters left out where it is too long."""
    if len(text) <= width:
        return text
    half = (width - 20) // 2
    return f"{text[:half]} … {len(text) - 2 * half} more … {text[-half:]}"


def one_line(text: str, width: int = WIDTH) -> str:
    """The text on one line, control characters escaped, cut in the middle."""
    return printable(cut(text, width))


def count(n: int, what: str) -> str:
    """`1 case`, `2 cases`; `1 reply`, `2 replies`."""
    if n == 1:
        return f"1 {what}"
    return f"{n} {what[:-1]}ies" if what.endswith("y") else f"{n} {what}s"


def named(names: Sequence[str]) -> str:
    """Some names, and how many more there are: `a, b`; `a, …, l and 3 more`."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(map(one_line, names[:MOST_NAMED])) + more


def errors_text(n: int) -> str:
    """`1 case is an error`, `2 cases are errors`."""
    return "1 case is an error" if n == 1 else f"{n} cases are errors"


def shown_path(file: Path) -> str:
    """The path as people see it: relative to the current folder where below it."""
    here = Path.cwd()
    absolute = Path(os.path.normpath(here / file))
    return (absolute.relative_to(here) if absolute.is_relative_to(here) else absolute).as_posix()


def opening(text: str, width: int = 72) -> str:
    """How a text begins, quoted: a refusal is known by its first words."""
    return printable(repr(text if len(text) <= width else f"{text[: width - 1]}…"))


def call_text(call: Call, width: int = WIDTH) -> str:
    """A call as people read it: `send(to="Ann", copies=2)`."""
    arguments = (
        f"{name}={cut(json.dumps(value, ensure_ascii=False), width)}"
        for name, value in call.arguments.items()
    )
    return one_line(f"{call.name}({', '.join(arguments)})", width * 2)


def calls_text(calls: Iterable[Call], width: int = WIDTH) -> str:
    """Several calls, joined by `+`; `no call` for none."""
    return cut(" + ".join(call_text(call, width) for call in calls), width * 3) or "no call"


def expectation_text(written: Json) -> str:
    """An expectation as its author wrote it, as one line of YAML in flow style."""
    if isinstance(written, dict):
        inner = ", ".join(f"{_key(k)}: {expectation_text(v)}" for k, v in written.items())
        return f"{{{inner}}}"
    if isinstance(written, list):
        return f"[{', '.join(map(expectation_text, written))}]"
    return _key(written) if isinstance(written, str) else json.dumps(written)


def finds_text(finds: Mapping[str, Any]) -> str:
    """What a run log says that calls must find: `{search: [a.md]} within 3`."""
    return f"{expectation_text(finds['pages'])} within {finds['within'] or '?'}"


def found_text(found: Iterable[Mapping[str, Any]]) -> str:
    """What a run log says that calls found: `search: a.md, b.md; search: nothing`."""
    return "; ".join(f"{one['tool']}: {', '.join(one['pages']) or 'nothing'}" for one in found)


def _key(text: str) -> str:
    """The text plain where YAML would read it so, else in quotes."""
    plain = text.isprintable() and text == text.strip() and not set(text) & _SIGNS
    other = not text or text[0] in "-?" or _NO_TEXT.fullmatch(text)
    return text if plain and not other else _quoted(text)


def _quoted(text: str) -> str:
    """In double quotes, what cannot be printed as an escape that YAML knows."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)
