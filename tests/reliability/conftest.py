"""One system for all faults of these tests; each of them finds it well, whatever one before did to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.servers import http_ok
from tests.reliability.faults import Place
from tests.stack import Stores, System

WELL_WITHIN = 120.0  # seconds; a runner that was killed loads its model again
LIMIT = 32  # requests that each API process takes on at once


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
