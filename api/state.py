"""What the routes work with; put together by the service when its process starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends, Request

from api.encoding import Encoding
from api.health import Health
from api.metering import Metrics
from api.scrape import Scrape
from api.search import Search

if TYPE_CHECKING:  # loading the stores' clients takes most of a second, see api/startup.py
    from api.catalogue import Catalogue


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
