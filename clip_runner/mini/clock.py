"""Progress on a terminal."""

from __future__ import annotations

from time import monotonic

import typer


class Clock:
    """Prints a line when the last is some seconds old, so that a log stays readable."""

    def __init__(self, every_s: float = 5.0) -> None:
        self._every_s, self._last = every_s, -every_s

    def note(self, line: str) -> None:
        """Print the line, or leave it out."""
        if monotonic() - self._last >= self._every_s:
            self._last = monotonic()
            typer.echo(line)
