"""What the service reaches out to, what reaches it, and what it shows of itself to others on the machine."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from local.ports import HOST
from tests.photos import encoded, picture
from tests.stack import SECRET_KEY, System

SVG = '<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}"/></svg>'


class Ear:
    """A server that notes whether anybody connects."""

    def __init__(self) -> None:
        self._socket = socket.create_server((HOST, 0))
        self._socket.setblocking(False)
        self.address = f"{HOST}:{self._socket.getsockname()[1]}"

    def heard(self) -> bool:
        try:
            self._socket.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def ear() -> Iterator[Ear]:
    listening = Ear()
    yield listening
    listening.close()


def test_no_address_in_any_field_is_ever_fetched(api: httpx.Client, ear: Ear) -> None:
    photo = encoded(picture(), "JPEG")
    for scheme in ("http", "https", "ftp", "s3", "gopher"):
        url = f"{scheme}://{ear.address}/photo.jpg"
        api.post("/encode_text", json=[url])
        for field in ("query", "like", "file", "filters", "image_url"):
            api.post("/search-image", json={"query": "x"} | {field: url})
            api.post("/search-image", files={"query": (None, "x"), field: (None, url)})
            api.post("/search-image", data={"query": "x", field: url})
        api.post("/search-image", json={"query": "x", "filters": {"colour": url}})
        api.post("/encode_image", data={"files": url})
        for content in (url.encode(), SVG.format(url=url).encode()):
            api.post("/encode_image", files={"files": (url, content, "image/svg+xml")})
            api.post("/search-image", files={"file": (url, content, "text/uri-list")})
        api.post("/encode_image", files={"files": (url, photo, "message/external-body")})
        api.get(f"/items/{url}")
        api.get(
            "/facets", headers={"Referer": url, "X-Forwarded-Host": ear.address, "Forwarded": f"host={ear.address}"}
        )
        api.get("/livez", headers={"Host": ear.address})
    assert not ear.heard()
    socket.create_connection((HOST, int(ear.address.rpartition(":")[2]))).close()
    assert ear.heard()  # it would have heard


def test_one_port_is_open_to_others_and_what_speaks_pickle_is_not(system: System, api: httpx.Client) -> None:
    family = [psutil.Process(system.service.pid), *system.service.family()]
    listening = {
        (process.pid, connection.laddr.ip, connection.laddr.port)
        for process in family
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    others = {(pid, address) for pid, address, port in listening if port != system.port}
    # BentoML's supervisor takes orders, as JSON, on two ports of this machine alone: see docs/security.md.
    assert others <= {(system.service.pid, HOST)}
    assert system.port in {port for _, _, port in listening}
    # The runner takes pickle, on a socket in a folder that nobody else may enter.
    sockets = [
        Path(str(connection.laddr))
        for process in family
        for connection in process.net_connections("unix")
        if str(connection.laddr).startswith("/")
    ]
    assert sockets
    for path in sockets:
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700, path
        assert path.parent.stat().st_uid == os.getuid()
    pickle = b"cos\nsystem\n(S'touch /tmp/opened'\ntR."
    for content_type in ("application/vnd.bentoml+pickle", "application/octet-stream", "application/python-pickle"):
        for path_ in (
            "/encode_text",
            "/encode_image",
            "/search-image",
            "/encode_texts",
            "/encode_pixels",
            "/describe",
            "/",
        ):
            headers = {"content-type": content_type, "Args-Number": "1", "Payload-Container": "NdarrayContainer"}
            assert api.post(path_, content=pickle, headers=headers).status_code in (404, 405, 415), path_


def test_neither_the_process_list_nor_the_log_shows_a_secret(system: System, api: httpx.Client) -> None:
    api.get("/items/nothing")
    servers = [system.service, system.stores.milvus, system.stores.s3]
    processes = [psutil.Process(server.pid) for server in servers] + [one for s in servers for one in s.family()]
    assert len(processes) >= 5
    for process in processes:
        assert SECRET_KEY not in " ".join(process.cmdline())
    link = api.post("/search-image", json={"query": "red dress"}).json()["results"][0]["url"]
    signature = link.partition("X-Amz-Signature=")[2]
    log = system.log.read_text()
    assert SECRET_KEY not in log
    assert len(signature) == 64 and signature not in log


def test_an_error_of_the_store_tells_no_secret(system: System) -> None:
    from catalog.errors import CatalogError
    from catalog.images import ImageStore

    with pytest.raises(CatalogError) as caught:
        ImageStore(system.stores.settings(minio_secret_access_key="wrong-but-secret")).put("x", b"x", "image/png")
    assert "wrong-but-secret" not in repr(caught.value) + str(caught.value)
    settings = system.stores.settings()
    assert SECRET_KEY not in repr(settings) + str(settings) + json.dumps(settings.model_dump(mode="json"))
