"""A Summary → one HTML page: its style, its script and its drawings within it."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.errors import printable
from harness.sources.bfcl_scores import CARD
from reports.html import bars, cases, curves, figures, matrices, shown
from reports.summary import Summary
from reports.wording import board_cells, board_heads, guide_scores, id_of

_HERE: Final = Path(__file__).parent
_COMMAND: Final = re.compile(r"^[ \t]*::|##(?=\[)", re.MULTILINE)
"""What GitHub's runner takes for a command where a page is printed in a build's log."""

MISSES: Final = {
    "truncated": "the token limit cut the call",
    "malformed_call": "the call cannot be read",
    "unexpected_call": "called, where no call was asked for",
    "wrong_text": "rightly no call, but other words",
    "no_call": "text instead of a call",
    "unknown_tool": "a tool that does not exist",
    "extra_call": "more calls than asked for",
    "missing_call": "fewer calls than asked for",
    "wrong_tool": "another tool than the right one",
    "invalid_arguments": "arguments that the tool does not take",
    "wrong_arguments": "other values than expected",
    "wrong_order": "the right calls in another order",
    "not_found": "the right call, but not the page",
    "wrong_answer": "another answer to what was found",
    "not_exact": "right, but not character for character",
}
"""Each kind of miss in words."""


def render(summary: Summary) -> str:
    """The page, as text in UTF-8 that needs no other file.

    Nothing on it can load or run but its own style and script, whatever the model wrote: texts
    are escaped, and the page's policy names these two by their digests.
    """
    style, script = _file("page.css"), _file("page.js")
    page = (
        _environment()
        .get_template("page.html.jinja")
        .render(
            summary=summary,
            table=cases.table(summary),
            drawings=curves.curves(summary.training) if summary.training else (),
            style=Markup(style),
            script=Markup(script),
            policy=_policy(style, script),
            meaning=MISSES,
        )
    )
    return _COMMAND.sub(lambda found: found[0].replace("::", "&#58;:").replace("#", "&#35;"), page)


def _shown(text: str) -> Markup:
    """A text of no known length."""
    return shown.cut(text, shown.LONG)


@cache
def _file(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """The Content-Security-Policy: https://www.w3.org/TR/CSP3/."""
    return (
        f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=figures.percent,
        of=figures.of,
        interval=figures.interval,
        points=figures.points,
        p_value=figures.p_value,
        decimal=figures.decimal,
        duration=figures.duration,
        sentence=figures.sentence,
        moment=lambda text: _shown(figures.moment(text)),
        shown=_shown,
        plain=printable,
    )
    environment.globals.update(
        rate_chart=bars.rate_chart,
        difference_chart=bars.difference_chart,
        gate_of=bars.gate_of,
        place=bars.place,
        matrix=matrices.matrix,
        shortened=cases.shortened,
        board_heads=board_heads,
        board_cells=board_cells,
        guide_scores=guide_scores,
        id_of=id_of,
        card=CARD,
    )
    return environment
