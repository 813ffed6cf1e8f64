"""The HTTP side: `POST /alert` for Alertmanager, `/livez`, `/metrics`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from loguru import logger
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.concurrency import run_in_threadpool

from monitoring.alert_webhook.alerts import AlertGroup
from monitoring.alert_webhook.delivery import Delivery
from monitoring.alert_webhook.discord import messages
from monitoring.alert_webhook.metrics import WebhookMetrics
from monitoring.alert_webhook.settings import WebhookSettings
from monitoring.alert_webhook.spool import Spool


def create_app(settings: WebhookSettings) -> FastAPI:
    """The application; it delivers for as long as it runs."""
    registry = CollectorRegistry()
    metrics = WebhookMetrics(registry)

    def unreadable(place: Path) -> None:
        metrics.dead_letters.labels("unreadable").inc()
        logger.error("a file of the spool is no message; it is kept in {}", place)

    spool = Spool(settings.alert_webhook_spool, unreadable=unreadable)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with httpx.AsyncClient(timeout=settings.alert_webhook_timeout) as client:
            app.state.delivery = Delivery(spool, client, settings, metrics)
            task = asyncio.create_task(app.state.delivery.run())
            if not settings.discord_webhook_url.get_secret_value():
                logger.warning("DISCORD_WEBHOOK_URL is not set: alerts are only logged")
            yield
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    app = FastAPI(title="Alert webhook", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)

    @app.post("/alert", status_code=202)
    async def alert(group: AlertGroup) -> Response:
        """Keep a group's messages on disk; Alertmanager repeats what is not answered 202."""
        bodies = messages(group, runbook_base_url=settings.runbook_base_url)
        try:
            await run_in_threadpool(spool.put, bodies)
        except OSError as error:
            logger.error("alerts cannot be kept on disk: {}", error)
            return JSONResponse({"error": "the spool cannot be written"}, status_code=503)
        metrics.groups.labels(group.status).inc()
        app.state.delivery.wake()
        return JSONResponse({"messages": len(bodies)}, status_code=202)

    @app.get("/livez")
    async def livez() -> dict[str, bool]:
        return {"live": True}

    @app.get("/metrics")
    async def scrape() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return app
