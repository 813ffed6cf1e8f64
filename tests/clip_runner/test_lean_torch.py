"""The model's process leaves torch's compiler out, and has it where something asks for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from clip_runner.lean_torch import lean_torch

ROOT = Path(__file__).resolve().parents[2]

_ENCODE = """
import json, sys
from contextlib import nullcontext
from clip_runner.lean_torch import lean_torch
with lean_torch() if "lean" in sys.argv else nullcontext():
    from clip_runner.encoder import Encoder
    from clip_runner.probes import probe_pixels
    from clip_runner.settings import RunnerSettings
    encoder = Encoder(RunnerSettings(_env_file=None, model_dtype="auto"))
    if "asked" in sys.argv:
        import torch._dynamo.testing  # which asks the compiler for more while it is being imported
        torch._dynamo.reset()
encoder.record()
vectors = encoder.encode_texts(["red dress"])["vector"].tolist()
encoder.encode_pixels(probe_pixels(encoder.pixel_spec, 2))
loaded = sorted(sys.modules)
import torch
compiled = torch.compile(lambda values: values + 1, backend="eager")(torch.ones(2)).tolist()
print(json.dumps([vectors, loaded, compiled, torch.compiler.disable.__module__]))
"""
_UNNEEDED = {"torch._dynamo", "torch._dynamo.symbolic_convert", "torch.distributed.tensor"}


def encoded(*how: str) -> tuple[list[list[float]], set[str], list[float], str]:
    done = subprocess.run(
        [sys.executable, "-c", _ENCODE, *how], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    vectors, loaded, compiled, disable = json.loads(done.stdout.splitlines()[-1])
    return vectors, set(loaded), compiled, disable


def test_the_compiler_comes_when_it_is_asked_for() -> None:
    vectors, loaded, compiled, disable = encoded("lean")
    usual, usually_loaded, _, _ = encoded()
    assert vectors == usual
    assert usually_loaded >= _UNNEEDED, "transformers loads less by itself: clip_runner/lean_torch.py may go"
    assert not _UNNEEDED & loaded
    assert compiled == [2.0, 2.0]
    assert disable == "torch.compiler"  # the marks are torch's own again


def test_the_compiler_comes_while_it_is_left_out() -> None:
    _, loaded, compiled, _ = encoded("lean", "asked")
    assert {"torch._dynamo", "torch._dynamo.symbolic_convert"} <= loaded
    assert compiled == [2.0, 2.0]


def test_what_fails_meanwhile_leaves_the_marks_as_they_were() -> None:
    names = ("disable", "allow_in_graph", "assume_constant_result")
    marks = [getattr(torch.compiler, name) for name in names]
    available = torch.distributed.is_available
    try:
        with pytest.raises(ImportError), lean_torch():
            raise ImportError
    finally:
        vars(torch.distributed)["is_available"] = available
    assert [getattr(torch.compiler, name) for name in names] == marks
