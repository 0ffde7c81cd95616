"""What all tests share."""

from __future__ import annotations

from tests import kafka_service


def pytest_report_header() -> str:
    """Say which Kafka will serve."""
    return f"kafka: {kafka_service.description()}"
