"""How a load tells how it is going: a bar at a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

LINE_EVERY = 10.0  # seconds

OUTCOMES = ("encoded", "updated", "unchanged", "failed", "removed")
"""encoded: new or changed photos; updated: only the fields changed; removed: by --prune."""


class LoadProgress:
    """Counts a load's outcomes and shows them. Thread-safe."""

    def __init__(self, name: str, total: int, *, console: Console | None = None) -> None:
        self._name = name
        self._total = total
        self._console = console or Console(stderr=True)
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._line_due = self._started + LINE_EVERY
        self.counts: Counter[str] = Counter()
        self.bytes = 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(name, total=total, rate="")

    def __enter__(self) -> LoadProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    @property
    def done(self) -> int:
        return sum(self.counts[outcome] for outcome in OUTCOMES if outcome != "removed")

    def count(self, outcome: str, items: int = 1, size: int = 0) -> None:
        """Count items that came to their outcome, with the bytes that were read for them."""
        with self._lock:
            self.counts[outcome] += items
            self.bytes += size
            self._bar.update(self._task, completed=self.done, rate=self._rate())
            now = time.monotonic()
            if self._bar.disable and now >= self._line_due:
                self._line_due = now + LINE_EVERY
                print(f"{self._name}: {self.done}/{self._total}, {self._rate()}", file=sys.stderr, flush=True)  # noqa: T201  # the progress line is this class' purpose

    def say(self, text: str) -> None:
        """Tell something that does not wait for the next line."""
        self._bar.print(text) if not self._bar.disable else print(text, file=sys.stderr, flush=True)  # noqa: T201

    def summary(self) -> str:
        """One line on the whole load."""
        seconds = time.monotonic() - self._started
        parts = [f"{self.counts[outcome]} {outcome}" for outcome in OUTCOMES if self.counts[outcome]]
        return f"{self._name}: {', '.join(parts) or 'nothing to do'} in {seconds:.1f} s ({self._rate()})"

    def _rate(self) -> str:
        seconds = max(time.monotonic() - self._started, 1e-3)
        rate = f"{self.done / seconds:.1f} photos/s, {self.bytes / seconds / 1e6:.1f} MB/s"
        return f"{rate}, {self.counts['failed']} failed" if self.counts["failed"] else rate
