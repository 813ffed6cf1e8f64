"""`make bench-large`: large photos, decoded in full and at a fraction; what it saves, and what it changes."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import gmtime, process_time, strftime
from typing import Any, Literal

import numpy as np

from benchmarks import machine, models, subjects
from benchmarks.company import Company
from benchmarks.load import closed_loop
from benchmarks.requests import photo_requests, photos

_HERE = Path(__file__).parent
_CACHE = _HERE.parent / ".local" / "bench"
_SIZES = ((800, 1200), (3024, 4032))
_WAYS: tuple[Literal["never", "auto"], ...] = ("never", "auto")


def main() -> int:
    """Measure each size in so many rounds and print medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large", description=__doc__)
    parser.add_argument("--photos", type=Path, help="a folder with *.jpg files; without it, the sample catalogue's")
    parser.add_argument("--model", choices=("bundled", "b32"), default="bundled")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8)
    asked = parser.parse_args()
    model = models.bundled() if asked.model == "bundled" else models.vit_b_32(_CACHE / "vit-b-32")
    figures = {}
    for size in _SIZES:
        files = photos(asked.photos, size, 12)
        with Company() as company:
            found = _decoding(model, files, asked.rounds) | _endpoint(model, files, asked.rounds, asked.seconds)
        name = f"{size[0]}x{size[1]}"
        figures[name] = found | {"others' share of the processors": company.share}
        sys.stdout.write(_line(name, figures[name]))
        sys.stdout.flush()
    out = _HERE / "results" / f"large-{asked.model}-{strftime('%Y-%m-%dT%H%M', gmtime())}.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"machine": machine.describe(), "sizes": figures}, indent=1) + "\n")
    sys.stdout.write(f"figures: {out}\n")
    return 0


def _decoding(model: Path, files: Sequence[bytes], rounds: int) -> dict[str, Any]:
    """CPU seconds of decoding and resizing a photo in both ways, and the cosines between their vectors."""
    from clip_runner.encoder import Encoder
    from clip_runner.pixels import decode_pixels
    from clip_runner.settings import RunnerSettings

    encoder = Encoder(RunnerSettings(_env_file=None, model_id=str(model), model_dtype="float32"))
    spec = encoder.pixel_spec
    pixels = {way: np.stack([decode_pixels(f, spec, max_mpixels=64, draft=way) for f in files]) for way in _WAYS}
    vectors = {way: encoder.encode_pixels(pixels[way]) for way in _WAYS}
    spent = {
        way: [_cpu(lambda way=way: [decode_pixels(f, spec, max_mpixels=64, draft=way) for f in files]) / len(files)  # type: ignore[misc]
              for _ in range(rounds)]
        for way in _WAYS
    }  # fmt: skip
    return {
        "decoding CPU s, in full": spent["never"],
        "decoding CPU s": spent["auto"],
        "cosine to full decoding": float((vectors["auto"] * vectors["never"]).sum(axis=1).min()),
    }


def _cpu(work: Callable[[], object]) -> float:
    begin = process_time()
    work()
    return process_time() - begin


def _endpoint(model: Path, files: Sequence[bytes], rounds: int, seconds: float) -> dict[str, Any]:
    """Photos a second and CPU seconds a photo of `/encode_image`, two photos a request."""
    found: dict[str, Any] = {}
    for way, name in zip(_WAYS, (", in full", ""), strict=True):
        rates, cpu = [], []
        with TemporaryDirectory() as folder, subjects.ours(Path(folder), model, JPEG_DRAFT=way) as (server, _):
            requests, in_flight = photo_requests(files, 2), 2 * (os.cpu_count() or 1)
            closed_loop(server.url, requests, in_flight=in_flight, seconds=2)
            for _ in range(rounds):
                before = server.cpu_seconds()
                outcome = closed_loop(server.url, requests, in_flight=in_flight, seconds=seconds, warm_up=0)
                if outcome.failed:
                    raise SystemExit(f"requests failed, by status: {outcome.statuses}")
                rates.append(outcome.rate)
                cpu.append((server.cpu_seconds() - before) / outcome.items)
        found |= {f"/encode_image photos/s{name}": rates, f"/encode_image CPU s{name}": cpu}
    return found


def _line(name: str, found: dict[str, Any]) -> str:
    def ratio(above: str, below: str) -> float:
        return float(np.median(found[above]) / np.median(found[below]))

    return (
        f"{name}: decoding {ratio('decoding CPU s, in full', 'decoding CPU s'):.1f}x, "
        f"/encode_image {ratio('/encode_image photos/s', '/encode_image photos/s, in full'):.1f}x "
        f"(its CPU {ratio('/encode_image CPU s, in full', '/encode_image CPU s'):.1f}x), "
        f"cosine {found['cosine to full decoding']:.5f}, others took {found[_OTHERS]:.0%}\n"
    )


_OTHERS = "others' share of the processors"


if __name__ == "__main__":
    sys.exit(main())
