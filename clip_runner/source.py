"""Where a model comes from: a folder or the hub; told apart, and looked for, before anything large is loaded."""

from __future__ import annotations

import os
from pathlib import Path


class ModelUnavailable(Exception):
    """The model of `MODEL_ID` cannot be loaded; the message says in one line what to do."""


def is_folder(model_id: str) -> bool:
    return Path(model_id).expanduser().is_dir()


def find_model(model_id: str) -> str:
    """What transformers is to load: a folder's path, or a hub id whose configuration can be had.

    Raises:
        ModelUnavailable: there is no such folder, it has no safetensors, or the hub and its cache do not have it.
    """
    folder = Path(model_id).expanduser()
    if folder.is_dir():
        if not any(folder.glob("*.safetensors")):
            raise ModelUnavailable(
                f"MODEL_ID={model_id}: the folder has no *.safetensors; other formats are not loaded."
            )
        return str(folder)
    if folder.is_absolute() or model_id.startswith("."):
        raise ModelUnavailable(f"MODEL_ID={model_id}: there is no such folder.")
    # A hub that does not answer must be an error within seconds, not after minutes of trying.
    os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", "5")
    os.environ.setdefault("HF_HUB_DOWNLOAD_TIMEOUT", "10")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        hf_hub_download(model_id, "config.json")
    except (OSError, ValueError, HfHubHTTPError) as error:  # no network, no such model, no such id
        raise ModelUnavailable(not_on_hub(model_id)) from error
    return model_id


def not_on_hub(model_id: str) -> str:
    return (
        f"MODEL_ID={model_id}: the model hub does not answer or does not have it, and it is not in the local "
        "cache; give a folder, or download it once where there is a network."
    )
