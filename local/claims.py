"""What only one stack at a time can have: its ports, and its folder."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from local.ports import is_free


class Claimed(Exception):
    """Another program has it; the message says what, and what to change."""


def check_ports(ports: Mapping[str, int]) -> None:
    """Raise Claimed for a port that is in use; `ports` are named by the variables that set them."""
    seen: dict[int, str] = {}
    for variable, port in ports.items():
        if port in seen:
            raise Claimed(f"{seen[port]} and {variable} are both {port}; choose another for one of them")
        seen[port] = variable
        if not is_free(port):
            raise Claimed(f"port {port} is in use; stop what listens there, or choose another: {variable}=...")


@contextmanager
def claim(folder: Path) -> Iterator[None]:
    """Keep `folder` to this process: two stores over the same data would spoil it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Claimed(f"{folder} is in use by another `make run`; end that, or set LOCAL_DIR=...") from None
        yield
