"""What the machine can do without any server: the floor under each endpoint. A process of its own for each call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import numpy as np

_PHOTO_BATCHES = (8, 16, 32)
_TEXT_BATCHES = (32, 64, 128)


@dataclass(frozen=True)
class Limits:
    """Items a second on all cores, each alone, and CPU seconds of what cannot be shared."""

    photos_encoded: float
    photo_batch: int
    texts_encoded: float
    text_batch: int
    text_cpu_s: float
    """CPU seconds of one text encoded alone, on one thread: several would spin while they wait for each other."""

    photos_decoded: float
    """Decoded and resized, a photo a thread on every core."""

    photo_cpu_s: float
    """CPU seconds of a photo: encoded in the best batch, and decoded."""

    batched_text_cpu_s: float
    """CPU seconds of a text in the best batch."""

    load_s: float
    """Loading the model in plain Python, until its first vector."""

    @property
    def photos(self) -> float:
        """Photos a second when decoding and encoding share the cores and nothing else costs anything."""
        return 1 / (1 / self.photos_encoded + 1 / self.photos_decoded)


def measure(model: Path, photos: Sequence[bytes], texts: Sequence[str], *, seconds: float) -> Limits:
    """Measure in a process of its own, as a server's runner is one."""
    with TemporaryDirectory() as folder:
        for number, photo in enumerate(photos):
            (Path(folder) / f"{number:04d}.jpg").write_bytes(photo)
        (Path(folder) / "texts.json").write_text(json.dumps(list(texts)))
        command = [sys.executable, "-m", "benchmarks.limits", str(model), folder, str(seconds)]
        done = subprocess.run(  # noqa: S603 - a list of our own, no shell
            command, check=True, capture_output=True, text=True, timeout=900
        )
    return Limits(**json.loads(done.stdout.splitlines()[-1]))


def _measure_here(model: str, folder: Path, seconds: float) -> Limits:
    started = perf_counter()
    from clip_runner.encoder import Encoder
    from clip_runner.pixels import decode_pixels
    from clip_runner.settings import RunnerSettings

    encoder = Encoder(RunnerSettings(_env_file=None, model_id=model))
    load_s = perf_counter() - started
    texts = json.loads((folder / "texts.json").read_text())
    files = [file.read_bytes() for file in sorted(folder.glob("*.jpg"))]

    def decode(data: bytes) -> np.ndarray:
        return decode_pixels(data, encoder.pixel_spec, max_mpixels=64)

    pixels = np.stack([decode(data) for data in files[:8]])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        decoded, decode_cpu = _rate(lambda: len(list(pool.map(decode, files))), seconds)
    by_batch = {n: _rate(_encoding(encoder.encode_pixels, np.resize(pixels, (n, *pixels.shape[1:]))), seconds)
                for n in _PHOTO_BATCHES}  # fmt: skip
    # Texts sorted by length would flatter: they come as they are.
    by_texts = {n: _rate(_encoding(encoder.encode_texts, texts[:n]), seconds) for n in _TEXT_BATCHES}
    text_cpu = _cpu_of_singles(encoder.encode_texts, texts)
    best_photos, best_texts = max(by_batch, key=by_batch.__getitem__), max(by_texts, key=by_texts.__getitem__)
    return Limits(
        photos_encoded=by_batch[best_photos][0],
        photo_batch=best_photos,
        texts_encoded=by_texts[best_texts][0],
        text_batch=best_texts,
        text_cpu_s=text_cpu,
        photos_decoded=decoded,
        photo_cpu_s=by_batch[best_photos][1] + decode_cpu,
        batched_text_cpu_s=by_texts[best_texts][1],
        load_s=load_s,
    )


def _cpu_of_singles(encode: Callable[..., object], texts: Sequence[str]) -> float:
    import torch

    torch.set_num_threads(1)
    encode(texts[:1])
    begin = process_time()
    for text in texts:
        encode([text])
    return (process_time() - begin) / len(texts)


def _encoding(encode: Callable[..., object], batch: Sequence[str] | np.ndarray) -> Callable[[], int]:
    def once() -> int:
        encode(batch)
        return len(batch)

    return once


def _rate(work: Callable[[], int], seconds: float) -> tuple[float, float]:
    """Items a second, and CPU seconds an item; `work` does some and says how many. Its first call is not counted."""
    work()
    items, begin, cpu, spent = 0, perf_counter(), process_time(), 0.0
    while spent < seconds:
        items += work()
        spent = perf_counter() - begin
    return items / spent, (process_time() - cpu) / items


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(_measure_here(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])))) + "\n")
