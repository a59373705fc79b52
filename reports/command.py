"""What `callgate-report` does: reports, baselines, rescoring; each gives its exit code."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

from harness.errors import UsageError
from harness.loading import SUFFIX
from harness.log_files import is_free, same_file
from harness.output import complain, print_lines
from harness.wording import count, named, one_line
from reports.summary import CaseRow, Group, Summary

FAILED: Final = 1
FORMATS: Final = {
    ".md": "markdown",
    ".html": "html",
    ".htm": "html",
    ".json": "json",
    ".txt": "terminal",
}
"""The format of a file by how its name ends, where `--format` does not say."""
_LOGS: Final = ("before.jsonl", "after.jsonl", "history.jsonl", "settings.yaml")
"""Files of a training run's folder that a report may not replace."""


def report(given: argparse.Namespace) -> int:
    """`callgate-report RUN`: one report, printed or written; 1 where `--fail-on` says so."""
    from reports.counting import summarise
    from reports.policies import absent
    from reports.runs import open_run

    _check_names(given)
    if given.output is not None:
        _check_output(given.output, [given.run, *([given.against] if given.against else [])])
    opened = open_run(given.run, given.against)
    summary = summarise(opened, split=given.split)
    if given.fail_on is not None and summary.before is None:
        raise UsageError(
            f"--fail-on {given.fail_on}: there is nothing to compare with: add --against RUN, or "
            "name the folder of a training run"
        )
    text = _renderer(given.format or _format_of(given.output))(summary).removesuffix("\n")
    if given.output is None:
        print_lines([text])
    else:
        _write(given.output, f"{text}\n")
    return _fail(given.fail_on, summary, absent(opened.after, summary.split))


def bless(given: argparse.Namespace) -> int:
    """`callgate-report bless`: the file that `--baseline` reads."""
    from reports import blessing

    print_lines(blessing.bless(given.run, given.output, given.force))
    return 0


def rescore(given: argparse.Namespace) -> int:
    """`callgate-report rescore`: stored replies, today's specs."""
    from reports import rescoring

    print_lines(rescoring.rescore(given.run, given.specs, given.run_log))
    return 0


def _format_of(output: str | None) -> str:
    return "terminal" if output is None else FORMATS.get(Path(output).suffix.lower(), "terminal")


def _renderer(name: str) -> Callable[[Summary], str]:
    """The function of a format; the others are not imported."""
    if name == "html":
        from reports.html import render as html

        return html
    if name == "markdown":
        from reports.markdown import render as markdown

        return markdown
    if name == "json":
        from reports.as_json import render as as_json

        return as_json
    if name == "github":
        from reports.annotations import render as annotations

        return annotations
    from reports.terminal import render as terminal

    return terminal


def _check_names(given: argparse.Namespace) -> None:
    """A name that is empty, of a variable that is not set say, is no folder."""
    for name, value in (("RUN", given.run), ("--against", given.against), ("-o", given.output)):
        if value == "":
            raise UsageError(f"{name}: expected the name of a file, found ''")


def _check_output(output: str, runs: Sequence[str]) -> None:
    """Refuse a report that would take the place of what it is made from, of a log or of a spec."""
    for run in runs:
        for path in (run, *(f"{run}/{name}" for name in _LOGS)):
            if same_file(output, path):
                raise UsageError(
                    f"-o {output}: the report is made from this file; name another file"
                )
    file = Path(output)
    if _is_plain(file) and ((is_free(file) and file.stat().st_size) or output.endswith(SUFFIX)):
        what = "a spec" if output.endswith(SUFFIX) else "a run log"
        raise UsageError(f"-o {output}: this file is there and is {what}; name another file")


def _is_plain(file: Path) -> bool:
    try:
        return file.is_file()
    except (OSError, ValueError):  # what is wrong with the path is said when it is opened
        return False


def _write(output: str, text: str) -> None:
    """Write the report whole or not at all; to a pipe or a device, as it is.

    Raises:
        UsageError: it cannot be written.
    """
    from harness.writing import write_whole

    try:
        write_whole(Path(output), text)
    except ValueError as error:
        raise UsageError(f"{output}: cannot be written: {error}") from None


def _fail(asked: str | None, summary: Summary, unreached: Collection[str]) -> int:
    """The exit code, and on standard error why it is not 0.

    `unreached` are specs of the run of which it judged no case.
    """
    if asked is None:
        return 0
    reasons = list(_regressions(summary, unreached) if asked == "regression" else _worse(summary))
    compared = summary.overall.comparison
    if compared is None or not compared.n:
        reasons.insert(0, "no case was judged both times, so nothing was compared")
    for reason in reasons:
        complain(f"--fail-on {asked}: {reason}")
    return FAILED if reasons else 0


def _regressions(summary: Summary, unreached: Collection[str]) -> Iterator[str]:
    """Cases that passed before and do not now; one that is gone from a finished run is none."""
    passed = [row for row in summary.cases if row.before and row.before.outcome == "pass"]
    broken = [row for row in passed if row.change == "broken"]
    errors = [row for row in passed if row.after and row.after.outcome == "error"]
    skipped = [row for row in passed if row.after and row.after.outcome == "skip"]
    partial = {spec.whole.spec for spec in summary.specs if _is_partial(spec.whole)} | {*unreached}
    gone = [row for row in passed if row.after is None]
    lost = [row for row in gone if not summary.after.finished or row.spec in partial]
    if broken:
        yield f"{_cases(broken)} passed before and {_verb(broken, 'miss')} now: {_named(broken)}"
    if errors:
        yield f"{_cases(errors)} passed before and {_verb(errors, 'be')} now: {_named(errors)}"
    if skipped:
        yield f"{_cases(skipped)} passed before and {_verb(skipped, 'skip')} now: {_named(skipped)}"
    if lost:
        yield f"{_cases(lost)} passed before and {_verb(lost, 'lack')} now: {_named(lost)}"


def _is_partial(whole: Group) -> bool:
    """Whether a spec has cases that the run did not judge: its gate is then not decided."""
    return whole.after.pass_rate is not None and whole.after.met is None


def _verb(rows: Sequence[CaseRow], verb: str) -> str:
    forms = {
        "miss": ("misses", "miss"),
        "be": ("is an error", "are errors"),
        "skip": ("is skipped", "are skipped"),
        "lack": ("was not reached", "were not reached"),
    }
    return forms[verb][len(rows) != 1]


def _cases(rows: Sequence[CaseRow]) -> str:
    return count(len(rows), "case")


def _named(rows: Sequence[CaseRow]) -> str:
    return named([row.case for row in rows])


def _worse(summary: Summary) -> Iterator[str]:
    """Specs that got worse beyond chance, or whose gate was met and is no longer."""
    groups = [spec.whole for spec in summary.specs]
    groups += [summary.overall] if len(groups) > 1 else []
    for group in groups:
        name = one_line(group.name, 80)
        if group.comparison is not None and group.comparison.trend == "worse":
            yield f"{name}: {one_line(group.comparison.words, 600)}"
        if group.before is not None and group.before.met is True and group.after.met is not True:
            known = group.after.met is not None
            yield f"{name}: the gate was met and is {'no longer' if known else 'not decided now'}"
