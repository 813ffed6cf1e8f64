"""Leads the standard library's logging, warnings and uncaught exceptions into loguru."""

from __future__ import annotations

import logging
import sys
import threading
from types import TracebackType

from loguru import logger

from telemetry.lines import LINE, LOGGER

_REPLACED = ("uvicorn.access", "bentoml.access")
"""Access logs of the frameworks: the service writes its own, with more in it."""


class ToLoguru(logging.Handler):
    """Hands records of the standard library's logging on to loguru, under the library's own name and line."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno
        bound = logger.bind(**{LOGGER: record.name, LINE: record.lineno})
        bound.opt(exception=record.exc_info).log(level, "{}", record.getMessage())


def take_over_standard_logging(level: str) -> None:
    """Every library's records come here from now on, whatever handlers it had set up for itself.

    A library that was told to be quieter stays so.
    """
    logging.basicConfig(handlers=[ToLoguru()], level=level, force=True)
    for name in list(logging.root.manager.loggerDict):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    for name in _REPLACED:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)


def log_uncaught_exceptions() -> None:
    """What ends a process or a thread is one event in the log, not loose lines on the console."""

    def of_process(kind: type[BaseException], error: BaseException, stack: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, stack)
        else:
            logger.opt(exception=(kind, error, stack)).critical("uncaught exception, the process ends")

    def of_thread(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_type is not SystemExit and arguments.exc_value is not None:
            name = arguments.thread.name if arguments.thread else "unknown"
            caught = (arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
            logger.opt(exception=caught).error("uncaught exception, thread {} ends", name)

    sys.excepthook = of_process
    threading.excepthook = of_thread
