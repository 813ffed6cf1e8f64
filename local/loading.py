"""What a start does so that there is something to search: the sample at the first, a new encoding for a new model."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from catalog.collections import Collection
from catalog.settings import StoreSettings
from catalog.vectors import VectorDatabase
from local.ports import HOST
from local.processes import ChildFailed

SAMPLE = Path(__file__).resolve().parent / "sample"
_ROOT = Path(__file__).resolve().parent.parent
_SEEN_WITHIN = 30.0  # seconds; a service that needs a key for its facets is not waited for longer


def load_catalogue(env: Mapping[str, str], api_url: str, say: Callable[[str], None]) -> None:
    """Load the sample where nothing has been loaded, and encode anew what another model encoded.

    Args:
        env: variables that lead the etl command to the running stack.
        api_url: the running service.
        say: tells what is going on; the etl command shows its own progress.
    """
    current = _current(env)
    if current is None:
        say("loading the sample catalogue ...")
        _etl(env, "run", str(SAMPLE))
        _wait_until_searched(api_url)
    elif (model := _model_of(api_url)) not in (None, current.model.model):
        say(f"the catalogue was encoded with {current.model.model}; encoding it with {model} ...")
        _etl(env, "rebuild")
        _wait_until_searched(api_url)


def _current(env: Mapping[str, str]) -> Collection | None:
    vectors = VectorDatabase(StoreSettings(milvus_host=HOST, milvus_port=int(env["MILVUS_PORT"])))
    try:
        return vectors.current()
    finally:
        vectors.close()


def _model_of(api_url: str) -> str | None:
    """The service's model; None where it does not tell everybody."""
    headers = {"Content-Type": "application/json"}
    address = f"{api_url}/encode_text"
    question = urllib.request.Request(address, data=b'["hello"]', headers=headers)  # noqa: S310 - http, of our own
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(question, timeout=30) as answer:
            return str(json.load(answer)["model"])
    except (urllib.error.URLError, OSError):
        return None


def _wait_until_searched(api_url: str) -> None:
    """Return when the service has seen the catalogue, which it looks for every few seconds."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _SEEN_WITHIN
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, KeyError, ValueError), opener.open(f"{api_url}/facets", timeout=5) as answer:
            if json.load(answer)["total"]:
                return
        time.sleep(0.2)


def _etl(env: Mapping[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "etl", *arguments]
    done = subprocess.run(command, cwd=_ROOT, env={**os.environ, **env}, check=False)  # noqa: S603 - a list of our own, no shell
    if done.returncode != 0:
        raise ChildFailed("the catalogue could not be loaded; the reason is above. `make run` tries again")
