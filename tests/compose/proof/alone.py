"""Starts the service's image by itself before the tests' stores and uses it: `... proof.alone docker|podman IMAGE`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from local.ports import HOST
from local.processes import Child
from tests.stack import SAMPLE, System

_NAME = "fashion-search-alone"


class Container(System):
    """The tests' system, with a container in the service's place; the network is the host's."""

    def __init__(self, folder: Path, program: str, image: str) -> None:
        self.program, self.image = program, image
        super().__init__(folder, DRAIN_SECONDS="2", MODEL_THREADS="1")

    def start_service(self) -> None:
        inside = {"HOST": HOST, "PORT": str(self.port), "BENTOML_HOME": "/tmp/bentoml", "PYTHONPATH": ""}
        command = [self.program, "run", "--rm", "--name", _NAME, "--network", "host"]
        command += ["--read-only", "--tmpfs", "/tmp:mode=1777,size=512m"]
        command += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        for name, value in (self.env | inside).items():
            command += ["--env", f"{name}={value}"]
        self.service = Child("the container", [*command, self.image], env={}, log=self.log)

    def stop(self) -> None:
        subprocess.run([self.program, "stop", "--time", "40", _NAME], check=False, capture_output=True)
        super().stop()


def main(program: str, image: str) -> None:
    """Start it, load the sample, search, open the link, stop it. Raises at the first thing that is not so."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        system = Container(Path(folder), program, image)
        try:
            loaded = time.monotonic() - begun
            with system.client() as client:
                assert client.get("/readyz").status_code == 200
                found = client.post("/search-image", json={"query": "black leather jacket", "top_k": 1}).json()
            item = found["results"][0]
            assert httpx.get(item["url"], trust_env=False).content == (SAMPLE / f"{item['id']}.jpg").read_bytes()
        finally:
            system.stop()
    text = f"ready and the sample loaded after {loaded:.0f} s; a search finds {item['id']}, and its link opens"
    sys.stdout.write(f"{image}, started by {program}: {text}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
