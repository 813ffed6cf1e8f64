"""What `make secrets`, `make network` and `make up` do, up to where Docker takes over."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.compose.conftest import COMPOSE, SECRETS
from tests.stack import ROOT

OURS = {
    "fashion-search", "ui", "etl", "nginx", "minio", "etcd", "milvus", "attu", "prometheus", "alertmanager",
    "alert_webhook", "grafana", "node_exporter", "cadvisor", "nginx_exporter", "elasticsearch",
    "elasticsearch_exporter", "kibana", "fluent_bit",
}  # fmt: skip


def test_secrets_are_strong_private_and_never_overwritten(env_file: Path) -> None:
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600
    before = env_file.read_text()
    values = [value for name in SECRETS for value in re.findall(rf"^{name}=(.*)$", before, re.M)]
    assert len(set(values)) == len(SECRETS)
    assert all(
        len(value) >= 32
        for name, value in zip(SECRETS, values, strict=True)
        if "KEY_ID" not in name and "USER" not in name
    )
    subprocess.run([COMPOSE / "secrets.sh", env_file], check=True, capture_output=True)
    assert env_file.read_text() == before


# What a host with Docker and make has besides: no Python.
TOOLS = (
    "bash sh make env sed awk grep tr od sha256sum cut chmod mktemp mv tail cat cp paste realpath basename dirname date"
)


@pytest.fixture
def host(tmp_path: Path) -> dict[str, str]:
    """The environment of a host that has Docker and make. One program is not the real one: docker, which answers as for
    a network that is there."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for tool in TOOLS.split():
        (programs / tool).symlink_to(shutil.which(tool) or tool)
    (programs / "docker").write_text('#!/bin/sh\ncase "$*" in *--format*) echo "172.30.7.0/24 " ;; esac\n')
    (programs / "docker").chmod(0o755)
    return {"PATH": str(programs), "HOME": str(tmp_path), "ENV_FILE": str(tmp_path / ".env")}


def test_the_network_script_writes_what_follows_from_the_network(host: dict[str, str], env_file: Path) -> None:
    copy = Path(host["ENV_FILE"])
    copy.write_text(env_file.read_text().replace("NO_PROXY=\n", "NO_PROXY=shop.example,minio\n"))
    for _ in range(2):
        subprocess.run([COMPOSE / "network.sh", copy], check=True, env=host, capture_output=True)
    values = dict(line.split("=", 1) for line in copy.read_text().splitlines() if re.match(r"[A-Z]", line))
    assert values["NETWORK_SUBNET"] == "172.30.7.0/24"
    exempt = values["NO_PROXY"].split(",")
    assert OURS | {"localhost", "127.0.0.1", "172.30.7.0/24", "shop.example"} <= set(exempt)
    assert len(exempt) == len(set(exempt))


def planned(host: dict[str, str], *targets: str) -> str:
    """What make would do there."""
    done = subprocess.run(["make", "-n", *targets], cwd=ROOT, env=host, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_docker_and_make_are_enough(host: dict[str, str]) -> None:
    assert "-m venv" not in planned(host, "image", "secrets", "up", "down", "VENV=none")
    done = subprocess.run(
        ["make", "secrets", "network"], cwd=ROOT, env=host, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "NETWORK_SUBNET=172.30.7.0/24" in Path(host["ENV_FILE"]).read_text()


def test_up_does_the_stages_in_their_order(host: dict[str, str]) -> None:
    steps = [line for line in planned(host, "up").splitlines() if "docker compose" in line]
    marks = ["minio etcd milvus attu", "milvus_accounts", "compose/load.sh", "fashion-search nginx ui"]
    marks += ["prometheus alertmanager alert_webhook", "kibana_init"]
    assert [next(mark for mark in marks if mark in step) for step in steps] == marks


@pytest.mark.parametrize(
    ("source", "do", "arguments", "folder", "name"),
    [
        ("", "", "run /catalogue", "", "sample"),
        ("", "status", "status", "", ""),
        ("local", "", "run /catalogue", str(ROOT / "local"), "local"),
        ("README.md", "", "run /catalogue/README.md", str(ROOT), ""),
        ("https://shop.example/a.zip", "", "run https://shop.example/a.zip", "", ""),
    ],
)
def test_what_is_to_be_loaded_reaches_the_loader(
    host: dict[str, str], source: str, do: str, arguments: str, folder: str, name: str
) -> None:
    shutil.copy(COMPOSE / ".env.example", host["ENV_FILE"])
    docker = Path(host["PATH"]) / "docker"
    says = 'case "$*" in *--format*) echo 10.0.0.0/8 ;; *compose*) echo "$* [$ETL_FOLDER] [$ETL_SOURCE_NAME]" ;; esac'
    docker.write_text(f"#!/bin/sh\n{says}\n")
    done = subprocess.run(
        ["make", "up-etl", f"SOURCE={source}", f"DO={do}"],
        cwd=ROOT,
        env=host,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1].endswith(f"run --rm --use-aliases etl {arguments} [{folder}] [{name}]")
