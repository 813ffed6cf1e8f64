"""What the machine can do without any server: the floor under each endpoint. A process of its own for each call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import numpy as np

from benchmarks.asked import Figures
from benchmarks.rates import encoding, rate

_PHOTO_BATCHES = (8, 16, 32)
_TEXT_BATCHES = (32, 64, 128)
_TRIAL = 1.0  # seconds in which each batch is tried
_SINGLES = 64  # texts that are encoded alone


def measure(
    model: Path, photos: Sequence[bytes], texts: Sequence[str], *, seconds: float, only: Collection[str],
    known: Figures | None = None,
) -> Figures:  # fmt: skip
    """Measure in a process of its own, as a server's runner is one.

    Args:
        model: the model's folder.
        photos: what is decoded; the first of them are encoded.
        texts: what is encoded.
        seconds: length of the photos' measurements; those of texts, which are many more, take half of it.
        only: image, text, search; the loading is always measured.
        known: figures of an earlier call, whose best batches are taken; None: they are found out first.

    Returns:
        Items a second on all cores, of decoding and encoding each alone, and `limit photos/s` when they share the cores
        and nothing else costs anything; CPU seconds of an item; seconds from the process' start to its first vector.
    """
    with TemporaryDirectory() as folder:
        for number, photo in enumerate(photos):
            (Path(folder) / f"{number:04d}.jpg").write_bytes(photo)
        job = {"model": str(model), "texts": list(texts), "seconds": seconds, "only": list(only), "known": known or {},
               "begun": perf_counter()}  # fmt: skip
        (Path(folder) / "job.json").write_text(json.dumps(job))
        # As in the runner: torch's threads sleep while they wait for each other. Spinning, they would count as CPU
        # time of the model: 2.5 times as much for photos, ten times for texts, where others use the machine too.
        env = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(  # noqa: S603 - a list of our own, no shell
            [sys.executable, "-m", "benchmarks.limits", folder],
            env=env, stdout=subprocess.PIPE, text=True, timeout=900, check=True,
        )  # fmt: skip
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def _measure_here(folder: Path) -> Figures:
    job = json.loads((folder / "job.json").read_text())
    seconds, only, known = job["seconds"], job["only"], job["known"]
    _load_plainly(job["model"])
    # The clock is the system's: the same in the process that started this one.
    figures = {"limit load s": perf_counter() - job["begun"]}
    if not only:
        return figures
    from loguru import logger

    from clip_runner.encoder import Encoder
    from clip_runner.settings import RunnerSettings

    logger.disable("clip_runner")
    begun = perf_counter()
    encoder = Encoder(RunnerSettings(_env_file=None, model_id=job["model"]))
    # What the runner does on top of its imports: it reads the weights, finds out the type, and warms up.
    figures["limit encoder made s"] = perf_counter() - begun
    encoder.record()
    figures["limit dim"] = encoder.identity.dim
    if "image" in only:
        figures |= _photos(encoder, [file.read_bytes() for file in sorted(folder.glob("*.jpg"))], seconds, known)
    if "text" in only:
        figures |= _texts(encoder, job["texts"], seconds / 2, known)
    if "search" in only:
        figures["limit text CPU s"] = _cpu_of_singles(encoder, job["texts"][:: len(job["texts"]) // _SINGLES])
    return figures


def _load_plainly(model: str) -> None:
    """Load the model as a script would, and encode one text."""
    import torch
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    # A folder: nothing is fetched.
    loaded = AutoModel.from_pretrained(model, dtype=torch.float32).eval()  # nosec B615
    tokenizer = AutoTokenizer.from_pretrained(model)  # nosec B615
    with torch.inference_mode():
        loaded.get_text_features(**tokenizer(["a red dress"], return_tensors="pt"))


def _photos(encoder: Any, files: Sequence[bytes], seconds: float, known: Figures) -> Figures:
    from clip_runner.pixels import decode_pixels

    def decode(data: bytes) -> np.ndarray:
        return decode_pixels(data, encoder.pixel_spec, max_mpixels=64)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        decoded, decode_cpu = rate(lambda: len(list(pool.map(decode, files))), seconds / 2)
    some = np.stack([decode(data) for data in files[: max(_PHOTO_BATCHES)]])
    pixels = np.resize(some, (max(_PHOTO_BATCHES), *some.shape[1:]))
    ways = {size: encoding(encoder.encode_pixels, [pixels[:size]]) for size in _PHOTO_BATCHES}
    best = int(known.get("limit photo batch", 0)) or _fastest(ways)
    encoded, encode_cpu = rate(ways[best], seconds)
    return {
        "limit photos/s": 1 / (1 / encoded + 1 / decoded),
        "limit photos encoded/s": encoded,
        "limit photos decoded/s": decoded,
        "limit photo CPU s": encode_cpu + decode_cpu,
        "limit photo batch": best,
    }


def _texts(encoder: Any, texts: Sequence[str], seconds: float, known: Figures) -> Figures:
    # Over all texts, whatever the batch: the later ones are longer.
    many = list(texts) * max(_TEXT_BATCHES)
    ways = {size: encoding(encoder.encode_texts, [many[at : at + size] for at in range(0, len(texts) * size, size)])
            for size in _TEXT_BATCHES}  # fmt: skip
    best = int(known.get("limit text batch", 0)) or _fastest(ways)
    texts_s, cpu = rate(ways[best], seconds)
    return {"limit texts/s": texts_s, "limit batched text CPU s": cpu, "limit text batch": best}


def _cpu_of_singles(encoder: Any, texts: Sequence[str]) -> float:
    """CPU seconds of one text encoded alone, in the words that a search puts around it."""
    from api.settings import ServiceSettings

    template = ServiceSettings.model_fields["prompt_template"].default
    encoder.encode_texts(texts[:1])
    begin = process_time()
    for text in texts:
        encoder.encode_texts([template.format(query=text)])
    return (process_time() - begin) / len(texts)


def _fastest(ways: dict[int, Callable[[], int]]) -> int:
    rates = {size: rate(work, _TRIAL)[0] for size, work in ways.items()}
    return max(rates, key=rates.__getitem__)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measure_here(Path(sys.argv[1]))) + "\n")
