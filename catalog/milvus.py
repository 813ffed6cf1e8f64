"""The connection to Milvus: made when it is needed, made anew when it broke, its failures in our own words."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

import grpc
from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

from catalog.errors import CollectionMissing, StoreRefused, StoreUnavailable
from catalog.settings import StoreSettings

# Milvus' codes (internal/../merr): collection or alias not found; collection not, or not fully, in memory.
_MISSING = frozenset({100, 1600})
_NOT_LOADED = frozenset({101, 103})
# A server that is alive refuses what it was asked: privileges, parameters, anything unexpected; 6 is Milvus Lite's
# word for a condition that it cannot read.
_REFUSED = frozenset({6, 1100, 1101, 1102, 1400, 65535})
_REFUSED_CALLS = frozenset(
    {
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)

T = TypeVar("T")


class _NotLoaded(StoreUnavailable):
    """The collection is there, but not in memory."""


class _ConnectionLost(StoreUnavailable):
    """The connection broke; a new one may be had."""


class MilvusConnection:
    """Hands out one client to all threads; neither it nor its maker fails while Milvus is away."""

    def __init__(self, settings: StoreSettings) -> None:
        self._uri = settings.milvus_uri
        self._user = settings.milvus_user
        self._password = settings.milvus_password.get_secret_value()
        self._timeout = settings.milvus_timeout
        self._client: MilvusClient | None = None
        self._connecting: Future[MilvusClient] | None = None
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._written: set[str] = set()
        # The client logs every failed call with a traceback; here each becomes an exception, told once.
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)

    def call(
        self,
        function: Callable[[MilvusClient], T],
        *,
        reads: str | None = None,
        writes: str | None = None,
        again: bool = True,
    ) -> T:
        """Call Milvus; raises StoreUnavailable, StoreRefused or CollectionMissing for its errors.

        Args:
            function: calls of the client, each with a time limit; run again where the connection broke, since a
                server that was restarted is noticed only then.
            reads: the collection that it reads; loaded where it is not.
            writes: the collection that it writes to; see `consistency`.
            again: whether it can be run again without a look at what came before it.
        """
        for _ in range(2):
            try:
                return self._once(function, writes)
            except _ConnectionLost:
                if not again:
                    raise
            except _NotLoaded:
                if reads is None:
                    raise
                self._load(reads)
        return self._once(function, writes)

    def consistency(self, collection: str) -> str:
        """How new a reading must be: with all that was written through here, or else with all but the last seconds.

        A reader's "Session" promises nothing where it has written nothing: a Milvus that was restarted would answer
        it before it has read its own log again, without what it had not yet put into segments, or with nothing.
        "Bounded" waits for that and, while Milvus runs, for nothing.
        """
        return "Session" if collection in self._written else "Bounded"

    def close(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _once(self, function: Callable[[MilvusClient], T], writes: str | None = None) -> T:
        client = self._connected()
        try:
            done = function(client)
            if writes is not None:  # a write that failed has no moment that a "Session" could wait for
                self._written.add(writes)
            return done
        except MilvusException as error:
            if error.code in _MISSING:
                raise CollectionMissing(error.message) from error
            if error.code in _NOT_LOADED:
                raise _NotLoaded("milvus", error.message) from error
            if error.code in _REFUSED:
                raise StoreRefused("milvus", error.message) from error
            raise StoreUnavailable("milvus", error.message) from error
        except grpc.RpcError as error:
            code = error.code() if isinstance(error, grpc.Call) else None
            if code is grpc.StatusCode.DEADLINE_EXCEEDED:
                # The connection stays: a server that was only slow goes on with it, and gRPC's own keepalive finds
                # out within 15 s when nobody is there any more.
                raise StoreUnavailable("milvus", "no answer in time") from error
            if code is not None and code in _REFUSED_CALLS:
                raise StoreRefused("milvus", f"{self._who} may not do this ({code.name})") from error
            self._drop(client)
            raise _ConnectionLost("milvus", code.name if code else type(error).__name__) from error
        except ValueError as error:
            if client is self._client:
                raise
            # Another thread found the connection broken, and closed it under this one.
            raise _ConnectionLost("milvus", "the connection was closed") from error

    def _load(self, collection: str) -> None:
        """Have the server read a collection into memory; threads that find it missing together ask once."""
        if not self._loading.acquire(timeout=self._timeout):
            raise StoreUnavailable("milvus", f"{collection} is still being loaded into memory")
        try:
            self._once(lambda client: client.load_collection(collection, timeout=self._timeout))
        except StoreRefused as error:
            raise StoreUnavailable(
                "milvus", f"{collection} is not in memory, and {self._who} may not load it"
            ) from error
        finally:
            self._loading.release()

    def _connected(self) -> MilvusClient:
        """The client; where there is none, one thread makes it while the others wait for what comes of it."""
        with self._lock:
            if self._client is not None:
                return self._client
            connecting = self._connecting
            mine = connecting is None
            if connecting is None:
                connecting = self._connecting = Future()
        if not mine:
            return connecting.result()
        try:
            client = self._connect()
        except BaseException as error:
            with self._lock:
                self._connecting = None
            connecting.set_exception(error)
            raise
        with self._lock:
            self._client, self._connecting = client, None
        connecting.set_result(client)
        return client

    @property
    def _who(self) -> str:
        return f"the user {self._user!r}" if self._user else "a call without a user"

    def _connect(self) -> MilvusClient:
        try:
            client = MilvusClient(
                self._uri, user=self._user, password=self._password, timeout=self._timeout, dedicated=True
            )
        except MilvusException as error:
            cause = error.__cause__
            code = cause.code() if isinstance(cause, grpc.Call) else None
            if code is grpc.StatusCode.UNAUTHENTICATED:
                raise StoreRefused("milvus", f"{self._who}, or the password (MILVUS_USER, MILVUS_PASSWORD)") from error
            raise StoreUnavailable("milvus", f"no connection to {self._uri}") from error
        except (grpc.RpcError, OSError) as error:
            raise StoreUnavailable("milvus", f"no connection to {self._uri}") from error
        # Left to itself the client mends a broken connection by waiting for a new one, up to the time limit, under
        # a lock that all its users share: with 30 threads the last would wait a minute. Failing at once is ours to
        # handle, in `call`.
        client._handler._on_rpc_error = _fail_at_once
        return client

    def _drop(self, broken: MilvusClient) -> None:
        """Forget a client whose channel broke: gRPC's own reconnecting backs off for up to two minutes."""
        with self._lock:
            mine = self._client is broken
            if mine:
                self._client = None
        if mine:
            broken.close()


def _fail_at_once(error: Exception) -> bool:
    if isinstance(error, grpc.RpcError):
        raise error
    return False  # "not handled": the client raises it itself
