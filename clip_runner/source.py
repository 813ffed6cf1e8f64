"""Where a model comes from: a folder or the hub; told apart, and looked for, before anything large is loaded."""

from __future__ import annotations

from pathlib import Path

_HUB_TIMEOUT = 5.0  # seconds


class ModelUnavailable(Exception):
    """The model of `MODEL_ID` cannot be loaded; the message says in one line what to do."""


def is_folder(model_id: str) -> bool:
    return Path(model_id).expanduser().is_dir()


def find_model(model_id: str) -> str:
    """What transformers is to load: a folder's path (also of the hub's cache, where the hub is away), or a hub id.

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
    return model_id if _on_hub(model_id) else _in_cache(model_id)


def _on_hub(model_id: str) -> bool:
    from huggingface_hub import HfApi

    try:
        # Asked once: the client's own download tries a hub that is away for half a minute, for each file.
        HfApi().model_info(model_id, timeout=_HUB_TIMEOUT)
    except Exception:  # no network, no such model or id, offline by choice: errors of whatever the client builds on
        return False
    return True


def _in_cache(model_id: str) -> str:
    """The folder of a model that was downloaded before."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        # Nothing is fetched.
        folder = snapshot_download(model_id, local_files_only=True)  # nosec B615
    except (OSError, ValueError, HfHubHTTPError) as error:
        raise ModelUnavailable(not_on_hub(model_id)) from error
    if not any(Path(folder).glob("*.safetensors")):
        raise ModelUnavailable(not_on_hub(model_id))
    return folder


def not_on_hub(model_id: str) -> str:
    return (
        f"MODEL_ID={model_id}: the model hub does not answer or does not have it, and it is not in the local "
        "cache; give a folder, or download it once where there is a network."
    )
