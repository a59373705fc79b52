"""`re.search` in a process of its own, which ends itself when a search takes too long.

A search of `re` holds the interpreter until it is done. So the process sets an alarm before each
one that needs no interpreter to end it (the system's, or on Windows a thread of `faulthandler`'s)
and is gone when it rings, whatever became of us; it ends too when our end of its pipe is closed.
This file is both ends, and run as a script it knows the standard library alone.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from subprocess import Popen


@dataclass
class _Held:
    """The process, started at the first search and after one that took too long."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    process: Popen[bytes] | None = None


_held = _Held()


def search(pattern: str, text: str, seconds: float) -> bool | None:
    """Whether `re.search` finds the pattern; None where it does not answer within `seconds`.

    `pattern` is one that `re` takes. Raises OSError where no process can be started.
    """
    request = json.dumps([seconds, pattern, text]).encode() + b"\n"
    held = _held
    with held.lock:
        if held.process is None or held.process.poll() is not None:
            held.process = _start()
        try:
            answer = _answer(held.process, request)
        except BaseException:  # an interrupted search leaves an answer behind: not for the next
            _end(held)
            raise
        if not answer:
            _end(held)
        return None if not answer else answer == b"1"


def _start() -> Popen[bytes]:
    import subprocess

    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-W", "ignore", os.path.realpath(__file__)],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )


def _answer(process: Popen[bytes], request: bytes) -> bytes:
    """One byte; none where the process ended."""
    if process.stdin is None or process.stdout is None:
        raise OSError("the process has no pipes")
    rest = memoryview(request)
    try:
        while rest:
            rest = rest[process.stdin.write(rest) :]
        return process.stdout.read(1)
    except BrokenPipeError:
        return b""


def _end(held: _Held) -> None:
    process, held.process = held.process, None
    if process is not None:
        process.kill()
        process.wait()
        _close_pipes(process)


def _close_pipes(process: Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _forget() -> None:
    """In a forked child: the process is the parent's, and so may be the lock."""
    global _held
    inherited, _held = _held.process, _Held()
    if inherited is not None:
        inherited.returncode = 0  # nothing for us to wait for
        _close_pipes(inherited)


def _serve() -> None:
    """The other end: a line with seconds, pattern and text → one byte, or the end."""
    import re
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who asked
    set_alarm, stop_alarm = _alarm()
    for line in sys.stdin.buffer:
        seconds, pattern, text = json.loads(line)
        set_alarm(seconds)
        answer = b"0" if re.search(pattern, text) is None else b"1"
        stop_alarm()
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()


def _alarm() -> tuple[Callable[[float], object], Callable[[], object]]:
    """What sets an alarm that ends this process, and what stops it."""
    import signal

    if hasattr(signal, "setitimer"):
        timer = signal.ITIMER_REAL
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
        return partial(signal.setitimer, timer), partial(signal.setitimer, timer, 0)
    import faulthandler

    nowhere = open(os.devnull, "w")  # noqa: PTH123, SIM115 - open for as long as we live
    ring = faulthandler.dump_traceback_later
    return partial(ring, exit=True, file=nowhere), faulthandler.cancel_dump_traceback_later


if __name__ == "__main__":
    _serve()
else:
    atexit.register(lambda: _end(_held))
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_forget)
