"""A whole system on free ports, as the tests need it: real servers, in a folder of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil

from catalog.settings import StoreSettings
from local.ports import HOST, free_port
from local.processes import Child
from local.servers import http_ok, start_milvus_lite, start_s3

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "local" / "sample"
ACCESS_KEY, SECRET_KEY = "test-access-key", "test-secret-key-of-the-tests"
START_TIMEOUT = 180.0


class Stores:
    """Milvus Lite and the S3 server; each can be stopped and started again on its port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.milvus_port, self.s3_port = free_port(), free_port()
        self.start_milvus()
        self.start_s3()

    def start_milvus(self) -> None:
        self.milvus = start_milvus_lite(self.folder / "milvus", self.milvus_port)

    def start_s3(self) -> None:
        self.s3 = start_s3(self.folder / "s3", self.s3_port, access_key=ACCESS_KEY, secret_key=SECRET_KEY)

    @property
    def env(self) -> dict[str, str]:
        store = f"http://{HOST}:{self.s3_port}"
        return {
            "MILVUS_HOST": HOST,
            "MILVUS_PORT": str(self.milvus_port),
            "MINIO_ENDPOINT": store,
            "MINIO_PUBLIC_ENDPOINT": store,
            "MINIO_ACCESS_KEY_ID": ACCESS_KEY,
            "MINIO_SECRET_ACCESS_KEY": SECRET_KEY,
        }

    def settings(self, **changes: Any) -> StoreSettings:
        """Settings that lead to these stores."""
        values: dict[str, Any] = {name.lower(): value for name, value in self.env.items()}
        return StoreSettings(_env_file=None, **(values | changes))

    def stop(self) -> None:
        self.milvus.stop()
        self.s3.stop()


class System:
    """The stores and the service, with the sample catalogue loaded where asked for.

    Stores that are given are used, and left running at its end.
    """

    def __init__(self, folder: Path, *, load: bool = True, stores: Stores | None = None, **env: str) -> None:
        self.folder = folder
        self.stores = stores or Stores(folder)
        self._owns_stores = stores is None
        self.port = free_port()
        self.env = {
            **self.stores.env,
            "MODEL_SERVING_HOST": HOST,
            "MODEL_SERVING_PORT": str(self.port),
            "ETL_STATE_DIR": str(folder / "etl"),
            # BentoML keeps metrics below its home and wipes them at each start: a home for each server.
            "BENTOML_HOME": str(folder / "bentoml"),
            "BENTOML_DO_NOT_TRACK": "True",
            "PYTHONPATH": str(ROOT),
            **env,
        }
        self.log = folder / "service.log"
        self.start_service()
        try:
            self.service.wait_ready(lambda: http_ok(f"{self.url}/readyz"), timeout=START_TIMEOUT)
            if load:
                self.etl("run", str(SAMPLE))
                self.wait_for_items(120)
        except BaseException:
            self.stop()
            raise

    def start_service(self) -> None:
        """Start it, also again after it was stopped; it may not answer yet."""
        command = [str(Path(sys.executable).parent / "bentoml"), "serve", "service:FashionSearch"]
        command += ["--host", HOST, "--port", str(self.port)]
        self.service = Child("the service", command, env=self.env, log=self.log, cwd=ROOT)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60, trust_env=False, **options)

    def etl(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the etl command against this system."""
        return subprocess.run(
            [sys.executable, "-m", "etl", *arguments],
            cwd=ROOT,
            env={**os.environ, **self.env},
            check=check,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def wait_for_items(self, count: int) -> None:
        """Return when the service searches a collection of so many items."""
        with self.client() as client:
            self.service.wait_ready(lambda: client.get("/facets").json()["total"] == count, timeout=30)

    def runner_pid(self) -> int:
        """The runner's process."""
        return self.runner_pids()[0]

    def runner_pids(self) -> list[int]:
        """The runner's process; none, or two, while one takes the place of another."""
        return [pid for pid, command in self._workers() if "clip_runner" in command]

    def api_pid(self) -> int:
        """The API's process, or one of them."""
        return self.api_pids()[0]

    def api_pids(self) -> list[int]:
        """The API's processes."""
        return [pid for pid, command in self._workers() if "clip_runner" not in command]

    def _workers(self) -> Iterator[tuple[int, str]]:
        for process in self.service.family():
            # Also called while some of them are being killed.
            with suppress(psutil.NoSuchProcess):
                command = " ".join(process.cmdline())
                if "_bentoml_impl.worker" in command:
                    yield process.pid, command

    def stop(self) -> None:
        self.service.stop()
        if self._owns_stores:
            self.stores.stop()


def pause(pid: int) -> None:
    """Hang a process: it neither answers nor ends."""
    os.kill(pid, signal.SIGSTOP)


def resume(pid: int) -> None:
    os.kill(pid, signal.SIGCONT)
