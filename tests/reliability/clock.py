"""The service's clock, which a test may set wrong; only that of processes started with `preloaded`."""

from __future__ import annotations

from pathlib import Path

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


class Clock:
    """Goes wrong by `offset` seconds, a second or two after it is set."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.set(0)

    def set(self, offset: int) -> None:
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{offset:+}")
        fresh.replace(self.file)  # never read half written

    def preloaded(self) -> dict[str, str]:
        """What a process needs in its environment to go by this clock; nothing where libfaketime is not installed."""
        if FAKETIME is None:
            return {}
        return {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_CACHE_DURATION": "1",  # seconds; reading the file at each look at the clock costs much
            # What waits and measures goes by the monotonic clock, which no administrator can move.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
