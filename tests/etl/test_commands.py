"""What the command does beside loading: look, remove, download, and show its metrics."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from catalog.errors import CatalogError
from etl import copying, load
from etl.dead_letters import DeadLetters
from etl.deletion import Deletion
from etl.differences import Differences, differences
from etl.errors import EtlError, RecordError
from etl.job import Job
from etl.jobs import app
from etl.metrics import LoadMetrics, MetricsServer
from etl.settings import EtlSettings
from etl.status import status
from etl.verify import verify
from local.ports import free_port
from tests.etl.proof.place import Place, Running, photos_of, write_folder, write_zip
from tests.etl.proof.recorder import Recorder
from tests.etl.web_server import WebServer
from tests.stack import SAMPLE, System

PHOTOS = photos_of(SAMPLE, 6)


@pytest.fixture
def place(system: System, tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    """A catalogue of this test's own."""
    return Place(system, tmp_path, request.node.name.removeprefix("test_")[:40])


@pytest.fixture
def job(place: Place) -> Iterator[Job]:
    with Job(settings_of(place)) as made:
        yield made


@pytest.fixture
def shop(place: Place, job: Job) -> Path:
    """Six photos, three of them red, that are loaded as the source `shop`."""
    folder = write_folder(PHOTOS, place.folder / "shop")
    rows = [f"{id}.jpg,{['red', 'blue'][n % 2]},{n}" for n, id in enumerate(PHOTOS)]
    (folder / "metadata.csv").write_text("\n".join(["file,colour,shelf", *rows]) + "\n")
    load.run(job, str(folder))
    return folder


def settings_of(place: Place, **changes: Any) -> EtlSettings:
    values = {name.lower(): value for name, value in place.env.items()}
    return EtlSettings(_env_file=None, **(values | changes))


def test_delete(place: Place, job: Job, shop: Path) -> None:
    ids = list(PHOTOS)
    deletion = Deletion(job)
    assert [item.id for item in deletion.by_id([ids[0], "none"])] == ids[:1]
    assert {item.id for item in deletion.by_filter({"colour": "red"})} == set(ids[::2])
    assert {item.id for item in deletion.by_filter({"colour": ["red", "blue"], "shelf": 3})} == {ids[3]}
    assert len(deletion.by_source("shop")) == 6
    assert deletion.by_source("other") == []
    with pytest.raises(CatalogError):
        deletion.by_filter({"weight": 3})

    deletion.remove(deletion.by_id(ids[:1]))
    place.check_whole({id: PHOTOS[id] for id in ids[1:]})
    deletion.remove(deletion.by_filter({"colour": "red"}))
    place.check_whole({id: PHOTOS[id] for id in ids[1::2]})

    # The next load brings back what the source still holds, and nothing else is touched.
    load.run(job, str(shop))
    assert (job.progress.counts["encoded"], job.progress.counts["unchanged"]) == (3, 3)
    place.check_whole(PHOTOS)
    done = place.etl("delete", "--source", "shop", "--yes")
    assert (done.code, done.summary) == (0, "6 removed")
    place.check_whole({})
    assert job.state.sources() == []  # nothing is left to retry


@pytest.mark.usefixtures("shop")
def test_delete_asks_first(place: Place) -> None:
    refused = place.etl("delete", "--id", next(iter(PHOTOS)))  # nobody is there to say yes
    assert refused.code == 1
    assert "Remove 1 items and their photos?" in refused.err
    place.check_whole(PHOTOS)
    done = place.etl("delete", "--filter", '{"colour": "red"}', "--yes")
    assert (done.code, done.summary) == (0, "3 removed")


@pytest.mark.parametrize("arguments", [["run", "--no-such-flag"], ["run"], ["rebiuld"], ["delete"]])
def test_a_command_that_is_written_wrongly_has_an_exit_code_of_its_own(arguments: list[str]) -> None:
    assert CliRunner(env={"ETL_SOURCE": None}).invoke(app, arguments).exit_code == 2


def test_status_tells_and_verify_finds_what_is_wrong(place: Place, job: Job, shop: Path) -> None:
    found = status(job)
    (source,), (collection,) = found["sources"], found["collections"]
    assert (collection["searched"], collection["items"]) == (True, 6)
    assert (source["name"], source["address"], source["items"], source["failed"]) == ("shop", str(shop), 6, {})
    assert source["ended"] >= source["began"]
    assert not source["interrupted"]
    model = job.encoder.model()
    sound = verify(job, place.collection(), model)
    assert (sound.differences.items, sound.searched, sound.troubles) == (6, 6, [])

    first, second = list(place.items().values())[:2]
    place.images.remove([first.object])  # a photo that is gone, and one that is another item's
    place.images.put(second.object, PHOTOS[list(PHOTOS)[5]], "image/jpeg")
    place.images.put("shop/nobody.jpg", b"x", "image/jpeg")
    elsewhere = settings_of(place, etl_state_dir=place.folder / "other-state")
    with Job(elsewhere) as other:
        assert status(other)["loaded_elsewhere"] == {"shop": 6}
    wrong = verify(job, place.collection(), model)
    assert (wrong.missing_photos, wrong.not_found) == ([first.id], [second.id])
    assert wrong.differences.unused_objects == ["shop/nobody.jpg"]
    told = place.etl("status", "--verify", "--json")
    assert told.code == 3
    assert json.loads(told.out)["verified"]["missing_photos"] == [first.id]
    assert f"1 items have no photo in the store, such as {first.id}" in told.err

    # What is missing or too many a retry mends; a photo under a wrong name is as good as another to it.
    assert place.etl("retry").code == 0
    left = verify(job, place.collection(), model)
    assert (left.differences, left.not_found) == (Differences(items=6), [second.id])
    deletion = Deletion(job)
    deletion.remove(deletion.by_id([second.id]))
    load.run(job, str(shop))
    assert verify(job, place.collection(), model).troubles == []


def test_retry_mends_what_a_server_lost(place: Place, job: Job, shop: Path) -> None:
    first, second, third = list(place.items().values())[:3]
    place.vectors.delete(place.collection(), [first.id, second.id])  # Milvus lost them
    place.images.remove([second.object, third.object])  # and the store these
    (shop / f"{third.id}.jpg").unlink()  # which is not to be had any more
    found = differences(job)
    assert ([item.id for item in found.missing_photos], found.lost_items) == (
        [third.id],
        {"shop": sorted([first.id, second.id])},
    )
    assert (found.unused_objects, found.to_remove("shop")) == ([first.object], [])  # its item comes back
    assert place.etl("status", "--verify").code == 3

    told = place.etl("retry", "shop")
    assert told.code == 3
    assert "1 missing_file" in told.err
    assert differences(job).missing_photos == [third]
    assert place.items().keys() == PHOTOS.keys()


def test_only_download_then_load(place: Place, job: Job) -> None:
    site = write_folder(PHOTOS, place.folder / "site")
    rows = [json.dumps({"file": f"{id}.jpg", "title": id, "file_size": 7}) for id in PHOTOS]
    with WebServer(site) as web:
        rows.append(json.dumps({"file": f"{web.url}/404/x.jpg"}))
        (site / "shop.jsonl").write_text("\n".join(rows))
        with Job(settings_of(place, etl_allow_private=True)) as fetching:
            folder, dead = copying.download(fetching, f"{web.url}/shop.jsonl", place.folder / "here")
            assert dead is not None
            assert dead.codes() == {"http_404": 1}
            assert not fetching.state.dead_letters("shop").exists()  # those of a load are not touched
            asked = web.asked.total()
            copying.download(fetching, f"{web.url}/shop.jsonl", place.folder / "here")
            assert fetching.progress.counts["unchanged"] == 6
            assert web.asked.total() == asked + 2  # the table, and the one that is not there
    with pytest.raises(EtlError, match="nothing has been loaded"):
        job.searched()  # nothing but files was made
    load.run(job, str(folder))
    place.check_whole(PHOTOS)
    assert {item.title for item in place.items().values()} == set(PHOTOS)


def test_only_download_an_archive(place: Place, job: Job) -> None:
    site = place.folder / "site"
    archive = write_zip(PHOTOS, site / "shop.zip")
    with WebServer(site) as web, Job(settings_of(place, etl_allow_private=True)) as fetching:
        kept, dead = copying.download(fetching, f"{web.url}/shop.zip", None)
        assert dead is None
        assert kept.read_bytes() == archive.read_bytes()
        assert kept.is_relative_to(place.state)
        with pytest.raises(EtlError, match="--to FOLDER is needed"):
            copying.download(fetching, f"{web.url}/table.csv", None)
        # What is refused is refused before anything is loaded.
        write_zip({"../evil": b"x"}, site / "slip.zip")
        with pytest.raises(EtlError, match="points outside"):
            copying.download(fetching, f"{web.url}/slip.zip", None)
        with pytest.raises(EtlError, match="private network"):
            copying.download(job, f"{web.url}/shop.zip", None)


def test_a_load_shows_its_metrics_while_it_works(place: Place, system: System) -> None:
    folder = write_folder(PHOTOS, place.folder / "shop")
    page = f"http://127.0.0.1:{(port := free_port())}/metrics"
    with Recorder(system.url) as recorder:
        recorder.gate.clear()
        run = place.start("run", str(folder), "--metrics-port", str(port), ETL_ENCODER_URL=recorder.url)
        try:
            begun = scraped(page, run, "etl_running 1.0")
        finally:
            recorder.gate.set()
        ended = scraped(page, run, "etl_running 0.0")  # at its end a load stays until it was looked at once more
        result = run.finish()
    assert result.code == 0, result.err
    assert 'etl_items_total{outcome="encoded"} 0.0' in begun
    assert "etl_last_success_timestamp_seconds{" not in begun
    assert 'etl_items_total{outcome="encoded"} 6.0' in ended
    assert "etl_expected_items 6.0" in ended
    assert 'etl_last_success_timestamp_seconds{source="shop"} 1.' in ended
    for stage in ("list", "read", "encode", "store", "insert"):
        assert f'etl_stage_seconds_total{{stage="{stage}"}}' in ended


def scraped(page: str, run: Running, words: str) -> str:
    """The metrics as soon as these words are among them."""
    deadline = time.monotonic() + 60
    while True:
        assert run.alive(), run.err
        assert time.monotonic() < deadline
        with contextlib.suppress(httpx.TransportError):
            if words in (text := httpx.get(page, trust_env=False).text):
                return text
        time.sleep(0.05)


def test_a_metrics_port_that_is_taken_is_one_line() -> None:
    server = MetricsServer(LoadMetrics(), port := free_port())
    with pytest.raises(EtlError, match=f"port {port} cannot be used"):
        MetricsServer(LoadMetrics(), port)
    server.close()


def test_a_retry_that_is_killed_forgets_nothing(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path / "shop.failed.jsonl")
    letters.begin()
    for id in ("a", "b", "c"):
        letters.add(id, f"{id}.jpg", RecordError("timeout", "too late"))
    for _ in range(2):  # killed twice, when it had come to one of three
        letters.begin(retry=True)
        letters.add("b", "b.jpg", RecordError("http_404", "gone"))
    assert {letter.id: letter.code for letter in letters.letters()} == {"a": "timeout", "b": "http_404", "c": "timeout"}
    letters.begin(retry=True)
    letters.add("b", "b.jpg", RecordError("http_404", "gone"))
    letters.end()
    assert [letter.id for letter in letters.letters()] == ["b"]


def test_one_load_at_a_time(place: Place, job: Job) -> None:
    job.begin()
    second = place.etl("delete", "--source", "shop", "--yes")
    assert second.code == 1
    assert "another load is at work here" in second.err
