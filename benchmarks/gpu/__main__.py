"""`make bench-gpu`: the chip's arithmetic, the encoder on it, decoding, and `/encode_image`, in one run."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np
import torch

from benchmarks import models, report
from benchmarks.asked import Figures
from benchmarks.gpu import chip, encoding, whole
from benchmarks.requests import photos, texts
from clip_runner.pixels import PixelSpec, decode_pixels

_SIZES = ("sample", "800x1200", "3024x4032")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda", help="cpu runs all but the chip's own figures: default cuda")
    parser.add_argument("--model", choices=models.NAMES, default="b32")
    parser.add_argument("--photos", type=Path, help="a folder with *.jpg files; without it, the sample catalogue's")
    parser.add_argument("--sizes", nargs="*", choices=_SIZES, default=list(_SIZES), help="of the photos sent")
    parser.add_argument("--workers", nargs="*", type=int, default=[4], help="API processes of the service, each tried")
    parser.add_argument("--generators", type=int, default=max(1, (os.cpu_count() or 1) // 8))
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the service")
    parser.add_argument("--out", type=Path, help="where the JSON goes (default: benchmarks/results/, by date)")
    return parser.parse_args()


class _Run:
    """Figures of one run: said as they come, written each time."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._given, self._model = given, models.folder_of(given.model)
        self._record = report.Record("gpu", given.out)
        self._figures: Figures = {}
        report.say(", ".join(f"{name} {value}" for name, value in self._record.machine.items()))

    def measure(self) -> None:
        if self._given.device != "cpu":
            self._add(chip.measure(torch.device(self._given.device)))
        self._add({"FLOP a photo": encoding.flop_a_photo(self._model)})
        spec = self._encoder()
        for size in self._given.sizes:
            self._whole(size, spec)
        report.say(f"figures: {self._record.file}")

    def _add(self, figures: Figures) -> None:
        self._figures |= figures
        for name, value in figures.items():
            report.say(f"{name}: {value:,.4g}")
        self._record.write(figures=self._figures)

    def _encoder(self) -> PixelSpec:
        given = self._given
        made = encoding.encoder(self._model, given.device, max_image_batch=1024, max_text_batch=1024)
        report.say(f"{given.model} on {made.device} in {made.dtype}")
        decoded = [decode_pixels(file, made.pixel_spec, max_mpixels=64) for file in photos(given.photos, None, 64)]
        pixels = np.stack(decoded)
        self._add(encoding.least_cosine(made, self._model, pixels[:16], texts()[:32]))
        self._add(encoding.photo_rates(made, pixels, given.seconds / 4))
        self._add(encoding.text_rates(made, texts(), given.seconds / 4))
        if given.device != "cpu":
            # `mixed` multiplies in bfloat16; what is left in float32 is measured by the same yardstick.
            product = "float16" if made.dtype == "float16" else "bfloat16"
            bound = self._figures[f"chip {product} FLOP/s"] / self._figures["FLOP a photo"]
            self._add({"encoder / the chip's arithmetic": self._encoded / bound})
        return made.pixel_spec

    @property
    def _encoded(self) -> float:
        """Photos a second of the encoder at its best batch."""
        return max(rate for name, rate in self._figures.items() if name.startswith("encoder photos/s"))

    def _whole(self, size: str, spec: PixelSpec) -> None:
        given = self._given
        width, _, height = size.partition("x")
        files = photos(given.photos, (int(width), int(height)) if height else None, 64)
        decoded = whole.decoded_a_second(files, spec, given.seconds)
        self._add({f"{size}: decoded photos/s": decoded})
        for workers in given.workers:
            done = whole.service(
                self._model, files, api_workers=workers, generators=given.generators, seconds=given.seconds,
                env={"MODEL_DEVICE": given.device, **dict(setting.split("=", 1) for setting in given.set)},
            )  # fmt: skip
            self._add({f"{size}: {name}": value for name, value in done.items()})
            rate = next(value for name, value in done.items() if "photos/s" in name)
            bound = min(self._encoded, decoded)
            self._add({f"{size}: service / the slower of encoder and decoding, {workers}": rate / bound})


def main() -> int:
    """Measure, say each figure once it is there, and write all of them."""
    given = _arguments()
    if given.device != "cpu" and not torch.cuda.is_available():
        raise SystemExit("There is no GPU that torch can use here. --device cpu runs what needs none.")
    _Run(given).measure()
    return 0


if __name__ == "__main__":
    sys.exit(main())
