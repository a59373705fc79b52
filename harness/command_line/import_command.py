"""What `callgate import` does; gives its exit code."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.cases import SPLITS, Json
from harness.errors import UsageError
from harness.output import print_lines
from harness.sources import FORMATS
from harness.spec_files.yaml_scalars import plain_value

_NOTHING = 3
_HUB = "hub:"


def add_import(sub: argparse._SubParsersAction[Any]) -> None:
    """The command and its options."""
    parser = sub.add_parser(
        "import",
        help="a data set to a spec file",
        description="Write a spec file with the cases that `source:` would read from a data set.",
    )
    add = parser.add_argument
    add("format", choices=list(FORMATS), metavar="FORMAT", help=", ".join(FORMATS))
    add("source", metavar="SRC", help="a file, or hub:OWNER/NAME for a data set of the Hub")
    add("-o", "--out", required=True, metavar="FILE", help="the spec file to write: *.spec.yaml")
    add("--force", action="store_true", help="overwrite FILE")
    add(
        "--tools",
        metavar="FILE",
        help="for rows without tools: a list of tools, or a spec whose tools and clauses to take",
    )
    add(
        "--where",
        action="append",
        default=[],
        type=_condition,
        metavar="FIELD=VALUE",
        help="only rows with this value (dots lead inside); repeat it for more",
    )
    add("--shuffle", type=_whole(0), metavar="SEED", help="shuffle the rows as `datasets` does")
    add("--limit", type=_whole(1), metavar="N", help="at most so many rows")
    add("--take", type=_counts, metavar="SPLIT=N,…", help="splits by position: train=2700,test=300")
    add("--head", type=_counts, metavar="SPLIT=N,…", help="at most so many cases: test=50")
    add("--revision", metavar="R", help="for the Hub: a branch, a tag or a commit")
    add("--hub-split", metavar="S", help="for the Hub: the split to read (default: train)")
    parser.set_defaults(command=import_rows)


def import_rows(given: argparse.Namespace) -> int:
    """`callgate import`: 0 written; 2 bad usage; 3 no row became a case, and nothing is written."""
    from harness.sources import importing

    order = importing.Order(
        _source(given), Path(given.out), Path(given.tools) if given.tools else None, given.force
    )
    imported = importing.import_rows(order)
    print_lines(imported.lines)
    return 0 if imported.text else _NOTHING


def _source(given: argparse.Namespace) -> dict[str, Json]:
    """The options as the `source:` of a spec."""
    source: dict[str, Json] = {"format": given.format}
    if given.source.startswith(_HUB):
        source["hub"] = given.source.removeprefix(_HUB)
    else:
        source["path"] = str(Path(given.source).absolute())
    options = ("revision", "hub_split", "shuffle", "limit", "take", "head")
    source |= {name: getattr(given, name) for name in options if getattr(given, name) is not None}
    where: dict[str, list[Json]] = {}
    for name, value in given.where:
        where.setdefault(name, []).append(value)
    return {**source, "where": where} if where else source


def _whole(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from {least}")
        return int(text)

    return number


def _counts(text: str) -> dict[str, int]:
    """`train=2700,test=300`."""
    counts: dict[str, int] = {}
    for part in text.split(","):
        split, _, number = part.strip().partition("=")
        if split not in SPLITS or not number.isdecimal():
            what = f"{part!r}: expected SPLIT=N, where SPLIT is {', '.join(SPLITS)}"
            raise argparse.ArgumentTypeError(what)
        counts[split] = int(number)
    return counts


def _condition(text: str) -> tuple[str, Json]:
    """`FIELD=VALUE`; the value as YAML reads it: a number, `true`, a text."""
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise argparse.ArgumentTypeError(f"{text!r}: expected FIELD=VALUE")
    try:
        return name, plain_value(value)
    except ValueError as error:
        raise UsageError(f"--where {name}: {error}") from None
