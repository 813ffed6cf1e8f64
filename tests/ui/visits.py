"""Visits to the page without a browser: they speak Streamlit's own protocol, so that many fit on one machine."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

_WORDS = ("red dress", "black leather jacket", "blue jeans", "white sneakers", "striped t-shirt", "green skirt")


@dataclass
class Load:
    """What the visits saw: seconds from asking to the finished page of each search, and what went wrong."""

    seconds: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


async def visits(url: str, count: int, seconds: float, pause: float) -> Load:
    """`count` visits at once for so long, each searching and looking at the results for about `pause` seconds."""
    load = Load()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_connect=30)) as session:
        end = time.monotonic() + seconds
        await asyncio.gather(*(_visit(session, url, number, end, pause, load) for number in range(count)))
    return load


async def _visit(session: aiohttp.ClientSession, url: str, number: int, end: float, pause: float, load: Load) -> None:
    chance = random.Random(number)
    await asyncio.sleep(chance.uniform(0, pause))
    address = url.replace("http", "ws", 1) + "/_stcore/stream"
    async with session.ws_connect(address, protocols=["streamlit"], origin=url, max_msg_size=0) as socket:
        while time.monotonic() < end:
            words = f"{chance.choice(_WORDS)} {chance.randrange(1000)}"
            begun = time.perf_counter()
            shown = await asyncio.wait_for(_search(socket, words), timeout=60)
            load.seconds.append(time.perf_counter() - begun)
            if "fs-match" not in shown:
                load.problems.append(f"{words}: no results on the page")
            await asyncio.sleep(chance.uniform(0.5, 1.5) * pause)


async def _search(socket: aiohttp.ClientWebSocketResponse, words: str) -> str:
    """Open the page with a search; its HTML once Streamlit says that it is finished."""
    ask = BackMsg()
    ask.rerun_script.query_string = "q=" + words.replace(" ", "+")
    await socket.send_bytes(ask.SerializeToString())
    html: list[str] = []
    while True:
        message = ForwardMsg()
        message.ParseFromString(await socket.receive_bytes())
        if message.delta.new_element.html.body:
            html.append(message.delta.new_element.html.body)
        if message.WhichOneof("type") == "script_finished":
            return "".join(html)


def histogram_median(texts: Sequence[str], name: str) -> float:
    """The median, in seconds, of a histogram over all its labels, between two scrapes: interpolated in its bucket."""
    before, after = (_buckets(text, name) for text in texts)
    counts = {bound: after[bound] - before.get(bound, 0.0) for bound in sorted(after)}
    half = counts[float("inf")] / 2
    low = below = 0.0
    for bound, count in counts.items():
        if count >= half:
            return low if bound == float("inf") else low + (bound - low) * (half - below) / max(count - below, 1e-9)
        low, below = bound, count
    raise ValueError(f"{name} has no buckets")


def _buckets(text: str, name: str) -> dict[float, float]:
    found: dict[float, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == f"{name}_bucket":
                bound = float(sample.labels["le"])
                found[bound] = found.get(bound, 0.0) + sample.value
    return found
