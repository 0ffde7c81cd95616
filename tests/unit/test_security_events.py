"""What may be an attack stands in the log, with the portal, and few lines of it however many there are."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from infra import security_events
from infra.security_events import MEANINGS, Kind, note
from infra.web.connections import count_closed
from producers.intake.refused import EVENTS
from schemas import problems
from tests.calls import VALID, changed
from tests.gateway import Gateway

IDS = "00000000-0000-4000-8000-000000000001"
DOCTYPE = b"<!DOCTYPE x>" + VALID.partition(b"?>")[2]
STATUS = f"/v1/submissions/{IDS}"


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has just started."""
    monkeypatch.setattr(security_events, "_told", {})


@pytest.fixture
def log() -> Iterator[list[Any]]:
    """The lines of the log."""
    with capture_logs() as lines:
        yield lines


def counted(what: str, code: str, portal: str) -> float:
    """How many of an event were counted."""
    return REGISTRY.get_sample_value("stadtbus_security_events_total", {"what": what, "code": code, "portal": portal}) or 0


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({"method": "POST", "path": "/v1/submissions", "portal": None}, ("login-failed", "unauthenticated", "")),
        ({"method": "GET", "path": STATUS, "portal": None}, ("login-failed", "unauthenticated", "")),
        ({"method": "GET", "path": STATUS, "headers": {"Authorization": "Bearer wrong"}}, ("login-failed", "unauthenticated", "")),
        ({"method": "GET", "path": STATUS}, ("unknown-asked", "submission-not-found", "portal")),
        ({"method": "POST", "path": "/v1/submissions", "content": DOCTYPE}, ("unsafe-content", "doctype-forbidden", "portal")),
        (
            {"method": "POST", "path": "/v1/submissions", "content": changed("kop:00000001", "kop:00000002")},
            ("right-missing", "author-mismatch", "portal"),
        ),
        ({"method": "POST", "path": "/v1/submissions", "content": b"x" * 1_100_000}, ("limit-passed", "message-too-large", "portal")),
    ],
    ids=["no login", "no login for a status", "wrong token", "another's submission", "doctype", "another author", "too large"],
)
async def test_attacks_leave_a_trace(refusing: Gateway, log: list[Any], call: dict[str, Any], said: tuple[str, str, str]) -> None:
    """A refused call that may be an attack is one line with kind, code and portal, and is counted; the caller's address is not in it."""
    before = counted(*said)
    headers = {"Content-Type": "application/xml"} | call.pop("headers", {})
    await refusing.call(**call, headers=headers)
    lines = [line for line in log if line["event"] == "security"]
    expected = dict(zip(("what", "code", "portal"), said, strict=True))
    assert lines == [{"event": "security", "log_level": "warning", "count": 1} | expected]
    assert counted(*said) == before + 1


async def test_an_id_used_again(bus: Gateway, log: list[Any]) -> None:
    """Other content under an id that was used is an event of the portal that sends it."""
    await bus.post(VALID)
    await bus.post(changed("kop:00000001", "kop:00000001 ").replace(b"00000001 ", b"00000001") + b"\n")
    assert [(line["what"], line["portal"]) for line in log if line["event"] == "security"] == [("id-conflict", "portal")]


async def test_what_is_accepted_is_no_event(bus: Gateway, log: list[Any]) -> None:
    """Nor is a refusal that every portal gets now and then."""
    await bus.post(VALID)
    await bus.post(b"<a")
    assert [line for line in log if line["event"] == "security"] == []


async def test_a_flood_is_few_lines(log: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is told at once, the others together when the pause is over, also if no more come; each portal has lines of its own."""
    later: list[partial[None]] = []
    loop = SimpleNamespace(call_later=lambda _, function, *arguments: later.append(partial(function, *arguments)))
    monkeypatch.setattr(security_events, "asyncio", SimpleNamespace(get_running_loop=lambda: loop))
    monkeypatch.setattr(security_events, "PAUSE_S", 3_600)
    for portal in ("a", "b"):
        for _ in range(10_000):
            note(Kind.LOGIN_FAILED, "unauthenticated", portal)
    assert [(line["portal"], line["count"]) for line in log] == [("a", 1), ("b", 1)]
    assert len(later) == 2
    for tell in later:
        tell()
    assert [(line["portal"], line["count"]) for line in log[2:]] == [("a", 9_999), ("b", 9_999)]
    assert len(security_events._told) == 2


async def test_the_rest_is_told_without_another(log: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """By the loop itself, when the pause is over."""
    monkeypatch.setattr(security_events, "PAUSE_S", 0.5)
    for _ in range(2):
        note(Kind.LOGIN_FAILED, "unauthenticated", "a")
    async with asyncio.timeout(20):
        while len(log) < 2:
            await asyncio.sleep(0.05)
    assert [line["count"] for line in log] == [1, 1]


async def test_callers_choose_no_key(refusing: Gateway) -> None:
    """Whatever is sent as token, path or body, there are no more counts than kinds and codes."""
    for number in range(50):
        await refusing.call("GET", f"/v1/submissions/{number}", headers={"Authorization": f"Bearer {number}"})
        await refusing.call("GET", f"/v1/submissions/{number}")
    assert len(security_events._told) == 2


async def test_connections_before_any_login(log: list[Any]) -> None:
    """A connection that is closed for what it does is an event without a portal; one that was only idle is none."""
    for reason in ("request-malformed", "head", "idle", "full"):
        count_closed(reason)
    assert [(line["what"], line["code"], line["portal"]) for line in log] == [
        ("http-refused", "request-malformed", ""),
        ("http-refused", "head", ""),
        ("http-refused", "full", ""),
    ]


def test_every_kind_is_explained() -> None:
    """Meaning and what to do stand in the reference, and no problem is of two kinds."""
    assert MEANINGS.keys() == set(Kind)
    codes = [problem.code for its in EVENTS.values() for problem in its]
    assert len(codes) == len(set(codes))


def test_refusals_for_who_calls_are_events() -> None:
    """A problem that says who may not, what is used already, or that it is too much, is a security event."""
    listed = {problem for its in EVENTS.values() for problem in its}
    statuses = (401, 403, 409, 413, 429)
    assert {problem.code for problem in problems.PROBLEMS if problem.status in statuses and problem not in listed} == set()


def test_names_are_stable_words() -> None:
    """A SIEM's rules hold on to them."""
    assert [kind for kind in Kind if not re.fullmatch("[a-z]+(-[a-z]+)+", kind)] == []
