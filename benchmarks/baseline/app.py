"""FastAPI under gunicorn: each worker holds a CLIP of its own, each request is a forward pass of its own."""

from __future__ import annotations

import io
import os
from typing import Annotated, Any

import torch
from fastapi import Body, FastAPI, File
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

torch.set_num_threads(int(os.environ["BASELINE_THREADS"]))
_MODEL = os.environ["MODEL_ID"]
# A folder: nothing is fetched.
model = AutoModel.from_pretrained(_MODEL, dtype=torch.float32)  # nosec B615
model.eval()
tokenizer = AutoTokenizer.from_pretrained(_MODEL)  # nosec B615
processor = AutoImageProcessor.from_pretrained(_MODEL, backend="pil")  # nosec B615

app = FastAPI()


@app.get("/readyz")
def ready() -> dict[str, bool]:
    """Answers once the model is loaded."""
    return {"ready": True}


@app.post("/encode_text")
def encode_text(texts: Annotated[list[str], Body()]) -> dict[str, Any]:
    """Unit vectors of texts."""
    tokens = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        return _answer(model.get_text_features(**tokens))


@app.post("/encode_image")
def encode_image(files: Annotated[list[bytes], File()]) -> dict[str, Any]:
    """Unit vectors of photos."""
    photos = [Image.open(io.BytesIO(content)).convert("RGB") for content in files]
    with torch.inference_mode():
        return _answer(model.get_image_features(**processor(photos, return_tensors="pt")))


def _answer(output: Any) -> dict[str, Any]:
    features = torch.nn.functional.normalize(output.pooler_output, dim=-1)
    return {"embeddings": features.tolist()}
