"""Ids and cases of an outbox of the version before they belonged to portals, and of one that two gateways have open. On both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from infra.settings import StoreSettings
from producers.feedback import history
from producers.outbox import tables, usage
from producers.outbox.outbox import Candidate, Outbox
from producers.outbox.record import record_of
from schemas import problems
from schemas.errors import Rejected
from schemas.headers import Header
from schemas.hotline import earlier_code
from schemas.search import Search, parse
from tests import builders, outboxes
from tests.outboxes import Open

SET_BACK = "UPDATE store_version SET version = 8 WHERE store = 'outbox'"


def downgrade(connection: sa.Connection) -> None:
    """Make the tables those of the version before: the key is the case id, the code that of the id."""
    for statement in (
        "DROP INDEX submission_message",
        "DROP INDEX submission_case",
        "DROP INDEX submission_turn",
        "DROP INDEX submission_refused",
        "DROP TABLE case_key",
        "DROP TABLE outbox_secret",
    ):
        connection.exec_driver_sql(statement)
    codes = tables.submission.update().where(tables.submission.c.id == sa.bindparam("of"))
    for one in connection.execute(sa.select(tables.submission.c.id)).scalars().all():
        connection.execute(codes.values(hotline_code=earlier_code(one)), {"of": one})
    for column in ("message_id", "case_key"):
        connection.exec_driver_sql(f"ALTER TABLE submission DROP COLUMN {column}")
    connection.exec_driver_sql(SET_BACK)


async def before(opened: Open, *sent: Candidate) -> Outbox:
    """An outbox that accepted these in the version before, opened by this one."""
    box = opened()
    for one in sent:
        await box.accept(one)
    await box.store.write(downgrade)
    return opened()


def into(first: Candidate, *, portal: str = "portal", about: Candidate | None = None) -> Candidate:
    """Another message of the same case."""
    sent = outboxes.candidate(portal=portal, content=uuid4().bytes)
    return replace(sent, case_id=first.case_id, reference=about.message_id if about else None)


async def refusal(box: Outbox, sent: Candidate) -> problems.Problem:
    """Why it is not taken."""
    with pytest.raises(Rejected) as rejected:
        await box.accept(sent)
    return rejected.value.problem


async def test_cases_of_before_keep_key_and_order(opened: Open) -> None:
    """A record that was under way keeps its key, and what follows in its case has the same one; new cases have keys of the new kind."""
    old = outboxes.candidate()
    box = await before(opened, old)
    new = outboxes.candidate(content=b"<new/>")
    for one in (into(old, about=old), into(old), new, into(new, about=new)):
        await box.accept(one)
    keys = [record_of(one).key for one in await builders.waiting(box)]
    assert keys[:3] == [str(old.case_id).encode()] * 3
    assert keys[3] == keys[4] != str(new.case_id).encode()
    assert {one.headers[Header.CASE].encode() for one in (await builders.waiting(box))[3:]} == {keys[3]}


async def test_submissions_of_before_keep_id_and_code(opened: Open) -> None:
    """They are found by the id and the code that their portal was told, and are no new ones when they are sent again."""
    old = outboxes.candidate()
    box = await before(opened, old)
    again = await box.accept(old)
    assert (again.repeated, again.id, again.hotline_code) == (True, old.message_id, earlier_code(old.message_id))
    found = await history.find_own(box.store, old.message_id, "portal")
    assert found is not None
    for named in (earlier_code(old.message_id), str(old.case_id)):
        assert [id_ for _, id_ in history.search(box.store, Search(named=parse(named)), 2)] == [found.accepted.id]


async def test_case_of_before_is_of_whom_opened_it(opened: Open) -> None:
    """Where two portals wrote into one case, it is the first one's; the other one's next message is of a case of its own."""
    old = outboxes.candidate()
    strange = into(old, portal="other")
    box = await before(opened, old, strange)
    assert await refusal(box, into(old, portal="other", about=strange)) == problems.REFERENCE_UNKNOWN
    await box.accept(into(old, portal="other"))
    assert [one.case_key == old.case_id for one in await builders.waiting(box)] == [True, True, False]


async def test_a_gateway_of_before_may_go_on_after_the_migration(opened: Open) -> None:
    """A command of this version migrates while the gateway of before still runs: what that one accepts and publishes then is known at the next opening."""
    first, second = outboxes.candidate(content=b"1"), outboxes.candidate(content=b"2", portal="other")
    box = opened()
    for one in (first, second):
        await box.accept(one)

    def as_before(connection: sa.Connection) -> None:
        """It knows nothing of these columns, nor of usage."""
        its_own = tables.submission.c.message_id == first.message_id
        connection.execute(tables.submission.update().where(its_own).values(message_id=None, case_key=None))
        connection.execute(tables.usage.delete())

    await box.store.write(as_before)
    box = opened()
    assert (await box.accept(first)).repeated
    await box.accept(into(first, about=first))
    keys = [record_of(one).key for one in await builders.waiting(box)]
    assert keys[0] == keys[2] == str(first.case_id).encode()
    assert sum(one.pending for one in box.store.read_now(usage.read)) == len(keys)


async def test_what_a_gateway_of_before_published_frees_its_room(opened: Open) -> None:
    """Its usage is counted anew at the next opening."""
    box = opened()
    await box.accept(outboxes.candidate())
    await box.store.write(lambda connection: connection.execute(tables.submission.update().values(published_at=sa.func.now())))
    assert [one.pending for one in opened().store.read_now(usage.read)] == [0]


async def test_a_secret_is_drawn_once(opened: Open) -> None:
    """The secret of an outbox stays: the same case has the same key after a restart, and another portal's another one."""
    keys = [box._identities.case_key("portal", UUID(int=1)) for box in (opened(), opened())]
    assert keys[0] == keys[1] != opened()._identities.case_key("other", UUID(int=1))


@contextmanager
def two(settings: StoreSettings) -> Iterator[list[Outbox]]:
    """Two gateways on one database."""
    boxes = [Outbox(settings, limit=1_000) for _ in range(2)]
    try:
        yield boxes
    finally:
        for box in boxes:
            box.store.close()


async def test_two_gateways_agree(store_settings: StoreSettings) -> None:
    """The same submissions, and the same ids of two portals, sent to two gateways at once: one row for each portal and id, one key for each case."""
    ids, case_id = [uuid4() for _ in range(8)], uuid4()
    sent = [replace(outboxes.candidate(one, portal=portal), case_id=case_id) for one in ids for portal in ("portal", "other")]
    with two(store_settings) as boxes:
        accepted = await asyncio.gather(*(box.accept(one) for one in sent for box in boxes))
        rows = await builders.waiting(boxes[0])
    assert [one.repeated for one in accepted].count(False) == len(rows) == 16
    assert (len({one.id for one in accepted}), len({one.hotline_code for one in accepted})) == (16, 16)
    assert len({(one.headers[Header.PORTAL], one.case_key) for one in rows}) == 2
