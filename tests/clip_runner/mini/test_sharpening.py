from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import CLIPConfig, CLIPModel
from typer.testing import CliRunner

from clip_runner.mini import tower
from clip_runner.mini.archives import Photo
from clip_runner.mini.batches import Sides
from clip_runner.mini.claims import know
from clip_runner.mini.clock import Clock
from clip_runner.mini.export import export
from clip_runner.mini.gallery import VIEWS, Gallery
from clip_runner.mini.prepare import Prepared
from clip_runner.mini.sharpen import app, sharpen
from clip_runner.mini.sharpening import Sharpening, SharpeningPlan
from clip_runner.mini.train import app as training

PLAN = SharpeningPlan(steps=4, titles=6, described=6, recoloured=5, bank=3, phrases=4, seed=3)


def fresh(prepared: Prepared) -> Prepared:
    """The same beginning once more: training changes the model."""
    return replace(prepared, model=copy.deepcopy(prepared.model))


def sharpened(
    start: Prepared, archives: Path, work: Path, plan: SharpeningPlan = PLAN, end_at: str = "no step"
) -> list[str]:
    lines: list[str] = []

    class Lines(Clock):
        def note(self, line: str) -> None:
            lines.append(line)
            if line.startswith(end_at):
                raise KeyboardInterrupt

    sharpen(start.model, start.tokenizer, archives, start.photos, start.material.lexicon, work, plan, Lines())
    return [line for line in lines if line.startswith("step")]


def weights(model: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(model / "model.safetensors")
    return found


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
    Sharpening(start.model, start.tokenizer, gallery, lexicon, plan, tmp_path / "checkpoint.pt").run(lambda *_: None)
    assert all(own())


def test_without_titles_the_rest_is_trained(prepared: Prepared, archives: Path, tmp_path: Path) -> None:
    start = fresh(prepared)
    start = replace(start, photos=[photo for photo in start.photos if not photo.title])
    assert len(sharpened(start, archives, tmp_path)) == 4
    assert all(bool(value.isfinite().all()) for value in start.model.state_dict().values())


def test_a_run_of_another_model_is_not_gone_on_with(prepared: Prepared, archives: Path, tmp_path: Path) -> None:
    sharpened(fresh(prepared), archives, tmp_path)
    other = fresh(prepared)
    with torch.no_grad():
        other.model.text_projection.weight.mul_(2)
    assert len(sharpened(other, archives, tmp_path)) == 4
    assert len(sharpened(other, archives, tmp_path, replace(PLAN, steps=3))) == 3


def test_the_command_makes_a_model_of_a_model(prepared: Prepared, archives: Path, tmp_path: Path) -> None:
    export(prepared.model, prepared.tokenizer, tmp_path / "model")
    arguments = [str(archives), str(tmp_path / "model")]
    options = ["--work", str(tmp_path / "work"), "--steps", "2", "--device", "cpu"]
    for folder in ("out", "again"):
        done = CliRunner().invoke(app, [*arguments, str(tmp_path / folder), *options])
        assert done.exit_code == 0, done.output
        assert f"the model is in {tmp_path / folder}" in done.output
    before, out, again = (weights(tmp_path / each) for each in ("model", "out", "again"))
    assert not torch.equal(before["text_projection.weight"], out["text_projection.weight"])
    assert [name for name in out if name.startswith("vision_model.") and not torch.equal(before[name], out[name])] == []
    assert [name for name in out if not torch.equal(out[name], again[name])] == []


def test_what_is_no_model_of_this_form_is_refused(archives: Path, tmp_path: Path) -> None:
    tiny = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    CLIPModel(CLIPConfig(text_config=tiny, vision_config=tiny)).save_pretrained(tmp_path / "tiny")
    for model, why in (("nothing", "Invalid value for"), ("tiny", "another form")):
        refused = CliRunner().invoke(app, [str(archives), str(tmp_path / model), str(tmp_path / "out")])
        assert refused.exit_code == 2
        assert why in refused.output


def test_training_ends_with_it(archives: Path, teachers: Path, tmp_path: Path) -> None:
    short = ["--budget", "0.002", "--open", "1", "--photos", "12", "--views", "1", "--batch", "4", "--device", "cpu"]
    where = ["--teachers", str(teachers), "--work", str(tmp_path / "work"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(training, [str(archives), *short, *where])
    assert done.exit_code == 0, done.output
    before, out = (weights(tmp_path / each) for each in ("work/unsharpened", "out"))
    changed = {name for name in out if not torch.equal(before[name], out[name])}
    assert "text_projection.weight" in changed
    assert not [name for name in changed if name.startswith("vision_model.")]
