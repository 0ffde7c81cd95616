"""The engine on a real Kafka when it stops, when partitions move, and when it is late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition

from consumers.delivery.ledger import Fenced
from consumers.engine import CaseState
from consumers.engine.starts import LedgerPosition
from infra.settings import KafkaSettings
from tests.kafka.helpers import committed, eventually, fill, new_topic
from tests.kafka.noting_handler import NotingHandler, end_of, engine_of, records, running


async def test_stopping_drains_and_commits(kafka: KafkaSettings) -> None:
    """After a stop under load nothing comes again: what ran was finished and committed, the rest was not begun."""
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 3_000))
    office = NotingHandler(delay_s=0.05)
    async with running(engine_of(kafka, topic, office, max_concurrency=50)):
        await eventually(lambda: office.got > 300)
    assert 300 < office.got == office.calls < 3_000
    assert sum((await committed(kafka, topic, topic)).values()) == office.got
    async with running(engine_of(kafka, topic, office)):
        await eventually(lambda: office.got == 3_000)
    assert (office.calls, office.disordered) == (3_000, {})


async def test_partitions_move_without_repeats(kafka: KafkaSettings) -> None:
    """When a second member joins under load, the first gives its own up in order: no record twice, no case out of order."""
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 3_000))
    office = NotingHandler(delay_s=0.02)
    first, second = (engine_of(kafka, topic, office, max_concurrency=30) for _ in range(2))
    async with running(first):
        await eventually(lambda: office.got > 300)
        async with running(second):
            await eventually(lambda: bool(first.core.partitions) and bool(second.core.partitions))
            await eventually(lambda: office.got > 2_000, 60)
        await eventually(lambda: office.got == 3_000, 60)
    assert (office.calls, office.disordered) == (3_000, {})


async def test_blocked_event_loop_does_no_harm(kafka: KafkaSettings) -> None:
    """When the loop stands still for longer than the session time-out, the member comes back, and every case is whole and in order."""
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 1_000))
    office = NotingHandler(delay_s=0.05)
    async with running(engine_of(kafka, topic, office, max_concurrency=40)) as (task,):
        await eventually(lambda: office.got > 100)
        time.sleep(kafka.session_timeout_s + 2)  # noqa: ASYNC251 - that is the trouble
        await eventually(lambda: {value for case in office.cases.values() for value in case} == set(range(1_000)), 90)
        assert not task.done()
    firsts = {key: list(dict.fromkeys(values)) for key, values in office.cases.items()}
    assert firsts == {key: sorted(values) for key, values in firsts.items()}
    assert office.calls <= 1_000 + 40


async def test_nothing_runs_after_partitions_are_revoked(kafka: KafkaSettings) -> None:
    """Work that does not end in time is cancelled before the partitions go, and what waits to come again does not come any more."""
    kafka = kafka.model_copy(update={"rebalance_timeout_s": 6})
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 100))
    office = NotingHandler(fail_share=1.0)
    office.stuck = {b"case-0"}
    async with running(engine_of(kafka, topic, office)):
        await eventually(lambda: office.under_way == 1 and office.calls > 100)
    calls = office.calls
    await asyncio.sleep(1)
    assert (office.under_way, office.calls) == (0, calls)


async def test_engine_that_fails_during_an_assignment_leaves_nothing_behind(kafka: KafkaSettings) -> None:
    """Partitions that arrive while the engine is already leaving are let go again; begun anew, it works."""
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 20))
    office = Reluctant()
    engine = engine_of(kafka, topic, office)
    task = asyncio.create_task(engine.run())
    await office.asked.wait()
    office.overtaken = True
    office.may_go.set()
    with pytest.raises(Fenced):
        await task
    assert (list(engine.core.partitions), engine.pipeline.tasks) == ([], ())
    office.overtaken = False
    async with running(engine):
        await eventually(lambda: office.got == 20, 30)


@pytest.mark.parametrize("method", ["on_assigned", "note_starts", "recognise", "capacity", "begin", "settle", "note_offsets"])
async def test_what_the_handler_raises_ends_the_run(kafka: KafkaSettings, method: str) -> None:
    """As the contract says: it comes out of the run, nothing is left running, and the next run delivers what is not committed."""
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 20))
    office = NotingHandler()
    as_usual = getattr(office, method)

    def fail_once(*args: Any) -> Any:
        if method == "note_offsets" and not any(args[0].values()):
            return as_usual(*args)  # what the first commit raises is logged by the client
        setattr(office, method, as_usual)
        raise Fenced

    setattr(office, method, fail_once)
    engine = engine_of(kafka, topic, office)
    assert isinstance(await end_of(engine), Fenced)
    assert (list(engine.core.partitions), engine.pipeline.tasks, office.under_way) == ([], (), 0)
    assert engine.check() == "Fenced; begun anew in a moment"
    async with running(engine):
        await eventually(lambda: {value for case in office.cases.values() for value in case} == set(range(20)))
        await eventually(lambda: engine.check() is None)


class Reluctant(NotingHandler):
    """An office whose first assignment waits until it may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.may_go = asyncio.Event(), asyncio.Event()
        self.overtaken = False

    def capacity(self, wanted: int) -> int:
        if self.overtaken:
            raise Fenced
        return wanted

    async def on_assigned(
        self, partitions: Sequence[TopicPartition]
    ) -> tuple[Mapping[TopicPartition, LedgerPosition], Mapping[bytes, CaseState]]:
        if not self.asked.is_set():
            self.asked.set()
            await self.may_go.wait()
            await asyncio.sleep(1.5)  # the reader looks once a second: by now the engine is on its way out
        return await super().on_assigned(partitions)
