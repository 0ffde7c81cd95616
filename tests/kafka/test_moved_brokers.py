"""Brokers that come back at other addresses under the same bootstrap name, as behind a load balancer or in Kubernetes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from infra.kafka import clients
from infra.kafka.jars import java
from infra.kafka.local import LocalKafka
from infra.kafka.local_settings import HOST
from infra.settings import StoreSettings
from infra.stores import Store
from infra.tasks import in_background
from schemas.errors import UsageError
from tests.kafka.helpers import eventually, fill, new_topic, settings_for
from tests.kafka.test_stored_reader import metadata, numbers, reader, records
from tests.kafka_service import free_port

try:
    java()
except UsageError as error:
    pytest.skip(str(error), allow_module_level=True)


@asynccontextmanager
async def leading_to(ports: list[int]) -> AsyncIterator[str]:
    """An address that leads to the last of these ports, for each new connection anew."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            there_reader, there_writer = await asyncio.open_connection(HOST, ports[-1])
            await asyncio.gather(pass_on(reader, there_writer), pass_on(there_reader, writer))
        writer.close()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while part := await reader.read(65536):
                writer.write(part)
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    try:
        yield f"{HOST}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_readers_find_brokers_that_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that knows only addresses where nobody is any more asks the bootstrap address again, and reads on."""
    monkeypatch.setattr(clients, "_NO_CONTACT_LIMIT_S", 1)
    ports = [free_port(1)]
    before = LocalKafka(tmp_path / "kafka", port=ports[0])
    await asyncio.to_thread(before.start, outlive=False, say=print)
    async with leading_to(ports) as bootstrap:
        kafka = settings_for(bootstrap)
        topic = await new_topic(kafka)
        await fill(kafka, records(topic, range(50)))
        store = Store(StoreSettings(folder=tmp_path / "stores"), "counts", metadata)
        async with in_background(reader(kafka, store, topic).run):
            await eventually(lambda: len(numbers(store)) == 50)
            await asyncio.to_thread(before.stop)
            ports.append(free_port(1))
            after = LocalKafka(tmp_path / "kafka", port=ports[-1])
            await asyncio.to_thread(after.start, outlive=False, say=print)
            await fill(kafka, records(topic, range(50, 100)))
            await eventually(lambda: len(numbers(store)) == 100, limit_s=60)
        store.close()
        await asyncio.to_thread(after.stop)
