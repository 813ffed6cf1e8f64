"""The runner service: one model, fed in batches. Reachable only by the service that depends on it."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from contextlib import suppress
from threading import Thread
from typing import Any

import bentoml
import numpy as np
from loguru import logger

from clip_runner.abandoned import AbandonedCalls, drop_abandoned_calls
from clip_runner.lean_torch import lean_torch
from clip_runner.metering import BatchMeter
from clip_runner.priority import step_back
from clip_runner.settings import RunnerSettings
from clip_runner.source import ModelUnavailable, find_model
from clip_runner.tracing import tracing
from environment import from_environment
from telemetry.logs import LogSettings, configure_logs

_settings = from_environment(RunnerSettings)

# Who has waited longer is refused when the next batch begins: whoever asked for it has been answered 504.
_MAX_LATENCY_MS = int(_settings.request_timeout * 1000)

# Of texts, and as many of photos, so that a few texts need not wait until a batch of photos is done (many do: their
# parts are behind its parts). With one at a time two cores were idle for a twentieth of the time with photos and an
# eighth with texts: from the end of a batch's shorter part to the beginning of the next batch.
_BATCHES_AT_ONCE = 2


@bentoml.service(
    name="clip_runner",
    workers=1,
    threads=2 * _BATCHES_AT_ONCE,
    traffic={"timeout": _settings.request_timeout},  # how long the API's calls wait for an answer
    # By default the client drops its connection every 100 calls while others are in flight on it, which fails
    # them (bentoml 1.4.39: 3 % of calls at 8 in flight, 13 % at 32).
    runner_connection={"max_requests": 10**9, "max_age": 1e9},
    logging={"access": {"enabled": False}},
    tracing=tracing(),
)
class ClipRunner:
    """Encodes batches of texts and of pixels. Every item it gets has been checked."""

    def __init__(self) -> None:
        # Read once by torch's OpenMP, at its import. A thread that waits for the other ones sleeps: by default it
        # spins, on the very core that the service's decoding or HTTP needs.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        # What is loaded here stays: looking through it for garbage, again and again, is a fifth of the loading.
        gc.disable()
        with lean_torch():
            # torch and transformers are loaded here, in the runner's process alone.
            from transformers import AutoImageProcessor, AutoModel, AutoTokenizer  # noqa: F401 - so that they are

            from clip_runner.dispatching import dispatch_at_once, meter_queue
            from clip_runner.encoder import Encoder

            gc.freeze()  # modules, in which no garbage is to be found; the model's loading does leave some
            configure_logs("runner", from_environment(LogSettings))
            drop_abandoned_calls()
            self._encoder = Encoder(_settings)
        dispatch_at_once(_BATCHES_AT_ONCE if self._encoder.side_by_side else 1)
        if self._encoder.device == "cpu":  # a GPU waits for whoever feeds it
            step_back()
        gc.collect()
        gc.freeze()
        gc.enable()
        _give_back_memory()
        self._meter = BatchMeter()
        meter_queue(self._meter.waited)
        self._meter.started()
        # Beside the first calls: whoever waits for the start shall not wait for this too.
        Thread(target=self._record, name="record").start()

    def _record(self) -> None:
        try:
            self._encoder.record()
        except Exception:  # the passes go on as they are
            logger.exception("passes could not be recorded")
        _give_back_memory()

    @bentoml.on_deployment
    @staticmethod
    def check() -> None:
        """Before any process is started: a model that cannot be had ends the start with one line."""
        try:
            find_model(_settings.model_id)
        except ModelUnavailable as error:
            sys.exit(f"fashion-search: {error}")

    @bentoml.api(batchable=True, batch_dim=0, max_batch_size=_settings.max_text_batch, max_latency_ms=_MAX_LATENCY_MS)
    def encode_texts(self, texts: list[str]) -> np.ndarray:
        """Records of `encoder.text_row_type(dim)`, shape (n,)."""
        with self._meter.batch("text", len(texts)):
            return self._encoder.encode_texts(texts)

    @bentoml.api(batchable=True, batch_dim=0, max_batch_size=_settings.max_image_batch, max_latency_ms=_MAX_LATENCY_MS)
    def encode_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels uint8 (n, height, width, 3) to unit vectors float32 (n, dim)."""
        with self._meter.batch("image", len(pixels)):
            return self._encoder.encode_pixels(pixels)

    @bentoml.api
    async def describe(self) -> dict[str, Any]:
        """What the model is; answered beside the batches, not behind them."""
        encoder = self._encoder
        return {
            "model": encoder.identity.model,
            "dim": encoder.identity.dim,
            "pixel_spec": encoder.pixel_spec.to_dict(),
            "context_tokens": encoder.context_tokens,
            "device": encoder.device,
            "dtype": encoder.dtype,
        }


def _give_back_memory() -> None:
    """What loading took, such as the weights in float32, and the C library would keep for later: 70 to 220 MB."""
    with suppress(OSError, AttributeError):  # glibc has it, others need not
        ctypes.CDLL(None).malloc_trim(0)


ClipRunner.add_asgi_middleware(AbandonedCalls)  # type: ignore[attr-defined]  # a bentoml.Service by now
for _method in ClipRunner.apis.values():  # type: ignore[attr-defined]  # as above
    # Looked for in a JSON schema that is made anew for each answer, unless it is said: 0.1 to 0.3 ms.
    _method.output_spec.media_type = _method.output_spec.mime_type()
