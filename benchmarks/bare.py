"""HTTP and nothing behind it: any text becomes the same vector. The floor of a service on uvicorn."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import orjson

_VECTOR = np.random.default_rng(0).standard_normal(int(os.environ["BARE_DIM"])).astype(np.float32)


async def app(_: dict[str, Any], receive: Any, send: Any) -> None:
    """The ASGI application."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    texts = orjson.loads(body or b"[]")
    answer = orjson.dumps({"embeddings": [_VECTOR] * len(texts)}, option=orjson.OPT_SERIALIZE_NUMPY)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode("ascii"))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
