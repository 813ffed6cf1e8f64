"""Child processes that are ready when their start returns, and gone when they are told to stop."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil


class ChildFailed(Exception):
    """A child ended, or did not become ready; the message names it and its log."""


ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, `kill`, and a terminal that was closed."""

_PR_SET_PDEATHSIG = 1
_LONGEST_LINE = 300  # characters of a child's last words
_LOG_LIMIT = 5_000_000  # bytes; a longer log is put aside at the next start
# Found before any fork: looking for it in the child could wait for a lock that nobody holds there.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _end_with_parent() -> None:
    """In the child: be told to stop when the parent is gone, whatever ended it. Only Linux can do this."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextlib.contextmanager
def _endings_wait() -> Iterator[None]:
    """Hear of SIGINT, SIGTERM and SIGHUP after the block; only the main thread would hear of them in it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    told: list[int] = []
    # Others, ignored or left to the system, stay as they are: the child inherits them.
    handled = [number for number in ENDINGS if callable(signal.getsignal(number))]
    before = {number: signal.signal(number, lambda heard, _: told.append(heard)) for number in handled}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for heard in told[:1]:
        signal.raise_signal(heard)


class Child:
    """A program in a process group of its own, its output in a log file."""

    def __init__(
        self, name: str, command: Sequence[str], *, env: Mapping[str, str], log: Path, cwd: Path | None = None
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > _LOG_LIMIT:
            log.replace(log.with_suffix(".before.log"))
        with log.open("ab") as output, self._stopped_if_told_to_end():
            # The group lets us end the children's children; a terminal's Ctrl-C reaches only us.
            self._process = subprocess.Popen(  # noqa: S603 - its callers name the programs, no shell
                command,
                cwd=cwd,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )

    @contextlib.contextmanager
    def _stopped_if_told_to_end(self) -> Iterator[None]:
        """An ending in the middle of the block would leave a child of which nobody knows: it waits until its end."""
        try:
            with _endings_wait():
                yield
        except BaseException:
            if hasattr(self, "_process"):
                self.stop()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait_ready(self, ready: Callable[[], bool], *, timeout: float) -> None:
        """Return as soon as `ready` says so; ChildFailed when the child ends or the time is up."""
        deadline = time.monotonic() + timeout
        while not ready():
            if not self.running:
                raise ChildFailed(f"{self.name} ended while starting: {self.last_line()} (log: {self.log})")
            if time.monotonic() > deadline:
                raise ChildFailed(f"{self.name} was not ready after {timeout:.0f} s (log: {self.log})")
            time.sleep(0.1)

    def last_line(self) -> str:
        """The last thing the child said."""
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        return lines[-1].strip()[:_LONGEST_LINE] if lines else "it said nothing"

    def stop(self, *, grace: float = 10) -> None:
        """End the child and everything it started: asked first, killed after `grace` seconds."""
        family = self.family()
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)  # a paused process does not hear SIGTERM
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()
        # Some programs leave workers in groups of their own.
        for process in family:
            if process.is_running():
                process.kill()
        psutil.wait_procs(family, timeout=5)

    def kill(self) -> None:
        """End the child at once, as a crash would."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def family(self) -> list[psutil.Process]:
        """Everything that the child started and that is still there."""
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)
