"""The servers that are measured, each started alone, on all cores, with the same model."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import psutil

from local.ports import HOST, free_port
from local.processes import Child
from local.servers import http_ok, start_milvus_lite, start_s3

ROOT = Path(__file__).resolve().parent.parent
_BIN = Path(sys.executable).parent
_START_TIMEOUT = 300.0


@dataclass(frozen=True)
class Server:
    """A running subject."""

    url: str
    child: Child
    ready_after: float
    """Seconds from its start to ready."""

    def cpu_seconds(self) -> float:
        """CPU time of all its processes so far."""
        alone = [psutil.Process(self.child.pid)]  # a server of one process; of others, the first only watches the rest
        spent = [process.cpu_times() for process in self.child.family() or alone]
        return sum(times.user + times.system for times in spent)

    def encoding_seconds(self) -> float:
        """CPU time so far of the runner's threads that encode: all of them but its event loop's, the first."""
        runners = [process for process in self.child.family() if _is_runner(process)]
        threads = [thread for runner in runners for thread in runner.threads() if thread.id != runner.pid]
        return sum(thread.user_time + thread.system_time for thread in threads)

    def memory(self) -> int:
        """Bytes of all its processes; what they share is counted once."""
        return sum(process.memory_full_info().pss for process in self.child.family() if _counts(process))


def _counts(process: psutil.Process) -> bool:
    """BentoML's supervisor and its resource tracker are not the service: they only start and watch it."""
    return "_bentoml_impl.worker" in " ".join(process.cmdline())


def _is_runner(process: psutil.Process) -> bool:
    return _counts(process) and "clip_runner" in " ".join(process.cmdline())


@contextmanager
def stores(folder: Path) -> Iterator[dict[str, str]]:
    """Milvus Lite and the S3 server, empty; yields the variables that lead to them."""
    milvus_port, s3_port = free_port(), free_port()
    with ExitStack() as stack:
        stack.callback(start_milvus_lite(folder / "milvus", milvus_port).stop)
        store = start_s3(folder / "s3", s3_port, access_key="bench", secret_key="bench-secret")  # noqa: S106 - it ends with the run
        stack.callback(store.stop)
        yield {
            "MILVUS_HOST": HOST, "MILVUS_PORT": str(milvus_port),
            "MINIO_ENDPOINT": f"http://{HOST}:{s3_port}", "MINIO_PUBLIC_ENDPOINT": f"http://{HOST}:{s3_port}",
            "MINIO_ACCESS_KEY_ID": "bench", "MINIO_SECRET_ACCESS_KEY": "bench-secret",
        }  # fmt: skip


@contextmanager
def service(
    folder: Path, model: Path, places: Mapping[str, str], *, ready: str = "/readyz", **env: str
) -> Iterator[tuple[Server, dict[str, str]]]:
    """The service over the stores at `places`, awaited at `ready`; and the variables that lead other programs to it."""
    port = free_port()
    environment = {
        "ENVIRONMENT": "local", "MODEL_ID": str(model), "HF_HUB_OFFLINE": "1", **places,
        "MODEL_SERVING_HOST": HOST, "MODEL_SERVING_PORT": str(port), "ETL_STATE_DIR": str(folder / "etl"),
        "BENTOML_HOME": str(folder / "bentoml"), "BENTOML_DO_NOT_TRACK": "True", "PYTHONPATH": str(ROOT),
        "MAX_CONCURRENCY": "256", "LOG_LEVEL": "WARNING", **env,
    }  # fmt: skip
    command = [str(_BIN / "bentoml"), "serve", "service:FashionSearch", "--host", HOST, "--port", str(port)]
    with running("the service", command, environment, port, folder, ready) as server:
        yield server, environment


@contextmanager
def ours(folder: Path, model: Path, **env: str) -> Iterator[tuple[Server, dict[str, str]]]:
    """The service, with stores of its own."""
    with stores(folder) as places, service(folder, model, places, **env) as started:
        yield started


@contextmanager
def baseline(folder: Path, model: Path) -> Iterator[Server]:
    """The design this project started from: a worker for each core, each with a model of its own on one thread."""
    port, cores = free_port(), os.cpu_count() or 1
    command = [str(_BIN / "gunicorn"), "benchmarks.baseline.app:app", "-k", "uvicorn_worker.UvicornWorker"]
    command += ["--workers", str(cores), "--bind", f"{HOST}:{port}", "--timeout", "300", "--log-level", "warning"]
    env = {"MODEL_ID": str(model), "BASELINE_THREADS": "1", "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    with running("the baseline", command, env, port, folder) as server:
        yield server


@contextmanager
def bare(folder: Path, dim: int) -> Iterator[Server]:
    """HTTP alone, by the server that the service runs on; its vectors have `dim` numbers."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "benchmarks.bare:app", "--host", HOST, "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--lifespan", "off", "--no-access-log"]
    with running("bare HTTP", command, {"PYTHONPATH": str(ROOT), "BARE_DIM": str(dim)}, port, folder) as server:
        yield server


@contextmanager
def running(
    name: str, command: list[str], env: dict[str, str], port: int, folder: Path, ready: str = "/readyz"
) -> Iterator[Server]:
    """A server on `port` that answers 200 to `ready`; ended when the context is left."""
    begun = perf_counter()
    child = Child(name, command, env=env, log=folder / f"{name.split()[-1]}.log", cwd=ROOT)
    url = f"http://{HOST}:{port}"
    try:
        child.wait_ready(lambda: http_ok(f"{url}{ready}"), timeout=_START_TIMEOUT)
        yield Server(url, child, perf_counter() - begun)
    finally:
        child.stop()
