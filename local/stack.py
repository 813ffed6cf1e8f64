"""The whole system as child processes: stores, service, search page, and the sample catalogue loaded."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from clip_runner.settings import RunnerSettings
from local.claims import check_ports, claim
from local.credentials import credentials, write_private
from local.loading import load_catalogue
from local.ports import HOST
from local.processes import Child, ChildFailed
from local.servers import http_ok, start_milvus_lite, start_s3
from local.settings import LocalSettings

ROOT = Path(__file__).resolve().parent.parent
_BIN = Path(sys.executable).parent
_SERVICE_TIMEOUT = 180.0  # seconds; reading the libraries from a cold disk takes most of it
_UI_TIMEOUT = 60.0

Say = Callable[[str], None]


class Stack:
    """Starts everything; `close` ends all of it again, also when a start failed or was interrupted half-way."""

    def __init__(self, settings: LocalSettings, say: Say) -> None:
        self._settings = settings
        self._say = say
        self._dir = settings.local_dir.resolve()
        self._children: list[Child] = []
        self._exit = ExitStack()

    @property
    def api_url(self) -> str:
        return f"http://{HOST}:{self._settings.api_port}"

    @property
    def ui_url(self) -> str:
        return f"http://{HOST}:{self._settings.ui_port}"

    def close(self) -> None:
        self._exit.close()

    def start(self) -> None:
        """Return when all parts answer; Claimed or ChildFailed when one cannot be started."""
        settings = self._settings
        check_ports(settings.ports)
        self._exit.enter_context(claim(self._dir))
        keys = credentials(self._dir / "credentials.env")
        env = self._environment() | keys
        # For other commands that are to reach this stack, see the Makefile.
        write_private(self._dir / "stack.env", env)

        self._say("starting the stores (Milvus Lite, S3) ...")
        self._own(start_milvus_lite(self._dir / "milvus", settings.milvus_port))
        key, secret = keys["MINIO_ACCESS_KEY_ID"], keys["MINIO_SECRET_ACCESS_KEY"]
        self._own(start_s3(self._dir / "s3", settings.s3_port, access_key=key, secret_key=secret))

        self._say("starting the service and the search page ...")
        service = self._run("the service", env, "bentoml", "serve", "service:FashionSearch", "--host", HOST,
                            "--port", str(settings.api_port))  # fmt: skip
        page = self._run("the search page", env, "streamlit", "run", "ui/app.py", "--server.address", HOST,
                         "--server.port", str(settings.ui_port), "--server.headless", "true")  # fmt: skip
        service.wait_ready(self._unless_one_ended(f"{self.api_url}/readyz"), timeout=_SERVICE_TIMEOUT)
        load_catalogue(env, self.api_url, self._say)
        page.wait_ready(self._unless_one_ended(f"{self.ui_url}/_stcore/health"), timeout=_UI_TIMEOUT)

    def wait(self) -> None:
        """Return never; ChildFailed when a part ends by itself."""
        while True:
            self._check_children()
            time.sleep(0.5)

    def _environment(self) -> dict[str, str]:
        """What tells the embedded stack from production: addresses, and nothing else."""
        settings = self._settings
        store = f"http://{HOST}:{settings.s3_port}"
        env = {
            "ENVIRONMENT": "local",
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
        if Path(RunnerSettings().model_id).is_dir():
            env["HF_HUB_OFFLINE"] = "1"  # nothing to ask a hub for, so nothing to wait for where there is none
        return env

    def _run(self, name: str, env: dict[str, str], program: str, *arguments: str) -> Child:
        log = self._dir / "logs" / f"{name.rpartition(' ')[2]}.log"
        return self._own(Child(name, [str(_BIN / program), *arguments], env=env, log=log, cwd=ROOT))

    def _own(self, child: Child) -> Child:
        self._children.append(child)
        self._exit.callback(child.stop)
        return child

    def _unless_one_ended(self, url: str) -> Callable[[], bool]:
        """Whether `url` answers; ChildFailed when any part has ended meanwhile, since then it never will."""

        def ready() -> bool:
            self._check_children()
            return http_ok(url)

        return ready

    def _check_children(self) -> None:
        for child in self._children:
            if not child.running:
                raise ChildFailed(f"{child.name} ended: {child.last_line()} (log: {child.log})")
