"""From a hub id or a folder to a dual encoder and all that must be known of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub.errors import HfHubHTTPError
from numpy.typing import NDArray

from clip_runner.identity import ModelIdentity, fingerprint
from clip_runner.pixels import PixelSpec
from clip_runner.source import ModelUnavailable, find_model, is_folder, not_on_hub

_SAMPLE = 64  # values of each tensor that the fingerprint sees


__all__ = ["LoadedModel", "ModelUnavailable", "load_model"]


@dataclass(frozen=True)
class LoadedModel:
    """A dual encoder in float32 on the CPU, with its tokenizer and the geometry of its photos."""

    model: Any
    tokenizer: Any
    identity: ModelIdentity
    pixel_spec: PixelSpec
    context_tokens: int
    text_padding: str
    """`longest`, or `max_length` where the model was trained so (SigLIP)."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    rescale: float


def load_model(model_id: str) -> LoadedModel:
    """Load weights (safetensors only), tokenizer and processor; no code of the model's repository is run.

    Raises:
        ModelUnavailable: the hub or folder does not have it, or it is no dual encoder.
    """
    source = find_model(model_id)
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    try:
        # A hub id's newest revision is what MODEL_ID asks for; whatever it is, it is weights and no code.
        model = AutoModel.from_pretrained(  # nosec B615
            source, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
        )
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)  # nosec B615
        processor = AutoImageProcessor.from_pretrained(  # nosec B615
            source, trust_remote_code=False, backend="pil"
        )
    except (OSError, ValueError, HfHubHTTPError) as error:
        raise ModelUnavailable(_reason(model_id, error)) from error
    if not (hasattr(model, "get_text_features") and hasattr(model, "get_image_features")):
        raise ModelUnavailable(f"MODEL_ID={model_id}: {type(model).__name__} does not encode texts and images.")
    model.eval()
    return _describe(Path(source).name if is_folder(model_id) else model_id, model, tokenizer, processor)


def _describe(name: str, model: Any, tokenizer: Any, processor: Any) -> LoadedModel:
    config = processor.to_dict()
    text_config = model.config.get_text_config()
    spec = PixelSpec.from_processor(config)
    context = min(int(tokenizer.model_max_length), int(text_config.max_position_embeddings))
    padding = "max_length" if "siglip" in str(model.config.model_type) else "longest"
    mean, std = tuple(config["image_mean"]), tuple(config["image_std"])
    rescale = float(config.get("rescale_factor", 1 / 255))
    preprocessing = {
        "pixels": spec.to_dict(),
        "mean": mean,
        "std": std,
        "rescale": rescale,
        "context": context,
        "padding": padding,
    }
    identity = ModelIdentity(f"{name}@{fingerprint(_samples(model), preprocessing)}", _dim(model))
    return LoadedModel(model, tokenizer, identity, spec, context, padding, mean, std, rescale)


def _dim(model: Any) -> int:
    """Length of the vectors: CLIP's configuration names it, SigLIP's is its text tower's projection."""
    config = model.config
    dim = getattr(config, "projection_dim", None)
    if dim is None:
        text = config.get_text_config()
        dim = getattr(text, "projection_size", None) or text.hidden_size
    return int(dim)


def _samples(model: Any) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Some values of each tensor, spread over all of it, with its name and shape."""
    for name, tensor in model.state_dict().items():
        flat = tensor.reshape(-1)
        step = max(1, flat.numel() // _SAMPLE)
        yield f"{name}{list(tensor.shape)}", flat[::step][:_SAMPLE].float().numpy()


def _reason(model_id: str, error: Exception) -> str:
    if is_folder(model_id):
        return f"MODEL_ID={model_id}: the folder cannot be loaded: {str(error).splitlines()[0]}"
    return not_on_hub(model_id)
