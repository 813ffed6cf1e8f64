"""The command: `python -m etl run SOURCE` loads a catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from catalog.images import ImageStore
from catalog.vectors import VectorDatabase
from etl.dataset import MAPPING, FolderDataset
from etl.dead_letters import DeadLetters
from etl.encoder_client import EncoderClient
from etl.errors import EtlError
from etl.metadata import ColumnMap
from etl.pipeline import ETL, Limits
from etl.progress import LoadProgress
from etl.settings import EtlSettings
from telemetry.logs import configure_logs
from telemetry.settings import LogSettings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Load catalogues of fashion photos.")


@app.callback()
def _commands() -> None:
    """Keeps `run` a command of its own while it is the only one."""


@app.command()
def run(
    source: Annotated[Path, typer.Argument(help="A folder of photos, with a metadata.csv or without.")],
    source_name: Annotated[
        str | None, typer.Option(envvar="ETL_SOURCE_NAME", help="The source's name; default: the folder's.")
    ] = None,
    map: Annotated[
        list[str] | None, typer.Option(help="column=field: a column becomes a field; column= leaves it out.")
    ] = None,
    prune: Annotated[
        bool, typer.Option(envvar="ETL_PRUNE", help="Remove items of this source that are no longer in it.")
    ] = False,
    max_failures: Annotated[
        int | None, typer.Option(envvar="ETL_MAX_FAILURES", min=0, help="Failed photos that are still a success.")
    ] = None,
) -> None:
    """Store the photos, encode them through the service, and make them searchable.

    Run it again at any time: what is unchanged is neither stored nor encoded again, nothing is doubled.
    """
    settings = EtlSettings()
    configure_logs("etl", LogSettings())
    allowed = settings.etl_max_failures if max_failures is None else max_failures
    try:
        progress, dead = _load(settings, source, source_name, map or [], prune)
    except EtlError as error:
        typer.echo(f"etl: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(progress.summary())
    if failed := progress.counts["failed"]:
        typer.echo(f"{failed} photos could not be loaded; the reasons are in {dead.file}", err=True)
    if failed > allowed:
        raise typer.Exit(2)


def _load(
    settings: EtlSettings, folder: Path, name: str | None, mapping: list[str], prune: bool
) -> tuple[LoadProgress, DeadLetters]:
    beside = folder / MAPPING
    columns = (ColumnMap.read(beside) if beside.exists() else ColumnMap()).with_flags(mapping)
    dataset = FolderDataset(folder, name=name, columns=columns)
    dead = DeadLetters(settings.etl_state_dir, dataset.name)
    progress = LoadProgress(dataset.name, len(dataset))
    encoder = EncoderClient(
        settings.encoder_url,
        api_key=settings.etl_api_key.get_secret_value(),
        connections=settings.etl_in_flight,
        wait=settings.etl_wait,
        waiting=progress.say,
    )
    limits = Limits(settings.etl_batch, int(settings.etl_batch_mb * 1e6), settings.etl_in_flight, settings.etl_wait)
    vectors = VectorDatabase(settings)
    try:
        with progress:
            ETL(vectors, ImageStore(settings), encoder, limits, progress, dead).run(dataset, prune=prune)
    finally:
        encoder.close()
        vectors.close()
    return progress, dead
