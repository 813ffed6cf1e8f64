"""The servers that tests share; each test run starts its own, on free ports, and ends them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import httpx
import pytest

from tests.full_milvus import FullMilvus
from tests.stack import Stores, System

# As in the runner: on a machine that others use too, torch's threads must not spin while they wait for each other.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """Milvus Lite and the S3 server, empty."""
    running = Stores(tmp_path_factory.mktemp("stores"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def full_milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FullMilvus]:
    """The full Milvus server, empty; for what Milvus Lite does otherwise."""
    running = FullMilvus(tmp_path_factory.mktemp("full-milvus"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The whole system with the sample catalogue. Tests only read from it."""
    running = System(tmp_path_factory.mktemp("system"))
    yield running
    running.stop()


@pytest.fixture
def api(system: System) -> Iterator[httpx.Client]:
    """A client of the shared system."""
    with system.client() as client:
        yield client
