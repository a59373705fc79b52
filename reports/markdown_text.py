"""Text of models and of strangers, written so that GitHub's Markdown shows it and runs none of it.

Two ways. `code` (`cell` in a table) puts it between backticks, where nothing has a meaning: no
HTML, link, image, mention or issue. `prose` escapes what would be markup, for sentences of ours
that quote names. Both give one line. CommonMark 0.31 and GitHub Flavored Markdown 0.29 say what
has a meaning.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from typing import Final

from harness.wording import one_line
from reports.wording import NONE, disarmed

_MARKUP: Final = re.compile(r"[\\`*\[\]~|]|(?<![^\W_])_|_(?![^\W_])")
"""What may begin markup within a line; an underscore inside a word does not."""
_START: Final = re.compile(r"^([-+#=:]|\d+(?=[.)]))")
"""What would make a line a list, a heading, a quotation or a command of GitHub's runner."""
_LINK: Final = re.compile(r"(?<=@)(?=\S)|(?<=#)(?=\d)|(?<=:)(?=//)|(?<=www)(?=\.)", re.IGNORECASE)
"""Where a zero-width space keeps GitHub from a mention, an issue's number or a link."""


def code(text: str, width: int = 160) -> str:
    """The text as a code span; a dash for none."""
    shown = disarmed(one_line(text, width))
    if not shown.strip():
        return NONE
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    edge = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{edge}{shown}{edge}{fence}"


def cell(text: str, width: int = 160) -> str:
    """The text as code in a table's cell, in which a pipe is escaped even between backticks."""
    shown = disarmed(one_line(text, width))
    if "|" in shown and ("\\|" in shown or "`" in shown):
        return _html_code(shown)
    return code(text, width).replace("|", "\\|")


def _html_code(text: str) -> str:
    """For what renderers read differently as code in a cell: a backslash before a pipe."""
    return f"<code>{''.join(c if c.isalnum() or c == ' ' else _entity(c) for c in text)}</code>"


def _entity(character: str) -> str:
    """The character by its number; an address's `@` has an empty comment behind it."""
    return f"&#{ord(character)};" + ("<!-- -->" if character == "@" else "")


def prose(text: str, width: int = 1200) -> str:
    """A sentence whose names are no markup, link or mention; a dash for an empty one."""
    shown = _LINK.sub("\u200b", disarmed(one_line(text, width).strip())) or NONE
    shown = html.escape(shown, quote=False).replace("$", "&#36;")
    shown = _MARKUP.sub(lambda found: f"\\{found[0]}", shown)
    return _START.sub(lambda found: _defused(found[1]), shown)


def _defused(start: str) -> str:
    return f"{start}\u200b" if start.isdigit() else f"\\{start}"


def line_of(cells: Iterable[str]) -> str:
    """A line of a table, of cells that are safe already."""
    return f"| {' | '.join(cells)} |"


def head_of(heads: Sequence[str], right: int = 0) -> list[str]:
    """A table's two first lines; its first and its last columns stand left, `right` others right.

    Those aligned to the right follow the first.
    """
    marks = ["--:" if 0 < place <= right else "---" for place in range(len(heads))]
    return [line_of(heads), line_of(marks)]
