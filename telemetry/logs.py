"""One shape for all log lines: loguru's own, BentoML's, uvicorn's and every library's.

Each line carries the time (ISO 8601, UTC, milliseconds), the level, the process, the request's id and the trace's
where there are any. A traceback stays inside its event. Access lines go to a file of their own.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC
from typing import TYPE_CHECKING, Any

import orjson
from loguru import logger

from telemetry.settings import LogSettings

if TYPE_CHECKING:
    from loguru import Record

request_id_var: ContextVar[str | None] = ContextVar("request_id", default=None)
trace_id_var: ContextVar[str | None] = ContextVar("trace_id", default=None)

access_logger = logger.bind(log="access")
"""For one line a request; everything else goes through loguru's `logger`."""

_TEXT = "{extra[_time]} {level:<7} {extra[_process]} [{extra[_request]}] {name}:{line} {message}\n{exception}"


def configure_logs(process: str, settings: LogSettings) -> None:
    """Send this process's log lines to the console and, where `LOG_DIR` is set, to its files.

    Args:
        process: the name in every line and, with the pid, in the files' names: several processes never share one.
    """
    render = _json_line if settings.log_format == "json" else _text_line
    logger.remove()
    shape: dict[str, Any] = {
        "format": lambda record: render(record, process),
        "level": settings.log_level,
        "backtrace": False,
        "diagnose": False,  # values of variables in tracebacks would carry secrets into the log
    }
    logger.add(sys.stderr, colorize=False, **shape)
    if settings.log_dir is not None:
        settings.log_dir.mkdir(parents=True, exist_ok=True)
        rotation = f"{settings.log_rotate_mb} MB"
        for name, wanted in (("process", _is_process), ("access", _is_access), ("error", _is_error)):
            file = settings.log_dir / f"{name}.{process}.{os.getpid()}.log"
            logger.add(file, filter=wanted, rotation=rotation, retention=settings.log_keep, **shape)
    _take_over_standard_logging(settings.log_level)


def _time(record: Record) -> str:
    return record["time"].astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text_line(record: Record, process: str) -> str:
    record["extra"] |= {"_time": _time(record), "_process": process, "_request": request_id_var.get() or "-"}
    return _TEXT


def _json_line(record: Record, process: str) -> str:
    line: dict[str, Any] = {
        "time": _time(record),
        "level": record["level"].name,
        "process": process,
        "pid": record["process"].id,
        "logger": record["name"],
        "line": record["line"],
        "message": record["message"],
        "request_id": request_id_var.get(),
        "trace_id": trace_id_var.get(),
    }
    line |= {key: value for key, value in record["extra"].items() if key not in line and key != "_json"}
    if (exception := record["exception"]) is not None and exception.type is not None:
        line["exception"] = "".join(traceback.format_exception(exception.type, exception.value, exception.traceback))
    present = {key: value for key, value in line.items() if value is not None}
    record["extra"]["_json"] = orjson.dumps(present, default=str).decode()
    return "{extra[_json]}\n"


def _is_access(record: Record) -> bool:
    return record["extra"].get("log") == "access"


def _is_process(record: Record) -> bool:
    return not _is_access(record)


def _is_error(record: Record) -> bool:
    return record["level"].no >= logging.ERROR


class _ToLoguru(logging.Handler):
    """Hands records of the standard library's logging on to loguru."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno

        def rename(line: Record) -> None:
            line["name"], line["line"] = record.name, record.lineno

        logger.patch(rename).opt(exception=record.exc_info).log(level, "{}", record.getMessage())


def _take_over_standard_logging(level: str) -> None:
    logging.basicConfig(handlers=[_ToLoguru()], level=level, force=True)
    for name in list(logging.root.manager.loggerDict):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    # Every request has its own line already, with more in it.
    logging.getLogger("uvicorn.access").disabled = True
