"""The documents of a training run's folder: `report.md`, `report.html` and `curves.svg`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from harness.errors import CallgateError, UsageError
from harness.wording import cut, one_line, shown_path
from harness.writing import write_whole
from reports.summary import Summary

CURVES: Final = "curves.svg"


def write_documents(folder: Path) -> list[Path]:
    """Write the documents of a training run's folder, those of an earlier time replaced.

    All are made before the first is written, each is there whole or as it was, and no other file
    is touched. Without matplotlib there is no `curves.svg`, and the reports say so.

    Returns:
        What was written.

    Raises:
        CallgateError: the folder's logs cannot be read, or a document not be written.
    """
    from reports import html, markdown
    from reports.counting import summarise
    from reports.runs import open_run

    summary = summarise(open_run(str(folder)))
    curves, why = _curves(summary)
    if why is not None:
        summary = replace(summary, notices=(*summary.notices, why))
    texts = {CURVES: curves} if curves is not None else {}
    texts["report.md"] = markdown.render(summary, CURVES if curves is not None else None)
    texts["report.html"] = html.render(summary)
    for name, text in texts.items():
        write_whole(folder / name, text)
    if curves is None:  # an older one would be another training's
        (folder / CURVES).unlink(missing_ok=True)
    return [folder / name for name in texts]


def _curves(summary: Summary) -> tuple[str | None, str | None]:
    """The drawing, or why there is none; neither where nothing was trained."""
    from reports.charts import curves_svg

    training = summary.training
    if training is None or not (training.steps or training.rounds):
        return None, None
    try:
        return curves_svg(training), None
    except UsageError as error:
        return None, f"The curves are not drawn: {error}."


def documents_told(folder: Path) -> list[str]:
    """Write the documents, and say in a sentence what was written or why not; never raises.

    A training has ended by then, and its exit code and its files are not a report's to change.
    """
    try:
        written = [shown_path(path) for path in write_documents(folder)]
    except CallgateError as error:
        return [f"the reports are not written: {one_line(str(error), 600)}"]
    except Exception as error:
        # Not narrower: whatever breaks in a report must not cost the training before it.
        what = one_line(f"{type(error).__name__}: {cut(str(error), 400)}", 600)
        return [f"the reports are not written, for callgate itself broke: {what}"]
    return [f"reports: {', '.join(written)}"]
