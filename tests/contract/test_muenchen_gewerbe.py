"""The trade office of München against its twin: taken first, decided later. What holds for every adapter is in the conformance suite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
import pytest_asyncio
from pydantic import SecretStr

from adapters.interface import Accepted, AnswersLater, Document, Refusal
from adapters.kit import UnclearAnswer
from adapters.muenchen.gewerbe.adapter import MuenchenGewerbe
from adapters.muenchen.gewerbe.twin import MuenchenGewerbeTwin
from adapters.twins.book import REFUSAL, Mood, Temper
from adapters.twins.twin import Site
from schemas.errors import DestinationDown

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def twin(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MuenchenGewerbeTwin]:
    """A twin of its own."""
    made = MuenchenGewerbeTwin(Site("127.0.0.1", 0, "stadtbus", SecretStr("secret"), tmp_path_factory.mktemp("twin")))
    await made.open()
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="module")
async def adapter(twin: MuenchenGewerbeTwin) -> AsyncIterator[MuenchenGewerbe]:
    """The adapter, connected to it."""
    made = MuenchenGewerbe(MuenchenGewerbe.Settings.model_validate(twin.office_settings() | {"answer_limit_s": 2}))
    yield made
    await made.close()


def document() -> Document:
    """Something that the twin takes."""
    number = uuid4()
    return Document(number, f"{number}.xml", "application/xml", f"<vorgang antragsnummer='{number}'/>".encode())


async def test_answers_later(adapter: MuenchenGewerbe) -> None:
    """The bus can see that this office decides later."""
    assert isinstance(adapter, AnswersLater)


async def test_taken_then_accepted(twin: MuenchenGewerbeTwin, adapter: MuenchenGewerbe) -> None:
    """A hand-over is confirmed with a number; there is no outcome until the office has decided, then it is accepted, for good."""
    twin.decides_after = timedelta(hours=1)
    delivered = await adapter.deliver(document(), 1)
    assert await adapter.outcome(delivered.reference) is None
    twin.decides_after = timedelta(0)
    assert [await adapter.outcome(delivered.reference) for _ in range(2)] == [Accepted()] * 2


async def test_taken_then_turned_down(twin: MuenchenGewerbeTwin, adapter: MuenchenGewerbe) -> None:
    """What the office turns down later comes with its code."""
    one = document()
    twin.turned_down.add(str(one.submission_id))
    twin.decides_after = timedelta(0)
    delivered = await adapter.deliver(one, 1)
    assert await adapter.outcome(delivered.reference) == Refusal(REFUSAL)


@pytest.mark.parametrize(("mood", "expected"), [(Mood.FAIL, DestinationDown), (Mood.GARBAGE, UnclearAnswer), (Mood.ENDLESS, UnclearAnswer)])
async def test_no_outcome_is_made_up(twin: MuenchenGewerbeTwin, adapter: MuenchenGewerbe, mood: Mood, expected: type[Exception]) -> None:
    """A question that is not answered raises; it is never taken for an outcome."""
    delivered = await adapter.deliver(document(), 1)
    twin.book.set(Temper(mood))
    with pytest.raises(expected):
        await adapter.outcome(delivered.reference)


async def test_unknown_number_is_no_outcome(adapter: MuenchenGewerbe) -> None:
    """A number that the office does not know raises, and a strange one stays within the path."""
    for reference in ("GM-999999", "../stand"):
        with pytest.raises(DestinationDown):
            await adapter.outcome(reference)
