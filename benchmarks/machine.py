"""Where figures come from: the machine and the versions that matter."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("torch", "transformers", "bentoml", "pillow", "numpy", "pymilvus", "uvloop", "fastapi")


def describe() -> dict[str, str]:
    """Processor, cores, memory, system load before the run, versions and the commit."""
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.processor())  # fmt: skip
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    question = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(question, capture_output=True, text=True, check=False)  # noqa: S603 - the developer's git
    return {
        "processor": cpu,
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
        "commit": commit.stdout.strip(),
        **{name: version(name) for name in _PACKAGES},
    }
