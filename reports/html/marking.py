"""Expected against called: what one side has and the other has not is marked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from markupsafe import Markup

from harness.cases import Miss
from harness.functiongemma import parse_reply
from reports.html.shown import cut, shown
from reports.summary import Answer, CaseRow

_LONGEST: Final = 2000
"""Characters of a text in which differences are still marked."""
_MOST_PAIRS: Final = 40_000
"""Pairs of pieces that are compared: of repeated pieces the time grows with their cube."""
_OF_TOOLS: Final = frozenset(
    {Miss.UNEXPECTED_CALL, Miss.NO_CALL, Miss.UNKNOWN_TOOL}
    | {Miss.EXTRA_CALL, Miss.MISSING_CALL, Miss.WRONG_TOOL}
)
"""Misses found before any argument was looked at."""
_OF_ARGUMENTS: Final = frozenset(
    {Miss.INVALID_ARGUMENTS, Miss.WRONG_ARGUMENTS, Miss.WRONG_ORDER, Miss.NOT_EXACT}
)

_NAMES: Final = re.compile(r"(?:^| \+ )(.+?)(?= \+ |$)", re.DOTALL)
_OPENING: Final = re.compile(r"(?:^|\) \+ )([\w.-]+)\(")
_PIECES: Final = re.compile(r"<\w+>|\w+|.", re.DOTALL)
_WANTED: Final = Markup("<del>{}</del>")
_SURPLUS: Final = Markup("<ins>{}</ins>")


@dataclass(frozen=True, slots=True)
class Difference:
    """What was expected over what was called; `marks` is whether anything is marked in them.

    Without marks, `expected` is None: it stands elsewhere on the page.
    """

    expected: Markup | None
    called: Markup

    @property
    def marks(self) -> bool:
        """Whether there is something to tell what marks mean."""
        return self.expected is not None


def difference(case: CaseRow, answer: Answer, width: int) -> Difference:
    """The difference that the miss is about.

    A wrong tool is marked in the tools' names: what it was called with was not looked at. Wrong
    arguments are marked in the call blocks, the gold one and the model's own, which write them in
    one order and one notation. Other misses, and long texts, are told by their reason alone.
    """
    longest = max(len(text) for text in (case.gold or "", answer.called, answer.reply or ""))
    if longest <= _LONGEST and answer.miss in _OF_TOOLS:
        return _by_tools(case.expected_tools, answer.called)
    if longest <= _LONGEST and answer.miss in _OF_ARGUMENTS and case.gold and answer.reply:
        left = _PIECES.findall(case.gold)
        right = _PIECES.findall("".join(parse_reply(answer.reply).blocks))
        if right and len(left) * len(right) <= _MOST_PAIRS:
            return _by_pieces(left, right)
    return Difference(None, cut(answer.called, width))


def _by_pieces(left: Sequence[str], right: Sequence[str]) -> Difference:
    """Words, control tokens and punctuation, in their order."""
    codes = SequenceMatcher(None, left, right, autojunk=False).get_opcodes()
    differing = [code for code in codes if code[0] != "equal"]
    return Difference(
        _joined(left, {i for _, a, b, _, _ in differing for i in range(a, b)}, _WANTED),
        _joined(right, {i for *_, c, d in differing for i in range(c, d)}, _SURPLUS),
    )


def _by_tools(tools: str, called: str) -> Difference:
    """The names of tools that one side has and the other has not, or not as often."""
    left, right = list(_NAMES.finditer(tools)), list(_OPENING.finditer(called))
    wanted, got = Counter(name[1] for name in left), Counter(name[1] for name in right)
    return Difference(
        _named(tools, left, wanted - got, _WANTED),
        _named(called, right, got - wanted, _SURPLUS),
    )


def _named(text: str, names: Sequence[re.Match[str]], counts: Counter[str], form: Markup) -> Markup:
    """The text with the last names marked, of each as many as `counts` says."""
    left, chosen = Counter(counts), []
    for name in reversed(names):
        if left[name[1]] > 0:
            left[name[1]] -= 1
            chosen.append(name)
    parts, at = [], 0
    for name in reversed(chosen):
        parts += [shown(text[at : name.start(1)]), form.format(shown(name[1]))]
        at = name.end(1)
    return Markup("").join([*parts, shown(text[at:])])


def _joined(pieces: Sequence[str], chosen: set[int], form: Markup) -> Markup:
    """The pieces in a row, neighbours that are marked within one mark."""
    runs: list[tuple[bool, list[str]]] = []
    for i, piece in enumerate(pieces):
        if not runs or runs[-1][0] != (i in chosen):
            runs.append((i in chosen, []))
        runs[-1][1].append(piece)
    texts = ((marked, shown("".join(run))) for marked, run in runs)
    return Markup("").join(form.format(text) if marked else text for marked, text in texts)
