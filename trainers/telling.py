"""What a training run tells while it goes: a line a round, and where somebody looks, each step."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.gating import Decision
from harness.progress import is_watched
from harness.summary import interval_text, percent
from trainers.judge import Standing


@dataclass
class Teller:
    """Prints to standard output; the line of a step appears only on a terminal, on stderr."""

    prefix: str = ""
    _width: int = 0

    def say(self, *lines: str) -> None:
        """Print lines."""
        self._clear()
        for line in lines:
            sys.stdout.write(f"{self.prefix}{line}\n")
        sys.stdout.flush()

    def step(self, number: int, total: int, record: Mapping[str, Any], seconds: float) -> None:
        """Show where the training is."""
        if not is_watched(sys.stderr):
            return
        loss = record["loss"]
        line = f"step {number} of at most {total}, loss {'–' if loss is None else f'{loss:.4f}'}"
        line += f", {duration(seconds)}"
        sys.stderr.write(f"\r{line:<{self._width}}")
        sys.stderr.flush()
        self._width = len(line)

    def round(self, found: Mapping[str, Any], standing: Standing | None, left: float) -> None:
        """Tell how a round ended."""
        parts = [f"round {found['round']}:"]
        if found.get("validation_loss") is not None:
            parts.append(f"validation loss {found['validation_loss']:.4f},")
        if standing is not None:
            parts.append(f"dev {rate_text(standing)},")
        if found["best"]:
            parts.append("best so far,")
        parts.append(duration(found["seconds"]))
        if left:
            parts.append(f"(at most {duration(left)} more)")
        self.say(" ".join(parts))

    def _clear(self) -> None:
        if self._width:
            sys.stderr.write(f"\r{'':<{self._width}}\r")
            self._width = 0


def duration(seconds: float) -> str:
    """A time for people: `8 s`, `3 min 20 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def rate_text(standing: Standing) -> str:
    """`24 of 30 (80 %)`."""
    if not standing.judged:
        return "nothing judged"
    return f"{standing.passed} of {standing.judged} ({percent(standing.passed, standing.judged)})"


def table(columns: Sequence[tuple[str, Standing]]) -> list[str]:
    """Each spec's passes in each column, and the gate's word in the last two."""
    from tabulate import tabulate

    specs = list(dict.fromkeys(d.spec for _, standing in columns for d in standing.decisions))
    rows = []
    for spec in specs:
        row = [spec]
        for _, standing in columns:
            mine = [d for d in standing.decisions if d.spec == spec]
            row += [_cell(mine[0])] if mine else ["–"]
        rows.append(row)
    heads = ["spec", *(head for head, _ in columns)]
    return tabulate(rows, heads, tablefmt="simple", disable_numparse=True).split("\n")


def _cell(decision: Decision) -> str:
    tally = decision.tally
    if not tally.judged:
        return "–"
    rate = percent(tally.passed, tally.judged)
    interval = interval_text(decision.interval)
    word = "met" if decision.met else "NOT MET"
    return f"{tally.passed}/{tally.judged} {rate} [{interval}] {word}"


def reasons(decisions: Iterable[Decision]) -> list[str]:
    """Why gates are not met."""
    return [f"{d.spec}: gate not met: {reason}" for d in decisions for reason in d.reasons]
