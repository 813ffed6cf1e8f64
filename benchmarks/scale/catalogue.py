"""A planted catalogue in Milvus, with a service of its own over it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pymilvus import MilvusClient

from benchmarks import subjects
from benchmarks.asked import Figures
from benchmarks.load import count_loop
from benchmarks.requests import search_requests
from benchmarks.rounds import all_answered
from benchmarks.scale import planted
from benchmarks.scale.found import found_by
from catalog.collections import Collection
from catalog.settings import StoreSettings
from catalog.vectors import VectorDatabase
from local.ports import HOST
from tests.full_milvus import FullMilvus


def database_of(server: FullMilvus, size: int) -> VectorDatabase:
    """Where the catalogue of so many items is kept."""
    return VectorDatabase(
        StoreSettings(
            _env_file=None, milvus_host=HOST, milvus_port=server.port, milvus_timeout=60, milvus_collection=_alias(size)
        )
    )


def _alias(size: int) -> str:
    return f"items_{size}"


@dataclass(frozen=True)
class Catalogue:
    """Loaded, and searched by the service at `url`."""

    size: int
    url: str
    database: VectorDatabase
    collection: Collection
    queries: planted.Vectors
    recall: float
    """The share of the ten true neighbours that the service finds."""

    segments: list[int]
    """Items in each segment: Milvus walks a graph for each."""

    def searched(self, count: int) -> Figures:
        """Search it so many times by the service, one at a time, and by Milvus alone."""
        outcome = count_loop(self.url, search_requests(), in_flight=1, count=count)
        all_answered(outcome)
        return {
            f"{self.size} service p50 ms": outcome.latency(50) * 1000,
            f"{self.size} Milvus p50 ms": self._alone(),
        }

    def _alone(self) -> float:
        """The median of Milvus' own searches through our client, in ms."""
        spent = []
        for query in self.queries[:100]:
            begun = time.perf_counter()
            self.database.search(self.collection, query, limit=10)
            spent.append(time.perf_counter() - begun)
        return float(np.median(spent)) * 1000


@contextmanager
def opened(
    folder: Path, server: FullMilvus, client: MilvusClient, size: int, *, model: Path, ef: str
) -> Iterator[Catalogue]:
    """Load the catalogue into Milvus' memory and start a service over it; `ef` is that service's `MILVUS_EF`."""
    with ExitStack() as stack:
        database = database_of(server, size)
        stack.callback(database.close)
        collection = database.current()
        if collection is None:
            raise SystemExit(f"there is no catalogue of {size:,} items in {folder}; run `build` first")
        client.load_collection(collection.name, timeout=1800)
        env = {"MILVUS_PORT": str(server.port), "MILVUS_COLLECTION": _alias(size), "MILVUS_EF": ef}
        place = Path(stack.enter_context(TemporaryDirectory()))
        service, _ = stack.enter_context(subjects.ours(place, model, TEXT_CACHE_ITEMS="0", **env))
        queries, true = np.load(folder / "queries.npy"), np.load(folder / f"true-{size}.npy")
        count_loop(service.url, search_requests(), in_flight=1, count=100)
        recall = planted.recall(found_by(service.url, search_requests(), 10), true)
        segments = [segment.num_rows for segment in client.list_loaded_segments(collection.name)]
        yield Catalogue(size, service.url, database, collection, queries, recall, segments)
