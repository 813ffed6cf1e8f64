"""What the service finds: the ids of its results, as numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import requests
from numpy.typing import NDArray

from benchmarks.connections import Request


def found_by(url: str, searches: Sequence[Request], count: int) -> NDArray[np.int64]:
    """The first `count` results of each search, int64 (searches, count)."""
    numbers = []
    with requests.Session() as session:
        session.trust_env = False
        for search in searches:
            body = json.loads(search.body) | {"top_k": count}
            answer = session.post(url + search.path, json=body, timeout=60)
            answer.raise_for_status()
            numbers.append([int(result["id"]) for result in answer.json()["results"]])
    return np.array(numbers)
