from __future__ import annotations

from ipaddress import ip_network

import pytest

from api.errors import Overloaded, RateLimited
from api.limits import ConcurrencyLimit, RateLimit, client_address

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


def test_one_more_than_the_limit_is_refused_until_one_ends() -> None:
    limit = ConcurrencyLimit(1)
    with limit.slot(), pytest.raises(Overloaded), limit.slot():
        pass
    with limit.slot():
        assert limit.in_flight == 1


def test_a_slot_is_given_back_after_an_error() -> None:
    limit = ConcurrencyLimit(1)
    with pytest.raises(KeyError), limit.slot():
        raise KeyError
    assert limit.in_flight == 0


def test_being_full_is_remembered_for_a_moment() -> None:
    now = [0.0]
    limit = ConcurrencyLimit(2, clock=lambda: now[0])
    with limit.slot():
        assert not limit.full_lately
        with limit.slot():
            now[0] = 100
            assert limit.full and limit.full_lately
        now[0] = 102
        assert not limit.full and limit.full_lately
        now[0] = 104
        assert not limit.full_lately


def test_rate_is_counted_for_each_client_and_recovers() -> None:
    now = [0.0]
    rate = RateLimit(2, clock=lambda: now[0])
    for client in ("a", "a", "b"):
        rate.take(client)
    with pytest.raises(RateLimited) as caught:
        rate.take("a")
    assert caught.value.headers["Retry-After"] == "30"
    now[0] = 30
    rate.take("a")


def test_a_flood_of_clients_does_not_fill_the_memory() -> None:
    rate = RateLimit(1, max_clients=10)
    for number in range(1000):
        rate.take(str(number))
    assert len(rate._buckets) == 10


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", "1.2.3.4", "203.0.113.9"),  # not from a proxy: the header is the client's invention
        ("10.0.0.1", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4"),  # what stands left of a stranger is his invention
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "garbage", "10.0.0.1"),
        ("fd00::1", "2001:db8::1", "2001:db8::1"),
    ],
)
def test_only_trusted_proxies_say_where_a_request_came_from(peer: str, forwarded: str, client: str) -> None:
    assert client_address(peer, forwarded, PROXIES) == client
