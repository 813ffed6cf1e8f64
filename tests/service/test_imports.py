"""What a process loads that only has to know of the service: BentoML's own, and the model's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_LOADED = """
import sys
import service
from bentoml._internal.server.http.traffic import TimeoutMiddleware
print(TimeoutMiddleware.__call__.__module__, *sys.modules)
"""


def test_the_api_and_the_model_are_loaded_by_their_own_processes_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOADED], cwd=ROOT, env=os.environ | {"ENVIRONMENT": "local"},
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    limit, *loaded = done.stdout.split()
    assert not {"fastapi", "pymilvus", "minio", "PIL", "torch", "transformers"}.intersection(loaded)
    assert limit == "api.time_limit"  # BentoML's would keep what the gate no longer answers, see api/gate.py
