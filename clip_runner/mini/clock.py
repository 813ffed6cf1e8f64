"""Progress on a terminal."""

from __future__ import annotations

from collections.abc import Callable
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

    def steps(self, first: int, count: int) -> Callable[[int, str, dict[str, float]], None]:
        """What a run of so many steps, gone on with from the `first`, calls after each: stage, losses, time left."""
        began = monotonic()

        def report(step: int, stage: str, losses: dict[str, float]) -> None:
            left = (monotonic() - began) / (step + 1 - first) * (count - step - 1)
            shown = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
            self.note(f"step {step + 1:,} of {count:,} ({stage}): {shown}; {left / 60:.0f} min left")

        return report
