"""The command line of the stand-in's trainer."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

from trainers.mini.evalsets import EVAL_SEED, SIZE

# Read at the start of a program only. glibc gives large blocks back to the system after every step
# and takes them anew: the page faults made training up to ten times slower.
_SETTINGS = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "20000000000",
    "MALLOC_TOP_PAD_": "268435456",
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trainers.mini", description=__doc__)
    parser.add_argument("--out", type=Path, help="the model folder to write")
    parser.add_argument("--minutes", type=float, help="training time at most; default: no limit")
    parser.add_argument("--steps", type=int, default=18950, help="training steps at most")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    parser.add_argument("--no-compile", action="store_true", help="without torch.compile")
    commands = parser.add_subparsers(dest="command")
    evaluate = commands.add_parser("evaluate", help="measure a model folder")
    evaluate.add_argument("folder", type=Path)
    evaluate.add_argument("--size", type=int, default=SIZE, help="rows per set")
    evaluate.add_argument(
        "--seed", dest="set_seed", type=int, default=EVAL_SEED, help="of the sets"
    )
    evaluate.add_argument("--json", type=Path, help="also write the numbers here")
    sample = commands.add_parser("sample", help="print rows of the corpus")
    sample.add_argument("--n", type=int, default=5)
    return parser


def main(say: Callable[[str], None], arguments: Sequence[str] | None = None) -> int:
    """Runs the command, which writes to `say`; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "sample":
        return _sample(options.n, say)
    if options.command == "evaluate":
        return _evaluate(options, say)
    if options.out is None:
        parser.error("--out is needed")
    _set_environment()
    from trainers.mini.build import build
    from trainers.mini.train import Plan, choose_device

    plan = Plan(
        minutes=options.minutes,
        steps=options.steps,
        seed=options.seed,
        device=choose_device(options.device),
        compile=not options.no_compile,
    )
    build(options.out, plan, say, resume=options.resume)
    return 0


def _set_environment() -> None:
    """Starts this program again with the settings above, unless they are there."""
    if sys.platform != "linux" or "MALLOC_MMAP_MAX_" in os.environ:
        return
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **_SETTINGS})


def _sample(count: int, say: Callable[[str], None]) -> int:
    from trainers.mini.mixture import rows
    from trainers.mini.render import prompt_text, target_text

    for row in islice(rows(), count):
        say(f"--- {row.family}\n{prompt_text(row)}{target_text(row)}\n")
    return 0


def _evaluate(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    from trainers.mini.evaluate import evaluate
    from trainers.mini.table import table_text, write_json

    results = evaluate(options.folder, options.size, options.set_seed)
    say(table_text(results))
    if options.json:
        write_json(results, options.json)
    return 0
