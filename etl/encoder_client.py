"""Encodes photos through the service's public API."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import requests
from numpy.typing import NDArray
from requests.adapters import HTTPAdapter

from etl.errors import EtlError, RecordError

_TIMEOUT = (5, 120)  # seconds to connect, and without a byte of an answer
_BUSY = frozenset({429, 502, 503, 504})
_MAX_PAUSE = 30.0  # seconds; however long the service asks to be left alone

Encoded = NDArray[np.float32] | RecordError
Waiting = Callable[[str], None]


@dataclass(frozen=True)
class EncoderModel:
    """What the service's vectors are made with."""

    model: str
    dim: int


class EncoderClient:
    """One pooled connection set to the service. Thread-safe.

    A service that is away or busy is waited for, up to `wait` seconds in a row; each photo keeps its place whatever
    happens to its neighbours.
    """

    def __init__(
        self, url: str, *, api_key: str = "", connections: int = 4, wait: float = 600, waiting: Waiting
    ) -> None:
        self._url = url
        self._wait = wait
        self._waiting = waiting
        self._session = requests.Session()
        self._session.mount("http", HTTPAdapter(pool_maxsize=connections))
        if api_key:
            self._session.headers["Authorization"] = f"Bearer {api_key}"

    def close(self) -> None:
        self._session.close()

    def model(self) -> EncoderModel:
        """The model that the service runs now."""
        answer = self._post("/encode_text", json=["a photo"])
        if answer.status_code != 200:
            raise EtlError(f"{self._url}: {_reason(answer)}")
        body = answer.json()
        return EncoderModel(body["model"], body["dim"])

    def encode(self, photos: Sequence[bytes], model: EncoderModel) -> list[Encoded]:
        """Each photo's unit vector, float32 (dim,), or why it has none, in the photos' order.

        Raises EtlError when the service's model is not `model` any more, or the service stays away.
        """
        files = [("files", (str(index), photo)) for index, photo in enumerate(photos)]
        answer = self._post("/encode_image?encoding_format=base64", files=files)
        if answer.status_code == 200:
            body = answer.json()
            if body["model"] != model.model:
                raise EtlError(f"the service changed its model to {body['model']} during the load; start it again")
            failures = {error["index"]: RecordError(error["code"], error["message"]) for error in body["errors"]}
            return [
                failures[index] if text is None else np.frombuffer(base64.b64decode(text), "<f4")
                for index, text in enumerate(body["embeddings"])
            ]
        if answer.status_code in (401, 403):
            raise EtlError(f"{self._url}: {_reason(answer)} Set ETL_API_KEY to a key with the scope encode.")
        if len(photos) > 1:
            # The batch fails as a whole: halves find the one that is to blame, or become small enough.
            half = len(photos) // 2
            return self.encode(photos[:half], model) + self.encode(photos[half:], model)
        error = _error(answer)
        return [RecordError(error.get("code", f"http_{answer.status_code}"), error.get("message", answer.reason))]

    def _post(self, path: str, **body: object) -> requests.Response:
        """POST; waits while the service is away or busy."""
        since = time.monotonic()
        pause = 0.5
        while True:
            try:
                answer = self._session.post(self._url + path, timeout=_TIMEOUT, **body)  # type: ignore[arg-type]
                if answer.status_code not in _BUSY:
                    return answer
                why, asked = _reason(answer), answer.headers.get("Retry-After", "")
            except (requests.ConnectionError, requests.Timeout) as error:
                why, asked = f"no answer ({type(error).__name__})", ""
            if time.monotonic() - since > self._wait:
                raise EtlError(f"{self._url}: {why}; gave up after {self._wait:.0f} s")
            pause = min(float(asked) if asked.isdigit() else pause * 2, _MAX_PAUSE)
            self._waiting(f"the service at {self._url}: {why}; trying again in {pause:.0f} s")
            time.sleep(pause)


def _error(answer: requests.Response) -> dict[str, str]:
    try:
        error: dict[str, str] = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return error


def _reason(answer: requests.Response) -> str:
    return _error(answer).get("message") or f"HTTP {answer.status_code}"
