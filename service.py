"""The services put together: what is served, with what limits. Start: `bentoml serve service:FashionSearch`.

BentoML's own process and the model's import this file too, before all else: what the API's processes alone need is
imported where it is used, which saves a quarter of a second in each.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

import bentoml
from prometheus_client import REGISTRY
from starlette.types import ASGIApp

from api.admission import Admission
from api.bento_runner import BentoRunner
from api.connections import accept_more_at_once, guard_connections
from api.gate import Gate
from api.metering import Metrics
from api.no_room import NoRoom
from api.safe_settings import check_settings
from api.scrape import Scrape
from api.settings import ServiceSettings
from api.supervision import supervise
from api.time_limit import leave_time_to_the_gate
from api.turns import Turns
from clip_runner.runner import ClipRunner
from clip_runner.tracing import tracing
from environment import from_environment

if TYPE_CHECKING:
    from fastapi import FastAPI

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


@cache
def public() -> FastAPI:
    """The application behind the gate, with our routes."""
    from api.app import create_app

    app = create_app(settings, metrics)
    # So that BentoML starts and ends it with the process; requests come to it by the gate, not by BentoML's router.
    FashionSearch.mount_asgi_app(app)  # type: ignore[attr-defined]  # the decorator made it a bentoml.Service
    return app


def gate(router: ASGIApp) -> Gate:
    """Stands before BentoML's `router`, and hands what is ours to the application."""
    from api.app import with_short_way

    app = with_short_way(public(), settings)
    return Gate(router, public=app, settings=settings, admission=admission, turns=turns, metrics=metrics)


@bentoml.service(
    name="fashion_search",
    workers=settings.api_workers,
    metrics={"enabled": False},  # the application meters itself, see api/metering.py
    logging={"access": {"enabled": False}},  # and writes its own access log
    tracing=tracing(),
)
class FashionSearch:
    """Search a catalogue of fashion photos by words, by photo, or both."""

    runner = bentoml.depends(ClipRunner)
    # A connection of its own: BentoML's client has 100 of them, and a look at the runner must not queue behind calls.
    runner_health = bentoml.depends(ClipRunner)

    def __init__(self) -> None:
        from api import vital
        from api.startup import assemble, settle_interpreter

        parts = assemble(settings, metrics, scrape, turns, BentoRunner(self.runner, self.runner_health))
        public().state.parts = parts
        no_room.vital = vital.by_path(parts)
        settle_interpreter()

    @bentoml.on_deployment
    @staticmethod
    def check() -> None:
        """Before any process is started: refuse to serve with settings that are not safe."""
        check_settings(settings)
        supervise(grace=settings.request_timeout + 10)


FashionSearch.add_asgi_middleware(gate)  # type: ignore[attr-defined]  # as above
