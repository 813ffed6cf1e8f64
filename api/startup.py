"""How the parts are put together when a process starts."""

from __future__ import annotations

import gc

from api.catalogue import Catalogue
from api.encoding import Encoding, Runner
from api.health import Health
from api.metering import Metrics
from api.scrape import Scrape
from api.search import Search
from api.settings import ServiceSettings
from api.state import Parts
from api.turns import Turns
from catalog.images import ImageStore
from catalog.vectors import VectorDatabase
from environment import from_environment
from telemetry.logs import configure_logs
from telemetry.settings import LogSettings


def assemble(settings: ServiceSettings, metrics: Metrics, scrape: Scrape, turns: Turns, runner: Runner) -> Parts:
    """The parts of a running service, around the runner that BentoML started."""
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
