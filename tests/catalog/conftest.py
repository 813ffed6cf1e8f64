"""Both Milvus servers: what is asked of one must hold with the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from catalog.settings import StoreSettings
from tests.full_milvus import FullMilvus
from tests.stack import Stores

MilvusSettings = Callable[..., StoreSettings]


@pytest.fixture(scope="session", params=["lite", "full"])
def milvus_settings(request: pytest.FixtureRequest) -> MilvusSettings:
    """Makes settings that lead to one of the servers; keyword arguments change them."""
    if request.param == "lite":
        stores: Stores = request.getfixturevalue("stores")
        return stores.settings
    full: FullMilvus = request.getfixturevalue("full_milvus")

    def settings(**changes: Any) -> StoreSettings:
        # Generous: a machine that runs the whole suite is no measure of what a search takes.
        return StoreSettings(_env_file=None, **({"milvus_port": full.port, "milvus_timeout": 10} | changes))

    return settings
