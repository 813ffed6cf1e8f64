"""What stops the start: settings that nobody should serve with."""

from __future__ import annotations

import sys

from api.keys import KeyRing
from api.settings import ServiceSettings
from environment import from_environment
from telemetry.settings import LogSettings

# What the programs behind the stores come with, and what people type to get going.
_DEFAULT_SECRETS = frozenset({"", "minioadmin", "milvus", "Milvus", "admin", "password", "changeme", "changethis"})


def check_settings(settings: ServiceSettings) -> None:
    """End the program with one line for each setting that it should not serve with."""
    from_environment(LogSettings)  # read by each process; wrong ones shall end the start, not each process anew
    problems = []
    try:
        KeyRing(settings.api_keys)
    except ValueError as error:
        problems.append(str(error))
    if settings.environment != "local":
        secrets = {
            "MINIO_ACCESS_KEY_ID": settings.minio_access_key_id,
            "MINIO_SECRET_ACCESS_KEY": settings.minio_secret_access_key.get_secret_value(),
            "MILVUS_PASSWORD": settings.milvus_password.get_secret_value(),
        }
        problems += [
            f"{name} is not set, or is a default that everybody knows; set it, or ENVIRONMENT=local on a laptop"
            for name, value in secrets.items()
            if value in _DEFAULT_SECRETS
        ]
    if problems:
        sys.exit("\n".join(f"fashion-search: {problem}" for problem in problems))
