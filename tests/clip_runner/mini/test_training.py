from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from clip_runner.encoder import Encoder
from clip_runner.mini.archives import Photo, read_manifest
from clip_runner.mini.batches import Batches
from clip_runner.mini.captions import Captions
from clip_runner.mini.claims import know
from clip_runner.mini.colours import measure_colours
from clip_runner.mini.export import export
from clip_runner.mini.lexicon import read_lexicon
from clip_runner.mini.prepare import Prepared, prepare
from clip_runner.mini.selection import label_of, select, usable
from clip_runner.mini.split import held_out_names
from clip_runner.mini.training import Training
from clip_runner.mini.views import Views
from clip_runner.pixels import decode_pixels
from clip_runner.settings import RunnerSettings
from tests.clip_runner.mini.conftest import PLAN
from tests.photos import encoded, picture


def fresh(prepared: Prepared) -> Prepared:
    """The same beginning once more: training changes the model."""
    return replace(prepared, model=copy.deepcopy(prepared.model))


def trained(start: Prepared, checkpoint: Path, until: int | None = None) -> list[str]:
    training = Training(start.model, start.tokenizer, start.material, PLAN, checkpoint)
    stages: list[str] = []
    training.run(lambda _step, stage, _losses: stages.append(stage), until)
    if until is None:
        training.take_average()
    return stages


def test_an_ended_run_goes_on_to_the_same_weights_and_the_outcome_loads(prepared: Prepared, tmp_path: Path) -> None:
    start, resumed = fresh(prepared), fresh(prepared)
    assert trained(start, tmp_path / "whole.pt") == ["words", "locked", "locked", "open", "open", "open"]
    assert trained(fresh(prepared), tmp_path / "ended.pt", until=4) == ["words", "locked", "locked", "open"]
    untouched = prepared.model.state_dict()
    assert trained(resumed, tmp_path / "ended.pt") == ["open", "open"]
    whole, other = start.model.state_dict(), resumed.model.state_dict()
    assert all(torch.equal(whole[name], other[name]) for name in whole)
    changed = {name for name in whole if not torch.equal(whole[name], untouched[name])}
    assert any(name.startswith("vision_model.encoder.layers.11.") for name in changed)
    assert not any(name.startswith("vision_model.encoder.layers.10.") for name in changed)

    export(start.model, start.tokenizer, tmp_path / "model")
    encoder = Encoder(
        RunnerSettings(_env_file=None, model_id=str(tmp_path / "model"), model_dtype="float32", model_threads=1)
    )
    rows = encoder.encode_texts(["a red shirt", "word " * 99])
    assert rows["vector"].shape == (2, 256)
    assert rows["truncated"].tolist() == [False, True]
    photo = decode_pixels(encoded(picture()), encoder.pixel_spec, max_mpixels=64)
    assert np.linalg.norm(encoder.encode_pixels(photo[None])) == pytest.approx(1, abs=1e-4)
    assert json.loads((tmp_path / "model" / "config.json").read_text())["model_type"] == "clip"


def test_a_checkpoint_of_another_plan_is_refused(prepared: Prepared, tmp_path: Path) -> None:
    start = fresh(prepared)
    trained(start, tmp_path / "checkpoint.pt", until=1)
    with pytest.raises(ValueError, match="another plan"):
        Training(start.model, start.tokenizer, start.material, replace(PLAN, text_rate=1.0), tmp_path / "checkpoint.pt")


def test_a_run_can_be_prolonged(prepared: Prepared, tmp_path: Path) -> None:
    start = fresh(prepared)
    trained(start, tmp_path / "checkpoint.pt", until=4)
    longer = Training(start.model, start.tokenizer, start.material, replace(PLAN, open=9), tmp_path / "checkpoint.pt")
    assert longer.step == 4


def test_views_that_were_begun_are_gone_on_with(archives: Path, tmp_path: Path) -> None:
    photos, steps = usable(read_manifest(archives))[0][:3], list[int]()
    begun = Views(tmp_path / "photos.npy", photos, 2, 112)
    begun.fill(archives, steps.append)
    assert steps == [6]
    assert not np.array_equal(begun.values[0], begun.values[1]), "two views"
    first = begun.values.copy()
    (tmp_path / "photos.done").write_text("4")
    begun.values[4:] = 0
    again = Views(tmp_path / "photos.npy", photos, 2, 112)
    again.fill(archives, steps.append)
    assert steps == [6, 6]
    assert np.array_equal(again.values, first), "the same views, of the photo that was missing alone"
    assert Views(tmp_path / "photos.npy", photos, 3, 112).done == 0, "of other views"


def test_colours_are_measured_where_none_is_known() -> None:
    paint = {"Red": (200, 20, 30), "Blue": (40, 70, 200), "Green": (40, 140, 60)}
    photos, pixels = [], []
    for number in range(60):
        colour = [*paint][number % 3]
        known = number < 51
        photos.append(Photo("shop224" if known else "cc0", f"{number}", "Tshirts", colour if known else "", "", False))
        dimmed = np.array(paint[colour]) * (1 - number % 5 / 20)
        pixels.append(np.full((112, 112, 3), 235, np.uint8))
        pixels[-1][15:100, 20:92] = dimmed
    found = measure_colours(photos, np.stack(pixels), 0)
    assert found[:51].tolist() == [""] * 51
    assert found[51:].tolist() == ["red", "blue", "green"] * 3


def test_with_its_beginning_a_run_needs_no_pretrained_parts(prepared: Prepared, archives: Path, work: Path) -> None:
    nowhere = work / "no such folder"
    again = prepare(archives, nowhere, work, PLAN, torch.device("cpu"), lambda _: None)
    ours, theirs = again.model.state_dict(), prepared.model.state_dict()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


def test_batches_depend_on_seed_and_step_alone_and_hold_their_share_of_home_photos(archives: Path) -> None:
    photos = usable(read_manifest(archives))[0]
    lexicon = read_lexicon(map(label_of, photos))
    known, captions = know(photos, lexicon), Captions(lexicon)
    plan = replace(PLAN, batch=40)
    one, other = (Batches(known, lexicon, captions, 40, plan) for _ in range(2))
    assert [one.at(step) for step in range(4)] == [other.at(step) for step in reversed(range(4))][::-1]
    assert one.at(3) != one.at(4)
    at_home = sum(photos[number].archive == "cc0" for number in one.at(3).photos)
    assert at_home == 40 * PLAN.home


def test_no_held_out_photo_is_trained_on(archives: Path) -> None:
    held_out = sorted(held_out_names())[0]
    archive, file = held_out.split("/")
    listed = read_manifest(archives)
    train, kept = usable([*listed, replace(listed[0], archive=archive, file=file)])
    assert [photo.name for photo in kept] == [held_out]
    assert held_out not in {photo.name for photo in select(train, 100, 0)}


def test_every_beginning_of_the_selection_holds_all_common_labels(archives: Path) -> None:
    chosen = select(usable(read_manifest(archives))[0], 100, 0)
    assert len(chosen) == 17
    assert len({label_of(photo) for photo in chosen[:9]}) >= 3
