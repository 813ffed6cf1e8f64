"""The two stores as processes of this machine: Milvus Lite's server, and an S3 server with MinIO's code.

They speak the protocols of their large relatives, so nothing but addresses differs from production.
"""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from local.ports import HOST, answers
from local.processes import Child, ChildFailed

_START_TIMEOUT = 60.0  # seconds; about one is usual, a busy machine takes longer
_BIN = Path(sys.executable).parent
_ROOT = Path(__file__).resolve().parent.parent


def start_milvus_lite(data: Path, port: int) -> Child:
    """Start Milvus Lite's server over the data in `data`."""
    data.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "local.milvus_lite", "--data-dir", str(data / "data"), "--port", str(port)]
    child = Child("Milvus", command, env={"PYTHONPATH": str(_ROOT)}, log=data / "milvus.log")
    try:
        child.wait_ready(lambda: answers(port), timeout=_START_TIMEOUT)
    except BaseException:  # an interrupt too: nobody else knows of the child yet
        child.stop()
        raise
    return child


def start_s3(data: Path, port: int, *, access_key: str, secret_key: str) -> Child:
    """Start the S3 server (JuiceFS' gateway, which is MinIO's) over the files in `data`."""
    # Badger takes a third of SQLite's CPU time for a photo (1.2 ms instead of 3.7), and survives a kill like it.
    files, meta = data / "objects", f"badger://{data / 'meta'}"
    if (data / "meta.db").exists():  # made when it was SQLite
        meta = f"sqlite3://{data / 'meta.db'}"
    juicefs = str(_BIN / "juicefs")
    files.mkdir(parents=True, exist_ok=True)
    _forget_empty_logs(data / "meta")
    # At each start: what is there already stays, and what a start that was cut short left undone is done.
    store = ["--storage", "file", "--bucket", f"{files}/", "--trash-days", "0"]
    done = subprocess.run(  # noqa: S603 - a list of our own, no shell
        [juicefs, "format", meta, "fashion", *store],
        capture_output=True, text=True, check=False, timeout=_START_TIMEOUT,
    )  # fmt: skip
    if done.returncode != 0:
        raise ChildFailed(f"the S3 server could not make its store in {data}: {done.stderr.strip()[-300:]}")
    _forget_empty_logs(data / "meta")  # it ends without closing badger, now and then right after making one
    options = ["--multi-buckets", "--keep-etag", "--object-tag", "--object-meta", "--no-bgjob", "--backup-meta", "0"]
    command = [juicefs, "gateway", *options, "--no-usage-report", meta, f"{HOST}:{port}"]
    secrets = {"MINIO_ROOT_USER": access_key, "MINIO_ROOT_PASSWORD": secret_key}
    child = Child("the S3 server", command, env=secrets, log=data / "s3.log")
    try:
        child.wait_ready(lambda: _lives(port), timeout=_START_TIMEOUT)
    except BaseException:  # an interrupt too: nobody else knows of the child yet
        child.stop()
        raise
    return child


def _forget_empty_logs(meta: Path) -> None:
    """Remove badger's logs that an end left empty, between their making and their first size: it would not open.

    Nothing is lost. Badger (v4) takes an empty file for a new one, where it means to open one that it knows
    (`openMemTables` and `valueLog.open`), and ends with "Create a new file".
    """
    for log in (*meta.glob("*.mem"), *meta.glob("*.vlog")):
        if log.stat().st_size == 0:
            log.unlink()


def _lives(port: int) -> bool:
    return http_ok(f"http://{HOST}:{port}/minio/health/live")


def http_ok(url: str, *, timeout: float = 2) -> bool:
    """Whether a GET of `url` answers 200."""
    # No proxy: these addresses are this machine's own.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=timeout) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
