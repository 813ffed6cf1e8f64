"""The short way to the routes that are called most, past what the framework does around each of its own.

FastAPI's and Starlette's layers are half of what a small request costs in the application. They do nothing for a POST
without a query string: its body is read by the route, its mistakes are answered by the gate.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.state import Parts

Route = Callable[[Request, Parts], Awaitable[Response]]


class ShortWay:
    """An application, with some of its POST routes by path; all else goes the way it always goes."""

    def __init__(self, app: Starlette, routes: Mapping[str, Route]) -> None:
        """`app.state.parts` are the service's, once it serves."""
        self._app, self._routes = app, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        plain = scope["type"] == "http" and scope["method"] == "POST" and not scope["query_string"]
        route = self._routes.get(scope["path"]) if plain else None
        if route is None:
            await self._app(scope, receive, send)
            return
        response = await route(Request(scope, receive, send), self._app.state.parts)
        await response(scope, receive, send)
