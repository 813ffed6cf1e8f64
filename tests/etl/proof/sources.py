"""The same photos from every kind of source, among bad ones, and what no source may do."""

from __future__ import annotations

import random
import shutil
import tarfile
import zipfile
from collections import Counter
from collections.abc import Sequence

import numpy as np

from etl.dead_letters import DeadLetters
from etl.sources.s3 import S3Tree
from tests.etl.proof.place import write_folder
from tests.etl.proof.stage import Stage, loaded, write_table
from tests.etl.web_server import WebServer
from tests.photos import encoded, picture


def same_from_every_source(stage: Stage, kinds: Sequence[str] = ("url", "table", "tar", "s3")) -> list[str]:
    """Zip, URL and table give the same ids, photos and vectors; so do a compressed tar and an S3 prefix of some."""
    site = write_folder(stage.photos, stage.folder / "site")
    shutil.copy(stage.first.source, site / "shop.zip")
    names = [f"{id}.jpg" for id in stage.photos]
    write_table(site / "table.csv", [{"file": name, "number": i} for i, name in enumerate(names)])
    with tarfile.open(stage.folder / "shop.tgz", "w:gz") as archive:
        for name in names[: stage.few]:
            archive.add(site / name, name)
    reference = stage.first.place.item_vectors()
    assert reference.keys() == stage.photos.keys()
    figures = [f"zip: {stage.first.ended.summary}"]
    with WebServer(site) as web:
        sources = {
            "url": f"{web.url}/shop.zip",
            "table": f"{web.url}/table.csv",
            "tar": str(stage.folder / "shop.tgz"),
            "s3": _in_s3(stage) if "s3" in kinds else "",
        }
        for kind in kinds:
            place = stage.place(kind)
            ended = loaded(place, "run", sources[kind], "--source-name", "shop", "--allow-private")
            place.check_whole(stage.some() if kind in ("tar", "s3") else stage.photos)
            vectors = place.item_vectors()
            apart = max(float(np.abs(reference[id] - vector).max()) for id, vector in vectors.items())
            assert apart < 1e-5, f"{kind}: vectors differ by {apart}"
            figures.append(f"{kind}: {ended.summary}; same ids and photos, vectors differ by at most {apart:.1e}")
    return figures


def _in_s3(stage: Stage) -> str:
    """The photos as a prefix of a bucket of their own."""
    source = stage.place("s3-source")
    source.images.ensure_bucket()
    for id, content in stage.some().items():
        source.images.put(f"some/where/{id}.jpg", content, "image/jpeg")
    address = f"s3://{source.settings.minio_bucket_name}/some/where"
    assert len(list(S3Tree(address, source.settings, most=10**9).paths())) == len(stage.some())
    return address


def bad_photos_among_good_ones(stage: Stage) -> list[str]:
    """One photo in twenty is bad in some way: the good ones are in, the bad ones in the dead letters, each named."""
    place, good_ones = stage.place("bad"), stage.some()
    site = write_folder(good_ones, place.folder / "site")
    rows = [{"file": f"{id}.jpg"} for id in good_ones]
    expected: dict[str, str] = {}
    good = next(iter(good_ones.values()))
    for number in range(max(7, len(good_ones) // 20)):
        kind = number % 7
        name = f"bad-{number}.jpg"
        path = name
        if kind == 0:
            (site / name).write_bytes(good[: len(good) // 2])
        elif kind == 1:
            (site / name).write_bytes(b"")
        elif kind == 2:
            (site / name).write_bytes(b"this is no photo\n" * 100)
        elif kind == 4:
            path = f"/404/{name}"
        elif kind == 5:
            path = f"/slow/{name}"
        elif kind == 6:
            path = f"/trickle/{name}"
        code = ["truncated_image", "empty_file", "unsupported_format", "missing_file", "http_404", "timeout", "timeout"]
        expected[name] = code[kind]
        rows.insert(random.Random(number).randrange(len(rows)), {"file": path})
    with WebServer(site) as web:
        for row in rows:
            if row["file"].startswith("/"):
                row["file"] = web.url + row["file"]
        write_table(site / "metadata.csv", rows)
        arguments = ["run", str(site), "--source-name", "shop", "--allow-private", "--url-timeout", "2"]
        first = loaded(place, *arguments, code=3)
        place.check_whole(good_ones)
        letters = DeadLetters(place.state / "shop.failed.jsonl").letters()
        found = {letter.path.rpartition("/")[2]: letter.code for letter in letters}
        assert found == expected, {name: (found.get(name), code) for name, code in expected.items()}
        assert len(letters) == len(expected)
        assert f"{len(expected)} photos could not be loaded" in first.err
        figures = [f"{len(good_ones)} good ones in, {len(expected)} bad ones named: {dict(Counter(found.values()))}"]

        # Mended, and taken up by retry alone.
        mended = {name for name, code in expected.items() if code in ("truncated_image", "empty_file", "missing_file")}
        photos = {name: encoded(picture(70, 50, seed=i), "JPEG") for i, name in enumerate(sorted(mended))}
        for name, content in photos.items():
            (site / name).write_bytes(content)
        loaded(place, "retry", "shop", "--max-failures", str(len(expected)))
    place.check_whole(good_ones | {name.removesuffix(".jpg"): content for name, content in photos.items()})
    left = len(DeadLetters(place.state / "shop.failed.jsonl").letters())
    assert left == len(expected) - len(mended)
    return [*figures, f"retry: {len(mended)} that were mended are in, {left} are still named"]


def refusals(stage: Stage) -> list[str]:
    """What a source must not do: each is one clear line."""
    place = stage.place("refusals")
    good = next(iter(stage.photos.values()))
    slip, link, bomb = (place.folder / f"{name}.zip" for name in ("slip", "link", "bomb"))
    with zipfile.ZipFile(slip, "w") as archive:
        archive.writestr("good.jpg", good)
        archive.writestr("../../evil.jpg", good)
    with zipfile.ZipFile(link, "w") as archive:
        entry = zipfile.ZipInfo("link.jpg")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "../../../etc/hostname")
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.jpg", good)
        archive.filelist[0].file_size = 10 * 10**9
    outside = place.folder / "outside"
    outside.mkdir()
    (outside / "link.jpg").symlink_to("/etc/hostname")
    figures = []
    for file, words in ((slip, "points outside"), (link, "link that points outside"), (bomb, "claims to hold 10.0 GB")):
        ended = loaded(place, "run", str(file), code=1)
        assert words in ended.err, ended.err
        figures.append(ended.err.strip().splitlines()[-1].replace(f"{place.folder}/", ""))
    ended = loaded(place, "run", str(outside), code=3)
    letters = DeadLetters(place.state / "outside.failed.jsonl").letters()
    assert [letter.code for letter in letters] == ["outside_source"]
    figures.append(f"dead letter: {letters[0].message}")
    table = place.folder / "private.csv"
    write_table(table, [{"file": "http://169.254.169.254/latest/meta-data.jpg"}, {"file": "http://127.0.0.1/x.jpg"}])
    loaded(place, "run", str(table), code=3)
    letters = DeadLetters(place.state / "private.failed.jsonl").letters()
    assert [letter.code for letter in letters] == ["private_address"] * 2
    figures.append(f"dead letter: {letters[0].message}")
    ended = loaded(place, "run", "http://127.0.0.1:9/shop.zip", code=1)
    figures.append(ended.err.strip().splitlines()[-1])
    assert "--allow-private" in ended.err
    return figures
