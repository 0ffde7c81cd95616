"""What the watch says of a consumer: a judgement, which `judge.py` makes and `words.py` turns into sentences.

Beside it: `observed.py`, what the collector finds out; `memory.py`, what the judge remembers. Everything is a value: no I/O, times are aware and
in UTC, and each type goes to JSON and back by pydantic's `TypeAdapter`. Nothing personal: counts, places, times, codes, and what our own
processes and operators say.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from consumers.watch.observed import Kind

RUNBOOK: Final = "docs/operations.md"


class Verdict(StrEnum):
    """How a consumer does, in the order in which the rules are tried: the first that fits wins (docs/lag.md)."""

    UNKNOWN = "unknown"
    """Too long ago that anybody has told."""
    LOST = "lost"
    """Records were gone before they were read."""
    PAUSED = "paused"
    """A person, a maintenance window or opening hours say so."""
    DOWN = "down"
    """Something waits, and no process is there to take it."""
    REWOUND = "rewound"
    """It went back to what it had finished, and nobody has said so."""
    STUCK = "stuck"
    """Something waits, a process is there, and it does not come on."""
    LATE = "late"
    """It comes on, and what waits has waited for longer than the target of its office."""
    SLOW = "slow"
    """More comes in than is finished, and the target will be missed soon."""
    DRAINING = "draining"
    """A backlog is being worked off."""
    FLAPPING = "flapping"
    """Processes come and go."""
    QUIET = "quiet"
    """Nothing came in for longer than is usual here: information, no alarm."""
    OK = "ok"


class SubReason(StrEnum):
    """Why the verdict is what it is, where the rules tell several reasons apart."""

    # UNKNOWN
    KAFKA_AWAY = "kafka-away"
    """No broker answers, or not the one that would know."""
    NOT_ASKED = "not-asked"
    """The watch could not do its work: rights, a call that fails, or it has just begun."""
    NOT_SAID = "not-said"
    """Only heartbeats tell it, and they cannot be read or do not say it."""
    TOPICS = "topics"
    """Its topics are missing, or nobody leads their partitions."""
    # LOST
    EXPIRED = "expired"
    """Retention or a person took records away before they were read."""
    LOG_SHORTENED = "log-shortened"
    """The log ends before the place that was finished: Kafka has lost its end, or the topic was made anew."""
    NOTED = "noted"
    """The office's process has noted records that were gone before it read them."""
    # PAUSED
    BY_OPERATOR = "by-operator"
    MAINTENANCE = "maintenance"
    CLOSED = "closed"
    """Outside the opening hours that its page of the catalogue states."""
    # DOWN
    KILLED = "killed"
    """It was there, has not said that it stops, and is silent: killed, hung, or cut off from Kafka."""
    STOPPED = "stopped"
    """Its last words were that it stops."""
    NEVER_STARTED = "never-started"
    """No process of it was ever heard, as far as the watch knows."""
    NO_MEMBERS = "no-members"
    """A process is heard, but is no member of its group."""
    # STUCK
    BACK_OFFICE_DOWN = "back-office-down"
    HELD = "held"
    """The brake holds the whole office: everything is refused."""
    POISON = "poison"
    """One record is taken up again and again."""
    HUNG = "hung"
    """The process says that it runs, and does not ask Kafka for records."""
    UNFIT = "unfit"
    """The process says itself why it does not work."""
    WAITING = "waiting"
    """The process works and one record keeps the commit back; it does not say why."""
    NOT_TAKEN = "not-taken"
    """Processes are heard, and none of them has that partition."""
    OPEN_TRANSACTION = "open-transaction"
    """A foreign transaction on the topic hides what is behind it."""
    BLIND = "blind"
    """No process of ours is heard in that group."""
    # the outbox
    REFUSED = "refused"
    """Kafka refuses a record."""
    NOT_PUBLISHED = "not-published"
    """The relay does not come on, for the reason that it says."""


class Attention(StrEnum):
    """What a person has to do about it. Beside the verdict, because an office without lag may have dead letters."""

    NONE = "none"
    """Nothing: it is well, or mends itself in time."""
    SOON = "soon"
    """A person has to act, in working hours."""
    NOW = "now"
    """A person has to act at once, at night too."""


def gravest(attentions: Iterable[Attention]) -> Attention:
    """What asks most."""
    return max(attentions, key=tuple(Attention).index, default=Attention.NONE)


class Party(StrEnum):
    """Whose fault it is, that is: who can mend it."""

    NOBODY = "nobody"
    BACK_OFFICE = "back-office"
    ADAPTER = "adapter"
    """The office's own process, or whoever runs it."""
    RECORDER = "recorder"
    GATEWAY = "gateway"
    KAFKA = "kafka"
    PORTAL = "portal"
    OPERATOR = "operator"
    """A person or a plan of this bus."""
    WATCH = "watch"
    """The watch itself, or its way to Kafka."""


class EvidenceCode(StrEnum):
    """What a line of evidence says; `words.py` has the sentences, and says which values each takes."""

    AS_OF = "as-of"
    BROKER_AWAY = "broker-away"
    CALL_FAILED = "call-failed"
    PARTITIONS_UNKNOWN = "partitions-unknown"
    TOPIC_FAULT = "topic-fault"
    RECORDS_LOST = "records-lost"
    LOSS_NEAR = "loss-near"
    PAUSED_BY = "paused-by"
    WINDOW = "window"
    CLOSED_UNTIL = "closed-until"
    HIDDEN = "hidden"
    """What the verdict would be without the pause."""
    LAST_HEARTBEAT = "last-heartbeat"
    NO_HEARTBEAT = "no-heartbeat"
    STOPPED = "stopped"
    MEMBERS = "members"
    NOBODY_THERE = "nobody-there"
    LAST_COMMIT = "last-commit"
    NO_COMMIT = "no-commit"
    OLDEST = "oldest"
    WENT_BACK = "went-back"
    STANDS_AT = "stands-at"
    ATTEMPTS = "attempts"
    BREAKER_OPEN = "breaker-open"
    OFFICE_HELD = "office-held"
    SERIES_HELD = "series-held"
    LAST_POLL = "last-poll"
    FINDING = "finding"
    """What a process says at `/readyz`."""
    TRANSACTION = "transaction"
    TARGET = "target"
    RATE = "rate"
    BREACH_AT = "breach-at"
    ETA = "eta"
    GROUP_CHANGES = "group-changes"
    LAST_RECORD = "last-record"
    USUAL_GAP = "usual-gap"
    PROBE = "probe"
    DEAD_LETTERS = "dead-letters"
    DEAD_LETTERS_UNKNOWN = "dead-letters-unknown"
    PARKED = "parked"
    LANE = "lane"
    PROCESS_GONE = "process-gone"
    """One of several is silent; the others work."""
    NOT_IN_USE = "not-in-use"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One line of evidence: a code and the values of its sentence."""

    code: EvidenceCode
    count: int | None = None
    at: datetime | None = None
    until: datetime | None = None
    seconds: float | None = None
    of: str = ""
    """What it is about: a place, a portal, an office, an instance, a broker, a person."""
    said: str = ""
    """Words of our own processes or of an operator, quoted."""
    attention: Attention = Attention.NONE
    """What this line alone asks of a person."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one consumer, with everything that a screen, a metric or a notice says of it."""

    name: str
    kind: Kind
    city: str
    """Empty for who serves all cities."""
    verdict: Verdict
    sub_reason: SubReason | None
    since: datetime
    """Since when it is so: of the trouble where that is known, else since the watch has seen it; kept over a restart of the watch."""
    attention: Attention
    party: Party
    cause: str
    """Equal for all that have the same cause, so that one message is enough: `kafka`, `gateway`, `muenchen.gewerbe:stuck:held`."""
    evidence: tuple[Evidence, ...]
    """The gravest first: what the verdict rests on, then what a person has to know beside it."""
    runbook: str
    """`docs/operations.md#...`."""
    as_of: datetime | None
    """The age of the oldest thing it rests on; None where nothing was ever found out."""
    waiting: int | None = None
    """On Kafka (of the gateway: in the outbox) and neither finished nor set aside; None where nobody knows."""
    in_outbox: int | None = None
    """Of an office: accepted and not on Kafka yet, as the gateway says; None where it does not."""
    oldest_at: datetime | None = None
    parked: int | None = None
    parked_oldest_at: datetime | None = None
    dead_letters: int | None = None
    dead_letters_oldest_at: datetime | None = None
    done_by: datetime | None = None
    """When the backlog will be worked off at the pace of now (ETA); None where there is none, or it grows."""
    partition: str | None = None
    """The place that the verdict is about, where it is about one."""
    group_state: str = ""
    members: int | None = None
    processes: int = 0
    """That are heard now."""
    lost: int = 0
    usual_gap_s: float | None = None
    """What is usual on this weekday, as learnt; None before enough is known."""


def exit_code(judgements: Iterable[Judgement]) -> int:
    """0 where nobody has to do anything, 1 where somebody has to, 3 where all that is known is well and something is not known."""
    there = list(judgements)
    if any(one.attention is not Attention.NONE and one.verdict is not Verdict.UNKNOWN for one in there):
        return 1
    return 3 if any(one.verdict is Verdict.UNKNOWN for one in there) else 0
