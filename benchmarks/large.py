"""`make bench-large`: large photos, decoded in full and at a fraction; what it saves, and what it changes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any, Literal

import numpy as np

from benchmarks import models, report, subjects
from benchmarks.asked import Asked, Figures, lines, medians
from benchmarks.company import Company
from benchmarks.connections import Request
from benchmarks.load import closed_loop
from benchmarks.requests import photo_requests, photos
from benchmarks.rounds import all_answered

_SIZES = ((800, 1200), (3024, 4032))
_ASKED_OF = (3024, 4032)
_WAYS: tuple[Literal["never", "auto"], ...] = ("never", "auto")
_NAMES = {"never": ", in full", "auto": ""}

_ASKED = (
    Asked("decoding and resizing: in full / at a fraction",
          lambda f: f["decoding CPU s, in full"] / f["decoding CPU s"], least=4),
    Asked("/encode_image, photos/s: at a fraction / in full",
          lambda f: f["/encode_image photos/s"] / f["/encode_image photos/s, in full"], least=2),
    Asked("/encode_image, CPU of a photo: in full / at a fraction",
          lambda f: f["/encode_image CPU s, in full"] / f["/encode_image CPU s"], least=2),
    Asked("least cosine to full decoding", lambda f: f["cosine to full decoding"], least=0.999),
)  # fmt: skip


def main() -> int:
    """Measure each size in so many rounds and print medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large", description=__doc__)
    parser.add_argument("--photos", type=Path, help="a folder with *.jpg files; without it, the sample catalogue's")
    parser.add_argument("--model", choices=models.NAMES, default="bundled")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6)
    asked = parser.parse_args()
    model, record = models.folder_of(asked.model), report.Record(f"large-{asked.model}")
    sizes = {}
    with ExitStack() as stack:
        # Both at once, so that they take turns; the one that waits costs next to nothing.
        servers = {way: _server(stack, model, way) for way in _WAYS}
        for size in _SIZES:
            files = photos(asked.photos, size, 12)
            decoding = _Decoding(model, files)
            rounds = [_round(decoding, servers, files, asked.seconds) for _ in range(asked.rounds)]
            name = f"{size[0]}x{size[1]}"
            table = lines(rounds, _ASKED if size == _ASKED_OF else [replace(line, least=None) for line in _ASKED])
            sizes[name] = {"table": [asdict(line) for line in table], "medians": medians(rounds), "rounds": rounds}
            record.write(sizes=sizes)
            report.say(f"{name}\n{report.table(table)}\n")
    report.say(f"figures: {record.file}")
    return 0


def _server(stack: ExitStack, model: Path, way: str) -> subjects.Server:
    folder = Path(stack.enter_context(TemporaryDirectory()))
    return stack.enter_context(subjects.ours(folder, model, JPEG_DRAFT=way))[0]


def _round(
    decoding: _Decoding,
    servers: dict[Literal["never", "auto"], subjects.Server],
    files: Sequence[bytes],
    seconds: float,
) -> Figures:
    figures = {"cosine to full decoding": decoding.cosine}
    requests = photo_requests(files, 2)
    with Company() as company:
        for way in _WAYS:
            figures[f"decoding CPU s{_NAMES[way]}"] = decoding.cpu_seconds(way)
        for way in _WAYS:
            rate, cpu = _endpoint(servers[way], requests, seconds)
            figures |= {f"/encode_image photos/s{_NAMES[way]}": rate, f"/encode_image CPU s{_NAMES[way]}": cpu}
    return figures | {"others' share of the processors": company.share}


class _Decoding:
    """Decoding and resizing in both ways, and the least cosine between the vectors of both."""

    def __init__(self, model: Path, files: Sequence[bytes]) -> None:
        from clip_runner.encoder import Encoder
        from clip_runner.settings import RunnerSettings

        encoder = Encoder(RunnerSettings(_env_file=None, model_id=str(model), model_dtype="float32"))
        self._spec, self._files = encoder.pixel_spec, files
        vectors = {way: encoder.encode_pixels(np.stack(self._decoded(way))) for way in _WAYS}
        self.cosine = float((vectors["auto"] * vectors["never"]).sum(axis=1).min())

    def cpu_seconds(self, way: Literal["never", "auto"]) -> float:
        """CPU seconds of a photo."""
        return _cpu(lambda: self._decoded(way)) / len(self._files)

    def _decoded(self, way: Literal["never", "auto"]) -> list[Any]:
        from clip_runner.pixels import decode_pixels

        return [decode_pixels(file, self._spec, max_mpixels=64, draft=way) for file in self._files]


def _endpoint(server: subjects.Server, requests: Sequence[Request], seconds: float) -> tuple[float, float]:
    """Photos a second and CPU seconds a photo of `/encode_image`, two photos a request."""
    before, in_flight = server.cpu_seconds(), 2 * (os.cpu_count() or 1)
    outcome = closed_loop(server.url, requests, in_flight=in_flight, seconds=seconds, warm_up=1)
    all_answered(outcome)
    return outcome.rate, (server.cpu_seconds() - before) / outcome.answered


def _cpu(work: Callable[[], object]) -> float:
    begin = process_time()
    work()
    return process_time() - begin


if __name__ == "__main__":
    sys.exit(main())
