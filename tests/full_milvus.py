"""The full Milvus server 2.3.5, the newest that a Python package brings: for what Milvus Lite does otherwise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

from local.ports import HOST, answers, free_port
from local.processes import Child

_ROOT = Path(__file__).resolve().parent.parent
# An environment of its own keeps it out of the locked requirements.
_VENV = _ROOT / ".venv-milvus"
_SERVER = _VENV / "bin" / "milvus-server"
_UNPACKED = _VENV / "unpacked"  # 10 s of unpacking, once instead of at each start
_START_TIMEOUT = 180.0
_PORTS = ("proxy", "proxy-internal", "etcd", "root-coord", "query-coord", "query-node",
          "index-coord", "index-node", "data-coord", "data-node")  # fmt: skip


class FullMilvus:
    """Milvus standalone on a free port; can be killed and started again over the same data."""

    def __init__(self, folder: Path, *, authorization: bool = False) -> None:
        _install()
        self._folder = folder.resolve()
        self._authorization = authorization
        self.port = free_port()
        self.start()

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        _UNPACKED.mkdir(exist_ok=True)
        if not (self._folder / "bin").exists():
            (self._folder / "bin").symlink_to(_UNPACKED)
        # Left to itself the server moves to another port where one is taken; its etcd does not, so that a second
        # server on the machine would not start.
        ports = {name: free_port() for name in _PORTS} | {"proxy": self.port}
        command = [str(_SERVER), "--data", str(self._folder)]
        for name, port in ports.items():
            command += [f"--{name}-port", str(port)]
        if self._authorization:
            command += ["--authorization-enabled", "true"]
        etcd, peers = (f"http://{HOST}:{port}" for port in (ports["etcd"], free_port()))
        config = self._folder / "etcd.yaml"
        config.write_text(
            f"listen-client-urls: {etcd}\nadvertise-client-urls: {etcd}\nlisten-peer-urls: {peers}\n"
            f"initial-advertise-peer-urls: {peers}\ninitial-cluster: default={peers}\n"
        )
        env = {"ETCD_CONFIG_PATH": str(config)}
        self.child = Child("Milvus 2.3.5", command, env=env, log=self._folder / "milvus.log", cwd=self._folder)
        try:
            self.child.wait_ready(self._ready, timeout=_START_TIMEOUT)
        except BaseException:
            self.child.stop()
            raise

    def stop(self) -> None:
        self.child.stop()

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
    if _SERVER.exists():
        return
    subprocess.run([sys.executable, "-m", "venv", str(_VENV)], check=True, timeout=300)
    pip = [str(_VENV / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "milvus==2.3.5"], check=True, timeout=600)
