from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from etl.encoder_client import BatchSize, Encoded, EncoderClient, EncoderModel
from etl.errors import EtlError, RecordError
from etl.waiting import Patience
from tests.etl.encoder_server import DIM, MODEL, Answer, EncoderServer, refusal, vectors

RUNS = EncoderModel(MODEL, DIM)
PHOTOS = [b"x" * (number + 1) for number in range(8)]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long the client waits where the service does not say how long."""
    monkeypatch.setattr("etl.waiting._SHORTEST", 0.05)


def client_of(server: EncoderServer, *, limit: float = 20, connections: int = 4) -> EncoderClient:
    return EncoderClient(server.url, Patience(limit, lambda _: None, threading.Event()), connections=connections)


def in_words(encoded: list[Encoded]) -> list[int | str]:
    """The length of each photo that has a vector, the code of each that has none."""
    return [one.code if isinstance(one, RecordError) else int(one[0]) for one in encoded]


def first(*answers: Answer) -> Callable[[list[bytes]], Answer]:
    """These answers one after the other, then what a healthy service says."""
    left = list(answers)
    return lambda photos: left.pop(0) if left else vectors(photos)


def test_no_proxy_is_asked_for_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with EncoderServer(vectors) as server:
        assert in_words(client_of(server).encode(PHOTOS[:2], RUNS)) == [1, 2]


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_left_alone_for_as_long_as_it_asks(status: int) -> None:
    with EncoderServer(first(refusal(status, "overloaded", Retry_After="1"))) as server:
        assert in_words(client_of(server).encode(PHOTOS, RUNS)) == [1, 2, 3, 4, 5, 6, 7, 8]
    (refused, _), (taken, photos) = server.asked
    assert taken - refused >= 1
    assert photos == PHOTOS  # busy is no reason to split


def test_the_service_may_ask_with_a_date() -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    with EncoderServer(first(refusal(503, "unavailable", Retry_After=until))) as server:
        client_of(server).encode(PHOTOS[:1], RUNS)
    assert server.asked[1][0] - server.asked[0][0] > 0.5  # dates have whole seconds


def test_a_connection_that_breaks_is_tried_again() -> None:
    with EncoderServer(first(Answer(None), Answer(None))) as server:
        assert in_words(client_of(server).encode(PHOTOS[:2], RUNS)) == [1, 2]


def test_a_batch_that_is_refused_is_split_until_the_one_to_blame_is_alone() -> None:
    def answer(photos: list[bytes]) -> Answer:
        return refusal(422, "invalid_value") if PHOTOS[5] in photos else vectors(photos)

    with EncoderServer(answer) as server:
        assert in_words(client_of(server).encode(PHOTOS, RUNS)) == [1, 2, 3, 4, 5, "invalid_value", 7, 8]
    assert [len(photos) for _, photos in server.asked] == [8, 4, 4, 2, 1, 1, 2]


def test_a_batch_that_is_too_large_is_split() -> None:
    def answer(photos: list[bytes]) -> Answer:
        return vectors(photos) if sum(map(len, photos)) <= 8 else refusal(413, "body_too_large")

    with EncoderServer(answer) as server:
        assert in_words(client_of(server).encode([*PHOTOS, b"x" * 9], RUNS)) == [
            1,
            2,
            3,
            4,
            5,
            6,
            7,
            8,
            "body_too_large",
        ]


def test_each_photo_keeps_its_place_beside_bad_ones() -> None:
    def answer(photos: list[bytes]) -> Answer:
        found = vectors(photos)
        found.body["embeddings"][1] = None
        found.body["errors"] = [{"index": 1, "filename": "1", "code": "empty_file", "message": "it is empty"}]
        return found

    with EncoderServer(answer) as server:
        encoded = client_of(server).encode(PHOTOS[:3], RUNS)
    assert in_words(encoded) == [1, "empty_file", 3]
    assert isinstance(encoded[1], RecordError)
    assert encoded[1].lasting


def test_a_photo_on_which_the_service_fails_does_not_stop_the_others() -> None:
    def answer(photos: list[bytes]) -> Answer:
        return refusal(500, "internal") if PHOTOS[1] in photos else vectors(photos)

    with EncoderServer(answer) as server:
        client = client_of(server)
        done = threading.Event()

        def others() -> None:
            while not done.wait(0.05):
                client.encode(PHOTOS[:1], RUNS)

        with ThreadPoolExecutor(1) as pool:
            beside = pool.submit(others)
            try:
                encoded = client.encode(PHOTOS[:2], RUNS)
            finally:
                done.set()
            beside.result()
    assert in_words(encoded) == [1, "service_failed"]


def test_a_batch_that_takes_the_service_too_long_is_split_at_once() -> None:
    def answer(photos: list[bytes]) -> Answer:
        return refusal(504, "timeout") if len(photos) > 4 else vectors(photos)

    with EncoderServer(answer) as server:
        assert in_words(client_of(server).encode(PHOTOS, RUNS)) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [len(photos) for _, photos in server.asked] == [8, 4, 4]


def test_the_batch_size_finds_what_is_answered_within_seconds() -> None:
    size = BatchSize(32)
    for _ in range(3):
        size.took(size.now, 1.0)
    assert size.now == 32
    for _ in range(4):  # four under way at once are one piece of news
        size.took(32, 9.0)
    assert size.now == 16
    size.took(16, 5.0)
    assert size.now == 16
    size.took(5, 1.0)  # a small one that is quick says nothing about large ones
    assert size.now == 16


def test_connections_are_kept() -> None:
    with EncoderServer(vectors) as server:
        client = client_of(server, connections=2)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda _: client.encode(PHOTOS, RUNS), range(20)))
    assert len(server.asked) == 20
    assert server.connections <= 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refusal(401, "unauthorized"), "Set ETL_API_KEY to a key with the scope encode"),
        (refusal(404, "not_found"), "is this the service's address"),
        (Answer(200, vectors(PHOTOS[:1]).body | {"model": "model@2"}), "changed its model to model@2"),
        (vectors(PHOTOS[:3]), "answered 3 vectors for 1 photos"),
    ],
)
def test_what_no_waiting_mends_ends_the_load(answer: Answer, words: str) -> None:
    with EncoderServer(lambda _: answer) as server, pytest.raises(EtlError, match=words):
        client_of(server).encode(PHOTOS[:1], RUNS)


def test_a_service_that_stays_away_is_given_up() -> None:
    with (
        EncoderServer(lambda _: refusal(503, "unavailable")) as server,
        pytest.raises(EtlError, match="gave up after 1 s"),
    ):
        client_of(server, limit=1).encode(PHOTOS[:1], RUNS)
