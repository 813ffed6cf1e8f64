"""What Fluent Bit would make of log files, by its own configuration: expressions in Onigmo, the filter in Lua.

Fluent Bit itself is in no package that can be installed here. Its multiline rules, regular expressions and Lua filter
are run by the engines that it uses; how it reads files and sends records is not imitated.
"""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from tests.monitoring.programs import MONITORING, program

FOLDER = MONITORING / "fluent_bit"
CONFIG: dict[str, Any] = yaml.safe_load((FOLDER / "fluent-bit.yaml").read_text())
PARSERS: dict[str, Any] = yaml.safe_load((FOLDER / "parsers.yaml").read_text())
HERE = Path(__file__).parent
READ_AT = 1.5e9
"""The time of reading, in seconds of the epoch: a record that shows it was given no time by its line."""


@dataclass
class Sent:
    """A record on its way to Elasticsearch."""

    time: float
    record: dict[str, Any]


def onigmo(job: dict[str, Any]) -> list[Any]:
    """Run one job of onigmo.rb."""
    command = [program("ruby"), str(HERE / "onigmo.rb")]
    done = subprocess.run(command, input=json.dumps(job) + "\n", capture_output=True, text=True, check=True, timeout=60)
    found: list[Any] = json.loads(done.stdout)
    return found


def parser(name: str) -> dict[str, Any]:
    return next(each for each in PARSERS["parsers"] if each["name"] == name)


def parse(name: str, lines: list[str]) -> list[tuple[float | None, dict[str, Any]] | None]:
    """Time and fields of each line, or None where the parser does not take it."""
    settings = parser(name)
    if settings["format"] == "json":
        found = [_object(line) for line in lines]
    else:
        found = onigmo({"regex": settings["regex"], "lines": lines})
    return [None if fields is None else _timed(settings, fields) for fields in found]


def sent(logs: Path) -> list[Sent]:
    """The records of all files below `logs`, as they leave the last filter."""
    waiting: list[tuple[str, float, dict[str, Any]]] = []
    for source in CONFIG["pipeline"]["inputs"]:
        pattern = source["path"].replace("${LOGS_DIR}", str(logs))
        for file in sorted(Path(pattern).parent.glob(Path(pattern).name)):
            waiting += _read(source, file)
    for settings in CONFIG["pipeline"]["filters"]:
        if settings["name"] == "parser":
            waiting = _filtered(settings, waiting)
    return lua(waiting)


def lua(records: list[tuple[str, float, dict[str, Any]]]) -> list[Sent]:
    """Run the Lua filter over (tag, time, record)."""
    (settings,) = [each for each in CONFIG["pipeline"]["filters"] if each["name"] == "lua"]
    table = ",\n".join(_lua([tag, time, record]) for tag, time, record in records)
    command = [program("lua5.1"), str(HERE / "run_filter.lua"), str(FOLDER / settings["script"]), "/dev/stdin"]
    done = subprocess.run(command, input=f"return {{{table}}}", capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    found = []
    for (_, before, _), line in zip(records, done.stdout.splitlines(), strict=True):
        code, time, record = json.loads(line)
        assert code in (1, 2)
        found.append(Sent(time if code == 1 else before, record))  # 2: Fluent Bit keeps the time that it has
    return found


def _read(source: dict[str, Any], file: Path) -> list[tuple[str, float, dict[str, Any]]]:
    lines = file.read_text(encoding="utf-8").splitlines()
    place = {"file": str(file), "offset": 0}
    if "multiline.parser" in source:
        (rules,) = [each for each in PARSERS["multiline_parsers"] if each["name"] == source["multiline.parser"]]
        events = onigmo({"rules": rules["rules"], "lines": lines})
        return [(source["tag"], READ_AT, {"log": event, **place}) for event in events]
    found = []
    for line, parsed in zip(lines, parse(source["parser"], lines), strict=True):
        time, fields = parsed if parsed else (None, {"log": line})
        found.append((source["tag"], READ_AT if time is None else time, {**fields, **place}))
    return found


def _filtered(
    settings: dict[str, Any], records: list[tuple[str, float, dict[str, Any]]]
) -> list[tuple[str, float, dict[str, Any]]]:
    key = settings["key_name"]
    concerned = [number for number, (tag, _, record) in enumerate(records) if _matches(settings, tag) and key in record]
    parsed = parse(settings["parser"], [records[number][2][key] for number in concerned])
    for number, found in zip(concerned, parsed, strict=True):
        if found is not None:
            tag, time, record = records[number]
            rest = {name: value for name, value in record.items() if name != key}
            records[number] = (tag, time if found[0] is None else found[0], {**rest, **found[1]})
    return records


def _matches(settings: dict[str, Any], tag: str) -> bool:
    if "match_regex" in settings:
        return re.search(settings["match_regex"], tag) is not None
    return fnmatch.fnmatchcase(tag, settings["match"])


def _object(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _timed(settings: dict[str, Any], fields: dict[str, Any]) -> tuple[float | None, dict[str, Any]]:
    time = None
    if (key := settings.get("time_key")) in fields:
        # %L is Fluent Bit's word for a fraction of a second, whatever its length.
        parsed = datetime.strptime(fields.pop(key), settings["time_format"].replace("%L", "%f"))
        time = (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    for each in settings.get("types", "").split():
        name, kind = each.split(":")
        if name in fields and kind == "integer":
            fields[name] = int(fields[name])
    return time, fields


def _lua(value: Any) -> str:
    """A value as a Lua literal."""
    if isinstance(value, dict):
        return "{" + ",".join(f"[{_lua(key)}]={_lua(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "{" + ",".join(map(_lua, value)) + "}"
    if isinstance(value, str):
        return '"' + "".join(f"\\{byte:03d}" for byte in value.encode("utf-8", "surrogatepass")) + '"'
    if value is None or isinstance(value, bool):
        return {True: "true", False: "false", None: "nil"}[value]
    return repr(value)
