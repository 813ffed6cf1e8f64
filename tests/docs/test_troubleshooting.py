"""The messages of the troubleshooting guide are those that people see. Those of Docker were compared by hand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from catalog.images import ImageStore
from tests.compose.conftest import COMPOSE, SECRETS, env_file, program
from tests.compose.door import Door
from tests.stack import ROOT, Stores, System

__all__ = ["env_file", "program"]  # fixtures

SECTIONS = dict(
    re.findall(r"^## (\d+)\. .*?\n(.*?)(?=^## |\Z)", (ROOT / "docs/troubleshooting.md").read_text(), re.M | re.S)
)


def printed(section: int) -> list[str]:
    """The lines of the section's message; `...` stands for anything."""
    block = re.search(r"```text\n(.*?)```", SECTIONS[str(section)], re.S)
    assert block
    return block[1].splitlines()


def says(line: str, output: str) -> bool:
    return re.search(".*".join(map(re.escape, line.split("..."))), output) is not None


def test_ten_things_each_with_its_message() -> None:
    assert list(SECTIONS) == [str(number) for number in range(1, 11)]
    assert all(printed(number) for number in range(1, 11))


def test_1_a_secret_is_missing(program: str, env_file: Path, tmp_path: Path) -> None:
    (line,) = printed(1)
    without = tmp_path / ".env"
    without.write_text(re.sub(r"^MINIO_ROOT_PASSWORD=.*", "MINIO_ROOT_PASSWORD=", env_file.read_text(), flags=re.M))
    command = [program, "--env-file", str(without), "-f", str(COMPOSE / "base.yaml"), "config", "-q"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and says(line, done.stderr)
    assert "MINIO_ROOT_PASSWORD" in SECRETS


def test_5_a_link_of_another_host(system: System) -> None:
    settings = system.stores.settings(minio_public_endpoint="http://localhost:1")
    link = ImageStore(settings).link(next(iter(ImageStore(settings).names())))
    here = link.replace("http://localhost:1", system.stores.env["MINIO_ENDPOINT"])
    answer = httpx.get(here, trust_env=False)
    assert answer.status_code == 403 and says(printed(5)[0], answer.text)


def test_8_the_service_refuses_to_start(tmp_path: Path) -> None:
    missing, wrong = printed(8)
    start = "from api.settings import ServiceSettings as S; from api.safe_settings import check_settings as check\n"
    start += "from environment import from_environment as read; check(read(S))"
    for line, settings in ((missing, {"ENVIRONMENT": "production"}), (wrong, {"MAX_BODY_MB": "much"})):
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **settings}
        done = subprocess.run(
            [sys.executable, "-c", start], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1 and says(line, done.stderr), done.stderr


def test_9_nobody_behind_the_door(tmp_path: Path) -> None:
    door = Door(tmp_path, service="127.0.0.1:9", store="127.0.0.1:9")
    try:
        assert httpx.get(f"{door.api}/facets", trust_env=False).text == printed(9)[0]
    finally:
        door.stop()


def test_10_a_store_refuses_the_accounts(stores: Stores, tmp_path: Path) -> None:
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        **dict.fromkeys(SECRETS, "another-one"),
        "MINIO_ENDPOINT": f"127.0.0.1:{stores.s3_port}",
        "MINIO_BUCKET_NAME": "fashion",
        "MILVUS_MINIO_BUCKET_NAME": "milvus",
    }
    command = [sys.executable, "-m", "compose.accounts", "store"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and says(printed(10)[0], done.stderr), done.stderr


@pytest.mark.parametrize(("section", "code"), [(6, "unauthorized"), (7, "model_mismatch")])
def test_6_and_7_name_codes_of_the_api(section: int, code: str) -> None:
    assert f'"code":"{code}"' in printed(section)[0]
    assert f'"{code}"' in "".join(path.read_text() for path in (ROOT / "api").glob("*.py"))
