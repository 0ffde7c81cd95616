"""What every adapter promises, against the twin of its back office over real sockets.

`AdapterContract` is the suite; a subclass says how to build its adapter and how to read what the back office holds.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import csv
import io
import json
import time
import traceback
from collections.abc import AsyncIterator, Callable
from typing import ClassVar
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio

from adapters import registry
from adapters.augsburg.gewerbe import latin9
from adapters.augsburg.gewerbe.adapter import AugsburgGewerbe
from adapters.augsburg.gewerbe.twin import AugsburgTwin
from adapters.http import MAX_ANSWER_BYTES, MAX_CONNECTIONS, check_taken
from adapters.interface import Adapter, Delivered, Document, Submission
from adapters.kit import UnclearAnswer
from adapters.muenchen.meldewesen import soap
from adapters.muenchen.meldewesen.adapter import _raise_fault
from adapters.nuernberg.meldewesen.twin import NuernbergTwin
from adapters.twins.book import Mood, Temper
from adapters.twins.server import Twins
from schemas import xml
from schemas.errors import Blip, CaseNotReady, DeliveryFailure, DestinationDown, Refused
from schemas.message import Applicant, Application
from tests import builders

pytestmark = pytest.mark.asyncio(loop_scope="module")

Names = list[tuple[str, str]]
"""Family name and given names of each applicant; empty where the person has none."""
NAMES = (("Schön", "Łukasz Đặng"), ("Müller-Żurek", "İpek"), (None, "Ana"))
CANARY = "Kanarienvogel"


class AdapterContract:
    """The suite."""

    office: ClassVar[str]
    impatient: ClassVar[dict[str, object]]
    """Settings with limits well below a second."""
    held_names: ClassVar[Names] = [("Schön", "Łukasz Đặng"), ("Müller-Żurek", "İpek"), ("", "Ana")]
    busy: ClassVar[type[DeliveryFailure]] = CaseNotReady
    """What a case in use is to the adapter."""
    build: ClassVar[Callable[..., Application]] = staticmethod(builders.application)

    def names_in(self, content: bytes) -> Names:
        """The applicants in a document as the back office holds it."""
        raise NotImplementedError

    def submission(self, *applicants: Applicant) -> Submission:
        """A new submission, of these applicants where some are given."""
        return builders.submission(self.build(applicants=applicants) if applicants else self.build(), self.office)

    @pytest_asyncio.fixture(loop_scope="module")
    async def impatient_adapter(self, twins: Twins) -> AsyncIterator[Adapter]:
        """The adapter with short limits."""
        adapter = registry.connect(self.office, twins.office_settings()[self.office] | self.impatient)
        yield adapter
        await adapter.close()

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

    async def test_delivered_submission_is_held_once_with_all_applicants(self, adapter: Adapter, control: httpx.AsyncClient) -> None:
        """A delivered submission has one effect, and every applicant arrives with all letters that the office can write."""
        submission = self.submission(*(builders.person(*names) for names in NAMES))
        await adapter.deliver(adapter.translate(submission), 1)
        (content,) = await self.held(control, submission.id)
        assert self.held_names == self.names_in(content)

    async def test_find_before_and_after(self, adapter: Adapter, document: Document) -> None:
        """`find` says None before a hand-over, and the same reference as `deliver` after it."""
        assert await adapter.find(document.submission_id) is None
        delivered = await adapter.deliver(document, 1)
        assert delivered == await adapter.find(document.submission_id)

    async def test_refusal(self, adapter: Adapter, document: Document, twins: Twins, control: httpx.AsyncClient) -> None:
        """A back office that refuses leads to Refused with its code, and nothing is held."""
        await twins.set_mood(self.office, Mood.REFUSE)
        with pytest.raises(Refused, match="FACHLICH_ABGELEHNT"):
            await adapter.deliver(document, 1)
        assert await self.held(control, document.submission_id) == []

    async def test_delivery_after_refusal(self, adapter: Adapter, document: Document, twins: Twins, control: httpx.AsyncClient) -> None:
        """What was refused once can be handed over again, and then the new answer counts."""
        await twins.set_mood(self.office, Mood.REFUSE)
        with pytest.raises(Refused):
            await adapter.deliver(document, 1)
        await twins.set_mood(self.office, Mood.OK)
        await adapter.deliver(document, 2)
        assert len(await self.held(control, document.submission_id)) == 1

    async def test_technical_error(self, adapter: Adapter, document: Document, twins: Twins, control: httpx.AsyncClient) -> None:
        """A technical error before the effect is named as one that allows another try; nothing is held, `find` does not guess."""
        await twins.set_mood(self.office, Mood.FAIL)
        with pytest.raises((Blip, DestinationDown)):
            await adapter.deliver(document, 1)
        with pytest.raises(DestinationDown):
            await adapter.find(document.submission_id)
        with pytest.raises(DestinationDown):
            await adapter.check()
        assert await self.held(control, document.submission_id) == []

    async def test_error_after_effect(self, adapter: Adapter, document: Document, twins: Twins, control: httpx.AsyncClient) -> None:
        """A technical error after the effect is unclear, `find` clears it up, and there is one effect."""
        await twins.set_mood(self.office, Mood.FAIL_AFTER)
        with pytest.raises(Exception) as caught:  # noqa: PT011 - unclear is whatever is not a DeliveryFailure
            await adapter.deliver(document, 1)
        assert not isinstance(caught.value, DeliveryFailure)
        assert isinstance(await adapter.find(document.submission_id), Delivered)
        assert len(await self.held(control, document.submission_id)) == 1

    async def test_away_and_back(self, adapter: Adapter, document: Document, twins: Twins, control: httpx.AsyncClient) -> None:
        """A closed port is DestinationDown at once, also on a connection that was open; afterwards all works again."""
        await adapter.check()
        await twins.set_mood(self.office, Mood.AWAY)
        began = time.monotonic()
        with pytest.raises(DestinationDown):
            await adapter.deliver(document, 1)
        with pytest.raises(DestinationDown):
            await adapter.find(document.submission_id)
        with pytest.raises(DestinationDown):
            await adapter.check()
        assert time.monotonic() - began < 2
        await twins.set_mood(self.office, Mood.OK)
        await adapter.deliver(document, 2)
        assert len(await self.held(control, document.submission_id)) == 1

    @pytest.mark.parametrize("mood", [Mood.GARBAGE, Mood.ENDLESS])
    async def test_strange_answer(
        self, adapter: Adapter, impatient_adapter: Adapter, document: Document, twins: Twins, control: httpx.AsyncClient, mood: Mood
    ) -> None:
        """An answer that is not of the protocol, or never ends, leaves the outcome unclear in good time; `find` does not guess from one."""
        await twins.set_mood(self.office, mood)
        began = time.monotonic()
        with pytest.raises(Exception) as caught:  # noqa: PT011 - unclear is whatever is not a DeliveryFailure
            await impatient_adapter.deliver(document, 1)
        assert not isinstance(caught.value, DeliveryFailure)
        with pytest.raises(Exception):  # noqa: B017, PT011 - it tells the truth or raises
            await impatient_adapter.find(document.submission_id)
        assert time.monotonic() - began < 4
        await twins.set_mood(self.office, Mood.OK)
        assert isinstance(await adapter.find(document.submission_id), Delivered)
        assert len(await self.held(control, document.submission_id)) == 1

    async def test_busy(self, adapter: Adapter, document: Document, twins: Twins, control: httpx.AsyncClient) -> None:
        """A case that somebody has open is named as one that has to wait; nothing is held, and `find` knows it."""
        await twins.set_mood(self.office, Mood.BUSY)
        with pytest.raises(self.busy):
            await adapter.deliver(document, 1)
        await twins.set_mood(self.office, Mood.OK)
        assert await adapter.find(document.submission_id) is None
        assert await self.held(control, document.submission_id) == []

    async def test_flaky_office_has_one_effect_each(self, adapter: Adapter, twins: Twins, control: httpx.AsyncClient) -> None:
        """With answers late, lost and refused at random, asking `find` before each repeat gives one effect per submission."""
        await twins.set_temper(self.office, Temper(Mood.FLAKY, delay_s=0.05, share=0.8, seed=1))
        documents = [adapter.translate(self.submission()) for _ in range(20)]
        for document in documents:
            while await adapter.find(document.submission_id) is None:
                with contextlib.suppress(Exception):
                    await adapter.deliver(document, 1)
        assert [len(await self.held(control, document.submission_id)) for document in documents] == [1] * 20

    async def test_slow_beyond_the_limit(
        self, adapter: Adapter, impatient_adapter: Adapter, document: Document, twins: Twins, control: httpx.AsyncClient
    ) -> None:
        """An answer that comes too late leaves the outcome unclear in good time, and `find` clears it up later."""
        await impatient_adapter.check()
        await twins.set_mood(self.office, Mood.SLOW, 1.5)
        began = time.monotonic()
        with pytest.raises((TimeoutError, httpx.ReadTimeout)):
            await impatient_adapter.deliver(document, 1)
        assert time.monotonic() - began < 1.4
        await twins.set_mood(self.office, Mood.OK)
        assert isinstance(await adapter.find(document.submission_id), Delivered)
        assert len(await self.held(control, document.submission_id)) == 1

    async def test_slow_within_the_limit(self, adapter: Adapter, document: Document, twins: Twins) -> None:
        """A slow answer is still an answer."""
        await twins.set_mood(self.office, Mood.SLOW, 0.1)
        assert isinstance(await adapter.deliver(document, 1), Delivered)

    async def test_translation_repeats(self, adapter: Adapter) -> None:
        """The same submission gives the same bytes, and the name of the document is made of its id."""
        submission = self.submission()
        document = adapter.translate(submission)
        assert document == adapter.translate(submission)
        assert document.name.startswith(str(submission.id))

    async def test_missing_field(self, adapter: Adapter) -> None:
        """A form without a field that the office needs is refused by the id of the field."""
        form = self.build().form
        first, *others = form.fields
        incomplete = self.build(content=form.model_copy(update={"fields": tuple(others)}))
        with pytest.raises(Refused, match=first.id):
            adapter.translate(builders.submission(incomplete, self.office))

    async def test_test_submission_is_marked(self, adapter: Adapter) -> None:
        """A test submission differs from a real one in the document."""
        real = self.build()
        documents = {
            adapter.translate(builders.submission(real.model_copy(update={"test": test}), self.office)).content for test in (True, False)
        }
        assert len(documents) == 2

    async def test_check(self, adapter: Adapter) -> None:
        """`check` answers with one line."""
        assert len((await adapter.check()).splitlines()) == 1

    async def test_many_at_once(self, adapter: Adapter, control: httpx.AsyncClient) -> None:
        """Fifty deliveries at once have fifty effects, each with its own reference."""
        documents = [adapter.translate(self.submission()) for _ in range(50)]
        delivered = await asyncio.gather(*(adapter.deliver(document, 1) for document in documents))
        assert len(set(delivered)) == 50
        assert [len(await self.held(control, document.submission_id)) for document in documents] == [1] * 50

    async def test_nothing_personal_leaves(self, adapter: Adapter, twins: Twins, caplog: pytest.LogCaptureFixture) -> None:
        """Logs, failures and references hold no name of an applicant, whatever happens."""
        caplog.set_level("DEBUG")
        said: list[str] = []
        for mood in (Mood.REFUSE, Mood.FAIL, Mood.FAIL_AFTER, Mood.AWAY, Mood.OK):
            await twins.set_mood(self.office, mood)
            document = adapter.translate(self.submission(builders.person(CANARY, CANARY)))
            try:
                said.append(f"{await adapter.deliver(document, 1)} {document.name}")
            except Exception as error:  # noqa: BLE001 - any way of failing
                said += [repr(error), *traceback.format_exception(error)]
        assert CANARY not in "\n".join([*said, caplog.text])


class TestMuenchenMeldewesen(AdapterContract):
    """SOAP 1.1."""

    office = "muenchen.meldewesen"
    impatient: ClassVar[dict[str, object]] = {"connect_limit_s": 0.3, "answer_limit_s": 0.3}

    def names_in(self, content: bytes) -> Names:
        """The envelope is held as it came."""
        persons = soap.unwrap(content).findall(soap.name("person"))
        return [(person.findtext(soap.name("familienname"), ""), person.findtext(soap.name("vornamen"), "")) for person in persons]

    async def test_missing_name_is_said(self, adapter: Adapter) -> None:
        """A person without a family name is not a person whose name was forgotten."""
        root = xml.parse(adapter.translate(self.submission(builders.person(None, "Ana"))).content)
        assert [element.get("nichtVorhanden") for element in root.iter(soap.name("familienname"), soap.name("vornamen"))] == ["true", None]

    async def test_organisation_is_refused(self, adapter: Adapter) -> None:
        """An organisation cannot register a residence; the reason does not name it."""
        with pytest.raises(Refused, match=r"^applicant 2 is an organisation; this service is for persons$"):
            adapter.translate(self.submission(builders.person("Schön", "Ana"), builders.company("Schön GmbH")))

    async def test_create_is_not_idempotent_at_the_twin(self, adapter: Adapter, document: Document, control: httpx.AsyncClient) -> None:
        """Delivering twice makes two entries: the twin shows double effects instead of hiding them."""
        await adapter.deliver(document, 1)
        await adapter.deliver(document, 2)
        assert len(await self.held(control, document.submission_id)) == 2

    async def test_locked_case(self) -> None:
        """The fault VORGANG_GESPERRT makes the case wait."""
        with pytest.raises(CaseNotReady):
            _raise_fault(soap.wrap(soap.fault("Server", soap.CASE_LOCKED)))

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


class TestAugsburgGewerbe(AdapterContract):
    """CSV over SFTP."""

    office = "augsburg.gewerbe"
    impatient: ClassVar[dict[str, object]] = {"ack_limit_s": 0.3, "ack_poll_s": 0.05}
    held_names: ClassVar[Names] = [("Schön", "Lukasz Dang"), ("Müller-Zurek", "Ipek"), ("", "Ana")]
    busy = DestinationDown  # SFTP has no word for a case in use
    build = staticmethod(builders.trade_application)

    def names_in(self, content: bytes) -> Names:
        """The file, row by row."""
        return [(row["Name"], row["Vornamen"]) for row in self.rows_in(content)]

    def rows_in(self, content: bytes) -> list[dict[str, str]]:
        """Cells by column."""
        return list(csv.DictReader(io.StringIO(content.decode(latin9.CHARSET), newline=""), delimiter=";"))

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
        """Letters without any Latin-9 form are refused by column and applicant, without the value."""
        with pytest.raises(Refused, match=r"^column Name of applicant 2 has a character that iso-8859-15 cannot represent$"):
            adapter.translate(self.submission(builders.person("Schön", "Ana"), builders.person("Παπαδόπουλος", "Ana")))

    async def test_lost_connection_is_renewed(self, adapter: Adapter, document: Document, twins: Twins) -> None:
        """After the server has dropped the connection, the next delivery opens another."""
        await adapter.check()
        twin = twins.twins[self.office]
        assert isinstance(twin, AugsburgTwin)
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
        impatient = registry.connect(self.office, twins.office_settings()[self.office] | self.impatient)
        document = impatient.translate(self.submission())
        with pytest.raises(TimeoutError):
            await impatient.deliver(document, 1)
        with pytest.raises(TimeoutError):
            await impatient.find(document.submission_id)
        await impatient.close()
        await twins.set_mood(self.office, Mood.AWAY)
        await twins.set_mood(self.office, Mood.OK)
        assert isinstance(await adapter.find(document.submission_id), Delivered)


class TestNuernbergMeldewesen(AdapterContract):
    """REST, JSON, OAuth 2."""

    office = "nuernberg.meldewesen"
    impatient: ClassVar[dict[str, object]] = {"connect_limit_s": 0.3, "answer_limit_s": 0.3}

    def names_in(self, content: bytes) -> Names:
        """A missing name is null."""
        return [(person["familienname"] or "", person["vornamen"] or "") for person in json.loads(content)["personen"]]

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
        assert isinstance(twin, NuernbergTwin)
        twin.tokens.clear()
        documents = [adapter.translate(self.submission()) for _ in range(20)]
        assert len(await asyncio.gather(*(adapter.deliver(document, 1) for document in documents))) == 20
        assert len(twin.tokens) == 1

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
        (429, Blip),
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


@pytest.mark.parametrize(
    ("text", "fitted"),
    [
        ("Schön €", "Schön €"),
        ("Łukasz", "Lukasz"),
        ("Đặng", "Dang"),
        ("İpek", "Ipek"),
        ("Żižka", "Zižka"),
        ("d’Or – „X“", 'd\'Or - "X"'),
        ("C̆", "C"),
        ("Ж", None),
    ],
)
async def test_latin9(text: str, fitted: str | None) -> None:
    """Text gets into ISO-8859-15 by one rule, or not at all."""
    assert fitted == latin9.fit(text)


async def test_settings_hide_secrets() -> None:
    """A password does not show where settings are printed."""
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGjb4iLeF0XEFUVc/ACprdYIvEezGD8FxMe1qJGV3DwF"
    settings = AugsburgGewerbe.Settings.model_validate({"host": "sftp.example", "user": "stadtbus", "password": CANARY, "host_key": key})
    assert CANARY not in repr(settings)
