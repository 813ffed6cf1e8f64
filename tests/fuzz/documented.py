"""Requests made from the OpenAPI document by schemathesis, good ones and bad ones, each answer checked against it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.stack import ROOT

_SLOWEST = 90  # seconds for one answer: the service's own limit is 60 here


@dataclass(frozen=True)
class Documented:
    """What came out: requests sent, failed checks, and schemathesis' own report."""

    cases: int
    failures: int
    report: str


def fuzz_documented(
    url: str, *, key: str, per_route: int, seed: int, phases: str = "examples,coverage,fuzzing"
) -> Documented:
    """Run all checks against a service that asks for keys."""
    command = [
        str(Path(sys.executable).parent / "schemathesis"), "run", f"{url}/docs.json", "--url", url,
        "--header", f"Authorization: Bearer {key}", "--checks", "all", "--phases", phases,
        "--max-examples", str(per_route), "--seed", str(seed), "--continue-on-failure", "--no-shrink", "--no-color",
        "--request-timeout", str(_SLOWEST), "--max-response-time", str(_SLOWEST),
        "--generation-database", "none", "--suppress-health-check", "all",
    ]  # fmt: skip
    env = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "tests.fuzz.documented_hooks",
        "PYTHONPATH": str(ROOT),
        "no_proxy": "*",
        "NO_PROXY": "*",
    }
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    report = done.stdout + done.stderr
    if (generated := re.search(r"([\d,]+) generated", report)) is None:
        raise RuntimeError(f"schemathesis did not run:\n{report[-3000:]}")
    found = re.search(r"found ([\d,]+) unique failures?", report)
    failures = int(found[1].replace(",", "")) if found else int(done.returncode != 0)
    return Documented(int(generated[1].replace(",", "")), failures, report)
