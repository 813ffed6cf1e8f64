from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from clip_runner.mini.mix import main, mix


def model(folder: Path, value: float, shape: tuple[int, ...] = (2, 3)) -> Path:
    folder.mkdir()
    save_file({"weight": torch.full(shape, value, dtype=torch.float16)}, folder / "model.safetensors")
    (folder / "config.json").write_text(f'{{"of": {value}}}')
    return folder


def test_weights_lie_between_and_the_rest_is_of_the_second(tmp_path: Path) -> None:
    first, second = model(tmp_path / "a", 1), model(tmp_path / "b", 2)
    assert main([str(first), str(second), str(tmp_path / "c"), "0.25"]) == 0
    mixed = load_file(tmp_path / "c" / "model.safetensors")["weight"]
    assert mixed.dtype == torch.float16
    assert torch.equal(mixed, torch.full((2, 3), 1.25, dtype=torch.float16))
    assert (tmp_path / "c" / "config.json").read_text() == '{"of": 2}'


def test_models_of_other_forms_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one form"):
        mix(model(tmp_path / "a", 1), model(tmp_path / "b", 2, (3, 3)), tmp_path / "c", 0.5)
    assert not (tmp_path / "c").exists()
    assert main(["a"]) == 2
