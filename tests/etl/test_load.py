from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from catalog.images import ImageStore
from catalog.vectors import VectorDatabase
from tests.photos import encoded, picture
from tests.stack import SAMPLE, System


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four photos with a table, and one that is not in it."""
    for number in range(5):
        (tmp_path / f"{number}.png").write_bytes(encoded(picture(80, 80, seed=number)))
    (tmp_path / "metadata.csv").write_text(
        "file,name,color,price,on_sale\n"
        '0.png,First,red,10,true\n1.png,Second,,12,false\n2.png,Third,blue,13.5,true\n3.png,"Fourth, last",red,,\n'
    )
    return tmp_path


def items(system: System) -> dict[str, dict[str, object]]:
    vectors = VectorDatabase(system.stores.settings())
    collection = vectors.current()
    assert collection is not None
    found = {item.id: item.metadata() for page in vectors.iterate(collection) for item in page}
    vectors.close()
    return found


def encoded_photos(system: System) -> float:
    text = httpx.get(f"{system.url}/metrics", trust_env=False).text
    lines = [line for line in text.splitlines() if line.startswith('encoded_items_total{method="image"}')]
    return float(lines[0].split()[-1]) if lines else 0.0


def test_a_load_and_the_loads_after_it(system: System, folder: Path) -> None:
    first = system.etl("run", str(folder), "--source-name", "shop")
    assert "4 encoded" in first.stdout
    loaded = items(system)
    assert set(loaded) == {"0", "1", "2", "3"}
    assert loaded["0"] == {"title": "First", "colour": "red", "source": "shop", "price": 10.0, "on_sale": True}
    assert loaded["1"] == {"title": "Second", "source": "shop", "price": 12.0, "on_sale": False}
    assert loaded["3"]["title"] == "Fourth, last"
    assert list(system.stores.folder.rglob("data_*.parquet"))  # in a segment: Milvus Lite is slow with what is in none

    # Again: nothing is encoded, nothing doubled.
    before = encoded_photos(system)
    assert "4 unchanged" in system.etl("run", str(folder), "--source-name", "shop").stdout
    assert encoded_photos(system) == before
    assert items(system) == loaded

    # A changed photo is encoded again, changed data is not.
    (folder / "0.png").write_bytes(encoded(picture(80, 80, seed=77)))
    table = folder / "metadata.csv"
    table.write_text(table.read_text().replace("Second", "2nd").replace('3.png,"Fourth, last",red,,\n', ""))
    third = system.etl("run", str(folder), "--source-name", "shop")
    assert "1 encoded, 1 updated, 1 unchanged" in third.stdout
    assert encoded_photos(system) == before + 1
    assert items(system)["1"]["title"] == "2nd"
    assert "3" in items(system)  # what left the source goes only when asked

    assert "1 removed" in system.etl("run", str(folder), "--source-name", "shop", "--prune").stdout
    assert set(items(system)) == {"0", "1", "2"}
    names = set(ImageStore(system.stores.settings()).names("shop/"))
    assert names == {"shop/0.png", "shop/1.png", "shop/2.png"}
    with system.client() as api:
        deadline = time.monotonic() + 10
        while api.get("/facets").json()["total"] != 3:
            assert time.monotonic() < deadline
        assert api.get("/items/0").json()["metadata"]["colour"] == "red"


def test_two_sources_never_collide(system: System, folder: Path) -> None:
    system.etl("run", str(folder), "--source-name", "shop")
    other = system.etl("run", str(folder), "--source-name", "other", check=False)
    assert other.returncode == 3
    letters = [
        json.loads(line) for line in (Path(system.env["ETL_STATE_DIR"]) / "other.failed.jsonl").read_text().splitlines()
    ]
    assert {letter["code"] for letter in letters} == {"id_taken"}
    assert {item["source"] for item in items(system).values()} == {"shop"}


def test_bad_photos_are_told_and_the_good_ones_are_in(system: System, tmp_path: Path) -> None:
    good = encoded(picture(90, 70, seed=5), "JPEG")
    photos = {"good.jpg": good, "empty.jpg": b"", "words.jpg": b"no photo", "cut.jpg": good[: len(good) // 2]}
    for name, content in photos.items():
        (tmp_path / name).write_bytes(content)
    rows = "".join(f"{name}\n" for name in [*photos, "missing.jpg", "../../etc/hostname", "good.jpg"])
    (tmp_path / "metadata.csv").write_text("file\n" + rows)
    result = system.etl("run", str(tmp_path), "--source-name", "mixed", check=False)
    assert result.returncode == 3
    assert "6 photos could not be loaded" in result.stderr
    file = Path(system.env["ETL_STATE_DIR"]) / "mixed.failed.jsonl"
    reasons = {letter["path"]: letter["code"] for letter in map(json.loads, file.read_text().splitlines())}
    assert reasons == {
        "empty.jpg": "empty_file",
        "words.jpg": "unsupported_format",
        "cut.jpg": "truncated_image",
        "missing.jpg": "missing_file",
        "../../etc/hostname": "outside_source",
        "good.jpg": "duplicate_id",
    }
    assert "good" in items(system)
    assert system.etl("run", str(tmp_path), "--source-name", "mixed", "--max-failures", "6").returncode == 0


def test_what_is_still_listed_is_not_pruned_however_broken(system: System, folder: Path) -> None:
    table = folder / "metadata.csv"
    table.write_text("id,file\nkept-a,0.png\nkept-b,1.png\nkept-c,2.png\n")
    system.etl("run", str(folder), "--source-name", "pruned")
    table.write_text("id,file\nkept-a,../0.png\nkept-c,2.png\n")
    told = system.etl("run", str(folder), "--source-name", "pruned", "--prune", check=False).stdout
    assert "1 unchanged, 1 failed, 1 removed" in told
    assert {"kept-a", "kept-c"} <= set(items(system))
    # A row that cannot be read at all may be about any item.
    table.write_text("id,file\nkept-c,2.png\nkept-a,0.png,too,long\n")
    careful = system.etl("run", str(folder), "--source-name", "pruned", "--prune", check=False)
    assert "nothing is removed" in careful.stderr
    assert {"kept-a", "kept-c"} <= set(items(system))


def test_a_retry_finds_its_source_from_anywhere(system: System, folder: Path) -> None:
    (folder / "4.png").write_bytes(b"")
    (folder / "metadata.csv").write_text("file\n4.png\n")
    env = {**os.environ, **system.env}
    command = [sys.executable, "-m", "etl", "--source-name", "relative", "--id-prefix", "relative:"]
    done = subprocess.run([*command, folder.name], cwd=folder.parent, env=env, capture_output=True, check=False)
    assert done.returncode == 3
    (folder / "4.png").write_bytes(encoded(picture(80, 80, seed=4)))
    assert "1 encoded" in system.etl("retry", "relative").stdout


def test_a_link_out_of_the_folder_is_refused(system: System, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "link.jpg").symlink_to(SAMPLE / "images" / "001-t-shirt-blue.jpg")
    result = system.etl("run", str(tmp_path / "source"), "--source-name", "linked", check=False)
    assert result.returncode == 3
    assert "outside_source" in (Path(system.env["ETL_STATE_DIR"]) / "linked.failed.jsonl").read_text()


def test_mistakes_are_one_clear_line(system: System, folder: Path) -> None:
    missing = system.etl("run", "/no/such/folder", check=False)
    assert (missing.returncode, missing.stderr.strip()) == (1, "etl: /no/such/folder: there is no such file or folder")
    typo = system.etl("stauts", check=False)
    assert (typo.returncode, "did you mean 'status'?" in typo.stderr) == (2, True)
    (folder / "empty").mkdir()
    assert "there are no photos in it" in system.etl("run", str(folder / "empty"), check=False).stderr
    assert "nothing is known of a source 'none'" in system.etl("retry", "none", check=False).stderr
    assert "none" not in system.etl("status").stdout
    (folder / "metadata.csv").write_text("nothing\n1\n")
    assert "name the photos' column" in system.etl("run", str(folder), check=False).stderr
    (folder / "metadata.csv").write_text("file,source\n0.png,x\n")
    assert "--map source=other_name" in system.etl("run", str(folder), check=False).stderr


def test_the_service_away_is_waited_for(system: System, tmp_path: Path) -> None:
    shutil.copy(SAMPLE / "images" / "001-t-shirt-blue.jpg", tmp_path / "one.jpg")
    result = system.etl("run", str(tmp_path), "--encoder-url", "http://127.0.0.1:9", "--wait", "2", check=False)
    assert result.returncode == 1
    assert "trying again" in result.stderr
    assert "gave up after 2 s" in result.stderr
