"""The bills of material name what the images install."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from tests.stack import ROOT


def test_every_locked_package_is_in_its_images_bill(tmp_path: Path) -> None:
    env = {**os.environ, "OUT": str(tmp_path), "VERSION": "1"}
    subprocess.run([ROOT / "scripts/sbom.sh"], env=env, check=True, capture_output=True, timeout=280)
    locks = {
        "service": "requirements.txt", "ui": "requirements-ui.txt", "etl": "requirements-etl.txt",
        "alert-webhook": "monitoring/alert_webhook/requirements.txt",
    }  # fmt: skip
    for image, lock in locks.items():
        bill = json.loads((tmp_path / f"{image}-1.cdx.json").read_text())
        assert bill["bomFormat"] == "CycloneDX"
        found = {(part["name"], part["version"]): part for part in bill["components"]}
        pinned = re.findall(r"^([A-Za-z0-9._-]+)==([^ \n]+)", (ROOT / lock).read_text(), re.M)
        assert len(pinned) > 10
        for name, version in pinned:
            part = found[name, version]
            assert part["purl"].startswith("pkg:pypi/")
            assert part["externalReferences"][0]["hashes"], name
        torch = [name for name, _ in found if name == "torch"]
        assert torch == (["torch"] if image == "service" else [])
