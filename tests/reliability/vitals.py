"""What a service holds: memory, file descriptors, threads, temp files."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import psutil

from local.processes import Child


@dataclass(frozen=True)
class Vitals:
    """Sums over the processes that serve: API and runner."""

    memory: int
    """Bytes that are theirs alone."""

    fds: int
    threads: int
    temp_files: int

    def __str__(self) -> str:
        return f"{self.memory / 1e6:.0f} MB, {self.fds} fds, {self.threads} threads, {self.temp_files} temp files"


def vitals(service: Child, temp: Path) -> Vitals:
    """As it stands now; `temp` is the folder that the service's `TMPDIR` names."""
    memory = fds = threads = 0
    for process in workers(service):
        with process.oneshot():
            memory += process.memory_full_info().uss
            fds += process.num_fds()
            threads += process.num_threads()
    return Vitals(memory, fds, threads, sum(1 for _ in temp.rglob("*")))


def memory_at_a_glance(service: Child) -> int:
    """Bytes of the processes that serve, without what they share with files or each other.

    From the system's own counts: to walk through all pages, as `vitals` does, holds a process up for 0.1 to 0.3 s.
    """
    infos = [process.memory_info() for process in workers(service)]
    return sum(info.rss - info.shared for info in infos)


def workers(service: Child) -> list[psutil.Process]:
    """The processes that serve, without BentoML's supervisor."""
    return [process for process in service.family() if "_bentoml_impl.worker" in " ".join(process.cmdline())]


def median(samples: list[Vitals]) -> Vitals:
    """The median of each."""
    return Vitals(*(sorted(getattr(one, f.name) for one in samples)[len(samples) // 2] for f in fields(Vitals)))
