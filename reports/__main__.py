"""The command `callgate-report`: run logs as documents, baselines, rescoring."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Final

from harness import __version__
from harness.output import guarded
from reports import command

_MORE: Final = """\
commands:
  callgate-report bless RUN -o FILE     the baseline that the gate's --baseline reads
  callgate-report rescore RUN --specs PATH
                                        the run's replies, judged by today's specs

A RUN that is called bless or rescore is named ./bless or ./rescore."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code: 0, 1 where --fail-on says so, 2 bad usage."""
    return guarded(lambda: _run(sys.argv[1:] if arguments is None else arguments))


def _run(words: Sequence[str]) -> int:
    given = _given(words)
    code: int = given.command(given)
    return code


def _given(words: Sequence[str]) -> argparse.Namespace:
    parsers = {"bless": _bless_parser, "rescore": _rescore_parser}
    if words and words[0] in parsers:
        return parsers[words[0]]().parse_args(words[1:])
    return _report_parser().parse_args(words)


def _report_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="callgate-report",
        description="What a run came to, or what changed between two, and whether to believe it.",
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"callgate {__version__}")
    parser.add_argument("run", metavar="RUN", help="a run log, or the folder of a training run")
    parser.add_argument("--against", metavar="RUN", help="the run to compare with")
    parser.add_argument(
        "--format",
        choices=("terminal", "markdown", "html", "json", "github"),
        help="default: as the name of -o ends, else terminal; github: annotations",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write the report here")
    parser.add_argument(
        "--split",
        choices=("test", "dev", "train", "all"),
        help="the cases reported on (default: test, where there are any)",
    )
    parser.add_argument(
        "--fail-on",
        choices=("regression", "worse"),
        help="end with 1 where a case is broken, or where a spec is worse",
    )
    parser.set_defaults(command=command.report)
    return parser


def _bless_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="callgate-report bless",
        description="Write a run as the baseline that the gate's --baseline reads.",
    )
    parser.add_argument("run", metavar="RUN", help="a run log, or the folder of a training run")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the baseline")
    parser.add_argument(
        "--force",
        metavar="REASON",
        help="bless an unfinished, partial or failing run; the file keeps the reason",
    )
    parser.set_defaults(command=command.bless)
    return parser


def _rescore_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="callgate-report rescore",
        description="Judge the replies of a run by today's specs, without a model.",
    )
    parser.add_argument("run", metavar="RUN", help="a run log, or the folder of a training run")
    parser.add_argument(
        "--specs", metavar="PATH", nargs="+", required=True, help="spec files or folders"
    )
    parser.add_argument("--run-log", metavar="FILE", help="write the new verdicts here")
    parser.set_defaults(command=command.rescore)
    return parser


if __name__ == "__main__":
    sys.exit(main())
