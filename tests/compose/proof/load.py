"""Searches through the door for a while, and counts the answers: `... proof.load URL KEY SECONDS`."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter

import httpx

_CLIENTS = 6
_WORDS = ("red dress", "black leather jacket", "white sneakers", "blue jeans", "striped t-shirt", "grey hat")


async def load(url: str, key: str, seconds: float) -> Counter[str]:
    """Answers by status, or by the name of what went wrong."""
    counts: Counter[str] = Counter()
    end = time.monotonic() + seconds

    async def client(number: int) -> None:
        async with httpx.AsyncClient(timeout=60, trust_env=False, headers={"X-API-Key": key}) as http:
            while time.monotonic() < end:
                try:
                    body = {"query": _WORDS[number % len(_WORDS)], "top_k": 3}
                    answer = await http.post(f"{url}/search-image", json=body)
                    counts[str(answer.status_code)] += 1
                except httpx.HTTPError as error:
                    counts[type(error).__name__] += 1

    await asyncio.gather(*(client(number) for number in range(_CLIENTS)))
    return counts


if __name__ == "__main__":
    sys.stdout.write(f"{dict(asyncio.run(load(sys.argv[1], sys.argv[2], float(sys.argv[3]))))}\n")
