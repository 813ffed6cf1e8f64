"""A system that asks for keys, with the sample catalogue in it: what is fuzzed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.stack import SAMPLE, System

KEY = "key-of-whoever-fuzzes"


def guarded_system(folder: Path) -> System:
    """Start one; its only key opens everything."""
    entry = f"fuzz:admin:{hashlib.sha256(KEY.encode()).hexdigest()}"
    # On a machine that does other things too, a part that takes long is not away.
    patient = {"PART_TIMEOUT": "25", "REQUEST_TIMEOUT": "60", "MILVUS_TIMEOUT": "20"}
    system = System(folder, load=False, stores=None, API_KEYS=entry, ETL_API_KEY=KEY, OPEN_METRICS="false", **patient)
    try:
        system.etl("run", str(SAMPLE))
        with system.client(headers={"X-API-Key": KEY}) as client:
            system.service.wait_ready(lambda: client.get("/facets").json()["total"] > 0, timeout=60)
    except BaseException:
        system.stop()
        raise
    return system
