"""Numbers as the page writes them; they are computed elsewhere."""

from __future__ import annotations

import re
from typing import Final

from markupsafe import Markup

from harness.summary import percent as percent_of
from reports.html.shown import shown
from reports.summary import Rate

_SPACE: Final = "\N{NO-BREAK SPACE}"
_BETWEEN: Final = re.compile(
    r"(?<=\d) (?=%)|(?<=\bp) (?==|&lt;)|(?<=p =) (?=\d)|(?<=p &lt;) (?=\d)"
)
_MINUS: Final = "\N{MINUS SIGN}"


def percent(rate: Rate) -> str:
    """`80 %`, on one line; a dash where nothing was judged."""
    return percent_of(rate.passed, rate.n).replace(" ", _SPACE)


def of(rate: Rate) -> str:
    """`16 of 20`, on one line."""
    return f"{rate.passed:,} of {rate.n:,}".replace(" ", _SPACE)


def interval(rate: Rate) -> str:
    """The 95 % interval, both ends in per cent: `58–92 %`."""
    return f"{100 * rate.low:.0f}–{100 * rate.high:.0f}{_SPACE}%"


def points(difference: float) -> str:
    """A difference of rates in percentage points, with its sign: `+70`."""
    value = round(100 * difference)
    return f"{_MINUS if value < 0 else '+' if value else ''}{abs(value)}"


def p_value(p: float) -> str:
    """`p = 0.00012`; very small ones by what they are below."""
    if p < 0.00001:
        return f"p{_SPACE}<{_SPACE}0.00001"
    return f"p{_SPACE}={_SPACE}{p:.2g}"


def sentence(text: str) -> Markup:
    """A clause as a sentence, safe in HTML, its numbers kept together with their units.

    What begins with a name, a path or a number begins as it is.
    """
    begins = re.match(r"[a-z]+:? ", text)
    whole = text[:1].upper() + text[1:] if begins else text
    whole += "" if whole.endswith((".", "!", "?")) else "."
    return Markup(_BETWEEN.sub(_SPACE, str(shown(whole))))


def moment(start: str) -> str:
    """A time of a log as people read it, to the minute: `2026-11-20 11:56 UTC`."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\dZ", start)
    return f"{found[1]} {found[2]} UTC" if found else start


def decimal(value: float | None) -> str:
    """Three significant digits; a dash where there is no number."""
    return "–" if value is None else f"{value:.3g}"


def duration(seconds: float | None) -> str:
    """`12 s`, `3 min 20 s`, `1 h 5 min`; a dash where it is not known."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
