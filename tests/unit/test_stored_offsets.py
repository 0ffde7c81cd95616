"""Where a reader goes on that stores offsets with the data."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from aiokafka import TopicPartition

from infra.kafka import stored_assignment
from infra.kafka.cluster import Log
from infra.kafka.sink import Sink, Tables
from infra.kafka.stored_offsets import ResumePoint, resume_point
from infra.kafka.stored_reader import StoredReader, TakeEnded
from infra.settings import KafkaSettings, StoreSettings
from infra.stores import Store

HERE, OTHER = "topic", "another"


@pytest.mark.parametrize(
    ("offset", "topic_id", "log", "expected"),
    [
        pytest.param(5, HERE, Log(HERE, 0, 9), ResumePoint(5), id="as it was"),
        pytest.param(9, HERE, Log(HERE, 9, 9), ResumePoint(9), id="all was read and is gone"),
        pytest.param(5, HERE, Log(HERE, 7, 9), ResumePoint(7, missing=2), id="gone before it was read"),
        pytest.param(5, None, Log(HERE, 0, 9), ResumePoint(5), id="from before ids were kept"),
        pytest.param(5, HERE, Log(None, 0, 9), ResumePoint(5), id="a broker that tells no ids"),
        pytest.param(5, OTHER, Log(HERE, 0, 9), ResumePoint(0, "topic-replaced"), id="another topic, longer"),
        pytest.param(5, OTHER, Log(HERE, 2, 4), ResumePoint(2, "topic-replaced", 2), id="another topic, some of it gone"),
        pytest.param(5, HERE, Log(HERE, 1, 4), ResumePoint(1, "log-shortened"), id="the same topic, shorter"),
        pytest.param(5, None, Log(HERE, 0, 4), ResumePoint(0, "log-shortened"), id="shorter, from before ids were kept"),
    ],
)
def test_where_a_reader_goes_on(offset: int, topic_id: str | None, log: Log, expected: ResumePoint) -> None:
    """At the stored offset in the same log, else at the first record: nothing is skipped, and what is gone is counted."""
    assert resume_point(offset, topic_id, log) == expected


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[StoredReader[Any]]:
    """A reader that has no partitions yet."""
    metadata = sa.MetaData()
    tables = Tables.on(metadata)
    store = Store(StoreSettings(folder=tmp_path), "test", metadata)
    yield StoredReader(KafkaSettings(), store, Sink(tables, decode=lambda one: one, apply=lambda *_: None), group="g", topics=["t"])
    store.close()


async def test_a_foreign_end_does_not_end_the_client(reader: StoredReader[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What the client's own work would end by, when partitions are assigned, begins the reader anew instead."""

    async def ends(*_: object) -> dict[str, Any]:
        raise asyncio.CancelledError

    monkeypatch.setattr(stored_assignment, "topics_of", ends)
    await reader.on_assigned(SimpleNamespace(_client=None), [TopicPartition("t", 0)])
    assert isinstance(reader._failure, TakeEnded)
