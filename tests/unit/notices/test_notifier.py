"""From verdicts to mails and calls: with a store, a real SMTP server and a real HTTP server, by a clock that the test sets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from consumers.notice_settings import NoticeSettings
from consumers.watch.model import Attention, Evidence, EvidenceCode, Judgement, Party, SubReason, Verdict
from consumers.watch.notices import store as kept
from consumers.watch.notices.channels import Channel, Message
from consumers.watch.notices.notifier import Notifier, channels_of
from consumers.watch.store import open_store
from infra.settings import StoreSettings
from infra.stores import Store
from tests.receivers import Calls, Mailbox, free_port, http_server, mail_server
from tests.unit.notices.test_channels import SECRET, TO
from tests.watching import MONDAY, down_office, judgement

WELL = judgement()
DOWN = down_office(
    oldest_at=MONDAY,
    evidence=(
        Evidence(EvidenceCode.BREAKER_OPEN, at=MONDAY, said="ConnectionRefusedError"),
        Evidence(EvidenceCode.OLDEST, count=14, at=MONDAY),
    ),
)


class Night:
    """A watch that tells, and its clock."""

    def __init__(self, store: Store, settings: NoticeSettings, channels: Sequence[Channel] | None = None) -> None:
        self.now = MONDAY
        self.store = store
        self.notifier = Notifier(settings, store, channels_of(settings) if channels is None else channels, lambda: self.now)

    async def looks(self, *judgements: Judgement, minutes: float) -> None:
        """The watch finds this for so long: what is due at the begin, and at the end."""
        for step in (0.0, minutes):
            self.now += timedelta(minutes=step)
            await self.notifier._plan(judgements)

    async def waiting(self, channel: str) -> int:
        """How many messages wait."""
        return (await self.store.write(lambda connection: kept.next_of(connection, channel)))[1]

    async def all_sent(self, channel: str) -> None:
        """No message waits any more."""
        async with asyncio.timeout(15):
            while await self.waiting(channel):
                await asyncio.sleep(0.01)

    async def put_off(self, channel: str) -> timedelta:
        """How long the message waits for its next try, once it does."""
        async with asyncio.timeout(15):
            while (due_at := await self._due_at(channel)) is None or due_at <= self.now:
                await asyncio.sleep(0.01)
        return due_at - self.now

    async def _due_at(self, channel: str) -> datetime | None:
        waiting, _ = await self.store.write(lambda connection: kept.next_of(connection, channel))
        return None if waiting is None else waiting.due_at


async def until(so: Callable[[], bool | Awaitable[bool]], limit_s: float = 15) -> None:
    """Wait until this is so."""
    async with asyncio.timeout(limit_s):
        while True:
            found = so()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.01)


@asynccontextmanager
async def night(stores: StoreSettings, given: dict[str, Any], channels: Sequence[Channel] | None = None) -> AsyncIterator[Night]:
    """A watch that runs with these settings of its notices."""
    store = open_store(stores)
    try:
        watch = Night(store, NoticeSettings(**given), channels)
        async with watch.notifier.running():
            yield watch
    finally:
        store.close()


def by_mail(box: Mailbox, **given: Any) -> dict[str, Any]:
    """Settings that lead to this server."""
    return {"language": "en", "mail": TO | {"security": "none", "port": box.port}} | given


def by_webhook(calls: Calls) -> dict[str, Any]:
    """Settings that lead to this server."""
    return {"webhook": {"url": calls.url, "secret": SECRET}}


async def test_a_back_office_that_is_down(store_settings: StoreSettings) -> None:
    """One mail and one call say what, since when, why, who can mend it and what to do; when it is over, one each says so."""
    with mail_server() as box, http_server() as calls:
        async with night(store_settings, by_mail(box) | by_webhook(calls)) as watch:
            await watch.looks(DOWN, minutes=2)
            await until(lambda: len(box.mails) == len(calls.bodies) == 1)
            await watch.looks(DOWN, minutes=60)
            await watch.looks(WELL, minutes=6)
            await until(lambda: len(box.mails) == len(calls.bodies) == 2)
    assert box.subjects() == [
        "[Stadtbus] muenchen.gewerbe: its back office is down",
        "[Stadtbus] Over: muenchen.gewerbe: its back office is down",
    ]
    text = box.mails[0].get_content()
    for part in (
        "30.11.2026 10:00:00",
        "ConnectionRefusedError",
        "14 wait",
        "the back office",
        "Tell the back office's people",
        "docs/operations.md#stuck",
    ):
        assert part in text
    assert "30.11.2026 11:02:00 (1 h 2 min)" in box.mails[1].get_content()
    begun, over = calls.data()
    assert (begun["occasion"], begun["verdict"], begun["sub_reason"], begun["since"]) == (
        "begun",
        "stuck",
        "back-office-down",
        "2026-11-30T09:00:00.000Z",
    )
    assert (begun["consumers"], begun["party"], begun["waiting"]) == (["muenchen.gewerbe"], "back-office", 14)
    assert (over["occasion"], over["over_since"], over["incident"]) == ("over", "2026-11-30T10:02:00.000Z", begun["incident"])
    assert begun["id"] != over["id"]


async def test_one_cause_of_many_is_one_mail_in_german(store_settings: StoreSettings) -> None:
    """What stops forty consumers is one mail that names thirty; a change of verdict says what was before."""
    names = [f"stadt-{number:02}.gewerbe" for number in range(40)]
    away = [judgement(name, Verdict.UNKNOWN, SubReason.KAFKA_AWAY, Attention.NOW, "kafka", party=Party.KAFKA) for name in names]
    with mail_server() as box:
        async with night(store_settings, by_mail(box, language="de")) as watch:
            await watch.looks(*away, minutes=2)
            await until(lambda: len(box.mails) == 1)
            down = [judgement(name, Verdict.DOWN, SubReason.KILLED, Attention.NOW, "all-down", party=Party.ADAPTER) for name in names]
            await watch.looks(*down, minutes=10)
            await until(lambda: len(box.mails) == 2)
    first, second = (mail.get_content() for mail in box.mails)
    assert "und 39 weitere" in box.subjects()[0]
    assert "stadt-29.gewerbe und 10 weitere" in first
    assert "stadt-30.gewerbe" not in first
    assert box.subjects()[1].startswith("[Stadtbus] Anders: ")
    assert "Zuvor:" in second


async def test_a_restart_tells_nothing_twice(store_settings: StoreSettings) -> None:
    """A watch that is started anew knows what was told, and goes on with it."""
    with mail_server() as box:
        for _ in range(3):
            async with night(store_settings, by_mail(box)) as watch:
                await watch.looks(DOWN, minutes=2)
                await until(lambda: len(box.mails) == 1)
                await watch.all_sent("mail")
        async with night(store_settings, by_mail(box)) as watch:
            await watch.looks(WELL, minutes=6)
            await until(lambda: len(box.mails) == 2)
    assert box.subjects()[1].startswith("[Stadtbus] Over: ")


async def test_a_mail_server_that_is_away(store_settings: StoreSettings) -> None:
    """What could not be sent waits over a restart and is sent when somebody answers; of one cause only the last message, and the health page says why."""
    port = free_port()
    given = {"language": "en", "mail": TO | {"security": "none", "port": port}}
    async with night(store_settings, given) as watch:
        await watch.looks(DOWN, minutes=2)
        await until(lambda: watch.notifier.check() is not None)
        assert watch.notifier.check() == "mail: not taken: SMTPConnectError"
        await watch.looks(DOWN, minutes=241)  # a reminder is due
        assert await watch.waiting("mail") == 1
    with mail_server(port=port) as box:
        async with night(store_settings, given) as watch:
            watch.now += timedelta(hours=5)
            watch.notifier.note([DOWN])
            await until(lambda: len(box.mails) == 1)
            assert box.subjects()[0].startswith("[Stadtbus] Reminder: ")
            await until(lambda: watch.notifier.check() is None)


async def test_one_way_out_does_not_wait_for_the_other(store_settings: StoreSettings) -> None:
    """While the mail server is away the webhook gets what there is."""
    with http_server() as calls:
        given = {"mail": TO | {"security": "none", "port": free_port()}} | by_webhook(calls)
        async with night(store_settings, given) as watch:
            await watch.looks(DOWN, minutes=2)
            await until(lambda: len(calls.bodies) == 1)
            assert await watch.waiting("mail") == 1


class Silent:
    """A server that never answers."""

    name = "webhook"

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def send(self, message: Message) -> None:
        """See `Channel`."""
        self.asked.set()
        await asyncio.Event().wait()


async def test_the_watch_waits_for_nobody(store_settings: StoreSettings) -> None:
    """While a receiver holds a message for ever, verdicts are taken at once, all of them, and the last one counts."""
    silent = Silent()
    async with night(store_settings, {}, [silent]) as watch:
        await watch.looks(DOWN, minutes=2)
        await silent.asked.wait()
        for _ in range(1000):
            watch.notifier.note([DOWN])
        watch.notifier.note([WELL])
        await until(lambda: not watch.notifier._news.is_set())
        watch.now += timedelta(minutes=6)
        await until(lambda: _is_over(watch))


async def _is_over(watch: Night) -> bool:
    watch.notifier.note([WELL])
    waiting, _ = await watch.store.write(lambda connection: kept.next_of(connection, "webhook"))
    return waiting is not None and waiting.message.data["occasion"] == "over"


async def test_what_nobody_takes_for_three_days_is_given_up(store_settings: StoreSettings) -> None:
    """It is tried again at longer and longer intervals, ten minutes at most, and not for ever."""
    with http_server() as calls:
        calls.status = 500
        async with night(store_settings, by_webhook(calls)) as watch:
            await watch.looks(DOWN, minutes=2)
            pauses = []
            for _ in range(9):
                pauses.append(await watch.put_off("webhook"))
                watch.now += pauses[-1]
                watch.notifier._to_send["webhook"].set()
            assert pauses[:3] == [timedelta(seconds=10), timedelta(seconds=20), timedelta(seconds=40)]
            assert pauses == sorted(pauses)
            assert pauses[-1] == timedelta(minutes=10)
            assert len(calls.bodies) == len(pauses)
            watch.now += timedelta(days=3)
            watch.notifier._to_send["webhook"].set()
            await watch.all_sent("webhook")


async def test_without_a_way_out_nothing_is_kept(store_settings: StoreSettings) -> None:
    """A watch that has nobody to tell takes verdicts and does nothing."""
    async with night(store_settings, {}) as watch:
        watch.notifier.note([DOWN])
        await asyncio.sleep(0.05)
        assert await watch.store.write(kept.known) == []
        assert watch.notifier.check() is None


async def test_what_another_version_has_written_is_passed_over(store_settings: StoreSettings) -> None:
    """Memories that cannot be read are left out, and the cause is told again."""
    with mail_server() as box:
        async with night(store_settings, by_mail(box)) as watch:
            await watch.store.write(lambda connection: connection.execute(kept._known.insert(), [{"key": "x", "value": "{}"}]))
            await watch.looks(DOWN, minutes=2)
            await until(lambda: len(box.mails) == 1)
