"""Takes what the watch has judged, decides what to tell, and sends it; whoever judges never waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import structlog

from consumers.notice_settings import NoticeSettings
from consumers.watch.model import Judgement
from consumers.watch.notices import store as kept
from consumers.watch.notices.causes import causes_of, unknown
from consumers.watch.notices.channels import Channel, Mail, Message, NotTaken, Webhook
from consumers.watch.notices.plan import Known, Notice, Rules, advance
from consumers.watch.notices.store import Waiting
from consumers.watch.notices.text import message_of
from consumers.watch.words import Language
from infra import metrics
from infra.cancellation import is_cancelled
from infra.stores import Store
from infra.tasks import in_background

log = structlog.get_logger()

_FIRST_PAUSE: Final = timedelta(seconds=10)
_LONGEST_PAUSE: Final = timedelta(minutes=10)
_GIVEN_UP_AFTER: Final = timedelta(days=3)
_MOST_DOUBLINGS: Final = 6
_LOOK_S: Final = 30.0

Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


def channels_of(settings: NoticeSettings) -> list[Channel]:
    """The ways out that are set."""
    mail = [Mail(settings.mail)] if settings.mail else []
    return [*mail, *([Webhook(settings.webhook)] if settings.webhook else [])]


class Notifier:
    """Tells what needs a person. All of it runs in the event loop; what was told is in the store of the watch."""

    def __init__(self, settings: NoticeSettings, store: Store, channels: Sequence[Channel], clock: Clock = _now) -> None:
        self._language = Language(settings.language)
        self._store = store
        self._channels = channels
        self._clock = clock
        self._rules = Rules(timedelta(hours=settings.reminder_h), settings.quiet_hours)
        self._known: list[Known] | None = None
        """As the store has it; None before it was read."""
        self._judged: Sequence[Judgement] | None = None
        self._news = asyncio.Event()
        self._to_send = {channel.name: asyncio.Event() for channel in channels}
        self._faults: dict[str, str] = {}

    def note(self, judgements: Sequence[Judgement]) -> None:
        """Take the verdicts of a cycle; returns at once. Of several that nobody has looked at yet the last one counts."""
        self._judged = judgements
        self._news.set()

    def running(self) -> AbstractAsyncContextManager[None]:
        """Plan and send until the block is left. With no way out nothing runs."""
        works = [self._plan_all, *(partial(self._send_all, channel) for channel in self._channels)]
        return in_background(*(works if self._channels else ()))

    def check(self) -> str | None:
        """For the health page: why notices are not taken; None while they are."""
        return "; ".join(f"{name}: {fault}" for name, fault in sorted(self._faults.items())) or None

    async def _plan_all(self) -> None:
        await self._store.write(partial(kept.forget_others, channels=list(self._to_send)))
        while True:
            await self._news.wait()
            self._news.clear()
            await self._plan(self._judged or ())

    async def _plan(self, judgements: Sequence[Judgement]) -> None:
        """Decide what is told, and keep it together with what was told: the store has both or nothing."""
        if self._known is None:
            self._known = await self._store.write(kept.known)
        known, notices = advance(self._known, causes_of(judgements, self._language), unknown(judgements), self._rules, self._clock())
        if known == self._known:
            return
        messages = [self._message(notice, judgements) for notice in notices]
        self._known = None  # whether it was written is not known before it is
        await self._store.write(partial(kept.put, now_known=known, messages=messages, channels=list(self._to_send)))
        self._known = known
        for event in self._to_send.values() if messages else ():
            event.set()

    def _message(self, notice: Notice, judgements: Sequence[Judgement]) -> Message:
        log.info("notice_made", occasion=notice.occasion.value, cause=notice.cause.key, incident=notice.incident)
        return message_of(notice, judgements, self._language)

    async def _send_all(self, channel: Channel) -> None:
        """Send what is due, one after the other, the oldest first."""
        event = self._to_send[channel.name]
        while True:
            if is_cancelled():  # a way out may have taken it for itself
                raise asyncio.CancelledError
            event.clear()
            # By the store's writer, which the end of the process waits for: no read of ours is left behind.
            waiting, count = await self._store.write(partial(kept.next_of, channel=channel.name))
            metrics.NOTICES_WAITING.labels(channel.name).set(count)
            pause_s = (waiting.due_at - self._clock()).total_seconds() if waiting else _LOOK_S
            if waiting and pause_s <= 0:
                await self._send(channel, waiting)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(min(pause_s, _LOOK_S)):
                    await event.wait()

    async def _send(self, channel: Channel, waiting: Waiting) -> None:
        message = waiting.message
        try:
            await channel.send(message)
        except NotTaken as error:
            await self._not_taken(channel, waiting, str(error))
            return
        metrics.NOTICES.labels(channel.name, "sent").inc()
        self._faults.pop(channel.name, None)
        log.info("notice_sent", channel=channel.name, incident=message.incident)
        await self._store.write(partial(kept.done, channel=channel.name, message_id=message.id))

    async def _not_taken(self, channel: Channel, waiting: Waiting, why: str) -> None:
        """Try again later, at longer and longer intervals, for three days."""
        message, now = waiting.message, self._clock()
        given_up = now - message.at > _GIVEN_UP_AFTER
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(waiting.attempts, _MOST_DOUBLINGS))
        metrics.NOTICES.labels(channel.name, "given-up" if given_up else "not-taken").inc()
        self._faults[channel.name] = f"not taken: {why}"
        log.warning("notice_not_taken", channel=channel.name, incident=message.incident, reason=why, given_up=given_up)
        if given_up:
            await self._store.write(partial(kept.done, channel=channel.name, message_id=message.id))
        else:
            await self._store.write(partial(kept.later, channel=channel.name, message_id=message.id, due_at=now + pause))
