"""`POST /search-image`, `GET /items/{id}` and `GET /facets`: the catalogue, searched and looked up."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Request, Response

from api import openapi
from api.body import JSON, MULTIPART, Form, expect, read_form, read_json, single
from api.errors import InvalidValue
from api.schemas import Facets, ItemAnswer, SearchAnswer, SearchQuery, parse_search
from api.state import ServiceParts

router = APIRouter(tags=["search"])

ItemId = Annotated[str, Path(openapi_examples={"sample": {"value": "images/055-jacket-black"}})]


@router.post(
    "/search-image",
    response_model=SearchAnswer,
    responses=openapi.errors(400, 404, 413, 415, 422, 429, 503, 504),
    openapi_extra=openapi.search_body(),
    summary="Search by words, by photo, by an item, or all of them",
)
async def search_image(request: Request, parts: ServiceParts) -> Response:
    """The catalogue's closest items. At least one of `query`, `file` and `like` must be given.

    All that are given are unit vectors, summed with weights and normalised again: with `text_weight` w the words
    count w and the pictures (`file` and `like`, equally) 1 - w; alone, each counts whole.
    """
    if expect(request, JSON, MULTIPART) == JSON:
        search, photo = _from_json(await read_json(request)), None
    else:
        search, photo = _from_form(await read_form(request))
    answer = await parts.search.run(search, photo)
    return Response(orjson.dumps(answer), media_type=JSON)


@router.get(
    "/items/{id:path}",
    response_model=ItemAnswer,
    responses=openapi.errors(404, 422, 429, 503, 504),
    summary="One item",
)
async def item(id: ItemId, parts: ServiceParts) -> Response:
    """An item's data, with a fresh link to its photo."""
    return Response(orjson.dumps(await parts.search.item(id)), media_type=JSON)


@router.get(
    "/facets",
    response_model=Facets,
    responses=openapi.errors(429, 503, 504),
    summary="What can be filtered by",
)
async def facets(parts: ServiceParts) -> Response:
    """The fields that can be filtered by, each with its most frequent values, as the last load counted them."""
    return Response(orjson.dumps(await parts.search.facets()), media_type=JSON)


def _from_json(body: Any) -> SearchQuery:
    if not isinstance(body, dict):
        raise InvalidValue('The body must be a JSON object such as {"query": "black leather jacket"}.')
    if "file" in body:
        raise InvalidValue("A photo is sent as the part `file` of a multipart form, not in JSON.")
    return parse_search(body, from_form=False)


def _from_form(form: Form) -> tuple[SearchQuery, bytes | None]:
    uploads = dict(form.uploads)
    photos = uploads.pop("file", [])
    if uploads:
        raise InvalidValue(f"There is no file field named {next(iter(uploads))!r}; send the photo as `file`.")
    if len(photos) > 1:
        raise InvalidValue(f"file is given {len(photos)} times; search with one photo.")
    if "file" in form.fields:
        raise InvalidValue("file must be a file part: give it a filename.")
    values = {name: single(given, name) for name, given in form.fields.items()}
    # A field that a form leaves empty is a field that was not given.
    values = {name: value for name, value in values.items() if value.strip()}
    search = parse_search(values, from_form=True, has_photo=bool(photos))
    return search, photos[0].content if photos else None
