"""The command `callgate`: the gate without pytest, and what surrounds it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from harness import __version__
from harness.options import OPTIONS, flag
from harness.output import guarded


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code: 0 met, 1 not met, 2 bad usage, 3 errors."""
    return guarded(lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    given = _parser().parse_args(arguments)
    code: int = given.command(given)
    return code


def _parser() -> argparse.ArgumentParser:
    from harness.command_line import commands, import_command, model_commands

    parser = argparse.ArgumentParser(
        prog="callgate", description="Gates on FunctionGemma's calls, from policies in YAML."
    )
    parser.add_argument("--version", action="version", version=f"callgate {__version__}")
    sub = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = sub.add_parser("run", help="judge spec files, as pytest does, in bulk")
    run.add_argument("paths", nargs="*", metavar="PATH", help="spec files or folders")
    _add_options(run)
    run.set_defaults(command=commands.run)

    lint = sub.add_parser("lint", help="all problems and warnings of spec files; no model")
    lint.add_argument("paths", nargs="*", metavar="PATH", help="spec files or folders")
    lint.add_argument("--schema", action="store_true", help="print the JSON Schema of spec files")
    lint.set_defaults(command=commands.lint)

    show = sub.add_parser("show", help="one case: rendered prompt, expectation, reply, difference")
    show.add_argument("case", metavar="CASE", help="SPEC::ID or PATH::ID")
    _add_options(show)
    show.set_defaults(command=commands.show)

    import_command.add_import(sub)

    doctor = sub.add_parser("doctor", help="what would run where, and whether it is FunctionGemma")
    doctor.add_argument("paths", nargs="*", metavar="PATH", help="spec files for --exact")
    doctor.add_argument(
        "--exact",
        action="store_true",
        help="decode the cases of spec files together and one by one, and count differences",
    )
    _add_options(doctor)
    doctor.set_defaults(command=model_commands.doctor)

    cache = sub.add_parser("cache", help="the replies that are kept: how many, how much")
    cache.add_argument(
        "--prune",
        nargs="?",
        type=model_commands.megabytes,
        const=model_commands.BOUND,
        metavar="MEGABYTES",
        help="forget the replies used longest ago until the rest fits (default: %(const).0f)",
    )
    cache.set_defaults(command=model_commands.cache)
    return parser


def _add_options(parser: argparse.ArgumentParser) -> None:
    for option in OPTIONS:
        if option.metavar is None:
            parser.add_argument(
                flag(option), action="store_true", default=None, help=option.help, dest=option.name
            )
        else:
            parser.add_argument(
                flag(option), metavar=option.metavar, help=option.help, dest=option.name
            )


if __name__ == "__main__":
    sys.exit(main())
