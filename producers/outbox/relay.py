"""The relay: brings what waits in the outbox to Kafka, each case in the order of acceptance and portals in turn, and notes it only after the
acknowledgement.

Each office has a lane and a producer of its own: a topic that does not take records holds up nobody else's. A crash between
Kafka's acknowledgement and our note sends a record twice under the same message id; every consumer drops that.

Kafka may refuse a record for good: it is larger than the topic now takes, or nobody may write there. Then its case is held, because the
later ones may build on it, and everything else goes on. Held cases are tried again a few at a time; as soon as one of them gets through,
all may. What is refused for a fault of its own is not tried for ever: it becomes a dead letter (docs/decisions/0030). Intake stores nothing
that a topic as `schemas.topics` has it would refuse; but topics are changed, and rows may be older than that.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Container, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Final
from uuid import UUID

import sqlalchemy as sa
import structlog

from infra import crashpoints, metrics
from infra.health import Progress
from infra.kafka.outgoing import KafkaRefusal, Sent, Written
from infra.kafka.sender import Sender
from infra.settings import KafkaSettings
from producers.outbox import pending, usage
from producers.outbox.dead_letters import NOT_PUBLISHABLE, DeadLetters
from producers.outbox.held import Held
from producers.outbox.outbox import Outbox
from producers.outbox.pending import Pending, Waiting
from producers.outbox.record import record_of
from producers.outbox.turns import Batch, Turns
from producers.outbox.usage import Used
from schemas import topics
from schemas.errors import CannotTell
from schemas.heartbeats import RelayLane, sentence

log = structlog.get_logger()

_BATCH: Final = 500
_PAUSE_S: Final = 2.0
"""After Kafka did not answer."""
_LOOK_S: Final = 30.0
"""So often the outbox is asked although nothing was accepted: an operator may have put something back."""
_FIRST_RETRY_S: Final = 1.0
_LONGEST_RETRY_S: Final = 5.0
"""What was refused is soon tried again, because only a few records are: an operator who has mended something wants to see it."""
_CASES_RETRIED: Final = 4
"""At a time; each may be a megabyte that Kafka does not take."""
_TELL_S: Final = 60.0
"""So often the log repeats what is refused."""
_SOON_S: Final = 10.0
"""An election among brokers takes less; what has no answer for longer is told."""
_STALL_LIMIT_S: Final = 180
"""Longer than a send may take; a lane that waits for Kafka moves, and is alive."""


class Lane:
    """Publishes the submissions of one office. One per office and outbox: a second one would break the order within a case.

    The gateway runs `run` in the background and asks the others for its pages and heartbeats.
    """

    def __init__(self, outbox: Outbox, kafka: KafkaSettings, office: str) -> None:
        """Opens nothing: Kafka may be away."""
        self._store = outbox.store
        self._office = office
        self._sender = Sender(kafka, f"relay-{office}")
        self._dead_letters = DeadLetters(outbox.store, self._sender, office)
        self._filled = outbox.filled[office]
        self._held = Held()
        self._since: datetime | None = None
        """Since when anything is refused."""
        self._kinds: Sequence[KafkaRefusal] = ()
        self._unanswered_since: datetime | None = None
        """Since when Kafka has not answered for something that was sent."""
        self._waiting = 0
        self._looked = Waiting(None, 0)
        """What waits after all that could go has gone."""
        self._turns = Turns(outbox.store, office)
        self._looked_s = 0.0
        """When rows before that one were looked at again, on the monotonic clock."""
        self._retry_s = _FIRST_RETRY_S
        self._retry_at_s = 0.0
        """When what is held is tried again, on the monotonic clock."""
        self._told: tuple[float, set[str]] = (0.0, set())
        """When the log was told of refusals last, and of which."""
        self.progress = Progress(_STALL_LIMIT_S)
        """Whether the loop moves; it does while it waits for Kafka."""

    def refused(self) -> str | None:
        """What Kafka refuses and how it calls that, since when, how many wait, and what to do, for people; None while it takes everything."""
        if self._since is None:
            return None
        since = self._since.isoformat(timespec="seconds")
        errors = {topic: [kind.error for kind in self._kinds if kind.topic == topic] for topic, _ in self._kinds}
        refusals = "; ".join(f"{topic} refuses records: {', '.join(names)}" for topic, names in errors.items())
        return f"{refusals}; {self._waiting} wait since {since}; compare with `stadtbus topics plan`"

    def unanswered(self) -> str | None:
        """How many wait because Kafka does not answer, and since when; None while it does, and for the first seconds."""
        since = self._unanswered_since
        if since is None or (datetime.now(UTC) - since).total_seconds() < _SOON_S:
            return None
        return f"Kafka does not answer for {topics.submissions(self._office)}; {self._waiting} wait since {since.isoformat(timespec='seconds')}"

    def behind(self) -> str | None:
        """How many wait for a dead letter of their case, and what to do; None where none does."""
        if not self._looked.behind_dead_letters:
            return None
        return f"{self._looked.behind_dead_letters} wait for dead letters of their cases: `stadtbus deadletters list {self._office}`"

    def check(self) -> str | None:
        """What keeps submissions in the outbox, for the gateway's pages; None while they get to Kafka."""
        return self.refused() or self.unanswered() or self.behind()

    def vitals(self) -> RelayLane:
        """How many wait, since when and why, for the heartbeats of this process."""
        why = self.check()
        return RelayLane(
            office=self._office,
            waiting=self._waiting,
            refused_since=self._since,
            oldest_accepted_at=self._looked.oldest_accepted_at,
            why=None if why is None else sentence(why),
        )

    async def run(self) -> None:
        """Send until cancelled. While Kafka does not answer, everything stays in the outbox and is tried again.

        Raises:
            SQLAlchemyError: the store does not answer. It may be run again: nothing is noted that Kafka does not have.
        """
        try:
            while True:
                self.progress.moved()
                if await self._send_waiting():
                    await self._wait_for_more()
                else:
                    await self._look()
                    self._turns.begin_again()  # what has no clear answer goes first
                    await asyncio.sleep(_PAUSE_S)
        finally:
            await self._sender.stop()

    async def _send_waiting(self) -> bool:
        """Send all that can go; False when Kafka did not answer for something."""
        self._filled.clear()
        while (found := await self._store.read(partial(self._next, self._held.cases)))[0].rows:
            batch, used = found
            self._note_waiting(used)
            if None in await self._send(batch.rows):
                return False
            self._turns.sent(batch)
            if not self._held:
                self._turns.begin_again()
            self.progress.moved()
            if batch.complete and not self._held:  # what was accepted meanwhile has set `filled`
                found = batch, [replace(one, pending=0) for one in used]
                break
        self._unanswered_since = None
        self._note_waiting(found[1])
        await self._tell()
        return True

    def _next(self, held: Container[UUID], connection: sa.Connection) -> tuple[Batch, list[Used]]:
        """What goes next, and what is used before that; one question, because each is a thread and a transaction."""
        return self._turns.read(connection, _BATCH, held), usage.read(connection, self._office)

    async def _send(self, batch: Sequence[Pending]) -> list[Sent]:
        """Send these, note what is on Kafka, and hold what is refused; what became of each."""
        crashpoints.reached("relay.before")
        try:
            sent = await self._sender.send_all([record_of(one) for one in batch])
        except CannotTell as error:
            log.warning("relay_waits", office=self._office, error=error.problem.code)
            self._unanswered_since = self._unanswered_since or datetime.now(UTC)
            return [None] * len(batch)
        crashpoints.reached("relay.acknowledged")
        outcomes = list(zip(batch, sent, strict=True))
        known = [(one, position) for one, position in outcomes if isinstance(position, Written)]
        if known:
            await pending.note_published(self._store, known)
            self._held.taken([one for one, _ in known])
        self._hold([(one, refusal) for one, refusal in outcomes if isinstance(refusal, KafkaRefusal)])
        if None in sent:
            log.warning("relay_waits", office=self._office, unknown=sent.count(None))
            self._unanswered_since = self._unanswered_since or datetime.now(UTC)
        return sent

    def _hold(self, refused: Sequence[tuple[Pending, KafkaRefusal]]) -> None:
        if refused and not self._held:
            self._retry_at_s = time.monotonic() + self._retry_s
        for one, refusal in refused:
            self._held.refused(one, refusal)

    async def _wait_for_more(self) -> None:
        """Until something was accepted, or `_LOOK_S` is over. What is held is tried when it is due, however much is accepted meanwhile."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self._retry_at_s - time.monotonic()) if self._held else _LOOK_S):
                await self._filled.wait()
        if self._held and time.monotonic() >= self._retry_at_s:
            await self._try_held()

    async def _try_held(self) -> None:
        """Send the first held submissions of some cases. When one gets through, the cause is gone: nothing is held any more."""
        tried = self._held.next(_CASES_RETRIED)
        found = await pending.at(self._store, tried)
        sent = await self._send(found)
        await self._give_up([one for one in found if self._held.is_given_up(one)])
        if len(sent) < len(tried) or any(isinstance(one, Written) for one in sent):
            self._held.let_go()
            self._turns.begin_again()
            self._retry_s = _FIRST_RETRY_S
            return
        self._retry_s = min(2 * self._retry_s, _LONGEST_RETRY_S)
        self._retry_at_s = time.monotonic() + self._retry_s
        if time.monotonic() - self._looked_s > _LOOK_S:  # something may have been put back
            self._turns.begin_again()
            self._looked_s = time.monotonic()

    async def _give_up(self, refused: Sequence[Pending]) -> None:
        """Make dead letters of these, but of those that come after one of their case that has not ended: it could be replayed before that."""
        for one in refused:
            if await pending.is_after_unfinished(self._store, one):
                continue
            with suppress(CannotTell):  # Kafka is away: next time
                sent = await self._dead_letters.set_aside(one, self._held.kind_of(one))
                if isinstance(sent, KafkaRefusal):
                    self._held.also_refused(one, sent)
                elif sent is not None:
                    log.error("relay_gave_up", office=self._office, error=self._held.kind_of(one).error)
                    metrics.DEADLETTERS.labels(self._office, NOT_PUBLISHABLE).inc()
                    self._held.gone([one])

    def _note_waiting(self, used: Sequence[Used]) -> None:
        """How much is pending, for metrics and heartbeats."""
        self._waiting = sum(one.pending for one in used)
        metrics.OUTBOX_PENDING.labels(self._office).set(self._waiting)
        for one in used:
            metrics.OUTBOX_PORTAL_PENDING.labels(self._office, one.portal).set(one.pending)
            metrics.OUTBOX_BYTES.labels(self._office, one.portal).set(one.size_bytes)

    async def _look(self) -> None:
        """See what waits, where anything does."""
        self._looked = await pending.waiting(self._store, self._office) if self._waiting else Waiting(None, 0)

    async def _tell(self) -> None:
        """Say what waits and what is refused: in metrics, and in the log when that is new, every `_TELL_S`, and when it is over."""
        await self._look()
        kinds = self._held.kinds()
        self._kinds = sorted(kinds)
        refused = Counter({error: sum(count for kind, count in kinds.items() if kind.error == error) for _, error in kinds})
        self._since = (self._since or datetime.now(UTC)) if refused else None
        for error in refused.keys() | self._told[1]:
            metrics.RELAY_HELD.labels(self._office, error).set(refused[error])
        told_s, told = self._told
        if refused.keys() - told or (refused and time.monotonic() - told_s > _TELL_S):
            log.error(
                "relay_refused",
                office=self._office,
                topics=sorted({topic for topic, _ in kinds}),
                errors=dict(refused),
                waiting=self._waiting,
            )
            self._told = (time.monotonic(), told | refused.keys())
        elif told and not refused:
            log.info("relay_goes_on", office=self._office)
            self._told = (0.0, set())
