"""Checks of `deliver`, `find`, `check` and `outcome` on a back office that works, and on a process that does not."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Final

from adapters.conformance.bench import Bench, texts
from adapters.conformance.expectations import (
    ANSWER_S,
    DUST_S,
    asked,
    delivered_or_broken,
    expect,
    expect_effects,
    failure_of,
)
from adapters.conformance.listen import listening
from adapters.interface import Accepted, AnswersLater, Delivered, Refusal
from adapters.twins.book import Mood
from infra.cancellation import is_own_cancellation

_TURNS: Final = (0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89)
"""After so many turns of the event loop a hand-over is cut off."""
_MANY: Final = 20


async def find_before_and_after(bench: Bench) -> None:
    """`find` says None before a hand-over, and what `deliver` said after it."""
    document = bench.document()
    expect(await bench.adapter.find(document.submission_id) is None, "`find` knows what was never handed over")
    delivered = await bench.adapter.deliver(document, 1)
    expect(delivered == await bench.adapter.find(document.submission_id), "`find` says something else than `deliver`")
    expect_effects(bench, document, 1)


async def many_at_once(bench: Bench) -> None:
    """Twenty hand-overs at the same time have an effect each, and a reference each."""
    documents = [bench.document() for _ in range(_MANY)]
    delivered = await asyncio.gather(*(delivered_or_broken(bench.adapter, document) for document in documents), return_exceptions=True)
    for one in delivered:
        if isinstance(one, BaseException):
            raise one
    expect(len(set(delivered)) == _MANY, "two submissions have the same reference")
    for document in documents:
        expect_effects(bench, document, 1)


async def check_is_one_line(bench: Bench) -> None:
    """`check` answers with one line for people."""
    expect(len((await bench.adapter.check()).splitlines()) == 1, "`check` does not answer with one line")


async def crash_points(bench: Bench) -> None:
    """Cut off at any point of a hand-over, `find` of the next process tells the truth, and there is one effect in the end."""
    for turns in _TURNS:
        document, adapter = bench.document(), bench.connect()
        handing_over = asyncio.create_task(delivered_or_broken(adapter, document))
        for _ in range(turns):
            await asyncio.sleep(0)
        handing_over.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await handing_over
        await asyncio.sleep(DUST_S)
        found, effects = await bench.adapter.find(document.submission_id), len(bench.held(document.submission_id))
        expect((found is not None) == (effects == 1), f"cut off after {turns} turns: `find` says {found is not None}, effects {effects}")
        if found is None:
            await bench.adapter.deliver(document, 2)
        expect_effects(bench, document, 1)


async def never_twice(bench: Bench) -> None:
    """With answers late, lost and refused at random, asking `find` before each repeat gives one effect per submission."""
    await bench.mood(Mood.FLAKY, 0.05, share=0.8)
    documents = [bench.document() for _ in range(_MANY)]
    for document in documents:
        while not isinstance(found := await asked(bench.adapter, document.submission_id), Delivered):
            await (failure_of(bench.adapter.deliver(document, 1)) if found is None else asyncio.sleep(DUST_S))
    for document in documents:
        expect_effects(bench, document, 1)


async def nothing_personal_is_said(bench: Bench) -> None:
    """Logs, failures, references and names hold no text of the message, whatever happens."""
    for mood in (Mood.REFUSE, Mood.FAIL, Mood.FAIL_AFTER, Mood.GARBAGE, Mood.PAGE, Mood.BUSY, Mood.AWAY, Mood.OK):
        await bench.mood(mood)
        submission = bench.submission()
        with listening() as said:
            document = bench.adapter.translate(submission)
            said.note(document.name)
            try:
                said.note(await bench.adapter.deliver(document, 1))
            except BaseException as error:
                if is_own_cancellation(error):
                    raise
                said.note_failure(error)
        expect(not any(text in said.text() for text in texts(submission.root)), f"in the mood {mood} something of the message was said")


async def decides_later(bench: Bench) -> None:
    """Where the back office decides later, the outcome is told in the end; a strange answer is not taken for one."""
    adapter = bench.adapter
    if not isinstance(adapter, AnswersLater):
        return
    delivered = await adapter.deliver(bench.document(), 1)
    await bench.mood(Mood.FAIL)
    expect(await failure_of(adapter.outcome(delivered.reference)) is not None, "an error was taken for an outcome")
    await bench.mood(Mood.OK)
    ends = time.monotonic() + ANSWER_S
    while (outcome := await adapter.outcome(delivered.reference)) is None and time.monotonic() < ends:  # noqa: ASYNC110 - it is asked
        await asyncio.sleep(DUST_S)
    expect(isinstance(outcome, Accepted | Refusal), "no outcome is told")
