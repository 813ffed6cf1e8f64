"""What the head of every answer carries, and what a request's own head says of its name."""

from __future__ import annotations

import random
import re

_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)

POLICY = b"default-src 'none'; frame-ancestors 'none'"
"""Answers are data: nothing in them may run or be loaded, should a browser ever show one."""

PAGE_POLICY = (
    b"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; "
    b"base-uri 'none'; form-action 'self'"
)
"""The Swagger page loads its own assets, and calls this service."""

# What a client may choose as its request's id: short, and harmless in any log.
_PLAUSIBLE_ID = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}")
_IDS = random.Random()  # noqa: S311 - of its own, so that nobody else seeds it
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


def request_id(headers: dict[bytes, bytes]) -> str:
    """The id that the client gave its request, or one of our own."""
    given = headers.get(b"x-request-id", b"").decode("latin-1")
    # Not uuid4: asking the system for bytes lets go of the interpreter's lock, and another thread takes it for a while.
    # It can be guessed, and gives nobody anything.
    return given if _PLAUSIBLE_ID.fullmatch(given) else f"{_IDS.getrandbits(128):032x}"


def carried(request_id: str, policy: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """The headers of an answer, besides those of its content."""
    id_header = (b"x-request-id", request_id.encode("latin-1"))
    return (id_header, *_SECURITY_HEADERS, (b"content-security-policy", policy))


def trace_id(headers: dict[bytes, bytes]) -> str | None:
    """The id of the trace that the request belongs to."""
    match = _TRACEPARENT.fullmatch(headers.get(b"traceparent", b"").decode("latin-1"))
    return match.group(1) if match else None
