"""Encodes photos through the service's public API."""

from __future__ import annotations

import base64
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import numpy as np
import requests
from numpy.typing import NDArray
from requests.adapters import HTTPAdapter

from etl.errors import EtlError, RecordError
from etl.waiting import Patience

_TIMEOUT = (5, 120)  # seconds to connect, and without a byte of an answer
_MOST_PAUSE = 60.0  # seconds; however long the service asks to be left alone
_TRIES = 3  # failures of one batch, while others get through, after which it is the batch that is to blame
_QUICK, _SLOW = 3.0, 8.0  # seconds of an answer, below which batches grow and above which they shrink

Encoded = NDArray[np.float32] | RecordError


@dataclass(frozen=True)
class EncoderModel:
    """What the service's vectors are made with."""

    model: str
    dim: int


class EncoderClient:
    """One pooled connection set to the service. Thread-safe.

    A service that is away or busy is waited for; a batch that fails is split; each photo keeps its place whatever
    happens to its neighbours.
    """

    def __init__(
        self, url: str, patience: Patience, *, api_key: str = "", connections: int = 4, most: int = 32
    ) -> None:
        """Args:
        url: the service's address.
        patience: waits while the service is away.
        api_key: sent where it is not empty.
        connections: requests under way at once.
        most: photos in one request.
        """
        self._url = url
        self._patience = patience
        self._session = requests.Session()
        # The service is a neighbour: no proxy is asked for it, and no .netrc replaces its key.
        self._session.trust_env = False
        self._session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        self._session.mount("http", HTTPAdapter(pool_maxsize=connections))
        if api_key:
            self._session.headers["Authorization"] = f"Bearer {api_key}"
        self.batch = BatchSize(most)

    def close(self) -> None:
        self._session.close()

    def model(self) -> EncoderModel:
        """The model that the service runs now."""
        while True:
            answer, why = self._ask("/encode_text", json=["a photo"])
            if answer is not None and answer.status_code == 200:
                self._patience.back("service")
                body = self._json(answer)
                return EncoderModel(body["model"], body["dim"])
            if answer is not None and not _passing(answer):
                raise EtlError(f"{self._url}: {why}")
            self._patience.away("service", why, asked=_asked(answer))

    def encode(self, photos: Sequence[bytes], model: EncoderModel) -> list[Encoded]:
        """Each photo's unit vector, float32 (dim,), or why it has none, in the photos' order.

        Raises EtlError when the service's model is not `model` any more, or the service stays away.
        """
        if not photos:
            return []
        failures = 0
        while True:
            others = self._patience.reached["service"]
            started = time.monotonic()
            files = [("files", (str(index), photo)) for index, photo in enumerate(photos)]
            answer, why = self._ask("/encode_image?encoding_format=base64", files=files)
            if answer is not None and answer.status_code == 200:
                self._patience.back("service")
                self.batch.took(len(photos), time.monotonic() - started)
                return self._vectors(answer, model, len(photos))
            if answer is not None and not _passing(answer):
                self._patience.back("service")
                return self._refused(answer, photos, model)
            if answer is not None and answer.status_code == 504:
                self.batch.took(len(photos), _SLOW * 2)
            self._patience.away("service", why, asked=_asked(answer))
            got_through = self._patience.reached["service"] > others
            failures += got_through and (answer is None or answer.status_code != 429)
            if failures >= _TRIES or (len(photos) > 1 and answer is not None and answer.status_code == 504):
                if len(photos) > 1:
                    return self._halves(photos, model)
                if failures >= _TRIES:
                    return [RecordError("service_failed", f"the service fails on this photo: {why}")]

    def _refused(self, answer: requests.Response, photos: Sequence[bytes], model: EncoderModel) -> list[Encoded]:
        """A batch that fails as a whole, by no fault of the service."""
        error = _error(answer)
        reason = error.get("message") or f"HTTP {answer.status_code}"
        if answer.status_code in (401, 403):
            raise EtlError(f"{self._url}: {reason} Set ETL_API_KEY to a key with the scope encode.")
        if answer.status_code in (404, 405):
            raise EtlError(f"{self._url}: there is no /encode_image; is this the service's address?")
        each = error.get("details")
        if answer.status_code == 422 and isinstance(each, list) and len(each) == len(photos):
            return [RecordError(photo["code"], photo["message"], lasting=True) for photo in each]
        if len(photos) > 1:
            # Halves find the one that is to blame, or become small enough.
            return self._halves(photos, model)
        code = str(error.get("code") or f"http_{answer.status_code}")
        return [RecordError(code, reason, lasting=answer.status_code in (413, 422))]

    def _halves(self, photos: Sequence[bytes], model: EncoderModel) -> list[Encoded]:
        half = len(photos) // 2
        return self.encode(photos[:half], model) + self.encode(photos[half:], model)

    def _vectors(self, answer: requests.Response, model: EncoderModel, count: int) -> list[Encoded]:
        body = self._json(answer)
        if body["model"] != model.model:
            raise EtlError(f"the service changed its model to {body['model']} during the load; run it again")
        failures = {
            error["index"]: RecordError(error["code"], error["message"], lasting=True) for error in body["errors"]
        }
        if len(body["embeddings"]) != count:
            raise EtlError(f"{self._url} answered {len(body['embeddings'])} vectors for {count} photos")
        return [
            failures[index] if text is None else np.frombuffer(base64.b64decode(text), "<f4")
            for index, text in enumerate(body["embeddings"])
        ]

    def _ask(self, path: str, **body: Any) -> tuple[requests.Response | None, str]:
        """POST once: the answer and, in words, what is wrong with it; no answer where there was no connection."""
        try:
            answer = self._session.post(self._url + path, timeout=_TIMEOUT, **body)
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            return None, f"no answer from {self._url} ({type(error).__name__})"
        except requests.RequestException as error:
            raise EtlError(f"{self._url}: {error}") from error
        return answer, str(_error(answer).get("message") or f"HTTP {answer.status_code}")

    def _json(self, answer: requests.Response) -> Any:
        try:
            return answer.json()
        except ValueError:
            raise EtlError(f"{self._url} does not answer as the service does; is the address right?") from None


class BatchSize:
    """How many photos to send in one request: as many as are answered within some seconds. Thread-safe.

    A slow machine must not run into the service's time limit, and a fast one should not wait for small batches.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self.now = min(8, most)

    def took(self, photos: int, seconds: float) -> None:
        """Learn from an answer."""
        with self._lock:
            if seconds > _SLOW:
                # Those that are larger were under way before it shrank, and say nothing about what it is now.
                if photos <= self.now:
                    self.now = max(1, photos // 2)
            elif seconds < _QUICK and photos >= self.now:
                self.now = min(self._most, self.now * 2)


def _passing(answer: requests.Response) -> bool:
    """Whether the same request may succeed later."""
    return answer.status_code == 429 or answer.status_code >= 500


def _asked(answer: requests.Response | None) -> float:
    """The seconds for which the service asks to be left alone: a number, or a date (RFC 9110, 10.2.3)."""
    text = answer.headers.get("Retry-After", "") if answer is not None else ""
    if text.isdigit():
        return min(float(text), _MOST_PAUSE)
    try:
        return min(max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0), _MOST_PAUSE)
    except ValueError:
        return 0.0


def _error(answer: requests.Response) -> dict[str, Any]:
    try:
        error = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return error if isinstance(error, dict) else {}
