"""Peers that install from the package index, each in an environment of its own: its packages would not fit ours."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.connections import Request
from benchmarks.subjects import ROOT, Server, running
from local.ports import HOST, free_port

_VENVS = Path(os.environ.get("BENCH_PEERS", ROOT / ".cache" / "peers"))

# clip-server is not measured: its dependency docarray 0.21.0 is built from source, and was not done after minutes.


@contextmanager
def infinity(folder: Path, model: Path) -> Iterator[Server]:
    """infinity-emb over the same model, on all cores."""
    program = _VENVS / "infinity" / "bin" / "infinity_emb"
    if not program.exists():
        raise SystemExit(f"infinity is not installed in {_VENVS / 'infinity'}; docs/performance.md tells how")
    port = free_port()
    command = [str(program), "v2", "--model-id", str(_for_transformers_4(model, folder / "model")), "--engine", "torch"]
    command += ["--device", "cpu", "--host", HOST, "--port", str(port), "--no-bettertransformer", "--no-model-warmup"]
    env = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0"}
    with running("infinity", command, env, port, folder, ready="/health") as server:
        yield server


def infinity_texts(texts: Sequence[str]) -> list[Request]:
    return [_embeddings({"input": [text]}) for text in texts]


def infinity_photos(files: Sequence[bytes]) -> list[Request]:
    """Photos as data URIs, one a request."""
    links = [f"data:image/jpeg;base64,{base64.b64encode(file).decode()}" for file in files]
    return [_embeddings({"input": [link], "modality": "image"}) for link in links]


def _embeddings(content: dict[str, object]) -> Request:
    return Request(
        "/embeddings", json.dumps({"model": "default/not-specified", **content}).encode(), "application/json"
    )


def _for_transformers_4(model: Path, folder: Path) -> Path:
    """A copy of the model's folder as transformers 4 reads it."""
    shutil.copytree(model, folder)
    config = json.loads((folder / "config.json").read_text())
    for part in (config, config["text_config"], config["vision_config"]):
        if (dtype := part.pop("dtype", None)) is not None:
            part["torch_dtype"] = dtype
    (folder / "config.json").write_text(json.dumps(config))
    tokens = json.loads((folder / "tokenizer_config.json").read_text())
    kept = {name: tokens[name] for name in tokens if name.endswith("_token") or name == "model_max_length"}
    kept |= {"tokenizer_class": "PreTrainedTokenizerFast", "processor_class": "CLIPProcessor"}
    (folder / "tokenizer_config.json").write_text(json.dumps(kept))
    return folder
