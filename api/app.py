"""The application behind the public routes, and how its failures become answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from api import openapi
from api.doors import Doors
from api.errors import ApiError, InternalError, InvalidValue, MethodNotAllowed, NotFound
from api.metering import Metrics
from api.routes import encode, operations, search
from api.settings import ServiceSettings
from api.short_way import ShortWay
from api.state import Parts


def create_app(settings: ServiceSettings, metrics: Metrics) -> FastAPI:
    """The application; it serves once `app.state.parts` holds the service's `Parts`."""
    app = FastAPI(
        title="Fashion search",
        description="Search a catalogue of fashion photos by words, by photo, or both.",
        docs_url=None,  # BentoML's Swagger page at / shows these routes
        redoc_url=None,
        openapi_url=None,
        lifespan=_lifespan,
    )
    app.include_router(search.router)
    app.include_router(encode.router)
    app.include_router(operations.router)
    doors = Doors(open_docs=settings.open_docs, open_metrics=settings.open_metrics)
    openapi.complete(app.openapi(), doors, keys=bool(settings.api_keys))
    _answer_errors(app, metrics)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key", "X-Request-ID"],
            expose_headers=["X-Request-ID", "Retry-After"],
        )
    return app


def with_short_way(app: FastAPI, settings: ServiceSettings) -> ASGIApp:
    """The application as requests come to it. Where other sites' pages may call it, answers pass its CORS layer."""
    if settings.cors_origins:
        return app
    return ShortWay(
        app,
        {
            "/search-image": search.search_image,
            "/encode_text": encode.encode_text,
            "/encode_image": encode.encode_image,
        },
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    parts: Parts = app.state.parts
    parts.metrics.active_workers.set(1)
    background = [asyncio.create_task(work) for work in (parts.health.watch(), parts.scrape.prepare())]
    try:
        yield
    finally:
        for task in background:
            task.cancel()
        parts.encoding.close()
        parts.catalogue.close()
        parts.metrics.active_workers.set(0)


def _answer_errors(app: FastAPI, metrics: Metrics) -> None:
    @app.exception_handler(ApiError)
    async def api_error(_: Request, error: ApiError) -> Response:
        if error.status < 500:
            metrics.refused(error.code)
        return error.answer()

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        if error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "another method")
            return await api_error(request, MethodNotAllowed(request.method, allowed))
        return await api_error(request, NotFound("There is nothing here; the routes are listed at /."))

    @app.exception_handler(RequestValidationError)
    async def validation_error(request: Request, error: RequestValidationError) -> Response:
        # Only names and reasons: the framework's own answer repeats the input, binary or not.
        mistake = error.errors()[0]
        return await api_error(request, InvalidValue(f"{mistake['loc'][-1]}: {mistake['msg']}."))

    @app.exception_handler(Exception)
    async def internal_error(_: Request, __: Exception) -> Response:
        return InternalError().answer()  # the error itself goes on to the gate, which logs it
