"""The shapes of requests and answers, as the public contract has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.config import JsonDict

from api.errors import ApiError, InvalidValue, MissingField
from catalog.filters import MAX_VALUES as MAX_FILTER_VALUES

MAX_TEXTS = 256
MAX_PHOTOS = 64
MAX_TEXT_CHARS = 2_000
MAX_ID = 512

Scalar = str | float | int | bool


def _no_bool(value: object) -> object:
    """True is no number here, whatever Python thinks."""
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def _whole(value: object) -> object:
    """5.0 is the whole number 5, as in JSON Schema."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Number = Annotated[float, BeforeValidator(_no_bool)]
Integer = Annotated[int, BeforeValidator(_no_bool), BeforeValidator(_whole)]


_COMPARED: JsonDict = {"anyOf": [{"type": "string", "minLength": 1}, {"type": "number"}, {"type": "boolean"}]}
_FILTER_VALUE: JsonDict = {
    "anyOf": [_COMPARED, {"type": "array", "items": _COMPARED, "minItems": 1, "maxItems": MAX_FILTER_VALUES}]
}


class SearchQuery(BaseModel):
    """What to look for; at least one of `query`, `like` and a photo must be given."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    query: str | None = Field(
        None,
        description="Words to search by, up to 2,000 characters.",
        # Counted after trimming, by `parse_search`.
        json_schema_extra={"maxLength": MAX_TEXT_CHARS},
    )
    like: str | None = Field(None, description="An item's id: find more like it.", max_length=MAX_ID)
    text_weight: Number = Field(0.5, ge=0, le=1, description="Weight of the words beside pictures.")
    top_k: Integer = Field(9, ge=1, le=100, description="Number of results.")
    offset: Integer = Field(0, ge=0, le=1000, description="Results to leave out at the beginning.")
    min_score: Annotated[float, Field(ge=-1, le=1), BeforeValidator(_no_bool)] | None = Field(
        None, description="Lowest raw cosine of a result."
    )
    filters: dict[str, Any] = Field(
        default_factory=dict,
        description="AND over fields; a list is OR. Fields are those of `/facets`.",
        json_schema_extra={"additionalProperties": _FILTER_VALUE},
        examples=[{"colour": ["black", "grey"]}],
    )


def parse_search(values: Mapping[str, Any], *, from_form: bool, has_photo: bool = False) -> SearchQuery:
    """Check a search's fields; blank words and ids count as absent, and so does null.

    In a form everything is text: numbers, and `filters`, which is JSON. Where types can be said they count.

    Raises MissingField when there is nothing to search by, InvalidValue for anything out of range.
    """
    given = {name: value for name, value in values.items() if value is not None}
    if from_form and "filters" in given:
        given["filters"] = _filters_from_text(given["filters"])
    for name in ("query", "like"):
        if isinstance(given.get(name), str):
            given[name] = given[name].strip() or None
    try:
        search = SearchQuery.model_validate(given, strict=not from_form)
    except ValidationError as error:
        raise invalid_value(error, known=SearchQuery.model_fields) from error
    if search.query is not None and len(search.query) > MAX_TEXT_CHARS:
        raise InvalidValue(f"query has {len(search.query):,} characters; at most {MAX_TEXT_CHARS:,} are allowed.")
    if search.query is None and search.like is None and not has_photo:
        raise MissingField("Send at least one of query (words), file (a photo) and like (an item's id).")
    return search


def _filters_from_text(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidValue('filters must be a JSON object such as {"colour": "black"}.') from error


def invalid_value(error: ValidationError, known: Mapping[str, Any]) -> ApiError:
    """The first mistake of a validation in one sentence; values are not repeated."""
    mistake = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = ".".join(str(part) for part in mistake["loc"]) or "the body"
    if mistake["type"] == "extra_forbidden":
        return InvalidValue(f"There is no field named {name!r}; known are {', '.join(known)}.")
    reason = mistake["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return InvalidValue(f"{name} {reason}." if reason.startswith("must") else f"{name}: {reason}.")


class PhotoFailure(BaseModel):
    """Why one photo of several could not be encoded."""

    index: int
    filename: str
    code: str
    message: str


class TextEmbeddings(BaseModel):
    embeddings: list[list[float]] | list[str] = Field(
        description="A unit vector for each text; base64 of little-endian float32 when asked for."
    )
    model: str
    dim: int
    truncated: list[int] = Field(description="Indices of texts that were cut to the model's context.")


class ImageEmbeddings(BaseModel):
    embeddings: list[list[float] | None] | list[str | None] = Field(
        description="A unit vector for each photo, in their order; null where the photo could not be read."
    )
    model: str
    dim: int
    errors: list[PhotoFailure]


class Result(BaseModel):
    id: str
    score: float = Field(description="Raw cosine similarity.")
    url: str = Field(description="Link to the photo, good for PRESIGN_EXPIRES seconds, less a tenth at most.")
    metadata: dict[str, Any]


class Timings(BaseModel):
    decode_ms: float
    encode_ms: float
    search_ms: float
    presign_ms: float


class SearchAnswer(BaseModel):
    results: list[Result]
    has_more: bool
    query: str | None = Field(description="The text that was encoded, if any.")
    model: str
    total_ms: float
    timings: Timings


class ItemAnswer(BaseModel):
    id: str
    url: str
    metadata: dict[str, Any]


class FacetValue(BaseModel):
    value: Scalar
    count: int


class Facets(BaseModel):
    fields: dict[str, list[FacetValue]]
    total: int
    as_of: str | None = Field(description="When the counts were made, ISO 8601.")


class Readiness(BaseModel):
    ready: bool
    draining: bool
    parts: dict[str, bool]


class Problem(BaseModel):
    code: str
    message: str
    details: Any = None


class ErrorAnswer(BaseModel):
    error: Problem
