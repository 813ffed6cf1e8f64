"""What stands beside the service in the long form: door, page, loader, Milvus' full server, etcd; all with metrics."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from pymilvus import MilvusClient

from local.ports import HOST, free_port
from local.processes import Child
from local.servers import http_ok
from tests.compose.door import Door
from tests.full_milvus import FullMilvus
from tests.monitoring.programs import program
from tests.stack import ROOT, SAMPLE, System
from tests.ui.conftest import start_page


class Parts:
    """The parts, and where Prometheus finds them. Used with an ExitStack that ends them."""

    def __init__(self, folder: Path, system: System, ending: ExitStack) -> None:
        self._system, self._folder = system, folder
        store = f"{HOST}:{system.stores.s3_port}"
        (folder / "door").mkdir(parents=True)
        self.door = Door(folder / "door", service=f"{HOST}:{system.port}", store=store, RATE="1000", BURST="1000")
        ending.callback(self.door.stop)
        nginx, etcd, ui, self.etl_port = (free_port() for _ in range(4))
        arguments = [f"-web.listen-address={HOST}:{nginx}", f"-nginx.scrape-uri={self.door.inside}/nginx_status"]
        self._start(ending, "nginx' exporter", ["prometheus-nginx-exporter", *arguments], nginx)
        addresses = [f"http://{HOST}:{etcd}", f"http://{HOST}:{free_port()}"]
        arguments = ["--data-dir", str(folder / "etcd"), "--listen-client-urls", addresses[0]]
        arguments += ["--advertise-client-urls", addresses[0], "--listen-peer-urls", addresses[1]]
        arguments += ["--initial-advertise-peer-urls", addresses[1], "--initial-cluster", f"default={addresses[1]}"]
        self._start(ending, "etcd", ["etcd", *arguments], etcd)
        self.page, self.page_url = start_page(folder, **system.env, UI_METRICS_PORT=str(ui))
        ending.callback(self.page.stop)
        self.milvus = FullMilvus(folder / "milvus")
        ending.callback(self.milvus.stop)
        self.targets = {
            "nginx": [f"{HOST}:{nginx}"],
            "etcd": [f"{HOST}:{etcd}"],
            "ui": [f"{HOST}:{ui}"],
            "etl": [f"{HOST}:{self.etl_port}"],
            "minio": [store],
            "milvus": [f"{HOST}:{self.milvus.metrics_port}"],
        }

    def load(self) -> None:
        """A whole load of the sample, with its metrics served; into a place of its own, so that all is encoded."""
        place = {"MILVUS_COLLECTION": "proof", "MINIO_BUCKET_NAME": "proof", "ETL_STATE_DIR": str(self._folder / "etl")}
        environment = {**os.environ, **self._system.env, **place, "ETL_METRICS_PORT": str(self.etl_port)}
        command = [sys.executable, "-m", "etl", "run", str(SAMPLE)]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=600)

    def search_milvus(self) -> None:
        """A few rows and searches in the full server, whose figures its panels show; the service has Milvus Lite."""
        client = MilvusClient(f"http://{HOST}:{self.milvus.port}")
        client.create_collection("proof", dimension=8, consistency_level="Strong")
        client.insert("proof", [{"id": number, "vector": [number / 100] * 8} for number in range(100)])
        client.flush("proof")
        for number in range(50):
            client.search("proof", [[number / 50] * 8], limit=3)
        client.close()

    def _start(self, ending: ExitStack, name: str, command: list[str], port: int) -> None:
        child = Child(name, [program(command[0]), *command[1:]], env={}, log=self._folder / f"{command[0]}.log")
        ending.callback(child.stop)
        child.wait_ready(lambda: http_ok(f"http://{HOST}:{port}/metrics"), timeout=60)
