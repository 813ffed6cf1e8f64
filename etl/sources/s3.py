"""A prefix of a bucket in an S3 store."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO
from urllib.parse import urlsplit

from catalog.errors import CatalogError, StoreUnavailable
from catalog.images import Entry, ImageStore
from catalog.settings import StoreSettings
from etl.errors import EtlError, RecordError
from etl.sources.tree import Photo, check_size, inside, is_photo


class S3Tree:
    """The objects under `s3://bucket/prefix`; their marks are their ETags.

    While the store is away, every method raises StoreUnavailable.
    """

    def __init__(self, address: str, settings: StoreSettings, *, most: int) -> None:
        """List the prefix once.

        Args:
            address: `s3://bucket/prefix`.
            settings: where the store is; its bucket is not looked at.
            most: bytes of the largest photo that is read.
        """
        url = urlsplit(address)
        prefix = url.path.strip("/")
        self._store = ImageStore(settings.model_copy(update={"minio_bucket_name": url.netloc}))
        self._prefix = f"{prefix}/" if prefix else ""
        self._most = most
        self.name = prefix.rpartition("/")[2] or url.netloc
        try:
            entries = list(self._store.entries(self._prefix))
        except StoreUnavailable:
            raise
        except (CatalogError, ValueError) as error:
            raise EtlError(f"{address}: {error}") from error
        self._entries: dict[str, Entry] = {entry.name.removeprefix(self._prefix): entry for entry in entries}
        if not self._entries:
            raise EtlError(f"{address}: there are no objects")

    def paths(self) -> Iterator[str]:
        return filter(is_photo, sorted(self._entries))

    def exists(self, path: str) -> bool:
        return path in self._entries

    def open(self, path: str) -> BinaryIO:
        return BytesIO(self._content(path))

    def mark(self, path: str) -> str | None:
        entry = self._entries.get(path)
        return entry.etag or None if entry else None

    def read(self, path: str, known: str | None = None) -> Photo | None:
        path = inside(path)
        mark = self.mark(path)
        if mark is not None and mark == known:
            return None
        if path in self._entries:
            check_size(path, self._entries[path].size, self._most)
        return Photo(self._content(path), mark)

    def close(self) -> None:
        pass

    def _content(self, path: str) -> bytes:
        if path not in self._entries:
            raise RecordError("missing_file", f"{path}: there is no such object")
        try:
            return self._store.get(self._prefix + path)
        except KeyError:
            raise RecordError("missing_file", f"{path}: there is no such object any more") from None
