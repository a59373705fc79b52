"""What a run has to add below its summary: warnings, and where its log went."""

from __future__ import annotations

from collections.abc import Sequence

from harness.backends import Backend, notes_of
from harness.cases import Spec
from harness.run_log import RunLog
from harness.wording import one_line


def footnotes(backend: Backend, specs: Sequence[Spec], log: RunLog, judged: int) -> list[str]:
    """The notes of the back end and of the log; last, where there is nothing to believe."""
    notes = foreign_note(backend, {case.ref for spec in specs for case in spec.cases})
    notes += [*notes_of(backend), *log.problems]
    notes += [f"run log: {path}" for path in log.paths]
    return notes if judged else [*notes, "nothing was judged"]


def foreign_note(backend: Backend, refs: set[str]) -> list[str]:
    """A warning for replies in a replay file that answer no case of the specs."""
    from harness.backends.replay import Replay

    foreign = backend.foreign(refs) if isinstance(backend, Replay) else []
    if not foreign:
        return []
    names = ", ".join(map(one_line, foreign[:3])) + (", …" if len(foreign) > 3 else "")
    what = "1 reply in the file answers" if len(foreign) == 1 else f"{len(foreign)} replies answer"
    return [f"warning: {what} no case of these specs: {names}"]
