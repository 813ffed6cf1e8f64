"""The whole system as child processes: stores, service, search page, and the sample catalogue loaded."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from local.credentials import credentials
from local.ports import HOST, is_free
from local.processes import Child, ChildFailed
from local.servers import http_ok, start_milvus_lite, start_s3
from local.settings import LocalSettings

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = Path(__file__).resolve().parent / "sample"
_BIN = Path(sys.executable).parent
_SERVICE_TIMEOUT = 180.0  # seconds; reading the libraries from a cold disk takes most of it
_UI_TIMEOUT = 60.0

Say = Callable[[str], None]


class PortTaken(Exception):
    """A port is in use; the message says which, and what to change."""


class Stack:
    """Starts everything, and ends all of it again, also when a start fails half-way."""

    def __init__(self, settings: LocalSettings, say: Say) -> None:
        self._settings = settings
        self._say = say
        self._dir = settings.local_dir.resolve()
        self._children: list[Child] = []
        self._exit = ExitStack()
        self._env = self._environment()

    @property
    def api_url(self) -> str:
        return f"http://{HOST}:{self._settings.api_port}"

    @property
    def ui_url(self) -> str:
        return f"http://{HOST}:{self._settings.ui_port}"

    def __enter__(self) -> Stack:
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def start(self) -> None:
        """Return when all parts answer; PortTaken or ChildFailed when one cannot."""
        self._check_ports()
        settings = self._settings
        keys = credentials(self._dir / "credentials.env")
        self._env |= keys
        self._say("starting the stores (Milvus Lite, S3) ...")
        self._own(start_milvus_lite(self._dir / "milvus", settings.milvus_port))
        self._own(
            start_s3(
                self._dir / "s3",
                settings.s3_port,
                access_key=keys["MINIO_ACCESS_KEY_ID"],
                secret_key=keys["MINIO_SECRET_ACCESS_KEY"],
            )
        )
        self._say("starting the service and the search page ...")
        service = self._run("the service", "bentoml", "serve", "service:FashionSearch", "--host", HOST,
                            "--port", str(settings.api_port))  # fmt: skip
        page = self._run("the search page", "streamlit", "run", "ui/app.py", "--server.address", HOST,
                         "--server.port", str(settings.ui_port), "--server.headless", "true")  # fmt: skip
        service.wait_ready(lambda: http_ok(f"{self.api_url}/readyz"), timeout=_SERVICE_TIMEOUT)
        self._load_sample()
        page.wait_ready(lambda: http_ok(f"{self.ui_url}/_stcore/health"), timeout=_UI_TIMEOUT)

    def wait(self) -> None:
        """Return never; ChildFailed when a part ends by itself."""
        while True:
            for child in self._children:
                if not child.running:
                    raise ChildFailed(f"{child.name} ended: {child.last_line()} (log: {child.log})")
            time.sleep(0.5)

    def _load_sample(self) -> None:
        """Load the sample catalogue, once; its progress is shown as it is at any load."""
        loaded = self._dir / "sample.loaded"
        if loaded.exists():
            return
        self._say("loading the sample catalogue ...")
        command = [sys.executable, "-m", "etl", "run", str(SAMPLE)]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, **self._env}, check=False)
        if done.returncode != 0:
            raise ChildFailed(f"the sample catalogue could not be loaded (logs: {self._dir})")
        loaded.touch()

    def _check_ports(self) -> None:
        for variable, port in self._settings.ports.items():
            if not is_free(port):
                raise PortTaken(f"port {port} is in use; stop what listens there, or choose another: {variable}=...")

    def _environment(self) -> dict[str, str]:
        """What tells the embedded stack from production: addresses, and nothing else."""
        settings = self._settings
        store = f"http://{HOST}:{settings.s3_port}"
        return {
            "MILVUS_HOST": HOST,
            "MILVUS_PORT": str(settings.milvus_port),
            "MINIO_ENDPOINT": store,
            "MINIO_PUBLIC_ENDPOINT": store,
            "MODEL_SERVING_HOST": HOST,
            "MODEL_SERVING_PORT": str(settings.api_port),
            "ETL_STATE_DIR": str(self._dir / "etl"),
            "BENTOML_HOME": str(self._dir / "bentoml"),
            "BENTOML_DO_NOT_TRACK": "True",
            "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
            "PYTHONPATH": str(ROOT),
        }

    def _run(self, name: str, program: str, *arguments: str) -> Child:
        log = self._dir / "logs" / f"{name.rpartition(' ')[2]}.log"
        return self._own(Child(name, [str(_BIN / program), *arguments], env=self._env, log=log, cwd=ROOT))

    def _own(self, child: Child) -> Child:
        self._children.append(child)
        self._exit.callback(child.stop)
        return child
