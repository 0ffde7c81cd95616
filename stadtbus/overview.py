"""How the whole bus does now: what the watch found out last, or a look of our own where no watch answers, and what only this machine knows.

For `status`, `lag`, `trace` and the demo: one way to one answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import httpx
from pydantic import ValidationError

from consumers.statistics import facts, today
from consumers.watch import snapshot
from consumers.watch.model import RUNBOOK, Attention, Evidence, EvidenceCode, Judgement, Party, Verdict
from consumers.watch.observed import Kind
from consumers.watch.once import look_once
from consumers.watch.snapshot import Snapshot
from producers.outbox import accounting, tables
from producers.outbox.accounting import PendingOfOffice
from schemas import topics
from schemas.errors import CannotTell
from stadtbus import accounts, readiness
from stadtbus.ports import operator_ports
from stadtbus.readiness import Readiness

if TYPE_CHECKING:
    from infra.settings import StoreSettings
    from schemas.catalogue.expected import Expected
    from stadtbus.settings import Settings

_ANSWER_S: Final = 3.0
_STALE_INTERVALS: Final = 3
_LEAST_STALE_S: Final = 30.0
"""As the watch itself counts a look as late: a page that is older says nothing of now."""


@dataclass(frozen=True, slots=True)
class Overview:
    """What is known at one moment, and from whom."""

    snapshot: Snapshot
    watch: str
    """The address of the watch that was asked."""
    watch_fault: str
    """Why this is a look of our own, without a past; empty where the watch has answered."""
    pending: Mapping[str, PendingOfOffice] | None = None
    """What is in the outbox of this machine and not on Kafka, by office; None where there is none here, or it cannot be read."""
    unaccounted: Mapping[str, int] = field(default_factory=dict)
    """By office, what the outbox of this machine knows as published and nobody will deliver."""
    delivered_today: Mapping[str, int] | None = None
    """By office, since midnight by the clock of this machine; None where the statistics are elsewhere."""
    said_here: Mapping[str, Readiness] = field(default_factory=dict)
    """What the processes of this machine say themselves, asked where the watch or Kafka is away."""

    def judgements(self) -> list[Judgement]:
        """Those of the snapshot, with what the outbox of this machine knows better."""
        known = [one if self.pending is None else self._with_pending(one, self.pending) for one in self.snapshot.judgements]
        return [self._with_lost(one, lost) if (lost := self.unaccounted.get(one.name, 0)) > one.lost else one for one in known]

    def _with_lost(self, one: Judgement, lost: int) -> Judgement:
        """Nobody looks at offsets alone to know this: they may have been set forward."""
        line = Evidence(EvidenceCode.RECORDS_LOST, count=lost, of=topics.submissions(one.name), attention=Attention.NOW)
        grave = replace(one, verdict=Verdict.LOST, sub_reason=None, attention=Attention.NOW, party=Party.OPERATOR)
        since = one.since if one.verdict is Verdict.LOST else self.snapshot.at  # the watch does not know of it
        more: dict[str, Any] = {"cause": f"{one.name}:lost", "runbook": f"{RUNBOOK}#{Verdict.LOST}", "lost": lost, "since": since}
        return replace(grave, **more, evidence=(line, *one.evidence))

    @staticmethod
    def _with_pending(one: Judgement, pending: Mapping[str, PendingOfOffice]) -> Judgement:
        if one.kind is Kind.OUTBOX:
            oldest_at = min((part.oldest_accepted_at for part in pending.values()), default=None)
            return replace(one, waiting=sum(part.count for part in pending.values()), oldest_at=oldest_at)
        if one.kind is Kind.OFFICE:
            here = pending.get(one.name)
            oldest = [at for at in (one.oldest_at, here and here.oldest_accepted_at) if at]
            return replace(one, in_outbox=here.count if here else 0, oldest_at=min(oldest, default=None))
        return one


async def look(settings: Settings) -> Overview:
    """Ask the watch, else look once; bounded by some seconds. What does not answer takes nothing else along.

    Raises:
        UsageError: catalogue-invalid, settings-invalid.
    """
    address = watch_address(settings)
    expected = settings.load_catalogue().expected()
    found, fault = await ask_watch(address)
    if found is None:
        _, found = await look_once(settings.kafka, expected)
    midnight = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    (pending, lost), delivered, said = await asyncio.gather(
        _ask_outbox(settings, expected),
        asyncio.to_thread(_delivered_since, settings.stores, midnight),
        _ask_processes(settings) if fault or found.kafka_fault else _nobody(),
    )
    return Overview(found, address, fault, pending, lost, delivered, said)


async def _ask_outbox(settings: Settings, expected: Mapping[str, Expected]) -> tuple[dict[str, PendingOfOffice] | None, Mapping[str, int]]:
    """What is pending and what is unaccounted for; None and nothing where the outbox is not here, or cannot be read."""
    if not tables.is_here(settings.stores):
        return None, {}
    try:
        store = await asyncio.to_thread(tables.open_store, settings.stores)
        try:
            lost = await accounts.unaccounted(settings.kafka, expected, store)
            return await asyncio.to_thread(accounting.pending_by_office, store), lost
        finally:
            await asyncio.to_thread(store.close)
    except CannotTell:
        return None, {}


def watch_address(settings: Settings) -> str:
    """Where the pages of the watch are: as set, else on this machine."""
    return (settings.watch.url or f"http://{readiness.address_of(settings, 'watch')}").rstrip("/")


async def ask_watch(address: str) -> tuple[Snapshot | None, str]:
    """The last snapshot of the watch, or why there is none that counts."""
    try:
        async with httpx.AsyncClient(timeout=_ANSWER_S, trust_env=False) as http:
            answer = await http.get(f"{address}{snapshot.PATH}")
        if answer.status_code != httpx.codes.OK:
            return None, f"the watch at {address} has nothing to tell yet (status {answer.status_code})"
        found = snapshot.read(answer.content)
    except (httpx.HTTPError, httpx.InvalidURL, OSError):
        return None, f"no watch answers at {address.removeprefix('http://')}"
    except ValidationError:
        return None, f"what answers at {address} is no watch, or one of another version"
    age = abs(datetime.now(UTC) - found.at)
    if age > timedelta(seconds=max(_STALE_INTERVALS * found.interval_s, _LEAST_STALE_S)):
        return None, f"the watch at {address} has not looked for {age.total_seconds():.0f} s"
    return found, ""


def _delivered_since(stores: StoreSettings, begin: datetime) -> dict[str, int] | None:
    """By office; None where the statistics are not here, or cannot be read. Blocks."""
    if not facts.is_here(stores):
        return None
    try:
        store = facts.open_store(stores)
        try:
            return today.delivered_since(store, begin)
        finally:
            store.close()
    except CannotTell:
        return None


async def _ask_processes(settings: Settings) -> dict[str, Readiness]:
    """What the processes say of themselves that answer on this machine and have something to say."""
    processes = [name for name in operator_ports(settings) if name != "watch"]
    async with httpx.AsyncClient(timeout=_ANSWER_S, trust_env=False) as http:
        answers = await asyncio.gather(*(readiness.ask(http, readiness.address_of(settings, process)) for process in processes))
    return {name: answer for name, answer in zip(processes, answers, strict=True) if answer.status is not None and not answer.well}


async def _nobody() -> dict[str, Readiness]:
    return {}
