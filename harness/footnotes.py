"""What a run has to add below its summary: warnings, and where its log went."""

from __future__ import annotations

from collections.abc import Sequence

from harness.backends import Backend, notes_of
from harness.cases import RowsRead, Spec
from harness.run_log import RunLog
from harness.wording import count, one_line


def footnotes(backend: Backend, specs: Sequence[Spec], log: RunLog, judged: int) -> list[str]:
    """The notes of the data, the back end and the log; last, where there is nothing to believe."""
    notes = rows_notes(specs)
    notes += foreign_note(backend, {case.ref for spec in specs for case in spec.cases})
    notes += [*notes_of(backend), *log.problems]
    notes += [f"run log: {path}" for path in log.paths]
    return notes if judged else [*notes, "nothing was judged"]


def rows_notes(specs: Sequence[Spec]) -> list[str]:
    """For each data set of which rows were dropped or left, or whose gold is broken: how many."""
    return [
        f"{spec.name}: {rows_text(spec.source)}"
        for spec in specs
        if spec.source is not None
        and (spec.source.cases < max(spec.source.rows, 1) or spec.source.broken)
    ]


def rows_text(read: RowsRead) -> str:
    """What became of the rows: `109 of 300 rows of a.jsonl are cases; dropped: 191 no tools`."""
    text = f"{read.cases} of {count(read.rows, 'row')} of {read.place} are cases"
    if read.left:
        text += f"; not read, beyond `head`: {read.left}"
    if read.broken:
        text += f"; with an expected call that breaks its own tool's schema: {read.broken}"
    if read.dropped:
        text += f"; dropped: {', '.join(f'{one.count} {one.reason}' for one in read.dropped)}"
    return text


def foreign_note(backend: Backend, refs: set[str]) -> list[str]:
    """A warning for replies in a replay file that answer no case of the specs."""
    from harness.backends.replay import Replay

    foreign = backend.foreign(refs) if isinstance(backend, Replay) else []
    if not foreign:
        return []
    names = ", ".join(map(one_line, foreign[:3])) + (", …" if len(foreign) > 3 else "")
    what = "1 reply in the file answers" if len(foreign) == 1 else f"{len(foreign)} replies answer"
    return [f"warning: {what} no case of these specs: {names}"]
