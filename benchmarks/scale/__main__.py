"""`make bench-scale`: load catalogues of several sizes into Milvus 2.3.5, then search them through the service."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
from pymilvus import MilvusClient

from benchmarks import models, report
from benchmarks.asked import Asked, Figures, lines
from benchmarks.requests import texts
from benchmarks.scale import planted
from benchmarks.scale.catalogue import database_of, opened
from catalog.collections import CollectionModel
from catalog.facets import Facets
from catalog.item import Item
from clip_runner.settings import RunnerSettings
from local.ports import HOST
from tests.full_milvus import FullMilvus

_INSERT = 5_000
_INDEX_TIMEOUT = 3600.0
# A segment is filled before it is closed, and left as it is. By default Milvus closes it at a quarter, merges, and
# indexes anew: on two cores it was not done after 45 minutes.
_MILVUS = {
    # In MB, but this Milvus reckons 256 bytes for each text, three times what a row really takes: segments of 0.8 GB.
    # The deployed one (2.6) merges them to 1 GB by default. That is more than 32 files of 16 MB, too.
    "DATACOORD_SEGMENT_MAXSIZE": "2400",
    "DATACOORD_SEGMENT_MAXBINLOGFILENUMBER": "128",
    "DATACOORD_SEGMENT_SEALPROPORTION": "1.0",
    "DATACOORD_COMPACTION_ENABLEAUTOCOMPACTION": "false",
    "COMMON_SESSION_TTL": "60",  # seconds; so busy, it must not take itself for dead after two
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("step", choices=("build", "measure", "all"))
    parser.add_argument("--folder", type=Path, required=True, help="where Milvus keeps its data; made by `build`")
    parser.add_argument("--items", default="1000,100000,1000000", help="sizes of the catalogues")
    parser.add_argument("--model", choices=models.NAMES, default="bundled")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--searches", type=int, default=500, help="searches in each round and catalogue")
    parser.add_argument("--ef", default="128", help="MILVUS_EF of the service")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    sizes = [int(size) for size in asked.items.split(",")]
    with _milvus(asked.folder) as server:
        if asked.step in ("build", "all"):
            _build(asked.folder, server, sizes, models.folder_of(asked.model))
        if asked.step in ("measure", "all"):
            _measure(asked.folder, server, sizes, asked)
    return 0


@contextmanager
def _milvus(folder: Path) -> Iterator[FullMilvus]:
    (folder / "milvus").mkdir(exist_ok=True)
    server = FullMilvus(folder / "milvus", env=_MILVUS)
    try:
        yield server
    finally:
        server.stop()


def _build(folder: Path, server: FullMilvus, sizes: list[int], model: Path) -> None:
    from clip_runner.encoder import Encoder

    encoder = Encoder(RunnerSettings(_env_file=None, model_id=str(model)))
    queries = encoder.encode_texts([f"a photo of {text}." for text in texts()])["vector"]
    np.save(folder / "queries.npy", queries)
    client = MilvusClient(f"http://{HOST}:{server.port}", timeout=600, dedicated=True)
    for size in sizes:
        database = database_of(server, size)
        collection = database.create(CollectionModel(encoder.identity.model, encoder.identity.dim))
        client.release_collection(collection.name, timeout=600)  # `measure` loads it, all at once
        begun = time.monotonic()
        for start, vectors in planted.chunks(queries, size):
            rows = [Item(f"{start + n}", f"{start + n}.jpg", "", title="planted", vector=vector).row()
                    for n, vector in enumerate(vectors)]  # fmt: skip
            for at in range(0, len(rows), _INSERT):
                client.insert(collection.name, rows[at : at + _INSERT], timeout=600)
            if start % 50_000 == 0:
                report.say(f"{size:,}: {start + len(rows):,} inserted after {time.monotonic() - begun:.0f} s")
        client.flush(collection.name, timeout=600)
        _wait_for_index(client, collection.name, size)
        database.save_facets(collection, Facets({}, size, "2026-01-01T00:00:00.000Z"))
        database.publish(collection)
        report.say(f"{size:,} items indexed after {time.monotonic() - begun:.0f} s")
        np.save(folder / f"true-{size}.npy", planted.exact(queries, size, 10))
        database.close()
    client.close()


def _wait_for_index(client: MilvusClient, name: str, size: int) -> None:
    deadline = time.monotonic() + _INDEX_TIMEOUT
    while time.monotonic() < deadline:
        state = client.describe_index(name, "vector")
        if int(state["indexed_rows"]) >= size and int(state["pending_index_rows"]) == 0:
            return
        report.say(f"  indexed {state['indexed_rows']} of {size:,}")
        time.sleep(10)
    raise SystemExit(f"{name} was not indexed within {_INDEX_TIMEOUT:.0f} s")


def _measure(folder: Path, server: FullMilvus, sizes: list[int], asked: argparse.Namespace) -> None:
    record = report.Record("scale")
    client = MilvusClient(f"http://{HOST}:{server.port}", timeout=600, dedicated=True)
    rounds: list[Figures] = []
    table = [line for size in sizes for line in _asked_of(size, sizes[0])]
    model = models.folder_of(asked.model)
    with ExitStack() as stack:
        stack.callback(client.close)
        catalogues = []
        for size in sizes:
            catalogues.append(stack.enter_context(opened(folder, server, client, size, model=model, ef=asked.ef)))
            report.say(f"{size:,}: in memory, in segments of {catalogues[-1].segments}")
        segments = {catalogue.size: catalogue.segments for catalogue in catalogues}
        recalls = {f"{catalogue.size} recall@10": catalogue.recall for catalogue in catalogues}
        for number in range(asked.rounds):  # all in each: what the machine does meanwhile is the same for all
            figures: Figures = {} if rounds else dict(recalls)
            for catalogue in catalogues[number % len(sizes) :] + catalogues[: number % len(sizes)]:
                figures |= catalogue.searched(asked.searches)
            rounds.append(figures)
            spent = ", ".join(f"{size:,} {figures[f'{size} service p50 ms']:.1f} ms" for size in sizes)
            report.say(f"round {number + 1}: p50 of {spent}")
            made = lines(rounds, table)
            record.write(ef=asked.ef, segments=segments, table=[asdict(line) for line in made], rounds=rounds)
    report.say(f"\n{report.table(lines(rounds, table))}\nfigures: {record.file}")


def _asked_of(size: int, first: int) -> Iterator[Asked]:
    if size != first:
        yield Asked(f"p50 of {size:,} items / {first:,}",
                    lambda f: f[f"{size} service p50 ms"] / f[f"{first} service p50 ms"], most=1.5)  # fmt: skip
    yield Asked(f"recall@10 of {size:,} items", lambda f: f[f"{size} recall@10"], least=0.98)


if __name__ == "__main__":
    sys.exit(main())
