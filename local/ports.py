"""Ports of 127.0.0.1: whether one is free, and which ones are."""

from __future__ import annotations

import itertools
import random
import socket

HOST = "127.0.0.1"

# Below the ports that the system gives to outgoing connections: one of those may take a port between our look and the
# server's start. In random order, so that programs that run side by side seldom meet.
_CANDIDATES = itertools.cycle(random.sample(range(15_000, 32_000), 17_000))


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Whether something accepts connections on the port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((HOST, port)) == 0


def free_port() -> int:
    """A port that was free a moment ago, and that this process has not been given before."""
    while True:
        port = next(_CANDIDATES)
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
        return port
