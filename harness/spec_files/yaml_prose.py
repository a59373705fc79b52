"""Help for people who write prose in YAML: what YAML made of it, and the line as it should be.

Lines and columns count from 0 here, as YAML's parsers count them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

LONGEST_HINT: Final = 240
"""Characters of a mended line that a hint shows; a longer one is cut in the middle."""
LONGEST_LINE: Final = 10_000
"""Characters of a line that is still mended: a hint for one longer helps nobody."""
QUOTE_IT: Final = "if it is a text, put it in double quotes"

_LINE = re.compile(
    r"""\s*(?:-\ +)*(?:(?:[\w$.-]+|"[^"]*"|'[^']*')\ *:\ +)?(?P<text>\S.*)""", re.VERBOSE
)
_FLOW_KEY = re.compile(r"[{\[,]\s*[\w$.-]+: +")
_NEXT_KEY = re.compile(r",\s+[\"']?[\w$.-]+[\"']?:\s")
_DOUBLE_QUOTED = re.compile(r'"(?P<inside>(?:[^"\\]|\\.)*)"')
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\']|\'\')*\'')
_WELL_FORMED = {
    "*": re.compile(r"\*[\w-]+\s*(?:#.*)?$"),
    "&": re.compile(r"&[\w-]+(?:\s|$)"),
    "|": re.compile(r"\|[-+\d]{0,2}\s*(?:#.*)?$"),
    ">": re.compile(r">[-+\d]{0,2}\s*(?:#.*)?$"),
}


@dataclass(frozen=True, slots=True)
class Mend:
    """The lines `first` to `last` as one line that YAML reads as their author meant them.

    `column` is where the text begins that is in quotes now.
    """

    first: int
    last: int
    column: int
    line: str

    @property
    def hint(self) -> str:
        """`write: prompt: "…"`, cut in the middle where it is long."""
        line, half = self.line.strip(), LONGEST_HINT // 2
        return f"write: {line if len(line) <= 2 * half else f'{line[:half]} … {line[-half:]}'}"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a syntax error means, where its cause is, and how the line can be mended."""

    line: int
    column: int
    what: str
    hint: str = ""
    mend: Mend | None = None
    code: str = "syntax"


def spec_prose(path: tuple[str | int, ...]) -> bool:
    """Whether people write prose at this path of a spec file: prompts, messages, replies."""
    match path:
        case ("cases", int(), "prompt" | "reply") | ("cases", int(), "then", "reply"):
            return True
        case ("cases", int(), "prompts", _):
            return True
        case ("cases", int(), "messages", int(), "content"):
            return True
    return False


def quote(text: str) -> str:
    """The text as a YAML scalar in double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def quote_rest(lines: Sequence[str], line: int, column: int, *, flow: bool) -> Mend | None:
    """The line with all that follows the column in quotes; in `{…}`, up to the next key."""
    source = lines[line]
    if len(source) > LONGEST_LINE:
        return None
    text = source[column:].rstrip()
    end = _end_in_flow(text) if flow else len(text)
    mended = source[:column] + quote(text[:end]) + text[end:]
    return Mend(line, line, column, mended) if end else None


def _end_in_flow(text: str) -> int:
    """Where a text inside `{…}` or `[…]` ends: before the next key or the closing brackets."""
    next_key = _NEXT_KEY.search(text)
    end = len((text[: next_key.start()] if next_key else text).rstrip(",}] \t"))
    missing = {
        "}": text.count("{", 0, end) - text.count("}", 0, end),
        "]": text.count("[", 0, end) - text.count("]", 0, end),
    }
    while end < len(text) and missing.get(text[end], 0) > 0:
        missing[text[end]] -= 1
        end += 1
    return end


def quote_block(
    lines: Sequence[str], start: tuple[int, int], last: int, *, outside: int
) -> Mend | None:
    """The text from `start` (line, column) to line `last` and on, as one quoted line.

    It goes on for as long as lines are indented deeper than the column `outside`.
    """
    line, column = start
    while last + 1 < len(lines) and _indent(lines[last + 1]) > outside:
        last += 1
    if sum(map(len, lines[line : last + 1])) > LONGEST_LINE:
        return None
    pieces = [lines[line][column:], *lines[line + 1 : last + 1]]
    text = " ".join(piece.strip() for piece in pieces)
    return Mend(line, last, column, lines[line][:column] + quote(text)) if text else None


def goes_on(lines: Sequence[str], line: int, outside: int) -> bool:
    """Whether the line after this one is indented deeper than the column `outside`."""
    return line + 1 < len(lines) and _indent(lines[line + 1]) > outside


def _indent(line: str) -> int:
    """The width of the leading spaces; -1 for a line that says nothing."""
    said = line.lstrip(" ")
    return len(line) - len(said) if said and not said.startswith("#") else -1


def explain(
    lines: Sequence[str], error: Any, last_quoted: tuple[int, int, int] | None, *, flow: bool
) -> Diagnosis:
    """What a `yaml.MarkedYAMLError` means.

    `last_quoted` is the line, the column and the last line of the scalar read last, if it was
    quoted and spans lines: its closing quote may be the opening quote of another text.
    """
    mark = error.problem_mark or error.context_mark
    if error.context_mark and "could not find expected ':'" in error.problem:
        mark = error.context_mark  # Where the text stands that is no key.
    line, column = mark.line, mark.column
    while line and (line >= len(lines) or not lines[line].strip()):
        line -= 1  # What is missing at the end of the file is missing after its last words.
        column = len(lines[line])
    if lines[line][column : column + 1] == "\t" or "\t" in _leading(lines[line]):
        what = "a tab cannot indent a line in YAML"
        return Diagnosis(line, column, what, "indent with spaces", code="tab")
    if error.problem.startswith("found unknown escape character"):
        return _unknown_escape(lines, error, line, column)
    if unclosed := _unclosed_quote(error, last_quoted, line):
        mend = _mend(lines, *unclosed, forced=True, flow=False)
        what = "the quote that opens here closes where it should not, or never"
        hint = f"close it, or {mend.hint}" if mend else "close it"
        return Diagnosis(*unclosed, what, hint, mend)
    for place in _suspects(error, line, column):
        if mend := _mend(lines, *place, flow=flow):
            what = "YAML cannot read this text without quotes around it"
            return Diagnosis(mend.first, mend.column, what, mend.hint, mend)
    return Diagnosis(line, column, *_in_plain_words(error, lines[line], column))


def _leading(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _unclosed_quote(
    error: Any, last_quoted: tuple[int, int, int] | None, line: int
) -> tuple[int, int] | None:
    """Where the quote opens that swallowed lines up to the error; None where none did."""
    if error.context and "quoted scalar" in error.context and "end of stream" in error.problem:
        return error.context_mark.line, error.context_mark.column
    if last_quoted and last_quoted[2] == line:
        return last_quoted[:2]
    return None


def _suspects(error: Any, line: int, column: int) -> list[tuple[int, int]]:
    """The places that may have caused the error, likeliest first."""
    places = [(line, column)]
    if error.context_mark and line - 1 <= error.context_mark.line < line:
        places.append((error.context_mark.line, error.context_mark.column))
    return places


def _mend(
    lines: Sequence[str], line: int, column: int, *, flow: bool, forced: bool = False
) -> Mend | None:
    """The line quoted from its `key: ` or `- ` on, where that text looks misread."""
    source = lines[line]
    found = _LINE.match(source) if len(source) <= LONGEST_LINE else None
    if not found:
        return None
    start = found.start("text")
    if not source[:start].strip() and not lines[line - 1].rstrip().endswith(":"):
        return None  # Neither a key nor an item: rather the text above, going on.
    if flow or (source[start] in "{[" and column > start):
        keys = [key for key in _FLOW_KEY.finditer(source) if key.end() <= column]
        if keys and _misread(source[keys[-1].end() :]):
            return quote_rest(lines, line, keys[-1].end(), flow=True)
    if forced or _misread(source[start:]):
        return quote_rest(lines, line, start, flow=False)
    return None


def _misread(text: str) -> bool:
    """Whether YAML makes something else of this text, the rest of a line, than its author did."""
    head = text[:1]
    if head in _WELL_FORMED:
        return not _WELL_FORMED[head].match(text)
    if head in "@`%!,]}":
        return True
    if head in "\"'":
        closed = _QUOTED.match(text)
        return bool(closed and _follows(text[closed.end() :]))
    if head in "{[":
        end = max(text.rfind("}"), text.rfind("]"))
        return end > 0 and _follows(text[end + 1 :])
    if head in "-?:" and text[1:2] == " ":
        return True
    return ": " in text or " #" in text or text.endswith(":")


def _follows(rest: str) -> bool:
    """Whether more text follows what looked complete."""
    rest = rest.strip()
    return bool(rest) and rest[0] not in "#,]}:"


def _unknown_escape(lines: Sequence[str], error: Any, line: int, column: int) -> Diagnosis:
    what = "a backslash in double quotes starts an escape, and YAML knows none like this"
    start = error.context_mark
    closed = _DOUBLE_QUOTED.match(lines[line], start.column) if start.line == line else None
    if not closed or len(lines[line]) > LONGEST_LINE:
        return Diagnosis(line, column, what, "use single quotes, or write it as \\\\")
    inside = closed["inside"].replace('\\"', '"').replace("'", "''")
    mended = f"{lines[line][: closed.start()]}'{inside}'{lines[line][closed.end() :]}"
    mend = Mend(line, line, closed.start(), mended)
    return Diagnosis(line, column, what, mend.hint, mend)


def _in_plain_words(error: Any, source: str, column: int) -> tuple[str, str]:
    """What was found and what to do, for libyaml's messages and those of PyYAML's own parser."""
    problem = str(error.problem)
    char = source[column : column + 1]
    if "mapping values are not allowed" in problem:
        return (
            "a colon here makes no sense to YAML",
            "quote a text that holds ': ', or check the indentation",
        )
    if "cannot start any token" in problem:
        return f"a text without quotes cannot start with {char!r}", "put it in double quotes"
    if "could not find expected ':'" in problem:
        what = "expected 'key: value', found no colon"
        return what, "a text that goes on over lines is indented deeper than its key"
    if "expected key" in problem or "<block end>" in problem or "'-' indicator" in problem:
        what = "this line fits neither what is above it nor a new key or item"
        return what, "check its indentation, and the quotes and brackets before it"
    if "',' or" in problem:
        opened = f" for the bracket of line {error.context_mark.line + 1}"
        hint = "close the bracket, or put the text in quotes"
        return f"expected ',' or the end{opened if error.context_mark else ''}", hint
    if "invalid Unicode character escape" in problem:
        return "no character has this number", "write the character itself"
    if "end of stream" in problem or "expected the node content" in problem:
        return "a value is missing, or a bracket is not closed", "check the brackets above"
    context = f" {error.context}" if error.context else ""
    return f"YAML cannot read this: {problem}{context}", ""
