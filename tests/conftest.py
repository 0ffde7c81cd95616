"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests import kafka_service


def pytest_report_header() -> str:
    """Say which Kafka will serve."""
    return f"kafka: {kafka_service.description()}"


@pytest.fixture(autouse=True)
def _environment_as_before() -> Iterator[None]:
    """What a command sets for the processes that it starts ends with the test."""
    before = dict(os.environ)
    yield
    if before != os.environ:
        os.environ.clear()
        os.environ.update(before)
