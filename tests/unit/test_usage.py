"""What each portal uses of the outbox is what its rows say, whatever happens to them; and everybody finds room."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.health import Health
from infra.kafka.outgoing import Written
from infra.settings import StoreSettings
from producers.outbox import pending, republishing, room, tables, usage
from producers.outbox.outbox import Candidate, Outbox
from producers.outbox.room import Stock
from producers.outbox.tables import is_pending, submission
from producers.outbox.usage import Used
from schemas import problems
from schemas.errors import Rejected
from schemas.events import State
from schemas.problems import Problem
from tests import builders, outboxes
from tests.gateway import Gateway

OFFICES = ("muenchen.meldewesen", "augsburg.gewerbe")


def counted(box: Outbox) -> set[Used]:
    """What the rows say."""
    sums = (sa.func.count().filter(is_pending), sa.func.coalesce(sa.func.sum(sa.func.length(submission.c.content)), 0))
    query = sa.select(submission.c.portal, submission.c.office, *sums).group_by(submission.c.portal, submission.c.office)
    return {Used(*row) for row in box.store.read_now(lambda connection: connection.execute(query).all())}


def used(box: Outbox) -> set[Used]:
    """What is noted."""
    return set(box.store.read_now(usage.read))


class Portal(NamedTuple):
    """Who sends, and where to."""

    id: str
    office: str

    def candidate(self, content: bytes = b"<a/>") -> Candidate:
        """Something to accept."""
        return replace(outboxes.candidate(portal=self.id, content=content), office=self.office)


PORTALS = st.builds(Portal, st.sampled_from("ab"), st.sampled_from(OFFICES))
STEPS = st.one_of(
    st.tuples(st.just("accept"), PORTALS, st.integers(1, 9)),
    st.tuples(st.just("publish"), st.integers(0, 30), st.integers(1, 3)),
    st.tuples(st.just("end"), st.integers(0, 30), st.just(0)),
    st.tuples(st.just("put back"), st.integers(0, 30), st.integers(1, 3)),
)


@given(steps=st.lists(STEPS, max_size=30))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_usage_is_what_the_rows_say(steps: list[tuple[str, Portal | int, int]], tmp_path_factory: pytest.TempPathFactory) -> None:
    """After any submissions, repeats, publications, ends and rows that were put back, in any order, the sums are those of the rows."""
    box = Outbox(StoreSettings(folder=tmp_path_factory.mktemp("usage")), limit=1_000)
    try:
        asyncio.run(_take(box, steps))
    finally:
        box.store.close()


async def _take(box: Outbox, steps: list[tuple[str, Portal | int, int]]) -> None:
    sent: list[tuple[UUID, str]] = []
    for step, which, amount in steps:
        if isinstance(which, Portal):
            one = which.candidate(b"x" * amount)
            await box.accept(one)
            await box.accept(one)
            sent.append((one.message_id, one.office))
        elif step == "publish":
            waiting = (await builders.waiting(box))[:amount]
            for _ in range(2 if waiting else 0):  # noted once more after a crash
                await pending.note_published(box.store, [(row, Written(0, row.seq)) for row in waiting])
        elif step == "end" and sent:
            submission_id, office = sent[which % len(sent)]
            await outboxes.hear(box, builders.event(submission_id, State.DELIVERED, office=office))
        elif step == "put back":
            await republishing.put_back(box.store, list(range(which, which + amount)))
        assert {one for one in used(box) if one.pending or one.size_bytes} == {one for one in counted(box) if one.pending or one.size_bytes}


async def test_an_outbox_of_before_is_counted_once(tmp_path: Path) -> None:
    """An outbox that an earlier version has filled is counted when it is opened, and not again."""
    settings = StoreSettings(folder=tmp_path)
    box = Outbox(settings, limit=100)
    for portal in (Portal("a", OFFICES[0]), Portal("a", OFFICES[1]), Portal("b", OFFICES[0])):
        await box.accept(portal.candidate())
    await outboxes.publish(box)
    before = used(box)
    version = tables._MIGRATIONS.index(tables._count_usage)

    def as_before(connection: sa.Connection) -> None:
        connection.execute(tables.usage.delete())
        connection.execute(sa.text("UPDATE store_version SET version = :version"), {"version": version})

    await box.store.write(as_before)
    for _ in range(2):
        box.store.close()
        box = Outbox(settings, limit=100)
        assert used(box) == before == counted(box)
    box.store.close()


def fill(stock: Stock, portal: str, office: str) -> int:
    """Take as often as there is room."""
    taken = 0
    while stock.has_room(portal, office, 1):
        stock.add(portal, office, 1)
        taken += 1
    return taken


def test_a_portal_leaves_room_everywhere() -> None:
    """A portal that floods one office, then all, comes to a quarter and to half; another finds room at each of them."""
    stock = Stock(1_000)
    assert fill(stock, "flood", "a") == 250
    assert sum(fill(stock, "flood", office) for office in "bcdef") == 250
    assert [stock.has_room("honest", office, 1) for office in "abcdefg"] == [True] * 7


def test_an_office_that_is_down_leaves_room_for_others() -> None:
    """However many portals send to one office, it comes to half at most, and each other office has room."""
    stock = Stock(1_000)
    assert 450 <= sum(fill(stock, f"portal {number}", "down") for number in range(50)) <= 500
    assert fill(stock, "portal 0", "up") >= 100


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(-3, 3)), max_size=200))
def test_whoever_has_nothing_finds_room(steps: list[tuple[str, str, int]]) -> None:
    """Whatever was taken and given back: never more than all, and a portal that has nothing finds room at every office."""
    stock, held = Stock(4_000), dict.fromkeys(((portal, office) for portal in "abc" for office in "xyz"), 0)
    for portal, office, amount in steps:
        many = max(-held[portal, office], amount * 5)
        if many < 0 or stock.has_room(portal, office, many):
            stock.add(portal, office, many)
            held[portal, office] += many
        assert sum(held.values()) <= 4_000
    assert all(stock.has_room("honest", office, 1) for office in "xyz")


async def flood(box: Outbox, portal: Portal, content: bytes = b"<a/>") -> tuple[int, Problem | None]:
    """Send until something is refused: how many were taken, and why no more."""
    for taken in range(30):
        try:
            await box.accept(portal.candidate(content))
        except Rejected as error:
            return taken, error.problem
    return 30, None


async def test_a_flood_fills_nothing_for_another(bus: Gateway) -> None:
    """What was seen: one portal fills the outbox while Kafka is away, and another is still accepted, also for the same office."""
    box = bus.box
    box.room = room.Room(room.Limits(25, 1 << 20, 0), None)
    assert await flood(box, Portal("flood", OFFICES[0])) == (7, problems.INTAKE_FULL)
    await box.accept(Portal("honest", OFFICES[0]).candidate())
    await box.accept(Portal("honest", OFFICES[1]).candidate())


async def test_bytes_are_shared_as_rows_are(bus: Gateway) -> None:
    """Few large messages are as many small ones: a quarter of the bytes, and others find room; what is delivered makes room again."""
    box = bus.box
    box.room = room.Room(room.Limits(1_000, 40_000, 0), None)
    large = Portal("flood", OFFICES[0])
    assert await flood(box, large, b"x" * 1_000) == (10, problems.INTAKE_FULL)
    assert sum(one.size_bytes for one in used(box)) == 10_000
    await outboxes.publish(box)
    with pytest.raises(Rejected):  # its office has not got it, so it may have to be sent again
        await box.accept(large.candidate(b"x" * 1_000))
    await box.accept(Portal("honest", OFFICES[0]).candidate())
    rows = box.store.read_now(lambda connection: connection.execute(sa.select(submission.c.id)).scalars().all())
    await outboxes.hear(box, *(outboxes.event(one) for one in rows))
    await box.accept(large.candidate(b"x" * 1_000))


@pytest.fixture
def short_of_disk(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How much of the disk is free, to be changed."""
    free = [1 << 30]
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free[0]))
    return free


async def test_disk_that_gets_full_closes_intake_before(bus: Gateway, short_of_disk: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the floor nothing new is accepted, what is known is still confirmed, and readiness says so; above it all goes on."""
    box = bus.box
    monkeypatch.setattr(box.room, "_limits", room.Limits(100, 1 << 20, 1 << 28))
    portal = Portal("portal", OFFICES[0])
    sent = portal.candidate()
    await box.accept(sent)
    short_of_disk[0] = (1 << 28) - 1
    with pytest.raises(Rejected) as refused:
        await box.accept(portal.candidate())
    assert refused.value.problem == problems.INTAKE_FULL
    assert (await box.accept(sent)).repeated
    health: Health = bus.app.state.health
    told = "255 MiB of the disk are free; nothing is accepted below 256 MiB"
    assert health.findings(health.ready)["disk"] == told
    short_of_disk[0] = 1 << 28
    await box.accept(portal.candidate())
    assert "disk" not in health.findings(health.ready)
