"""What can be seen of the bus from outside at one time: Kafka, the outbox, and what each process says of itself. For `stadtbus lag`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import httpx

from consumers.watch import gateway, lag
from consumers.watch.lag import GroupLag
from infra.kafka.client_errors import in_our_words
from producers.outbox import accounting, tables
from producers.outbox.accounting import PendingOfOffice, Reach, Snapshot
from schemas import problems, topics
from schemas.errors import CannotTell
from schemas.heartbeats import Heartbeat
from stadtbus import readiness
from stadtbus.readiness import GATEWAY, Readiness

if TYPE_CHECKING:
    from infra.stores import Store
    from stadtbus.settings import Settings

_READINESS_LIMIT_S: Final = 2.0
_KAFKA_LIMIT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Observations:
    """Everything that was found out at one time."""

    lags: Mapping[str, GroupLag]
    """By office or group; empty where Kafka cannot be asked."""
    readiness: Mapping[str, Readiness]
    """By process."""
    pending: Mapping[str, PendingOfOffice] | None
    """What is in the outbox and not on Kafka, by office; None where that cannot be known, from the outbox or from its gateway."""
    unaccounted: Mapping[str, int] = field(default_factory=dict)
    """By office, published submissions that nobody will deliver (docs/decisions/0019); empty where that cannot be told yet."""
    kafka_fault: CannotTell | None = None
    """Why Kafka cannot be asked."""
    outbox_fault: str = ""
    """Why the outbox cannot be looked into."""
    gateway: Heartbeat | None = None
    """What the gateway said last, where the outbox cannot be looked into from here; None also where it has said nothing of late."""


async def observe(settings: Settings) -> Observations:
    """Ask Kafka, the outbox and every process; bounded by some seconds, and what does not answer takes nothing else along.

    Raises:
        UsageError: catalogue-invalid.
    """
    offices = settings.load_catalogue().offices
    store, outbox_fault = await asyncio.to_thread(_open_outbox, settings)
    try:
        # The outbox first and last: what is published or ends meanwhile is then not taken for lost.
        before = await asyncio.to_thread(accounting.snapshot, store) if store else None
        (lags, kafka_fault), answers = await asyncio.gather(_ask_kafka(settings, offices), _ask_processes(settings, offices))
        if store is None or before is None:
            said = None if kafka_fault else await _last_said(settings)
            pending = None if said is None else _pending_of(said)
            return Observations(lags, answers, pending, kafka_fault=kafka_fault, outbox_fault=outbox_fault, gateway=said)
        pending = await asyncio.to_thread(accounting.pending_by_office, store)
        unaccounted = await asyncio.to_thread(_unaccounted, store, before, lags, offices)
        return Observations(lags, answers, pending, unaccounted, kafka_fault)
    finally:
        if store is not None:
            await asyncio.to_thread(store.close)


def _open_outbox(settings: Settings) -> tuple[Store | None, str]:
    """The outbox of this machine, or why it cannot be looked into."""
    if not tables.is_here(settings.stores):
        return None, f"there is no outbox at {settings.stores.shown('outbox')}: what is not on Kafka yet is seen where the gateway runs"
    try:
        return tables.open_store(settings.stores), ""
    except CannotTell as error:
        return None, f"the outbox cannot be read: {error.detail}"


async def _last_said(settings: Settings) -> Heartbeat | None:
    try:
        return await gateway.last_said(settings.kafka)
    except CannotTell:
        return None


def _pending_of(said: Heartbeat) -> dict[str, PendingOfOffice]:
    """What its relay had still to write. Of what waits no longer than a round it does not say since when: since it said so."""
    return {lane.office: PendingOfOffice(lane.waiting, lane.oldest_accepted_at or said.at) for lane in said.lanes if lane.waiting}


async def _ask_kafka(settings: Settings, offices: Sequence[str]) -> tuple[dict[str, GroupLag], CannotTell | None]:
    """The lag of all groups, or why none can be told."""
    try:
        async with in_our_words(settings.kafka):
            async with asyncio.timeout(_KAFKA_LIMIT_S):
                found = await lag.of_offices(settings.kafka, offices)
                # After them: who has read all events that are there now knows of everything that these offices have passed.
                found += await lag.of_groups(settings.kafka, lag.read_by_recorders(offices))
    except CannotTell as error:
        return {}, error
    if all(one.offsets is None for one in found):
        return {}, CannotTell(problems.KAFKA_FAILED, found[0].faults[-1], where=settings.kafka.bootstrap)
    return {one.group: one for one in found}, None


async def _ask_processes(settings: Settings, offices: Sequence[str]) -> dict[str, Readiness]:
    processes = [*offices, GATEWAY, topics.GROUP_AUDIT, topics.GROUP_STATISTICS]
    async with httpx.AsyncClient(timeout=_READINESS_LIMIT_S, trust_env=False) as http:
        answers = await asyncio.gather(*(readiness.ask(http, readiness.address_of(settings, process)) for process in processes))
    return dict(zip(processes, answers, strict=True))


def _unaccounted(store: Store, before: Snapshot, lags: Mapping[str, GroupLag], offices: Sequence[str]) -> dict[str, int]:
    """What the outbox knows as published and nobody will deliver; only where the status feed has read all that it would know it by."""
    feed = lags.get(topics.GROUP_STATUS)
    if feed is None or feed.behind or feed.faults or feed.offsets is None:
        return {}
    return accounting.unaccounted(store, before, {office: reach for office in offices if (reach := _reach(office, lags.get(office)))})


def _reach(office: str, known: GroupLag | None) -> Reach | None:
    """How far an office has come in its topics; None unless every partition has told."""
    if known is None or known.offsets is None or not known.complete:
        return None
    offsets = known.offsets
    mine = [one for one in offsets.end if one.topic == topics.submissions(office)]
    return Reach(
        {one.partition: max(offsets.committed[one] or 0, offsets.first[one]) for one in mine},
        {one.partition: offsets.end[one] for one in mine},
        known.parked,
    )
