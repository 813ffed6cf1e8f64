"""The full Milvus server 2.3.5, the newest that a Python package brings: for what Milvus Lite does otherwise."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

from local.ports import HOST, answers, free_port
from local.processes import Child

_ROOT = Path(__file__).resolve().parent.parent
_VENV = _ROOT / ".venv-milvus"  # of its own, which keeps the package out of the locked requirements
_PROGRAM = _VENV / "unpacked" / "bin" / "milvus"
_START_TIMEOUT = 180.0
_PORTS = ("proxy", "proxy_internal", "etcd", "root_coord", "query_coord", "query_node",
          "index_coord", "index_node", "data_coord", "data_node")  # fmt: skip

# The package's own start command moves to another port where the old one is still closing, and loses its child when
# it is killed. So it only unpacks the program and writes its configuration; we start it.
_UNPACK = "import milvus, sys; milvus._initialize_data_files(sys.argv[1])"
_CONFIGURE = """
import json, milvus, sys
folder, values = sys.argv[1], json.loads(sys.argv[2])
config = milvus.MilvusServerConfig(data_dir=folder)
config.resolve_storage()
for name, value in values.items():
    assert name in config.configurable_items, name
    config.set(name, value)
config.write_config()
"""


class FullMilvus:
    """Milvus standalone on a free port; can be stopped and started again over the same data."""

    def __init__(
        self,
        folder: Path,
        *,
        authorization: bool = False,
        env: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Start it in `folder`; `env` holds more of its settings, DATACOORD_SEGMENT_MAXSIZE for one."""
        _install()
        self._folder = folder.resolve()
        self._authorization = authorization
        # In seconds. A server that ended without a goodbye is waited for so long by its successor; one that comes to no
        # processor for so long takes itself for dead, and ends.
        self._env = {"COMMON_SESSION_TTL": "2", **env}
        self.port, self.metrics_port = free_port(), free_port()
        self._configure()
        self.start()

    def start(self) -> None:
        env = {
            "DEPLOY_MODE": "STANDALONE",
            "MILVUS_RUN_DIR": str(self._folder / "run"),
            "METRICS_PORT": str(self.metrics_port),
            "LD_LIBRARY_PATH": str(_PROGRAM.parent),
            "ETCD_CONFIG_PATH": str(self._folder / "etcd.yaml"),
            **self._env,
        }
        command = [str(_PROGRAM), "run", "standalone"]
        log = self._folder / "milvus.log"
        self.child = Child("Milvus 2.3.5", command, env=env, log=log, cwd=self._folder)
        try:
            self.child.wait_ready(self._ready, timeout=_START_TIMEOUT)
        except BaseException:
            self.child.stop()
            raise

    def stop(self) -> None:
        """End it as a crash would: by itself it takes longer than ten seconds, and its data must survive both."""
        self.child.kill()

    def _configure(self) -> None:
        ports = {name: free_port() for name in _PORTS} | {"proxy": self.port}
        values = {f"{name}_port": port for name, port in ports.items()}
        values["authorization_enabled"] = self._authorization
        configure = [str(_VENV / "bin" / "python"), "-c", _CONFIGURE, str(self._folder), json.dumps(values)]
        subprocess.run(configure, check=True, timeout=60)
        # Without this its etcd takes 2379 and 2380, on all addresses.
        etcd, peers = (f"http://{HOST}:{port}" for port in (ports["etcd"], free_port()))
        (self._folder / "etcd.yaml").write_text(
            f"listen-client-urls: {etcd}\nadvertise-client-urls: {etcd}\nlisten-peer-urls: {peers}\n"
            f"initial-advertise-peer-urls: {peers}\ninitial-cluster: default={peers}\n"
        )

    def _ready(self) -> bool:
        if not answers(self.port):
            return False
        token = {"user": "root", "password": "Milvus"} if self._authorization else {}
        try:
            client = MilvusClient(f"http://{HOST}:{self.port}", timeout=5, dedicated=True, **token)
            try:
                client.list_collections(timeout=5)
            finally:
                client.close()
        except (MilvusException, OSError):
            return False
        return True


def _install() -> None:
    cache = _ROOT / ".cache"
    cache.mkdir(exist_ok=True)
    with (cache / "milvus-install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two processes of the suite may come at once
        _install_alone()


def _install_alone() -> None:
    python = _VENV / "bin" / "python"
    if not (_VENV / "bin" / "milvus-server").exists():
        subprocess.run([sys.executable, "-m", "venv", str(_VENV)], check=True, timeout=300)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "milvus==2.3.5"], check=True, timeout=600)
    if not _PROGRAM.exists():
        subprocess.run([str(python), "-c", _UNPACK, str(_PROGRAM.parent.parent)], check=True, timeout=300)
