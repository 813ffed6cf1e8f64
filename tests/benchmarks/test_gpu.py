"""`make bench-gpu`, as far as it goes without a GPU: every part runs, and its figures fit together."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.gpu", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)


def test_all_but_the_chip_is_measured_on_a_cpu(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    done = run("--device", "cpu", "--model", "thin", "--sizes", "sample", "--workers", "1", "--generators", "1",
               "--seconds", "0.4", "--out", str(out))  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures = json.loads(out.read_text())["figures"]
    assert figures["encoder photo cosine"] > 0.99
    assert figures["encoder text cosine"] > 0.99
    assert figures["sample: service photos/s, with 1 API process"] > 0
    slower = min(
        figures["sample: decoded photos/s"],
        max(rate for name, rate in figures.items() if name.startswith("encoder photos/s")),
    )
    ratio = figures["sample: service photos/s, with 1 API process"] / slower
    assert figures["sample: service / the slower of encoder and decoding, 1"] == pytest.approx(ratio)
    assert "chip float16 FLOP/s" not in figures


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so() -> None:
    done = run()
    assert done.returncode == 1
    assert "There is no GPU" in done.stderr
    assert "Traceback" not in done.stderr
