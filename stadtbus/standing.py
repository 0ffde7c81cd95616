"""How each part of the bus stands, asked from outside: what waits (Kafka and the outbox), what its process says of itself (`/readyz`), and what is
unaccounted for. For `stadtbus lag`; a verdict that knows history comes with the lag watch.

Nothing is judged by the moment: who joins and leaves a group in a loop stands as its page says, and whose page cannot be asked (it runs on another
machine) stands well as long as nothing waits for long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import httpx

from consumers.watch import lag
from consumers.watch.lag import GroupLag
from infra.kafka.client_errors import in_our_words
from producers.outbox import outbox
from producers.outbox.outbox import Reach, Unfinished, Waiting
from schemas import problems, topics
from schemas.errors import CannotTell
from stadtbus.processes import port_of

if TYPE_CHECKING:
    from infra.stores import Store
    from stadtbus.settings import Settings

GATEWAY: Final = "gateway"
STATUS_FEED: Final = "status feed"
_PAGE_LIMIT_S: Final = 2.0
_KAFKA_LIMIT_S: Final = 20.0
_LONGEST_PAGE: Final = 2_000
RELAY_LIMIT_S: Final = 10.0
"""The relay brings a submission to Kafka in milliseconds; what waits longer waits for a reason."""
LONG_S: Final = 300.0
"""A backlog that is worked off may take so long; what waits longer is told, whatever a process says."""
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where a process listens that listens everywhere


@dataclass(frozen=True, slots=True)
class Page:
    """What a process says at `/readyz`; without a status nobody answered there."""

    at: str
    status: int | None = None
    text: str = ""

    @property
    def well(self) -> bool:
        """It works, and has nothing to tell."""
        return self.status == httpx.codes.OK and self.text == "ok"


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that was found out at one time."""

    lags: Mapping[str, GroupLag]
    """By office or group; empty where Kafka cannot be asked."""
    pages: Mapping[str, Page]
    waiting: Mapping[str, Waiting] | None
    """By office; None where the outbox cannot be looked into from here."""
    unaccounted: Mapping[str, int] = field(default_factory=dict)
    kafka: CannotTell | None = None
    """Why Kafka cannot be asked."""
    outbox: str = ""
    """Why the outbox cannot be looked into."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One line: an office, the gateway, the status feed, the audit or the statistics."""

    name: str
    state: str
    well: bool
    """False where a person has to know."""
    said: Sequence[str]
    """Why, in sentences."""
    lag: GroupLag | None = None
    waiting: Waiting | None = None
    unaccounted: int = 0

    @property
    def waits(self) -> int:
        """What was accepted and is not delivered, parked ones apart; for a recorder, what is not recorded."""
        return (self.lag.behind if self.lag else 0) + (self.waiting.count if self.waiting else 0)

    @property
    def lost(self) -> int:
        """What is gone or passed over."""
        return max(self.lag.expired if self.lag else 0, self.unaccounted)

    def oldest_at(self) -> datetime | None:
        """Since when the first in line waits, on Kafka or before it."""
        known = (self.lag.oldest_undelivered_at if self.lag else None, self.waiting.oldest_accepted_at if self.waiting else None)
        return min((at for at in known if at is not None), default=None)

    def as_dict(self, now: datetime) -> dict[str, Any]:
        """For programs."""
        lag, oldest_at = self.lag, self.oldest_at()
        return {
            "name": self.name,
            "office": self.name if "." in self.name else None,
            "state": self.state,
            "well": self.well,
            "said": list(self.said),
            "waits": self.waits,
            "behind": lag and lag.behind,
            "in_outbox": self.waiting.count if self.waiting else 0,
            "parked": lag and lag.parked,
            "expired": lag and lag.expired,
            "unaccounted": self.unaccounted,
            "oldest_undelivered_at": oldest_at,
            "oldest_age_s": None if oldest_at is None else max(0.0, (now - oldest_at).total_seconds()),
            "oldest_parked_at": lag and lag.oldest_parked_at,
            "open_transactions": list(lag.held_back) if lag else [],
            "held_back_since": lag and lag.held_back_since,
            "group_state": lag and lag.group_state,
            "members": lag and lag.members,
        }


# --- asking


async def look(settings: Settings) -> Seen:
    """Ask Kafka, the outbox and every process; bounded by some seconds, and what does not answer takes nothing else along.

    Raises:
        UsageError: catalogue-invalid.
    """
    offices = settings.load_catalogue().offices
    store, why = await asyncio.to_thread(_open_outbox, settings)
    try:
        before = await asyncio.to_thread(outbox.unfinished, store) if store else None
        asked = asyncio.gather(
            _ask_kafka(settings, offices), _ask_pages(settings, [*offices, GATEWAY, topics.GROUP_AUDIT, topics.GROUP_STATISTICS])
        )
        (lags, kafka), pages = await asked
        if store is None or before is None:
            return Seen(lags, pages, None, kafka=kafka, outbox=why)
        waiting = await asyncio.to_thread(outbox.waiting, store)
        return Seen(lags, pages, waiting, await asyncio.to_thread(_unaccounted, store, before, lags, offices), kafka)
    finally:
        if store is not None:
            await asyncio.to_thread(store.close)


def _open_outbox(settings: Settings) -> tuple[Store | None, str]:
    if not outbox.is_here(settings.stores):
        return None, f"there is no outbox at {settings.stores.shown('outbox')}: what is not on Kafka yet is seen where the gateway runs"
    try:
        return outbox.open_store(settings.stores), ""
    except CannotTell as error:
        return None, f"the outbox cannot be read: {error.detail}"


async def _ask_kafka(settings: Settings, offices: Sequence[str]) -> tuple[dict[str, GroupLag], CannotTell | None]:
    try:
        with in_our_words(settings.kafka):
            async with asyncio.timeout(_KAFKA_LIMIT_S):
                found = await lag.of_offices(settings.kafka, offices)
                # After them: who has read all events that are there now knows of everything that these offices have passed.
                found += await lag.of_groups(settings.kafka, lag.read_by_recorders(offices))
    except CannotTell as error:
        return {}, error
    if all(one.offsets is None for one in found):
        return {}, CannotTell(problems.KAFKA_FAILED, found[0].faults[-1], where=settings.kafka.bootstrap)
    return {one.group: one for one in found}, None


async def _ask_pages(settings: Settings, processes: Sequence[str]) -> dict[str, Page]:
    async with httpx.AsyncClient(timeout=_PAGE_LIMIT_S, trust_env=False) as http:
        pages = await asyncio.gather(*(ask(http, address_of(settings, process)) for process in processes))
    return dict(zip(processes, pages, strict=True))


def address_of(settings: Settings, process: str) -> str:
    """Where a process of this machine has its operator's pages."""
    host = _ANYWHERE.get(settings.http.host, settings.http.host)
    return f"{f'[{host}]' if ':' in host else host}:{port_of(settings, process)}"


async def ask(http: httpx.AsyncClient, address: str) -> Page:
    """What a process says of itself."""
    try:
        answer = await http.get(f"http://{address}/readyz")
    except (httpx.HTTPError, OSError):
        return Page(address)
    return Page(address, answer.status_code, answer.text[:_LONGEST_PAGE].strip())


def _unaccounted(store: Store, before: Unfinished, lags: Mapping[str, GroupLag], offices: Sequence[str]) -> dict[str, int]:
    """What the outbox knows as published and nobody will deliver; only where the status feed has read all that it would know it by."""
    feed = lags.get(topics.GROUP_STATUS)
    if feed is None or feed.behind or feed.faults or feed.offsets is None:
        return {}
    return outbox.unaccounted(store, before, {office: reach for office in offices if (reach := _reach(office, lags.get(office)))})


def _reach(office: str, known: GroupLag | None) -> Reach | None:
    if known is None or known.offsets is None or not known.whole:
        return None
    offsets = known.offsets
    mine = [one for one in offsets.end if one.topic == topics.submissions(office)]
    return Reach(
        {one.partition: max(offsets.committed[one] or 0, offsets.first[one]) for one in mine},
        {one.partition: offsets.end[one] for one in mine},
        known.parked,
    )


# --- judging


def judge(seen: Seen, offices: Sequence[str], now: datetime) -> list[Standing]:
    """How everything stands, offices first. Without Kafka only what is known without it."""
    return [
        *(_of_office(seen, office, now) for office in offices),
        _of_gateway(seen),
        _of_recorder(seen, STATUS_FEED, topics.GROUP_STATUS, seen.pages[GATEWAY], now),
        *(_of_recorder(seen, group, group, seen.pages[group], now) for group in (topics.GROUP_AUDIT, topics.GROUP_STATISTICS)),
    ]


def _of_office(seen: Seen, office: str, now: datetime) -> Standing:
    known, page, gateway = seen.lags.get(office), seen.pages[office], seen.pages[GATEWAY]
    waiting, unaccounted = (seen.waiting or {}).get(office), seen.unaccounted.get(office, 0)
    findings = [
        *_lost(office, known, unaccounted),
        *_by_kafka(known, page, now),
        *_by_page(known, page, waiting),
        *_in_outbox(office, waiting, gateway, seen.kafka, now),
    ]
    return _standing(office, findings, known, page, waiting, unaccounted)


def _of_gateway(seen: Seen) -> Standing:
    page = seen.pages[GATEWAY]
    findings = [("no process", f"no process answers at {page.at}")] if page.status is None else list(_by_page(None, page, None))
    # A gateway of another machine cannot be asked from here, nor its outbox be looked into: nothing is known to be wrong with it.
    well = page.status is None and seen.waiting is None
    said = [text for _, text in findings] + ([seen.outbox] if seen.outbox else [])
    state = "not asked" if well else findings[0][0] if findings else "works"
    return Standing(GATEWAY, state, well or not findings, said)


def _of_recorder(seen: Seen, name: str, group: str, page: Page, now: datetime) -> Standing:
    known = seen.lags.get(group)
    own_page = (
        page if name == group else Page(page.at, page.status, "ok" if page.status else "")
    )  # what the gateway says stands in its line
    findings = [*_lost(name, known, 0), *_by_kafka(known, own_page, now), *_by_page(known, own_page, None)]
    return _standing(name, findings, known, own_page, None, 0)


def _standing(
    name: str, findings: Sequence[tuple[str, str]], known: GroupLag | None, page: Page, waiting: Waiting | None, unaccounted: int
) -> Standing:
    if findings:
        return Standing(
            name, findings[0][0], well=False, said=[text for _, text in findings], lag=known, waiting=waiting, unaccounted=unaccounted
        )
    if known is None:
        return Standing(name, "unknown", well=True, said=[], waiting=waiting)  # why nobody can tell is said once, for all
    if page.status is not None:
        return Standing(name, "works", well=True, said=[], lag=known, waiting=waiting)
    if known.members:
        said = f"its process runs elsewhere: {page.at} does not answer, and its group has {known.members} member{'s' * (known.members > 1)}"
        return Standing(name, "not asked", well=True, said=[said], lag=known, waiting=waiting)
    unused = f"no process answers at {page.at}, and nothing was ever sent to it"
    return Standing(name, "not in use", well=True, said=[unused], lag=known, waiting=waiting)


def _lost(name: str, known: GroupLag | None, unaccounted: int) -> Iterator[tuple[str, str]]:
    """What is gone is the gravest, and stays so."""
    if known is not None and known.expired:
        yield "lost", f"{known.expired} records were gone from Kafka before it had read them"
    if unaccounted:
        nothing = f"{unaccounted} submissions are on Kafka no more or were passed over, and nothing has become of them"
        yield (
            "lost",
            f"{nothing}: start the adapter if it stands; what it does not deliver then, `stadtbus outbox republish {name}` sends again",
        )


def _by_kafka(known: GroupLag | None, page: Page, now: datetime) -> Iterator[tuple[str, str]]:
    if known is None:
        return
    for fault in known.faults:
        yield ("unknown", fault) if known.offsets is None else ("broken", f"{fault}; see `stadtbus topics plan`")
    if known.held_back:
        since = f", since {_clock(known.held_back_since)}" if known.held_back_since else ""
        yield "held back", f"a transaction is open in {', '.join(known.held_back)}{since}: nothing behind it can be read before it ends"
    age_s = known.oldest_age_s(now)
    if age_s is not None and age_s > LONG_S and page.text in ("", "ok"):
        yield "late", f"the first in line waits since {_clock(known.oldest_undelivered_at)}"


def _by_page(known: GroupLag | None, page: Page, waiting: Waiting | None) -> Iterator[tuple[str, str]]:
    if page.status is not None and not page.well:
        state = "degraded" if page.status == httpx.codes.OK else "not working"
        yield from ((state, line) for line in page.text.splitlines() or [f"its page answers {page.status}"])
    elif page.status is None and known is not None and not known.members and (known.used or waiting):
        yield "no process", f"no process answers at {page.at}, and none is in the group"


def _in_outbox(office: str, waiting: Waiting | None, gateway: Page, kafka: CannotTell | None, now: datetime) -> Iterator[tuple[str, str]]:
    if waiting is None or (gateway.status is not None and (now - waiting.oldest_accepted_at).total_seconds() <= RELAY_LIMIT_S):
        return
    relay = [text for name, _, text in (line.partition(": ") for line in gateway.text.splitlines()) if name == f"relay of {office}"]
    if gateway.status is None:
        relay = ["the gateway does not run"]
    elif kafka:
        relay = ["Kafka does not answer"]
    why = f": {'; '.join(relay)}" if relay else ""
    yield "not on Kafka", f"{waiting.count} accepted and not on Kafka, the oldest since {_clock(waiting.oldest_accepted_at)}{why}"


def _clock(moment: datetime | None) -> str:
    """As on the wall."""
    return "" if moment is None else moment.astimezone().strftime("%d.%m. %H:%M:%S")
