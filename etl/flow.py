"""Threads that hand work to each other over bounded channels, and all end when one fails."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from etl.errors import Stopped

T = TypeVar("T")


class Flow:
    """A group of threads; the first failure ends all of them."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._lock = threading.Lock()
        self._failure: BaseException | None = None
        self._threads: list[threading.Thread] = []
        self._channels: list[Channel[Any]] = []

    @property
    def stop(self) -> threading.Event:
        """Set when the threads are to end."""
        return self._stop

    def add(self, channel: Channel[Any]) -> None:
        """Wake this channel's users when the threads are to end."""
        self._channels.append(channel)

    def start(self, name: str, work: Callable[[], None], *, threads: int = 1, then: Callable[[], None]) -> None:
        """Run `work` in so many threads; the last one that ends does `then`."""
        left = threads
        lock = threading.Lock()

        def run() -> None:
            nonlocal left
            try:
                work()
                with lock:
                    left -= 1
                    is_last = left == 0
                if is_last:
                    then()
            except Stopped:
                pass
            except BaseException as error:  # handed to whoever joins
                self.fail(error)

        for number in range(threads):
            thread = threading.Thread(target=run, name=f"{name} {number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def fail(self, error: BaseException) -> None:
        """End all threads; `join` raises the first error."""
        with self._lock:
            self._failure = self._failure or error
        self._stop.set()
        for channel in self._channels:
            channel.wake()

    def join(self) -> None:
        """Wait for all threads; raises what one of them failed with."""
        try:
            for thread in self._threads:
                while thread.is_alive():
                    thread.join(0.5)  # with a limit, so that Ctrl-C is heard
        except BaseException as error:
            self.fail(error)
            deadline = time.monotonic() + 30
            for thread in self._threads:
                thread.join(max(0.0, deadline - time.monotonic()))
            raise
        if self._failure is not None:
            raise self._failure


class Channel(Generic[T]):
    """A queue that can be closed, and gathered from in batches. Thread-safe; every call ends with Stopped."""

    def __init__(self, flow: Flow, size: int) -> None:
        flow.add(self)
        self._size = size
        self._stop = flow.stop
        self._things: deque[T] = deque()
        # Two, so that each thing wakes one thread, and not all that wait on either side.
        lock = threading.Lock()
        self._came, self._went = threading.Condition(lock), threading.Condition(lock)
        self._closed = False

    def put(self, thing: T) -> None:
        """Add; waits while the channel is full."""
        with self._went:
            self._went.wait_for(lambda: len(self._things) < self._size or self._stop.is_set())
            self._check()
            self._things.append(thing)
            self._came.notify()

    def close(self) -> None:
        """Say that nothing more comes."""
        with self._came:
            self._closed = True
            self._came.notify_all()

    def wake(self) -> None:
        with self._came:
            self._came.notify_all()
            self._went.notify_all()

    def __iter__(self) -> Iterator[T]:
        for batch in self.batches(lambda batch, _: not batch, idle=0):
            yield batch[0]

    def batches(self, fits: Callable[[list[T], T], bool], *, idle: float) -> Iterator[list[T]]:
        """What comes, in batches.

        Args:
            fits: whether one more thing fits into a batch; an empty batch takes any.
            idle: seconds without anything coming, after which a batch goes as it is.
        """
        while batch := self._batch(fits, idle):
            yield batch

    def _batch(self, fits: Callable[[list[T], T], bool], idle: float) -> list[T]:
        batch: list[T] = []
        with self._came:
            while True:
                self._came.wait_for(
                    lambda: self._things or self._closed or self._stop.is_set(), timeout=idle if batch else None
                )
                self._check()
                if not self._things:
                    return batch  # nothing came in time, or the channel was closed
                if batch and not fits(batch, self._things[0]):
                    self._came.notify()  # full: what was told to this thread is for another one
                    return batch
                batch.append(self._things.popleft())
                self._went.notify()

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped


class Budget:
    """A number of bytes that may be held at once. Thread-safe; ends with Stopped."""

    def __init__(self, most: int, stop: threading.Event) -> None:
        self._most = most
        self._stop = stop
        self._held = 0
        self._changed = threading.Condition()

    def take(self, size: int) -> None:
        """Wait until there is room; whatever is larger than all of it gets all of it."""
        with self._changed:
            while self._held and self._held + size > self._most:
                self._changed.wait(0.5)
                if self._stop.is_set():
                    raise Stopped
            self._held += size

    def give_back(self, size: int) -> None:
        with self._changed:
            self._held -= size
            self._changed.notify_all()
