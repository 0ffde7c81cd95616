"""Tests against a real Apache Kafka. Nothing starts before a test asks for it."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from infra.kafka.jars import java
from infra.kafka.local import LocalKafka
from infra.kafka.local_security import ADMIN
from infra.settings import KafkaSettings, StoreSettings
from schemas.errors import UsageError
from stadtbus.local.system import Logins
from tests import kafka_service, postgresql
from tests.delivery_model import Office as BackOffice
from tests.kafka.helpers import quick
from tests.kafka.live_office import LiveOffice
from tests.kafka.town import Town, new_town

_LEFT_BEHIND: Final = ("Unclosed AIOKafka", "unclosed transport", "unclosed <(socket|ssl)")
"""A connect of aiokafka that is cancelled, or refused by its broker, leaves a connection to the collector of garbage, which tells of it in whatever test
runs then: shown at the end of the run, and no failure of that test.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder as one that needs Kafka."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("kafka")
            for message in _LEFT_BEHIND:
                item.add_marker(pytest.mark.filterwarnings(f"default:{message}:ResourceWarning"))


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left_for_others() -> Iterator[None]:
    """What the tests of one file have left behind is collected with them, and not in a test without Kafka, where it is a failure."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    """One event loop for all tests of a file, because the system that they look at lives in it."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="session")
def kafka_logins() -> Iterator[Logins]:
    """One Kafka for the whole session, by how a role gets in; tests use topics of their own."""
    try:
        with kafka_service.served() as logins:
            yield logins
    except UsageError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def kafka(kafka_logins: Logins) -> KafkaSettings:
    """Settings for that Kafka, of somebody who may do everything."""
    return quick(kafka_logins(ADMIN))


@pytest.fixture
async def town(kafka: KafkaSettings, tmp_path: Path) -> Town:
    """A city with one office that no other test has."""
    return await new_town(kafka, tmp_path)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Callable[[], LocalKafka]]:
    """Starts a cluster of three local brokers that a test may break; it is gone after the test."""
    try:
        java()
    except UsageError as error:
        pytest.skip(str(error))
    started: list[LocalKafka] = []

    def start() -> LocalKafka:
        kafka = LocalKafka(tmp_path / f"cluster-{len(started)}", brokers=3, port=kafka_service.free_port(3))
        started.append(kafka)
        kafka.start(outlive=False, say=print)
        return kafka

    yield start
    for kafka in started:
        for number in kafka.status().pids:
            kafka.kill(number, signal.SIGKILL)  # a stop in order takes seconds, and nobody will read the data again
        kafka.stop()


@pytest.fixture
def make_office(kafka: KafkaSettings, tmp_path: Path) -> Callable[[BackOffice], LiveOffice]:
    """Makes an office with a ledger on SQLite."""
    return lambda office: LiveOffice(kafka, StoreSettings(folder=tmp_path), office)


@pytest.fixture
def postgresql_stores() -> Iterator[StoreSettings]:
    """A PostgreSQL that several processes share."""
    programs = postgresql.programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed below /usr/lib/postgresql")
    with postgresql.served(programs) as server:
        yield StoreSettings(url=server.render_as_string(hide_password=False))
