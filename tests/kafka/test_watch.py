"""On a real bus: the watch keeps what processes and operators say, also when it is killed, and every record is as the AsyncAPI document says."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError

from consumers.desk.operations import note
from consumers.watch import snapshot
from consumers.watch.model import Judgement, Verdict
from consumers.watch.notices.store import known
from consumers.watch.store import StoredHeartbeat, all_operations, last_heartbeats, open_store
from infra.kafka.clients import connection_options
from infra.kafka.consumer_record import ConsumerRecord
from infra.kafka.jars import java
from infra.kafka.reading import read_all
from infra.kafka.rights import WATCH
from producers.synthetic import messages
from schemas import asyncapi, topics
from schemas.errors import UsageError
from schemas.heartbeats import ProcessKind
from schemas.operations import Operation, OperatorAction
from stadtbus.local.system import LocalSystem, Shape
from stadtbus.ports import port_of
from stadtbus.settings import CONFIG_VARIABLE
from tests import asyncapi_contract
from tests.kafka.helpers import committed
from tests.kafka_service import free_system_offset

try:
    java()
except UsageError as error:
    pytest.skip(str(error), allow_module_level=True)

OFFICE = "nuernberg.meldewesen"
START = datetime.fromisoformat("2026-01-05T07:30:00.000+01:00")
SHAPE = Shape(
    processes=["gateway", OFFICE, "audit", "statistics", "watch"],
    environment={
        "STADTBUS_DELIVERY__IMMEDIATE_RETRIES": "0",
        "STADTBUS_DELIVERY__FIRST_BACKOFF_S": "2",
        "STADTBUS_WATCH__NOTICES__WEBHOOK__URL": "http://127.0.0.1:9/nobody-listens",
        "STADTBUS_WATCH__NOTICES__WEBHOOK__SECRET": f"whsec_{'A' * 43}=",
    },
)
ALL = {"submission", "parkedCopy", "deadLetter", "statusEvent", "operation", "heartbeat"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalSystem]:
    """A bus with a Kafka of its own."""
    made = LocalSystem(tmp_path_factory.mktemp("bus"), port_offset=free_system_offset(), shape=SHAPE)
    await made.start(fresh=True)
    yield made
    await made.stop()


def heard(system: LocalSystem) -> dict[ProcessKind, StoredHeartbeat]:
    """The last heartbeat of each process, as the watch has kept it."""
    store = open_store(system.stores)
    try:
        return {one.heartbeat.process: one for one in store.read_now(last_heartbeats)}
    finally:
        store.close()


def actors(system: LocalSystem) -> list[str]:
    """Who has done something, as the watch has kept it."""
    store = open_store(system.stores)
    try:
        return [one.operation.actor for one in store.read_now(all_operations)]
    finally:
        store.close()


def causes(system: LocalSystem) -> set[str]:
    """Of what the watch will tell somebody, as it has kept it."""
    store = open_store(system.stores)
    try:
        return {one.cause.key for one in store.read_now(known)}
    finally:
        store.close()


async def until(condition: Callable[[], bool], limit_s: float = 45) -> None:
    """Return as soon as the condition holds."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)


async def send(system: LocalSystem, seed: int, number: int) -> None:
    """Submit so many messages to the office."""
    (entry,) = [one for one in system.portals if one.route.office == OFFICE]
    portal = system.portal(entry)
    await portal.send_all(itertools.islice(messages.messages(entry.route, entry.author, seed=seed, start=START), number))
    assert not portal.book.rejected
    await portal.close()


def operation(actor: str) -> Operation:
    """Something that an operator does."""
    return Operation(at=datetime.now(UTC), actor=actor, action=OperatorAction.REPLAY, office=OFFICE, count=1)


@pytest.mark.asyncio(loop_scope="module")
async def test_heartbeats_say_what_processes_do(system: LocalSystem) -> None:
    """All processes are heard; the adapter says what is in flight and that its back office is down, the watch has that to tell, and later not."""
    await until(lambda: set(heard(system)) == set(ProcessKind))
    await system.set_mood(OFFICE, "away")
    await send(system, seed=1, number=20)

    def is_down() -> bool:
        said = heard(system)[ProcessKind.ADAPTER].heartbeat
        return bool(said.breaker and said.breaker.open and said.in_flight == 20)

    await until(is_down)
    said = heard(system)[ProcessKind.ADAPTER].heartbeat
    assert (said.office, "office" in said.findings) == (OFFICE, True)
    assert said.breaker is not None and said.breaker.since is not None  # noqa: PT018 - for the type checker
    assert said.oldest_in_flight_since is not None
    behind = [one for one in said.partitions.values() if one.oldest_since is not None]
    assert behind
    assert all((one.committed or 0) < one.position for one in behind)
    await until(lambda: f"{OFFICE}:stuck:back-office-down" in causes(system))
    await system.set_mood(OFFICE, "ok")

    def is_done() -> bool:
        said = heard(system)[ProcessKind.ADAPTER].heartbeat
        return bool(said.breaker and not said.breaker.open and said.in_flight == 0)

    await until(is_done)
    said = heard(system)[ProcessKind.ADAPTER].heartbeat
    read = {name: one for name, one in said.partitions.items() if topics.submissions(OFFICE) in name}
    assert sum(one.position for one in read.values()) == 20
    assert all(one.committed == one.position for one in read.values())


@pytest.mark.asyncio(loop_scope="module")
async def test_clean_stop_is_said(system: LocalSystem) -> None:
    """A process that is stopped says so; one that is killed does not."""
    await system.supervisor.stop(["statistics"])
    await until(lambda: heard(system)[ProcessKind.STATISTICS].heartbeat.stopping)
    await system.supervisor.start([system.spec("statistics")])
    await until(lambda: not heard(system)[ProcessKind.STATISTICS].heartbeat.stopping)
    system.kill("statistics")
    await asyncio.sleep(1)
    assert not heard(system)[ProcessKind.STATISTICS].heartbeat.stopping


@pytest.mark.asyncio(loop_scope="module")
async def test_watch_says_since_when_it_is_up_to_date(system: LocalSystem) -> None:
    """At `/readyz`, which is ready then; and at `/asyncapi` what travels on the bus."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{port_of(system.settings, 'watch')}/readyz")
        document = (await client.get(f"http://127.0.0.1:{port_of(system.settings, 'watch')}/asyncapi")).json()
    assert (answer.status_code, answer.text.startswith("up to date: since 20")) == (200, True)
    assert document["info"]["title"] == "Stadtbus"


@pytest.mark.asyncio(loop_scope="module")
async def test_verdicts_need_no_right_to_read_submissions(system: LocalSystem) -> None:
    """The page has a verdict on each consumer, nothing that Kafka refused, and what is set aside; the same login cannot read a submission."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port_of(system.settings, 'watch')}") as http:

        async def office_judged() -> Judgement | None:
            answer = await http.get(snapshot.PATH)
            found = snapshot.read(answer.content) if answer.is_success else None
            assert found is None or (found.faults, found.kafka_fault) == ((), "")
            return next((one for one in found.judgements if one.name == OFFICE and one.dead_letters is not None), None) if found else None

        async with asyncio.timeout(60):
            while (judged := await office_judged()) is None or judged.verdict is not Verdict.OK:  # a better one is shown after three looks
                await asyncio.sleep(0.5)
        assert (judged.waiting, judged.members, judged.parked, judged.dead_letters) == (0, 1, 0, 0)
        scraped = (await http.get("/metrics")).text
        assert f'kafka_consumergroup_lag{{consumergroup="{OFFICE}",topic="{OFFICE}.submissions",partition="0"}} 0' in scraped
    async with AIOKafkaConsumer(**connection_options(system.login(WATCH)), auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition(topics.submissions(OFFICE), number) for number in range(topics.PARTITIONS)])
        with pytest.raises(TopicAuthorizationFailedError):
            await consumer.getmany(timeout_ms=10_000)


@pytest.mark.asyncio(loop_scope="module")
async def test_killed_between_store_and_acknowledgement(system: LocalSystem) -> None:
    """A record that was stored and not acknowledged comes again, and is there once."""
    await system.supervisor.stop(["watch"])
    await note(system.kafka, operation("before"))
    environment = os.environ | {CONFIG_VARIABLE: str(system.config), "STADTBUS_CRASH_AT": "watch.noted:1"}
    for _ in range(2):
        command = [sys.executable, "-m", "stadtbus", "run", "watch"]
        done = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, check=False, timeout=60)
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert actors(system) == ["before"]
        assert await committed(system.kafka, topics.GROUP_WATCH, topics.OPERATIONS) == {}
    await system.supervisor.start([system.spec("watch")])
    await note(system.kafka, operation("after"))
    await until(lambda: "after" in actors(system))
    assert actors(system) == ["before", "after"]

    async def acknowledged() -> int:
        return sum((await committed(system.kafka, topics.GROUP_WATCH, topics.OPERATIONS)).values())

    deadline = time.monotonic() + 30
    while await acknowledged() < 2:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)


@pytest.mark.asyncio(loop_scope="module")
async def test_records_are_as_the_document_says(system: LocalSystem, tmp_path: Path) -> None:
    """Key, headers, content type and value of each record in each topic of this run: accepted, delivered, parked, dead, told, noted, beating."""
    await system.set_mood(OFFICE, "busy")
    await send(system, seed=2, number=3)
    await asyncio.sleep(3)
    await system.set_mood(OFFICE, "refuse")
    await send(system, seed=3, number=3)
    await asyncio.sleep(3)
    document = asyncapi.document("1")
    deadline = time.monotonic() + 60
    while True:
        seen: list[ConsumerRecord] = []
        await read_all(system.kafka, [topic.name for topic in topics.all_topics(system.catalogue.offices)], seen.append)
        if {asyncapi_contract.message_of(document, record.topic) for record in seen} == ALL or time.monotonic() > deadline:
            break
        await asyncio.sleep(1)
    assert {asyncapi_contract.check(document, record) for record in seen} == ALL
