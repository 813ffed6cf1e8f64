"""One system for all faults of these tests; each of them finds it well, whatever one before did to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.servers import http_ok
from tests.reliability.clock import Clock
from tests.reliability.faults import Place
from tests.reliability.shots import photos
from tests.stack import Stores, System

WELL_WITHIN = 120.0  # seconds; a runner that was killed loads its model again
LIMIT = 32  # requests that each API process takes on at once
PATIENT_LIMIT = 12.0  # seconds that a request may take in the patient system
EXPIRES = 120  # seconds that its links are good for


@pytest.fixture(scope="package")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """Stores of these tests alone: they are killed and hung."""
    running = Stores(tmp_path_factory.mktemp("reliability-stores"))
    yield running
    running.stop()


@pytest.fixture(scope="package")
def temp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the shared system puts its temp files."""
    return tmp_path_factory.mktemp("reliability-temp")


@pytest.fixture(scope="package")
def started(tmp_path_factory: pytest.TempPathFactory, stores: Stores, temp: Path) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("reliability")
    patient = {"PART_TIMEOUT": "5", "MILVUS_TIMEOUT": "5"}  # a busy machine is no part that is away
    limits = {"MAX_CONCURRENCY": str(LIMIT), "MAX_BODY_MB": "4"}
    running = Place(folder, stores=stores, TMPDIR=str(temp), **limits, **patient)
    yield running
    running.stop()


@pytest.fixture
def place(started: Place) -> Place:
    """The shared system with the sample catalogue, its networks and its log disk, once all its parts answer."""
    url = f"{started.system.url}/readyz"
    started.system.service.wait_ready(lambda: http_ok(url), timeout=WELL_WITHIN)
    return started


@pytest.fixture
def system(place: Place) -> System:
    """The shared system alone."""
    return place.system


@pytest.fixture(scope="package")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    """The patient system's."""
    return Clock(tmp_path_factory.mktemp("clock") / "offset")


@pytest.fixture(scope="package")
def patient(tmp_path_factory: pytest.TempPathFactory, stores: Stores, clock: Clock) -> Iterator[System]:
    """A system that waits for its parts, so that a request's own limit is what ends it; with one photo, and a clock
    that can be moved."""
    folder = tmp_path_factory.mktemp("patient")
    preloaded = clock.preloaded()
    running = System(
        folder,
        load=False,
        stores=stores,
        MILVUS_COLLECTION="patient",
        MINIO_BUCKET_NAME="patient",
        PRESIGN_EXPIRES=str(EXPIRES),
        REQUEST_TIMEOUT=str(PATIENT_LIMIT),
        PART_TIMEOUT="60",
        MILVUS_TIMEOUT="60",
        MAX_IMAGE_BATCH="2",
        MODEL_THREADS="1",
        **preloaded,
    )
    try:
        for name in preloaded:
            del running.env[name]  # the load's clock is right
        source = folder / "one"
        source.mkdir()
        (source / "a.jpg").write_bytes(photos()[0])
        running.etl("run", str(source))
        running.wait_for_items(1)
        yield running
    finally:
        running.stop()
