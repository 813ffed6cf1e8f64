"""The compose files, the recipes and the door's configuration, checked without a Docker daemon."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.compose.conftest import COMPOSE, SECRETS
from tests.stack import ROOT

BIN = Path(sys.executable).parent
FILES = ("base.yaml", "application.yaml", "etl.yaml", "observability.yaml")
NO_SHELL = {"fluent_bit", "nginx_exporter"}
"""Their images hold nothing that could ask for their health; Prometheus watches them (TargetDown)."""


def config(
    program: str, env_file: Path, *files: str, options: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """What Compose makes of the files; nothing of this process's environment gets in."""
    command = [program, "--env-file", str(env_file), "--project-directory", str(COMPOSE), "--profile", "*"]
    for file in files or FILES:
        command += ["-f", str(COMPOSE / file)]
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    return subprocess.run([*command, "config", *options], env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def services(program: str, env_file: Path) -> dict[str, Any]:
    done = config(program, env_file)
    assert done.returncode == 0, done.stderr
    return dict(yaml.safe_load(done.stdout)["services"])


def test_the_files_are_whole(program: str, env_file: Path) -> None:
    done = config(program, env_file, options=("-q",))
    assert (done.returncode, done.stderr) == (0, "")
    with_gpu = config(program, env_file, *FILES, "gpu.yaml", options=("-q",))
    assert with_gpu.returncode == 0, with_gpu.stderr


@pytest.mark.parametrize("name", SECRETS)
def test_a_missing_secret_stops_compose(program: str, env_file: Path, tmp_path: Path, name: str) -> None:
    without = tmp_path / ".env"
    without.write_text(re.sub(rf"^{name}=.*$", f"{name}=", env_file.read_text(), flags=re.M))
    done = config(program, without, options=("-q",))
    assert done.returncode != 0
    assert f"required variable {name} is missing a value: run make secrets" in done.stderr


def test_every_variable_of_the_files_is_in_the_example_and_the_guide() -> None:
    example = (COMPOSE / ".env.example").read_text()
    guide = (ROOT / "docs/configuration.md").read_text()
    for file in (*FILES, "gpu.yaml"):
        for name in re.findall(r"\$\{([A-Z0-9_]+)", (COMPOSE / file).read_text()):
            if name == "COMPOSE_PROJECT_NAME":
                continue
            assert re.search(rf"^# .+\n{name}=", example, re.M), f"{name} is not in compose/.env.example"
            assert f"`{name}`" in guide, f"{name} is not in docs/configuration.md"


def test_our_own_images_are_those_of_this_version(services: dict[str, Any]) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    ours = {service["image"] for service in services.values() if service["image"].startswith("fashion-search/")}
    assert ours and {image.rpartition(":")[2] for image in ours} == {version}
    assert f"service:{version}-gpu}}" in (COMPOSE / "gpu.yaml").read_text()


def test_only_the_page_and_the_door_are_published(services: dict[str, Any]) -> None:
    published = {
        (name, port["target"], port.get("host_ip"))
        for name, service in services.items()
        for port in service.get("ports", ())
    }
    assert published == {
        ("ui", 8501, "0.0.0.0"), ("nginx", 8080, "0.0.0.0"), ("nginx", 8081, "0.0.0.0"),
        ("minio", 9000, "127.0.0.1"), ("minio", 9001, "127.0.0.1"), ("milvus", 19530, "127.0.0.1"),
        ("attu", 3000, "127.0.0.1"), ("grafana", 3000, "127.0.0.1"), ("prometheus", 9090, "127.0.0.1"),
        ("alertmanager", 9093, "127.0.0.1"), ("kibana", 5601, "127.0.0.1"),
    }  # fmt: skip


def test_every_service_is_bounded_and_watched(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert "mem_limit" in service, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        image, _, tag = service["image"].rpartition(":")
        assert image and tag not in ("", "latest"), f"{name}: {service['image']}"
        if service.get("restart") == "unless-stopped":
            assert ("healthcheck" in service) != (name in NO_SHELL), name
        for needed in service.get("depends_on", {}).values():
            assert needed["condition"] in ("service_healthy", "service_completed_successfully"), name
    writable = {name for name, service in services.items() if not service.get("read_only")}
    assert writable == {"milvus", "attu", "elasticsearch", "kibana"}


def test_milvus_asks_for_a_password_and_keeps_its_back_door_shut(services: dict[str, Any]) -> None:
    milvus = services["milvus"]
    assert milvus["environment"]["COMMON_SECURITY_AUTHORIZATIONENABLED"] == "true"
    assert [port["target"] for port in milvus["ports"]] == [19530]
    version = [int(part) for part in re.findall(r"\d+", milvus["image"])]
    assert version >= [2, 6, 10]


def test_prometheus_asks_services_of_these_names_at_ports_that_they_have(services: dict[str, Any]) -> None:
    jobs = yaml.safe_load((ROOT / "monitoring/prometheus/prometheus.yml").read_text())["scrape_configs"]
    asked = [target for job in jobs for each in job.get("static_configs", ()) for target in each["targets"]]
    asked += [f"{each['names'][0]}:{each['port']}" for job in jobs for each in job.get("dns_sd_configs", ())]
    assert {target.split(":")[0] for target in asked} - {"localhost"} <= set(services)
    published = {f"{name}:{port['target']}" for name, service in services.items() for port in service.get("ports", ())}
    for target in asked:  # where a port is published, it is the program's own
        name = target.split(":")[0]
        others = {each for each in published if each.startswith(f"{name}:")}
        assert not others or target in others or name in ("milvus", "ui"), target


def test_kibana_and_elasticsearch_are_of_one_version(services: dict[str, Any]) -> None:
    assert services["kibana"]["image"].rpartition(":")[2] == services["elasticsearch"]["image"].rpartition(":")[2]


def test_no_program_gets_another_ones_secrets(services: dict[str, Any], env_file: Path) -> None:
    values = dict(line.split("=", 1) for line in env_file.read_text().splitlines() if re.match(r"[A-Z]", line))
    holders = {
        "MINIO_ROOT_PASSWORD": {"minio", "store_accounts"},
        "MILVUS_ROOT_PASSWORD": {"milvus", "milvus_accounts"},
        "MINIO_SECRET_ACCESS_KEY": {"fashion-search", "store_accounts"},
        "ETL_MINIO_SECRET_ACCESS_KEY": {"etl", "store_accounts"},
        "MILVUS_MINIO_SECRET_ACCESS_KEY": {"milvus", "store_accounts"},
        "ADMIN_API_KEY": set(),
        "ELASTIC_PASSWORD": {"elasticsearch", "elasticsearch_init", "kibana_init"},
        "KIBANA_SYSTEM_PASSWORD": {"kibana", "elasticsearch_init"},
        "KIBANA_ENCRYPTION_KEY": {"kibana"},
        "FLUENT_BIT_PASSWORD": {"fluent_bit", "elasticsearch_init"},
        "GRAFANA_READER_PASSWORD": {"grafana", "elasticsearch_init"},
        "ELASTICSEARCH_EXPORTER_PASSWORD": {"elasticsearch_exporter", "elasticsearch_init"},
        "GF_SECURITY_ADMIN_PASSWORD": {"grafana"},
    }
    for secret, expected in holders.items():
        found = {
            name for name, service in services.items() if values[secret] in (service.get("environment") or {}).values()
        }
        assert found == expected, secret


def test_linters_find_nothing() -> None:
    recipes = [*(COMPOSE / "images").glob("*.Dockerfile"), *(ROOT / "monitoring").glob("*/Dockerfile")]
    files = sorted(COMPOSE.glob("*.yaml"))
    for command in (
        [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", *files],
        [BIN / "yamllint", "-s", *files],
        [BIN / "hadolint", "--failure-threshold", "warning", *recipes],
    ):
        done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
