"""The verdict on each part of the bus, out of what was observed from outside at one time. Pure. For `stadtbus lag`; verdicts that know history
come with the lag watch.

Nothing is judged by the moment: a process that joins and leaves its group in a loop is judged by what it says at `/readyz`, and one that cannot
be asked (it runs on another machine) is well as long as nothing waits for long.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import httpx

from consumers.watch.gateway import FRESH_S
from consumers.watch.lag import GroupLag
from producers.outbox.accounting import PendingOfOffice
from schemas import topics
from schemas.heartbeats import Heartbeat
from stadtbus.observations import Observations
from stadtbus.readiness import GATEWAY, Readiness

STATUS_FEED: Final = "status feed"
RELAY_LIMIT_S: Final = 10.0
"""The relay brings a submission to Kafka in milliseconds; what waits longer waits for a reason."""
LONG_S: Final = 300.0
"""A backlog that is worked off may take so long; what waits longer is told, whatever a process says."""


@dataclass(frozen=True, slots=True)
class LagVerdict:
    """The verdict on an office, the gateway, the status feed, the audit or the statistics."""

    name: str
    state: str
    """`works`, `not asked`, `not in use`, `unknown`, or the state of the gravest finding."""
    well: bool
    """False where a person has to know."""
    reasons: Sequence[str]
    """Why, in sentences, the gravest first."""
    lag: GroupLag | None = None
    pending: PendingOfOffice | None = None
    unaccounted: int = 0
    known: bool = True
    """False where nobody can tell whether something waits: being well says nothing then."""

    @property
    def waits(self) -> int:
        """What was accepted and is not delivered, parked ones apart; for a recorder, what is not recorded."""
        return (self.lag.behind if self.lag else 0) + (self.pending.count if self.pending else 0)

    @property
    def lost(self) -> int:
        """How many are gone, or were passed over."""
        return max(self.lag.expired if self.lag else 0, self.unaccounted)

    def oldest_at(self) -> datetime | None:
        """Since when the first in line waits, on Kafka or before it."""
        known = (self.lag.oldest_undelivered_at if self.lag else None, self.pending.oldest_accepted_at if self.pending else None)
        return min((at for at in known if at is not None), default=None)

    def as_dict(self, now: datetime) -> dict[str, Any]:
        """For programs."""
        lag, oldest_at = self.lag, self.oldest_at()
        return {
            "name": self.name,
            "office": self.name if "." in self.name else None,
            "state": self.state,
            "well": self.well,
            "known": self.known,
            "said": list(self.reasons),
            "waits": self.waits,
            "behind": lag and lag.behind,
            "in_outbox": self.pending.count if self.pending else 0,
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


def judge(observed: Observations, offices: Sequence[str], now: datetime) -> list[LagVerdict]:
    """A verdict on each part, offices first. Without Kafka they tell only what is known without it."""
    audit, statistics = topics.GROUP_AUDIT, topics.GROUP_STATISTICS
    # The status feed runs in the gateway, whose own findings stand in the gateway's verdict.
    gateway = observed.readiness[GATEWAY]
    status_feed = Readiness(gateway.address, gateway.status, "ok" if gateway.status else "")
    return [
        *(_of_office(observed, office, now) for office in offices),
        _of_gateway(observed),
        _of_recorder(STATUS_FEED, observed.lags.get(topics.GROUP_STATUS), status_feed, now),
        _of_recorder(audit, observed.lags.get(audit), observed.readiness[audit], now),
        _of_recorder(statistics, observed.lags.get(statistics), observed.readiness[statistics], now),
    ]


class _Finding(NamedTuple):
    """What a person has to know of one part."""

    state: str
    text: str


def _of_office(observed: Observations, office: str, now: datetime) -> LagVerdict:
    lag, readiness = observed.lags.get(office), observed.readiness[office]
    pending, unaccounted = (observed.pending or {}).get(office), observed.unaccounted.get(office, 0)
    findings = [
        *_lost(office, lag, unaccounted),
        *_by_kafka(lag, readiness, now),
        *_by_readiness(lag, readiness, pending),
        *_in_outbox(office, pending, observed, now),
    ]
    return _verdict(office, findings, lag, readiness, pending, unaccounted)


def _of_gateway(observed: Observations) -> LagVerdict:
    readiness = observed.readiness[GATEWAY]
    if readiness.status is None and observed.gateway is not None:
        return _by_heartbeat(observed.gateway, readiness)
    # It cannot be asked from here, nor its outbox be looked into: what waits there nobody can tell.
    unknown = readiness.status is None and observed.pending is None
    if unknown:
        silent = f"no process answers at {readiness.address}, and none has said anything in {topics.HEARTBEATS} within {FRESH_S:.0f} s"
        findings = [
            _Finding("unknown", f"{silent}: what was accepted and is not on Kafka is not known; start the gateway, or ask where it runs")
        ]
    elif readiness.status is None:
        findings = [_Finding("no process", f"no process answers at {readiness.address}")]
    else:
        findings = list(_by_readiness(None, readiness, None))
    reasons = [finding.text for finding in findings] + ([observed.outbox_fault] if observed.outbox_fault else [])
    state = findings[0].state if findings else "works"
    return LagVerdict(GATEWAY, state, unknown or not findings, reasons, known=not unknown)


def _by_heartbeat(said: Heartbeat, readiness: Readiness) -> LagVerdict:
    """A gateway of another machine, by its own words."""
    findings = [f"{name}: {text}" for name, text in said.findings.items()]
    elsewhere = f"it runs elsewhere: {readiness.address} does not answer, and it has said so in {topics.HEARTBEATS}"
    return LagVerdict(GATEWAY, "degraded" if findings else "not asked", not findings, [*findings, elsewhere])


def _of_recorder(name: str, lag: GroupLag | None, readiness: Readiness, now: datetime) -> LagVerdict:
    findings = [*_lost(name, lag, 0), *_by_kafka(lag, readiness, now), *_by_readiness(lag, readiness, None)]
    return _verdict(name, findings, lag, readiness, None, 0)


def _verdict(
    name: str, findings: Sequence[_Finding], lag: GroupLag | None, readiness: Readiness, pending: PendingOfOffice | None, unaccounted: int
) -> LagVerdict:
    state, reasons = (findings[0].state, [one.text for one in findings]) if findings else _without_findings(lag, readiness)
    return LagVerdict(name, state, not findings, reasons, lag, pending, unaccounted)


def _without_findings(lag: GroupLag | None, readiness: Readiness) -> tuple[str, Sequence[str]]:
    """State and reasons where nothing is known to be wrong."""
    if lag is None:
        return "unknown", []  # why nobody can tell is said once, for all
    if readiness.status is not None:
        return "works", []
    if lag.members:
        members = f"its group has {lag.members} member{'s' * (lag.members > 1)}"
        return "not asked", [f"its process runs elsewhere: {readiness.address} does not answer, and {members}"]
    return "not in use", [f"no process answers at {readiness.address}, and nothing was ever sent to it"]


# --- findings, the gravest first


def _lost(name: str, lag: GroupLag | None, unaccounted: int) -> Iterator[_Finding]:
    """What is gone: the gravest of all, and it does not pass."""
    if lag is not None and lag.expired:
        yield _Finding("lost", f"{lag.expired} records were gone from Kafka before it had read them")
    if unaccounted:
        nothing = f"{unaccounted} submissions are on Kafka no more or were passed over, and nothing has become of them"
        again = f"start the adapter if it stands; what it does not deliver then, `stadtbus outbox republish {name}` sends again"
        yield _Finding("lost", f"{nothing}: {again}")


def _by_kafka(lag: GroupLag | None, readiness: Readiness, now: datetime) -> Iterator[_Finding]:
    if lag is None:
        return
    for fault in lag.faults:
        yield _Finding("unknown", fault) if lag.offsets is None else _Finding("broken", f"{fault}; see `stadtbus topics plan`")
    if lag.held_back:
        since = f", since {_clock(lag.held_back_since)}" if lag.held_back_since else ""
        where = f"a transaction is open in {', '.join(lag.held_back)}{since}"
        yield _Finding("held back", f"{where}: nothing behind it can be read before it ends")
    age_s = lag.oldest_age_s(now)
    if age_s is not None and age_s > LONG_S and readiness.text in ("", "ok"):
        yield _Finding("late", f"the first in line waits since {_clock(lag.oldest_undelivered_at)}")


def _by_readiness(lag: GroupLag | None, readiness: Readiness, pending: PendingOfOffice | None) -> Iterable[_Finding]:
    if readiness.status is not None and not readiness.well:
        state = "degraded" if readiness.status == httpx.codes.OK else "not working"
        return [_Finding(state, line) for line in readiness.text.splitlines() or [f"its page answers {readiness.status}"]]
    if readiness.status is None and lag is not None and not lag.members and (lag.used or pending):
        return [_Finding("no process", f"no process answers at {readiness.address}, and none is in the group")]
    return []


def _in_outbox(office: str, pending: PendingOfOffice | None, observed: Observations, now: datetime) -> Iterator[_Finding]:
    """What waits before Kafka longer than the relay takes, or has no gateway that brings it there."""
    gateway = observed.readiness[GATEWAY]
    runs = gateway.status is not None or observed.gateway is not None
    if pending is None or (runs and (now - pending.oldest_accepted_at).total_seconds() <= RELAY_LIMIT_S):
        return
    if observed.gateway is not None:
        relay = [lane.why for lane in observed.gateway.lanes if lane.office == office and lane.why]
    elif gateway.status is None:
        relay = ["the gateway does not run"]
    elif observed.kafka_fault:
        relay = ["Kafka does not answer"]
    else:
        lines = (line.partition(": ") for line in gateway.text.splitlines())
        relay = [text for name, _, text in lines if name == f"relay of {office}"]
    why = f": {'; '.join(relay)}" if relay else ""
    since = _clock(pending.oldest_accepted_at)
    yield _Finding("not on Kafka", f"{pending.count} accepted and not on Kafka, the oldest since {since}{why}")


def _clock(moment: datetime | None) -> str:
    """As a clock of this machine shows it."""
    return "" if moment is None else moment.astimezone().strftime("%d.%m. %H:%M:%S")
