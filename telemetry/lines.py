"""How one event becomes one line (JSON), or one line with indented ones after it (text)."""

from __future__ import annotations

import json
import socket
import traceback
from datetime import UTC
from typing import TYPE_CHECKING, Any

import orjson

from telemetry.context import request_id_var, trace_id_var
from telemetry.redaction import Redactor

if TYPE_CHECKING:
    from loguru import Record

LOGGER, LINE = "_logger", "_line"
"""Bound by the bridge from standard logging: the library's name, and its line's number."""

_HOST = socket.gethostname()


class JsonLines:
    """`{"time": ..., "level": ..., ...}`; absent values are left out."""

    def __init__(self, process: str, redactor: Redactor) -> None:
        self._process = process
        self._redactor = redactor

    def __call__(self, record: Record) -> str:
        extra = record["extra"]
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record["level"].name,
            "process": self._process,
            "pid": record["process"].id,
            "host": _HOST,
            "logger": extra.get(LOGGER, record["name"]),
            "line": extra.get(LINE, record["line"]),
            "message": self._redactor.clean(record["message"]),
            "request_id": request_id_var.get(),
            "trace_id": trace_id_var.get(),
        }
        for key, value in extra.items():
            if key not in line and not key.startswith("_"):
                line[key] = self._redactor.clean_value(key, value)
        if (stack := _traceback(record)) is not None:
            line["exception"] = self._redactor.clean(stack)
        present = {key: value for key, value in line.items() if value is not None}
        try:
            return orjson.dumps(present).decode()
        except orjson.JSONEncodeError:  # a lone surrogate, or a number beyond 64 bits: escaped, not lost
            return json.dumps(present, default=str)


class TextLines:
    """`TIME | LEVEL   | process | request id | logger:line | message | key=value ...`.

    Lines after the first are indented, so that nothing in a message can pass for an event of its own.
    """

    def __init__(self, process: str, redactor: Redactor) -> None:
        self._process = process
        self._redactor = redactor

    def __call__(self, record: Record) -> str:
        extra = record["extra"]
        fields = {key: value for key, value in extra.items() if not key.startswith("_") and value is not None}
        if (trace := trace_id_var.get()) is not None:
            fields["trace_id"] = trace
        parts = [
            _time(record),
            f"{record['level'].name:<7}",
            self._process,
            request_id_var.get() or "-",
            f"{extra.get(LOGGER, record['name'])}:{extra.get(LINE, record['line'])}",
            self._redactor.clean(record["message"]),
        ]
        if fields:
            parts.append(" ".join(f"{key}={_word(self._redactor.clean_value(key, fields[key]))}" for key in fields))
        text = " | ".join(parts)
        if (stack := _traceback(record)) is not None:
            text = f"{text}\n{self._redactor.clean(stack)}"
        return "\n    ".join(text.rstrip().splitlines())


def fallback(record: Record, process: str, error: Exception) -> str:
    """The line for an event whose own fields cannot be written; in JSON, which the text parser passes on whole."""
    line = {
        "time": _time(record),
        "level": record["level"].name,
        "process": process,
        "logger": record["name"],
        "line": record["line"],
        "message": f"an event that could not be written: {type(error).__name__}",
    }
    return json.dumps(line)


def _time(record: Record) -> str:
    return record["time"].astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _traceback(record: Record) -> str | None:
    exception = record["exception"]
    if exception is None or exception.type is None:
        return None
    return "".join(traceback.format_exception(exception.type, exception.value, exception.traceback))


def _word(value: object) -> str:
    text = str(value)
    return text if text and not any(sign in text for sign in ' "=|\n\r') else json.dumps(text)
