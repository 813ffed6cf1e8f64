from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from clip_runner.encoder import Encoder
from clip_runner.mini import tower
from clip_runner.mini.archives import Photo
from clip_runner.mini.batches import Sides
from clip_runner.mini.claims import know
from clip_runner.mini.export import export
from clip_runner.mini.gallery import VIEWS, Gallery
from clip_runner.mini.prepare import Prepared
from clip_runner.mini.sharpen import app, sharpen
from clip_runner.mini.sharpening import Sharpened, Sharpening
from clip_runner.settings import RunnerSettings

PLAN = Sharpening(steps=4, titles=6, described=6, bank=3, phrases=4, seed=3)


def fresh(prepared: Prepared) -> Prepared:
    """The same beginning once more: training changes the model."""
    return replace(prepared, model=copy.deepcopy(prepared.model))


def sharpened(
    start: Prepared, archives: Path, work: Path, plan: Sharpening = PLAN, end_at: str = "no step"
) -> list[str]:
    lines: list[str] = []

    def note(line: str) -> None:
        lines.append(line)
        if line.startswith(end_at):
            raise KeyboardInterrupt

    sharpen(start.model, start.tokenizer, archives, start.photos, work, plan, note)
    return [line for line in lines if line.startswith("step")]


def test_an_ended_run_goes_on_to_the_same_weights_and_leaves_the_vision_tower_as_it_is(
    prepared: Prepared, archives: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clip_runner.mini.descent.CHECKPOINT_EVERY", 2)
    whole, resumed = fresh(prepared), fresh(prepared)
    assert len(sharpened(whole, archives, tmp_path / "whole")) == 4
    with pytest.raises(KeyboardInterrupt):
        sharpened(fresh(prepared), archives, tmp_path / "ended", end_at="step 3")
    assert len(sharpened(resumed, archives, tmp_path / "ended")) == 2
    one, other, before = (each.model.state_dict() for each in (whole, resumed, prepared))
    assert [name for name in one if not torch.equal(one[name], other[name])] == []
    changed = {name for name in one if not torch.equal(one[name], before[name])}
    assert not [name for name in changed if name.startswith("vision_model.")]
    assert {"visual_projection.weight", "text_projection.weight", "logit_scale"} <= changed


def test_products_of_one_kind_and_colour_come_to_be_told_apart(prepared: Prepared, tmp_path: Path) -> None:
    start, lexicon = fresh(prepared), prepared.material.lexicon
    makers = ("Puma", "Nike", "Fila", "Reebok", "Lotto", "Asics")
    known = know(
        [Photo("shop224", maker, "Shirts", "Red", f"{maker} Men Red Shirt", False) for maker in makers], lexicon
    )
    torch.manual_seed(0)
    outcomes = torch.randn(len(known), start.model.visual_projection.in_features).expand(VIEWS, -1, -1)
    plan = replace(PLAN, steps=40, keeping=1.0, kept=1.0, rate=1e-3, photo_rate=1e-3, average_over=5)

    def own() -> list[bool]:
        """Of each title, whether its own photo lies nearest."""
        with torch.no_grad():
            texts = tower.encode(start.model, start.tokenizer, [f"a photo of {each.title}." for each in known])
            return ((texts @ tower.projected(start.model, outcomes[0]).T).argmax(dim=1) == torch.arange(6)).tolist()

    assert sum(own()) < 4
    gallery = Gallery(outcomes, known, Sides(known, lexicon))
    Sharpened(start.model, start.tokenizer, gallery, lexicon, plan, tmp_path / "checkpoint.pt").run(lambda *_: None)
    assert all(own())


def test_the_command_makes_a_model_of_a_model(prepared: Prepared, archives: Path, tmp_path: Path) -> None:
    export(prepared.model, prepared.tokenizer, tmp_path / "model")
    folders = [str(folder) for folder in (archives, tmp_path / "model", tmp_path / "out")]
    done = CliRunner().invoke(app, [*folders, "--work", str(tmp_path / "work"), "--steps", "1", "--device", "cpu"])
    assert done.exit_code == 0, done.output
    assert f"the model is in {tmp_path / 'out'}" in done.output
    encoder = Encoder(
        RunnerSettings(_env_file=None, model_id=str(tmp_path / "out"), model_dtype="float32", model_threads=1)
    )
    assert encoder.encode_texts(["a red shirt"])["vector"].shape == (1, tower.DIM)
