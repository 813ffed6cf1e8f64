from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.errors import EtlError, RecordError
from etl.sources.download import Download
from etl.sources.web import WebSession, is_public, path_of_url
from etl.waiting import Patience
from tests.etl.web_server import WebServer

MOST = 100_000


@pytest.fixture
def site(tmp_path: Path) -> Iterator[WebServer]:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"a photo")
    (folder / "large.zip").write_bytes(bytes(range(256)) * 8000)
    with WebServer(folder) as server:
        yield server


@pytest.fixture
def web() -> Iterator[WebSession]:
    """A session that may connect to 127.0.0.1 and nowhere else."""
    session = WebSession(allowed=lambda address: address == "127.0.0.1", timeout=2, connections=2)
    yield session
    session.close()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two tries."""
    monkeypatch.setattr("etl.sources.web._PAUSE", 0.1)


def code(web: WebSession, url: str) -> str:
    with pytest.raises(RecordError) as caught:
        web.photo(url, None, MOST)
    return caught.value.code


def test_a_photo_and_whether_it_changed(site: WebServer, web: WebSession) -> None:
    photo = web.photo(f"{site.url}/a.jpg", None, MOST)
    assert photo is not None
    assert photo.content == b"a photo"
    assert web.photo(f"{site.url}/a.jpg", photo.mark, MOST) is None
    (site.folder / "a.jpg").write_bytes(b"another photo")
    again = web.photo(f"{site.url}/a.jpg", photo.mark, MOST)
    assert again is not None
    assert again.content == b"another photo"


def test_what_is_wrong_is_named(site: WebServer, web: WebSession) -> None:
    assert code(web, f"{site.url}/404/x.jpg") == "http_404"
    assert site.asked["/404/x.jpg"] == 1  # asking again would not help
    assert code(web, f"{site.url}/slow/x.jpg") == "timeout"
    assert code(web, f"{site.url}/trickle/x.jpg") == "timeout"
    assert code(web, f"{site.url}/endless/x.jpg") == "file_too_large"
    assert code(web, "http://127.0.0.1:9/x.jpg") == "unreachable"
    assert code(web, "http://no-such-host.invalid/x.jpg") == "unreachable"
    assert code(web, "http://[half/x.jpg") == "invalid_url"


def test_a_passing_failure_is_tried_again(site: WebServer) -> None:
    patient = WebSession(allowed=lambda _: True, timeout=10, connections=2)
    assert code(patient, f"{site.url}/503/x.jpg") == "http_503"
    assert site.asked["/503/x.jpg"] == 3


def test_a_redirect_is_followed_but_not_to_where_nobody_may_go(site: WebServer, web: WebSession) -> None:
    photo = web.photo(f"{site.url}/to/{site.url}/a.jpg", None, MOST)
    assert photo is not None
    assert photo.content == b"a photo"
    port = site.url.rpartition(":")[2]
    assert code(web, f"{site.url}/to/http://127.0.0.2:{port}/a.jpg") == "private_address"
    assert code(web, f"{site.url}/to/file:///etc/hostname") == "invalid_url"


def test_names_are_checked_by_their_addresses(site: WebServer) -> None:
    public = WebSession(allowed=is_public, timeout=2, connections=2)
    port = site.url.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433", "[::ffff:127.0.0.1]"):
        assert code(public, f"http://{host}:{port}/a.jpg") == "private_address"
    assert not site.asked


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::1", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(address) == public


def test_the_id_of_an_address() -> None:
    assert path_of_url("https://cdn.example/shop/a%20b.jpg") == "shop/a b.jpg"
    assert path_of_url("https://cdn.example/show?id=7") == "show?id=7"


def patience(said: list[str] | None = None, limit: float = 20) -> Patience:
    return Patience(limit, (said if said is not None else []).append, threading.Event())


def test_a_broken_download_goes_on_where_it_ended(site: WebServer, web: WebSession, tmp_path: Path) -> None:
    said: list[str] = []
    whole = (site.folder / "large.zip").read_bytes()
    site.break_after = 1_500_000
    file = Download(f"{site.url}/large.zip", tmp_path / "to", web, patience(said)).fetch()
    assert file.read_bytes() == whole
    assert (site.sent[200], site.sent[206]) == (1, 1)
    assert "away" in said[0]

    # Again: asked for, and not sent.
    Download(f"{site.url}/large.zip", tmp_path / "to", web, patience()).fetch()
    assert site.sent[304] == 1
    # Changed: sent.
    site.break_after = None
    (site.folder / "large.zip").write_bytes(b"new")
    assert Download(f"{site.url}/large.zip", tmp_path / "to", web, patience()).fetch().read_bytes() == b"new"


def test_a_download_that_changes_in_the_middle_begins_again(site: WebServer, web: WebSession, tmp_path: Path) -> None:
    site.break_after = 1_000_000
    result: list[Path] = []
    download = Download(f"{site.url}/large.zip", tmp_path / "to", web, patience())
    thread = threading.Thread(target=lambda: result.append(download.fetch()))
    thread.start()
    deadline = time.monotonic() + 10
    while not site.sent[200]:
        assert time.monotonic() < deadline
    (site.folder / "large.zip").write_bytes(b"other" * 100)
    thread.join(20)
    assert result[0].read_bytes() == b"other" * 100


def test_the_checksum_is_checked(site: WebServer, web: WebSession, tmp_path: Path) -> None:
    download = Download(f"{site.url}/a.jpg", tmp_path, web, patience())
    with pytest.raises(EtlError, match="the checksum is"):
        download.fetch(sha256="0" * 64)
    assert not download.file.exists()
    right = hashlib.sha256(b"a photo").hexdigest()
    assert download.fetch(sha256=right.upper()).read_bytes() == b"a photo"


def test_a_download_that_cannot_be_had_is_one_line(site: WebServer, web: WebSession, tmp_path: Path) -> None:
    with pytest.raises(EtlError, match="answers 404; is the address right"):
        Download(f"{site.url}/none.zip", tmp_path, web, patience()).fetch()
    with pytest.raises(EtlError, match="gave up after 1 s"):
        Download("http://127.0.0.1:9/x.zip", tmp_path, web, patience(limit=1)).fetch()
    with pytest.raises(EtlError, match="private network"):
        Download("http://127.0.0.2:9/x.zip", tmp_path, web, patience()).fetch()
