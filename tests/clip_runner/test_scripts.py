"""Recorded towers give what the plain ones give, for batches of any shape; what cannot be recorded stays plain."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
import torch
from torch import nn

from clip_runner.backends import torch_backend
from clip_runner.backends.scripts import scripted
from clip_runner.backends.torch_backend import TorchBackend
from clip_runner.encoder import Encoder
from clip_runner.settings import BUNDLED_MODEL
from tests.clip_runner.narrow_model import cosine, narrow_siglip, small, vectors
from tests.clip_runner.test_encoder import settings

_ODD = ("a", "word " * 99)  # the shortest text, and one of full length

__all__ = ["small"]  # a fixture: the narrow model


@pytest.fixture
def siglip(tmp_path: Path) -> Path:
    """Its texts come without a mask."""
    folder = narrow_siglip(tmp_path / "siglip")
    tokenizer = folder / "tokenizer_config.json"
    tokenizer.write_text(json.dumps(json.loads(tokenizer.read_text()) | {"model_input_names": ["input_ids"]}))
    return folder


@pytest.fixture(params=["clip", "siglip", "bundled"])
def model(request: pytest.FixtureRequest) -> Path:
    if request.param == "bundled":
        return BUNDLED_MODEL
    folder: Path = request.getfixturevalue({"clip": "small", "siglip": "siglip"}[request.param])
    return folder


def backend_of(encoder: Encoder) -> TorchBackend:
    backend = encoder._backend
    assert isinstance(backend, TorchBackend)
    return backend


@pytest.mark.parametrize("dtype", ["float32", "mixed", "bfloat16"])
@pytest.mark.parametrize("packing", [True, False])
def test_both_towers_are_recorded_and_agree_with_the_plain_ones(
    model: Path, dtype: str, packing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not packing:
        monkeypatch.setattr(torch_backend, "packs", lambda: False)
    encoder = Encoder(settings(model, model_dtype=dtype))
    encoder.record()
    backend = backend_of(encoder)
    assert backend._scripts.keys() == {"texts", "photos"}
    recorded = [vectors(encoder), *(encoder.encode_texts([text])["vector"] for text in _ODD)]
    assert backend._scripts.keys() == {"texts", "photos"}  # none has failed meanwhile
    backend._scripts.clear()
    plain = [vectors(encoder), *(encoder.encode_texts([text])["vector"] for text in _ODD)]
    least = min(cosine(*each) for each in zip(recorded, plain, strict=True))
    assert least > (0.99999 if dtype == "float32" else 0.9995)


def test_what_is_recorded_and_fails_later_is_given_up(small: Path) -> None:
    encoder = Encoder(settings(small))
    plain = vectors(encoder)
    encoder.record()

    def fails(*_: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("not with this batch")

    scripts = backend_of(encoder)._scripts
    scripts["photos"] = fails
    assert cosine(vectors(encoder), plain) > 0.99999
    assert scripts.keys() == {"texts"}


def test_another_type_is_not_computed_by_what_was_recorded(small: Path) -> None:
    encoder = Encoder(settings(small))
    encoder.record()
    backend = backend_of(encoder)
    backend.use("bfloat16")
    assert not backend._scripts


def test_it_is_recorded_while_others_encode(small: Path) -> None:
    encoder = Encoder(settings(small, model_dtype="bfloat16"))
    plain = vectors(encoder)
    recording = Thread(target=encoder.record)
    recording.start()
    while recording.is_alive():
        assert cosine(vectors(encoder), plain) > 0.9995
    assert cosine(vectors(encoder), plain) > 0.9995
    assert backend_of(encoder)._scripts.keys() == {"texts", "photos"}


class Tower(nn.Module):
    """A tower that does as the test says."""

    def __init__(self, forward: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self._forward = forward

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self._forward(values)


def _fails(_: torch.Tensor) -> torch.Tensor:
    raise ValueError("not with this model")


@pytest.mark.parametrize(
    "forward",
    [
        pytest.param(lambda values: values + 9 * torch.arange(len(values.tolist()))[:, None], id="knows the number"),
        pytest.param(lambda values: values + values.tolist()[0][1], id="knows the values"),
        pytest.param(lambda values: values * float("nan"), id="no number"),
        pytest.param(_fails, id="fails"),
    ],
)
def test_what_does_not_hold_for_other_batches_stays_plain(forward: Callable[[torch.Tensor], torch.Tensor]) -> None:
    batches = [(torch.tensor([[1.0, 2.0]]),), (torch.tensor([[1.0, -3.0], [2.0, -1.0]]),)]
    assert scripted(Tower(forward), batches) is None


def test_what_holds_for_other_batches_is_recorded() -> None:
    batches = [(torch.tensor([[1.0, 2.0]]),), (torch.tensor([[1.0, -3.0], [2.0, -1.0]]),)]
    script = scripted(Tower(lambda values: values * 2 + 1), batches)
    assert script is not None
    assert script(torch.ones(3, 2)).tolist() == [[3.0, 3.0]] * 3
