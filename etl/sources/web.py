"""Photos and archives from the web, without letting a table's links reach into the own network."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Any, BinaryIO
from urllib.parse import unquote, urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from etl.errors import RecordError
from etl.sources.tree import Photo

_TRIES = 3
_PAUSE = 1.0  # seconds before the second try; twice as long before the third
_MOST_PAUSE = 20.0  # seconds, however long a server asks for
_MOST_REDIRECTS = 5
_CHUNK = 1 << 16
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class WebSession:
    """Fetches over pooled connections. Thread-safe.

    Each connection resolves its host's name once, checks all addresses, and connects to one that was checked, so
    neither a redirect nor a name that changes its address in between leads where nobody may go.
    """

    def __init__(self, *, allowed: Callable[[str], bool], timeout: float, connections: int) -> None:
        """Args:
        allowed: whether an IP address may be connected to: `is_public`, or more.
        timeout: seconds for a whole answer.
        connections: most of them to one host.
        """
        self.timeout = timeout
        self._session = requests.Session()
        self._session.max_redirects = _MOST_REDIRECTS
        self._session.headers["User-Agent"] = "fashion-search-etl"
        adapter = _GuardedAdapter(allowed, connections)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, adapter)

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[requests.Response]:
        """The answer to a GET, its body still to be read; RecordError where there is none."""
        wait = (min(5.0, self.timeout), min(10.0, self.timeout))
        try:
            with self._session.get(url, headers=headers, stream=True, timeout=wait) as answer:
                yield answer
        except (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError) as error:
            raise RecordError("timeout", f"{_shown(url)}: no answer in time") from error
        except requests.TooManyRedirects as error:
            raise RecordError(
                "too_many_redirects", f"{_shown(url)} redirects more than {_MOST_REDIRECTS} times"
            ) from error
        except ValueError as error:  # what requests says of addresses and schemes that are none is one, too
            raise RecordError("invalid_url", f"{_shown(url)} is no address of the web") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise RecordError("unreachable", f"{_shown(url)}: no connection, or it broke") from error

    def photo(self, url: str, known: str | None, most: int) -> Photo | None:
        """A photo; None where it is unchanged since the mark `known`. Tries again what may pass.

        Raises RecordError with `http_404` (or what the status is), `timeout`, `unreachable`, `private_address`,
        `file_too_large`, `invalid_url` or `too_many_redirects`.
        """
        deadline = time.monotonic() + self.timeout
        for tried in range(1, _TRIES + 1):
            pause = _PAUSE * tried
            try:
                with self.get(url, _only_if_changed(known)) as answer:
                    if answer.status_code == 304:
                        return None
                    if answer.ok:
                        return Photo(_body(answer, most, deadline), _mark(answer))
                    error = RecordError(f"http_{answer.status_code}", f"{_shown(url)} answers {answer.status_code}")
                    passing = answer.status_code == 429 or answer.status_code >= 500
                    pause = max(pause, _asked(answer))
            except RecordError as failure:
                error, passing = failure, failure.code in ("unreachable", "timeout")
            if not passing or tried == _TRIES or time.monotonic() + pause > deadline:
                raise error
            time.sleep(pause)
        raise AssertionError("unreachable")

    def close(self) -> None:
        self._session.close()


class WebTree:
    """What lies beside a table on the web: paths are relative to its address, or addresses of their own."""

    def __init__(self, base: str, session: WebSession, *, most: int) -> None:
        self._base = base
        self._session = session
        self._most = most
        self.name = urlsplit(base).netloc

    def paths(self) -> Iterator[str]:
        return iter(())  # the web cannot be listed

    def exists(self, path: str) -> bool:  # noqa: ARG002 - as any Tree
        return False

    def open(self, path: str) -> BinaryIO:
        photo = self.read(path)
        return BytesIO(photo.content if photo else b"")

    def mark(self, path: str) -> str | None:  # noqa: ARG002 - as any Tree
        return None

    def read(self, path: str, known: str | None = None) -> Photo | None:
        return self._session.photo(urljoin(self._base, path), known, self._most)

    def close(self) -> None:
        pass


def is_url(path: str) -> bool:
    return path.lower().startswith(("http://", "https://"))


def path_of_url(url: str) -> str:
    """A photo's path where its table names it by an address: the address' path, and its query where it has one."""
    parts = urlsplit(url)
    path = unquote(parts.path).lstrip("/")
    return f"{path}?{parts.query}" if parts.query else path


def allowed_address(host: str, port: int, allowed: Callable[[str], bool]) -> str:
    """One of the host's addresses; RecordError when any of them is not allowed."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise RecordError("unreachable", f"{host}: there is no such host") from error
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not allowed(address):
            raise RecordError(
                "private_address",
                f"{host if host == address else f'{host} ({address})'} is an address of a private network; "
                "--allow-private lets it in",
            )
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether an address belongs to the public internet, also when it is wrapped into an IPv6 one."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


class _GuardedAdapter(HTTPAdapter):
    """Its direct connections check the address that they connect to; through a proxy, the name is checked."""

    def __init__(self, allowed: Callable[[str], bool], connections: int) -> None:
        self._allowed = allowed
        super().__init__(pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _guarded_pools(self._allowed)

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        url = request.url or ""
        if requests.utils.select_proxy(url, options.get("proxies")):
            parts = urlsplit(url)
            allowed_address(parts.hostname or "", parts.port or 443, self._allowed)
        return super().send(request, *args, **options)


def _guarded_pools(allowed: Callable[[str], bool]) -> dict[str, type[HTTPConnectionPool]]:
    class Guarded(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            name = self._dns_host
            self._dns_host = allowed_address(name, self.port, allowed)
            try:
                return super()._new_conn()
            finally:
                self._dns_host = name  # the Host header and the certificate are about the name

    class GuardedTls(Guarded, HTTPSConnection):
        pass

    class Pool(HTTPConnectionPool):
        ConnectionCls = Guarded

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = GuardedTls

    return {"http": Pool, "https": TlsPool}


def _only_if_changed(known: str | None) -> dict[str, str]:
    kind, _, value = (known or "").partition(":")
    names = {"etag": "If-None-Match", "date": "If-Modified-Since"}
    return {names[kind]: value} if kind in names else {}


def _mark(answer: requests.Response) -> str | None:
    if etag := answer.headers.get("ETag"):
        return f"etag:{etag}"
    date = answer.headers.get("Last-Modified")
    return f"date:{date}" if date else None


def _body(answer: requests.Response, most: int, deadline: float) -> bytes:
    """The whole body, within the time and the size that are allowed."""
    shown = _shown(answer.url)
    parts: list[bytes] = []
    size = 0
    # read1 gives what has come; read would wait for a whole chunk, and a server that sends a byte a second wins.
    while part := answer.raw.read1(_CHUNK, decode_content=True):
        size += len(part)
        if size > most:
            raise RecordError("file_too_large", f"{shown} has more than {most:,} bytes")
        if time.monotonic() > deadline:
            raise RecordError("timeout", f"{shown}: not all of it came in time")
        parts.append(part)
    return b"".join(parts)


def _asked(answer: requests.Response) -> float:
    text = answer.headers.get("Retry-After", "")
    return min(float(text), _MOST_PAUSE) if text.isdigit() else 0.0


def _shown(url: str) -> str:
    """An address without its query and without a password, for messages."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return repr(url[:100])
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
