"""Photos from files to vectors: decoding alone on all cores, and `/encode_image` of the service."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter, sleep

import requests

from benchmarks import subjects
from benchmarks.asked import Figures
from benchmarks.load import Outcome, closed_loop
from benchmarks.requests import photo_requests
from benchmarks.rounds import all_answered
from clip_runner.pixels import PixelSpec, decode_pixels
from local.ports import HOST, free_port

_MOST_EACH, _MOST_BYTES = 16, 24 * 2**20  # photos a request, and their bytes: MAX_BODY_MB is 32
_WARM_UP = 1.0  # seconds
_READY = 180.0  # seconds


def decoded_a_second(files: Sequence[bytes], spec: PixelSpec, seconds: float) -> float:
    """Photos a second of decoding and resizing, by a process a core: nothing is shared, nothing is handed over."""
    cores = os.cpu_count() or 1
    with _processes(cores) as pool:
        rates = [pool.submit(_decoding, files, spec, seconds) for _ in range(cores)]
        return sum(rate.result() for rate in rates)


def _decoding(files: Sequence[bytes], spec: PixelSpec, seconds: float) -> float:
    done, begin = 0, perf_counter()
    while perf_counter() - begin < seconds:
        for file in files:
            decode_pixels(file, spec, max_mpixels=64)
        done += len(files)
    return done / (perf_counter() - begin)


def _processes(count: int) -> ProcessPoolExecutor:
    # Forked processes would share this one's use of the GPU.
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"))


def service(
    model: Path, files: Sequence[bytes], *, api_workers: int, generators: int, seconds: float, env: dict[str, str]
) -> Figures:
    """`/encode_image` at saturation, in so many API processes.

    Args:
        model: the model's folder.
        files: photos.
        api_workers: API processes of the service.
        generators: processes that send requests, on the same cores.
        seconds: how long.
        env: settings of the service.
    """
    # Encoding needs no store: where there is none, the rest is as ever.
    nowhere = {"MILVUS_HOST": HOST, "MILVUS_PORT": str(free_port()), "MINIO_ENDPOINT": f"http://{HOST}:{free_port()}"}
    settings = {"API_WORKERS": str(api_workers), **env}
    in_flight = max(1, 8 * api_workers // generators)
    with (
        TemporaryDirectory() as folder,
        _processes(generators) as pool,
        subjects.service(Path(folder), model, nowhere, ready="/livez", **settings) as (server, _),
    ):
        _wait_until_it_encodes(server.url)
        before = server.cpu_seconds()
        loads = [pool.submit(_load, server.url, files, in_flight, seconds) for _ in range(generators)]
        outcomes = [load.result() for load in loads]
        all_answered(*outcomes)
        spent = server.cpu_seconds() - before
    what = f"with {api_workers} API process{'es' if api_workers > 1 else ''}"
    return {
        f"service photos/s, {what}": sum(outcome.rate for outcome in outcomes),
        f"service photo CPU s, {what}": spent / sum(outcome.answered for outcome in outcomes),
        f"service p99 s of {_each(files)} photos, {what}": max(outcome.latency(99) for outcome in outcomes),
    }


def _load(url: str, files: Sequence[bytes], in_flight: int, seconds: float) -> Outcome:
    return closed_loop(url, photo_requests(files, _each(files)), in_flight=in_flight, seconds=seconds, warm_up=_WARM_UP)


def _each(files: Sequence[bytes]) -> int:
    """Photos a request."""
    return max(1, min(_MOST_EACH, _MOST_BYTES // max(map(len, files))))


def _wait_until_it_encodes(url: str) -> None:
    """Wait for the runner, which loads its model meanwhile."""
    end = monotonic() + _READY
    while monotonic() < end:
        if requests.post(f"{url}/encode_text", json=["a red dress"], timeout=30).status_code == 200:
            return
        sleep(0.2)
    raise SystemExit(f"the service encodes nothing after {_READY:.0f} s")
