"""Checks of answers that come late, lie or are strange: the outcome is unclear, and `find` clears it up."""

from __future__ import annotations

import time

from adapters.conformance.bench import Bench
from adapters.conformance.expectations import (
    DUST_S,
    SOON_S,
    expect,
    expect_effects,
    expect_found,
    expect_unclear,
    failure_of,
)
from adapters.interface import Delivered
from adapters.twins.book import Mood


async def error_after_effect(bench: Bench) -> None:
    """An error after the effect is unclear, `find` clears it up, and there is one effect."""
    document = bench.document()
    await bench.mood(Mood.FAIL_AFTER)
    expect_unclear(await failure_of(bench.adapter.deliver(document, 1)))
    await expect_found(bench.connect(), document)
    expect_effects(bench, document, 1)


async def too_late(bench: Bench) -> None:
    """An answer beyond the limit leaves the outcome unclear in good time, and `find` clears it up later."""
    document, impatient = bench.document(), bench.impatient()
    await impatient.check()
    await bench.mood(Mood.SLOW, 5 * DUST_S + 1)
    began = time.monotonic()
    expect_unclear(await failure_of(impatient.deliver(document, 1)))
    expect(time.monotonic() - began < SOON_S, "the limit `answer_limit_s` is not kept")
    await expect_found(bench.adapter, document)
    expect_effects(bench, document, 1)


async def late_but_in_time(bench: Bench) -> None:
    """A slow answer within the limit is still an answer."""
    await bench.mood(Mood.SLOW, DUST_S)
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
    expect_effects(bench, document, 1)


async def _strange(bench: Bench, mood: Mood) -> None:
    document, impatient = bench.document(), bench.impatient()
    await bench.mood(mood)
    began = time.monotonic()
    expect_unclear(await failure_of(impatient.deliver(document, 1)))
    expect(await failure_of(impatient.find(document.submission_id)) is not None, "`find` takes a strange answer for one")
    expect(time.monotonic() - began < 2 * SOON_S, "it takes too long to give up")
    await bench.mood(Mood.OK)
    await expect_found(bench.adapter, document)
    expect_effects(bench, document, 1)
