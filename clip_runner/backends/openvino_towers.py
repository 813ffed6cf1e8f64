"""A model's towers in OpenVINO's form: traced from torch once, and kept."""

from __future__ import annotations

import shutil
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from time import time

import openvino
import torch
import transformers
from loguru import logger

from clip_runner.backends.towers import PhotoTower, TextTower
from clip_runner.loading import LoadedModel
from clip_runner.tokens import masks

_TOWERS = ("photos", "texts")
_UNFINISHED = "unfinished-"
_LEFT_AFTER = 3600.0  # seconds
_FORM = 2  # counted up when what is traced below changes: what was kept before does not fit any more


def towers(core: openvino.Core, loaded: LoadedModel, kept_in: Path | None) -> list[openvino.Model]:
    """The towers of photos and of texts, in float32.

    Args:
        core: what reads them.
        loaded: the model.
        kept_in: a folder in which they are looked for and kept; None: nowhere.
    """
    if kept_in is None:
        return _traced(loaded)
    folder = kept_in / f"openvino-{_key(loaded)}"
    with suppress(OSError):  # where it may not even be looked for, it cannot be kept either
        if folder.exists():
            try:
                return [core.read_model(folder / f"{name}.xml") for name in _TOWERS]
            except RuntimeError:
                logger.warning("{} cannot be read and is made anew", folder)
                shutil.rmtree(folder, ignore_errors=True)
    made = _traced(loaded)
    _keep(made, folder)
    return made


def _key(loaded: LoadedModel) -> str:
    """What the traced towers depend on."""
    parts = (
        loaded.identity.model.rpartition("@")[2],
        loaded.model.config.to_json_string(),
        masks(loaded.tokenizer),
        openvino.get_version(),
        torch.__version__,
        transformers.__version__,
        _FORM,
    )
    return sha256(repr(parts).encode()).hexdigest()[:16]


def _traced(loaded: LoadedModel) -> list[openvino.Model]:
    with torch.no_grad():
        spec, length = loaded.pixel_spec, min(8, loaded.context_tokens)
        pixels = torch.zeros((2, spec.height, spec.width, 3), dtype=torch.uint8)
        tower = PhotoTower(loaded.model, rescale=loaded.rescale, mean=loaded.mean, std=loaded.std)
        photos = openvino.convert_model(tower.eval(), example_input=pixels)
        ids = torch.ones((2, length), dtype=torch.int64)
        example = (ids, torch.ones_like(ids)) if masks(loaded.tokenizer) else (ids,)
        texts = openvino.convert_model(TextTower(loaded.model).eval(), example_input=example)
    return [photos, texts]


def _keep(made: list[openvino.Model], folder: Path) -> None:
    """Write the towers beside their folder first: one that was cut short is never taken for them."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _clear_up(folder.parent)
        unfinished = Path(mkdtemp(dir=folder.parent, prefix=_UNFINISHED))
    except OSError as error:
        logger.info("the converted model is not kept, and made anew at each start: {}", error)
        return
    try:
        for name, model in zip(_TOWERS, made, strict=True):
            openvino.save_model(model, unfinished / f"{name}.xml", compress_to_fp16=False)
        unfinished.chmod(0o755)  # others who may look into the cache may use it
        unfinished.rename(folder)
        logger.info("the converted model is kept in {}", folder)
    except (OSError, RuntimeError) as error:  # a full disk; another runner that was faster
        logger.info("the converted model is not kept: {}", error)
        shutil.rmtree(unfinished, ignore_errors=True)


def _clear_up(kept_in: Path) -> None:
    """Remove what runners left that ended while they wrote."""
    for left in kept_in.glob(f"{_UNFINISHED}*"):
        if time() - left.stat().st_mtime > _LEFT_AFTER:
            shutil.rmtree(left, ignore_errors=True)
