"""Checks of failures that the back office tells, or that show at once: each kind has its cause."""

from __future__ import annotations

import time

from adapters.conformance.bench import Bench
from adapters.conformance.expectations import (
    SOON_S,
    expect,
    expect_down,
    expect_effects,
    failure_of,
    failures_of,
    kind,
)
from adapters.kit import NotTheOffice
from adapters.twins.book import REFUSAL, Mood
from adapters.twins.http import HttpTwin
from schemas.errors import Blip, CaseNotReady, DestinationDown, Refused


async def refusal(bench: Bench) -> None:
    """A back office that refuses leads to Refused with its code and has no effect; handed over again later, the new answer counts."""
    document = bench.document()
    await bench.mood(Mood.REFUSE)
    error = await failure_of(bench.adapter.deliver(document, 1))
    expect(isinstance(error, Refused), f"a refusal is Refused, not {kind(error)}")
    expect(REFUSAL in str(error), "the code of the refusal is lost")
    expect_effects(bench, document, 0)
    await bench.mood(Mood.OK)
    await bench.adapter.deliver(document, 2)
    expect_effects(bench, document, 1)


async def technical_error(bench: Bench) -> None:
    """An error before the effect allows another try; `find` and `check` say DestinationDown instead of guessing."""
    document = bench.document()
    await bench.mood(Mood.FAIL)
    error = await failure_of(bench.adapter.deliver(document, 1))
    expect(isinstance(error, Blip | DestinationDown), f"a technical error is Blip or DestinationDown, not {kind(error)}")
    await expect_down(bench.adapter, document)
    expect_effects(bench, document, 0)


async def away_and_back(bench: Bench) -> None:
    """A back office that is gone is DestinationDown at once, also on a connection that was open; when it is back, all works again."""
    document = bench.document()
    await bench.adapter.check()
    await bench.mood(Mood.AWAY)
    began = time.monotonic()
    error = await failure_of(bench.adapter.deliver(document, 1))
    expect(isinstance(error, DestinationDown), f"no connection is DestinationDown, not {kind(error)}")
    await expect_down(bench.adapter, document)
    expect(time.monotonic() - began < SOON_S, "it takes too long to see that nobody is there")
    await bench.mood(Mood.OK)
    await bench.adapter.deliver(document, 2)
    expect_effects(bench, document, 1)


async def busy(bench: Bench) -> None:
    """A case that somebody has open waits: CaseNotReady, or DestinationDown where the protocol has no word for it; no effect."""
    document = bench.document()
    await bench.mood(Mood.BUSY)
    error = await failure_of(bench.adapter.deliver(document, 1))
    expect(isinstance(error, CaseNotReady | DestinationDown), f"a case in use is CaseNotReady, not {kind(error)}")
    await bench.mood(Mood.OK)
    expect(await bench.adapter.find(document.submission_id) is None, "`find` knows what was not taken")
    expect_effects(bench, document, 0)


async def somebody_else_answers(bench: Bench) -> None:
    """A page for people in place of the back office says that it is down, and leaves open what became of the hand-over."""
    if not isinstance(bench.twin, HttpTwin):
        return
    document = bench.document()
    await bench.adapter.check()
    await bench.mood(Mood.PAGE)
    for name, error in (await failures_of(bench, document)).items():
        expect(isinstance(error, NotTheOffice | DestinationDown), f"`{name}` raises NotTheOffice or DestinationDown, not {kind(error)}")
    await bench.mood(Mood.OK)
    expect(await bench.adapter.find(document.submission_id) is None, "`find` knows what never got through")


async def told_to_wait(bench: Bench) -> None:
    """A back office that takes nothing for a while is DestinationDown, for as long as it says."""
    if not isinstance(bench.twin, HttpTwin):
        return
    document = bench.document()
    await bench.adapter.check()
    await bench.mood(Mood.LIMITED, 25)
    for name, error in (await failures_of(bench, document)).items():
        expect(isinstance(error, DestinationDown), f"`{name}` raises DestinationDown, not {kind(error)}")
        expect(isinstance(error, DestinationDown) and error.retry_after_s == 25, f"`{name}` does not say how long to wait")  # noqa: PLR2004
    expect_effects(bench, document, 0)
