"""Accepting: once, durable, up to a limit, and content only as long as it is needed."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from producers.outbox.outbox import Candidate, Outbox
from schemas import problems
from schemas.errors import Rejected
from schemas.events import State
from schemas.hotline import earlier_code
from schemas.problems import Problem
from tests import builders, outboxes
from tests.outboxes import Open

STATES = {"submitted": State.SUBMITTED, "deliver": State.DELIVERED, "reject": State.REJECTED, "park": State.PARKED}


async def refusal(box: Outbox, refused: Candidate) -> Problem:
    """Why a submission is not taken."""
    with pytest.raises(Rejected) as rejected:
        await box.accept(refused)
    return rejected.value.problem


async def test_repeat_gets_the_same_answer(opened: Open) -> None:
    """The same submission is taken once, before and after a restart, before and after its delivery."""
    sent = outboxes.candidate()
    first = await opened().accept(sent)
    box = opened()
    assert len(await builders.waiting(box)) == 1
    repeats = [await box.accept(sent)]
    await outboxes.publish(box)
    await outboxes.hear(box, outboxes.event(sent.message_id))
    repeats += [await box.accept(sent), await opened().accept(sent)]
    assert [(one.message_id, one.hotline_code, one.office, one.accepted_at) for one in repeats] == [
        (first.message_id, first.hotline_code, first.office, first.accepted_at)
    ] * 3
    assert [first.repeated, *(one.repeated for one in repeats)] == [False, True, True, True]


async def test_an_id_is_used_once(opened: Open) -> None:
    """An id is refused for other content of its portal, also after a restart, and nothing changes."""
    sent = outboxes.candidate()
    await opened().accept(sent)
    box = opened()
    assert await refusal(box, outboxes.candidate(sent.message_id, content=b"<b/>")) == problems.ID_CONFLICT
    assert outboxes.contents(box) == [b"<a/>"]


async def test_concurrent_repeats_are_one(box: Outbox) -> None:
    """Twenty calls at the same time store one row; one of them is the first."""
    sent = outboxes.candidate()
    accepted = await asyncio.gather(*(box.accept(sent) for _ in range(20)))
    assert [one.repeated for one in accepted].count(False) == 1
    assert (len((await builders.waiting(box))[:20]), len(await builders.waiting(box))) == (1, 1)


async def test_full_until_published(opened: Open) -> None:
    """At the limit nothing new is taken, repeats are answered, and what is published makes room; a restart changes nothing."""
    box = opened()
    sent = [outboxes.candidate() for _ in range(outboxes.LIMIT)]
    for one in sent:
        await box.accept(one)
    box = opened()
    assert await refusal(box, outboxes.candidate()) == problems.INTAKE_FULL
    assert (await box.accept(sent[0])).repeated
    await outboxes.publish(box)
    assert not (await box.accept(outboxes.candidate())).repeated


@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        pytest.param("", True, id="accepted"),
        pytest.param("publish", True, id="published"),
        pytest.param("submitted publish", True, id="another event"),
        pytest.param("deliver", True, id="delivered, not noted as published"),
        pytest.param("publish deliver", False, id="published, delivered"),
        pytest.param("deliver publish", False, id="delivered, then noted as published"),
        pytest.param("publish deliver deliver", False, id="told twice"),
        pytest.param("publish reject", False, id="rejected"),
        pytest.param("publish park", True, id="parked"),
    ],
)
async def test_content_goes_after_delivery_and_publication(box: Outbox, steps: str, kept: bool) -> None:
    """Content stays until its back office has confirmed it and it needs no sending, and not longer; others keep theirs."""
    sent, other = outboxes.candidate(), outboxes.candidate(content=b"<other/>")
    await box.accept(sent)
    for step in steps.split():
        if step == "publish":
            await outboxes.publish(box)
        else:
            await outboxes.hear(box, outboxes.event(sent.message_id, STATES[step]))
    await box.accept(other)
    assert outboxes.contents(box) == [b"<a/>" if kept else None, b"<other/>"]


def test_hotline_code_is_stable() -> None:
    """The code of earlier versions follows from the id alone; none has letters that sound or look alike."""
    assert earlier_code(UUID("00000000-0000-4000-8000-000000000001")) == "GTJ2-EXBT"
    codes = [earlier_code(UUID(int=number)) for number in range(1000)]
    assert len(set(codes)) == 1000
    assert set("".join(codes)) == set("0123456789ABCDEFGHJKMNPQRSTVWXYZ-")
    assert {(len(code), code.index("-")) for code in codes} == {(9, 4)}
