"""`make bench-scale`: load catalogues of several sizes into Milvus 2.3.5, then search them through the service."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pymilvus import MilvusClient

from benchmarks import machine, subjects
from benchmarks.load import count_loop
from benchmarks.requests import search_requests, texts
from benchmarks.scale import planted
from benchmarks.scale.found import found_by
from catalog.facets import Facets
from catalog.item import Item
from catalog.settings import StoreSettings
from catalog.vectors import CollectionModel, VectorDatabase
from clip_runner.settings import BUNDLED_MODEL, RunnerSettings
from local.ports import HOST
from tests.full_milvus import FullMilvus

_INSERT = 5_000
_INDEX_TIMEOUT = 3600.0
_RESULTS = Path(__file__).resolve().parent.parent / "results"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("step", choices=("build", "measure", "all"))
    parser.add_argument("--folder", type=Path, required=True, help="where Milvus keeps its data; made by `build`")
    parser.add_argument("--items", default="1000,100000,1000000", help="sizes of the catalogues")
    parser.add_argument("--model", type=Path, default=BUNDLED_MODEL)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--searches", type=int, default=500, help="searches in each round and catalogue")
    parser.add_argument("--ef", default="128", help="MILVUS_EF of the service")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    sizes = [int(size) for size in asked.items.split(",")]
    with _milvus(asked.folder) as server:
        if asked.step in ("build", "all"):
            _build(asked.folder, server, sizes, asked.model)
        if asked.step in ("measure", "all"):
            _measure(asked.folder, server, sizes, asked)
    return 0


@contextmanager
def _milvus(folder: Path) -> Iterator[FullMilvus]:
    (folder / "milvus").mkdir(exist_ok=True)
    server = FullMilvus(folder / "milvus")
    try:
        yield server
    finally:
        server.stop()


def _database(server: FullMilvus, size: int) -> VectorDatabase:
    return VectorDatabase(
        StoreSettings(
            _env_file=None, milvus_host=HOST, milvus_port=server.port, milvus_timeout=60, milvus_collection=_alias(size)
        )
    )


def _alias(size: int) -> str:
    return f"items_{size}"


def _build(folder: Path, server: FullMilvus, sizes: list[int], model: Path) -> None:
    from clip_runner.encoder import Encoder

    encoder = Encoder(RunnerSettings(_env_file=None, model_id=str(model)))
    queries = encoder.encode_texts([f"a photo of {text}." for text in texts()])["vector"]
    np.save(folder / "queries.npy", queries)
    client = MilvusClient(f"http://{HOST}:{server.port}", timeout=600, dedicated=True)
    for size in sizes:
        database = _database(server, size)
        collection = database.create(CollectionModel(encoder.identity.model, encoder.identity.dim))
        begun = time.monotonic()
        for start, vectors in planted.chunks(queries, size):
            rows = [Item(f"{start + n}", f"{start + n}.jpg", "", title="planted", vector=vector).row()
                    for n, vector in enumerate(vectors)]  # fmt: skip
            for at in range(0, len(rows), _INSERT):
                client.insert(collection.name, rows[at : at + _INSERT], timeout=600)
            if start % 50_000 == 0:
                _say(f"{size:,}: {start + len(rows):,} inserted after {time.monotonic() - begun:.0f} s")
        client.flush(collection.name, timeout=600)
        _wait_for_index(client, collection.name, size)
        database.save_facets(collection, Facets({}, size, "2026-01-01T00:00:00.000Z"))
        database.publish(collection)
        _say(f"{size:,} items indexed after {time.monotonic() - begun:.0f} s")
        np.save(folder / f"true-{size}.npy", planted.exact(queries, size, 10))
        database.close()
    client.close()


def _wait_for_index(client: MilvusClient, name: str, size: int) -> None:
    deadline = time.monotonic() + _INDEX_TIMEOUT
    while time.monotonic() < deadline:
        state = client.describe_index(name, "vector")
        if int(state["indexed_rows"]) >= size and int(state["pending_index_rows"]) == 0:
            return
        _say(f"  indexed {state['indexed_rows']} of {size:,}")
        time.sleep(10)
    raise SystemExit(f"{name} was not indexed within {_INDEX_TIMEOUT:.0f} s")


def _measure(folder: Path, server: FullMilvus, sizes: list[int], asked: argparse.Namespace) -> None:
    queries = np.load(folder / "queries.npy")
    client = MilvusClient(f"http://{HOST}:{server.port}", timeout=600, dedicated=True)
    figures: dict[str, dict[str, list[float] | float]] = {}
    for size in sizes:
        begun = time.monotonic()
        database = _database(server, size)
        collection = database.current()
        if collection is None:
            raise SystemExit(f"there is no catalogue of {size:,} items in {folder}; run `build` first")
        client.load_collection(collection.name, timeout=1800)
        _say(f"{size:,}: in memory after {time.monotonic() - begun:.0f} s")
        with TemporaryDirectory() as place, subjects.ours(
            Path(place), asked.model, MILVUS_PORT=str(server.port), MILVUS_COLLECTION=_alias(size),
            MILVUS_EF=asked.ef, TEXT_CACHE_ITEMS="0",
        ) as (service, _):  # fmt: skip
            true = np.load(folder / f"true-{size}.npy")
            count_loop(service.url, search_requests(), in_flight=1, count=100)
            p50, alone = [], []
            for _ in range(asked.rounds):
                outcome = count_loop(service.url, search_requests(), in_flight=1, count=asked.searches)
                if outcome.failed:
                    raise SystemExit(f"searches failed, by status: {outcome.statuses}")
                p50.append(outcome.latency(50) * 1000)
                alone.append(_alone(database, collection, queries))
            figures[str(size)] = {
                "service search p50 ms": p50,
                "Milvus search p50 ms": alone,
                "recall@10": planted.recall(found_by(service.url, search_requests(), 10), true),
            }
        database.close()
        _say(f"{size:,}: {figures[str(size)]}")
    client.close()
    out = _RESULTS / f"scale-{time.strftime('%Y-%m-%dT%H%M', time.gmtime())}.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"machine": machine.describe(), "ef": asked.ef, "items": figures}, indent=1) + "\n")
    medians = {size: float(np.median(here["service search p50 ms"])) for size, here in figures.items()}
    first = medians[str(sizes[0])]
    for name, measured in figures.items():
        milvus = float(np.median(measured["Milvus search p50 ms"]))
        _say(
            f"{int(name):>9,} items: p50 {medians[name]:.1f} ms ({medians[name] / first:.2f}x), "
            f"Milvus alone {milvus:.1f} ms, recall@10 {measured['recall@10']:.4f}"
        )
    _say(f"figures: {out}")


def _alone(database: VectorDatabase, collection: object, queries: np.ndarray) -> float:
    """The median of Milvus' own searches through our client, in ms."""
    spent = []
    for query in queries[:100]:
        begun = time.perf_counter()
        database.search(collection, query, limit=10)  # type: ignore[arg-type]
        spent.append(time.perf_counter() - begun)
    return float(np.median(spent)) * 1000


if __name__ == "__main__":
    sys.exit(main())
