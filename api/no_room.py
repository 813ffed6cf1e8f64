"""Answers in a flood, given by the connection itself, before a request becomes a task.

There is no room then, or was none a moment ago. Most requests are refused, and what refusing them costs is missing for
the accepted ones: the usual way makes a task, and goes through BentoML's layers to the gate, to say the same. Health
and metrics are answered here too: a task has to wait for its round of the event loop, and in a flood rounds are long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from time import perf_counter

from starlette.responses import Response

from api.accounting import account_for
from api.admission import Admission
from api.answer_head import POLICY, carried, request_id, trace_id
from api.errors import ApiError, Overloaded
from api.metering import Metrics
from telemetry.logs import request_id_var, trace_id_var

Headers = Sequence[tuple[bytes, bytes]]


class NoRoom:
    """Knows whether there is room, and what to answer where there is none: what the gate would."""

    def __init__(self, admission: Admission, metrics: Metrics) -> None:
        self._admission = admission
        self._metrics = metrics
        self._on_their_way = 0
        self.vital: Mapping[str, Callable[[], Response]] = {}
        """By path: what is answered even now, see `api.vital`."""

    @property
    def lately(self) -> bool:
        """Whether there is an answer to some requests here: there is no room, or was none a moment ago."""
        return self._admission.room.full_lately

    @property
    def _room_left(self) -> int:
        room = self._admission.room
        return room.limit - room.in_flight - self._on_their_way

    def _expect(self) -> None:
        """Count a request that goes the usual way: its task takes its place in the next round of the event loop.

        Until then room seems to be left, and all that is read in this round would be let in, for the gate to refuse.
        Whose key is wrong is not counted; who is over its rate is, since to ask for that is to count it there.
        In the next round, since nothing between the connection and the gate waits (see `api.time_limit`, too).
        """
        if not self._on_their_way:
            asyncio.get_running_loop().call_soon(self._arrived)
        self._on_their_way += 1

    def _arrived(self) -> None:
        self._on_their_way = 0

    def answer(
        self, method: str, path: str, headers: Headers, peer: tuple[str, int] | None, always: Headers
    ) -> bytes | None:
        """The whole answer; None where the request shall go the usual way.

        `always` are the server's own headers: the date.
        """
        admission = self._admission
        door = admission.doors.find(path)
        vital = self.vital.get(path) if method == "GET" else None
        counts = door.limited and method in ("GET", "POST")
        refused = counts and self._room_left <= 0
        by_name = dict(headers)
        if not (vital or refused) or admission.draining:
            if counts and admission.knows(door, by_name):
                self._expect()
            return None
        started = perf_counter()
        if vital is not None and b"origin" in by_name:
            return None  # a browser's page, which may have to be told that it may read the answer
        client = admission.client(peer, by_name)
        name = request_id(by_name)
        id_token, trace_token = request_id_var.set(name), trace_id_var.set(trace_id(by_name))
        try:
            caller: str | None = None
            try:
                caller = admission.admit(door, method, by_name, client)
                if vital is None:
                    raise Overloaded(admission.room.limit)
                answer = vital()
            except ApiError as error:
                self._metrics.refused(error.code)
                answer = error.answer()
            body = bytes(answer.body)
            seconds = perf_counter() - started
            account_for(
                self._metrics, door, method, answer.status_code,
                seconds=seconds, sent=len(body), client=client, caller=caller,
            )  # fmt: skip
        finally:
            request_id_var.reset(id_token)
            trace_id_var.reset(trace_token)
        lines = [b"HTTP/1.1 %d %s" % (answer.status_code, HTTPStatus(answer.status_code).phrase.encode())]
        lines += [b"%s: %s" % header for header in (*always, *answer.raw_headers, *carried(name, POLICY))]
        return b"\r\n".join([*lines, b"", body])
