"""Milvus Lite's server, made safe for several clients: `python -m local.milvus_lite --data-dir D --port P`.

Milvus Lite 3.2 is written for one process that does one thing after the other. Its own server (`milvus-lite server`)
lets requests run side by side: upserts that meet spoil its log, so that after a restart rows are missing or the server
does not start; and a collection that two clients ask for first is opened twice, of which one is never loaded. So here
all collections are open before the first request comes, whatever changes something runs alone, and new rows are moved
into segments early, without being out of sight meanwhile.
"""

from __future__ import annotations

import argparse
import os
import signal
import threading
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any, NoReturn

import grpc

# What is not yet in segments is searched row by row, and moving it there holds everybody up: with its own 128 MB both
# take seconds, with 16 one at most (15,000 items of 512 numbers: 1.7 and 1.0 s). Read when it is imported.
os.environ.setdefault("MILVUS_LITE_MEMTABLE_MEMORY_LIMIT_BYTES", str(16 * 1024 * 1024))

from milvus_lite import db
from milvus_lite.adapter.grpc.servicer import MilvusServicer
from milvus_lite.engine.collection import Collection
from pymilvus.grpc_gen import milvus_pb2_grpc

from local.ports import HOST

_THREADS = 32  # more than clients have calls under way: those that wait for their turn must not hold up searches
_GRACE = 5.0  # seconds for requests under way when the server is ended
_MAX_MESSAGE = 256 * 1024 * 1024  # bytes, as in Milvus
# Milvus' client pings an idle connection every 10 s; left to its defaults the server calls that too many and hangs up.
_KEEPALIVE = (
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5000),
    ("grpc.http2.max_ping_strikes", 0),
)
_READS = ("Connect", "Describe", "Get", "Has", "List", "Query", "Search", "HybridSearch", "Show")


class _OneChangeAtATime(grpc.ServerInterceptor):  # type: ignore[misc]  # grpc has no types
    """Lets requests that only read run side by side, and all others one after the other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        handler = continuation(details)
        name = str(details.method).rpartition("/")[2]
        if handler is None or not handler.unary_unary or name.startswith(_READS):
            return handler

        def alone(request: Any, context: Any) -> Any:
            with self._lock:
                return handler.unary_unary(request, context)

        return grpc.unary_unary_rpc_method_handler(
            alone, request_deserializer=handler.request_deserializer, response_serializer=handler.response_serializer
        )


class _WholeWhileFlushed(Collection):  # type: ignore[misc]  # it comes without types
    """Its rows are out of sight for no longer than a step while they become a segment.

    Milvus Lite puts them aside first and waits for its lock then, for as long as a compaction takes: a search finds
    them in neither place.
    """

    def _trigger_flush(self) -> None:
        with self._maintenance_lock:
            super()._trigger_flush()


def serve(data: Path, port: int) -> None:
    """Serve the data in a folder on 127.0.0.1 until SIGTERM or SIGINT."""
    signal.signal(signal.SIGTERM, _interrupt)
    db.Collection = _WholeWhileFlushed
    database = db.MilvusLite(str(data))
    try:
        for name in database.list_collections():
            database.get_collection(name).load()
        server = grpc.server(
            futures.ThreadPoolExecutor(_THREADS),
            interceptors=[_OneChangeAtATime()],
            options=[("grpc.max_receive_message_length", _MAX_MESSAGE), ("grpc.max_send_message_length", _MAX_MESSAGE),
                     ("grpc.so_reuseport", 0), *_KEEPALIVE],
        )  # fmt: skip
        milvus_pb2_grpc.add_MilvusServiceServicer_to_server(MilvusServicer(database), server)
        server.add_insecure_port(f"{HOST}:{port}")
        server.start()
        try:
            server.wait_for_termination()
        finally:
            server.stop(_GRACE).wait()
    except KeyboardInterrupt:
        pass
    finally:
        database.close()


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Milvus Lite's server on 127.0.0.1.")
    parser.add_argument("--data-dir", type=Path, required=True, help="folder of the data; only one server may use it")
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    serve(arguments.data_dir, arguments.port)
