"""What the routes work with; put together by the service when its process starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from api.catalogue import Catalogue
from api.encoding import Encoding
from api.health import Health
from api.metering import Metrics
from api.scrape import Scrape
from api.search import Search


@dataclass(frozen=True)
class Parts:
    """The parts of a running service."""

    encoding: Encoding
    catalogue: Catalogue
    search: Search
    health: Health
    metrics: Metrics
    scrape: Scrape


# A plain function FastAPI would hand to a thread, at each request.
async def _parts(request: Request) -> Parts:
    return cast(Parts, request.app.state.parts)


ServiceParts = Annotated[Parts, Depends(_parts)]
