"""What is special about each office's adapter, against its twin over real sockets. What all promise: `test_conformance.py`."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import csv
import io
from collections.abc import Callable
from typing import ClassVar
from uuid import UUID, uuid4

import httpx
import pytest

from adapters import registry, xml_answers
from adapters.augsburg.gewerbe.adapter import AugsburgGewerbe
from adapters.http import MAX_ANSWER_BYTES, MAX_CONNECTIONS, check_taken
from adapters.interface import Adapter, Delivered, Document, Submission
from adapters.kit import UnclearAnswer
from adapters.muenchen.meldewesen import MuenchenMeldewesen
from adapters.protocols.soap import CASE_LOCKED, wrap
from adapters.twins.book import Mood
from adapters.twins.http import ClientGuard
from adapters.twins.rest import RestTwin
from adapters.twins.server import Twins
from adapters.twins.sftp import SftpTwin
from schemas import xml
from schemas.errors import Blip, CaseNotReady, DeliveryFailure, DestinationDown, Refused
from schemas.message import Applicant, Application
from tests import builders

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMES = (("Schön", "Łukasz Đặng"), ("Müller-Żurek", "İpek"), (None, "Ana"))
CANARY = "Kanarienvogel"
soap = MuenchenMeldewesen.soap


class OfOffice:
    """Tests of one office's adapter, beside the conformance suite."""

    office: ClassVar[str]
    build: ClassVar[Callable[..., Application]] = staticmethod(builders.application)

    def submission(self, *applicants: Applicant) -> Submission:
        """A new submission, of these applicants where some are given."""
        return builders.submission(self.build(applicants=applicants) if applicants else self.build(), self.office)

    @pytest.fixture
    def document(self, adapter: Adapter) -> Document:
        """A document of a new submission."""
        return adapter.translate(self.submission())

    async def held(self, control: httpx.AsyncClient, submission_id: UUID) -> list[bytes]:
        """What the back office holds of a submission: one document per effect."""
        response = await control.get(f"/twins/{self.office}/received/{submission_id}")
        if response.status_code == httpx.codes.NOT_FOUND:
            return []
        return [base64.b64decode(entry["content_base64"]) for entry in response.json()]

    async def test_missing_field(self, adapter: Adapter) -> None:
        """A form without a field that the office needs is refused by the id of the field."""
        form = self.build().form
        first, *others = form.fields
        incomplete = self.build(content=form.model_copy(update={"fields": tuple(others)}))
        with pytest.raises(Refused, match=first.id):
            adapter.translate(builders.submission(incomplete, self.office))


class TestMuenchenMeldewesen(OfOffice):
    """SOAP 1.1."""

    office = "muenchen.meldewesen"

    async def test_missing_name_is_said(self, adapter: Adapter) -> None:
        """A person without a family name is not a person whose name was forgotten."""
        root = xml.parse(adapter.translate(self.submission(builders.person(None, "Ana"))).content)
        assert [element.get("nichtVorhanden") for element in root.iter(soap.name("familienname"), soap.name("vornamen"))] == ["true", None]

    async def test_organisation_is_refused(self, adapter: Adapter) -> None:
        """An organisation cannot register a residence; the reason does not name it."""
        with pytest.raises(
            Refused, match=r"^an applicant is an organisation, and this service is for persons \(antragsteller\[2\]/organisation\)$"
        ):
            adapter.translate(self.submission(builders.person("Schön", "Ana"), builders.company("Schön GmbH")))

    async def test_create_is_not_idempotent_at_the_twin(self, adapter: Adapter, document: Document, control: httpx.AsyncClient) -> None:
        """Delivering twice makes two entries: the twin shows double effects instead of hiding them."""
        await adapter.deliver(document, 1)
        await adapter.deliver(document, 2)
        assert len(await self.held(control, document.submission_id)) == 2

    async def test_locked_case(self) -> None:
        """The fault VORGANG_GESPERRT makes the case wait."""
        fault = next((await xml_answers.element(wrap(soap.fault("Server", CASE_LOCKED)))).at("Body/Fault"))
        with pytest.raises(CaseNotReady):
            soap.raise_fault(fault)

    async def test_wrong_password(self, twins: Twins, document: Document) -> None:
        """A login that is not accepted says nothing about the submission: everything waits."""
        adapter = registry.connect(self.office, twins.office_settings()[self.office] | {"password": "wrong"})
        with pytest.raises(DestinationDown, match="HTTP 401"):
            await adapter.deliver(document, 1)
        await adapter.close()

    async def test_no_connection_free(self, twins: Twins) -> None:
        """A delivery that gets no connection in time was certainly not sent: Blip."""
        settings = twins.office_settings()[self.office] | {"connect_limit_s": 0.5}
        adapter = registry.connect(self.office, settings)
        await twins.set_mood(self.office, Mood.SLOW, 1)
        documents = [adapter.translate(self.submission()) for _ in range(MAX_CONNECTIONS + 3)]
        outcomes = await asyncio.gather(*(adapter.deliver(document, 1) for document in documents), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes].count(Blip) == 3
        await adapter.close()

    async def test_endless_answer(self) -> None:
        """An office that answers byte by byte does not hold a delivery for ever."""

        async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                while not writer.is_closing():
                    writer.write(b"H")
                    await writer.drain()
                    await asyncio.sleep(0.05)

        async with await asyncio.start_server(drip, "127.0.0.1") as server:
            port = server.sockets[0].getsockname()[1]
            limits = {"connect_limit_s": 0.2, "answer_limit_s": 0.2}
            adapter = registry.connect(self.office, {"url": f"http://127.0.0.1:{port}", "user": "u", "password": "p", **limits})
            with pytest.raises(TimeoutError):
                await adapter.deliver(adapter.translate(self.submission()), 1)
            await adapter.close()
            await asyncio.sleep(0.1)

    async def test_answer_that_is_too_large(self) -> None:
        """An answer of more than a megabyte is none, and is not read to its end."""
        sent_bytes = 0

        async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent_bytes
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                while sent_bytes < 64 * MAX_ANSWER_BYTES:
                    writer.write(b"x" * 65_536)
                    await writer.drain()
                    sent_bytes += 65_536

        async with await asyncio.start_server(pour, "127.0.0.1") as server:
            port = server.sockets[0].getsockname()[1]
            adapter = registry.connect(self.office, {"url": f"http://127.0.0.1:{port}", "user": "u", "password": "p"})
            with pytest.raises(UnclearAnswer, match="an answer of more than"):
                await adapter.deliver(adapter.translate(self.submission()), 1)
            await adapter.close()
            await asyncio.sleep(0.1)
        assert sent_bytes < 64 * MAX_ANSWER_BYTES


class TestAugsburgGewerbe(OfOffice):
    """CSV over SFTP."""

    office = "augsburg.gewerbe"
    build = staticmethod(builders.trade_application)

    def rows_in(self, content: bytes) -> list[dict[str, str]]:
        """Cells by column."""
        return list(csv.DictReader(io.StringIO(content.decode("iso-8859-15"), newline=""), delimiter=";"))

    async def test_company_with_several_values(self, adapter: Adapter) -> None:
        """A company has a row of its own; a separator inside a cell and several values of a field survive."""
        (row,) = self.rows_in(adapter.translate(self.submission()).content)
        assert row["Art"] == "Organisation"
        assert row["Taetigkeit"] == "Herstellung von Backwaren; Einzelhandel"
        assert row["Betriebsart"] == "Handwerk / Handel"
        assert row["Umschrift"] == "nein"

    async def test_transliteration_is_marked(self, adapter: Adapter) -> None:
        """A row in which a letter had to be replaced says so."""
        rows = self.rows_in(adapter.translate(self.submission(*(builders.person(*names) for names in NAMES))).content)
        assert [row["Umschrift"] for row in rows] == ["ja", "ja", "nein"]

    async def test_nothing_fits(self, adapter: Adapter) -> None:
        """Letters without any Latin-9 form are refused by column and row, without the value."""
        with pytest.raises(Refused, match=r"^column Name of row 2 has a character that iso-8859-15 cannot represent$"):
            adapter.translate(self.submission(builders.person("Schön", "Ana"), builders.person("Παπαδόπουλος", "Ana")))

    async def test_lost_connection_is_renewed(self, adapter: Adapter, document: Document, twins: Twins) -> None:
        """After the server has dropped the connection, the next delivery opens another."""
        await adapter.check()
        twin = twins.twins[self.office]
        assert isinstance(twin, SftpTwin)
        for connection in list(twin.connections):
            connection.abort()
            await connection.wait_closed()
        await asyncio.sleep(0.05)
        assert isinstance(await adapter.deliver(document, 1), Delivered)
        assert len(twin.connections) == 1

    async def test_unknown_host_key(self, twins: Twins, document: Document) -> None:
        """A server with another host key gets neither password nor file."""
        strange = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGjb4iLeF0XEFUVc/ACprdYIvEezGD8FxMe1qJGV3DwF"
        adapter = registry.connect(self.office, twins.office_settings()[self.office] | {"host_key": strange})
        with pytest.raises(DestinationDown, match="HostKeyNotVerifiable"):
            await adapter.deliver(document, 1)
        await adapter.close()

    async def test_waiting_file_is_taken_up_after_restart(self, adapter: Adapter, twins: Twins) -> None:
        """A file that lay in the inbox when the office went away is taken up when it comes back, and `find` waits for it."""
        await twins.set_mood(self.office, Mood.SLOW, 60)
        impatient = registry.connect(self.office, twins.office_settings()[self.office] | {"answer_limit_s": 0.3, "ack_poll_s": 0.05})
        document = impatient.translate(self.submission())
        with pytest.raises(TimeoutError):
            await impatient.deliver(document, 1)
        with pytest.raises(TimeoutError):
            await impatient.find(document.submission_id)
        await impatient.close()
        await twins.set_mood(self.office, Mood.AWAY)
        await twins.set_mood(self.office, Mood.OK)
        assert isinstance(await adapter.find(document.submission_id), Delivered)


class TestNuernbergMeldewesen(OfOffice):
    """REST, JSON, OAuth 2."""

    office = "nuernberg.meldewesen"

    async def test_repeated_delivery_has_one_effect(self, adapter: Adapter, document: Document, control: httpx.AsyncClient) -> None:
        """The same submission again gets the same reference and has no second effect."""
        assert await adapter.deliver(document, 1) == await adapter.deliver(document, 2)
        assert len(await self.held(control, document.submission_id)) == 1

    async def test_other_content_under_the_same_id(self, adapter: Adapter, document: Document) -> None:
        """Other content under a known id is refused; waiting would not help."""
        await adapter.deliver(document, 1)
        other = adapter.translate(self.submission())
        with pytest.raises(Refused, match="SCHLUESSEL_VERWENDET"):
            await adapter.deliver(Document(document.submission_id, other.name, other.content_type, other.content), 2)

    async def test_refused_token_is_renewed_once_for_all(self, adapter: Adapter, twins: Twins) -> None:
        """When the office forgets all tokens, twenty deliveries at once go through with one new token."""
        await adapter.check()
        twin = twins.twins[self.office]
        assert isinstance(twin, RestTwin)
        assert isinstance(twin.door, ClientGuard)
        twin.door.tokens.clear()
        documents = [adapter.translate(self.submission()) for _ in range(20)]
        assert len(await asyncio.gather(*(adapter.deliver(document, 1) for document in documents))) == 20
        assert len(twin.door.tokens) == 1

    async def test_wrong_secret(self, twins: Twins, document: Document) -> None:
        """A client that is not known says nothing about the submission: everything waits."""
        adapter = registry.connect(self.office, twins.office_settings()[self.office] | {"client_secret": "wrong"})
        with pytest.raises(DestinationDown, match="HTTP 401"):
            await adapter.deliver(document, 1)
        await adapter.close()

    async def test_not_found_by_someone_else(self, twins: Twins) -> None:
        """A 404 that does not come from the office itself is not taken for 'certainly not there'."""
        settings = twins.office_settings()[self.office]
        adapter = registry.connect(self.office, settings | {"url": f"{settings['url']}/elsewhere"})
        with pytest.raises(DestinationDown):
            await adapter.find(uuid4())
        await adapter.close()


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (401, DestinationDown),
        (404, DestinationDown),
        (503, DestinationDown),
        (429, DestinationDown),
        (409, CaseNotReady),
        (423, CaseNotReady),
        (422, Refused),
    ],
)
async def test_http_status_has_a_cause(status: int, cause: type[DeliveryFailure]) -> None:
    """A status that says what happened leads to its cause."""
    with pytest.raises(cause):
        check_taken(httpx.Response(status))


@pytest.mark.parametrize("status", [302, 500, 502, 504])
async def test_http_status_without_a_cause(status: int) -> None:
    """A status that leaves open what happened is unclear."""
    with pytest.raises(Exception, match=f"HTTP {status}") as caught:
        check_taken(httpx.Response(status))
    assert not isinstance(caught.value, DeliveryFailure)


async def test_settings_hide_secrets() -> None:
    """A password does not show where settings are printed."""
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGjb4iLeF0XEFUVc/ACprdYIvEezGD8FxMe1qJGV3DwF"
    settings = AugsburgGewerbe.Settings.model_validate({"host": "sftp.example", "user": "stadtbus", "password": CANARY, "host_key": key})
    assert CANARY not in repr(settings)
