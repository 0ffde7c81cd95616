"""Metrics: what is counted at once is what would have been counted one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from infra.metrics import observe_all

BUCKETS = (0.0625, 0.5, 1, 60)
"""Numbers whose sums are exact: `sum` of others differs from adding one by one since Python 3.12."""
VALUES = st.one_of(st.sampled_from([*BUCKETS, 0, -1, 61]), st.integers(-10_000, 100_000).map(lambda number: number / 1024))


def shown(values: list[float], at_once: bool) -> bytes:
    """The page of a histogram with these values."""
    registry = CollectorRegistry()
    histogram = Histogram("seconds", "Test.", ["office"], buckets=BUCKETS, registry=registry).labels("a")
    if at_once:
        observe_all(histogram, values)
    else:
        for value in values:
            histogram.observe(value)
    return b"\n".join(line for line in generate_latest(registry).splitlines() if b"_created" not in line)


@given(values=st.lists(VALUES))
def test_many_at_once_are_as_many_one_by_one(values: list[float]) -> None:
    """Buckets, count and sum are the same, also at the bounds of buckets and for no value at all."""
    assert shown(values, at_once=True) == shown(values, at_once=False)


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_calls_add_up(parts: int) -> None:
    """Observing in parts comes to the same."""
    registry = CollectorRegistry()
    histogram = Histogram("seconds", "Test.", buckets=BUCKETS, registry=registry)
    for _ in range(parts):
        observe_all(histogram, [0.015625, 2.0])
    assert registry.get_sample_value("seconds_count") == 2 * parts
    assert registry.get_sample_value("seconds_bucket", {"le": "0.0625"}) == parts
