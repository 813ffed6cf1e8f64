"""`POST /encode_text` and `POST /encode_image`: texts and photos to unit vectors."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

import numpy as np
import orjson
from fastapi import APIRouter, Query, Request, Response
from numpy.typing import NDArray

from api import openapi
from api.body import JSON, MULTIPART, Upload, expect, read_form, read_json
from api.errors import InvalidValue, MissingField, TooManyItems, UnreadablePhoto
from api.schemas import MAX_PHOTOS, MAX_TEXT_CHARS, MAX_TEXTS, ImageEmbeddings, PhotoFailure, TextEmbeddings
from api.state import ServiceParts
from clip_runner.pixels import PhotoError

router = APIRouter(tags=["encode"])

EncodingFormat = Annotated[
    Literal["float", "base64"],
    Query(description="How vectors are written: JSON numbers, or base64 of little-endian float32."),
]


@router.post(
    "/encode_text",
    response_model=TextEmbeddings,
    responses=openapi.errors(400, 413, 415, 422, 429, 503, 504),
    openapi_extra=openapi.text_body(),
    summary="Texts to vectors",
)
async def encode_text(request: Request, parts: ServiceParts, encoding_format: EncodingFormat = "float") -> Response:
    """Unit vectors of 1 to 256 texts, in their order. Texts are encoded as they are, without a template."""
    expect(request, JSON)
    texts = _checked_texts(await read_json(request))
    with parts.metrics.stage("encode", {}):
        vectors, truncated = await parts.encoding.texts(texts)
    model = await parts.encoding.model()
    parts.metrics.encoded("text", "/encode_text", len(texts))
    return _answer(
        {
            "embeddings": _written(vectors, encoding_format),
            "model": model.model,
            "dim": model.dim,
            "truncated": truncated,
        }
    )


@router.post(
    "/encode_image",
    response_model=ImageEmbeddings,
    responses=openapi.errors(400, 413, 415, 422, 429, 503, 504),
    openapi_extra=openapi.photos_body(),
    summary="Photos to vectors",
)
async def encode_image(request: Request, parts: ServiceParts, encoding_format: EncodingFormat = "float") -> Response:
    """Unit vectors of 1 to 64 photos, in their order.

    A photo that cannot be read does not fail its neighbours: its place is null, and `errors` says why.
    """
    expect(request, MULTIPART)
    uploads = _checked_uploads((await read_form(request)).uploads)
    with parts.metrics.stage("decode", {}):
        decoded = await parts.encoding.decode([upload.content for upload in uploads])
    failures = [
        PhotoFailure(index=i, filename=uploads[i].filename, code=photo.code, message=photo.message)
        for i, photo in enumerate(decoded)
        if isinstance(photo, PhotoError)
    ]
    listed = [failure.model_dump() for failure in failures]
    readable = [photo for photo in decoded if not isinstance(photo, PhotoError)]
    if not readable:
        raise UnreadablePhoto(failures[0].code, failures[0].message, details=listed)
    for failure in failures:
        parts.metrics.refused(failure.code)
    with parts.metrics.stage("encode", {}):
        vectors = await parts.encoding.photos(readable)
    model = await parts.encoding.model()
    parts.metrics.encoded("image", "/encode_image", len(readable))
    written = iter(_written(vectors, encoding_format))
    return _answer(
        {
            "embeddings": [None if isinstance(photo, PhotoError) else next(written) for photo in decoded],
            "model": model.model,
            "dim": model.dim,
            "errors": listed,
        }
    )


def _checked_texts(body: Any) -> list[str]:
    if not isinstance(body, list):
        raise InvalidValue('The body must be a JSON array of texts such as ["red dress", "blue jeans"].')
    if not body:
        raise MissingField("The array is empty; send at least one text.")
    if len(body) > MAX_TEXTS:
        raise TooManyItems(f"{len(body):,} texts are too many; send at most {MAX_TEXTS} a request.")
    for index, text in enumerate(body):
        if not isinstance(text, str):
            raise InvalidValue(f"Item {index} is not a text.", details={"index": index})
        if not 1 <= len(text) <= MAX_TEXT_CHARS:
            raise InvalidValue(
                f"Text {index} has {len(text):,} characters; 1 to {MAX_TEXT_CHARS:,} are allowed.",
                details={"index": index},
            )
    return body


def _checked_uploads(uploads: dict[str, list[Upload]]) -> list[Upload]:
    files = uploads.get("files", [])
    if not files:
        found = ", ".join(sorted(uploads)) or "none"
        raise MissingField(f"Send each photo as a file part named `files`; file parts found: {found}.")
    if len(files) > MAX_PHOTOS:
        raise TooManyItems(f"{len(files)} photos are too many; send at most {MAX_PHOTOS} a request.")
    return files


def _written(vectors: NDArray[np.float32], encoding_format: str) -> list[Any]:
    """Each vector as orjson writes it: an array of float32, or base64 text."""
    if encoding_format == "float":
        return list(vectors)
    return [base64.b64encode(row.astype("<f4").tobytes()).decode("ascii") for row in vectors]


def _answer(content: dict[str, Any]) -> Response:
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), media_type=JSON)
