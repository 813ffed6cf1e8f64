"""The commands of docs/etl.md, one after another, on a shop as the guide speaks of."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from catalog.images import ImageStore
from etl.flags import GROUPS
from etl.metrics import LoadMetrics
from tests.etl.proof.place import Place
from tests.etl.web_server import WebServer
from tests.photos import encoded, picture
from tests.stack import ROOT, System

GUIDE = (ROOT / "docs" / "etl.md").read_text()
COMMANDS = [text for text in re.findall(r"^```bash\n(.*?)^```", GUIDE, re.M | re.S) if text.startswith("python")]
WEB = "https://shop.example"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder `shop`, the same as a zip, two tables, a mapping."""
    photos = {f"{number}.jpg": encoded(picture(60, 80, seed=number), "JPEG") for number in range(101, 105)}
    (tmp_path / "shop").mkdir()
    with zipfile.ZipFile(tmp_path / "shop.zip", "w") as archive:
        for name, content in photos.items():
            (tmp_path / "shop" / name).write_bytes(content)
            archive.writestr(name, content)
    rows = [f"A-{number},{name},shoes,{['red', 'black'][number % 2]}" for number, name in enumerate(photos, 1)]
    (tmp_path / "products.csv").write_text("\n".join(["id,file,category,colour", *rows]) + "\n")
    rows = [f"S-{number},{name},A coat,1.5" for number, name in enumerate(photos, 1)]
    (tmp_path / "supplier.csv").write_text("\n".join(["sku,picture,caption,weight", *rows]) + "\n")
    (mapping,) = re.findall(r"^```toml\n(.*?)^```", GUIDE, re.M | re.S)
    (tmp_path / "mapping.toml").write_text(mapping)
    return tmp_path


@pytest.mark.timeout(900)  # twenty commands, each a process; on a busy machine each takes its time
def test_every_command_of_the_guide_does_what_it_is_there_for(system: System, shop: Path) -> None:
    place = Place(system, shop, "guide")
    bucket = f"guide-photos-{os.getpid()}"
    store = ImageStore(system.stores.settings(minio_bucket_name=bucket))
    store.ensure_bucket()
    for photo in (shop / "shop").iterdir():
        store.put(f"summer/{photo.name}", photo.read_bytes(), "image/jpeg")
        (shop / photo.name).write_bytes(photo.read_bytes())  # beside products.csv on the web
    env = {**os.environ, **place.env, "ETL_ALLOW_PRIVATE": "true"}
    with WebServer(shop) as web:
        for command in COMMANDS:
            here = command.replace("python -m", f"{sys.executable} -m").replace(WEB, web.url)
            done = subprocess.run(
                ["bash", "-e", "-c", here.replace("s3://photos", f"s3://{bucket}")],
                cwd=shop, env=env, capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{command}{done.stdout}{done.stderr}"
    items = place.items()
    assert {item.source for item in items.values()} == {"shop", "web", "summer", "supplier", "products"}
    assert items["S-1"].metadata() == {"title": "A coat", "source": "supplier"}
    assert {id for id in items if id.startswith("A-")} == {"A-3"}  # 1 and 2 went by their ids, 4 by the filter
    assert len(place.vectors.collections()) == 1


def test_the_guide_tells_of_every_flag_and_metric() -> None:
    for group in GROUPS:
        for flag in group.flags:
            assert re.search(rf"^\| `{flag.option}`.* \| `{flag.variable}` \| .+ \|$", GUIDE, re.M), flag.option
    for metric in LoadMetrics().registry.collect():
        assert metric.name in GUIDE, metric.name
