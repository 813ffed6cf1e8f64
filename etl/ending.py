"""How a command ends: what went wrong in one line, and an exit code for scripts."""

from __future__ import annotations

import errno
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import typer

from catalog.errors import CatalogError
from environment import from_environment
from etl.dead_letters import DeadLetters
from etl.errors import EtlError, Stopped
from etl.job import Job
from etl.settings import EtlSettings
from telemetry.logs import configure_logs
from telemetry.settings import LogSettings

GAVE_UP, INCOMPLETE, INTERRUPTED = 1, 3, 130
"""Exit codes: the command could not go on; more failed than --max-failures, or a verification found something; ended
by Ctrl-C or SIGTERM. typer's own, for a command that is written wrongly, is 2."""


@contextmanager
def working(settings: Callable[[], EtlSettings]) -> Iterator[Job]:
    """Work on a job; what goes wrong becomes one line and an exit code.

    Args:
        settings: reads the job's settings; a mistake in them is one of the things that go wrong.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        made = settings()
        logs = from_environment(LogSettings)
        if "log_format" not in logs.model_fields_set:
            logs = logs.model_copy(update={"log_format": "text"})  # a command is read by a person, if by anybody
        configure_logs("etl", logs, [made.etl_api_key.get_secret_value()])
        with Job(made) as job:
            yield job
    except (EtlError, CatalogError) as error:
        give_up(str(error))
    except (OSError, sqlite3.OperationalError) as error:
        if not _is_full(error):
            raise
        give_up(f"no space is left for what a load must remember in {made.etl_state_dir}; free some and run it again")
    except (KeyboardInterrupt, Stopped):
        typer.echo("etl: ended; run it again to go on", err=True)
        raise typer.Exit(INTERRUPTED) from None


def give_up(message: str) -> NoReturn:
    """End the command: it cannot go on, for this reason."""
    typer.echo(f"etl: {message}", err=True)
    raise typer.Exit(GAVE_UP)


def confirm(yes: bool, question: str) -> None:
    """End the command where a person says no; `yes`: nobody is asked."""
    if not yes and not typer.confirm(question, err=True):
        raise typer.Exit(GAVE_UP)


def sum_up(job: Job, dead: DeadLetters) -> bool:
    """Tell how a load went; whether no more failed than is allowed."""
    typer.echo(job.progress.summary())
    if failed := job.progress.counts["failed"]:
        reasons = ", ".join(f"{count} {code}" for code, count in dead.codes().most_common(5))
        typer.echo(f"{failed} photos could not be loaded ({reasons}); each is in {dead.file}", err=True)
    return failed <= job.settings.etl_max_failures


def _is_full(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "full" in str(error)  # SQLite's own words; Python hands no number on for them


def _interrupt(number: int, _: FrameType | None) -> None:
    raise KeyboardInterrupt(number)
