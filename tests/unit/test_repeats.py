"""The same again: for as long as the outbox knows a submission, its portal gets the same answer, whatever has changed meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
import yaml
from prometheus_client import REGISTRY

from infra.settings import StoreSettings
from producers.intake.intake import Intake
from producers.outbox.outbox import Outbox
from producers.synthetic import permits
from schemas import catalogue, problems
from schemas.catalogue import Catalogue
from schemas.errors import Rejected
from schemas.examination import schema_table
from schemas.message import Application
from tests import builders
from tests.gateway import JSON, PORTALS, XML, Gateway, as_json, as_xml, opened, problem_of

door: Callable[..., AbstractContextManager[Gateway]] = contextmanager(opened)
OFFICE = "muenchen.meldewesen"
BODIES = [pytest.param(as_xml, XML, id="message"), pytest.param(as_json, JSON, id="form")]


def with_offer(**changes: Any) -> Catalogue:
    """The catalogue, in which München's registration office offers its services otherwise."""
    return with_office(
        lambda office: office.model_copy(update={"services": tuple(one.model_copy(update=changes) for one in office.services)})
    )


def with_office(change: Callable[[Any], Any]) -> Catalogue:
    """The catalogue, in which München's registration office is another one."""
    known = catalogue.load()
    city = known.cities["muenchen"]
    offices = tuple(change(office) if office.id == "meldewesen" else office for office in city.offices)
    cities = [city.model_copy(update={"offices": offices}) if one is city else one for one in known.cities.values()]
    return Catalogue(known.services.values(), known.accounts.values(), cities)


def without_city() -> Catalogue:
    """The catalogue without München."""
    known = catalogue.load()
    return Catalogue(known.services.values(), known.accounts.values(), [city for city in known.cities.values() if city.city != "muenchen"])


RENAMED = {"portal": PORTALS["portal"].model_copy(update={"authority": "kop:00000099"})}
CHANGES: dict[str, Callable[[], dict[str, Any]]] = {
    "the offer has ended": lambda: {"known": with_offer(valid_to=date(2026, 1, 1))},
    "the level of trust was raised": lambda: {"known": with_offer(minimum_level=4)},
    "the account is not accepted any more": lambda: {"known": with_offer(accounts=("mein-nuernberg",))},
    "the office takes another message": lambda: {
        "known": with_office(lambda office: office.model_copy(update={"messages": ("einreichung.ruecknahme.0130",)}))
    },
    "the office has another authority": lambda: {
        "known": with_office(lambda office: office.model_copy(update={"authority": "ags:09162999"}))
    },
    "the city has left": lambda: {"known": without_city()},
    "the portal is registered under another key": lambda: {"portals": RENAMED},
    "the outbox is full": lambda: {"limit": 1},
}


@pytest.mark.parametrize(("body", "kind"), BODIES)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_accepted_stays_accepted(
    tmp_path: Path, change: Callable[[], dict[str, Any]], body: Callable[[Application], bytes], kind: str
) -> None:
    """Nothing that changes at the gateway changes the answer to what was accepted before; a new message feels the change."""
    sent = body(builders.application())
    with door(tmp_path) as before:
        first = await before.post(sent, kind)
    with door(tmp_path, **change()) as after:
        again = await after.post(sent, kind)
        new = await after.post(body(builders.application()), kind)
    assert (first.status_code, again.status_code, again.json()) == (202, 202, first.json())
    assert again.headers["Location"] == first.headers["Location"]
    assert kind == JSON or new.status_code >= 400  # into a form the bus itself writes the authorities of the day


@pytest.mark.parametrize(("body", "kind"), BODIES)
async def test_accepted_test_stays_accepted(tmp_path: Path, body: Callable[[Application], bytes], kind: str) -> None:
    """A test message that was taken is still confirmed by a gateway that takes none any more."""
    sent = body(builders.application(test=True))
    with door(tmp_path, accept_test=True) as before:
        first = await before.post(sent, kind)
    with door(tmp_path) as after:
        assert (await after.post(sent, kind)).json() == first.json()


@pytest.mark.parametrize(("body", "kind"), BODIES)
async def test_repeat_is_not_examined(
    bus: Gateway, monkeypatch: pytest.MonkeyPatch, body: Callable[[Application], bytes], kind: str
) -> None:
    """Rules, schemas and models of today are not asked about what was accepted before; of new content they are."""
    sent = body(builders.application())
    first = await bus.post(sent, kind)

    async def stricter(*_: object) -> None:
        raise Rejected(problems.NOT_VALID)

    monkeypatch.setattr(Intake, "_open", stricter)
    assert (await bus.post(sent, kind)).json() == first.json()
    assert problem_of(await bus.post(body(builders.application()), kind)) == (422, "not-schema-valid")


async def test_repeat_by_another_portal_is_not_its_own(bus: Gateway) -> None:
    """The content of one portal is never confirmed to another: its own is a submission of its own."""
    sent = as_xml(builders.application())
    first = (await bus.post(sent)).json()
    by_other = sent.replace(b"kop:00000001", b"kop:00000002")
    assert problem_of(await bus.post(sent, portal="other")) == (403, "author-mismatch")
    second = (await bus.post(by_other, portal="other")).json()
    assert (second["id"], second["hotline_code"] == first["hotline_code"]) == (first["id"], False)
    assert len(await builders.waiting(bus.box)) == 2
    assert await bus.box.known("other", "0" * 128) is None


async def test_repeats_are_counted_nowhere(bus: Gateway) -> None:
    """A repeat is neither one more accepted submission nor a refused one."""
    sent = as_xml(builders.application())
    await bus.post(sent)
    before = counted()
    await bus.post(sent)
    assert counted() == before


def counted() -> dict[str, float]:
    """What the metrics of intake say."""
    names = ("stadtbus_submissions_accepted_total", "stadtbus_submissions_rejected_total")
    return {str(one): one.value for family in REGISTRY.collect() for one in family.samples if one.name in names}


def test_an_outbox_of_an_earlier_version_is_searched_by_content(store_settings: StoreSettings) -> None:
    """A repeat is found by an index, also in a database that was made before there was one."""
    box = Outbox(store_settings, limit=1)
    with box.store._engine.begin() as connection:
        connection.execute(sa.text("DROP INDEX submission_content"))
        connection.execute(sa.text("UPDATE store_version SET version = 1"))
    box.store.close()
    again = Outbox(store_settings, limit=1)
    indexes = again.store.read_now(lambda connection: sa.inspect(connection).get_indexes("submission"))
    again.store.close()
    assert "submission_content" in {index["name"] for index in indexes}


async def test_genuine_message_is_known_by_its_bytes(tmp_path: Path) -> None:
    """What the call says beside a genuine message is read the first time; the same bytes are the same submission."""
    rows = [{"name": "XBau", "namespace": permits.NAMESPACE, "schema": "none"}]
    (tmp_path / schema_table.PAGE).write_text(yaml.safe_dump(rows), encoding="utf-8")
    body = builders.permit().body.replace(b"kop:09564000", PORTALS["portal"].authority.encode())
    beside = {"Stadtbus-Service": "99012008000000", "Stadtbus-Area": "095640000000", "Stadtbus-Trust": "3; bayernid"}
    with door(tmp_path, schemas=tmp_path) as gate:
        first = await gate.post(body, **beside)
        again = [await gate.post(body, **headers) for headers in (beside, beside | {"Stadtbus-Case": str(uuid4())}, {})]
        assert len(await builders.waiting(gate.box)) == 1
    assert [one.json() for one in again] == [first.json()] * 3
    assert first.status_code == 202


# --- forms are read in a worker


async def test_no_form_is_read_in_the_process_that_answers(bus: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway's loop parses, checks and renders no form, so that a large one holds up nobody."""
    sent = as_json(builders.application())
    for name in (
        "producers.intake.form.json",
        "producers.intake.form.SubmissionForm",
        "producers.intake.form.Application",
        "schemas.message.write",
    ):
        monkeypatch.setattr(name, None)
    assert (await bus.post(sent, JSON)).status_code == 202


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 900_000, id="deep"),
        pytest.param(b'{"form":' * 300 + b"1" + b"}" * 300, id="deeper than the validator goes"),
        pytest.param(b'{"id": ' + b"9" * 900_000 + b"}", id="long number"),
        pytest.param(json.dumps({f"a{number}": number for number in range(60_000)}).encode(), id="many members"),
        pytest.param(b"[" + b"0," * 400_000 + b"0]", id="many values"),
        pytest.param(json.dumps({"applicants": [{}] * 200_000}).encode(), id="many applicants"),
        pytest.param(json.dumps({"form": {"fields": [{"id": "x", "values": [1] * 100}] * 500}}).encode(), id="many faults"),
    ],
)
async def test_costly_forms_have_their_limits(bus: Gateway, body: bytes) -> None:
    """What costs its reader much is refused by a worker, which lives on or is replaced; the next form is taken."""
    status, code = problem_of(await bus.post(body, JSON))
    assert (status, code) in ((422, "form-invalid"), (422, "message-too-complex"))
    assert (await bus.post(as_json(builders.application()), JSON)).status_code == 202
