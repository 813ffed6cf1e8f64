"""What can go wrong in a request, in the words of the public contract, and the one form of an error answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response


class ApiError(Exception):
    """A failure that is answered to the client as `{"error": {"code", "message", "details"?}}`."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.headers = dict(headers or {})

    def answer(self) -> Response:
        """The HTTP answer for this error."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.details is not None:
            error["details"] = self.details
        body = orjson.dumps({"error": error}, option=orjson.OPT_SERIALIZE_NUMPY)
        return Response(body, self.status, headers=self.headers, media_type="application/json")


class InvalidJson(ApiError):
    def __init__(self, message: str) -> None:
        super().__init__(400, "invalid_json", message)


class InvalidMultipart(ApiError):
    def __init__(self, message: str) -> None:
        super().__init__(400, "invalid_multipart", message)


class Unauthorized(ApiError):
    def __init__(self, message: str) -> None:
        super().__init__(401, "unauthorized", message, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(ApiError):
    def __init__(self, message: str) -> None:
        super().__init__(403, "forbidden", message)


class NotFound(ApiError):
    def __init__(self, message: str) -> None:
        super().__init__(404, "not_found", message)


class MethodNotAllowed(ApiError):
    def __init__(self, method: str, allowed: str) -> None:
        super().__init__(
            405,
            "method_not_allowed",
            f"{method} is not allowed here; use {allowed}.",
            headers={"Allow": allowed},
        )


class BodyTooLarge(ApiError):
    def __init__(self, limit_mb: float) -> None:
        super().__init__(413, "body_too_large", f"The body is larger than {limit_mb:g} MB.")


class UnsupportedMediaType(ApiError):
    def __init__(self, expected: str) -> None:
        super().__init__(415, "unsupported_media_type", f"Send the body as {expected}.")


class MissingField(ApiError):
    def __init__(self, message: str, *, details: Any = None) -> None:
        super().__init__(422, "missing_field", message, details=details)


class InvalidValue(ApiError):
    def __init__(self, message: str, *, details: Any = None) -> None:
        super().__init__(422, "invalid_value", message, details=details)


class TooManyItems(ApiError):
    def __init__(self, message: str) -> None:
        super().__init__(422, "too_many_items", message)


class UnknownFilter(ApiError):
    def __init__(self, field: str, known: list[str]) -> None:
        message = f"There is no filter named {field!r}."
        super().__init__(422, "unknown_filter", message, details={"field": field, "known": known})


class UnreadablePhoto(ApiError):
    """A photo that could not be read; `code` is one of the photo codes of `clip_runner.pixels`."""

    def __init__(self, code: str, message: str, *, details: Any = None) -> None:
        super().__init__(422, code, message, details=details)


class Overloaded(ApiError):
    def __init__(self, limit: int) -> None:
        message = f"More than {limit} requests are under way; try again shortly."
        super().__init__(429, "overloaded", message, headers={"Retry-After": "1"})


class RateLimited(ApiError):
    def __init__(self, retry_after_s: int) -> None:
        message = f"Too many requests from this client; try again in {retry_after_s} s."
        super().__init__(429, "rate_limited", message, headers={"Retry-After": str(retry_after_s)})


class Unavailable(ApiError):
    """A part the request needs is away: `part` is runner, milvus or store."""

    def __init__(self, part: str) -> None:
        message = f"The {part} does not answer; try again shortly."
        super().__init__(503, "unavailable", message, details={"part": part}, headers={"Retry-After": "2"})


class ModelMismatch(ApiError):
    def __init__(self, service_model: str, collection_model: str) -> None:
        super().__init__(
            503,
            "model_mismatch",
            f"The catalogue was encoded with {collection_model}, this service runs {service_model}; "
            "rebuild the catalogue or change MODEL_ID.",
            details={"service": service_model, "collection": collection_model},
            headers={"Retry-After": "30"},
        )


class RequestTimeout(ApiError):
    def __init__(self, seconds: float) -> None:
        super().__init__(504, "timeout", f"The request took longer than {seconds:g} s.")


class InternalError(ApiError):
    def __init__(self) -> None:
        super().__init__(500, "internal_error", "Something went wrong here; the log has the details.")
