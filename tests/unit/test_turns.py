"""What goes to Kafka next: portals in turn, each case in its order, everything once, and nothing is passed over."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.kafka.outgoing import Written
from infra.settings import StoreSettings
from producers.outbox import pending, tables, turns
from producers.outbox.outbox import Outbox
from producers.outbox.pending import Pending
from producers.outbox.turns import Turns
from tests import builders, outboxes
from tests.outboxes import OFFICE

CASES = {name: UUID(int=number, version=4) for number, name in enumerate("abcdefgh", start=1)}


def shared(settings: StoreSettings) -> Outbox:
    """An outbox that no test fills; whoever names one of these cases writes into the same one."""
    box = Outbox(settings, limit=10_000)
    rows = [
        {"portal": portal, "office": OFFICE, "case_id": case, "key": case}
        for portal in ("f", "h", "p", "q", "r")
        for case in CASES.values()
    ]
    asyncio.run(box.store.write(lambda connection: connection.execute(tables.case_key.insert(), rows)))
    return box


async def accept(box: Outbox, portal: str, case: str | None = None, content: bytes = b"<a/>") -> None:
    """Accept one, of its own case unless one is named."""
    one = outboxes.candidate(portal=portal, content=content)
    await box.accept(replace(one, case_id=CASES[case]) if case else one)


async def note(box: Outbox, rows: Sequence[Pending]) -> None:
    """Kafka has taken these."""
    await pending.note_published(box.store, [(one, Written(0, one.seq)) for one in rows])


@pytest.fixture
def wide(store_settings: StoreSettings) -> Outbox:
    """An outbox of this test."""
    return shared(store_settings)


def portals_of(box: Outbox, rows: Sequence[Pending]) -> str:
    """Who sent these."""
    query = sa.text("SELECT seq, portal FROM submission")
    portal = dict(box.store.read_now(lambda connection: [tuple(row) for row in connection.execute(query)]))
    return "".join(portal[one.seq] for one in rows)


async def test_a_flood_puts_nobody_behind_it(wide: Outbox) -> None:
    """With a hundred of one portal in front, another's go with the first batch, half and half; alone, a portal has all of it."""
    for _ in range(100):
        await accept(wide, "f")
    lane = Turns(wide.store, OFFICE)
    assert portals_of(wide, (await lane.next(8)).rows) == "ffffffff"
    for _ in range(6):
        await accept(wide, "h")
    sent = []
    for _ in range(2):
        batch = await lane.next(8)
        await note(wide, batch.rows)
        sent.append(portals_of(wide, batch.rows))
        lane.sent(batch)
    assert sent == ["ffffhhhh", "ffffhh"]
    wide.store.close()


async def test_megabytes_are_shared_too(wide: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large messages of one portal take half of a batch, and small ones of another fill the other half; who was cut off begins next time."""
    monkeypatch.setattr(turns, "_BATCH_BYTES", 8_000)
    for _ in range(20):
        await accept(wide, "f", content=b"x" * 1_000)
        await accept(wide, "h", content=b"x" * 100)
    lane = Turns(wide.store, OFFICE)
    first = portals_of(wide, (await lane.next(100)).rows)
    assert (first.count("f"), first.count("h")) == (4, 20)
    for portal in "abcdefg":
        await accept(wide, portal, content=b"x" * 4_000)
    seen = []
    for _ in range(5):
        batch = await lane.next(100)
        lane.sent(batch)
        lane.begin_again()
        seen.append("".join(sorted(set(portals_of(wide, batch.rows)))))
    assert set("".join(seen)) == set("abcdefgh")
    wide.store.close()


async def test_a_case_of_two_portals_keeps_its_order(wide: Outbox) -> None:
    """Where two portals write into one case, the later message waits for the earlier one, also behind a flood, and nothing else does."""
    for _ in range(20):
        await accept(wide, "f")
    await accept(wide, "f", "a")
    await accept(wide, "h", "a")
    await accept(wide, "h", "b")
    lane, order = Turns(wide.store, OFFICE), ""
    while (batch := await lane.next(8)).rows:
        await note(wide, batch.rows)
        lane.sent(batch)
        order += portals_of(wide, batch.rows)
    assert order[:5] == "ffffh"
    assert order.endswith("h")
    assert len(order) == 23
    wide.store.close()


async def test_what_waited_is_not_passed_over_while_others_are_held(wide: Outbox) -> None:
    """Beside a held case the lane remembers how far it is; what waited for another portal's is sent all the same, when that has gone."""
    await accept(wide, "h", "b")
    for _ in range(5):
        await accept(wide, "f")
    await accept(wide, "f", "a")
    await accept(wide, "h", "a")
    await accept(wide, "h", "c")
    lane, cases = Turns(wide.store, OFFICE), []
    while (batch := await lane.next(4, frozenset({CASES["b"]}))).rows:
        await note(wide, batch.rows)
        lane.sent(batch)
        cases += [one.case_key for one in batch.rows]
    assert [case for case in cases if case in CASES.values()] == [CASES["c"], CASES["a"], CASES["a"]]
    assert [one.case_key for one in await builders.waiting(wide)] == [CASES["b"]]
    wide.store.close()


async def test_each_look_is_by_index(wide: Outbox) -> None:
    """No look reads through what is pending: SQLite says so of each statement."""
    statements: list[tuple[str, tuple[object, ...]]] = []
    if wide.store._engine.dialect.name == "sqlite":
        await accept(wide, "f")
        sa.event.listen(wide.store._engine, "before_cursor_execute", lambda *call: statements.append((call[2], call[3])))
        await Turns(wide.store, OFFICE).next(8)
        looks = [one for one in statements if "FROM submission" in one[0]]
        plans = wide.store.read_now(lambda connection: [explained(connection, *look) for look in looks])
        assert len(looks) == 4
        assert [plan for plan in plans if "SCAN" in plan or "SEARCH" not in plan] == []
    wide.store.close()


async def test_a_batch_says_whether_it_is_all(wide: Outbox) -> None:
    """Nobody has to ask again after a batch that held all; one that left something over, for its size or for a case, does not say so."""
    lane = Turns(wide.store, OFFICE)
    for portal in "ffh":
        await accept(wide, portal)
    assert [(await lane.next(limit)).complete for limit in (2, 4, 6)] == [False, False, True]
    held = (await lane.next(6)).rows[0].case_key
    assert not (await lane.next(6, frozenset([held]))).complete
    lane.sent(batch := await lane.next(6))
    await note(wide, batch.rows[1:])
    assert not (await lane.next(6)).complete  # it has not looked at what is before


def explained(connection: sa.Connection, statement: str, parameters: tuple[object, ...]) -> str:
    """How SQLite would do it."""
    return " ".join(str(row[3]) for row in connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters))


STEPS = st.one_of(
    st.tuples(st.just("accept"), st.sampled_from("pqr"), st.sampled_from("abcd")),
    st.tuples(st.just("send"), st.sampled_from(["all", "all", "none", "some"]), st.sampled_from("abcd")),
    st.tuples(st.just("let go"), st.just(""), st.just("")),
)


@given(steps=st.lists(STEPS, max_size=40), limit=st.integers(1, 6))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_whatever_happens(steps: list[tuple[str, str, str]], limit: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Cases of several portals, refusals, no answers, in any order: each case goes in its order, and in the end everything has gone."""
    box = shared(StoreSettings(folder=tmp_path_factory.mktemp("turns")))
    try:
        asyncio.run(_whatever_happens(box, steps, limit))
    finally:
        box.store.close()


class Model:
    """The lane as it uses turns: what is refused is held, and what has no answer goes first next time."""

    def __init__(self, box: Outbox, limit: int) -> None:
        self.box = box
        self.limit = limit
        self.turns = Turns(box.store, OFFICE)
        self.held: set[UUID] = set()
        self.sent: list[Pending] = []

    async def send(self, answer: str = "all", refused: str = "") -> bool:
        """Send a batch; whether there was anything in it."""
        batch = await self.turns.next(self.limit, frozenset(self.held))
        if batch.complete:
            assert [one.seq for one in batch.rows] == [one.seq for one in await builders.waiting(self.box)]
        if answer == "none":
            self.turns.begin_again()
            return bool(batch.rows)
        case = CASES[refused] if answer == "some" else None
        taken = [one for one in batch.rows if one.case_key != case]
        if taken:
            await note(self.box, taken)
        self.sent += taken
        self.held |= {one.case_key for one in batch.rows} - {one.case_key for one in taken}
        self.turns.sent(batch)
        if not self.held:
            self.turns.begin_again()
        return bool(batch.rows)

    def let_go(self) -> None:
        """Kafka takes everything again."""
        self.held.clear()
        self.turns.begin_again()


async def _whatever_happens(box: Outbox, steps: list[tuple[str, str, str]], limit: int) -> None:
    lane, accepted = Model(box, limit), 0
    for step, what, which in steps:
        if step == "accept":
            await accept(box, what, which)
            accepted += 1
        elif step == "send":
            await lane.send(what, which)
        else:
            lane.let_go()
    while await lane.send():
        pass
    assert {one.case_key for one in await builders.waiting(box)} <= lane.held
    lane.let_go()
    while await lane.send():
        pass
    assert len(lane.sent) == accepted
    for case in CASES.values():
        rows = [one.seq for one in lane.sent if one.case_key == case]
        assert rows == sorted(rows)
