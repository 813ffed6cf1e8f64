"""The command's flags. Each has its variable; what is not given comes from the environment, `.env`, or the default."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from etl.errors import EtlError
from etl.settings import EtlSettings


@dataclass(frozen=True)
class Flag:
    """`--name`, and the setting `etl_name` that it sets; its variable is `ETL_NAME`."""

    name: str
    kind: Any
    help: str

    @property
    def variable(self) -> str:
        return f"ETL_{self.name.upper()}"

    @property
    def option(self) -> str:
        return "--" + self.name.replace("_", "-")

    def parameter(self, panel: str) -> inspect.Parameter:
        """As typer reads it from a command's signature."""
        names = [f"{self.option}/--no-{self.option[2:]}"] if self.kind is bool else [self.option]
        # typer would split a list's variable at spaces; the settings split it at commas.
        variable = None if self.kind == list[str] else self.variable
        option = typer.Option(*names, envvar=variable, help=self.help, rich_help_panel=panel, show_default=False)
        annotation: Any = Annotated[self.kind | None, option]
        return inspect.Parameter(self.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


@dataclass(frozen=True)
class Group:
    """Flags that belong together, under one heading of the help."""

    title: str
    flags: Sequence[Flag]


READING = Group(
    "Reading the source",
    (
        Flag("source_name", str, "The source's name; default: its folder's, archive's or table's."),
        Flag("photos", str, "Where a table's photos lie, when not beside it: folder, archive or S3 prefix."),
        Flag("mapping", Path, "A file that says which column is what; default: etl.toml in the source."),
        Flag(
            "map",
            list[str],
            "column=field, or column= to leave it out. Repeat the flag; ETL_MAP has commas.",
        ),
        Flag("file_column", str, "The column that names the photo, by path or address."),
        Flag("id_column", str, "The column of the ids; default: id, else the photo's path."),
        Flag("id_prefix", str, "Put before every id, where two sources have the same ones."),
        Flag("sha256", str, "The checksum that a downloaded file must have."),
        Flag("allow_private", bool, "Fetch from addresses of private networks too."),
        Flag("url_timeout", float, "Seconds for one photo from the web; default: 30."),
        Flag("max_photo_mb", float, "Megabytes of the largest photo; default: 30."),
    ),
)
FAILING = Group(
    "When something fails",
    (
        Flag("max_failures", int, "Photos that may fail before the exit code says so; default: 0."),
        Flag("wait", float, "Seconds to wait for a part that is away; default: 600."),
    ),
)
CHANGES = Group(
    "What is already loaded",
    (
        Flag("prune", bool, "Remove items of this source that are no longer in it."),
        Flag("full", bool, "Trust no checkpoint: read every photo, compare every item."),
    ),
)
SPEED = Group(
    "Speed and memory",
    (
        Flag("batch", int, "Most photos in one request to the service; default: 32."),
        Flag("batch_mb", float, "Most megabytes in one request to the service; default: 16."),
        Flag("in_flight", int, "Requests to the service under way at once; default: 4."),
        Flag("readers", int, "Photos that are read, and that are stored, at once; default: 8."),
    ),
)
ENCODER = Group(
    "The service",
    (Flag("encoder_url", str, "The service that encodes; default: http://MODEL_SERVING_HOST:MODEL_SERVING_PORT."),),
)
PLACES = Group(
    "This process",
    (
        Flag("state_dir", Path, "Folder for checkpoints, dead letters and downloads; default: .local/etl."),
        Flag("metrics_port", int, "Port on which the load shows its metrics; default: none."),
    ),
)
GROUPS = (READING, FAILING, CHANGES, SPEED, ENCODER, PLACES)


def with_flags(*groups: Group) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command these flags; its first parameter gets the settings that they make."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        _settings, *own = inspect.signature(command, eval_str=True).parameters.values()
        flags = [flag.parameter(group.title) for group in groups for flag in group.flags]
        names = {flag.name for flag in flags}

        @functools.wraps(command)
        def wrapper(**given: Any) -> None:
            values = {name: given.pop(name) for name in names}
            command(functools.partial(settings_with, values), **given)

        # What typer reads; mypy knows of no such attribute.
        wrapper.__signature__ = inspect.Signature([*own, *flags])  # type: ignore[attr-defined]  # what inspect looks for
        wrapper.__annotations__ = {}
        return wrapper

    return decorate


def settings_with(given: dict[str, Any]) -> EtlSettings:
    """The settings, with the flags that were given on top; EtlError for values that cannot be."""
    fields = {f"etl_{name}": value for name, value in given.items() if value is not None and value != []}
    try:
        return EtlSettings(**fields)
    except ValidationError as error:
        # As at every process's start; values are not repeated, since one of them may be a secret.
        mistakes = [f"{str(mistake['loc'][0]).upper()}: {mistake['msg']}" for mistake in error.errors()]
        raise EtlError("; ".join(mistakes) + "; see .env.example") from error
