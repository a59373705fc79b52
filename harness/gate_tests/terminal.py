"""Where pytest writes, for what is shown while a run waits."""

from __future__ import annotations

from typing import Any


class Screen:
    """The terminal that pytest reports to, past its capture of everything else."""

    def __init__(self, config: Any) -> None:
        reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
        self._terminal = reporter is not None and bool(reporter.isatty)
        self._writer = config.get_terminal_writer() if self._terminal else None

    def isatty(self) -> bool:
        """Whether somebody looks."""
        return self._terminal

    def write(self, text: str, /) -> None:
        """Write without a line break."""
        if self._writer is not None:
            self._writer.write(text)

    def flush(self) -> None:
        """Show what was written."""
        if self._writer is not None:
            self._writer.flush()
