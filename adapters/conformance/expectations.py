"""How a check judges what an adapter did."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Final
from uuid import UUID

from adapters.conformance.bench import Bench
from adapters.interface import Adapter, Delivered, Document
from infra.cancellation import is_own_cancellation
from schemas.errors import DeliveryFailure, DestinationDown

DUST_S: Final = 0.15
"""What was on the wire when a process was killed has arrived by then; a restart takes longer."""
SOON_S: Final = 2
ANSWER_S: Final = 8


class Broken(Exception):
    """The adapter does not keep a promise; the text says what happened instead, without anything from a message."""


def expect(kept: object, otherwise: str) -> None:
    """Go on where a promise is kept.

    Raises:
        Broken: it is not.
    """
    if not kept:
        raise Broken(otherwise)


async def failure_of(call: Awaitable[object]) -> BaseException | None:
    """What a call raises, or None; as for the bus, a CancelledError or SystemExit that comes out of an adapter is a failure like others."""
    try:
        await call
    except BaseException as error:
        if is_own_cancellation(error):
            raise
        return error
    return None


def expect_unclear(error: BaseException | None) -> None:
    """Go on where a hand-over failed with none of the four causes."""
    expect(error is not None, "it counts as delivered")
    expect(not isinstance(error, DeliveryFailure), f"the outcome is unclear, and not {kind(error)}")


async def expect_down(adapter: Adapter, document: Document) -> None:
    """Go on where `find` and `check` raise DestinationDown."""
    for name, call in (("find", adapter.find(document.submission_id)), ("check", adapter.check())):
        error = await failure_of(call)
        expect(isinstance(error, DestinationDown), f"`{name}` raises DestinationDown, not {kind(error)}")


async def failures_of(bench: Bench, document: Document) -> dict[str, BaseException | None]:
    """What `deliver` and `find` raise, by their names."""
    adapter = bench.adapter
    return {
        "deliver": await failure_of(adapter.deliver(document, 1)),
        "find": await failure_of(adapter.find(document.submission_id)),
    }


async def expect_found(adapter: Adapter, document: Document) -> None:
    """Go on where `find` says in the end that it is there; until then it may fail, but never say that there is nothing.

    Raises:
        Broken: it says that there is nothing, or does not say it in time.
    """
    ends = time.monotonic() + ANSWER_S
    while time.monotonic() < ends:
        found = await asked(adapter, document.submission_id)
        if isinstance(found, Delivered):
            return
        expect(isinstance(found, BaseException), "`find` says that nothing is there")
        await asyncio.sleep(DUST_S)
    raise Broken("`find` does not clear it up")


async def delivered_or_broken(adapter: Adapter, document: Document) -> Delivered:
    """What `deliver` says; for tasks, out of which a SystemExit of the adapter would end the event loop.

    Raises:
        Broken: it raises something.
    """
    try:
        return await adapter.deliver(document, 1)
    except BaseException as error:
        if is_own_cancellation(error):
            raise
        raise Broken(f"{kind(error)} where nothing should fail") from None


async def asked(adapter: Adapter, submission_id: UUID) -> Delivered | BaseException | None:
    """What `find` says; an exception where it does not say now."""
    try:
        return await adapter.find(submission_id)
    except BaseException as error:
        if is_own_cancellation(error):
            raise
        return error


def expect_effects(bench: Bench, document: Document, wanted: int) -> None:
    """Go on where the twin holds so many entries of this submission."""
    effects = len(bench.held(document.submission_id))
    expect(effects == wanted, f"{effects} effects at the back office instead of {wanted}")


def kind(error: BaseException | None) -> str:
    """The class of a failure, for texts about a broken promise."""
    return "taken" if error is None else type(error).__name__
