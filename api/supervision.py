"""How BentoML's supervisor (circus) treats the processes of an instance: bentoml 1.4.39 leaves too much to chance."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from socket import SHUT_RDWR
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from circus.watcher import Watcher

_API = "service"
"""BentoML's name for the processes that answer the public."""

_PUBLIC_SOCKET = "_bento_api_server"
_LOOK_EVERY = 1.0
"""Seconds between two looks for processes that died; BentoML looks every ten."""

_SOCKET_CLOSED_AFTER = 0.3
"""Seconds after which the API's processes, once told to stop, accept no connections any more; uvicorn's step is 0.1."""


def supervise(*, grace: float) -> None:
    """Before the processes are started, in the supervisor: see to it that

    - a process that died is replaced within moments, in a container too (there BentoML replaces none);
    - an instance that is told to stop ends the API first, while the model still works: what was accepted is answered;
    - a process that hangs does not hold up the stop for longer than `grace` seconds (BentoML waits for a day).
    """
    # Here: the processes that serve need neither.
    from bentoml._internal.utils.circus import Arbiter
    from tornado import gen

    make = Arbiter.__init__

    def init(self: Arbiter, watchers: list[Watcher], *args: Any, **kwargs: Any) -> None:
        for watcher in watchers:
            watcher.respawn = True
            watcher.graceful_timeout = grace
        make(self, watchers, *args, **(kwargs | {"check_delay": _LOOK_EVERY}))

    @gen.coroutine
    def stop_watchers(self: Arbiter, close_output_streams: bool = False, **_: Any) -> Generator[Any, Any, None]:
        watchers = list(self.iter_watchers(reverse=False))
        ended = gen.multi([one._stop(close_output_streams) for one in watchers if one.name == _API])
        yield gen.sleep(_SOCKET_CLOSED_AFTER)
        # The runner has inherited the public socket too: while anybody holds it open, the system takes connections that
        # nobody will answer. Shut down, it refuses them.
        with suppress(OSError):
            self.sockets[_PUBLIC_SOCKET].shutdown(SHUT_RDWR)
        yield ended
        yield gen.multi([one._stop(close_output_streams) for one in watchers if one.name != _API])

    Arbiter.__init__ = init
    Arbiter._stop_watchers = stop_watchers
