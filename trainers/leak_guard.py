"""The leak guard: no training prompt may be a dev or test prompt, or nearly one.

A model that was trained on the question proves nothing by its answer.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.cases import Case
from harness.errors import UsageError
from harness.wording import opening

_SHOWN: Final = 20
_ROWS: Final = 500
"""Texts compared with all others at a time: what bounds the memory."""

MISSING_LIBRARIES: Final = (
    "the libraries that train are not installed: pip install 'callgate[train]'"
)


@dataclass(frozen=True, slots=True)
class Leak:
    """A training case and the held-out case whose prompt is the same, or nearly."""

    train: Case
    held_out: Case
    how: str


def said(case: Case) -> str:
    """What the conversation says, the developer's turn left out."""
    return _spoken(case.request.messages)


def said_so_far(case: Case) -> list[str]:
    """What the conversation had said at each of the user's turns: every prompt that is in it."""
    messages = case.request.messages
    asked = [place for place, message in enumerate(messages, 1) if message.get("role") == "user"]
    return [_spoken(messages[:place]) for place in asked if place < len(messages)] + [said(case)]


def _spoken(messages: Sequence[Mapping[str, Any]]) -> str:
    turns = (m for m in messages if m.get("role") not in ("developer", "system"))
    return "\n".join(str(message.get("content") or "") for message in turns)


def normalised(text: str) -> str:
    """The words of a text, case and punctuation ignored; the text itself where it has no word.

    Composed and decomposed letters are the same (Unicode's NFKC), and marks belong to their word.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(map(_of_a_word, folded)).split()) or text.strip()


def _of_a_word(sign: str) -> str:
    """The sign itself where words are written with it, else a blank."""
    return sign if sign.isalnum() or sign == "_" or unicodedata.category(sign)[0] == "M" else " "


def find_leaks(
    train: Sequence[Case], held_out: Sequence[Case], threshold: float, *, earlier: bool = False
) -> list[Leak]:
    """The worst leak of each training case that has one.

    Args:
        train: the cases to learn from.
        held_out: the cases that decide or prove.
        threshold: the least rapidfuzz `token_sort_ratio` (0 to 100) of a near-duplicate; cases of
            one `group` are near-duplicates by their author's word.
        earlier: whether the answers to earlier turns of a conversation are learnt as well.
    """
    asked = [
        (case, text) for case in train for text in (said_so_far(case) if earlier else [said(case)])
    ]
    texts = [said(case) for case in held_out]
    worst: dict[str, tuple[float, Leak]] = {}
    for row, column, score in near(
        [normalised(text) for _, text in asked], list(map(normalised, texts)), threshold
    ):
        case, mine = asked[row]
        how = "the same words" if score == 100 else f"{score:.0f} % alike"
        how = "the same" if mine == texts[column] else how
        if case.ref not in worst or score > worst[case.ref][0]:
            worst[case.ref] = (score, Leak(case, held_out[column], how))
    groups = {(case.spec, case.group or ""): case for case in held_out if case.group}
    for case in train:
        other = groups.get((case.spec, case.group or ""))
        if other is not None and case.ref not in worst:
            worst[case.ref] = (threshold, Leak(case, other, f"one group, {case.group}"))
    return [worst[case.ref][1] for case in train if case.ref in worst]


def near(
    texts: Sequence[str], others: Sequence[str], threshold: float
) -> Iterator[tuple[int, int, float]]:
    """For each text that has one: its index, that of the most similar other, and their score."""
    if not texts or not others:
        return
    for start, scores in _scores(texts, others, threshold):
        best = scores.argmax(axis=1)
        for offset, column in enumerate(best.tolist()):
            score = float(scores[offset, column])
            if score >= threshold and score > 0:
                yield start + offset, column, score


def pairs(texts: Sequence[str], threshold: float) -> Iterator[tuple[int, int]]:
    """Every two texts, by index, that are near-duplicates of each other."""
    for start, scores in _scores(texts, texts, threshold):
        for offset, column in zip(*(scores >= max(threshold, 1e-9)).nonzero(), strict=True):
            if start + offset < column:
                yield int(start + offset), int(column)


def _scores(
    texts: Sequence[str], others: Sequence[str], threshold: float
) -> Iterator[tuple[int, Any]]:
    """Blocks of scores, one row a text, 0 where below the threshold; with their first row."""
    try:
        from rapidfuzz import fuzz, process
    except ImportError:
        raise UsageError(MISSING_LIBRARIES) from None
    for start in range(0, len(texts), _ROWS):
        rows = texts[start : start + _ROWS]
        yield (
            start,
            process.cdist(rows, others, scorer=fuzz.token_sort_ratio, score_cutoff=threshold),
        )


def refusal(leaks: Sequence[Leak]) -> str:
    """Why the run does not begin, with the pairs."""
    count = "1 training prompt is" if len(leaks) == 1 else f"{len(leaks)} training prompts are"
    lines = [f"{count}, or nearly, among the dev and test prompts:"]
    lines += [pair_text(leak) for leak in leaks[:_SHOWN]]
    if len(leaks) > _SHOWN:
        lines.append(f"  … and {len(leaks) - _SHOWN} more")
    lines.append("Reword or move them; or leave these training cases out with --leaks drop.")
    return "\n".join(lines)


def pair_text(leak: Leak) -> str:
    """One leak, on two lines."""
    mine, other = leak.train, leak.held_out
    return (
        f"  {mine.location} {mine.id} ({mine.split}) and {other.location} {other.id} "
        f"({other.split}): {leak.how}\n    {opening(mine.prompt)} / {opening(other.prompt)}"
    )
