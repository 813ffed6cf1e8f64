"""The optional backend agrees with torch, converts a model once, and refuses what it cannot do."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from clip_runner.encoder import Encoder
from clip_runner.settings import RunnerSettings
from tests.clip_runner.narrow_model import cosine, small, vectors
from tests.clip_runner.test_encoder import settings

__all__ = ["small"]  # a fixture: the narrow model


def test_openvino_agrees_with_torch(small: Path) -> None:
    pytest.importorskip("openvino", reason="the optional backend is not installed")
    by_openvino = Encoder(settings(small, model_backend="openvino", model_cache_dir=None))
    assert cosine(vectors(by_openvino), vectors(Encoder(settings(small)))) > 0.9999
    assert by_openvino.identity == Encoder(settings(small)).identity  # either may search what the other has loaded


def test_openvinos_form_of_a_model_is_made_once(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    openvino = pytest.importorskip("openvino", reason="the optional backend is not installed")
    kept_in = tmp_path / "cache"
    first = vectors(Encoder(settings(small, model_backend="openvino", model_cache_dir=kept_in)))
    [folder] = kept_in.iterdir()
    with monkeypatch.context() as patched:
        patched.delattr(openvino, "convert_model")  # what traces a model
        again = vectors(Encoder(settings(small, model_backend="openvino", model_cache_dir=kept_in)))
    assert cosine(again, first) > 0.99999
    (folder / "texts.xml").write_text("cut short")
    assert cosine(vectors(Encoder(settings(small, model_backend="openvino", model_cache_dir=kept_in))), first) > 0.99999
    assert "<net" in (folder / "texts.xml").read_text()


@pytest.mark.parametrize("given", ["", "/proc/no-such-folder"])
def test_openvino_goes_on_where_it_can_keep_nothing(small: Path, given: str) -> None:
    pytest.importorskip("openvino", reason="the optional backend is not installed")
    encoder = Encoder(settings(small, model_backend="openvino", model_cache_dir=given))
    assert cosine(vectors(encoder), vectors(Encoder(settings(small)))) > 0.9999


def test_a_user_without_a_home_keeps_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("MODEL_CACHE_DIR", raising=False)
    assert RunnerSettings(_env_file=None).model_cache_dir is None


def test_the_cache_may_be_named_from_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_CACHE_DIR", "~/models")
    assert RunnerSettings(_env_file=None).model_cache_dir == Path.home() / "models"


def test_a_backend_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ValidationError, match="MODEL_DTYPE"):
        RunnerSettings(_env_file=None, model_backend="openvino", model_dtype="float16")
    with pytest.raises(ValidationError, match="MODEL_DEVICE"):
        RunnerSettings(_env_file=None, model_backend="openvino", model_device="cuda")
