"""`stadtbus status` and `lag`: one page for whoever is on call, which answers what is wrong, since when, whose fault it is and what to do."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

import pytest
from rich.console import Console

from consumers.watch import snapshot as pages
from consumers.watch.model import Attention, Judgement, Party, SubReason, Verdict
from consumers.watch.observed import BrokerSeen
from consumers.watch.snapshot import Snapshot
from infra.settings import StoreSettings
from producers.outbox.accounting import PendingOfOffice
from schemas import problems
from schemas.errors import CannotTell
from stadtbus import overview
from stadtbus.commands.status import of_city, page_view
from stadtbus.overview import Overview
from stadtbus.readiness import Readiness
from stadtbus.settings import Settings
from tests import verdicts
from tests.command_line import Command
from tests.unit.test_tracing import accept
from tests.verdicts import NOW, OFFICES

OFFICE = "muenchen.gewerbe"


def page(seen: Overview, city: str | None = None) -> str:
    """The page on a terminal of 80 columns and 24 lines."""
    console = Console(width=80, height=24, color_system=None, file=io.StringIO())
    with console.capture() as capture:
        console.print(page_view(seen, of_city(seen.judgements(), city), NOW, console))
    return capture.get()


def seen(*judgements: Judgement, **more: object) -> Overview:
    """What the watch has told; nothing of this machine."""
    return Overview(verdicts.snapshot(*judgements, **more), "http://127.0.0.1:8081", "")


held = verdicts.judgement(OFFICE, Verdict.STUCK, SubReason.HELD, attention=Attention.NOW, party=Party.PORTAL, waiting=8)
killed = verdicts.judgement("audit", Verdict.DOWN, SubReason.KILLED, attention=Attention.NOW, party=Party.RECORDER, waiting=70)
ANSWERS = [
    pytest.param([verdicts.down(OFFICE)], ["stuck: back office down", "13:23", "the back office", "Tell the back office's people"], id="down"),
    pytest.param([verdicts.dead_letters(OFFICE)], ["ok!: dead letters", "40", f"deadletters list {OFFICE}"], id="dead letters"),
    pytest.param([held], ["stuck: held", "13:23", "the portal", f"office release {OFFICE}"], id="brake"),
    pytest.param([killed], ["down: killed", "70", "run audit"], id="audit killed"),
    pytest.param([verdicts.unknown(name) for name in OFFICES], ["unknown: kafka away", "(The same: ", "who runs Kafka"], id="no Kafka"),
]  # fmt: skip


@pytest.mark.parametrize(("judgements", "parts"), ANSWERS)
def test_page_answers_the_operator(judgements: list[Judgement], parts: list[str]) -> None:
    """What is wrong, since when, whose fault and what to do stand on the page, which fits 80 x 24."""
    text = page(seen(*judgements))
    words = " ".join(text.split())
    assert [part for part in parts if part not in words] == []
    assert (max(map(len, text.splitlines())) <= 80, len(text.splitlines()) <= 24) == (True, True)


def test_page_of_a_quiet_night() -> None:
    """Where all is well there is a line for each part, and that nobody has to do anything."""
    lines = page(seen()).splitlines()
    for name in ("gateway", "audit", "statistics", "status", *OFFICES):
        assert [line for line in lines if line.startswith(f"{name} ")], name
    assert ("Nothing asks for a person." in lines[-1], "1 of 1 brokers answer" in lines[1]) == (True, True)


def test_gravest_stands_first_and_what_does_not_fit_is_named() -> None:
    """With everything broken the page still fits; the sentence of what has to be done now is there, and the others are named."""
    broken = [verdicts.down(office) for office in OFFICES[1:]]
    text = page(seen(*broken, killed, replace(held, name=OFFICES[0], city="augsburg", cause="x")))
    assert len(text.splitlines()) <= 24
    assert text.index("audit: nobody records") < text.index("more (")
    assert all(office in text for office in OFFICES)


def test_one_cause_is_one_sentence() -> None:
    """Several with one cause are told in one sentence that names them."""
    text = page(seen(*(replace(verdicts.down(office), cause="kafka") for office in OFFICES)))
    assert text.count("its back office is down") == 1


def test_page_of_a_city() -> None:
    """Only the offices of the city, and what serves all."""
    text = page(seen(), "muenchen")
    assert ("augsburg" in text, "muenchen.gewerbe" in text, "audit" in text) == (False, True, True)


def test_what_this_machine_knows_is_joined() -> None:
    """What lies in the outbox here counts as waiting, also where Kafka is away; deliveries of today and words of processes here are shown."""
    pending = {OFFICE: PendingOfOffice(14, NOW - timedelta(minutes=3))}
    away = [verdicts.unknown(name) for name in (*OFFICES, "gateway")]
    said = {"gateway": Readiness("127.0.0.1:9108", 200, "relay: waits since 13:20")}
    text = page(replace(seen(*away), pending=pending, delivered_today={OFFICE: 153}, said_here=said))
    (line,) = [line for line in text.splitlines() if line.startswith(OFFICE)]
    assert ("14+?" in line, "3min" in line, "153" in line) == (True, True, True)
    assert ("gateway says: relay: waits since 13:20" in text, [one for one in text.splitlines() if one.startswith("gateway ") and " 14 " in one] != []) == (True, True)  # fmt: skip


# --- the commands


class _Page(BaseHTTPRequestHandler):
    body: ClassVar[bytes] = b""
    status: ClassVar[int] = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
        pass


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Page]]:
    """A page that is served as the watch serves it; no Kafka is anywhere."""
    handler = type("Handler", (_Page,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("STADTBUS_WATCH__URL", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("STADTBUS_KAFKA__BOOTSTRAP", "127.0.0.1:1")
    monkeypatch.setattr(overview, "_ANSWER_S", 1.0)
    yield handler
    server.shutdown()
    server.server_close()


def told(found: Snapshot) -> bytes:
    """As the watch writes it, a moment ago."""
    return pages.write(replace(found, at=datetime.now(UTC)))


EXITS = [
    pytest.param([], {}, 0, id="well"),
    pytest.param([verdicts.dead_letters(OFFICE)], {}, 1, id="dead letters"),
    pytest.param([held], {}, 1, id="held"),
    pytest.param([verdicts.unknown(OFFICE)], {}, 3, id="unknown"),
    pytest.param([verdicts.unknown("audit"), held], {}, 1, id="unknown and broken"),
    pytest.param([], {"kafka_fault": "kafka-unreachable"}, 3, id="old picture"),
]


@pytest.mark.parametrize("command", ["status", "lag"])
@pytest.mark.parametrize(("judgements", "more", "code"), EXITS)
def test_exit_codes(
    stadtbus: Command, watch: type[_Page], command: str, judgements: list[Judgement], more: dict[str, str], code: int
) -> None:
    """0 where nobody has to do anything, 1 where somebody has to, 3 where it cannot be told; of a page as of JSON."""
    watch.body = told(verdicts.snapshot(*judgements, **more))
    assert [stadtbus(command)[0], stadtbus(command, "--json")[0]] == [code, code]


def test_json_says_it_all(stadtbus: Command, watch: type[_Page]) -> None:
    """Programs get verdict, sentence, next step and figures of each, with times in one form."""
    watch.body = told(verdicts.snapshot(verdicts.down(OFFICE)))
    whole = json.loads(stadtbus("status", "--json")[1])
    one = {one["name"]: one for one in whole["consumers"]}[OFFICE]
    assert (one["verdict"], one["sub_reason"], one["waiting"], one["since"]) == ("stuck", "back-office-down", 8, "2026-03-02T12:23:00.000Z")
    assert (one["well"], "back office" in one["sentence"], whole["watch_fault"]) == (False, True, None)
    assert [one["name"] for one in json.loads(stadtbus("lag", "--city", "muenchen", "--json")[1]) if one["city"]] == [
        "muenchen.gewerbe",
        "muenchen.meldewesen",
    ]


FAULTS = [
    pytest.param(503, b"", "nothing to tell yet", id="just started"),
    pytest.param(200, b"{}", "another version", id="no watch"),
    pytest.param(200, pages.write(verdicts.snapshot()), "has not looked for", id="hangs"),
]


@pytest.mark.parametrize(("status", "body", "why"), FAULTS)
def test_without_a_watch_it_looks_itself(stadtbus: Command, watch: type[_Page], status: int, body: bytes, why: str) -> None:
    """Where the watch tells nothing that counts, the command looks itself and says so; without Kafka nothing can be told then."""
    watch.status, watch.body = status, body
    code, text, _ = stadtbus("status", "--json")
    found = json.loads(text)
    assert (code, why in found["watch_fault"]) == (3, True)
    assert {one["verdict"] for one in found["consumers"]} == {"unknown"}


async def test_stores_of_this_machine(tmp_path: Path, watch: type[_Page]) -> None:
    """What waits in the outbox here is told with the verdicts; a store that is not here is none, and is not made."""
    watch.body = told(verdicts.snapshot())
    settings = Settings(stores=StoreSettings(folder=tmp_path / "stores"))
    assert (await overview.look(settings)).pending is None
    assert not settings.stores.folder.exists()
    await asyncio.to_thread(accept, settings, submission=uuid4(), published=False)
    found = await overview.look(settings)
    waiting = {one.name: (one.waiting, one.in_outbox) for one in found.judgements()}
    assert (waiting["muenchen.meldewesen"], waiting["gateway"][0], waiting[OFFICE]) == ((0, 1), 1, (0, 0))
    assert (found.watch_fault, found.delivered_today) == ("", None)


def test_a_store_that_fails_hides_nothing(monkeypatch: pytest.MonkeyPatch, stadtbus: Command, watch: type[_Page]) -> None:
    """Where a store cannot be read, the rest is told."""

    def fail(_: object) -> None:
        raise CannotTell(problems.STORE_UNREACHABLE, "broken")

    monkeypatch.setattr("producers.outbox.tables.is_here", lambda _: True)
    monkeypatch.setattr("producers.outbox.tables.open_store", fail)
    watch.body = told(verdicts.snapshot(brokers=(BrokerSeen(1, "x:1", up=True),)))
    assert stadtbus("status")[0] == 0
