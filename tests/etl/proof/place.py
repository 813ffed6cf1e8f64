"""A catalogue of its own within a running system: collection, bucket and state folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog.collections import Collection
from catalog.images import ImageStore
from catalog.item import Item
from catalog.settings import StoreSettings
from catalog.vectors import VectorDatabase
from etl.waiting import Patience
from tests.stack import ROOT, System

FINISH = 3600.0  # seconds that a load may take before the proof gives up


@dataclass(frozen=True)
class Ended:
    """A run of the command that has ended."""

    code: int
    out: str
    err: str
    seconds: float
    peak_mb: float
    """Most memory that the process held."""

    @property
    def summary(self) -> str:
        """The command's own last line."""
        return self.out.strip().rpartition("\n")[2]


class Place:
    """Runs the command, and looks at what it made."""

    def __init__(self, system: System, folder: Path, name: str) -> None:
        self.name = name
        self.folder = folder / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.state = self.folder / "state"
        # A name that no earlier run of the proof on the same servers has used.
        unique = f"{name.replace('-', '_')}_{time.time_ns()}"
        self.env = {
            **system.env,
            "MILVUS_COLLECTION": unique,
            "MINIO_BUCKET_NAME": unique.replace("_", "-"),
            "ETL_STATE_DIR": str(self.state),
            "LOG_FORMAT": "text",
        }
        self.settings: StoreSettings = system.stores.settings(
            milvus_collection=unique, minio_bucket_name=unique.replace("_", "-"), milvus_timeout=30
        )
        self.vectors = VectorDatabase(self.settings)
        self.images = ImageStore(self.settings)

    def start(self, *arguments: str, **env: str) -> Running:
        """Begin a run of the command."""
        return Running(list(arguments), self.folder, {**os.environ, **self.env, **env})

    def etl(self, *arguments: str, **env: str) -> Ended:
        """Run the command to its end."""
        return self.start(*arguments, **env).finish()

    def collection(self) -> Collection:
        """What is searched; Milvus may have been away a moment ago."""
        patience = Patience(120, lambda _: None, threading.Event())
        collection = patience.call("milvus", self.vectors.current)
        assert collection is not None, f"{self.name}: nothing is searched"
        return collection

    def items(self) -> dict[str, Item]:
        """All items by their ids, none of them doubled."""
        found = [item for page in self.vectors.iterate(self.collection()) for item in page]
        by_id = {item.id: item for item in found}
        assert len(by_id) == len(found) == self.vectors.count(self.collection()), "items are doubled"
        return by_id

    def item_vectors(self) -> dict[str, NDArray[np.float32]]:
        """All vectors by id."""
        ids = list(self.items())
        parts = [ids[start : start + 200] for start in range(0, len(ids), 200)]
        rows = [item for part in parts for item in self.vectors.get(self.collection(), part, with_vector=True)]
        return {item.id: item.vector for item in rows if item.vector is not None}

    def check_whole(self, photos: dict[str, bytes]) -> None:
        """These items and no other, each with its photo in the store, and facets that know of all."""
        items = self.items()
        assert items.keys() == photos.keys(), f"{len(photos.keys() ^ items.keys())} items are missing or too many"
        names = set(self.images.names())
        assert {item.object for item in items.values()} == names, "objects are missing or too many"
        for id, item in items.items():
            assert hashlib.sha256(self.images.get(item.object)).digest() == hashlib.sha256(photos[id]).digest(), id
            assert item.content_hash == hashlib.sha256(photos[id]).hexdigest(), id
        assert self.vectors.facets(self.collection()).total == len(items), "the facets are not of this load"


class Running:
    """A run of the command, in a process of its own."""

    def __init__(self, arguments: list[str], folder: Path, env: dict[str, str]) -> None:
        stamp = time.time_ns()
        self._out, self._err = folder / f"{stamp}.out", folder / f"{stamp}.err"
        self._began = time.monotonic()
        with self._out.open("w") as out, self._err.open("w") as err:
            command = [sys.executable, "-m", "etl", *arguments]
            self._process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=err)

    @property
    def err(self) -> str:
        """What it has said on its error stream."""
        return self._err.read_text()

    def kill(self) -> bool:
        """Kill it with SIGKILL; whether it was still at work."""
        os.kill(self._process.pid, signal.SIGKILL)  # not Popen's: it would take the status of one that has ended
        _, status, _ = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return self._process.returncode == -9

    def alive(self) -> bool:
        # Not poll(): it would take the exit status, and with it the memory figure.
        found = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        return found is None

    def finish(self) -> Ended:
        deadline = time.monotonic() + FINISH
        while self.alive():
            if time.monotonic() > deadline:
                self._process.kill()
                raise AssertionError(f"the load did not end in {FINISH:.0f} s: {self.err[-500:]}")
            time.sleep(0.02)
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return Ended(
            self._process.returncode,
            self._out.read_text(),
            self.err,
            time.monotonic() - self._began,
            usage.ru_maxrss / 1024,
        )


def photos_of(catalogue: Path, most: int | None = None) -> dict[str, bytes]:
    """A catalogue's photos by the ids that a load gives them: a folder's or a zip archive's."""
    found = dict(sorted(_photos(catalogue))[:most])
    assert found, f"{catalogue} holds no photos"
    return found


def _photos(catalogue: Path) -> Iterator[tuple[str, bytes]]:
    if catalogue.is_dir():
        for file in catalogue.rglob("*"):
            if file.suffix in (".jpg", ".jpeg", ".png", ".webp"):
                yield file.relative_to(catalogue).with_suffix("").as_posix(), file.read_bytes()
        return
    with zipfile.ZipFile(catalogue) as archive:
        for name in archive.namelist():
            if name.endswith((".jpg", ".jpeg", ".png", ".webp")):
                yield name.rpartition(".")[0], archive.read(name)


def write_folder(photos: dict[str, bytes], folder: Path) -> Path:
    """The photos as files named by their ids."""
    for id, content in photos.items():
        file = folder / f"{id}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return folder


def write_zip(photos: dict[str, bytes], file: Path) -> Path:
    """The photos as a zip archive."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w") as archive:
        for id, content in photos.items():
            archive.writestr(f"{id}.jpg", content)
    return file
