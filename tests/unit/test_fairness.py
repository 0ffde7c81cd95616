"""What one portal sends, however much, leaves the others their share of the gateway, and it is told when to come again."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from infra import metrics, token_bucket
from infra.shares import Shares
from tests import builders, gateway
from tests.gateway import PORTALS, TOKENS, XML, Gateway, as_xml, problem_of

SLOW = PORTALS | {"portal": PORTALS["portal"].model_copy(update={"submissions_per_s": 1, "status_calls_per_s": 1})}


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway where one of two portals may send one submission a second, and ask once."""
    yield from gateway.opened(tmp_path, portals=SLOW)


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway where one of two portals may send 100 bytes a second."""
    yield from gateway.opened(tmp_path, portals=PORTALS | {"portal": PORTALS["portal"].model_copy(update={"bytes_per_s": 100})})


@pytest.fixture
def standing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that stands still, so that nothing comes in meanwhile."""
    monkeypatch.setattr(token_bucket, "_now", lambda: 1_000.0)


@pytest.mark.usefixtures("standing")
async def test_beyond_its_rate_a_portal_is_told_when_to_come_again(slow: Gateway) -> None:
    """Ten seconds' worth is taken at once, more is not, whatever it is; the other portal and questions have rates of their own."""
    answers = [await slow.post(b"<no", portal="portal") for _ in range(12)]
    assert [answer.status_code for answer in answers] == [422] * 10 + [429] * 2
    assert problem_of(answers[-1]) == (429, "rate-exceeded")
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 2
    assert answers[-1].headers["RateLimit"].startswith('"submissions";r=0;t=1, "bytes";r=')
    assert (await slow.post(b"<no", portal="other")).status_code == 422
    path = "/v1/submissions/00000000-0000-4000-8000-000000000001"
    asked = [await slow.call("GET", path) for _ in range(12)]
    assert [answer.status_code for answer in asked] == [404] * 10 + [429] * 2
    assert asked[0].headers["RateLimit-Policy"] == '"status";q=10;w=10'
    assert (await slow.call("GET", path, portal="other")).status_code == 404


@pytest.mark.usefixtures("standing")
async def test_calls_beyond_the_rate_are_answered_at_a_measured_pace(slow: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Submissions and questions alike: each refusal for now has its turn, and no other answer, nor another portal's, waits for one."""
    turns: list[str] = []

    async def turn(who: str) -> None:
        turns.append(who)

    monkeypatch.setattr(slow.app.state.intake._refusing, "turn", turn)
    path = "/v1/submissions/00000000-0000-4000-8000-000000000001"
    sent = [(await slow.post(b"<no", portal="portal")).status_code for _ in range(12)]
    asked = [(await slow.call("GET", path)).status_code for _ in range(13)]
    assert (sent.count(429), asked.count(429), turns) == (2, 3, ["portal"] * 5)
    assert (await slow.post(b"<no", portal="other")).status_code == 422
    assert len(turns) == 5


@pytest.mark.usefixtures("standing")
async def test_every_answer_says_what_may_be_sent(bus: Gateway) -> None:
    """The policy is that of the settings and the state what is left, after what was accepted and what was refused; a stranger learns nothing."""
    first = await bus.post(as_xml(builders.application()))
    refused = await bus.post(b"<no")
    policy = '"submissions";q=1000;w=10, "bytes";q=20971520;w=10;qu="content-bytes"'
    assert [answer.headers["RateLimit-Policy"] for answer in (first, refused)] == [policy, policy]
    assert first.headers["RateLimit"].startswith('"submissions";r=999;t=1, "bytes";r=2096')
    assert (await bus.post(b"<no", portal=None)).headers.keys().isdisjoint({"ratelimit", "ratelimit-policy"})


@pytest.mark.usefixtures("standing")
async def test_bytes_are_paid_for(narrow: Gateway) -> None:
    """A body may be larger than what is left, and the next one waits until that has come in; the other portal sends on."""
    large = await narrow.post(b"<a>" + b" " * 10_000)
    answer = await narrow.post(b"<no")
    assert (large.status_code, problem_of(answer)) == (422, (429, "rate-exceeded"))
    assert 80 <= int(answer.headers["Retry-After"]) <= 182
    assert (await narrow.post(b"<no", portal="other")).status_code == 422


@pytest.mark.usefixtures("standing")
async def test_a_refusal_for_now_is_no_rejection(slow: Gateway) -> None:
    """A portal that reads XML gets no message that would end its submission."""
    answers = [await slow.post(b"<no", Accept=XML) for _ in range(11)]
    assert (answers[0].headers["content-type"], problem_of(answers[-1])) == (XML, (429, "rate-exceeded"))


async def test_bodies_that_never_end_leave_memory_for_others(bus: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls whose bodies stand still hold a share of the memory; further ones of the same portal are refused, another's are read."""
    monkeypatch.setattr(bus.app.state.intake, "_bodies", Shares(8 * 64 * 1024))
    end = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"<"
        await end.wait()

    flood = [asyncio.create_task(bus.post(body())) for _ in range(12)]
    assert problem_of(await next(asyncio.as_completed(flood))) == (429, "portal-busy")
    assert (await bus.post(b"<no", portal="other")).status_code == 422
    assert 3 <= len([one for one in flood if not one.done()]) <= 5
    end.set()
    assert {(await one).status_code for one in flood} == {422, 429}
    assert (await bus.post(b"<no")).status_code == 422


class Busy:
    """Workers whose calls end when they are told to."""

    def __init__(self, app: Any, patch: pytest.MonkeyPatch) -> None:
        self.begun = 0
        self.end = asyncio.Event()
        self.turns = app.state.intake._turns
        self._run = app.state.intake.workers.run
        patch.setattr(app.state.intake.workers, "run", self.run)

    async def run(self, *call: Any) -> Any:
        self.begun += 1
        await self.end.wait()
        return await self._run(*call)


async def until(condition: Any) -> None:
    """Return as soon as it holds."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_flood_leaves_a_worker_for_others(bus: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many calls of a portal wait, slots are left for another portal's, and what is beyond its places is refused."""
    busy = Busy(bus.app, monkeypatch)
    flood = [asyncio.create_task(bus.post(b"<no")) for _ in range(140)]
    refused = await next(asyncio.as_completed(flood))
    assert problem_of(refused) == (429, "portal-busy")
    await until(lambda: sum(one.done() for one in flood) == 10)
    assert (busy.begun, busy.turns.waiting("portal")) == (2, 128)
    other = asyncio.create_task(bus.post(b"<no", portal="other"))
    await until(lambda: busy.begun == 3)
    busy.end.set()
    assert (await other).status_code == 422
    assert sorted({(await one).status_code for one in flood}) == [422, 429]


@pytest.fixture
async def address(bus: Gateway) -> AsyncIterator[tuple[str, int]]:
    """Where the gateway listens, on a socket of its own, with nothing beside it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(bus.app, lifespan="off", log_config=None))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await until(lambda: server.started)
        yield listener.getsockname()
        server.should_exit = True
        await serving


async def test_whoever_hangs_up_leaves_the_queue(bus: Gateway, address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls whose callers close the connection while they wait are never begun, and their places are free."""
    busy = Busy(bus.app, monkeypatch)
    head = f"POST /v1/submissions HTTP/1.1\r\nHost: bus\r\nAuthorization: Bearer {TOKENS['portal']}\r\nContent-Type: {XML}\r\n"
    writers = []
    for _ in range(6):
        _, writer = await asyncio.open_connection(*address)
        writer.write(f"{head}Content-Length: 3\r\n\r\n<no".encode())
        writers.append(writer)
    await until(lambda: busy.turns.waiting("portal") == 4)
    for writer in writers:
        writer.close()
    await until(lambda: busy.turns.waiting("portal") == 0)
    assert busy.begun == 2
    busy.end.set()
    assert (await bus.post(b"<no")).status_code == 422
    assert busy.begun == 3


@pytest.mark.usefixtures("standing")
async def test_what_was_turned_away_is_counted_by_portal(slow: Gateway) -> None:
    """Operators see whose calls are beyond their rate, and how many."""
    counter = metrics.THROTTLED.labels("portal", "rate-exceeded")
    before = counter._value.get()
    for _ in range(13):
        await slow.post(b"<no")
    assert counter._value.get() == before + 3
