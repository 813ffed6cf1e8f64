"""Files for Elasticsearch and Kibana against schemas of the pinned version; their init scripts against a stand-in."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.monitoring.elastic_stand_in import Elastic, elastic, schema
from tests.monitoring.programs import MONITORING, ROOT

ELASTICSEARCH, KIBANA = MONITORING / "elasticsearch", MONITORING / "kibana"
OBJECTS = [json.loads(line) for line in (KIBANA / "saved_objects.ndjson").read_text().splitlines()]
# A quote, a backslash and a colon: what somebody may choose.
SECRETS = {
    "ELASTIC_PASSWORD": 'el"as\\tic:1',
    "KIBANA_SYSTEM_PASSWORD": 'ki"ba\\na:2',
    "FLUENT_BIT_PASSWORD": 'flu"ent\\:3',
    "GRAFANA_READER_PASSWORD": "grafana-4",
    "ELASTICSEARCH_EXPORTER_PASSWORD": "exporter-5",
}


@pytest.fixture
def server() -> Iterator[Elastic]:
    with elastic(SECRETS["ELASTIC_PASSWORD"]) as running:
        yield running


def init(script: Path, url: str, **changes: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **SECRETS, "ELASTICSEARCH_URL": url, "KIBANA_URL": url, **changes}
    return subprocess.run(
        ["bash", str(script)], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize(
    ("file", "name"),
    [
        (ELASTICSEARCH / "index_template.json", "index-template"),
        (ELASTICSEARCH / "lifecycle.json", "lifecycle"),
        *((file, "role") for file in sorted((ELASTICSEARCH / "roles").iterdir())),
        (ELASTICSEARCH / "elasticsearch.yml", "8.19-settings"),
        (KIBANA / "kibana.yml", "8.19-settings"),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else value,
)
def test_each_file_is_of_its_schema(file: Path, name: str) -> None:
    if name == "8.19-settings":
        name = f"{file.stem}-{name}"
        found: Any = json.loads((Path(__file__).parent / "schemas" / f"{name}.json").read_text())
    else:
        found = schema(name)
    assert "Written for this project from the" in found["description"]
    jsonschema.validate(yaml.safe_load(file.read_text()), found)


def test_the_schemas_are_those_of_the_pinned_version() -> None:
    compose = (ROOT / "compose" / "observability.yaml").read_text()
    for program in ("elasticsearch", "kibana"):
        (version,) = set(re.findall(rf"docker\.elastic\.co/\w+/{program}:([0-9.]+)", compose))
        schemas = list((Path(__file__).parent / "schemas").glob(f"{program}-*.json"))
        assert schemas and all(file.name.startswith(f"{program}-{version.rpartition('.')[0]}-") for file in schemas)


def test_kibanas_objects_are_of_their_schema_and_refer_to_each_other() -> None:
    known = {(each["type"], each["id"]) for each in OBJECTS}
    fields = set(json.loads((ELASTICSEARCH / "index_template.json").read_text())["template"]["mappings"]["properties"])
    assert [each["attributes"].get("title") for each in OBJECTS] == ["fluentbit_logs", "Errors", "Slow requests"]
    for each in OBJECTS:
        jsonschema.validate(each, schema("saved-object"))
        assert {(to["type"], to["id"]) for to in each["references"]} <= known
        if each["type"] == "search":
            assert set(each["attributes"]["columns"]) <= fields
            assert {name for name, _ in each["attributes"]["sort"]} <= fields
            source = json.loads(each["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
            assert source["query"]["language"] == "kuery"
            assert source["indexRefName"] in {to["name"] for to in each["references"]}


def test_a_template_with_a_wrong_type_is_refused_by_the_schema() -> None:
    template = json.loads((ELASTICSEARCH / "index_template.json").read_text())
    template["template"]["mappings"]["properties"]["status"] = {"type": "number"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(template, schema("index-template"))


def test_the_init_script_sets_passwords_types_lifecycle_and_rights(server: Elastic) -> None:
    done = init(ELASTICSEARCH / "init.sh", server.url)
    assert done.returncode == 0, done.stderr
    assert server.passwords == {
        "elastic": SECRETS["ELASTIC_PASSWORD"],
        "kibana_system": SECRETS["KIBANA_SYSTEM_PASSWORD"],
        "fluent_bit": SECRETS["FLUENT_BIT_PASSWORD"],
        "grafana_reader": SECRETS["GRAFANA_READER_PASSWORD"],
        "exporter": SECRETS["ELASTICSEARCH_EXPORTER_PASSWORD"],
    }
    template = server.kept["/_index_template/fluentbit_logs"]
    assert template == json.loads((ELASTICSEARCH / "index_template.json").read_text())
    assert template["template"]["settings"]["index"]["lifecycle"]["name"] == "fluentbit_logs"
    assert server.kept["/_ilm/policy/fluentbit_logs"] == json.loads((ELASTICSEARCH / "lifecycle.json").read_text())
    assert "/_data_stream/fluentbit_logs" in server.kept
    assert server.kept["/_security/role/fluent_bit"]["indices"] == [
        {"names": ["fluentbit_logs"], "privileges": ["create_doc"]}
    ]
    # Each user has logged in once.
    assert {user for user, _, path in server.calls if path == "/_security/_authenticate"} == {
        "elastic", "fluent_bit", "grafana_reader", "exporter",
    }  # fmt: skip
    assert not any(secret in done.stdout + done.stderr for secret in SECRETS.values())


def test_the_init_script_can_be_run_again_with_other_passwords(server: Elastic) -> None:
    assert init(ELASTICSEARCH / "init.sh", server.url).returncode == 0
    again = init(ELASTICSEARCH / "init.sh", server.url, FLUENT_BIT_PASSWORD="changed")
    assert again.returncode == 0, again.stderr
    assert server.passwords["fluent_bit"] == "changed"


def test_the_init_script_waits_for_a_server_that_is_not_ready(server: Elastic) -> None:
    server.away = 1
    assert init(ELASTICSEARCH / "init.sh", server.url).returncode == 0


def test_a_wrong_password_of_elastic_is_told_with_what_to_do(server: Elastic) -> None:
    done = init(ELASTICSEARCH / "init.sh", server.url, ELASTIC_PASSWORD="another")
    assert done.returncode == 1
    assert "elasticsearch-reset-password" in done.stderr
    assert server.kept == {}


def test_a_refusal_ends_the_script_and_names_its_reason(server: Elastic, tmp_path: Path) -> None:
    for file in ELASTICSEARCH.rglob("*"):
        if file.is_file():
            copy = tmp_path / file.relative_to(ELASTICSEARCH)
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(file.read_bytes())
    (tmp_path / "lifecycle.json").write_text('{"policy": {"phases": {"hot": {"min_age": "soon"}}}}')
    done = init(tmp_path / "init.sh", server.url)
    assert done.returncode == 1
    assert "PUT" in done.stderr and "/_ilm/policy/fluentbit_logs answered 400" in done.stderr
    assert "/_index_template/fluentbit_logs" not in server.kept


def test_kibanas_objects_are_imported(server: Elastic) -> None:
    done = init(KIBANA / "init.sh", server.url)
    assert done.returncode == 0, done.stderr
    sent = server.kept["/api/saved_objects/_import?overwrite=true"]
    assert (KIBANA / "saved_objects.ndjson").read_text() in sent
    assert 'filename="saved_objects.ndjson"' in sent


def test_objects_that_kibana_refuses_are_an_error(server: Elastic) -> None:
    server.refuse_objects = True
    done = init(KIBANA / "init.sh", server.url)
    assert done.returncode == 1
    assert "Kibana refused objects" in done.stderr
