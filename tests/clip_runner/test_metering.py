"""The seconds in which the runner is busy are the model's time, however many batches are under way at once."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from clip_runner.metering import BatchMeter, _SharedTime


class Clock:
    """Goes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_batches_that_are_under_way_at_once_share_the_time() -> None:
    clock = Clock()
    shared = _SharedTime(clock)
    first = shared.begin()
    clock.now += 4  # alone
    second = shared.begin()
    clock.now += 6  # both
    first_took = shared.end() - first
    clock.now += 1  # the second alone
    second_took = shared.end() - second
    clock.now += 50  # nothing to do
    third = shared.begin()
    clock.now += 2
    third_took = shared.end() - third
    assert (first_took, second_took, third_took) == pytest.approx((7, 4, 2))


def test_a_batch_that_fails_counts_too() -> None:
    registry = CollectorRegistry()
    meter = BatchMeter(registry)
    meter.started()
    with pytest.raises(ValueError, match="no model"), meter.batch("text", 3):
        raise ValueError("no model")
    with meter.batch("text", 2):
        pass
    assert registry.get_sample_value("runner_batch_items_sum", {"method": "text"}) == 5
    assert registry.get_sample_value("runner_batch_seconds_count", {"method": "text"}) == 2
    assert registry.get_sample_value("runner_batch_seconds_count", {"method": "image"}) == 0
    assert 0 < (registry.get_sample_value("runner_busy_seconds_total", {"method": "text"}) or 0) < 1
    assert registry.get_sample_value("runner_busy_seconds_total", {"method": "image"}) == 0
