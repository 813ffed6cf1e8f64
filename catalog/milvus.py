"""The connection to Milvus: made when it is needed, made anew when it broke, its failures in our own words."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

import grpc
from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

from catalog.errors import CatalogError, CollectionMissing, StoreUnavailable
from catalog.settings import StoreSettings

# Codes for "there is no such collection" and "no such alias" (Milvus 2.3 to 2.6, Milvus Lite).
_MISSING = frozenset({4, 100, 1600})
# Codes with which a server that is alive refuses what it was asked.
_REFUSED = frozenset({5, 6, 1100, 1101, 65535})
_NOT_LOADED = 101
_LOAD_TIMEOUT = 30.0  # seconds

T = TypeVar("T")


class _NotLoaded(CatalogError):
    """The collection is there, but not in memory."""


class MilvusConnection:
    """Hands out one client to all threads; neither it nor its maker fails while Milvus is away."""

    def __init__(self, settings: StoreSettings) -> None:
        self._uri = settings.milvus_uri
        self._user = settings.milvus_user
        self._password = settings.milvus_password.get_secret_value()
        self._timeout = settings.milvus_timeout
        self._client: MilvusClient | None = None
        self._lock = threading.Lock()
        # The client logs every failed call with a traceback; here each becomes an exception, told once.
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)

    def call(self, function: Callable[[MilvusClient], T], *, reads: str | None = None) -> T:
        """Call Milvus; raises StoreUnavailable, CollectionMissing or CatalogError for its errors.

        Args:
            function: one call of the client; it is repeated where `reads` had to be loaded first.
            reads: the collection that it reads. A restarted Milvus Lite has it on disk alone.
        """
        try:
            return self._once(function)
        except _NotLoaded:
            if reads is None:
                raise
            self._once(lambda client: client.load_collection(reads, timeout=_LOAD_TIMEOUT))
            return self._once(function)

    def _once(self, function: Callable[[MilvusClient], T]) -> T:
        client = self._connected()
        try:
            return function(client)
        except MilvusException as error:
            if error.code in _MISSING:
                raise CollectionMissing(error.message) from error
            if error.code == _NOT_LOADED:
                raise _NotLoaded(error.message) from error
            if error.code in _REFUSED:
                raise CatalogError(f"Milvus refused: {error.message}") from error
            self._drop(client)
            raise StoreUnavailable("milvus", error.message) from error
        except (grpc.RpcError, ConnectionError, TimeoutError) as error:
            self._drop(client)
            raise StoreUnavailable("milvus", type(error).__name__) from error

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = None

    def _connected(self) -> MilvusClient:
        # Waiting for the lock takes as long as another thread's connecting, which is bounded.
        with self._lock:
            if self._client is None:
                try:
                    self._client = MilvusClient(
                        self._uri, user=self._user, password=self._password, timeout=self._timeout, dedicated=True
                    )
                except (MilvusException, grpc.RpcError, ConnectionError, TimeoutError) as error:
                    raise StoreUnavailable("milvus", "no connection") from error
            return self._client

    def _drop(self, broken: MilvusClient) -> None:
        """Forget a client whose channel broke: gRPC's own reconnecting backs off for up to two minutes."""
        with self._lock:
            if self._client is broken:
                self._client = None
