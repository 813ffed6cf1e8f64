"""What can go wrong with a part, how it begins and how it ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.reliability.proxy import SOUND, Network, Proxy
from tests.reliability.small_disk import fill, small_disk
from tests.stack import Stores, System, pause, resume

ENCODING = frozenset({"words", "photo", "both", "filtered", "texts", "photos"})
SEARCHING = frozenset({"words", "photo", "both", "filtered", "like", "item", "facets"})
EVERYTHING = ENCODING | SEARCHING


class Place:
    """A system with two API processes, whose stores are reached through networks that can be changed.

    Its logs go to a disk of their own, which can be filled; `log_disk` is None where none can be mounted. Stores that
    are given are used, and left running at its end.
    """

    def __init__(self, folder: Path, *, stores: Stores | None = None, **env: str) -> None:
        with ExitStack() as started:
            self._start(folder, stores, env, started)
            self._started = started.pop_all()

    def _start(self, folder: Path, stores: Stores | None, env: Mapping[str, str], started: ExitStack) -> None:
        self.log_disk: Path | None = None
        with suppress(PermissionError):
            self.log_disk = started.enter_context(small_disk(folder / "logs", kilobytes=8192))
        if stores is None:
            stores = Stores(folder)
            started.callback(stores.stop)
        self.networks = {"milvus": Proxy(stores.milvus_port), "store": Proxy(stores.s3_port)}
        for network in self.networks.values():
            started.callback(network.stop)
        self.system = System(
            folder,
            load=True,
            stores=stores,
            MILVUS_PORT=str(self.networks["milvus"].port),
            MINIO_ENDPOINT=f"http://127.0.0.1:{self.networks['store'].port}",
            API_WORKERS="2",
            LOG_DIR=str(self.log_disk or ""),
            LOG_TOTAL_MB="4",
            LOG_ROTATE_MB="1",
            # Nothing here is about speed, and the machine may be busy: one thread waits for no other.
            MODEL_THREADS="1",
            MODEL_DTYPE="float32",
            LOG_FORMAT="json",
            **env,
        )
        started.callback(self.system.stop)

    def stop(self) -> None:
        self._started.close()


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    What `fails` may be answered 503 with `part`, or 504, while it lasts and until all is well again; nothing else may.
    """

    name: str
    begin: Callable[[Place], Callable[[], None]]
    """Lets it happen; returns what ends it."""

    part: str = ""
    fails: frozenset[str] = frozenset()
    not_ready: bool = True
    """Whether `/readyz` turns to 503."""

    lost: int = 0
    """Requests that may get no answer at all: those that a process had taken when it was killed, or that it holds."""

    back_within: float = 30.0
    """Seconds after its end in which all must be well again."""


def _kill_runner(place: Place) -> Callable[[], None]:
    """Kill it, and keep the one that follows from loading: on a quick machine it is back before anybody misses it."""
    killed, ended, held = place.system.runner_pid(), threading.Event(), set[int]()
    os.kill(killed, signal.SIGKILL)

    def keep() -> None:
        while not ended.wait(0.05):
            for follower in set(place.system.runner_pids()) - {killed} - held:
                with suppress(ProcessLookupError):
                    pause(follower)
                held.add(follower)

    keeper = threading.Thread(target=keep, daemon=True)
    keeper.start()

    def end() -> None:
        ended.set()
        keeper.join()
        for follower in held:
            with suppress(ProcessLookupError):
                resume(follower)

    return end


def _kill_api(place: Place) -> Callable[[], None]:
    os.kill(place.system.api_pids()[0], signal.SIGKILL)
    return lambda: None


def _kill_milvus(place: Place) -> Callable[[], None]:
    place.system.stores.milvus.kill()
    return place.system.stores.start_milvus


def _kill_store(place: Place) -> Callable[[], None]:
    place.system.stores.s3.kill()
    return place.system.stores.start_s3


def _hang(pid: Callable[[System], int]) -> Callable[[Place], Callable[[], None]]:
    def begin(place: Place) -> Callable[[], None]:
        hung = pid(place.system)
        pause(hung)

        def end() -> None:
            with suppress(ProcessLookupError):
                resume(hung)

        return end

    return begin


def _network(part: str, network: Network) -> Callable[[Place], Callable[[], None]]:
    def begin(place: Place) -> Callable[[], None]:
        place.networks[part].network = network

        def end() -> None:
            place.networks[part].network = SOUND

        return end

    return begin


def _fill_log_disk(place: Place) -> Callable[[], None]:
    assert place.log_disk is not None, "a small disk cannot be mounted here (needs root)"
    filling, logs = fill(place.log_disk), list(place.log_disk.glob("access.*.log"))

    def end() -> None:
        filling.unlink()
        size = sum(log.stat().st_size for log in logs)
        deadline = time.monotonic() + 10
        while sum(log.stat().st_size for log in logs) <= size:
            assert time.monotonic() < deadline, "nothing is logged, though there is space again"
            time.sleep(0.1)

    return end


RUNNER_KILLED = Fault("runner killed", _kill_runner, "runner", ENCODING, back_within=120)  # it loads its model again
RUNNER_HUNG = Fault("runner hung", _hang(lambda system: system.runner_pid()), "runner", ENCODING)
API_KILLED = Fault("API worker killed", _kill_api, lost=20, not_ready=False, back_within=60)
# Whoever is connected to it waits until it wakes, or until they give up; new connections go to the other one.
API_HUNG = Fault("API worker hung", _hang(lambda system: system.api_pids()[0]), not_ready=False, lost=10**6)
MILVUS_KILLED = Fault("Milvus killed", _kill_milvus, "milvus", SEARCHING)
MILVUS_HUNG = Fault("Milvus hung", _hang(lambda system: system.stores.milvus.pid), "milvus", SEARCHING)
STORE_KILLED = Fault("store killed", _kill_store, "store")
STORE_HUNG = Fault("store hung", _hang(lambda system: system.stores.s3.pid), "store")
MILVUS_SLOW = Fault("Milvus 100 ms away", _network("milvus", Network(delay=0.1)), "milvus", not_ready=False)
MILVUS_LOSSY = Fault(
    "5 % loss to Milvus, 1 % breaks",
    _network("milvus", Network(delay=0.01, loss=0.05, breaks=0.01)),
    "milvus",
    SEARCHING,
    not_ready=False,
)
MILVUS_SWALLOWED = Fault("black hole to Milvus", _network("milvus", Network(black_hole=True)), "milvus", SEARCHING)
STORE_SLOW = Fault("store 100 ms away", _network("store", Network(delay=0.1)), "store", not_ready=False)
STORE_SWALLOWED = Fault("black hole to the store", _network("store", Network(black_hole=True)), "store")
LOG_DISK_FULL = Fault("log disk full", _fill_log_disk, not_ready=False)
