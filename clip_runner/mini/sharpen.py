"""The last stage of training, on its own: `python -m clip_runner.mini.sharpen ARCHIVES MODEL OUT`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from clip_runner.hardware import choose_device
from clip_runner.mini import tower
from clip_runner.mini.archives import Photo, read_manifest
from clip_runner.mini.batches import Sides
from clip_runner.mini.claims import know
from clip_runner.mini.clock import Clock
from clip_runner.mini.export import export
from clip_runner.mini.gallery import Gallery, digest_of, look
from clip_runner.mini.lexicon import Lexicon, read_lexicon
from clip_runner.mini.plan import Plan
from clip_runner.mini.selection import label_of, select, usable
from clip_runner.mini.sharpening import Sharpening, SharpeningPlan

app = typer.Typer(add_completion=False)


@app.command()
def main(
    data: Annotated[Path, typer.Argument(help="The folder of the training archives.", exists=True, file_okay=False)],
    model: Annotated[
        Path,
        typer.Argument(help="What `train` wrote, or its WORK/unsharpened.", exists=True, file_okay=False),
    ],
    out: Annotated[Path, typer.Argument(help="Where the sharpened one goes.")],
    work: Annotated[Path, typer.Option(help="What is computed once, and the checkpoint; a run goes on from here.")] = (
        Path(".train/sharpen")
    ),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    steps: Annotated[int, typer.Option(help="Half of them at the full rate.", min=1)] = SharpeningPlan.steps,
    photos: Annotated[int, typer.Option(help="Against at most so many photos.", min=1)] = Plan.photos,
    seed: Annotated[int, typer.Option(help="Of all that is drawn at random.")] = SharpeningPlan.seed,
) -> None:
    """Let a trained model's texts tell apart what is of one kind and colour."""
    from transformers import AutoTokenizer, CLIPModel

    train, held_out = usable(read_manifest(data))
    lexicon = read_lexicon({label_of(photo) for photo in (*train, *held_out)})
    # A folder of this machine, safetensors alone: nothing is fetched, and no revision can be named.
    loaded = CLIPModel.from_pretrained(model, local_files_only=True, use_safetensors=True)  # nosec B615
    loaded = loaded.float().eval().to(choose_device(device))
    form = (loaded.config.vision_config.image_size, loaded.config.projection_dim)
    if form != (tower.SIZE, tower.DIM):
        raise typer.BadParameter(f"{model} is a CLIP of another form than the one that is trained here")
    tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=True)  # nosec B615
    plan = SharpeningPlan(steps=steps, seed=seed)
    sharpen(loaded, tokenizer, data, select(train, photos, seed), lexicon, work, plan, Clock())
    export(loaded, tokenizer, out)
    typer.echo(f"the model is in {out}")


def sharpen(
    model: Any,
    tokenizer: Any,
    data: Path,
    photos: Sequence[Photo],
    lexicon: Lexicon,
    work: Path,
    plan: SharpeningPlan,
    clock: Clock,
) -> None:
    """Train the model's texts against all these photos at once; what was begun in `work` is gone on with."""
    # Colours that were measured are left out: a wrong one is hardest on the texts that are almost right.
    known = know(photos, lexicon)
    # A run of another model, of other photos or of another plan is none that could be gone on with.
    begun = digest_of(model, *(photo.name for photo in photos), str(plan))
    gallery = Gallery(look(model, data, photos, work, clock.note), known, Sides(known, lexicon))
    run = Sharpening(model, tokenizer, gallery, lexicon, plan, work / f"sharpening-{begun}.pt")
    run.run(clock.steps(run.step, plan.steps))


if __name__ == "__main__":
    # The tokenizer's own threads would fight with torch's.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    app()
