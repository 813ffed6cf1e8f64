"""The photos: put into an S3 store, handed out by presigned links."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from urllib.parse import quote, urlsplit

import urllib3
from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import MinioException, S3Error

from catalog.errors import CatalogError, StoreRefused, StoreUnavailable
from catalog.settings import StoreSettings

_PING_TIMEOUT = 1.0  # seconds
_SHARED_LIFE = 10  # a link is handed out again for this part of its life: a browser shows the photo that it has
_LINKS_KEPT = 8192  # about 0.6 kB each
_MISSING = frozenset({"NoSuchKey", "NoSuchObject", "NoSuchBucket"})
_CREDENTIALS = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"})


def object_name(source: str, id: str, ending: str = "") -> str:
    """The name of an item's photo in the bucket: its source and id, escaped as in URLs, with the photo's ending.

    What no store would take as a name is replaced by its SHA-256: empty parts, dots alone, more than 200 bytes.
    """
    folder, name = quote(source, safe=""), quote(id)
    # Without an ending, `a` would be a file where `a/b` needs a folder: not every store takes both.
    return f"{folder if _speakable(folder) else _digest(source)}/{name if _speakable(name) else _digest(id)}" + (
        ending or ".photo"
    )


def _speakable(path: str) -> bool:
    parts = path.split("/")
    return len(path) <= 700 and all(part not in ("", ".", "..") and len(part) <= 200 for part in parts)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Entry:
    """An object as a listing shows it: its size in bytes, and a text that changes with its content."""

    name: str
    size: int
    etag: str


class ImageStore:
    """One bucket of an S3 store. Thread-safe; every call has a time limit.

    Every method but `link` raises StoreUnavailable when the store does not answer, and StoreRefused when it answers
    that this may not be.
    """

    def __init__(self, settings: StoreSettings) -> None:
        self._bucket = settings.minio_bucket_name
        self._expires = timedelta(seconds=settings.presign_expires)
        self._shared = max(1, settings.presign_expires // _SHARED_LIFE)  # seconds
        self._signed = lru_cache(_LINKS_KEPT)(self._sign)
        self._client = _client(settings, settings.minio_endpoint, settings.minio_timeout)
        self._pinger = _client(settings, settings.minio_endpoint, _PING_TIMEOUT, retries=0)
        # The host is part of a link's signature, so links are signed by a client that believes to speak to the
        # public host; its region is known, so that it never has to ask.
        self._signer = _client(settings, settings.minio_public_endpoint, _PING_TIMEOUT)

    def ping(self) -> None:
        """Return when the store answers and accepts the credentials; the bucket itself may be still to come."""
        with _translated():
            self._pinger.bucket_exists(self._bucket)

    def ensure_bucket(self) -> None:
        """Make the bucket where it is missing."""
        with _translated():
            if not self._client.bucket_exists(self._bucket):
                self._client.make_bucket(self._bucket)

    def put(self, name: str, content: bytes, content_type: str) -> None:
        """Write an object; one of that name is replaced."""
        with _translated():
            self._client.put_object(self._bucket, name, io.BytesIO(content), len(content), content_type)

    def get(self, name: str) -> bytes:
        """An object's content; KeyError where there is none."""
        with _translated(name):
            response = self._client.get_object(self._bucket, name)
            try:
                return bytes(response.read())
            finally:
                response.close()
                response.release_conn()

    def exists(self, name: str) -> bool:
        """Whether there is an object of that name."""
        try:
            with _translated(name):
                self._client.stat_object(self._bucket, name)
        except KeyError:
            return False
        return True

    def remove(self, names: Sequence[str]) -> None:
        """Remove objects; names that are not there are passed over."""
        with _translated():
            failed = list(self._client.remove_objects(self._bucket, (DeleteObject(name) for name in names)))
        if failed:
            raise CatalogError(f"{len(failed)} objects could not be removed, the first: {failed[0].name}")

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """All objects under a prefix."""
        with _translated():
            for entry in self._client.list_objects(self._bucket, prefix=prefix, recursive=True):
                if entry.object_name and not entry.is_dir:
                    yield Entry(entry.object_name, entry.size or 0, entry.etag or "")

    def names(self, prefix: str = "") -> Iterator[str]:
        """The names of all objects under a prefix."""
        return (entry.name for entry in self.entries(prefix))

    def link(self, name: str) -> str:
        """A link that opens this one object, read-only, until it expires: the same one for a tenth of its life, from
        whichever instance, so it is good for nine tenths at least. Signed here; nobody is asked."""
        return self._signed(name, int(time.time()) // self._shared * self._shared)

    def _sign(self, name: str, since: int) -> str:
        """The link whose life begins at `since`, in seconds since 1970."""
        begins = datetime.fromtimestamp(since, UTC)
        return str(self._signer.presigned_get_object(self._bucket, name, expires=self._expires, request_date=begins))


def _client(settings: StoreSettings, endpoint: str, timeout: float, *, retries: int = 1) -> Minio:
    url = urlsplit(endpoint)
    pool = urllib3.PoolManager(
        num_pools=4,
        maxsize=16,
        timeout=urllib3.Timeout(connect=min(timeout, 2), read=timeout),
        # Every call here can be repeated safely: puts write the same bytes again.
        retries=urllib3.Retry(total=retries, backoff_factor=0.1, status_forcelist=(500, 502, 503, 504)),
    )
    return Minio(
        url.netloc,
        access_key=settings.minio_access_key_id,
        secret_key=settings.minio_secret_access_key.get_secret_value(),
        secure=url.scheme == "https",
        region=settings.minio_region,
        http_client=pool,
    )


@contextmanager
def _translated(name: str | None = None) -> Iterator[None]:
    """Failures in our own words; with a name, its absence is a KeyError."""
    try:
        yield
    except S3Error as error:
        code = error.code or "error"
        if code in _MISSING and name is not None:
            raise KeyError(name) from error
        if code in _CREDENTIALS:
            raise StoreRefused("store", f"the credentials, or they may not do this ({code})") from error
        if error.response.status < 500:
            raise StoreRefused("store", f"{code}: {error.message}") from error
        raise StoreUnavailable("store", code) from error
    except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
        raise StoreUnavailable("store", type(error).__name__) from error
