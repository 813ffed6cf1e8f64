"""Whoever asks for something sensible meanwhile gets the right answer, and the service does not grow."""

from __future__ import annotations

from threading import Event, Thread
from typing import Any

import httpx
import psutil

from tests.photos import encoded, picture
from tests.stack import System

_PHOTO = encoded(picture(seed=5), "JPEG")


class Neighbours:
    """Asks again and again, and compares each answer with the first; as a context manager."""

    def __init__(self, system: System, *, key: str = "") -> None:
        self._client = system.client(headers={"X-API-Key": key})
        self._process = psutil.Process(system.api_pid())
        self._stop = Event()
        self._thread = Thread(target=self._ask_on)
        self.asked = 0
        self.wrong: list[str] = []
        self._expected = self._answers()
        self._before = self._process.memory_info().rss
        self.most = self._before

    @property
    def growth_mb(self) -> float:
        """How much larger the API process was at most."""
        return (self.most - self._before) / 2**20

    def __enter__(self) -> Neighbours:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._client.close()

    def _ask_on(self) -> None:
        while not self._stop.wait(0.05):
            try:
                if (found := self._answers()) != self._expected:
                    self.wrong.append(f"another answer: {str(found)[:200]}")
            except (httpx.HTTPError, ValueError, KeyError) as error:
                self.wrong.append(f"{type(error).__name__}: {error}")
            self.asked += 3
            self.most = max(self.most, self._process.memory_info().rss)

    def _answers(self) -> list[Any]:
        text = self._client.post("/encode_text", json=["a red dress"])
        photo = self._client.post("/encode_image", files={"files": ("a.jpg", _PHOTO)})
        search = self._client.post("/search-image", json={"query": "black jacket", "filters": {"colour": "black"}})
        for answer in (text, photo, search):
            answer.raise_for_status()
        # The last digits of a vector depend on what it was encoded beside.
        vectors = [[round(number, 3) for number in answer.json()["embeddings"][0]] for answer in (text, photo)]
        return [*vectors, [result["id"] for result in search.json()["results"]]]
