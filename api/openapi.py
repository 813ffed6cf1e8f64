"""What the OpenAPI document says beyond the routes' types: bodies read by hand, errors, examples that run."""

from __future__ import annotations

from typing import Any

from api.schemas import MAX_ID, MAX_PHOTOS, MAX_TEXT_CHARS, MAX_TEXTS, ErrorAnswer, SearchQuery

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


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route, for its `responses`."""
    reasons = {status: _REASONS[status] for status in statuses} | _ALWAYS
    return {status: {"model": ErrorAnswer, "description": reason} for status, reason in sorted(reasons.items())}


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
    return _body({"multipart/form-data": {"schema": schema}})


def search_body() -> dict[str, Any]:
    """The body of `/search-image`, as a form and as JSON."""
    fields, form = _search_fields(), _search_fields()
    fields["anyOf"] = [_given("query"), _given("like")]
    form["properties"] |= {
        "file": {"type": "string", "format": "binary", "description": "A photo to search by."},
        "filters": {"type": "string", "description": 'JSON text, such as {"colour": "black"}.'},
    }
    form["anyOf"] = [_given("query"), _given("like"), {"required": ["file"]}]
    return _body(
        {
            "application/json": {
                "schema": fields,
                "example": {"query": "black leather jacket", "top_k": 9},
            },
            "multipart/form-data": {"schema": form},
        }
    )


def _search_fields() -> dict[str, Any]:
    """The fields of a search; what must be given is said without null, which counts as not given."""
    fields = SearchQuery.model_json_schema()
    for name, most in (("query", MAX_TEXT_CHARS), ("like", MAX_ID)):
        described = fields["properties"][name]["description"]
        fields["properties"][name] = {"type": "string", "maxLength": most, "description": described}
    return fields


def _given(name: str) -> dict[str, Any]:
    """A text that is there; a blank one counts as not given."""
    return {"required": [name], "properties": {name: {"pattern": r"\S"}}}


def _body(content: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": content}}
