"""What the OpenAPI document says beyond the routes' types: bodies read by hand, errors, examples that run."""

from __future__ import annotations

from typing import Any

from api.doors import Doors
from api.schemas import MAX_PHOTOS, MAX_TEXT_CHARS, MAX_TEXTS, ErrorAnswer, SearchQuery

_REASONS = {
    400: "The body is malformed: `invalid_json`, `invalid_multipart`.",
    404: "`not_found`.",
    413: "`body_too_large`.",
    415: "`unsupported_media_type`.",
    422: "A value is missing or wrong; `code` says which, for photos why.",
    429: "`overloaded` or `rate_limited`; see Retry-After.",
    503: "A part is away (`unavailable`, details name it) or `model_mismatch`; see Retry-After.",
    504: "`timeout`.",
}

_ALWAYS = {
    401: "`unauthorized`: no key, or a wrong one.",
    403: "`forbidden`: the key lacks the scope.",
}


_PHOTO_TYPES = "image/jpeg, image/png, image/webp, image/gif, image/tiff, image/bmp"

_REQUEST_ID = {"X-Request-ID": {"description": "The request's id in all logs.", "schema": {"type": "string"}}}
_RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait.", "required": True, "schema": {"type": "integer", "minimum": 1}}
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route, for its `responses`."""
    reasons = {status: _REASONS[status] for status in statuses} | _ALWAYS
    return {status: {"model": ErrorAnswer, "description": reason} for status, reason in sorted(reasons.items())}


def complete(document: dict[str, Any], doors: Doors, *, keys: bool) -> dict[str, Any]:
    """The application's document with what all routes share: the answers' headers and, where keys are set, the keys."""
    for path, methods in document["paths"].items():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                told_when = status in ("429", "503") and path != "/readyz"
                answer["headers"] = _REQUEST_ID | (_RETRY_AFTER if told_when else {})
            if keys and doors.find(path).scope is not None:
                operation["security"] = [{"bearer": []}, {"header": []}]
    if keys:
        document["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
    return document


def text_body() -> dict[str, Any]:
    """The body of `/encode_text`."""
    schema = {
        "type": "array",
        "items": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT_CHARS},
        "minItems": 1,
        "maxItems": MAX_TEXTS,
    }
    example = ["a photo of a red dress", "blue denim jacket"]
    return _body({"application/json": {"schema": schema, "example": example}})


def photos_body() -> dict[str, Any]:
    """The body of `/encode_image`."""
    schema = {
        "type": "object",
        "required": ["files"],
        "properties": {
            "files": {
                "type": "array",
                "items": {"type": "string", "format": "binary"},
                "minItems": 1,
                "maxItems": MAX_PHOTOS,
            }
        },
    }
    return _body({"multipart/form-data": {"schema": schema, "encoding": {"files": {"contentType": _PHOTO_TYPES}}}})


def search_body() -> dict[str, Any]:
    """The body of `/search-image`, as a form and as JSON."""
    fields, form = SearchQuery.model_json_schema(), SearchQuery.model_json_schema()
    for name, field in fields["properties"].items():
        fields["properties"][name] = _nullable(field)
    fields["anyOf"] = [_given("query"), _given("like")]
    for name, field in form["properties"].items():
        form["properties"][name] = _without_null(field)
    form["properties"] |= {
        "file": {"type": "string", "format": "binary", "description": "A photo to search by."},
        "filters": {
            "type": "string",
            "anyOf": [{"format": "json"}, {"maxLength": 0}],
            "description": 'JSON text, such as {"colour": "black"}; empty counts as not given.',
        },
    }
    form["anyOf"] = [_given("query"), _given("like"), {"required": ["file"]}]
    return _body(
        {
            "application/json": {
                "schema": fields,
                "example": {"query": "black leather jacket", "top_k": 9},
            },
            "multipart/form-data": {"schema": form, "encoding": {"file": {"contentType": _PHOTO_TYPES}}},
        }
    )


def _without_null(field: dict[str, Any]) -> dict[str, Any]:
    """A field's schema where null cannot be said: pydantic's `anyOf` of a type and null becomes the type."""
    options = [option for option in field.pop("anyOf", []) if option != {"type": "null"}]
    return {**field, **(options[0] if options else {})}


def _nullable(field: dict[str, Any]) -> dict[str, Any]:
    """A field's schema in JSON, where null counts as not given."""
    plain = _without_null(field)
    return {**plain, "type": [plain["type"], "null"]}


def _given(name: str) -> dict[str, Any]:
    """A text that is there; a blank one counts as not given. Python knows more blanks than regular expressions do."""
    return {"required": [name], "properties": {name: {"type": "string", "pattern": r"[^\s\u001c-\u001f\u0085]"}}}


def _body(content: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": content}}
