"""Collections of items behind an alias: made, searched once they are published, dropped.

A load writes to a collection `<alias>_<moment>`; what is searched is what the alias points to, so a rebuild goes on
beside the old collection and takes over in one step. See `catalog.about` for what is kept beside each collection.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from pymilvus import MilvusClient

from catalog.about import About, CollectionModel
from catalog.errors import CatalogError, CollectionMissing
from catalog.facets import Facets
from catalog.milvus import MilvusConnection
from catalog.schema import WRITE_TIMEOUT, make_items
from catalog.settings import StoreSettings

__all__ = ["Collection", "CollectionModel", "Collections"]


@dataclass(frozen=True)
class Collection:
    """A collection under its own name (not the alias), so that what was learnt of it stays true of it."""

    name: str
    model: CollectionModel


class Collections:
    """Milvus' collections of one alias, and what is kept beside each; it knows nothing of items.

    Thread-safe; every call has a time limit. Every method raises StoreUnavailable when Milvus does not answer,
    StoreRefused when it may not or cannot do what it was asked.
    """

    def __init__(self, settings: StoreSettings) -> None:
        self._alias = settings.milvus_collection
        self._timeout = settings.milvus_timeout
        self._milvus = MilvusConnection(settings)

    def close(self) -> None:
        self._milvus.close()

    def current(self) -> Collection | None:
        """The collection that the alias points to; None where nothing has been loaded yet."""
        name = self._target()
        return None if name is None else self.collection(name)

    def collection(self, name: str) -> Collection | None:
        """The collection of that name; None where there is none."""
        try:
            model = self._beside(name).model()
        except CollectionMissing:
            return None
        return None if model is None else Collection(name, model)

    def collections(self) -> list[str]:
        """The names of all collections behind the alias, oldest first."""
        names = self._milvus.call(lambda client: client.list_collections(timeout=self._timeout))
        start = f"{self._alias}_"
        moments = [name.removeprefix(start) for name in names if name.startswith(start)]
        return [f"{start}{moment}" for moment in sorted((m for m in moments if m.isdigit()), key=int)]

    def create(self, model: CollectionModel) -> Collection:
        """Make an empty collection for vectors of `model`; it is searched only once it is published."""
        # Named by the moment, so that no name is ever used for two collections: others remember what lay behind it.
        moment = int(datetime.now(UTC).strftime("%Y%m%d%H%M%S"))
        if names := self.collections():
            moment = max(moment, int(names[-1].rpartition("_")[2]) + 1)
        name = f"{self._alias}_{moment}"
        about = self._beside(name)
        with ThreadPoolExecutor(1) as beside:  # the client waits half a second for each of them
            made = beside.submit(about.make)
            self._milvus.call(lambda client: make_items(client, name, model.dim))
            made.result()
        about.save_model(model)
        return Collection(name, model)

    def publish(self, collection: Collection) -> None:
        """Point the alias to `collection`, in one step for whoever searches."""
        found = self._target()

        def point(client: MilvusClient) -> None:
            switch = client.create_alias if found is None else client.alter_alias
            switch(collection.name, self._alias, timeout=WRITE_TIMEOUT)

        if found != collection.name:
            self._milvus.call(point)

    def drop(self, name: str) -> None:
        """Remove a collection for good; the one that is searched is refused."""
        if self._target() == name:
            raise CatalogError(f"{name} is being searched; publish another collection first")
        self._milvus.call(lambda client: client.drop_collection(name, timeout=WRITE_TIMEOUT))
        self._beside(name).drop()

    def facets(self, collection: Collection, known: Facets | None = None) -> Facets:
        """The facets of the last load, empty where none have been counted; `known` itself where it is still true."""
        try:
            return self._beside(collection.name).facets(known)
        except CollectionMissing:
            return Facets()

    def save_facets(self, collection: Collection, facets: Facets) -> None:
        """Keep facets beside their collection, instead of those that were there."""
        self._beside(collection.name).save_facets(facets)

    def _target(self) -> str | None:
        """The name of what the alias points to."""
        try:
            found = self._milvus.call(lambda client: client.describe_alias(self._alias, timeout=self._timeout))
        except CollectionMissing:
            return None
        return str(found["collection_name"])

    def _beside(self, name: str) -> About:
        return About(self._milvus, name, timeout=self._timeout)
