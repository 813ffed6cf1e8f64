"""The command `python -m etl`."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from etl import copying, load, rebuild
from etl.dead_letters import DeadLetters
from etl.deletion import Deletion
from etl.differences import differences
from etl.ending import INCOMPLETE, confirm, sum_up, working
from etl.errors import EtlError
from etl.flags import CHANGES, ENCODER, FAILING, PLACES, READING, SPEED, with_flags
from etl.settings import EtlSettings
from etl.status import as_text
from etl.status import status as status_of
from etl.verify import verify as verify_collection

Settings = Callable[[], EtlSettings]
Source = Annotated[
    str,
    typer.Argument(
        envvar="ETL_SOURCE",
        show_default=False,
        help="A folder; a zip or tar archive; a table (.csv, .tsv, .jsonl, .parquet); the address of an archive or a "
        "table; s3://bucket/prefix.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", envvar="ETL_YES", help="Do not ask.")]


class _RunIsDefault(TyperGroup):
    """`python -m etl SOURCE` is `python -m etl run SOURCE`, and so is `python -m etl` where ETL_SOURCE is set."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args and os.environ.get("ETL_SOURCE"):
            args = ["run"]
        if args and args[0] not in self.commands and args[0] != "--help":
            close = difflib.get_close_matches(args[0], self.commands, n=1)
            if close and not Path(args[0]).exists():
                ctx.fail(f"there is neither a command nor a source {args[0]!r}; did you mean {close[0]!r}?")
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_RunIsDefault,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Load catalogues of fashion photos. `run` is the default: python -m etl SOURCE.",
)


@app.command()
@with_flags(READING, CHANGES, FAILING, SPEED, ENCODER, PLACES)
def run(settings: Settings, source: Source) -> None:
    """Store the photos, encode them through the service, and make them searchable.

    Run it again at any time: what is unchanged is neither stored nor encoded again, nothing is doubled.
    """
    with working(settings) as job:
        job.begin()
        if not sum_up(job, load.run(job, source)):
            raise typer.Exit(INCOMPLETE)


@app.command()
@with_flags(FAILING, SPEED, ENCODER, PLACES)
def retry(
    settings: Settings,
    source_name: Annotated[
        str, typer.Argument(envvar="ETL_SOURCE_NAME", show_default=False, help="The source's name.")
    ] = "",
) -> None:
    """Load again what failed in the last load of a source; without a name, of every source.

    What `status --verify` finds is mended too: items and photos that a server lost are loaded again, and objects of
    the source that belong to no item are removed.
    """
    with working(settings) as job:
        job.begin()
        found = differences(job)
        failed = {name: len(DeadLetters(job.state.dead_letters(name)).letters()) for name in job.state.sources()}
        lost = {name: found.to_load(name) for name in failed}
        unused = {name: found.to_remove(name) for name in failed}
        names = [source_name] if source_name else [n for n in failed if failed[n] or lost[n] or unused[n]]
        if not names:
            typer.echo("nothing failed, and nothing was lost")
        complete = [
            sum_up(job, load.retry(job, name, lost=lost.get(name, ()), unused=unused.get(name, ()))) for name in names
        ]
        if not all(complete):
            raise typer.Exit(INCOMPLETE)


@app.command()
@with_flags(READING, FAILING, PLACES)
def download(
    settings: Settings,
    source: Source,
    to: Annotated[
        Path | None, typer.Option(envvar="ETL_TO", show_default=False, help="The folder that the photos go to.")
    ] = None,
) -> None:
    """Only fetch the source: an archive as it is, anything else as a folder that can be loaded later."""
    with working(settings) as job:
        job.begin()
        place, dead = copying.download(job, source, to)
        typer.echo(str(place))
        if dead is not None and not sum_up(job, dead):
            raise typer.Exit(INCOMPLETE)


@app.command()
@with_flags(ENCODER, PLACES)
def status(
    settings: Settings,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify", envvar="ETL_VERIFY", help="Compare with the store, and search with a sample of the photos."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", envvar="ETL_JSON", help="For machines.")] = False,
) -> None:
    """What was loaded from where, what failed, and which collections there are."""
    with working(settings) as job:
        found = status_of(job)
        troubles: list[str] = []
        if verify:
            report = verify_collection(job, job.searched(), job.encoder.model())
            troubles = report.troubles
            found["verified"] = {
                "items": report.differences.items,
                "missing_photos": report.missing_photos,
                "lost_items": report.lost_items,
                "unused_objects": len(report.differences.unused_objects),
                "searched": report.searched,
                "not_found": report.not_found,
            }
        typer.echo(json.dumps(found, indent=2) if as_json else as_text(found, job.state.folder))
        for trouble in troubles:
            typer.echo(f"etl: {trouble}", err=True)
        if troubles:
            raise typer.Exit(INCOMPLETE)


@app.command()
@with_flags(FAILING, PLACES)
def delete(
    settings: Settings,
    id: Annotated[
        list[str] | None, typer.Option(envvar="ETL_DELETE_ID", show_default=False, help="An item; can be repeated.")
    ] = None,
    filter: Annotated[
        str, typer.Option(envvar="ETL_DELETE_FILTER", help='As in a search: {"category": "shoes"}.')
    ] = "",
    source: Annotated[str, typer.Option(envvar="ETL_DELETE_SOURCE", help="All items of the source of that name.")] = "",
    old_collections: Annotated[
        bool, typer.Option("--old-collections", envvar="ETL_DELETE_OLD", help="What rebuilds left behind.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Remove items and their photos by id, by filter, or by source; or collections that are not searched."""
    if sum(map(bool, (id, filter, source, old_collections))) != 1:
        raise typer.BadParameter("say one of --id, --filter, --source and --old-collections")
    with working(settings) as job:
        job.begin()
        if old_collections:
            confirm(yes, "Remove all collections that are not searched?")
            typer.echo("removed: " + (", ".join(rebuild.drop_unused(job)) or "none"))
            return
        deletion = Deletion(job)
        items = (
            deletion.by_id(id) if id else deletion.by_source(source) if source else deletion.by_filter(_filters(filter))
        )
        if items:
            confirm(yes, f"Remove {len(items)} items and their photos?")
            deletion.remove(items)
        if source:
            job.state.forget(source)
        typer.echo(f"{len(items)} removed")


@app.command("rebuild")
@with_flags(FAILING, SPEED, ENCODER, PLACES)
def rebuild_collection(
    settings: Settings,
    remove_old: Annotated[
        bool, typer.Option("--remove-old", envvar="ETL_REMOVE_OLD", help="Remove the old collection at the end.")
    ] = False,
    switch_to: Annotated[
        str, typer.Option(envvar="ETL_SWITCH_TO", help="Rebuild nothing: search this collection, old or new.")
    ] = "",
) -> None:
    """Encode all stored photos into a new collection, verify it, and search it from then on.

    The search goes on meanwhile. The old collection is kept; `delete --old-collections` removes it.
    """
    with working(settings) as job:
        job.begin()
        if switch_to:
            typer.echo(f"{rebuild.switch(job, switch_to).name} is searched")
            return
        done = rebuild.rebuild(job)
        typer.echo(job.progress.summary())
        typer.echo(f"{done.new.name} ({done.items} items, {done.new.model.model}) is searched")
        if remove_old:
            job.patience.call("milvus", job.vectors.drop, done.old.name)
        else:
            typer.echo(
                f"{done.old.name} is kept: `rebuild --switch-to {done.old.name}` goes back, "
                "`delete --old-collections` removes it"
            )


def _filters(text: str) -> dict[str, Any]:
    try:
        filters = json.loads(text)
    except ValueError:
        filters = None
    if not isinstance(filters, dict) or not filters:
        raise EtlError('--filter takes a JSON object, such as {"category": "shoes"}')
    return filters
