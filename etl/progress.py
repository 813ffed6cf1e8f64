"""How a load tells how it is going: a bar at a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import threading
import time
from collections import Counter
from types import TracebackType

from loguru import logger
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from etl.metrics import OUTCOMES, LoadMetrics

LINE_EVERY = 10.0  # seconds


class LoadProgress:
    """Counts a load's outcomes and shows them. Thread-safe."""

    def __init__(self, metrics: LoadMetrics, *, console: Console | None = None) -> None:
        self._metrics = metrics
        self._console = console or Console(stderr=True)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._name = ""
        self._total = 0
        self._started = time.monotonic()
        self.counts: Counter[str] = Counter()
        self.bytes = 0
        self._fetch: tuple[float, int] | None = None
        self._told = 0.0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None, rate="")

    def begin(self, name: str, total: int) -> LoadProgress:
        """Start counting towards `total`; used as a context."""
        self._name, self._total = name, total
        with self._lock:
            self.counts.clear()
            self.bytes = 0
        self._started = time.monotonic()
        self._bar.reset(self._task, description=name, total=total, rate="")
        self._metrics.start(total)
        return self

    def __enter__(self) -> LoadProgress:
        self._ended.clear()
        self._bar.start()
        if self._bar.disable:
            threading.Thread(target=self._lines, name="progress", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._bar.stop()
        self._metrics.end()

    @property
    def done(self) -> int:
        """Items of the source that came to their outcome."""
        return sum(self.counts[outcome] for outcome in OUTCOMES if outcome != "removed")

    def count(self, outcome: str, items: int = 1, size: int = 0) -> None:
        """Count items that came to their outcome, with the bytes that were read for them."""
        self._metrics.count(outcome, items, size)
        with self._lock:
            self.counts[outcome] += items
            self.bytes += size
            self._bar.update(self._task, completed=self.done, rate=self._rate())

    def fetched(self, there: int, total: int | None) -> None:
        """Show how far a download is, in bytes; it may come before `begin`."""
        now = time.monotonic()
        if self._fetch is None:
            self._fetch = (now, there)
            self._told = now
            self._bar.start()
        began, at_first = self._fetch
        rate = f"{(there - at_first) / max(now - began, 1e-3) / 1e6:.1f} MB/s"
        self._bar.update(self._task, description="downloading", completed=there, total=total, rate=rate)
        if self._bar.disable and now - self._told >= LINE_EVERY:
            self._told = now
            of = f" of {total / 1e6:,.0f} MB ({there / total:.0%})" if total else " MB"
            logger.info(f"downloading: {there / 1e6:,.0f}{of}, {rate}")

    def close(self) -> None:
        """Give the terminal back, whatever was going on."""
        self._bar.stop()

    def say(self, text: str) -> None:
        """Tell something at once."""
        if self._bar.disable:
            logger.warning(text)
        else:
            self._console.print(text, markup=False, highlight=False)

    def summary(self) -> str:
        """One line on the whole load."""
        seconds = time.monotonic() - self._started
        parts = [f"{self.counts[outcome]} {outcome}" for outcome in OUTCOMES if self.counts[outcome]]
        return f"{self._name}: {', '.join(parts) or 'nothing to do'} in {seconds:.1f} s ({self._speed()})"

    def _speed(self) -> str:
        seconds = max(time.monotonic() - self._started, 1e-3)
        return f"{self.done / seconds:.1f} photos/s, {self.bytes / seconds / 1e6:.1f} MB/s"

    def _rate(self) -> str:
        counts = (f", {self.counts[name]} {name}" for name in ("unchanged", "failed") if self.counts[name])
        return self._speed() + "".join(counts)

    def _lines(self) -> None:
        """A line every ten seconds, also while nothing moves."""
        while not self._ended.wait(LINE_EVERY):
            with self._lock:
                done, seconds = self.done, time.monotonic() - self._started
                left = f", {(self._total - done) * seconds / done:.0f} s left" if done else ""
                share = f" ({done / self._total:.0%})" if self._total else ""
                logger.info(f"{self._name}: {done}/{self._total}{share}, {self._rate()}{left}")
