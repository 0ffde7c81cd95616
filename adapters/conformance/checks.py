"""The checks, in the order in which they run. The first line of each says what is true of an adapter that keeps its promises."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from lxml import etree

from adapters.conformance.bench import Bench, Broken, as_submission, expect, failure_of, renewed, samples, texts
from adapters.conformance.listen import listening
from adapters.conformance.read import reads
from adapters.interface import Accepted, Adapter, AnswersLater, Delivered, Document, Refusal
from adapters.kit import NotTheOffice
from adapters.twins.book import REFUSAL, Mood
from adapters.twins.http import HttpTwin
from infra.cancellation import is_own_cancellation
from schemas import xml
from schemas.errors import Blip, CaseNotReady, DeliveryFailure, DestinationDown, Refused

Check = Callable[[Bench], Awaitable[None]]

_FILE_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,120}")
_TURNS: Final = (0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89)
"""After so many turns of the event loop a hand-over is cut off."""
_DUST_S: Final = 0.15
"""What was on the wire when a process was killed has arrived by then; a restart takes longer."""
_SOON_S: Final = 2
_ANSWER_S: Final = 8
_MANY: Final = 20
_NAMES: Final = ("antragsteller//familienname/name", "antragsteller//vornamen/name", "antragsteller/organisation/name")
_LETTERS: Final = "Đặng-Żółć Şahin"


# --- translate


async def same_input_same_bytes(bench: Bench) -> None:
    """The same submission gives the same document, every time and in every process."""
    for body in samples(bench.office):
        submission = renewed(bench.office, body)
        first = bench.adapter.translate(submission)
        expect(first == bench.adapter.translate(submission), "a second translation differs")
        expect(first == bench.connect().translate(submission), "another adapter translates differently")
        expect(first.submission_id == submission.id, "the document has another submission id")
        expect(etree.tostring(submission.root) == etree.tostring(xml.parse(submission.body)), "the translation changed the message")


async def name_is_safe(bench: Bench) -> None:
    """The name of a document is fit for a file: it holds nothing of the message, and no two are the same."""
    names = set()
    for body in samples(bench.office):
        submission = renewed(bench.office, body)
        name = bench.adapter.translate(submission).name
        expect(_FILE_NAME.fullmatch(name), "the name is not safe as a file name")
        expect(not any(text in name for text in texts(submission.root)), "the name holds a text of the message")
        names.add(name)
    expect(len(names) == len(samples(bench.office)), "two documents have the same name")


async def test_is_marked(bench: Bench) -> None:
    """A test submission differs from a real one in the document."""
    one = bench.submission()
    contents = set()
    for test in (True, False):
        root = xml.parse(one.body)
        root.attrib.pop("test", "")
        if test:
            root.set("test", "true")
        contents.add(bench.adapter.translate(as_submission(bench.office, etree.tostring(root), one.id, one.case_id)).content)
    expect(len(contents) > 1, "a test submission looks like a real one")


async def characters_survive(bench: Bench) -> None:
    """Names arrive with all their letters, or as the stated rule of the character set writes them, or are refused."""
    for body in samples(bench.office):
        submission = renewed(bench.office, body)
        names = [name for path in _NAMES for name in submission.root.iterfind(path)]
        for name in names:
            name.text = _LETTERS
        try:
            changed = as_submission(bench.office, etree.tostring(submission.root, encoding="UTF-8"), submission.id, submission.case_id)
            document = bench.adapter.translate(changed)
        except Refused:
            continue
        await bench.adapter.deliver(document, 1)
        (entry,) = bench.held(document.submission_id)
        expect(not names or reads(entry.content, document.content_type, _LETTERS), "letters of a name were lost on the way")


# --- deliver and find


async def find_before_and_after(bench: Bench) -> None:
    """`find` says None before a hand-over, and what `deliver` said after it."""
    document = bench.document()
    expect(await bench.adapter.find(document.submission_id) is None, "`find` knows what was never handed over")
    delivered = await bench.adapter.deliver(document, 1)
    expect(delivered == await bench.adapter.find(document.submission_id), "`find` says something else than `deliver`")
    _expect_effects(bench, document, 1)


async def many_at_once(bench: Bench) -> None:
    """Twenty hand-overs at the same time have an effect each, and a reference each."""
    documents = [bench.document() for _ in range(_MANY)]
    delivered = await asyncio.gather(*(_delivered(bench.adapter, document) for document in documents), return_exceptions=True)
    for one in delivered:
        if isinstance(one, BaseException):
            raise one
    expect(len(set(delivered)) == _MANY, "two submissions have the same reference")
    for document in documents:
        _expect_effects(bench, document, 1)


async def check_is_one_line(bench: Bench) -> None:
    """`check` answers with one line for people."""
    expect(len((await bench.adapter.check()).splitlines()) == 1, "`check` does not answer with one line")


# --- failures: each kind has its cause


async def refusal(bench: Bench) -> None:
    """A back office that refuses leads to Refused with its code and has no effect; handed over again later, the new answer counts."""
    document = bench.document()
    await bench.mood(Mood.REFUSE)
    error = await failure_of(bench.adapter.deliver(document, 1))
    expect(isinstance(error, Refused), f"a refusal is Refused, not {_kind(error)}")
    expect(REFUSAL in str(error), "the code of the refusal is lost")
    _expect_effects(bench, document, 0)
    await bench.mood(Mood.OK)
    await bench.adapter.deliver(document, 2)
    _expect_effects(bench, document, 1)


async def technical_error(bench: Bench) -> None:
    """An error before the effect allows another try; `find` and `check` say DestinationDown instead of guessing."""
    document = bench.document()
    await bench.mood(Mood.FAIL)
    error = await failure_of(bench.adapter.deliver(document, 1))
    expect(isinstance(error, Blip | DestinationDown), f"a technical error is Blip or DestinationDown, not {_kind(error)}")
    await _expect_down(bench.adapter, document)
    _expect_effects(bench, document, 0)


async def away_and_back(bench: Bench) -> None:
    """A back office that is gone is DestinationDown at once, also on a connection that was open; when it is back, all works again."""
    document = bench.document()
    await bench.adapter.check()
    await bench.mood(Mood.AWAY)
    began = time.monotonic()
    error = await failure_of(bench.adapter.deliver(document, 1))
    expect(isinstance(error, DestinationDown), f"no connection is DestinationDown, not {_kind(error)}")
    await _expect_down(bench.adapter, document)
    expect(time.monotonic() - began < _SOON_S, "it takes too long to see that nobody is there")
    await bench.mood(Mood.OK)
    await bench.adapter.deliver(document, 2)
    _expect_effects(bench, document, 1)


async def busy(bench: Bench) -> None:
    """A case that somebody has open waits: CaseNotReady, or DestinationDown where the protocol has no word for it; no effect."""
    document = bench.document()
    await bench.mood(Mood.BUSY)
    error = await failure_of(bench.adapter.deliver(document, 1))
    expect(isinstance(error, CaseNotReady | DestinationDown), f"a case in use is CaseNotReady, not {_kind(error)}")
    await bench.mood(Mood.OK)
    expect(await bench.adapter.find(document.submission_id) is None, "`find` knows what was not taken")
    _expect_effects(bench, document, 0)


async def error_after_effect(bench: Bench) -> None:
    """An error after the effect is unclear, `find` clears it up, and there is one effect."""
    document = bench.document()
    await bench.mood(Mood.FAIL_AFTER)
    _expect_unclear(await failure_of(bench.adapter.deliver(document, 1)))
    await _expect_found(bench.connect(), document)
    _expect_effects(bench, document, 1)


async def too_late(bench: Bench) -> None:
    """An answer beyond the limit leaves the outcome unclear in good time, and `find` clears it up later."""
    document, impatient = bench.document(), bench.impatient()
    await impatient.check()
    await bench.mood(Mood.SLOW, 5 * _DUST_S + 1)
    began = time.monotonic()
    _expect_unclear(await failure_of(impatient.deliver(document, 1)))
    expect(time.monotonic() - began < _SOON_S, "the limit `answer_limit_s` is not kept")
    await _expect_found(bench.adapter, document)
    _expect_effects(bench, document, 1)


async def late_but_in_time(bench: Bench) -> None:
    """A slow answer within the limit is still an answer."""
    await bench.mood(Mood.SLOW, _DUST_S)
    expect(isinstance(await bench.adapter.deliver(bench.document(), 1), Delivered), "a slow answer was not taken")


async def garbage(bench: Bench) -> None:
    """An answer that is not of the protocol leaves the outcome unclear; `find` does not guess from one."""
    await _strange(bench, Mood.GARBAGE)


async def endless(bench: Bench) -> None:
    """An answer that never ends is given up in good time, before it fills the memory, and leaves the outcome unclear."""
    await _strange(bench, Mood.ENDLESS)


async def rare_but_right(bench: Bench) -> None:
    """An answer in another character set or in several parts, an acknowledgement in two writes: it is read whole, or not yet."""
    document = bench.document()
    await bench.mood(Mood.ODD)
    delivered = await bench.adapter.deliver(document, 1)
    expect(delivered == await bench.adapter.find(document.submission_id), "`find` says something else than `deliver`")
    expect(delivered.reference in {entry.reference for entry in bench.held(document.submission_id)}, "it is not the back office's number")
    _expect_effects(bench, document, 1)


async def somebody_else_answers(bench: Bench) -> None:
    """A page for people in place of the back office says that it is down, and leaves open what became of the hand-over."""
    if not isinstance(bench.twin, HttpTwin):
        return
    document = bench.document()
    await bench.adapter.check()
    await bench.mood(Mood.PAGE)
    for name, error in (await _failures(bench, document)).items():
        expect(isinstance(error, NotTheOffice | DestinationDown), f"`{name}` raises NotTheOffice or DestinationDown, not {_kind(error)}")
    await bench.mood(Mood.OK)
    expect(await bench.adapter.find(document.submission_id) is None, "`find` knows what never got through")


async def told_to_wait(bench: Bench) -> None:
    """A back office that takes nothing for a while is DestinationDown, for as long as it says."""
    if not isinstance(bench.twin, HttpTwin):
        return
    document = bench.document()
    await bench.adapter.check()
    await bench.mood(Mood.LIMITED, 25)
    for name, error in (await _failures(bench, document)).items():
        expect(isinstance(error, DestinationDown), f"`{name}` raises DestinationDown, not {_kind(error)}")
        expect(isinstance(error, DestinationDown) and error.retry_after_s == 25, f"`{name}` does not say how long to wait")  # noqa: PLR2004
    _expect_effects(bench, document, 0)


async def crash_points(bench: Bench) -> None:
    """Cut off at any point of a hand-over, `find` of the next process tells the truth, and there is one effect in the end."""
    for turns in _TURNS:
        document, adapter = bench.document(), bench.connect()
        handing_over = asyncio.create_task(_delivered(adapter, document))
        for _ in range(turns):
            await asyncio.sleep(0)
        handing_over.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await handing_over
        await asyncio.sleep(_DUST_S)
        found, effects = await bench.adapter.find(document.submission_id), len(bench.held(document.submission_id))
        expect((found is not None) == (effects == 1), f"cut off after {turns} turns: `find` says {found is not None}, effects {effects}")
        if found is None:
            await bench.adapter.deliver(document, 2)
        _expect_effects(bench, document, 1)


async def never_twice(bench: Bench) -> None:
    """With answers late, lost and refused at random, asking `find` before each repeat gives one effect per submission."""
    await bench.mood(Mood.FLAKY, 0.05, share=0.8)
    documents = [bench.document() for _ in range(_MANY)]
    for document in documents:
        while not isinstance(found := await _asked(bench.adapter, document.submission_id), Delivered):
            await (failure_of(bench.adapter.deliver(document, 1)) if found is None else asyncio.sleep(_DUST_S))
    for document in documents:
        _expect_effects(bench, document, 1)


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
    ends = time.monotonic() + _ANSWER_S
    while (outcome := await adapter.outcome(delivered.reference)) is None and time.monotonic() < ends:  # noqa: ASYNC110 - it is asked
        await asyncio.sleep(_DUST_S)
    expect(isinstance(outcome, Accepted | Refusal), "no outcome is told")


CHECKS: Final[tuple[Check, ...]] = (
    same_input_same_bytes,
    name_is_safe,
    test_is_marked,
    characters_survive,
    find_before_and_after,
    many_at_once,
    check_is_one_line,
    refusal,
    technical_error,
    away_and_back,
    busy,
    error_after_effect,
    too_late,
    late_but_in_time,
    garbage,
    endless,
    rare_but_right,
    somebody_else_answers,
    told_to_wait,
    crash_points,
    never_twice,
    nothing_personal_is_said,
    decides_later,
)


async def _strange(bench: Bench, mood: Mood) -> None:
    document, impatient = bench.document(), bench.impatient()
    await bench.mood(mood)
    began = time.monotonic()
    _expect_unclear(await failure_of(impatient.deliver(document, 1)))
    expect(await failure_of(impatient.find(document.submission_id)) is not None, "`find` takes a strange answer for one")
    expect(time.monotonic() - began < 2 * _SOON_S, "it takes too long to give up")
    await bench.mood(Mood.OK)
    await _expect_found(bench.adapter, document)
    _expect_effects(bench, document, 1)


def _expect_unclear(error: BaseException | None) -> None:
    expect(error is not None, "it counts as delivered")
    expect(not isinstance(error, DeliveryFailure), f"the outcome is unclear, and not {_kind(error)}")


async def _expect_down(adapter: Adapter, document: Document) -> None:
    for name, call in (("find", adapter.find(document.submission_id)), ("check", adapter.check())):
        error = await failure_of(call)
        expect(isinstance(error, DestinationDown), f"`{name}` raises DestinationDown, not {_kind(error)}")


async def _failures(bench: Bench, document: Document) -> dict[str, BaseException | None]:
    adapter = bench.adapter
    return {
        "deliver": await failure_of(adapter.deliver(document, 1)),
        "find": await failure_of(adapter.find(document.submission_id)),
    }


async def _expect_found(adapter: Adapter, document: Document) -> None:
    """It may say for a while that it does not know, but never that there is nothing."""
    ends = time.monotonic() + _ANSWER_S
    while time.monotonic() < ends:
        found = await _asked(adapter, document.submission_id)
        if isinstance(found, Delivered):
            return
        expect(isinstance(found, BaseException), "`find` says that nothing is there")
        await asyncio.sleep(_DUST_S)
    raise Broken("`find` does not clear it up")


async def _delivered(adapter: Adapter, document: Document) -> Delivered:
    """In a task of its own, out of which a SystemExit would end the event loop."""
    try:
        return await adapter.deliver(document, 1)
    except BaseException as error:
        if is_own_cancellation(error):
            raise
        raise Broken(f"{_kind(error)} where nothing should fail") from None


async def _asked(adapter: Adapter, submission_id: UUID) -> Delivered | BaseException | None:
    """What `find` says; an exception where it does not say now."""
    try:
        return await adapter.find(submission_id)
    except BaseException as error:
        if is_own_cancellation(error):
            raise
        return error


def _expect_effects(bench: Bench, document: Document, wanted: int) -> None:
    effects = len(bench.held(document.submission_id))
    expect(effects == wanted, f"{effects} effects at the back office instead of {wanted}")


def _kind(error: BaseException | None) -> str:
    return "taken" if error is None else type(error).__name__
