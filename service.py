"""The services put together: what is served, with what limits. Start: `bentoml serve service:FashionSearch`."""

from __future__ import annotations

import os

import bentoml
from prometheus_client import REGISTRY

from api import vital
from api.admission import Admission
from api.app import create_app
from api.bento_runner import BentoRunner
from api.connections import accept_more_at_once, guard_connections
from api.gate import Gate
from api.metering import Metrics
from api.no_room import NoRoom
from api.scrape import Scrape
from api.settings import ServiceSettings
from api.startup import assemble, check_settings, settle_interpreter
from api.supervision import supervise
from api.time_limit import leave_time_to_the_gate
from api.turns import Turns
from clip_runner.runner import ClipRunner
from clip_runner.tracing import tracing
from environment import from_environment

# Whose X-Forwarded-For counts is said by TRUSTED_PROXIES alone; uvicorn would believe everybody on this machine.
os.environ.setdefault("FORWARDED_ALLOW_IPS", "")
settings = from_environment(ServiceSettings)
metrics = Metrics(REGISTRY)
admission = Admission(settings, metrics)
# Large turns serve more requests a second; in a flood, small ones let health and new connections be heard.
turns = Turns(lambda: 0.005 if admission.room.full_lately else 0.02)
no_room = NoRoom(admission, metrics)
scrape = Scrape(metrics.exposition, crowded=lambda: admission.room.full_lately)
guard_connections(no_room)
accept_more_at_once(settings.api_workers)
leave_time_to_the_gate()
app = create_app(settings, metrics)


@bentoml.service(
    name="fashion_search",
    workers=settings.api_workers,
    metrics={"enabled": False},  # the application meters itself, see api/metering.py
    logging={"access": {"enabled": False}},  # and writes its own access log
    tracing=tracing(),
)
@bentoml.asgi_app(app, path="/")
class FashionSearch:
    """Search a catalogue of fashion photos by words, by photo, or both."""

    runner = bentoml.depends(ClipRunner)
    # A connection of its own: BentoML's client has 100 of them, and a look at the runner must not queue behind calls.
    runner_health = bentoml.depends(ClipRunner)

    def __init__(self) -> None:
        parts = assemble(settings, metrics, scrape, turns, BentoRunner(self.runner, self.runner_health))
        app.state.parts = parts
        no_room.vital = vital.by_path(parts)
        settle_interpreter()

    @bentoml.on_deployment
    @staticmethod
    def check() -> None:
        """Before any process is started: refuse to serve with settings that are not safe."""
        check_settings(settings)
        supervise(grace=settings.request_timeout + 10)


FashionSearch.add_asgi_middleware(  # type: ignore[attr-defined]  # the decorator made it a bentoml.Service
    Gate, public=app, settings=settings, admission=admission, turns=turns, metrics=metrics
)
