from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    AutoModel,
    AutoProcessor,
    CLIPConfig,
    CLIPModel,
    SiglipConfig,
    SiglipModel,
)

from clip_runner.encoder import Encoder
from clip_runner.loading import ModelUnavailable, load_model
from clip_runner.pixels import decode_pixels
from clip_runner.settings import BUNDLED_MODEL, RunnerSettings
from tests.photos import encoded, picture
from tests.stack import SAMPLE

TEXTS = ["a photo of a red dress.", "blue jeans", "x"]


def settings(model: Path | str = BUNDLED_MODEL, **changes: Any) -> RunnerSettings:
    return RunnerSettings(_env_file=None, model_id=str(model), **({"model_dtype": "float32"} | changes))


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(settings())


def pixels(encoder: Encoder, *photos: bytes) -> np.ndarray:
    return np.stack([decode_pixels(photo, encoder.pixel_spec, max_mpixels=64) for photo in photos])


def test_texts_and_photos_become_what_transformers_makes_of_them(encoder: Encoder) -> None:
    file = SAMPLE / "images" / "001-t-shirt-blue.jpg"
    model = AutoModel.from_pretrained(BUNDLED_MODEL, dtype=torch.float32).eval()
    processor = AutoProcessor.from_pretrained(BUNDLED_MODEL, backend="pil")
    with torch.inference_mode():
        inputs = processor(text=TEXTS, images=Image.open(file), padding=True, return_tensors="pt")
        theirs = model(**inputs)
    ours = encoder.encode_texts(TEXTS)["vector"]
    assert np.allclose(ours, theirs.text_embeds.numpy(), atol=1e-5)
    photo = encoder.encode_pixels(pixels(encoder, file.read_bytes()))
    assert np.allclose(photo, theirs.image_embeds.numpy(), atol=1e-4)


def test_vectors_are_of_unit_length_and_float32(encoder: Encoder) -> None:
    rows = encoder.encode_texts(TEXTS)
    vectors = encoder.encode_pixels(pixels(encoder, encoded(picture())))
    assert rows["vector"].dtype == vectors.dtype == np.float32
    assert rows["vector"].shape == (3, encoder.identity.dim)
    for made in (rows["vector"], vectors):
        assert np.allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)


def test_company_in_a_batch_changes_nothing(encoder: Encoder) -> None:
    alone = np.concatenate([encoder.encode_texts([text])["vector"] for text in TEXTS])
    assert np.allclose(encoder.encode_texts(TEXTS)["vector"], alone, atol=1e-5)


def test_texts_beyond_the_context_are_cut_and_said_so(encoder: Encoder) -> None:
    rows = encoder.encode_texts(["short", "word " * 400])
    assert rows["truncated"].tolist() == [False, True]


def test_nothing_gives_nothing(encoder: Encoder) -> None:
    assert encoder.encode_texts([]).shape == (0,)
    assert encoder.encode_pixels(np.zeros((0, 112, 112, 3), np.uint8)).shape == (0, encoder.identity.dim)


def test_auto_type_agrees_with_float32(encoder: Encoder) -> None:
    chosen = Encoder(settings(model_dtype="auto"))
    agreement = (chosen.encode_texts(TEXTS)["vector"] * encoder.encode_texts(TEXTS)["vector"]).sum(axis=1)
    assert agreement.min() >= 0.999


def test_identity_is_stable_and_tells_models_apart(encoder: Encoder, tmp_path: Path) -> None:
    assert load_model(str(BUNDLED_MODEL)).identity == encoder.identity
    other = AutoModel.from_pretrained(BUNDLED_MODEL, dtype=torch.float32)
    with torch.no_grad():
        other.get_parameter("text_projection.weight").mul_(1.01)
    folder = save_beside_tokenizer(other, tmp_path / BUNDLED_MODEL.name)
    assert load_model(str(folder)).identity.model != encoder.identity.model


def save_beside_tokenizer(model: Any, folder: Path, size: int | None = None) -> Path:
    """A model's folder with the bundled tokenizer, and the bundled processor at the model's size."""
    model.save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"):
        text = (BUNDLED_MODEL / file).read_text()
        if size is not None:
            text = text.replace("112", str(size))
        (folder / file).write_text(text)
    return folder


def test_the_shape_of_vit_b_32_runs_through_the_same_path(tmp_path: Path) -> None:
    # CLIPConfig's defaults are openai/clip-vit-base-patch32's configuration.
    config = CLIPConfig()
    assert (config.vision_config.patch_size, config.vision_config.hidden_size, config.projection_dim) == (32, 768, 512)
    folder = save_beside_tokenizer(CLIPModel(config), tmp_path / "b32", size=224)
    big = Encoder(settings(folder))
    assert (big.pixel_spec.height, big.identity.dim) == (224, 512)
    assert big.encode_texts(TEXTS)["vector"].shape == (3, 512)
    assert big.encode_pixels(pixels(big, encoded(picture()), encoded(picture(300, 900)))).shape == (2, 512)


def test_a_siglip_runs_through_the_same_path(tmp_path: Path) -> None:
    tiny = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = SiglipConfig(
        text_config={**tiny, "vocab_size": 8192, "max_position_embeddings": 16, "projection_size": 32},
        vision_config={**tiny, "image_size": 32, "patch_size": 8},
    )
    folder = save_beside_tokenizer(SiglipModel(config), tmp_path / "siglip", size=32)
    small = Encoder(settings(folder))
    assert small.encode_texts(TEXTS)["vector"].shape == (3, 32)
    assert small.encode_pixels(pixels(small, encoded(picture()))).shape == (1, 32)


def test_only_safetensors_are_loaded(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text((BUNDLED_MODEL / "config.json").read_text())
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(ModelUnavailable, match="safetensors"):
        load_model(str(tmp_path))


def test_no_code_of_a_model_is_run(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(BUNDLED_MODEL, folder)
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Own: ...\n")
    for name in ("config.json", "tokenizer_config.json", "preprocessor_config.json"):
        config = json.loads((folder / name).read_text())
        config["auto_map"] = dict.fromkeys(("AutoConfig", "AutoModel", "AutoImageProcessor"), "own.Own")
        config["auto_map"]["AutoTokenizer"] = ["own.Own", "own.Own"]
        (folder / name).write_text(json.dumps(config))
    with suppress(ModelUnavailable):
        load_model(str(folder))  # what it knows itself it may load: without their code
    assert not (tmp_path / "ran").exists()
    config = json.loads((folder / "config.json").read_text()) | {"model_type": "own"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelUnavailable):
        load_model(str(folder))
    assert not (tmp_path / "ran").exists()


def test_a_missing_folder_is_named() -> None:
    with pytest.raises(ModelUnavailable, match="no such folder"):
        load_model("/no/such/folder")


def test_a_hub_that_does_not_answer_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelUnavailable, match="hub does not answer") as caught:
        load_model("openai/clip-vit-base-patch32")
    assert "\n" not in str(caught.value)


def test_a_model_of_the_hubs_cache_is_loaded_while_the_hub_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = tmp_path / "models--shop--its-clip"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("0123abcd")
    shutil.copytree(BUNDLED_MODEL, cached / "snapshots" / "0123abcd")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert load_model("shop/its-clip").identity.model.startswith("shop/its-clip@")
