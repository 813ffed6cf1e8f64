"""What the tests of the composed system share."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.stack import ROOT

COMPOSE = ROOT / "compose"
SECRETS = (
    "MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD", "MINIO_ACCESS_KEY_ID", "MINIO_SECRET_ACCESS_KEY",
    "ETL_MINIO_ACCESS_KEY_ID", "ETL_MINIO_SECRET_ACCESS_KEY", "MILVUS_MINIO_ACCESS_KEY_ID",
    "MILVUS_MINIO_SECRET_ACCESS_KEY", "MILVUS_ROOT_PASSWORD", "MILVUS_PASSWORD", "ETL_MILVUS_PASSWORD",
    "UI_API_KEY", "ETL_API_KEY", "API_KEYS", "ELASTIC_PASSWORD", "KIBANA_SYSTEM_PASSWORD", "KIBANA_ENCRYPTION_KEY",
    "KIBANA_SAVED_OBJECTS_KEY", "FLUENT_BIT_PASSWORD", "GRAFANA_READER_PASSWORD", "ELASTICSEARCH_EXPORTER_PASSWORD",
    "GF_SECURITY_ADMIN_USER", "GF_SECURITY_ADMIN_PASSWORD",
)  # fmt: skip


@pytest.fixture(scope="session")
def env_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An env file as `make secrets` writes it."""
    path = tmp_path_factory.mktemp("env") / ".env"
    path.write_text((COMPOSE / ".env.example").read_text())
    subprocess.run([COMPOSE / "secrets.sh", path], check=True, capture_output=True)
    return path


@pytest.fixture(scope="session")
def program() -> str:
    """Docker Compose's program."""
    found = subprocess.run(
        [ROOT / "scripts/compose-program.sh"], capture_output=True, text=True, check=False, timeout=120
    )
    if found.returncode:
        pytest.skip(f"Docker Compose is not to be had: {found.stderr.strip()}")
    return found.stdout.strip()
