"""One shape for all log lines: our own, BentoML's, uvicorn's and every library's.

Each event is written once to the console and, where `LOG_DIR` is set, once to a file: lines of the access log to
`access`, errors to `error`, the rest to `process`. docs/monitoring.md describes the format.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from loguru import logger

from telemetry.bridge import log_uncaught_exceptions, take_over_standard_logging
from telemetry.context import request_id_var, trace_id_var
from telemetry.files import KINDS, Pruning, Rotation, log_file
from telemetry.lines import JsonLines, TextLines, fallback
from telemetry.redaction import Redactor, secrets_of
from telemetry.settings import LogSettings

if TYPE_CHECKING:
    from loguru import Record

__all__ = ["LogSettings", "access_logger", "configure_logs", "request_id_var", "trace_id_var"]

access_logger = logger.bind(log="access")
"""For one line a request; everything else goes through loguru's `logger`."""

_RENDERED = "_rendered"


def configure_logs(process: str, settings: LogSettings, secrets: Iterable[str] = ()) -> None:
    """Send this process's log lines to the console and, where `LOG_DIR` is set, to its files.

    Args:
        process: the name in every line and, with host and pid, in the files' names.
        settings: level, format, folder and limits.
        secrets: values that must never be written; those in the environment are known already.
    """
    redactor = Redactor({*secrets, *secrets_of()})
    render = (JsonLines if settings.log_format == "json" else TextLines)(process, redactor)

    def render_once(record: Record) -> None:
        try:
            record["extra"][_RENDERED] = render(record)
        except Exception as error:  # logging must never fail the work that is logged
            record["extra"][_RENDERED] = fallback(record, process, error)

    logger.remove()
    logger.configure(patcher=render_once)
    logger.add(sys.stderr, level=settings.log_level, format=_line, colorize=False, backtrace=False, diagnose=False)
    if settings.log_dir is not None:
        _add_files(process, settings)
    take_over_standard_logging(settings.log_level)
    log_uncaught_exceptions()


def _add_files(process: str, settings: LogSettings) -> None:
    folder = settings.log_dir
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    files = {kind: log_file(folder.resolve(), kind, process) for kind in KINDS}
    prune = Pruning(
        folder.resolve(),
        total_mb=settings.log_total_mb,
        keep_days=settings.log_keep_days,
        open_files=files.values(),
    )
    prune()
    for kind, path in files.items():
        logger.add(
            path,
            level=settings.log_level,
            filter=_only(kind),
            format=_line,
            rotation=Rotation(settings.log_rotate_mb),
            retention=prune,
            delay=True,  # no empty error.log for a process without errors
            watch=True,  # another process may have pruned the file
            backtrace=False,
            diagnose=False,
        )


def _line(_: Record) -> str:
    return f"{{extra[{_RENDERED}]}}\n"


def _only(kind: str) -> Callable[[Record], bool]:
    return lambda record: _kind(record) == kind


def _kind(record: Record) -> str:
    if record["extra"].get("log") == "access":
        return "access"
    return "error" if record["level"].no >= logging.ERROR else "process"
