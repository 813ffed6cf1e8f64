from __future__ import annotations

import asyncio
import re

import httpx
import torch

from tests.reliability.vitals import workers
from tests.stack import SAMPLE, System


def test_health(api: httpx.Client) -> None:
    assert api.get("/livez").status_code == 200
    parts = {"runner": True, "milvus": True, "store": True}
    assert api.get("/readyz").json() == {"ready": True, "draining": False, "parts": parts}


def test_swagger_page_and_its_document(api: httpx.Client) -> None:
    assert "swagger" in api.get("/").text.lower()
    for asset in re.findall(r'(?:src|href)="\./(static_content/[^"]+)"', api.get("/").text):
        assert api.get(f"/{asset}").status_code == 200
    document = api.get("/docs.json").json()
    assert set(document["paths"]) == {
        "/encode_text", "/encode_image", "/search-image", "/items/{id}", "/facets", "/livez", "/readyz", "/metrics",
    }  # fmt: skip


def test_examples_of_the_document_run(api: httpx.Client) -> None:
    document = api.get("/docs.json").json()
    ran = 0
    for path, methods in document["paths"].items():
        for content_type, content in methods.get("post", {}).get("requestBody", {}).get("content", {}).items():
            if "example" in content:
                assert content_type == "application/json"
                assert api.post(path, json=content["example"]).status_code == 200
                ran += 1
        for parameter in methods.get("get", {}).get("parameters", []):
            id = parameter["examples"]["sample"]["value"]
            assert api.get(path.replace("{id}", id)).status_code == 200
            ran += 1
    assert ran >= 3


def test_unknown_paths_do_not_grow_the_scrape(api: httpx.Client) -> None:
    api.get("/unknown-0")
    api.get("/metrics")  # the scrape itself is on the page from the second one on
    before = len(api.get("/metrics").text.splitlines())
    for number in range(1, 300):
        api.get(f"/unknown-{number}")
    assert len(api.get("/metrics").text.splitlines()) == before


def batch_sizes(metrics: str) -> tuple[float, float]:
    """Batches and items that the runner has run."""
    totals = {"count": 0.0, "sum": 0.0}
    for kind, value in re.findall(r"^runner_batch_items_(count|sum)\{[^}]*\} (\S+)", metrics, re.M):
        totals[kind] += float(value)
    return totals["count"], totals["sum"]


def test_400_requests_at_32_in_flight(system: System, api: httpx.Client) -> None:
    batches_before, items_before = batch_sizes(api.get("/metrics").text)
    photo = (SAMPLE / "images" / "055-jacket-black.jpg").read_bytes()

    async def burst() -> list[int]:
        limits = httpx.Limits(max_connections=32)
        async with httpx.AsyncClient(base_url=system.url, timeout=60, limits=limits, trust_env=False) as client:
            calls = [
                client.post("/search-image", json={"query": f"jacket number {number}"})
                if number % 2
                else client.post("/search-image", files={"file": photo})
                for number in range(400)
            ]
            return [answer.status_code for answer in await asyncio.gather(*calls)]

    assert asyncio.run(burst()) == [200] * 400
    batches, items = batch_sizes(api.get("/metrics").text)
    assert items - items_before == 400
    assert batches - batches_before < 400  # so some batches held more than one


def test_the_model_comes_after_whoever_answers(system: System) -> None:
    by_part = {"clip_runner" in " ".join(process.cmdline()): process.nice() for process in workers(system.service)}
    steps = 0 if torch.cuda.is_available() else 5  # a GPU waits for whoever feeds it
    assert by_part[True] == min(19, by_part[False] + steps)
