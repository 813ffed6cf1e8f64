"""Training the bundled model: `python -m clip_runner.mini.train ARCHIVES`; see the package's README."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from clip_runner.hardware import choose_device
from clip_runner.mini.clock import Clock
from clip_runner.mini.export import export
from clip_runner.mini.plan import Plan
from clip_runner.mini.prepare import gather, prepare
from clip_runner.mini.sharpen import sharpen
from clip_runner.mini.sharpening import SharpeningPlan
from clip_runner.mini.training import Training

app = typer.Typer(add_completion=False)

WORK = Path(".train")


@app.command()
def train(
    data: Annotated[Path, typer.Argument(help="The folder of the training archives.")],
    teachers: Annotated[Path, typer.Option(help="Unpacked packages of the pretrained parts.")] = WORK / "teachers",
    work: Annotated[Path, typer.Option(help="What is prepared, and the checkpoint; a run goes on from here.")] = WORK
    / "run",
    out: Annotated[Path, typer.Option(help="Where the finished model goes.")] = WORK / "fashion-clip-mini",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    budget: Annotated[float, typer.Option(help="Steps, as a multiple of what two CPU cores do in an hour.")] = 1.0,
    photos: Annotated[int, typer.Option(help="Train on at most so many photos.")] = Plan.photos,
    views: Annotated[int, typer.Option(help="Views of each photo; more take more disk (38 kB each).")] = Plan.views,
    frozen: Annotated[int, typer.Option(help="Blocks of the vision tower that stay as they are.")] = Plan.frozen,
    batch: Annotated[int, typer.Option(help="Photos a step.")] = Plan.batch,
    opened: Annotated[
        int | None, typer.Option("--open", help="Steps of the stage `open`; may change as it goes.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of all that is drawn at random.")] = Plan.seed,
    only_begin: Annotated[
        bool,
        typer.Option(help="Make WORK/beginning alone: elsewhere it stands in for the pretrained parts."),
    ] = False,
) -> None:
    """Train, or go on training, and write the finished model."""
    plan = scaled(Plan(photos=photos, views=views, frozen=frozen, batch=batch, seed=seed), budget)
    plan = plan if opened is None else replace(plan, open=opened)
    clock = Clock()
    if only_begin:
        gather(data, teachers, work, plan, choose_device(device), clock.note)
        return
    prepared = prepare(data, teachers, work, plan, choose_device(device), clock.note)
    training = Training(prepared.model, prepared.tokenizer, prepared.material, plan, work / "checkpoint.pt")
    training.run(clock.steps(training.step, plan.steps))
    training.take_average()
    export(prepared.model, prepared.tokenizer, work / "unsharpened")
    last = SharpeningPlan(steps=max(1, round(SharpeningPlan.steps * budget)), seed=seed)
    lexicon = prepared.material.lexicon
    sharpen(prepared.model, prepared.tokenizer, data, prepared.photos, lexicon, work, last, clock)
    export(prepared.model, prepared.tokenizer, out)
    typer.echo(f"the model is in {out}")


def scaled(plan: Plan, budget: float) -> Plan:
    """The plan with that many times its steps."""
    steps: dict[str, Any] = {name: max(1, round(getattr(plan, name) * budget)) for name in ("words", "locked", "open")}
    return replace(plan, **steps)


if __name__ == "__main__":
    # The tokenizer's own threads would fight with torch's.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    app()
