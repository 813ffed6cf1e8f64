"""`GET /livez`, `/readyz`, `/metrics` and `/docs.json`: what operators and tools ask for."""

from __future__ import annotations

import asyncio

import orjson
from fastapi import APIRouter, Request, Response

from api import openapi, vital
from api.body import JSON
from api.schemas import Readiness
from api.state import ServiceParts

router = APIRouter(tags=["operations"])


@router.get("/livez", summary="Is the process alive?", responses={200: {"content": {"text/plain": {}}}})
async def livez() -> Response:
    """200 as long as this process answers at all."""
    return vital.alive()


@router.get(
    "/readyz",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "A part is away."}},
    summary="Can it serve?",
)
async def readyz(parts: ServiceParts) -> Response:
    """200 when the model is warm and Milvus and the store answer; else 503, naming what is away."""
    return vital.readiness(parts)


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    responses={200: {"content": {"text/plain": {}}}, **openapi.errors()},
)
async def metrics(parts: ServiceParts) -> Response:
    """Prometheus' text format, over all processes of this service."""
    return vital.exposition(await asyncio.to_thread(parts.metrics.exposition))


@router.get("/docs.json", include_in_schema=False)
async def docs(request: Request) -> Response:
    """The OpenAPI document that the Swagger page shows."""
    return Response(orjson.dumps(request.app.openapi()), media_type=JSON)
