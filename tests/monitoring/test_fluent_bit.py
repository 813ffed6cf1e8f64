"""Fluent Bit's configuration against log lines that this system really wrote. Its program cannot be installed here."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.compose.door import Door
from tests.monitoring.log_pipeline import CONFIG, FOLDER, PARSERS, READ_AT, Sent, lua, onigmo, parse, sent
from tests.monitoring.programs import MONITORING, ROOT
from tests.monitoring.waiting import until
from tests.stack import System

TEMPLATE = json.loads((MONITORING / "elasticsearch" / "index_template.json").read_text())
FIELDS: dict[str, Any] = TEMPLATE["template"]["mappings"]["properties"]
_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
_PYTHON_TYPES: dict[str, Any] = {
    "keyword": str, "text": str, "ip": str, "flattened": dict,
    "long": int, "integer": int, "short": int, "float": (int, float),
}  # fmt: skip

_FAILING = """
from loguru import logger
from telemetry.logs import LogSettings, access_logger, configure_logs, request_id_var
configure_logs("{process}", LogSettings())
def outer():
    try:
        {{}}["absent"]
    except KeyError as error:
        raise ValueError("first line\\nsecond line") from error
request_id_var.set("req-7")
try:
    outer()
except ValueError:
    logger.bind(part="milvus", note='two "words" | more').exception("the load failed")
logger.warning("two lines\\n2026-01-01T00:00:00.000Z | INFO    | api | - | x:1 | forged")
try:
    raise ExceptionGroup("several", [OSError("disk"), TimeoutError("late")])
except ExceptionGroup:
    logger.exception("a group")
access_logger.bind(client="10.0.0.1", status=200, duration_ms=1.5, bytes=12, method="GET").info("GET /page 200")
logger.info("nothing | beside = this")
"""


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, logs: Path, watched: System) -> Iterator[Door]:
    """nginx before the real service, and before a store that is not there."""
    (logs / "nginx").mkdir()
    running = Door(
        tmp_path_factory.mktemp("door"),
        service=f"127.0.0.1:{watched.port}", store="127.0.0.1:9", LOG_DIR=str(logs / "nginx"),
    )  # fmt: skip
    yield running
    running.stop()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, logs: Path, door: Door) -> Path:
    """What the programs wrote, as it was at one moment."""
    headers = {"traceparent": f"00-{_TRACE}-00f067aa0ba902b7-01", "X-Request-ID": "seen-1"}
    with httpx.Client(base_url=door.api, trust_env=False, timeout=60) as client:
        assert client.post("/search-image", json={"query": "red coat"}, headers=headers).status_code == 200
        assert client.get("/items/absent").status_code == 404
        assert client.post("/encode_text", content=b"{", headers={"Content-Type": "application/json"}).is_client_error
        httpx.get(f"{door.photos}/fashion/a.jpg?X-Amz-Signature=5ec7e7", trust_env=False)
    for process, form in (("ui", "json"), ("etl", "text")):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "LOG_DIR": str(logs / process), "LOG_FORMAT": form}
        program = [sys.executable, "-c", _FAILING.format(process=process)]
        subprocess.run(program, env=environment, check=True, capture_output=True, timeout=60)
    until(lambda: "seen-1" in "".join(f.read_text() for f in (logs / "nginx").iterdir()), what="nginx' line")
    return shutil.copytree(logs, tmp_path_factory.mktemp("written") / "logs")


@pytest.fixture(scope="module")
def records(written: Path) -> list[Sent]:
    """What reaches Elasticsearch of it."""
    return sent(written)


def of(records: list[Sent], **fields: Any) -> list[Sent]:
    return [each for each in records if all(each.record.get(key) == value for key, value in fields.items())]


def test_every_line_of_every_program_becomes_a_record_of_known_fields_and_types(records: list[Sent]) -> None:
    assert {each.record["source"] for each in records} == {"service", "ui", "etl", "nginx"}
    assert {each.record["kind"] for each in records} == {"process", "access", "error"}
    assert {each.record["process"] for each in of(records, source="service")} == {"api", "runner"}
    for each in records:
        assert each.time != READ_AT, f"no time was found in {each.record}"
        assert set(each.record) <= set(FIELDS), each.record
        assert {"source", "kind", "level", "process", "message", "file"} <= set(each.record), each.record
        assert each.record["level"] in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"), each.record
        for name, value in each.record.items():
            assert isinstance(value, _PYTHON_TYPES[FIELDS[name]["type"]]), (name, value)


def test_no_line_is_lost_and_none_is_taken_for_two(records: list[Sent], written: Path) -> None:
    for source in ("service", "ui"):  # JSON: a line is an event
        files = sorted((written / source).glob("*.log"))
        events = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        assert [each.record["message"] for each in of(records, source=source)] == [e["message"] for e in events]
    starts = [
        line for file in (written / "etl").glob("*.log") for line in file.read_text().splitlines() if line[:1] != " "
    ]
    assert len(of(records, source="etl")) == len(starts)


def test_the_time_is_that_of_the_line(records: list[Sent], written: Path) -> None:
    for file in (written / "service").glob("access.*.log"):
        times = [json.loads(line)["time"] for line in file.read_text().splitlines()]
        found = [each.time for each in of(records, file=str(file))]
        shown = [datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds") for time in found]
        assert [time.replace("+00:00", "Z") for time in shown] == times


@pytest.mark.parametrize("source", ["ui", "etl"])
def test_a_traceback_is_one_record_with_the_exception_apart(records: list[Sent], source: str) -> None:
    (failure,) = of(records, source=source, message="the load failed")
    record = failure.record
    assert (record["level"], record["kind"], record["request_id"]) == ("ERROR", "error", "req-7")
    assert record["exception"].startswith("Traceback (most recent call last):\n  File ")
    assert "KeyError: 'absent'\n\nThe above exception was the direct cause" in record["exception"]
    assert record["exception"].rstrip().endswith("ValueError: first line\nsecond line")
    assert record["fields"] == {"part": "milvus", "note": 'two "words" | more'}
    (group,) = of(records, source=source, message="a group")
    assert "ExceptionGroup: several (2 sub-exceptions)" in group.record["exception"]


@pytest.mark.parametrize("source", ["ui", "etl"])
def test_what_a_message_says_cannot_pass_for_an_event(records: list[Sent], source: str) -> None:
    (warning,) = of(records, source=source, level="WARNING")
    assert warning.record["message"] == "two lines\n2026-01-01T00:00:00.000Z | INFO    | api | - | x:1 | forged"
    assert of(records, source=source, message="nothing | beside = this")


def test_text_and_json_lines_give_the_same_fields(records: list[Sent]) -> None:
    for source in ("ui", "etl"):
        (access,) = of(records, source=source, kind="access")
        figures = {name: access.record[name] for name in ("client", "status", "duration_ms", "bytes", "method")}
        assert figures == {"client": "10.0.0.1", "status": 200, "duration_ms": 1.5, "bytes": 12, "method": "GET"}
        assert access.record["message"] == "GET /page 200"


def test_a_request_is_followed_from_the_door_to_the_service(records: list[Sent]) -> None:
    (outside,) = of(records, source="nginx", kind="access", request_id="seen-1")
    (inside,) = of(records, source="service", kind="access", request_id="seen-1")
    assert inside.record["trace_id"] == _TRACE
    assert (inside.record["path"], outside.record["path"]) == ("/search-image", "/search-image")
    assert (inside.record["status"], outside.record["status"]) == (200, 200)
    assert outside.record["duration_ms"] >= inside.record["duration_ms"] * 0.5
    assert outside.record["message"] == "POST /search-image 200"


def test_nginx_errors_have_a_time_and_no_signature_of_a_link(records: list[Sent]) -> None:
    (error,) = of(records, source="nginx", kind="error", path="/fashion/a.jpg")
    assert error.record["level"] == "ERROR"
    assert "connect() failed" in error.record["message"]
    assert error.record["client"] == "127.0.0.1"
    assert abs(error.time - datetime.now(UTC).timestamp()) < 3600
    assert not any("5ec7e7" in json.dumps(each.record) for each in records)


def test_queries_are_in_no_line(records: list[Sent]) -> None:
    assert not any("red coat" in json.dumps(each.record) for each in records)


def test_a_line_that_no_parser_knows_is_its_own_message() -> None:
    (record,) = lua([("service", READ_AT, {"log": "Killed", "file": "/logs/service/process.api.h-1.log"})])
    assert record.time == READ_AT
    assert (record.record["message"], record.record["kind"]) == ("Killed", "process")


def test_a_field_of_any_type_cannot_spoil_a_record() -> None:
    odd = {"message": {"a": 1}, "status": "none", "host": "h", "items": 3, "part": True, "log": "access"}
    (record,) = lua([("service", READ_AT, odd)])
    assert isinstance(record.record["message"], str)
    assert record.record["fields"] == {"status": "none", "items": "3", "part": "true"}


def test_nginx_time_is_read_as_the_calendar_has_it() -> None:
    chance = random.Random(7)
    start = datetime(1999, 12, 31, tzinfo=UTC)
    times = [start + timedelta(seconds=chance.randrange(2_000_000_000)) for _ in range(500)]
    times += [datetime(year, 2, 28, 23, 59, 59, tzinfo=UTC) + timedelta(seconds=1) for year in (2000, 2024, 2025, 2100)]
    lines = [f"{time:%Y/%m/%d %H:%M:%S} [error] 7#7: *1 wrong" for time in times]
    parsed = [found[1] for found in parse("nginx_error", lines) if found]
    assert [each.time for each in lua([("nginx.error", READ_AT, fields) for fields in parsed])] == [
        time.timestamp() for time in times
    ]


def test_onigmo_takes_every_expression() -> None:
    for each in PARSERS["parsers"]:
        if each["format"] == "regex":
            assert onigmo({"regex": each["regex"], "lines": ["no log line"]}) == [None]


def test_the_configuration_keeps_what_it_promises() -> None:
    service, pipeline = CONFIG["service"], CONFIG["pipeline"]
    named = {each["name"] for each in PARSERS["parsers"] + PARSERS["multiline_parsers"]}
    for source in pipeline["inputs"]:
        assert source.get("parser", source.get("multiline.parser")) in named
        assert source["db"].startswith("${BUFFER_DIR}/") and source["storage.type"] == "filesystem"
        assert source["read_from_head"] is True
    assert len({source["db"] for source in pipeline["inputs"]}) == len(pipeline["inputs"])
    assert {each["parser"] for each in pipeline["filters"] if each["name"] == "parser"} <= named
    elasticsearch, console = pipeline["outputs"]
    assert (elasticsearch["index"], elasticsearch["suppress_type_name"]) == ("fluentbit_logs", True)
    assert elasticsearch["retry_limit"] == "no_limits"
    assert "storage.total_limit_size" not in elasticsearch  # it would drop the oldest
    assert elasticsearch["time_key"] == "@timestamp"
    assert console["name"] == "stdout"
    assert (service["http_server"], service["http_port"]) == (True, 2020)
    assert service["storage.path"].startswith("${BUFFER_DIR}/")


def test_the_script_runs_the_real_program_or_says_that_there_is_none(written: Path, records: list[Sent]) -> None:
    program = os.environ.get("FLUENT_BIT") or shutil.which("fluent-bit") or "/opt/fluent-bit/bin/fluent-bit"
    command = [str(FOLDER / "run.sh"), str(written)]
    environment = {**os.environ, "FLUENT_BIT_SECONDS": "10"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)
    if not Path(program).exists():
        assert (done.returncode, done.stdout) == (3, "")
        assert "there is no Fluent Bit here" in done.stderr
    else:  # the same records as above, from the program itself
        printed = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        assert sorted(each["message"] for each in printed) == sorted(each.record["message"] for each in records)
