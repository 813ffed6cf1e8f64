"""nginx' real program with the real configuration: what it lets through, to whom, and what it keeps out."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from catalog.images import ImageStore
from tests.compose.door import Door, Instance
from tests.stack import System

pytestmark = pytest.mark.skipif(
    not shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"), reason="nginx is not installed"
)


@pytest.fixture
def instances() -> Iterator[list[Instance]]:
    running = [Instance("first"), Instance("second")]
    yield running
    for instance in running:
        instance.stop()


@pytest.fixture
def door(tmp_path: Path, instances: list[Instance]) -> Iterator[Door]:
    running = Door(tmp_path, service=" ".join(i.address for i in instances), store="127.0.0.1:9", RATE="1", BURST="5")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def system_door(tmp_path_factory: pytest.TempPathFactory, system: System) -> Iterator[Door]:
    """The door before the real service and the real store."""
    running = Door(
        tmp_path_factory.mktemp("door"),
        service=f"127.0.0.1:{system.port}",
        store=f"127.0.0.1:{system.stores.s3_port}",
        MAX_BODY_MB="1",
    )
    yield running
    running.stop()


def eventually(true: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_it_tells_the_service_who_asked_and_how(door: Door) -> None:
    sent = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https", "X-Request-ID": "mine"}
    seen = httpx.get(f"{door.inside}/facets", headers=sent, trust_env=False).text.splitlines()
    assert f"Host: {door.inside.removeprefix('http://')}" in seen
    assert "X-Real-IP: 127.0.0.1" in seen
    assert "X-Forwarded-For: 203.0.113.7, 127.0.0.1" in seen
    assert "X-Forwarded-Proto: https" in seen
    assert "X-Request-ID: mine" in seen


def test_one_address_cannot_have_it_all(door: Door) -> None:
    answers = [httpx.get(f"{door.api}/facets", trust_env=False) for _ in range(12)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 3
    assert refused[0].json()["error"]["code"] == "rate_limited"
    assert refused[0].headers["Retry-After"]
    # Health has no limit, and neighbours have none either.
    assert all(httpx.get(f"{door.api}/livez", trust_env=False).status_code == 200 for _ in range(12))
    assert all(httpx.get(f"{door.inside}/facets", trust_env=False).status_code == 200 for _ in range(12))


def test_metrics_stay_inside(door: Door) -> None:
    outside = httpx.get(f"{door.api}/metrics", trust_env=False)
    assert (outside.status_code, outside.json()["error"]["code"]) == (404, "not_found")
    assert httpx.get(f"{door.inside}/metrics", trust_env=False).status_code == 200


def test_an_instance_that_is_not_ready_is_left_out_and_taken_back(door: Door, instances: list[Instance]) -> None:
    first, second = instances

    def names() -> set[str]:
        return {httpx.get(f"{door.inside}/facets", trust_env=False).headers["X-Instance"] for _ in range(8)}

    eventually(lambda: names() == {"first", "second"})
    first.ready = False
    eventually(lambda: names() == {"second"})
    first.ready = True
    eventually(lambda: names() == {"first", "second"})
    # Where nobody is ready they can say so themselves.
    first.ready = second.ready = False
    time.sleep(1)
    assert names() <= {"first", "second"}


def test_an_instance_that_dies_costs_no_request(door: Door, instances: list[Instance]) -> None:
    eventually(lambda: httpx.get(f"{door.inside}/facets", trust_env=False).status_code == 200)
    with httpx.Client(trust_env=False) as client:
        for number in range(60):
            if number == 20:
                instances[0].stop()
            assert client.post(f"{door.inside}/search-image", content=b"x").status_code == 200


def test_nobody_there_is_said_in_the_services_words(tmp_path: Path) -> None:
    door = Door(tmp_path, service="127.0.0.1:9", store="127.0.0.1:9")
    try:
        answer = httpx.get(f"{door.api}/facets", trust_env=False)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
    finally:
        door.stop()


def test_a_search_answers_and_a_body_too_large_does_not(system_door: Door) -> None:
    found = httpx.post(f"{system_door.api}/search-image", json={"query": "red dress"}, trust_env=False)
    assert found.status_code == 200 and found.json()["results"]
    large = httpx.post(f"{system_door.api}/search-image", content=b"x" * 1_100_000, trust_env=False)
    assert (large.status_code, large.json()["error"]["code"]) == (413, "body_too_large")


def test_a_link_opens_through_the_photos_door_and_nothing_else_does(system_door: Door, system: System) -> None:
    store = ImageStore(system.stores.settings(minio_public_endpoint=system_door.photos))
    name = next(iter(store.names()))
    link = store.link(name)
    assert link.startswith(system_door.photos)
    opened = httpx.get(link, trust_env=False)
    assert opened.status_code == 200 and opened.content == store.get(name)
    assert opened.headers["X-Content-Type-Options"] == "nosniff"
    assert httpx.head(link, trust_env=False).status_code in (200, 403)  # signed for GET: the store decides
    for method in ("PUT", "POST", "DELETE", "PATCH"):
        assert httpx.request(method, link, trust_env=False).status_code == 403
    assert store.exists(name)
    assert httpx.get(link.replace("Signature=", "Signature=0"), trust_env=False).status_code == 403
    assert httpx.get(link.partition("?")[0], trust_env=False).status_code == 403
    assert httpx.get(f"{system_door.photos}/minio/health/live", trust_env=False).status_code == 404
    assert httpx.get(f"{system_door.photos}/", trust_env=False).status_code == 404


def test_a_link_whose_signature_allows_writing_writes_nothing(system_door: Door, system: System) -> None:
    from minio import Minio

    settings = system.stores.settings()
    secret = settings.minio_secret_access_key.get_secret_value()
    signer = Minio(
        system_door.photos.removeprefix("http://"), settings.minio_access_key_id, secret, secure=False,
        region=settings.minio_region,
    )  # fmt: skip
    link = signer.presigned_put_object("fashion", "written-through-the-door")
    assert httpx.put(link, content=b"x", trust_env=False).status_code == 403
    assert not ImageStore(settings).exists("written-through-the-door")


def test_its_log_names_requests_and_keeps_signatures_out(system_door: Door, system: System) -> None:
    link = ImageStore(system.stores.settings(minio_public_endpoint=system_door.photos)).link("no/such.jpg")
    httpx.get(link, trust_env=False)
    log = system_door.logs / "access.log"
    eventually(lambda: "no/such.jpg" in log.read_text())
    lines = [json.loads(line) for line in io.StringIO(log.read_text())]
    line = next(line for line in lines if line["path"].endswith("no/such.jpg"))
    assert (line["status"], line["process"], line["method"]) == (404, "nginx", "GET")
    assert "Signature" not in log.read_text()


def test_its_logs_are_put_aside_when_they_have_grown(instances: list[Instance]) -> None:
    where = " ".join(instance.address for instance in instances)
    # Started by root, nginx works as nobody, who must reach the files to begin new ones: no folder of pytest's.
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    door = Door(folder, service=where, store=where, LOG_MB="0", LOG_KEEP="2")
    try:

        def ask_until_twice_put_aside() -> bool:
            httpx.get(f"{door.api}/asked", trust_env=False)
            return (door.logs / "access.log.2").exists()

        eventually(ask_until_twice_put_aside)
        assert "/asked" in (door.logs / "access.log.2").read_text()
        # nginx goes on in a new file, and no more of them are kept than that.
        httpx.get(f"{door.api}/later", trust_env=False)
        eventually(lambda: any("/later" in file.read_text() for file in door.logs.glob("access.log*")))
        assert not (door.logs / "access.log.3").exists()
    finally:
        door.stop()
        shutil.rmtree(folder)


def test_gixy_finds_nothing(system_door: Door) -> None:
    # The Host header goes through as the client sent it, port included: it is a part of a link's signature.
    command = [str(Path(sys.executable).parent / "gixy"), "--skips", "host_spoofing", str(system_door.configuration)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
