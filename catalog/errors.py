"""What the stores can answer instead of a result."""

from __future__ import annotations


class CatalogError(Exception):
    """Base of all that this package raises."""


class StoreUnavailable(CatalogError):
    """A store does not answer, or not in time; `part` is `milvus` or `store`."""

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(f"{part}: {reason}")
        self.part = part


class StoreRefused(CatalogError):
    """A store answers, but refuses: the credentials, the privileges, or what it was asked; `part` as above.

    Waiting does not help; someone has to change something.
    """

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(f"{part} refuses: {reason}")
        self.part = part


class CollectionMissing(CatalogError):
    """The collection that was named is not there (any more)."""


class ModelMismatch(CatalogError):
    """Vectors of one model were about to meet those of another."""


class UnknownFilter(CatalogError):
    """A filter names a field that nobody can filter by."""

    def __init__(self, field: str, known: list[str]) -> None:
        super().__init__(f"there is no filter {field!r}")
        self.field = field
        self.known = known


class InvalidFilter(CatalogError):
    """A filter's value cannot be compared; the message says why."""
