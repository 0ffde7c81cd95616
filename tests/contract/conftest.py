"""Twins on free ports of the loopback address, shared by a module and in good mood before each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from adapters import registry
from adapters.interface import Adapter
from adapters.twins.book import Mood
from adapters.twins.server import Twins
from adapters.twins.settings import TwinsSettings


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running_twins() -> AsyncIterator[Twins]:
    """All twins, with the books of the whole module."""
    twins = Twins(TwinsSettings(control_port=0, first_port=0))
    await twins.start()
    yield twins
    await twins.stop()


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def twins(running_twins: Twins) -> Twins:
    """The same twins, all in the mood `ok`."""
    for office in running_twins.twins:
        await running_twins.set_mood(office, Mood.OK)
    return running_twins


@pytest_asyncio.fixture(scope="class", loop_scope="module")
async def adapter(request: pytest.FixtureRequest, running_twins: Twins) -> AsyncIterator[Adapter]:
    """The adapter of the office that the test class names, connected to its twin; one for all tests of the class."""
    office: str = request.cls.office
    adapter = registry.connect(office, running_twins.office_settings()[office])
    yield adapter
    await adapter.close()


@pytest_asyncio.fixture(loop_scope="module")
async def control(twins: Twins) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the control port."""
    async with httpx.AsyncClient(base_url=twins.control_url, trust_env=False) as client:
        yield client
