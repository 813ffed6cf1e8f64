"""How the parts are put together when a process starts, and what stops the start."""

from __future__ import annotations

import gc
import sys

from api.encoding import Encoding, Runner
from api.health import Health
from api.keys import KeyRing
from api.metering import Metrics
from api.scrape import Scrape
from api.search import Search
from api.settings import ServiceSettings
from api.state import Parts
from api.turns import Turns
from environment import from_environment
from telemetry.logs import configure_logs
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


def assemble(settings: ServiceSettings, metrics: Metrics, scrape: Scrape, turns: Turns, runner: Runner) -> Parts:
    """The parts of a running service, around the runner that BentoML started."""
    # Loaded here, by the API's processes alone: the model's, and BentoML's own, import the service too.
    from api.catalogue import Catalogue
    from catalog.images import ImageStore
    from catalog.vectors import VectorDatabase

    configure_logs("api", from_environment(LogSettings))
    encoding = Encoding(runner, settings, metrics)
    catalogue = Catalogue(VectorDatabase(settings), ImageStore(settings), settings, metrics)
    search = Search(encoding, catalogue, metrics, turns, prompt_template=settings.prompt_template)
    health = Health(encoding.watch, catalogue.milvus_watch, catalogue.store_watch, drain_file=settings.drain_file)
    return Parts(encoding, catalogue, search, health, metrics, scrape)


def settle_interpreter() -> None:
    """Once all is loaded: keep the collector from stopping this process's event loop for long."""
    # What is loaded by now stays. Looking through all of it for garbage takes a fifth of a second.
    gc.collect()
    gc.freeze()
