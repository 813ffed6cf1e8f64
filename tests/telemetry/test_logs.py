"""What a process writes, where, and in what form."""

from __future__ import annotations

import json
import re

from tests.telemetry.conftest import Program

_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z")
_CONFIGURE = "configure_logs('api', LogSettings())\n"


def test_an_event_is_one_json_object_with_its_request_and_trace(run_program: Program) -> None:
    ran = run_program(
        _CONFIGURE
        + """
request_id_var.set("req-1")
trace_id_var.set("4bf92f3577b34da6a3ce929d0e0e4736")
logger.bind(items=3).info("loaded {}", "jackets\\nand coats")
"""
    )
    (line,) = ran.lines("process")
    assert ran.console == [line]
    event = json.loads(line)
    assert _TIME.fullmatch(event.pop("time"))
    assert isinstance(event.pop("pid"), int)
    assert event.pop("host")
    assert isinstance(event.pop("line"), int)
    assert event == {
        "level": "INFO",
        "process": "api",
        "logger": "__main__",
        "message": "loaded jackets\nand coats",
        "request_id": "req-1",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "items": 3,
    }


def test_each_event_goes_to_exactly_one_file(run_program: Program) -> None:
    ran = run_program(
        _CONFIGURE
        + """
logger.info("ordinary")
logger.error("wrong")
access_logger.bind(status=200, duration_ms=1.5).info("GET /livez 200")
"""
    )
    assert [json.loads(line)["message"] for line in ran.lines("process")] == ["ordinary"]
    assert [json.loads(line)["message"] for line in ran.lines("error")] == ["wrong"]
    (access,) = [json.loads(line) for line in ran.lines("access")]
    assert (access["message"], access["status"], access["duration_ms"]) == ("GET /livez 200", 200, 1.5)
    assert len(ran.console) == 3


def test_no_error_file_without_an_error(run_program: Program) -> None:
    assert run_program(_CONFIGURE + "logger.info('ordinary')").files("error") == []


def test_a_traceback_stays_one_event(run_program: Program) -> None:
    code = (
        _CONFIGURE
        + """
try:
    {}["absent"]
except KeyError:
    logger.exception("lookup failed")
"""
    )
    (line,) = run_program(code).lines("error")
    assert json.loads(line)["exception"].startswith("Traceback (most recent call last):\n")
    assert json.loads(line)["exception"].rstrip().endswith("KeyError: 'absent'")


def test_text_lines_have_the_documented_form_and_indent_what_follows(run_program: Program) -> None:
    code = (
        _CONFIGURE
        + """
request_id_var.set("req-1")
logger.bind(part="milvus", note="two words").warning("slow\\n2026-01-01T00:00:00.000Z | INFO    | forged")
try:
    1 / 0
except ZeroDivisionError:
    logger.exception("failed")
"""
    )
    ran = run_program(code, LOG_FORMAT="text")
    first, forged = ran.lines("process")
    time, level, process, request, where, message = first.split(" | ")
    assert _TIME.fullmatch(time)
    assert (level, process, request, message) == ("WARNING", "api", "req-1", "slow")
    assert re.fullmatch(r"__main__:\d+", where)
    assert forged == '    2026-01-01T00:00:00.000Z | INFO    | forged | part=milvus note="two words"'
    error, *stack = ran.lines("error")
    assert error.endswith(" | failed")
    assert stack[0] == "    Traceback (most recent call last):"
    assert all(line.startswith("    ") for line in stack)


def test_libraries_log_the_same_way(run_program: Program) -> None:
    code = (
        """
bentoml = logging.getLogger("bentoml.serve")
bentoml.addHandler(logging.StreamHandler())
bentoml.propagate = False
"""
        + _CONFIGURE
        + """
bentoml.info("runner %s", "started")
logging.getLogger("uvicorn.error").warning("made later")
logging.getLogger("uvicorn.access").info("the service writes its own access log")
warnings.warn("old call", DeprecationWarning)
"""
    )
    ran = run_program(code)
    events = [json.loads(line) for line in ran.lines("process")]
    assert [(event["logger"], event["level"]) for event in events] == [
        ("bentoml.serve", "INFO"),
        ("uvicorn.error", "WARNING"),
        ("py.warnings", "WARNING"),
    ]
    assert events[0]["message"] == "runner started"
    assert len(ran.console) == 3  # and bentoml's own handler wrote nothing beside


def test_what_ends_a_process_or_a_thread_is_one_event(run_program: Program) -> None:
    code = (
        _CONFIGURE
        + """
thread = threading.Thread(target=lambda: 1 / 0, name="loader")
thread.start()
thread.join()
raise ValueError("the end")
"""
    )
    ran = run_program(code)
    thread, process = [json.loads(line) for line in ran.lines("error")]
    assert thread["message"] == "uncaught exception, thread loader ends"
    assert thread["exception"].rstrip().endswith("ZeroDivisionError: division by zero")
    assert process["level"] == "CRITICAL"
    assert process["exception"].rstrip().endswith("ValueError: the end")
    assert ran.returncode == 1


def test_an_empty_log_dir_means_the_console_alone(run_program: Program) -> None:
    ran = run_program(_CONFIGURE + "logger.info('here')\nprint(os.listdir('.'), file=sys.stderr)", LOG_DIR="")
    assert json.loads(ran.console[0])["message"] == "here"
    assert ran.console[1] == "[]"


def test_an_event_that_json_cannot_hold_is_written_all_the_same(run_program: Program) -> None:
    code = (
        _CONFIGURE
        + """
class Unprintable:
    def __str__(self): raise RuntimeError("no")
logger.bind(size=2**70).info("lone \\ud800 surrogate")
logger.bind(thing=Unprintable()).info("fields that fail")
logger.info("after")
"""
    )
    first, second, third = [json.loads(line) for line in run_program(code).lines("process")]
    assert (first["message"], first["size"]) == ("lone \ud800 surrogate", 2**70)
    assert second["message"] == "an event that could not be written: RuntimeError"
    assert third["message"] == "after"


def test_a_full_disk_does_not_stop_the_work(run_program: Program) -> None:
    code = """
import resource
configure_logs('api', LogSettings())
resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for number in range(50):
    logger.info("line {}", number)
sys.exit(7)
"""
    assert run_program(code).returncode == 7
