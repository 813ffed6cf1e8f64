"""The servers that tests share; each test run starts its own, on free ports, and ends them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.full_milvus import FullMilvus
from tests.stack import Stores, System

# As in the runner: on a machine that others use too, torch's threads must not spin while they wait for each other.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


class TogetherByServers(LoadScopeScheduling):  # type: ignore[misc]  # it comes without types
    """Where several processes run the suite: tests that share servers stay in one of them."""

    def _split_scope(self, nodeid: str) -> str:
        folder = nodeid.split("/")[1]
        return "system" if folder in _READERS_OF_SYSTEM else folder


_READERS_OF_SYSTEM = ("api", "compose", "docs", "evaluation")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TogetherByServers:
    return TogetherByServers(config, log)


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
    """The whole system with the sample catalogue. Tests only read from it; who stops a part of it starts it again."""
    running = System(tmp_path_factory.mktemp("system"))
    yield running
    running.stop()


@pytest.fixture
def api(system: System) -> Iterator[httpx.Client]:
    """A client of the shared system."""
    with system.client() as client:
        yield client
