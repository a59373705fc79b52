"""A training run's `history.jsonl` → Training: its first line, its steps, its rounds, its end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.json_values import shown
from harness.wording import shown_path
from reports.records import mapping, number, text, whole_number
from reports.sides import rate
from reports.summary import Training, TrainingRound, TrainingStep

Line = Mapping[str, Any]


def read_training(file: Path) -> tuple[Training | None, tuple[str, ...]]:
    """The training that a history tells of, and what is to be said about it.

    None and a notice where the folder has no history; a last line cut off by a kill is left out.

    Raises:
        UsageError: the file is no history.
    """
    if not file.exists():
        return None, (f"{shown_path(file)} is not there: nothing is known of the training.",)
    lines: dict[str, list[Line]] = {"start": [], "step": [], "round": [], "end": []}
    for line in _lines(file):
        lines.get(text(line.get("kind")), []).append(line)
    return _training(lines), ()


def _lines(file: Path) -> Iterator[Line]:
    try:
        written = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise UsageError(f"{shown_path(file)}: cannot be read: {why}") from None
    for place, line in enumerate(written, start=1):
        try:
            found = json.loads(line) if line.strip() else {}
        except (ValueError, RecursionError):
            found = {} if place == len(written) else None
        if not isinstance(found, dict):
            raise UsageError(
                f"{shown_path(file)}:{place}: not a line of a training's history: "
                f"{shown(line, 80)}; restore the file, or name the run's after.jsonl instead"
            )
        yield found


def _training(lines: Mapping[str, list[Line]]) -> Training:
    start = lines["start"][0] if lines["start"] else {}
    end = lines["end"][-1] if lines["end"] else {}
    rounds = [_round(line) for line in lines["round"]]
    given_up = mapping(start.get("given_up")).items()
    return Training(
        seed=whole_number(start.get("seed")),
        rows=whole_number(start.get("rows")) or 0,
        dropped=tuple(_pairs(start.get("dropped"))),
        unfit=len(start["unfit"]) if isinstance(start.get("unfit"), list) else 0,
        given_up={text(spec): whole_number(n) or 0 for spec, n in given_up},
        until=number(start.get("until")),
        steps=tuple(
            TrainingStep(_at(line, "step"), number(line.get("epoch")) or 0.0, _loss(line, "loss"))
            for line in lines["step"]
        ),
        rounds=tuple(_best(rounds, whole_number(end.get("best_round")))),
        ended=text(end.get("ended")) or None,
    )


def _round(line: Line) -> TrainingRound:
    passed, n = whole_number(line.get("dev_passed")), whole_number(line.get("dev_judged"))
    measured = passed is not None and n is not None and passed <= n
    return TrainingRound(
        round=_at(line, "round"),
        step=_at(line, "step"),
        epoch=number(line.get("epoch")) or 0.0,
        validation_loss=_loss(line, "validation_loss"),
        dev=rate(passed or 0, n or 0) if measured else None,
        best=line.get("best") is True,
    )


def _best(rounds: list[TrainingRound], best: int | None) -> Iterator[TrainingRound]:
    """The rounds with one of them the best: the history marks each that was so at its time."""
    if best is None:
        best = max((one.round for one in rounds if one.best), default=None)
    for one in rounds:
        yield TrainingRound(
            one.round, one.step, one.epoch, one.validation_loss, one.dev, one.round == best
        )


def _at(line: Line, key: str) -> int:
    return whole_number(line.get(key)) or 0


def _loss(line: Line, key: str) -> float | None:
    return number(line.get(key))


def _pairs(value: Any) -> Iterator[tuple[str, str]]:
    for pair in value if isinstance(value, list) else ():
        if isinstance(pair, list) and len(pair) == 2:
            yield text(pair[0]), text(pair[1])
