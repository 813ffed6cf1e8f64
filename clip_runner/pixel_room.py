"""How many pixels may be decoded at once: memory then depends on the largest photo, not on the number of threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class PixelRoom:
    """Room for `pixels` decoded pixels over all threads; more have to wait until others are done.

    A photo of a few kilobytes may have as many pixels as are allowed; without this, each thread could hold such a one.
    """

    def __init__(self, pixels: int) -> None:
        self._all = pixels
        self._free = pixels
        self._changed = Condition()

    @contextmanager
    def __call__(self, pixels: int) -> Iterator[None]:
        """Hold room for so many pixels; all of it where there is less."""
        held = min(pixels, self._all)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= held)
            self._free -= held
        try:
            yield
        finally:
            with self._changed:
                self._free += held
                self._changed.notify_all()
