"""`make bench-backends`: what each backend and type costs, and how far its vectors are from torch's in float32."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from benchmarks import models, report
from benchmarks.requests import photos, texts
from clip_runner.backends.openvino_backend import OpenVinoBackend
from clip_runner.backends.torch_backend import TorchBackend
from clip_runner.loading import load_model
from clip_runner.pixels import decode_pixels
from clip_runner.settings import RunnerSettings
from clip_runner.tokens import padded, tokenise

_WAYS = [("torch", dtype) for dtype in ("float32", "mixed", "bfloat16")]
_WAYS += [("openvino", dtype) for dtype in ("float32", "bfloat16")]


def main() -> int:
    """One thread each, so that CPU time is work and not waiting; the least of the rounds counts."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backends", description=__doc__)
    parser.add_argument("--model", choices=models.NAMES, default="bundled")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    folder = models.folder_of(asked.model)
    record = report.Record(f"backends-{asked.model}")
    figures: dict[str, dict[str, float]] = {}
    reference: dict[str, np.ndarray] = {}
    for name, works in _backends(folder):
        found = {}
        for what, (items, work) in works.items():
            made = work()
            made = made / np.linalg.norm(made, axis=1, keepdims=True)
            found[f"{what}: ms"] = min(_cpu(work) for _ in range(asked.rounds)) / items * 1000
            found[f"{what}: cosine"] = float((made * reference.setdefault(what, made)).sum(axis=1).min())
        figures[name] = found
        report.say(name + ": " + ", ".join(f"{what} {value:.4g}" for what, value in found.items()))
        record.write(backends=figures)
    report.say(f"figures: {record.file}")
    return 0


Work = Callable[[], Any]


def _backends(folder: Path) -> Iterator[tuple[str, dict[str, tuple[int, Work]]]]:
    """Each backend in each type, with what it is measured on: items, and the encoding of them."""
    settings = RunnerSettings(_env_file=None, model_id=str(folder), model_threads=1)
    loaded = load_model(str(folder))
    files = photos(None, None, 16)
    pixels = np.stack([decode_pixels(file, loaded.pixel_spec, max_mpixels=64) for file in files])
    ids, _ = tokenise(loaded.tokenizer, texts()[:64], loaded.context_tokens, to_full_length=False)
    many, one = padded(ids, loaded.tokenizer), padded(ids[:1], loaded.tokenizer)
    made: dict[str, Any] = {}
    for name, dtype in _WAYS:
        if name not in made:
            kind = TorchBackend if name == "torch" else OpenVinoBackend
            made[name] = kind(settings, load_model(str(folder)))
        backend = made[name]
        backend.use(dtype)
        if isinstance(backend, TorchBackend):
            backend.script([pixels[:1], pixels[:2]], [padded(ids[:size], loaded.tokenizer) for size in (2, 3)])
        yield (
            f"{name} {dtype}",
            {
                "photo of 16": (16, partial(backend.photos, pixels)),
                "photo alone": (1, partial(backend.photos, pixels[:1])),
                "text of 64": (64, partial(backend.texts, [[many]])),
                "text alone": (1, partial(backend.texts, [[one]])),
            },
        )


def _cpu(work: Work) -> float:
    begin = process_time()
    work()
    return process_time() - begin


if __name__ == "__main__":
    sys.exit(main())
